"""Differences of two figures, what chance has in them, and which are believed."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.analysis.batches import Error, Sample
from runner.analysis.contrast import Contrast, Figure, _reach, _skewed, _straight, contrasted, decided, plainly


def dice(seed: object) -> Random:
    return Random(str(seed))  # noqa: S311 - repeatable, not secret


def figure(ns: list[int]) -> Figure:
    sample = Sample(ns)
    return Figure(sample.mean(), sample.of_mean(), len(ns))


def drawn(seed: int, factor: float = 1.0) -> list[int]:
    random = dice(seed)
    return [round(1e6 * factor * random.expovariate(1)) for _ in range(1000)]


def contrast(first: Figure, other: Figure, **options: Any) -> Contrast:
    return contrasted("service.mean", "s", first, other, **options)


def ends(found: Contrast) -> tuple[float, float]:
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def test_what_both_runs_have_in_common_cancels_where_items_are_compared_with_themselves() -> None:
    first, other = figure(drawn(1)), figure(drawn(1, 1.01))
    apart, paired = contrast(first, other), contrast(first, other, paired=True)
    assert apart.difference == paired.difference == pytest.approx(1e4, rel=0.1)
    wide, narrow = ends(apart), ends(paired)
    assert wide[0] < 0 < narrow[0]
    assert (narrow[1] - narrow[0]) * 20 < wide[1] - wide[0]
    assert paired.relative_low == pytest.approx(0.01, rel=1e-3)
    assert paired.relative_high == pytest.approx(0.01, rel=1e-3)


def test_without_scatter_nothing_is_left_to_chance() -> None:
    first, other = figure([100] * 200), figure([110] * 200)
    found = contrast(first, other)
    assert (found.difference, found.low, found.high, found.relative_low, found.p) == (10, 10, 10, 0.1, 0)
    assert contrast(first, first).p == 1


def test_rounding_is_no_difference() -> None:
    assert contrast(Figure(0.1 + 0.2, [0.0] * 20), Figure(0.3, [0.0] * 20)).p == 1


def test_what_is_missing_is_said() -> None:
    some, nothing = figure(drawn(1)), Figure(None)
    assert contrast(some, nothing).why == "no sample in one of the runs"
    few = contrast(Figure(3.0, [], 3), Figure(4.0, [], 3))
    assert (few.difference, few.p, few.why) == (1.0, None, "too few independent samples")
    assert plainly("makespan_s", "s", Figure(0.0), Figure(4.0), "one").relative is None
    burst = Figure(1.0, [19.0] + [-1.0] * 19)
    assert contrast(burst, some).why == "it comes from one short stretch of the run"


def test_a_ratio_to_what_is_hardly_known_has_no_interval() -> None:
    found = contrast(Figure(1.0, [10.0, -10.0] * 10), Figure(50.0, [1.0, -1.0] * 10))
    assert found.relative == 49
    assert (found.relative_low, found.relative_high) == (None, None)
    assert found.low is not None


def test_a_level_that_drifts_has_no_interval_and_a_mean_has_a_wide_one() -> None:
    drift = Figure(10.0, [place - 9.5 for place in range(20)])
    level = contrast(drift, drift, level=True)
    assert (level.p, level.drifts, level.why) == (None, True, "it drifts over the run")
    assert contrast(drift, drift).drifts


def with_p(*chances: float | None) -> list[Contrast]:
    return [Contrast(str(place), "s", 1, 2, (1, 1), p=p) for place, p in enumerate(chances)]


def test_which_differ_is_decided_together() -> None:
    """Holm: the smallest of n against 5 % / n, the next against 5 % / (n - 1), until one is larger."""
    assert [each.differs for each in decided(with_p(0.04))] == [True]
    assert [each.differs for each in decided(with_p(0.04, None, 0.9))] == [False] * 3
    assert [each.differs for each in decided(with_p(0.9, 0.02, 0.01))] == [False, True, True]
    assert [each.differs for each in decided(with_p(0.03, 0.03, 0.03))] == [False] * 3


def test_holm_calls_one_of_many_equal_figures_different_in_at_most_five_of_a_hundred() -> None:
    random = dice(5)
    wrong = sum(
        any(each.differs for each in decided(with_p(*(random.random() for _ in range(30))))) for _ in range(1000)
    )
    assert wrong <= 70
    naive = sum(any(random.random() < 0.05 for _ in range(30)) for _ in range(1000))
    assert naive > 700


@given(st.floats(-3, 3), st.floats(-1.5, 1.5))
def test_the_correction_for_skew_can_be_undone(t: float, skew: float) -> None:
    of = Error(1.0, 19.0, skew)
    assert _straight(_skewed(t, of), of) == pytest.approx(t, abs=1e-5)


def test_of_a_figure_that_is_rarely_far_above_the_interval_reaches_farther_up() -> None:
    below, above = _reach(Error(1.0, 19.0, 0.8))
    assert below < _reach(Error(1.0, 19.0))[0] < above
