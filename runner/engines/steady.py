"""When a run has become steady: `stop_when`.

The measure is the throughput so far, items done per second since the warm-up's end. It is looked at some fifty times
in the time it is to be steady for; the run is steady once every look of that time lies within the wanted share of the
last. Each producer then puts the item whose turn is next, at its time, and no further one.

Being a mean over the whole run it settles for every run, the later the more its items differ; the throughput of each
second would, with few items a second, never lie within a percent (cf. fio's `steadystate`, which asks that of it).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from runner.planning.plan import SteadyRule

LOOKS: Final = 50
_FEWEST: Final = 10
"""Items done, with fewer than which nothing is called steady."""


class Steadiness:
    """Looks at the throughput until it is steady.

    Attributes:
        spacing_ns: Between two looks.
        per_second: The throughput at the last look.
        reached: Whether it is steady.

    Args:
        rule: What is asked.
        begins_ns: From when on items count, in ns since the gate opened.
    """

    def __init__(self, rule: SteadyRule, begins_ns: int = 0) -> None:
        self.spacing_ns = max(1, rule.over_ns // LOOKS)
        self.per_second = 0.0
        self.reached = False
        self._rule = rule
        self._begins = begins_ns
        self._before = 0
        self._looks: deque[tuple[int, float]] = deque()
        self._next = 0

    @property
    def about(self) -> dict[str, Any]:
        """What the log says of it."""
        rule = self._rule
        return {"metric": "throughput", "value": self.per_second, "within": rule.within, "over_s": rule.over_ns / 1e9}

    def look(self, now: int, done: int) -> bool:
        """Look again, if it is time; returns True the first time the run is steady.

        Args:
            now: Ns since the gate opened.
            done: Items done so far by all consumers.
        """
        if self.reached or now < self._next:
            return False
        self._next = now + self.spacing_ns
        if now <= self._begins:
            self._before = done
            return False
        self.per_second = (done - self._before) * 1e9 / (now - self._begins)
        self._looks.append((now, self.per_second))
        while len(self._looks) > 1 and self._looks[1][0] <= now - self._rule.over_ns:
            self._looks.popleft()
        if done - self._before < _FEWEST or self._looks[0][0] > now - self._rule.over_ns:
            return False
        allowed = self._rule.within * self.per_second
        self.reached = all(abs(value - self.per_second) <= allowed for _, value in self._looks)
        return self.reached
