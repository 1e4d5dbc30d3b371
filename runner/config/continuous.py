"""The laws with a density. Formulas without a source stand in Law, Simulation Modeling and Analysis, 5th ed., ch. 6, 8.

A sample is a function of uniform numbers u in (0, 1): the inverse distribution function of `uniform(0)` where there is
one. Such a law increases with u, which common random numbers need. A parameter called mean is kept as `average`,
because `mean` is a method of every law.
"""
# ruff: noqa: D102 - the methods are described once, in law.Distribution and moments.Tailed

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate
from math import exp, expm1, fsum, inf, lgamma, log, log1p, pi, sqrt
from typing import TYPE_CHECKING

from runner.config.law import (
    CAP,
    Distribution,
    Invertible,
    check_number,
    check_order,
    check_positive_time,
    check_time,
    check_weights,
)
from runner.config.moments import (
    Moments,
    Tailed,
    atom,
    clamped_moments,
    gamma_tails,
    mixture,
    normal_tails,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.config.law import Draw


@cache
def _inverse_normal() -> Callable[[float], float]:
    # Imported late: the import of statistics takes a worker longer than all its others from the standard library.
    from statistics import NormalDist

    return NormalDist().inv_cdf


class Continuous(Tailed, Distribution):
    """What laws with a density share."""

    __slots__ = ()

    @property
    def support(self) -> tuple[float, float]:
        return 0.0, inf

    @property
    def kinks(self) -> tuple[float, ...]:
        return ()

    def clamped(self, low: float, high: float) -> Moments:
        return clamped_moments(self, low, high)


class InvertibleContinuous(Continuous, Invertible):
    """What laws with a density and an inverse distribution function share."""

    __slots__ = ()

    def about(self, p: float) -> float:
        return self.quantile(p)


@dataclass(frozen=True, slots=True)
class Uniform(InvertibleContinuous):
    """Equally likely anywhere between `low` and `high`, in seconds, 0 <= low <= high."""

    low: float
    high: float

    def __post_init__(self) -> None:
        check_time("low", self.low)
        check_time("high", self.high)
        check_order(low=self.low, high=self.high)

    @property
    def support(self) -> tuple[float, float]:
        return self.low, self.high

    def tails(self, x: float) -> tuple[float, float]:
        return (x - self.low) / (self.high - self.low), (self.high - x) / (self.high - self.low)

    def quantile(self, p: float) -> float:
        return min(self.high, self.low + (self.high - self.low) * p)

    def mean(self) -> float:
        return (self.low + self.high) / 2

    def variance(self) -> float:
        return (self.high - self.low) ** 2 / 12


@dataclass(frozen=True, slots=True)
class Triangular(InvertibleContinuous):
    """A density that rises from `low` to `mode` and falls to `high`, in seconds, 0 <= low <= mode <= high."""

    low: float
    mode: float
    high: float

    def __post_init__(self) -> None:
        check_time("low", self.low)
        check_time("high", self.high)
        check_order(low=self.low, mode=self.mode, high=self.high)

    @property
    def support(self) -> tuple[float, float]:
        return self.low, self.high

    @property
    def kinks(self) -> tuple[float, ...]:
        return (self.mode,)

    def tails(self, x: float) -> tuple[float, float]:
        width = self.high - self.low
        if x < self.mode:
            below = (x - self.low) / width * ((x - self.low) / (self.mode - self.low))
            return below, 1 - below
        if x < self.high:
            above = (self.high - x) / width * ((self.high - x) / (self.high - self.mode))
            return 1 - above, above
        return 1.0, 0.0

    def quantile(self, p: float) -> float:
        width, rise, fall = self.high - self.low, self.mode - self.low, self.high - self.mode
        if p * width < rise:
            return min(self.mode, self.low + sqrt(p * width * rise))
        return max(self.mode, self.high - sqrt((1 - p) * width * fall))

    def mean(self) -> float:
        return (self.low + self.mode + self.high) / 3

    def variance(self) -> float:
        width, rise = self.high - self.low, self.mode - self.low
        return (width * width - width * rise + rise * rise) / 18


@dataclass(frozen=True, slots=True, init=False)
class Exponential(InvertibleContinuous):
    """Memoryless, with a mean above 0, in seconds."""

    average: float

    def __init__(self, mean: float) -> None:
        check_positive_time("mean", mean)
        object.__setattr__(self, "average", mean)

    def tails(self, x: float) -> tuple[float, float]:
        return -expm1(-x / self.average), exp(-x / self.average)

    def quantile(self, p: float) -> float:
        return -self.average * log1p(-p)

    def quantiles(self, ps: Sequence[float]) -> list[float]:
        factor = -self.average  # the law most asked for: without a call for each
        return [factor * log1p(-p) for p in ps]

    def mean(self) -> float:
        return self.average

    def variance(self) -> float:
        return self.average**2


@dataclass(frozen=True, slots=True, init=False)
class Normal(InvertibleContinuous):
    """Gauss's law with a mean >= 0 and a standard deviation >= 0, in seconds; what falls below 0 becomes 0."""

    average: float
    sd: float

    def __init__(self, mean: float, sd: float) -> None:
        check_time("mean", mean)
        check_time("sd", sd)
        object.__setattr__(self, "average", mean)
        object.__setattr__(self, "sd", sd)

    def tails(self, x: float) -> tuple[float, float]:
        return normal_tails((x - self.average) / self.sd)

    def quantile(self, p: float) -> float:
        return max(0.0, self.average + self.sd * _inverse_normal()(p))

    def mean(self) -> float:
        return self._moments().mean

    def variance(self) -> float:
        return self._moments().variance

    def _moments(self) -> Moments:
        """Of mean + sd · max(Z, z), with z = -mean/sd (Tobin 1958; in Z, because there nothing cancels)."""
        z = -self.average / self.sd if self.sd else -inf
        if z < -40:
            return Moments(self.average, self.sd**2)
        below, above = normal_tails(z)
        density = exp(-z * z / 2) / sqrt(2 * pi)
        first = z * below + density
        second = z * z * below + above + z * density
        return Moments(self.average + self.sd * first, self.sd**2 * (second - first * first))


@dataclass(frozen=True, slots=True, init=False)
class LogNormal(InvertibleContinuous):
    """The exponential of a normal law, with a mean above 0 in seconds and 0 <= cv <= 1000 (sd / mean)."""

    average: float
    cv: float
    _location: float = field(repr=False, compare=False)
    _sigma: float = field(repr=False, compare=False)

    def __init__(self, mean: float, cv: float) -> None:
        check_positive_time("mean", mean)
        check_number("cv", cv, 0, 1000)
        square = log1p(cv * cv)
        object.__setattr__(self, "average", mean)
        object.__setattr__(self, "cv", cv)
        object.__setattr__(self, "_location", log(mean) - square / 2)
        object.__setattr__(self, "_sigma", sqrt(square))

    def tails(self, x: float) -> tuple[float, float]:
        return normal_tails((log(x) - self._location) / self._sigma) if x > 0 else (0.0, 1.0)

    def quantile(self, p: float) -> float:
        return min(CAP, exp(self._location + self._sigma * _inverse_normal()(p)))

    def mean(self) -> float:
        return self.average

    def variance(self) -> float:
        return (self.average * self.cv) ** 2


@dataclass(frozen=True, slots=True, init=False)
class Gamma(Continuous):
    """A gamma law with 0.001 <= shape <= 100,000 and a mean above 0, in seconds; its cv is 1 / sqrt(shape)."""

    shape: float
    average: float

    def __init__(self, shape: float, mean: float) -> None:
        check_number("shape", shape, 1e-3, 1e5)
        check_positive_time("mean", mean)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "average", mean)

    def sample(self, draw: Draw) -> float:
        """By Marsaglia and Tsang, A simple method for generating gamma variables, ACM TOMS 26 (2000) 363-372.

        Rejection takes two uniforms a trial, in order; a shape below 1 takes one more, first.
        """
        if self.shape >= 1:
            return self.average / self.shape * _marsaglia_tsang(self.shape, draw, 0)
        boost = exp(log(draw.uniform(0)) / self.shape)
        return min(CAP, self.average / self.shape * _marsaglia_tsang(self.shape + 1, draw, 1) * boost)

    def tails(self, x: float) -> tuple[float, float]:
        return gamma_tails(self.shape, x * self.shape / self.average)

    def about(self, p: float) -> float:
        """Wilson and Hilferty's cube (1931); for a small shape the first terms of both tails."""
        if self.shape < 1:
            lower = exp((log(p) + lgamma(self.shape + 1)) / self.shape)
            upper = log(self.shape / (1 - p))
            return self.average / self.shape * (lower if lower < 0.5 else max(0.5, upper))
        spread = 1 / (9 * self.shape)
        return self.average * max(0.0, 1 - spread + sqrt(spread) * _inverse_normal()(p)) ** 3

    def mean(self) -> float:
        return self.average

    def variance(self) -> float:
        return self.average**2 / self.shape


