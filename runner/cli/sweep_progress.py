"""How far a sweep is, on stderr: what went wrong at once, a line now and then, with an estimated end."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Final

from runner.cli.streams import Outlet
from runner.cli.tables import missed
from runner.experiments.sweep_figures import cell_name
from runner.figures import duration

if TYPE_CHECKING:
    from runner.experiments.sweep_plan import Cell, Slot, SweepPlan
    from runner.experiments.sweep_rows import Row
    from runner.experiments.sweep_store import SweepDir

_IN_PLACE_S: Final = 0.2
_PLAIN_S: Final = 2.0
_PLAIN_SHARE: Final = 1 / 30
"""Plain lines come the rarer the longer a sweep lasts: after a minute every 2 s, after an hour every 2 min."""
_MOST_TOLD: Final = 20
_CLEAR: Final = "\r\x1b[K"


class SweepProgress:
    """Tells of a sweep on stderr.

    Args:
        quiet: Whether only of what goes wrong.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._outlet = Outlet(2)
        self._quiet = quiet
        self._in_place = sys.stderr.isatty()
        self._began = self._shown = monotonic()
        self._size = self._done = self._new = self._bad = 0
        self._now = ""

    def begins(self, plan: SweepPlan, folder: SweepDir) -> None:
        """Say what is there already."""
        self._size, self._done = plan.size, len(folder.rows)
        for fault in folder.faults:
            self._say(f"mprun: {folder.path}: {fault}")
        if self._done and not self._quiet:
            self._say(f"{self._done:,} of {self._size:,} runs are stored already; --fresh would start anew")
            for drift in folder.drifts:
                self._say(f"warning: since they were begun, {drift.what} has changed from {drift.then} to {drift.now}")

    def run_begins(self, cell: Cell, slot: Slot) -> None:
        """Show which run is made."""
        repeat = f", repeat {slot.repeat}" if slot.repeat else ""
        self._now = f"{cell_name(cell.settings)}{repeat}"
        if self._in_place:
            self._show()

    def run_ended(self, row: Row) -> None:
        """Say what went wrong; show how far the sweep is, if it is time to."""
        self._done += 1
        self._new += 1
        if row.exit_code:
            self._bad += 1
            if self._bad <= _MOST_TOLD:
                why = row.reason or missed(row.expectations)
                self._say(f"mprun: {cell_name(row.settings)}, repeat {row.repeat}: {row.status}: {why}")
            elif self._bad == _MOST_TOLD + 1:
                self._say("mprun: further runs that are not ok are only in sweep.csv")
        if not self._in_place:
            self._show()

    def close(self) -> None:
        """Clear the line, for what comes next."""
        if self._in_place:
            self._write(_CLEAR)
        self._outlet.drain()
        self._outlet.close()

    def line(self, now: float) -> str:
        """`17 of 120 runs, 2 not ok; 34 s left, until 14:03:22`; `now` is on the monotonic clock."""
        bad = f", {self._bad:,} not ok" if self._bad else ""
        left = ""
        if self._new and self._done < self._size:
            seconds = (now - self._began) / self._new * (self._size - self._done)
            ends = datetime.now() + timedelta(seconds=seconds)
            left = f"; {duration(seconds)} left, until {ends:%H:%M:%S}"
        return f"{self._done:,} of {self._size:,} runs{bad}{left}"

    def _show(self) -> None:
        now = monotonic()
        if self._quiet or now < self._shown + self._pause(now) or not self._outlet.flush():
            return
        self._shown = now
        if self._in_place:
            self._write(f"{_CLEAR}{_fitting(f'{self.line(now)}: {self._now}')}")
        else:
            self._write(f"{self.line(now)}\n")

    def _pause(self, now: float) -> float:
        return _IN_PLACE_S if self._in_place else max(_PLAIN_S, (now - self._began) * _PLAIN_SHARE)

    def _say(self, text: str) -> None:
        self._write(f"{_CLEAR if self._in_place else ''}{text}\n")

    def _write(self, text: str) -> None:
        self._outlet.offer(text.encode(errors="replace"))
        self._outlet.flush()


def _fitting(text: str) -> str:
    """The text cut to one line of the terminal."""
    from runner.cli.streams import console

    width = console(stderr=True).width - 1
    return text if len(text) <= width else f"{text[: width - 1]}…"
