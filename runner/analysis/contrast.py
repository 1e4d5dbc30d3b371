"""One figure of two runs against each other: the difference, and in which interval the true one lies.

Figures of two runs that share nothing have errors of their own, which add up (Welch 1947, with his degrees of freedom).
Where the same items were drawn the same, what is common to both cancels batch by batch: then it is the differences
that scatter, much less (common random numbers; Law, section 11.2). The relative difference has an interval of its own,
by the delta method. Both hold for one figure at a time.

Of many figures some differ by chance. Which are said to differ is decided for all of a comparison together, by Holm's
method (Scandinavian Journal of Statistics 6, 1979): however the figures hang together, the probability is at most 5 %
that any is said to differ which does not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cbrt, sqrt
from operator import sub
from typing import TYPE_CHECKING, Final

from runner.analysis.batches import CONFIDENCE, Error, error, is_concentrated
from runner.analysis.student import quantile, tails

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_EQUAL: Final = 1e-12
"""Relative difference of figures that only rounding tells apart."""
_UNSURE: Final = 0.5
"""Share of the first figure that its own interval may reach to a side, for the ratio to have one."""
_STRAIGHT: Final = 1e-6
"""Skewness below which there is none."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of one run.

    Attributes:
        value: Itself; None where there is no sample.
        deviations: How far each batch is from it; empty where no error is known.
        samples: What it was made of.
    """

    value: float | None
    deviations: Sequence[float] = ()
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Contrast:
    """A figure of two runs.

    Attributes:
        metric: Its path, as in summary.json.
        unit: `s`, `items/s`, `items`, or `share` of 1.
        first, other: The two values, over all samples; None where there is none.
        samples: So many samples on either side.
        pairs: So many items on both sides were compared with themselves; None: the runs were, as wholes.
        difference: Other less first; over the pairs, where there are.
        low, high: The interval of 95 % that it lies in; None: no interval is known.
        relative, relative_low, relative_high: The same as shares of the first; None where that is 0, and no interval
            where it is itself hardly known.
        p: Probability of such a difference, or a larger one, by chance; None without an interval.
        drifts: Whether the figure drifts over the run.
        why: Why there is no interval; None where there is one.
        differs: Whether more than chance is behind it, all figures considered.
    """

    metric: str
    unit: str
    first: float | None
    other: float | None
    samples: tuple[int, int]
    pairs: int | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    relative: float | None = None
    relative_low: float | None = None
    relative_high: float | None = None
    p: float | None = None
    drifts: bool = False
    why: str | None = None
    differs: bool = False


def plainly(metric: str, unit: str, first: Figure, other: Figure, why: str) -> Contrast:
    """Two values and their difference, of which nobody knows what chance has in it."""
    samples = (first.samples, other.samples)
    if first.value is None or other.value is None:
        return Contrast(metric, unit, first.value, other.value, samples, why="no sample in one of the runs")
    difference = other.value - first.value
    relative = difference / first.value if first.value else None
    return Contrast(
        metric, unit, first.value, other.value, samples, difference=difference, relative=relative, why=why
    )  # fmt: skip


def contrasted(
    metric: str, unit: str, first: Figure, other: Figure, *, paired: bool = False, level: bool = False
) -> Contrast:
    """Compare two figures.

    Args:
        metric: Its path.
        unit: Its unit.
        first: Of the first run.
        other: Of the other one.
        paired: Whether a batch of the one is to be compared with the same batch of the other.
        level: Whether it can have no interval where it drifts, as of a percentile.
    """
    if first.value is None or other.value is None or not first.deviations or not other.deviations:
        return plainly(metric, unit, first, other, "too few independent samples")
    a, b = first.value, other.value
    found = plainly(metric, unit, first, other, "")
    whole = _error(first.deviations, other.deviations, 1.0, paired=paired)
    if _is_concentrated(first.deviations, other.deviations, paired=paired):
        return replace(found, why="it comes from one short stretch of the run")
    if whole.drifts and level:
        return replace(found, why="it drifts over the run", drifts=True)
    difference = 0.0 if abs(b - a) <= _EQUAL * max(abs(a), abs(b)) else b - a
    below, above = _reach(whole)
    found = replace(
        found, difference=difference, low=difference - below, high=difference + above, p=_chance(difference, whole),
        drifts=whole.drifts, why=None,
    )  # fmt: skip
    if a == 0:
        return found
    own = _reach(error(first.deviations))
    if max(own) > _UNSURE * abs(a):
        return found
    relative = difference / a
    below, above = _reach(_error(first.deviations, other.deviations, 1 + relative, paired=paired))
    return replace(found, relative=relative, relative_low=relative - below / a, relative_high=relative + above / a)


def decided(contrasts: Iterable[Contrast]) -> list[Contrast]:
    """Say of each whether it differs, by Holm's method over all that have a p."""
    found = [*contrasts]
    tested = sorted((place for place, each in enumerate(found) if each.p is not None), key=lambda p: found[p].p or 0.0)
    for rank, place in enumerate(tested):
        if (found[place].p or 0.0) > (1 - CONFIDENCE) / (len(tested) - rank):
            break
        found[place] = replace(found[place], differs=True)
    return found


def _error(first: Sequence[float], other: Sequence[float], weight: float, *, paired: bool) -> Error:
    """The error of other less `weight` times first."""
    if paired:
        return error([b - weight * a for a, b in zip(first, other, strict=True)])
    own, its = error([weight * each for each in first]), error(other)
    variance = own.variance + its.variance
    drifts = own.drifts or its.drifts
    if not variance:
        return Error(0.0, own.freedom, drifts=drifts)
    squares = own.variance**2 / own.freedom + its.variance**2 / its.freedom
    cubes = its.skew * its.variance**1.5 - own.skew * own.variance**1.5
    return Error(variance, variance**2 / squares, cubes / variance**1.5, drifts)


def _is_concentrated(first: Sequence[float], other: Sequence[float], *, paired: bool) -> bool:
    if paired:
        return is_concentrated([*map(sub, other, first)])
    return is_concentrated(first) or is_concentrated(other)


def _reach(of: Error) -> tuple[float, float]:
    """How far the interval reaches below and above the figure."""
    t, scale = quantile(CONFIDENCE, of.freedom), sqrt(of.variance)
    return scale * _skewed(t, of), -scale * _skewed(-t, of)


def _chance(difference: float, of: Error) -> float:
    """Probability that chance makes such a difference: of the interval that would just end at 0."""
    if not difference:
        return 1.0
    # Without any scatter, as where all times are constant, nothing is left to chance.
    return tails(_straight(difference / sqrt(of.variance), of), of.freedom) if of.variance else 0.0


def _skewed(t: float, of: Error) -> float:
    """Student's t as it is where the error is skewed (R. Willink, Communications in Statistics 34, 2005)."""
    beta = of.skew / 6
    return (cbrt(1 + 6 * beta * (t - beta)) - 1) / (2 * beta) if abs(beta) > _STRAIGHT else t


def _straight(t: float, of: Error) -> float:
    """The inverse of that."""
    beta = of.skew / 6
    return beta + ((1 + 2 * beta * t) ** 3 - 1) / (6 * beta) if abs(beta) > _STRAIGHT else t
