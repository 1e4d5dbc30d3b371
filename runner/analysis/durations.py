"""Durations of which only the spread will be asked: exact while they are few, afterwards in the room of a histogram."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections import Counter
from itertools import accumulate, chain
from struct import pack, unpack
from typing import TYPE_CHECKING, Final

from runner.analysis.spread import Ordered, Spread, percentile, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

EXACT: Final = 100_000
"""So many durations other than 0 are kept as they are."""
_AT_ONCE: Final = 4096
"""Durations that are worth a `fold`."""
_SIGN: Final = 1 << 15
"""Of a bucket's name; what lies below it names the bucket of the magnitude."""
_UPPER_HALVES: Final = slice(1 if sys.byteorder == "little" else 0, None, 2)
_NS: Final = 1e9


class Durations:
    """Durations in ns; negative ones, as a log may have that contradicts itself, are counted like any.

    Whoever has a list of them lets it `take` that. Whoever is in a hurry appends those that are not 0 to `fresh`, folds
    now and then, and fills up at the end.

    Beyond `EXACT` they are counted in buckets, named by the upper half of the number as a 32-bit float: 7 bits behind
    the leading one, so a bucket is 1/128 of its values wide at most, and a percentile less than 1 % off. That is the
    idea of DDSketch (Masson, Rim and Lee, VLDB 2019), in buckets that cost no logarithm. Mean and maximum are exact.

    Attributes:
        fresh: What was added since the last `fold`.
        exact: What was folded, as long as it is kept.
        buckets: How many there are in each; None as long as all are kept.
        count: How many were folded.
        zeros: How many more there are, of 0 ns.
        total: The sum.
        most: The longest of all that are not 0; None before the first.
    """

    __slots__ = ("buckets", "count", "exact", "fresh", "most", "total", "zeros")

    def __init__(self) -> None:
        self.fresh: list[int] = []
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.fresh.clear()
        self.exact = array("q")
        self.buckets: Counter[int] | None = None
        self.count = self.zeros = self.total = 0
        self.most: int | None = None

    def fold(self) -> None:
        """Take in what is fresh."""
        fresh = self.fresh
        if not fresh:
            return
        self.count += len(fresh)
        self.total += sum(fresh)
        longest = max(fresh)
        self.most = longest if self.most is None else max(longest, self.most)
        if self.buckets is None and self.count <= EXACT:
            self.exact.fromlist(fresh)
        elif self.buckets is None:
            self.buckets = Counter(_buckets([*self.exact, *fresh]))
            self.exact = array("q")
        else:
            self.buckets.update(_buckets(fresh))
        fresh.clear()

    def add(self, ns: int) -> None:
        """Add one."""
        if ns:
            self.fresh.append(ns)
        else:
            self.zeros += 1

    def take(self, values: list[int]) -> None:
        """Add many, some of which may be 0; at about 0.1 µs each."""
        fresh = self.fresh
        before = len(fresh)
        fresh.extend(filter(None, values))
        self.zeros += len(values) - len(fresh) + before
        if len(fresh) >= _AT_ONCE:
            self.fold()

    def fill(self, count: int) -> None:
        """Whatever was not added was 0, so that there are so many; nothing is fresh."""
        self.zeros = count - self.count


def joined(parts: Sequence[Durations]) -> Spread:
    """Summarise several as one."""
    for part in parts:
        part.fold()
    zeros = sum(part.zeros for part in parts)
    count = zeros + sum(part.count for part in parts)
    if not count:
        return spread([])
    longest = [part.most for part in parts if part.most is not None]
    most = max([*longest, 0] if zeros else longest)
    ordered = _ordered(parts, zeros, most)
    p50, p90, p95, p99 = (percentile(ordered, share) / _NS for share in (0.5, 0.9, 0.95, 0.99))
    return Spread(count, sum(part.total for part in parts) / count / _NS, p50, p90, p95, p99, most / _NS)


def _ordered(parts: Sequence[Durations], zeros: int, most: int) -> Ordered:
    kept = list(chain.from_iterable(part.exact for part in parts))
    counted = [part.buckets for part in parts if part.buckets is not None]
    if not counted:
        kept.sort()
        return _Padded(zeros, kept)
    buckets = Counter(_buckets(kept))
    buckets[0] += zeros
    for each in counted:
        buckets.update(each)
    return _Histogram(buckets, most)


def _buckets(durations: list[int]) -> list[int]:
    return memoryview(array("f", durations)).cast("B").cast("H")[_UPPER_HALVES].tolist()


class _Padded:
    """Reads zeros and what is beside them as one ascending list, which would be long."""

    def __init__(self, zeros: int, ascending: list[int]) -> None:
        self._zeros = zeros
        self._ascending = ascending
        self._first = bisect_right(ascending, 0)

    def __len__(self) -> int:
        return self._zeros + len(self._ascending)

    def __getitem__(self, place: int) -> int:
        if place < self._first:
            return self._ascending[place]
        return 0 if place < self._first + self._zeros else self._ascending[place - self._zeros]


class _Histogram:
    """Reads a histogram as if it were the ascending list of all durations, evenly spread within each bucket."""

    def __init__(self, buckets: Counter[int], most: int) -> None:
        self._ranges = sorted((*_range(bucket), count) for bucket, count in buckets.items() if count)
        self._ends = list(accumulate(count for _, _, count in self._ranges))
        self._most = most

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, place: int) -> float:
        found = bisect_right(self._ends, place)
        begin, end, count = self._ranges[found]
        first = self._ends[found] - count
        return min(self._most, begin + (end - begin) * (place - first + 0.5) / count)


def _range(bucket: int) -> tuple[float, float]:
    """From where to where a bucket goes."""
    magnitude = bucket % _SIGN
    begin, end = (_least(magnitude), _least(magnitude + 1)) if magnitude else (0.0, 0.0)
    return (-end, -begin) if bucket >= _SIGN else (begin, end)


def _least(bucket: int) -> float:
    """The least that a bucket of positive durations holds."""
    least: float = unpack(">f", pack(">HH", bucket, 0))[0]
    return least
