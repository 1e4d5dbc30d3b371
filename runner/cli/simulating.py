"""How far a simulation is, in a line on stderr now and then."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from runner import figures
from runner.cli.progress import so_far

if TYPE_CHECKING:
    from runner.cli.streams import Outlet
    from runner.engines.contract import LiveSimulation

_IN_PLACE_S: Final = 0.5
_PLAIN_S: Final = 2.0
_PLAIN_SHARE: Final = 1 / 30
"""Plain lines come the rarer the longer it lasts."""
_CLEAR: Final = "\r\x1b[K"


class Simulating:
    """Writes the line when it has lasted as long as the pause between two.

    Args:
        outlet: stderr.
        in_place: Whether each line takes the place of the one before, on a terminal that shows nothing else.
    """

    def __init__(self, outlet: Outlet, *, in_place: bool) -> None:
        self._outlet = outlet
        self._in_place = in_place
        self._pause = _IN_PLACE_S if in_place else _PLAIN_S
        self._began = monotonic()
        self._next = self._began + self._pause
        self._is_shown = False

    def show(self, run: LiveSimulation) -> None:
        """Show where the simulation is, if it is time to and there is room."""
        now = monotonic()
        if now < self._next or not self._outlet.flush():
            return
        if not self._in_place:
            self._pause = max(self._pause, (now - self._began) * _PLAIN_SHARE)
        self._next = now + self._pause
        self._is_shown = True
        text = line(run, now - self._began)
        self._outlet.offer((f"{_CLEAR}{text}" if self._in_place else f"{text}\n").encode())
        self._outlet.flush()

    def close(self) -> None:
        """Clear the line, for what comes next."""
        if self._in_place and self._is_shown and self._outlet.flush():
            self._outlet.offer(_CLEAR.encode())
            self._outlet.flush()
        self._outlet.close()


def line(run: LiveSimulation, seconds: float) -> str:
    """`simulated 12.0 s in 4.0 s: put 14/20, done 10/20, 2.5 simulated/s`.

    Args:
        run: How far it is.
        seconds: Since it began, by the clock on the wall.
    """
    virtual, real = figures.duration(run.now_ns / 1e9), figures.duration(seconds)
    return f"simulated {virtual} in {real}: {so_far(run.plan, run.counts(), seconds)} simulated/s"
