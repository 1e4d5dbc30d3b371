"""The live display: some lines of a terminal, drawn anew a few times a second in the place of the ones before.

The cursor rests at the beginning of the first of these lines, which is empty. So whatever else is written to the
terminal, by user code or by Ctrl-C, stands above the display afterwards and is never overwritten; a terminal that is
made smaller wraps nothing but what is cleared next; and nothing need be restored at the end, not even after a SIGKILL.
"""

from __future__ import annotations

import contextlib
import os
import sys
from time import monotonic, monotonic_ns
from typing import TYPE_CHECKING, Final

from runner.cli.meter import Meter
from runner.cli.screen import Look, lines
from runner.engines.board import STATE, State

if TYPE_CHECKING:
    from runner.cli.streams import Outlet
    from runner.engines.contract import LiveRun

_PAUSE_S: Final = 0.25
_LARGEST_SHARE: Final = 0.01
"""Of the supervisor's time."""
_AS_ONE: Final = "\x1b[?2026h", "\x1b[?2026l"
"""Has terminals that know it show all that stands between at once; others ignore it."""
_DEFAULT_SIZE: Final = os.terminal_size((80, 24))


class Display:
    """Shows a run on a terminal.

    Args:
        outlet: stderr.
        descriptor: Of the terminal.
    """

    def __init__(self, outlet: Outlet, descriptor: int = 2) -> None:
        self._outlet = outlet
        self._descriptor = descriptor
        encoding = (getattr(sys.stderr, "encoding", None) or "ascii").lower()
        self._look = Look(colors=not os.environ.get("NO_COLOR"), unicode=encoding.startswith("utf"))
        self._meter: Meter | None = None
        self._next = 0.0
        self._is_shown = self._has_ended = False

    def show(self, run: LiveRun) -> None:
        """Draw the display, if it is time to and there is room."""
        began = monotonic()
        if self._meter is None:
            self._meter = Meter(run)
        is_over = not self._has_ended and _is_over(run)
        if (began < self._next and not is_over) or not self._outlet.flush() or not self._in_foreground():
            return
        self._has_ended |= is_over
        self._draw(self._meter)
        ended = monotonic()
        self._next = max(began + _PAUSE_S, ended + (ended - began) / _LARGEST_SHARE)

    def _draw(self, meter: Meter) -> None:
        size = self._size()
        shown = lines(meter.read(monotonic_ns()), max(1, size.columns - 1), max(1, size.lines - 1), self._look)
        text = "\x1b[K\r\n".join(shown)
        up = f"\x1b[{len(shown) - 1}A" if len(shown) > 1 else ""
        self._outlet.offer(f"{_AS_ONE[0]}\r{text}\x1b[J\r{up}{_AS_ONE[1]}".encode(errors="replace"))
        self._outlet.flush()
        self._is_shown = True

    def _size(self) -> os.terminal_size:
        with contextlib.suppress(OSError):
            size = os.get_terminal_size(self._descriptor)
            if size.columns and size.lines:
                return size
        return _DEFAULT_SIZE

    def _in_foreground(self) -> bool:
        """Whether the terminal is this command's now; a shell that has it back is not to be disturbed."""
        try:
            return os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:  # a terminal that controls no session
            return True

    def close(self) -> None:
        """Clear the display, for what comes next."""
        if self._is_shown:
            self._outlet.offer(b"\r\x1b[J")
            self._outlet.drain()
        self._outlet.close()


def _is_over(run: LiveRun) -> bool:
    return bool(run.board.zero) and min(run.board.column(STATE)) >= State.FINISHED
