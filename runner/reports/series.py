"""Figures over time, reduced while they come to what a screen can show.

Nobody knows beforehand how long a run is. So a series begins with bins of a microsecond, and whenever they do not reach
far enough any more, each two become one: however long the run, the last half of so many bins is in use.
"""

from __future__ import annotations

from array import array
from math import log2
from operator import add
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_FIRST_WIDTH: Final = 1 << 10
_NO_MINIMUM: Final = 1 << 62


class Series:
    """Values at instants: all of them, or of many the minimum and maximum, mean and last of each bin.

    Args:
        limit: So many are kept as they are.
        bins: So many bins at most are there from then on.

    Attributes:
        points: (instant, value) as given, while there are not too many.
        width: Of a bin, in ns.
        count, total, lowest, highest, last: By bin; `count` is 0 where nothing came.
    """

    def __init__(self, limit: int = 4096, bins: int = 1024) -> None:
        self.points: list[tuple[int, int]] = []
        self.width = _FIRST_WIDTH
        self.count = array("q")
        self.total = array("q")
        self.lowest = array("q")
        self.highest = array("q")
        self.last = array("q")
        self._limit = limit
        self._bins = bins

    @property
    def reduced(self) -> bool:
        """Whether there are bins instead of points."""
        return bool(self.count)

    def add(self, t_ns: int, value: int) -> None:
        """Take a value in; instants before the gate opened count as 0."""
        if self.count:
            self._bin(t_ns, value)
            return
        self.points.append((max(0, t_ns), value))
        if len(self.points) > self._limit:
            self._reduce()

    def _reduce(self) -> None:
        for column in (self.count, self.total, self.highest, self.last):
            column.extend([0] * self._bins)
        self.lowest.extend([_NO_MINIMUM] * self._bins)
        for t_ns, value in self.points:
            self._bin(t_ns, value)
        self.points.clear()

    def _bin(self, t_ns: int, value: int) -> None:
        place = max(0, t_ns) // self.width
        while place >= self._bins:
            self._widen()
            place = max(0, t_ns) // self.width
        if value < self.lowest[place]:
            self.lowest[place] = value
        if value > self.highest[place] or not self.count[place]:
            self.highest[place] = value
        self.count[place] += 1
        self.total[place] += value
        self.last[place] = value

    def _widen(self) -> None:
        self.width *= 2
        counts = self.count[:]
        self.count = halved(self.count)
        self.total = halved(self.total)
        self.lowest = _paired(self.lowest, min, _NO_MINIMUM)
        both = zip(self.highest[::2], self.highest[1::2], counts[::2], counts[1::2], strict=True)
        highest = [max(a, b) if n and m else a if n else b for a, b, n, m in both]
        self.highest = array("q", highest + [0] * len(highest))
        later = zip(self.last[::2], self.last[1::2], counts[1::2], strict=True)
        last = [b if m else a for a, b, m in later]
        self.last = array("q", last + [0] * len(last))


def halved(column: array[int]) -> array[int]:
    """Each two neighbours added up, and zeros behind."""
    return _paired(column, add, 0)


def _paired(column: array[int], joined: Callable[[int, int], int], nothing: int) -> array[int]:
    pairs = array("q", map(joined, column[::2], column[1::2]))
    pairs.extend([nothing] * (len(column) - len(pairs)))
    return pairs


class Shares:
    """How much of each bin of time each of several workers was in each of several states.

    Args:
        workers: How many there are to be; there may be more.
        states: How many states.
        cells: So many bins of all workers together, more or less; of one worker at least 32 and at most 2048.

    Attributes:
        width: Of a bin, in ns.
        bins: How many there are.
        spent: By worker, by state: ns in each bin.
    """

    def __init__(self, workers: int, states: int, cells: int = 1 << 14) -> None:
        self.width = _FIRST_WIDTH
        self.bins = 1 << max(5, min(11, (cells // max(1, workers)).bit_length() - 1))
        self.spent: list[list[array[int]]] = []
        self._states = states

    def add(self, worker: int, state: int, began: int, ended: int) -> None:
        """A worker was in a state from one instant to another."""
        began = max(0, began)
        while ended > self.width * self.bins:
            self._widen()
        while worker >= len(self.spent):
            self.spent.append([array("q", bytes(8 * self.bins)) for _ in range(self._states)])
        column, width = self.spent[worker][state], self.width
        place, last = began // width, (ended - 1) // width
        while place < last:
            edge = (place + 1) * width
            column[place] += edge - began
            began = edge
            place += 1
        if ended > began:
            column[place] += ended - began

    def _widen(self) -> None:
        self.width *= 2
        self.spent = [[halved(column) for column in columns] for columns in self.spent]

    def used(self, until: int) -> int:
        """How many bins reach up to an instant."""
        return max(1, min(self.bins, -(-until // self.width)))


class Histogram:
    """Durations by size, eight classes to each doubling: on a logarithmic axis all are equally wide.

    Attributes:
        counts: How many are in each class; see `edges`.
        count, total, lowest, highest: Of all of them.
    """

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.count = self.total = self.highest = 0
        self.lowest = _NO_MINIMUM

    def add(self, ns: int) -> None:
        """Take a duration in; what is below nothing, as clocks may have it, counts as nothing."""
        ns = max(0, ns)
        place = int(8 * log2(ns)) if ns else -1
        self.counts[place] = self.counts.get(place, 0) + 1
        self.count += 1
        self.total += ns
        if ns > self.highest:
            self.highest = ns
        if ns < self.lowest:
            self.lowest = ns

    @staticmethod
    def edges(place: int) -> tuple[float, float]:
        """From which duration, in ns, a class goes to below which; to the rounding of a float."""
        return (0.0 if place < 0 else 2 ** (place / 8), 2 ** ((place + 1) / 8))

    def classes(self) -> Sequence[tuple[float, float, int]]:
        """(from, to below, how many), in order, without what is empty."""
        return [(*self.edges(place), self.counts[place]) for place in sorted(self.counts)]
