"""Durations: exact while they are few, within 1 % when they are many."""

from __future__ import annotations

from dataclasses import asdict
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


ANY_NS = st.one_of(st.just(0), st.integers(1, 300), st.integers(1, 10**7), st.integers(1, 1 << 62))
PERCENTILES = ("p50", "p90", "p95", "p99")


@given(
    values=st.lists(ANY_NS, min_size=1, max_size=300),
    exact=st.integers(0, 400),
    chunk=st.integers(1, 100),
    parts=st.integers(1, 3),
)
def test_percentiles_are_within_one_percent_and_all_else_is_exact(
    values: list[int], exact: int, chunk: int, parts: int
) -> None:
    """Whatever the values, however they come, and however many of them are kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durations, "EXACT", exact)
        found = [Durations() for _ in range(parts)]
        for place, begin in enumerate(range(0, len(values), chunk)):
            found[place % parts].take(values[begin : begin + chunk])
        told, truth = joined(found), spread(values)
    assert (told.count, told.mean, told.max) == (truth.count, truth.mean, truth.max)
    for key in PERCENTILES:
        assert getattr(told, key) == pytest.approx(getattr(truth, key), rel=0.01)
    if sum(map(bool, values)) <= exact:
        assert told == truth


@given(values=st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=200), exact=st.sampled_from([0, 400]))
def test_negative_ones_of_a_wrong_log_stand_where_they_belong(values: list[int], exact: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durations, "EXACT", exact)
        found = Durations()
        found.take(values)
        told, truth = joined([found]), spread(values)
    assert (told.count, told.mean, told.max) == (truth.count, truth.mean, truth.max)
    ordered = sorted(values)
    for key, share in zip(PERCENTILES, (0.5, 0.9, 0.95, 0.99), strict=True):
        below = int((len(values) - 1) * share)
        ends = ordered[below], ordered[min(below + 1, len(values) - 1)]
        assert getattr(told, key) == pytest.approx(getattr(truth, key), abs=0.01 * max(map(abs, ends)) / 1e9)


def test_what_is_forgotten_counts_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durations, "EXACT", 3)
    found = of([7, 0, 9, 5, 3])
    found.fresh.append(4)
    found.forget()
    assert joined([found]) == spread([])
    found.take([2, 0])
    assert joined([found]) == spread([0, 2])
