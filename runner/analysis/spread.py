"""Mean and percentiles of measured durations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

_NS: float = 1e9


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution of durations in seconds; all but `count` are None where there is no sample."""

    count: int
    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    max: float | None


def spread(samples_ns: Sequence[int]) -> Spread:
    """Summarise durations given in nanoseconds, exactly."""
    if not samples_ns:
        return Spread(0, None, None, None, None, None, None)
    ordered = sorted(samples_ns)
    p50, p90, p95, p99 = (percentile(ordered, share) / _NS for share in (0.5, 0.9, 0.95, 0.99))
    return Spread(len(ordered), sum(ordered) / len(ordered) / _NS, p50, p90, p95, p99, ordered[-1] / _NS)


class Ordered(Protocol):
    """Durations in ascending order, by their place."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> float: ...


def percentile(ordered: Ordered, share: float) -> float:
    """Return the value below which `share` of the ascending samples lie, interpolating linearly.

    With the samples numbered 0 to n - 1 this is the value at position (n - 1) * share: definition 7 of Hyndman and
    Fan, "Sample Quantiles in Statistical Packages" (The American Statistician 50, 1996), numpy's default.
    """
    position = (len(ordered) - 1) * share
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
