"""Looks, in virtual time, whether a simulated run has become steady; see `steady`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.engines.steady import Steadiness

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.engines.simulation_calendar import Calendar
    from runner.planning.plan import SteadyRule


class Observer:
    """Has turns of its own as long as anybody else has, after all workers of an instant.

    Args:
        rule: What is asked.
        calendar: Gives the turns.
        index: Its place among those who have turns at one instant.
        done: Tells how many items are done.
        settle: Called with what the log is to say, once the run is steady.
        begins_ns: The end of the warm-up.
    """

    def __init__(
        self, rule: SteadyRule, calendar: Calendar, index: int, done: Callable[[], int],
        settle: Callable[[Steadiness], None], begins_ns: int,
    ) -> None:  # fmt: skip
        self.index = index
        self.token = 0
        self._steadiness = Steadiness(rule, begins_ns)
        self._calendar = calendar
        self._done = done
        self._settle = settle
        calendar.wake(self, self._steadiness.spacing_ns)

    def turn(self, now: int) -> None:
        """Look, and have another turn unless that was all."""
        if self._steadiness.look(now, self._done()):
            self._settle(self._steadiness)
        elif self._calendar.heap:
            self._calendar.wake(self, now + self._steadiness.spacing_ns)