def _marsaglia_tsang(shape: float, draw: Draw, k: int) -> float:
    """A sample of the gamma law with scale 1 and shape >= 1 from uniforms k, k + 1 and so on."""
    d = shape - 1 / 3
    c = 1 / sqrt(9 * d)
    inverse_normal = _inverse_normal()
    while True:
        x, u = inverse_normal(draw.uniform(k)), draw.uniform(k + 1)
        v = (1 + c * x) ** 3
        if v > 0 and log(u) < x * x / 2 + d - d * v + d * log(v):
            return d * v
        k += 2


@dataclass(frozen=True, slots=True, init=False)
class Erlang(Continuous):
    """The sum of k exponential phases, 1 <= k <= 1000, with a mean above 0 in seconds for all together."""

    k: int
    average: float

    def __init__(self, k: int, mean: float) -> None:
        check_number("k", k, 1, 1000)
        if k != int(k):
            raise ValueError(f"k is {k!r}, must be a whole number")
        check_positive_time("mean", mean)
        object.__setattr__(self, "k", int(k))
        object.__setattr__(self, "average", mean)

    def sample(self, draw: Draw) -> float:
        # fsum, because sum() of floats rounds otherwise since Python 3.12.
        return -self.average / self.k * fsum(log1p(-draw.uniform(i)) for i in range(self.k))

    def tails(self, x: float) -> tuple[float, float]:
        return Gamma(self.k, self.average).tails(x)

    def about(self, p: float) -> float:
        return Gamma(self.k, self.average).about(p)

    def mean(self) -> float:
        return self.average

    def variance(self) -> float:
        return self.average**2 / self.k


