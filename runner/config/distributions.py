"""Laws of the time a worker sleeps, works or waits, computed from uniform numbers alone.

Every law is a frozen value: parameters in; `sample`, `mean` and `variance` out. Times are seconds. A sample is finite,
never negative, and depends on nothing but the uniforms of a `Draw`: no generator has a state, and nothing is used whose
result changed between Python versions. Constructors raise ValueError, in a sentence, for parameters out of range.

The laws on single values and `Clamped` are here, those with a density in `continuous`.
"""
# ruff: noqa: D102 - the methods are described once, in law.Distribution

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from math import ceil, floor, inf
from typing import TYPE_CHECKING

from runner.config.continuous import (
    Erlang,
    Exponential,
    Gamma,
    HyperExponential,
    LogNormal,
    Normal,
    Pareto,
    Triangular,
    Uniform,
    Weibull,
)
from runner.config.law import (
    CAP,
    LONGEST,
    Distribution,
    Draw,
    Invertible,
    MissingValue,
    check_number,
    check_order,
    check_positive_time,
    check_time,
    check_weights,
)
from runner.config.moments import Moments, atom, clamp, mixture, values_moments

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = [
    "CAP",
    "LONGEST",
    "Clamped",
    "Constant",
    "Distribution",
    "Draw",
    "Empirical",
    "Erlang",
    "Exponential",
    "Gamma",
    "HyperExponential",
    "Invertible",
    "LogNormal",
    "MissingValue",
    "Normal",
    "Pareto",
    "RandInt",
    "Trace",
    "Triangular",
    "Uniform",
    "Weibull",
]


@dataclass(frozen=True, slots=True)
class Constant(Distribution):
    """Always `value`, in seconds."""

    value: float

    def __post_init__(self) -> None:
        check_time("value", self.value)

    def sample(self, draw: Draw) -> float:  # noqa: ARG002 - every law is asked so
        return self.value

    def clamped(self, low: float, high: float) -> Moments:
        return atom(clamp(self.value, low, high))


@dataclass(frozen=True, slots=True)
class RandInt(Invertible):
    """A whole number of units from `low` to `high`, both included and all equally likely.

    Attributes:
        low: Units, at least 0.
        high: Units, at least `low`.
        unit: Seconds a unit lasts: 1 as the config writes plain numbers, 0.001 for `10ms`.
    """

    low: int
    high: int
    unit: float = 1.0

    def __post_init__(self) -> None:
        check_positive_time("unit", self.unit)
        for name, units in {"low": self.low, "high": self.high}.items():
            check_number(name, units, 0, LONGEST / self.unit)
            if units != int(units):
                raise ValueError(f"{name} is {units!r}, must be a whole number of units")
            object.__setattr__(self, name, int(units))
        check_order(low=self.low, high=self.high)

    def quantile(self, p: float) -> float:
        return (self.low + int(p * (self.high - self.low + 1))) * self.unit

    def mean(self) -> float:
        return (self.low + self.high) / 2 * self.unit

    def variance(self) -> float:
        return ((self.high - self.low + 1) ** 2 - 1) / 12 * self.unit**2

    def clamped(self, low: float, high: float) -> Moments:
        first = max(self.low, ceil(low / self.unit))
        last = self.high if high == inf else min(self.high, floor(high / self.unit))
        if last < first:
            # No value lies between the bounds, so each moves to the bound on its side.
            above = clamp(self.high - last, 0, self.high - self.low + 1)
            return mixture([(self.high - self.low + 1 - above, atom(low)), (above, atom(high))])
        inside = RandInt(first, last, self.unit)
        return mixture(
            [
                (first - self.low, atom(low)),
                (last - first + 1, Moments(inside.mean(), inside.variance())),
                (self.high - last, atom(high)),
            ]
        )


@dataclass(frozen=True, slots=True)
class Empirical(Invertible):
    """One of a list of measured values, in the order of their size, so that samples increase with the uniform.

    Attributes:
        values: Seconds, at least 0, at least one.
        weights: One per value, >= 0, not all 0, not necessarily adding up to 1; left out, all are equally likely.
    """

    values: tuple[float, ...]
    weights: tuple[float, ...] = ()
    _ascending: tuple[float, ...] = field(init=False, repr=False, compare=False)
    _cumulative: tuple[float, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("values is empty, must have at least one entry")
        for position, value in enumerate(self.values):
            check_time(f"values[{position}]", value)
        if not self.weights:
            object.__setattr__(self, "weights", (1.0,) * len(self.values))
        check_weights(self.weights, "values", len(self.values))
        pairs = sorted(zip(self.values, self.weights, strict=True))
        object.__setattr__(self, "_ascending", tuple(value for value, _ in pairs))
        object.__setattr__(self, "_cumulative", tuple(accumulate(weight for _, weight in pairs)))

    def quantile(self, p: float) -> float:
        # p <= 1 - 2**-53, so p · total rounds to less than the total, and a weight of 0 is never met.
        return self._ascending[bisect_right(self._cumulative, p * self._cumulative[-1])]

    def clamped(self, low: float, high: float) -> Moments:
        return values_moments([clamp(value, low, high) for value in self.values], self.weights)


@dataclass(frozen=True, slots=True)
class Trace(Distribution):
    """Recorded times, each belonging to one item: by position or by id, exactly one of the two.

    Mean and variance are those of all values of the trace, whether or not an item asks for them.

    Attributes:
        values: Seconds, at least 0; number seq belongs to the item with that seq.
        by_id: Seconds, at least 0, by item id.
    """

    values: tuple[float, ...] | None = None
    by_id: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if (self.values is None) == (self.by_id is None):
            raise ValueError("a trace has either values or by_id, not both or neither")
        if self.by_id is not None:
            # A copy, which nobody changes later and which can be pickled whatever mapping was given.
            object.__setattr__(self, "by_id", dict(self.by_id))
        known = dict(enumerate(self.values)) if self.values is not None else self.by_id
        if not known:
            raise ValueError("the trace is empty, must have at least one value")
        for key, value in known.items():
            check_time(f"the trace's value for {key!r}", value)

    def sample(self, draw: Draw) -> float:
        if self.values is not None:
            if draw.seq < len(self.values):
                return self.values[draw.seq]
        elif self.by_id is not None and draw.id in self.by_id:
            return self.by_id[draw.id]
        raise MissingValue(f"the trace has {len(self._all())} values, none for item {draw.id!r} (seq {draw.seq})")

    def clamped(self, low: float, high: float) -> Moments:
        return values_moments([clamp(value, low, high) for value in self._all()])

    def _all(self) -> Collection[float]:
        return self.values if self.values is not None else (self.by_id or {}).values()


@dataclass(frozen=True, slots=True)
class Clamped(Distribution):
    """Another law, whose samples below `min` become `min` and above `max` become `max`.

    Attributes:
        law: Any law.
        min: Seconds, at least 0; None for no bound.
        max: Seconds, at least `min`; None for no bound.
    """

    law: Distribution
    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        if self.min is not None:
            check_time("min", self.min)
        if self.max is not None:
            check_time("max", self.max)
        check_order(min=self._low, max=self._high)

    @property
    def _low(self) -> float:
        return 0.0 if self.min is None else self.min

    @property
    def _high(self) -> float:
        return inf if self.max is None else self.max

    def sample(self, draw: Draw) -> float:
        return clamp(self.law.sample(draw), self._low, self._high)

    def clamped(self, low: float, high: float) -> Moments:
        return self.law.clamped(clamp(self._low, low, high), clamp(self._high, low, high))
