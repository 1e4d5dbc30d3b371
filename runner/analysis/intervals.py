"""A confidence interval for a median that assumes nothing about the distribution.

Between the k-th smallest and the k-th largest of n independent samples the median lies with probability
1 - 2 P(B ≤ k - 1), B being binomial with n trials of 1/2 (W. R. Thompson, "On Confidence Ranges for the Median and
Other Expectation Distributions", Annals of Mathematical Statistics 7, 1936).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

WANTED: Final = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """The median of samples, and where that of their distribution lies with the probability `coverage(rank, n)`."""

    median: float
    low: float
    high: float


def interval(samples: Sequence[float]) -> Interval:
    """The narrowest interval between two opposite samples that covers 95 %; where none does, the widest."""
    ordered = sorted(samples)
    place = rank(len(ordered))
    return Interval(median(ordered), ordered[place - 1], ordered[-place])


def rank(count: int) -> int:
    """K for so many samples: the interval is from the k-th smallest to the k-th largest."""
    place = 1
    while 2 * (place + 1) <= count and coverage(place + 1, count) >= WANTED:
        place += 1
    return place


def coverage(place: int, count: int) -> float:
    """Probability that the median lies from the `place`-th smallest to the `place`-th largest of `count` samples."""
    outside: int = 2 * sum(comb(count, below) for below in range(place))
    return max(0.0, 1 - outside / (1 << count))
