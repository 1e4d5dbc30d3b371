"""Chaos in short: a few of the trials of `make chaos`; the header of a session says how to repeat them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from chaos import capacity, plain_queue
from chaos.conductor import Conductor
from chaos.trial import drawn

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture
def conductor(tmp_path: Path) -> Iterator[Conductor]:
    with Conductor(tmp_path) as conductor:
        yield conductor


@pytest.mark.parametrize(
    ("kind", "policy", "count"),
    [
        ("pipe", "restart", 12),
        ("pipe", "continue", 4),
        ("pipe", "fail", 4),
        ("multiprocessing.Queue", "fail", 4),
        ("multiprocessing.SimpleQueue", "fail", 4),
        ("multiprocessing.Manager", "fail", 4),
    ],
)
def test_whoever_is_killed_whenever_nothing_hangs_and_everything_is_accounted_for(
    kind: str, policy: str, count: int, conductor: Conductor, chaos: random.Random
) -> None:
    seed = chaos.randrange(1_000_000)
    tried = [conductor.tried(drawn(seed, number, kind, policy)) for number in range(count)]
    assert not [each for each in tried if each.faults], "\n".join(str(each) for each in tried if each.faults)
    assert sum(each.killed for each in tried) > 0


@pytest.mark.parametrize("maxsize", [1, 7])
def test_a_bound_is_kept_and_its_room_regained_after_each_death(
    maxsize: int, conductor: Conductor, chaos: random.Random
) -> None:
    tried = conductor.tried(capacity.trial(maxsize, 5, chaos), keep=True)
    assert not tried.faults, str(tried)
    [log] = tried.folder.glob("2*/events.jsonl")
    assert capacity.deaths(log) > 0
    assert list(capacity.judge(maxsize, log)) == []
    assert list(capacity.judge(maxsize - 1, log)), "the control: one item less would have been exceeded"
    assert list(capacity.judge(maxsize + 1, log)), "the control: one item more was never reached"


def test_a_plain_queue_hangs_under_such_kills(tmp_path: Path, chaos: random.Random) -> None:
    """The control: one or two of ten do, so that of forty trials one is as good as certain to."""
    seed = chaos.randrange(1_000_000)
    trials = (drawn(seed, number) for number in range(200))
    plain = [trial for trial in trials if not trial.stages][:40]
    assert any(plain_queue.hangs(trial, tmp_path) for trial in plain)
