"""The confidence interval of a median."""

from __future__ import annotations

import random

import pytest

from runner.analysis.intervals import Interval, coverage, interval, rank


@pytest.mark.parametrize(
    ("count", "place", "probability"),
    # Conover, "Practical Nonparametric Statistics", binomial table for p = 1/2.
    [(1, 1, 0.0), (2, 1, 0.5), (5, 1, 0.9375), (6, 1, 0.96875), (9, 2, 0.9609375), (10, 2, 0.978515625)],
)
def test_it_is_the_narrowest_with_95_percent_or_the_widest(count: int, place: int, probability: float) -> None:
    assert (rank(count), coverage(place, count)) == (place, probability)


def test_the_ends_are_samples() -> None:
    assert interval([5.0, 1.0, 3.0, 2.0, 4.0]) == Interval(3.0, 1.0, 5.0)
    assert interval([7.0]) == Interval(7.0, 7.0, 7.0)


def test_it_covers_as_often_as_it_says() -> None:
    """4,000 intervals from five exponential samples; the standard error of the share is 0.4 %."""
    numbers = random.Random(1)  # noqa: S311 - a test, no secret
    found = [interval([numbers.expovariate(1) for _ in range(5)]) for _ in range(4000)]
    covered = sum(each.low <= 0.6931471805599453 <= each.high for each in found) / len(found)
    assert covered == pytest.approx(0.9375, abs=0.0125)
