"""What a run shows while it goes on: its events on stdout, its progress on stderr.

    supervisor's loop --tick--> Live --+--> LogStream --Merge--> lines --> Outlet(1)
                                       +--> Display or Progress --board--> lines --> Outlet(2)

Nothing here may stop or slow the run: a tick takes some milliseconds, the share of time spent here is bounded, and a
reader that is slow or gone only means that less is shown now. The store does not depend on any of it; what stdout
did not get while the run lasted, it gets from the finished event log.
"""

from __future__ import annotations

import gc
import os
import sys
from array import array
from math import inf
from time import monotonic, monotonic_ns
from typing import TYPE_CHECKING, Final

from runner.cli.progress import Progress
from runner.cli.streams import Outlet, say

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runner.cli.display import Display
    from runner.cli.simulating import Simulating
    from runner.engines.contract import LiveRun, LiveSimulation
    from runner.log.merge import Merge

_TICK_S: Final = 0.004
_LARGEST_SHARE: Final = 0.05
_SLOTS: Final = 512
"""Records read at once, of all journals together: what fits into a tick."""
_MOST_WORKERS: Final = 500
"""With more, following their journals costs the supervisor too much, and the log comes at the end."""
_PIECE: Final = 1 << 16
_IMMOBILE: Final = {None, "", "dumb", "unknown"}
"""TERM of what cannot move a cursor."""


class Live:
    """Watches a run for the command line; see `Watch` and `SimulationWatch` in `runner.engines.contract`.

    Args:
        log: What stdout carries: `json`, `pretty` or `none`.
        quiet: Whether stderr carries errors only.
    """

    def __init__(self, log: str, *, quiet: bool) -> None:
        self._stream = None if log == "none" else LogStream(Outlet(1), pretty=log == "pretty")
        self._progress = None if quiet else _progress(self._stream is not None)
        self._simulating: Simulating | None = None
        self._quiet = quiet
        self._prepared = False
        self._broken = False

    def tick(self, run: LiveRun) -> None:
        """See `Watch.tick`."""
        if self._broken:
            return
        if not self._prepared:
            self._prepare()
            return
        try:
            if self._stream is not None:
                self._stream.follow(run)
            if self._progress is not None:
                self._progress.show(run)
        except Exception:  # whatever it is, a display must not end the run; `finish` shows what is missing
            self._broken = True

    def look(self, run: LiveSimulation) -> None:
        """See `SimulationWatch.look`."""
        if self._quiet or self._broken:
            return
        try:
            if self._simulating is None:
                self._simulating = _simulating(self._stream is not None)
            self._simulating.show(run)
        except Exception:  # as in `tick`
            self._broken = True

    def _prepare(self) -> None:
        """Import what will be needed, while the fork server boots: a quarter of a second that nobody waits for."""
        self._prepared = True
        import runner.log.render

        if not self._quiet:
            import runner.cli.tables  # noqa: F401
        gc.enable()

    def clear(self) -> None:
        """Take away what is shown of a run that goes on: it does not, or not as it should."""
        for shown in (self._progress, self._simulating):
            if shown is not None:
                shown.close()
        self._progress = self._simulating = None

    def finish(self, events: Path) -> None:
        """Show what is left to show, from the finished event log; waits for a slow reader.

        Raises:
            OSError: The event log cannot be read.
        """
        self.clear()
        if self._stream is not None:
            self._stream.finish(events)


def _simulating(shows_log: bool) -> Simulating:
    from runner.cli.simulating import Simulating

    return Simulating(Outlet(2), in_place=sys.stderr.isatty() and not (shows_log and sys.stdout.isatty()))


def _progress(shows_log: bool) -> Display | Progress:
    """A display in place where stderr is a terminal that can, and shows nothing else; otherwise a line now and then."""
    alone = sys.stderr.isatty() and not (shows_log and sys.stdout.isatty())
    if not alone or os.environ.get("TERM") in _IMMOBILE:
        return Progress(Outlet(2))
    from runner.cli.display import Display

    return Display(Outlet(2))


class LogStream:
    """The events on stdout, as far as there is room and time while the run goes on, and in full at its end."""

    def __init__(self, outlet: Outlet, *, pretty: bool) -> None:
        self._outlet = outlet
        self._pretty = pretty
        self._rendering: Callable[[str], str] | None = None
        self._merge: Merge[str] | None = None
        self._given = array("q")
        self._next = 0.0

    def follow(self, run: LiveRun) -> None:
        """Give out what has happened since the last call."""
        began = monotonic()
        if began < self._next or not run.board.zero or not self._outlet.flush() or self._outlet.closed:
            return
        if self._merge is None:
            if run.plan.size > _MOST_WORKERS:
                self._next = inf
                return
            self._merge = _merge(run)
        until = monotonic_ns() - run.lag_ns
        while lines := self._merge.batch(until):
            self._give([line for _, line in lines])
            if not self._outlet.flush() or monotonic() - began > _TICK_S:
                break
        ended = monotonic()
        self._next = ended + (ended - began) / _LARGEST_SHARE

    def finish(self, events: Path) -> None:
        """Give out every event that has not been given out, in the order of time, then close."""
        if self._merge is not None:
            self._merge.close()
        self._outlet.drain()
        if not self._outlet.closed:
            self._give_rest(events)
        self._outlet.close()
        if self._outlet.failure is not None:
            say(f"warning: stdout: {self._outlet.failure}; the log there is not whole, {events} is")

    def _give(self, lines: list[str]) -> None:
        self._given.extend(map(hash, lines))
        self._offer(lines)

    def _offer(self, lines: list[str]) -> None:
        if self._pretty:
            lines = list(map(self._pretty_line(), lines))
        self._outlet.offer("".join(lines).encode(errors="replace"))

    def _pretty_line(self) -> Callable[[str], str]:
        if self._rendering is None:
            from runner.cli.pretty import Pretty

            colors = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
            self._rendering = Pretty(colors=colors).line
        return self._rendering

    def _give_rest(self, events: Path) -> None:
        """Give out what was not: looked at line by line, because an event journalled late stands before others."""
        given = set(self._given)
        with events.open("rb") as file:
            rest: list[str] = []
            for line in file:
                text = line.decode()
                if (number := hash(text)) in given:
                    given.remove(number)
                else:
                    rest.append(text)
                if len(rest) == _SLOTS or not given:
                    self._send(rest)
                    rest = []
                if self._outlet.closed or (not given and not self._pretty):
                    break
            self._send(rest)
            while not self._outlet.closed and (piece := file.read(_PIECE)):
                self._outlet.offer(piece)
                self._outlet.drain()

    def _send(self, lines: list[str]) -> None:
        self._offer(lines)
        self._outlet.drain()


def _merge(run: LiveRun) -> Merge[str]:
    from runner.engines.closing import owners
    from runner.log.journal import Clock
    from runner.log.merge import Merge
    from runner.log.render import Renderer, json_processors

    renderer = Renderer(Clock.load(run.folder), run.plan.origins.prefix, json_processors())
    return Merge(owners(run.plan, run.folder, run.chronicle), run.chronicle, renderer, slots=_SLOTS)
