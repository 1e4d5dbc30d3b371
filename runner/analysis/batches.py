"""How far a figure of a single run may be from what it is on average: by batch means.

What happens in a queue in a row resembles each other: an item that waits long stands before one that waits long. So
samples do not count as so many independent ones. The run is cut into batches, each long enough to forget the one
before; the scatter of the batches' figures gives the error of the whole (Law, Simulation Modeling and Analysis, 5th
edition 2015, section 9.5.3; 10 to 30 batches: Schmeiser, Operations Research 30, 1982).

Of a percentile the scatter is that of the share of samples below it, batch by batch, made a time by the slope of the
percentiles around it (R. R. Bahadur, Annals of Mathematical Statistics 37, 1966; the slope as between the ends of R. S.
Woodruff's interval, Journal of the American Statistical Association 47, 1952). Percentiles of single batches would
not do: of few samples that resemble each other they are too low.

Batches that still resemble each other are told by their correlation at lag 1, of which the bias is taken away (F. H. C.
Marriott and J. A. Pope, Biometrika 41, 1954); then the variance is multiplied by (1 + r) / (1 - r), as in N-Skart
(Tafazzoli, Steiger and Wilson, IEEE Transactions on Automatic Control 56, 2011). Where much of it is left, two batches
are made one.

Where the correlation is high, the figure does not waver about a level, it drifts: a queue that is put into faster than
it is emptied grows all the time. Then its *steps* from batch to batch are what repeats. A sum of independent steps has,
on average over a run of k batches, the variance k / 3 of a step's (the mean of a Wiener process over its time), which
is also on the safe side where the figure only seemed to drift.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import fsum, sqrt
from typing import TYPE_CHECKING, Final

from runner.analysis.spread import percentile
from runner.analysis.student import quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIDENCE: Final = 0.95
COUNTS: Final = (20, 10)
"""Batches that are made: so many where there are samples enough, otherwise fewer."""
SMALLEST: Final = 5
"""Samples in a batch of which a mean is taken."""
_CLOSEST: Final = 2
"""Samples from a percentile over which its slope is taken at least."""
_DRIFTS: Final = 0.5
"""Correlation of neighbouring batches from which on a figure is said to drift."""
_FEWEST: Final = 2
"""Batches that must have a part in the scatter."""
_STEPS: Final = 0.5
"""Correlation of neighbouring steps that is allowed for at most: batches of a drift have 1/4."""


@dataclass(frozen=True, slots=True)
class Error:
    """The error of a figure.

    Attributes:
        variance: Of the figure.
        freedom: Degrees of freedom with which that is known.
        skew: Its skewness, third moment over variance to the power of 1.5.
        drifts: Whether the figure drifts over the run.
    """

    variance: float
    freedom: float
    skew: float = 0.0
    drifts: bool = False


def batches(count: int) -> int:
    """How many batches so many samples are cut into; 0 where they are too few."""
    return next((batches for batches in COUNTS if count >= batches * SMALLEST), 0)


def cuts(count: int, into: int) -> list[tuple[int, int]]:
    """From where to where each batch goes: all about equally long."""
    return [*pairwise(count * place // into for place in range(into + 1))]


class Sample:
    """Durations in the order of the log, and what batches of them say.

    Args:
        ns: The durations.
    """

    def __init__(self, ns: Sequence[int]) -> None:
        self.ns = ns
        self._sorted: list[int] | None = None

    def __len__(self) -> int:
        return len(self.ns)

    def mean(self) -> float | None:
        """None where there is no duration."""
        return sum(self.ns) / len(self.ns) if len(self.ns) else None

    def percentile(self, share: float) -> float | None:
        """As in summary.json; None where there is no duration."""
        return percentile(self._ordered(), share) if len(self.ns) else None

    def of_mean(self) -> list[float]:
        """How far each batch pulls the mean away, weighted by its size; together they pull it nowhere."""
        mean, into = self.mean(), batches(len(self.ns))
        if mean is None or not into:
            return []
        weight = into / len(self.ns)
        return [weight * (sum(self.ns[a:b]) - mean * (b - a)) for a, b in cuts(len(self.ns), into)]

    def of_percentile(self, share: float) -> list[float]:
        """How far each batch pulls a percentile away; nothing where so few samples lie beyond.

        Its interval, as a share of the samples, may take at most half of those beyond it.
        """
        into, count = batches(len(self.ns)), len(self.ns)
        if not into:
            return []
        ordered = self._ordered()
        whole = percentile(ordered, share)
        above = [sum(ns > whole for ns in self.ns[a:b]) for a, b in cuts(count, into)]
        weight, mean = into / count, sum(above) / count
        pulls = [weight * (more - mean * (b - a)) for more, (a, b) in zip(above, cuts(count, into), strict=True)]
        of = error(pulls)
        reach = max(quantile(CONFIDENCE, of.freedom) * sqrt(of.variance), _CLOSEST / count)
        if reach > min(share, 1 - share) / 2:
            return []
        slope = (percentile(ordered, share + reach) - percentile(ordered, share - reach)) / (2 * reach)
        return [pull * slope for pull in pulls]

    def _ordered(self) -> Sequence[int]:
        if self._sorted is None:
            self._sorted = sorted(self.ns)
        return self._sorted


def error(deviations: Sequence[float]) -> Error:
    """The error of a figure by how far each batch is from it."""
    correlation = _correlation(deviations)
    if correlation >= _DRIFTS and len(deviations) > COUNTS[-1]:
        merged = [(a + b) / 2 for a, b in zip(deviations[::2], deviations[1::2], strict=True)]
        if (rest := _correlation(merged)) < _DRIFTS:
            deviations, correlation = merged, rest
    count = len(deviations)
    if correlation < _DRIFTS:
        variance = _variance(deviations, count - 1, correlation) / count
        return Error(variance, count - 1, _skewness(deviations) / sqrt(count))
    steps = [b - a for a, b in pairwise(deviations)]
    mean = fsum(steps) / len(steps)
    steps = [step - mean for step in steps]
    spread = _variance(steps, len(steps) - 1, min(_STEPS, _correlation(steps)))
    return Error(spread * count / 3, len(steps) - 1, drifts=True)


def is_concentrated(deviations: Sequence[float]) -> bool:
    """Whether hardly more than one batch makes all the scatter: nobody knows how often such a thing happens.

    By the number of batches that would scatter as much if they did so alike, (sum of squares)^2 / sum of 4th powers.
    """
    squares = [each * each for each in deviations]
    fourth = fsum(each * each for each in squares)
    return bool(fourth) and fsum(squares) ** 2 / fourth < _FEWEST


def _variance(deviations: Sequence[float], freedom: float, correlation: float) -> float:
    return fsum(each * each for each in deviations) / freedom * (1 + correlation) / (1 - correlation)


def _skewness(deviations: Sequence[float]) -> float:
    """Of the batches, without bias (Law, section 9.5.3)."""
    count, mean = len(deviations), fsum(deviations) / len(deviations)
    squares = fsum((each - mean) ** 2 for each in deviations) / (count - 1)
    cubes = fsum((each - mean) ** 3 for each in deviations) * count / ((count - 1) * (count - 2))
    return cubes / squares**1.5 if squares else 0.0


def _correlation(deviations: Sequence[float]) -> float:
    """At lag 1, without the bias that the few batches make, and 0 where it is negative."""
    count, mean = len(deviations), fsum(deviations) / len(deviations)
    centred = [each - mean for each in deviations]
    squares = fsum(each * each for each in centred)
    if not squares:
        return 0.0
    found = fsum(a * b for a, b in pairwise(centred)) / squares
    return min(0.99, max(0.0, (count * found + 1) / (count - 4)))
