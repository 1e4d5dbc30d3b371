"""Ties decided by chance: repeatable by a seed, all that is promised still holds, and nothing else changes."""

from __future__ import annotations

import json

import pytest

from runner.analysis.audit import audit
from runner.config.load import loads
from runner.config.simulable import simulable
from runner.engines.simulated import Simulated, simulated
from runner.log.events import decoded
from runner.planning.resolve import plan

TIED = """
producers: {p: {count: 3, items: 4, sleep: {distribution: randint, low: 1, high: 3}}}
consumers: {c: {count: 2, sleep: {distribution: randint, low: 1, high: 3}}}
"""
CONTENDED = """
queues: {main: {maxsize: 1}}
producers: {p: {count: 4, items: 5}}
consumers: {c: {sleep: {distribution: exponential, mean: 1s}}}
"""


def told(text: str, ties: int | None) -> list[str]:
    return logged(simulated(plan(simulable(loads(text))), ties=ties))


def logged(gone: Simulated) -> list[str]:
    return [json.dumps(event, sort_keys=True) for event in gone.events()]


@pytest.mark.parametrize("text", [TIED, CONTENDED])
def test_a_seed_repeats_and_another_differs(text: str) -> None:
    assert told(text, 1) == told(text, 1)
    assert len({tuple(told(text, ties)) for ties in (None, *range(5))}) == 6


@pytest.mark.parametrize("text", [TIED, CONTENDED])
def test_all_that_is_promised_holds(text: str) -> None:
    for ties in range(10):
        gone = simulated(plan(simulable(loads(text))), ties=ties)
        assert gone.verdict.valid is True
        assert audit([decoded(line.encode()) for line in logged(gone)], fifo=True).valid is True
        assert gone.summary["items"]["done"] == gone.summary["items"]["planned"]


def test_draws_are_the_same() -> None:
    def services(ties: int | None) -> dict[str, int]:
        events = (json.loads(line) for line in told(TIED, ties))
        return {event["id"]: event["planned_ns"] for event in events if event["event"] == "done"}

    assert services(None) == services(3)


def test_who_waits_for_room_goes_in_any_order() -> None:
    def writers(ties: int | None) -> list[str]:
        events = (json.loads(line) for line in told(CONTENDED, ties))
        return [event["worker"] for event in events if event["event"] == "put"]

    in_turn = writers(None)[4:12]
    assert in_turn[:4] == in_turn[4:]  # who waited longest goes next
    assert len({tuple(writers(ties)) for ties in range(8)}) == 8


def test_where_nothing_is_simultaneous_nothing_changes() -> None:
    """But for the start, at which a single producer and a single consumer leave nothing to decide."""
    text = """
        seed: 3
        producers: {p: {items: 30, sleep: {distribution: exponential, mean: 1s}}}
        consumers: {c: {sleep: {distribution: uniform, low: 100ms, high: 900ms}}}"""

    def instants(ties: int | None) -> list[tuple[str, str, int]]:
        events = (json.loads(line) for line in told(text, ties))
        return [(event["event"], event["id"], event["t_ns"]) for event in events if "id" in event]

    assert sorted(instants(None)) == sorted(instants(9))
