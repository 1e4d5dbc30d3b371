"""What a law of times is, and what its parameters may be."""

from __future__ import annotations

from abc import abstractmethod
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.config.moments import Moments

LONGEST = 1e8
"""The longest time a parameter may name, in seconds: some three years."""

CAP = 9e9
"""The longest sample, in seconds: its nanoseconds fit in 64 bits. `mean` and `variance` do not know of it."""


class MissingValue(LookupError):  # noqa: N818 - a name others rely on
    """A trace has no value for an item."""


class Draw(Protocol):
    """The random numbers that belong to one item and one purpose."""

    @property
    def id(self) -> str:
        """The item's id."""

    @property
    def seq(self) -> int:
        """The item's position in its producer's sequence, from 0."""

    def uniform(self, k: int) -> float:
        """The k-th uniform number of this item, k >= 0, in the open interval (0, 1)."""


class Distribution(Protocol):
    """What every law can do; times are seconds."""

    __slots__ = ()

    @abstractmethod
    def sample(self, draw: Draw) -> float:
        """One time: finite, at least 0, the same for the same draw.

        Raises:
            MissingValue: A trace has no value for the item.
        """

    @abstractmethod
    def clamped(self, low: float, high: float) -> Moments:
        """Mean and variance of min(max(sample, low), high), for 0 <= low <= high; `high` may be `inf`."""

    def mean(self) -> float:
        """The mean of the law as sampled; `inf` where it is infinite."""
        return self.clamped(0, inf).mean

    def variance(self) -> float:
        """The variance of the law as sampled, in seconds squared; `inf` where it is infinite or undefined."""
        return self.clamped(0, inf).variance


class Invertible(Distribution):
    """A law with an inverse distribution function: its samples are that function of `uniform(0)`."""

    __slots__ = ()

    @abstractmethod
    def quantile(self, p: float) -> float:
        """The inverse distribution function for 0 < p < 1; it never decreases."""

    def quantiles(self, ps: Sequence[float]) -> list[float]:
        """The quantile of each, to the last bit."""
        return list(map(self.quantile, ps))

    def sample(self, draw: Draw) -> float:
        """The quantile at `uniform(0)`."""
        return self.quantile(draw.uniform(0))


def check_number(name: str, value: float, low: float, high: float) -> None:
    """Refuse a number outside [low, high], and what is no number."""
    if not low <= value <= high:
        raise ValueError(f"{name} is {value!r}, must be at least {low:g} and at most {high:g}")


def check_time(name: str, value: float) -> None:
    """Refuse a time that is negative, not finite or beyond `LONGEST`."""
    if not 0 <= value <= LONGEST:
        raise ValueError(f"{name} is {value!r}, must be at least 0 and at most {LONGEST:g} seconds")


def check_positive_time(name: str, value: float) -> None:
    """Refuse a time that is not above 0, not finite or beyond `LONGEST`."""
    if not 0 < value <= LONGEST:
        raise ValueError(f"{name} is {value!r}, must be above 0 and at most {LONGEST:g} seconds")


def check_order(**values: float) -> None:
    """Refuse values that do not ascend in the order in which they are named."""
    for (lower, low), (upper, high) in pairwise(values.items()):
        if low > high:
            raise ValueError(f"{lower} is {low!r}, must not be above {upper}, {high!r}")


def check_weights(weights: Sequence[float], name: str, count: int) -> None:
    """Refuse weights that are not as many as the `count` entries of `name`, all 0, or neither 0 nor of a usual size."""
    if len(weights) != count:
        raise ValueError(f"weights has {len(weights)} entries, must have as many as {name}: {count}")
    for position, weight in enumerate(weights):
        if weight != 0 and not 1e-15 <= weight <= 1e15:
            raise ValueError(f"weights[{position}] is {weight!r}, must be 0 or between 1e-15 and 1e+15")
    if not any(weights):
        raise ValueError("weights are all 0, must have one above 0")
