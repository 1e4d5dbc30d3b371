"""A log read as far as it can be: what is wrong with it is noted with its line, and the rest is read on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from runner.log.events import SCHEMA, RunEnd, RunStart, blocks, decode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runner.log.events import Event

_MOST: Final = 20
"""Troubles that are kept in words; of the others there is a number."""


@dataclass(slots=True)
class Troubles:
    """What is wrong with a log.

    Attributes:
        count: How many things.
        told: The first of them in words, with the number of the line.
    """

    count: int = 0
    told: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Note one more."""
        self.count += 1
        if len(self.told) < _MOST:
            self.told.append(text)

    def lines(self) -> list[str]:
        """All that is known of them, in words."""
        more = self.count - len(self.told)
        return [*self.told, f"and {more:,} more"] if more else [*self.told]


def read_chunks(path: Path, troubles: Troubles) -> Iterator[list[Event]]:
    """Yield the events of an `events.jsonl` in lists, in constant memory; a line that is none is passed over.

    Args:
        path: The log.
        troubles: Where it is noted: lines that are no event, another schema, no `run.start` or `run.end`, a torn end.

    Raises:
        LogError: The file cannot be read.
    """
    line, complete, torn = 0, False, False
    for block in blocks(path):
        end = block.rfind(b"\n") + 1
        events, problems = decode(block[:end], every=True)
        for place, problem in problems.items():
            troubles.add(f"line {line + place + 1}: is no event, left out: {problem}")
        if line == 0:
            _check_first(events, troubles)
        line += block.count(b"\n")
        if events:
            complete = isinstance(events[-1], RunEnd)
            yield events
        torn = end < len(block)
    if torn:
        troubles.add(f"line {line + 1}: torn: the log breaks off in it")
    if not complete:
        troubles.add("incomplete: there is no run.end, or not at the end")


def _check_first(events: list[Event], troubles: Troubles) -> None:
    first = events[0] if events else None
    if not isinstance(first, RunStart):
        troubles.add("line 1: no run.start")
    elif first.schema != SCHEMA:
        troubles.add(f"line 1: log schema {first.schema}, read as {SCHEMA}, which this mprun knows")
