"""Counts of trials, as tables."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chaos.cells import ROLES, STEPS
from chaos.fates import Fault, Wrong
from chaos.trial import Act

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chaos.cells import Cell
    from chaos.conductor import Tried


@dataclass(slots=True)
class Tally:
    """What came of trials of a sort.

    Attributes:
        trials: How many there were.
        killed: Workers killed, from outside or in a trap.
        wrong: In how many of them something of a sort was wrong.
        wrong_trials: In how many of them anything was.
        unsprung: In how many the trap did not go off.
    """

    name: str
    trials: int = 0
    killed: int = 0
    wrong: Counter[Wrong] = field(default_factory=Counter)
    wrong_trials: int = 0
    unsprung: int = 0

    def add(self, tried: Tried, more: Iterable[Fault] = ()) -> None:
        """Count one."""
        faults = [*tried.faults, *more]
        self.trials += 1
        self.killed += tried.killed + tried.sprung
        self.wrong_trials += bool(faults)
        self.wrong.update({fault.wrong for fault in faults})


def table(tallies: list[Tally]) -> str:
    """A row a tally."""
    rows = [["", "trials", "deaths", *Wrong, "not sprung"]]
    rows += [
        [tally.name, tally.trials, tally.killed, *(tally.wrong[wrong] for wrong in Wrong), tally.unsprung]
        for tally in tallies
    ]  # fmt: skip
    return _aligned([[str(cell) for cell in row] for row in rows])


def matrix(tried: list[tuple[Cell, bool]]) -> str:
    """A row a step and role, a column what happened there: how many lines, and how many of them are red."""
    counts = Counter((cell.step, cell.role, cell.act) for cell, _ in tried)
    reds = Counter((cell.step, cell.role, cell.act) for cell, red in tried if red)
    rows = [["lines, red", "", *Act]]
    for step in STEPS:
        for role in ROLES.values():
            keys = [(step, role, act) for act in Act]
            if any(counts[key] for key in keys):
                rows.append([step, role, *(f"{counts[key]}, {reds[key]}" for key in keys)])
    return _aligned(rows)


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows
    )