@dataclass(frozen=True, slots=True)
class HyperExponential(Distribution):
    """One of several exponential laws, chosen by weight by `uniform(0)`, drawn from by `uniform(1)`.

    Attributes:
        means: Seconds, each above 0.
        weights: One per mean, >= 0, not all 0; they need not add up to 1.
    """

    means: tuple[float, ...]
    weights: tuple[float, ...]
    _cumulative: tuple[float, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_weights(self.weights, "means", len(self.means))
        for position, mean in enumerate(self.means):
            check_positive_time(f"means[{position}]", mean)
        object.__setattr__(self, "_cumulative", tuple(accumulate(self.weights)))

    def sample(self, draw: Draw) -> float:
        place = bisect_right(self._cumulative, draw.uniform(0) * self._cumulative[-1])
        return -self.means[place] * log1p(-draw.uniform(1))

    def clamped(self, low: float, high: float) -> Moments:
        phases = (Exponential(mean).clamped(low, high) for mean in self.means)
        return mixture(zip(self.weights, phases, strict=True))


@dataclass(frozen=True, slots=True)
class Weibull(InvertibleContinuous):
    """Weibull's law with 0.1 <= shape <= 1000 and a scale above 0 in seconds, its quantile at 63.2 %."""

    shape: float
    scale: float

    def __post_init__(self) -> None:
        check_number("shape", self.shape, 0.1, 1000)
        check_positive_time("scale", self.scale)

    def tails(self, x: float) -> tuple[float, float]:
        hazard = exp(min(self.shape * log(x / self.scale), 700)) if x > 0 else 0.0
        return -expm1(-hazard), exp(-hazard)

    def quantile(self, p: float) -> float:
        return min(CAP, self.scale * exp(log(-log1p(-p)) / self.shape))

    def mean(self) -> float:
        return self.scale * exp(lgamma(1 + 1 / self.shape))

    def variance(self) -> float:
        first, second = lgamma(1 + 1 / self.shape), lgamma(1 + 2 / self.shape)
        return self.scale**2 * exp(2 * first) * expm1(second - 2 * first)


@dataclass(frozen=True, slots=True)
class Pareto(InvertibleContinuous):
    """A power law: P(X > x) = (minimum / x) ** alpha, with 0.1 <= alpha <= 1,000,000 and a minimum above 0 in seconds.

    The mean is infinite for alpha <= 1, the variance for alpha <= 2.
    """

    alpha: float
    minimum: float

    def __post_init__(self) -> None:
        check_number("alpha", self.alpha, 0.1, 1e6)
        check_positive_time("minimum", self.minimum)

    @property
    def support(self) -> tuple[float, float]:
        return self.minimum, inf

    def tails(self, x: float) -> tuple[float, float]:
        exponent = self.alpha * log(self.minimum / x)
        return -expm1(exponent), exp(exponent)

    def quantile(self, p: float) -> float:
        return min(CAP, self.minimum * exp(-log1p(-p) / self.alpha))

    def mean(self) -> float:
        return self.minimum * self.alpha / (self.alpha - 1) if self.alpha > 1 else inf

    def variance(self) -> float:
        if self.alpha <= 2:
            return inf
        return self.minimum**2 * self.alpha / (self.alpha - 1) ** 2 / (self.alpha - 2)

    def clamped(self, low: float, high: float) -> Moments:
        """What exceeds `low` is Pareto's law from `low` on, so without `high` no integral is needed."""
        if low > self.minimum and high == inf:
            beyond = Pareto(self.alpha, low)
            below, above = self.tails(low)
            return mixture([(below, atom(low)), (above, Moments(beyond.mean(), beyond.variance()))])
        return clamped_moments(self, low, high)
