"""Failpoints in short: of every step of every role some lines; `make chaos` goes through all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from chaos import cells
from chaos.conductor import Conductor
from chaos.trial import Act, Trap, Trial

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from chaos.conductor import Tried

pytestmark = [pytest.mark.process, pytest.mark.slow]

CONFIGS = sorted(cells.BASES)


@pytest.fixture
def conductor(tmp_path: Path) -> Iterator[Conductor]:
    with Conductor(tmp_path) as conductor:
        yield conductor


def found(config: str, conductor: Conductor) -> list[cells.Cell]:
    tried = conductor.tried(cells.survey(config), keep=True)
    assert not tried.faults, str(tried)
    return cells.cells(config, cells.found(tried.folder))


def some(made: list[cells.Cell], chance: random.Random) -> Iterator[Trial]:
    """One cell of each step, role and act, but few of those in which somebody is stopped, which take a second."""
    kinds: dict[tuple[str, str, Act], list[Trial]] = {}
    for cell in made:
        kinds.setdefault((cell.step, cell.role, cell.act), []).append(cell.trial)
    for (_, _, act), trials in kinds.items():
        if act is not Act.STOP or chance.random() < 0.2:
            yield chance.choice(trials)


def red(tried: Iterable[Tried]) -> str:
    return "\n".join(str(each) for each in tried if each.faults)


@pytest.mark.parametrize("config", CONFIGS)
def test_whatever_happens_on_any_line_ends_in_the_right_record(
    config: str, conductor: Conductor, chaos: random.Random
) -> None:
    tried = [conductor.tried(trial) for trial in some(found(config, conductor), chaos)]
    assert not red(tried), red(tried)
    assert sum(each.sprung for each in tried) > 0.9 * len(tried)


def test_without_redelivery_cells_are_red(conductor: Conductor, chaos: random.Random) -> None:
    """The control: who is killed with an item in hand takes it along, and the oracle says so."""
    needy = [
        cell.trial
        for cell in found("one", conductor)
        if (cell.step, cell.role, cell.act) == ("done", "consumer", Act.KILL)
    ]
    tried = [conductor.tried(cells.blind(trial)) for trial in chaos.sample(needy, 3)]
    assert "lost" in {str(fault.wrong) for each in tried for fault in each.faults}


def test_a_stopped_worker_is_killed_and_replaced_where_items_have_a_timeout(conductor: Conductor) -> None:
    trap = Trap("s-0", "usercode.called+2", 2, Act.STOP)
    trial = replace(cells.trial("one", trap, "overdue"), item_timeout=0.2, more={})
    tried = conductor.tried(trial, keep=True)
    assert not tried.faults, str(tried)
    assert tried.sprung == 1
    [log] = tried.folder.glob("2*/events.jsonl")
    assert "longer than item_timeout" in log.read_text()
    assert '"event":"hang"' not in log.read_text()
