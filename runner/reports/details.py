"""Slices kept one by one: all of a short run, of a long one those of a few windows spread over it.

    all |##########| too many: the beginning of each sixteenth is kept
        |#.#.#.#.#.|#.#.#.…    further windows as far apart, until there are twice as many
        |#...#...#.…           then every other one goes, and they are twice as far apart

However long the run, 16 to 32 windows are left, evenly spread; and one around the item that took longest.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

_WINDOWS: Final = 16
_NEVER: Final = 1 << 62
_BEFORE: Final = 400
_AFTER: Final = 100


class Detail(NamedTuple):
    """A slice: whose (number), what (number), when, the first item's id, how many items."""

    worker: int
    state: int
    began: int
    ended: int
    item: str
    items: int


@dataclass
class Window:
    """A stretch of the run of which every slice that ended in it is there; instants in ns."""

    began: int
    why: str = ""
    ended: int = 0
    details: list[Detail] = field(default_factory=list)


class Details:
    """Keeps slices, in bounded memory.

    Args:
        limit: So many are kept of a run that has no more; of each window a sixteenth of half of them.
    """

    def __init__(self, limit: int = 24_000) -> None:
        self._limit = limit
        self._each = limit // (2 * _WINDOWS)
        self._distance = 0
        self._windows = [Window(0)]
        self._open: Window | None = self._windows[0]
        self._next = _NEVER
        self._recent: deque[Detail] = deque(maxlen=_BEFORE)
        self._slowest: Window | None = None
        self._waits = 0
        self.count = 0

    def add(self, detail: Detail) -> None:
        """Take a slice in; they come in the order in which they end, more or less."""
        self.count += 1
        self._recent.append(detail)
        if self._waits:
            self._waits -= 1
            if not self._waits:
                self._look_back()
        if detail.ended >= self._next:
            self._begin(detail.ended)
        window = self._open
        if window is not None:
            window.details.append(detail)
            if detail.ended > window.ended:
                window.ended = detail.ended
            if self._distance:
                if len(window.details) >= self._each:
                    self._open = None
            elif len(window.details) > self._limit:
                self._divide()

    def slowest(self) -> None:
        """The item of the last slice took longer than any before."""
        self._waits = _AFTER

    def _look_back(self) -> None:
        details = list(self._recent)
        self._slowest = Window(
            details[0].ended, "around the item that took longest", max(detail.ended for detail in details), details
        )

    def _begin(self, t_ns: int) -> None:
        while t_ns >= 2 * _WINDOWS * self._distance:
            self._distance *= 2
        self._windows = [window for window in self._windows if window.began % self._distance == 0]
        began = t_ns // self._distance * self._distance
        self._next = began + self._distance
        self._open = Window(began)
        self._windows.append(self._open)

    def _divide(self) -> None:
        """Make windows of what was to be all."""
        everything = self._windows.pop()
        self._distance = max(1, -(-(everything.ended + 1) // _WINDOWS))
        for number in range(_WINDOWS):
            began = number * self._distance
            details = [detail for detail in everything.details if detail.ended >= began][: self._each]
            ended = max((detail.ended for detail in details), default=began)
            if details and details[0].ended < began + self._distance:
                self._windows.append(Window(began, "", ended, details))
        self._open = None
        self._next = _WINDOWS * self._distance

    @property
    def complete(self) -> bool:
        """Whether every slice is kept."""
        return not self._distance

    def windows(self) -> list[Window]:
        """Those that hold anything, in order, with none inside another."""
        if self._waits:
            self._look_back()
        found = sorted(self._windows, key=lambda window: window.began)
        if self._slowest is not None and not self.complete:
            slow = self._slowest
            found = [w for w in found if w.ended <= slow.began or w.began >= slow.ended]
            found = sorted([*found, slow], key=lambda window: window.began)
        return [window for window in found if window.details]
