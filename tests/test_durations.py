"""Durations: exact while they are few, within 1 % when they are many."""

from __future__ import annotations

from dataclasses import asdict
from random import Random

import pytest

from runner.analysis import durations
from runner.analysis.durations import Durations, joined
from runner.analysis.spread import spread


def of(values: list[int], chunk: int = 700) -> Durations:
    found = Durations()
    for begin in range(0, len(values), chunk):
        for value in values[begin : begin + chunk]:
            found.add(value)
        found.fold()
    return found


def drawn(count: int, mean: float) -> list[int]:
    random = Random(1)  # noqa: S311 - repeatable
    return [int(random.expovariate(1 / mean)) if random.random() < 0.9 else 0 for _ in range(count)]


def test_few_are_summarised_exactly() -> None:
    values = drawn(3_000, 1e6)
    assert joined([of(values)]) == spread(values)
    assert joined([of(values[:1000]), of(values[1000:])]) == spread(values)
    assert joined([Durations()]) == spread([])


@pytest.mark.parametrize("mean", [30, 1e4, 1e9, 1e15])
def test_many_are_within_one_percent(mean: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durations, "EXACT", 1_000)
    values = drawn(20_000, mean)
    exact = asdict(spread(values))
    for found in (of(values), of(values, 20_000)):
        assert not found.exact
        told = asdict(joined([found]))
        assert (told["count"], told["max"]) == (exact["count"], exact["max"])
        assert told["mean"] == pytest.approx(exact["mean"], rel=1e-12)
        assert {key: told[key] for key in told} == pytest.approx(exact, rel=0.01, abs=1e-9)


def test_of_several_one_may_be_exact_and_another_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durations, "EXACT", 1_000)
    values = drawn(9_000, 1e7)
    told, exact = asdict(joined([of(values[:500]), of(values[500:])])), asdict(spread(values))
    assert told == pytest.approx(exact, rel=0.01)


def test_what_was_not_added_was_nothing() -> None:
    found = Durations()
    found.fresh += [3, 5]
    found.fold()
    found.fill(6)
    assert joined([found]) == spread([0, 0, 0, 0, 3, 5])


def test_all_alike_are_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Constant services do not become a range."""
    monkeypatch.setattr(durations, "EXACT", 10)
    told = joined([of([9_000_000] * 100)])
    assert told.p50 == pytest.approx(0.009, rel=0.01)
    assert told.max == 0.009
    assert joined([of([0] * 100 + [1] * 20)]).p50 == 0
