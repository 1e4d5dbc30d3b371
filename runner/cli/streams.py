"""Standard output and standard error, whatever has become of them: closed, slow, a terminal or a file."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import stat
import sys
from typing import TYPE_CHECKING, Final

from runner.errors import ExitCode, MprunError

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_BUF: Final = 4096
"""So many bytes fit into a pipe that poll calls writable (POSIX: PIPE_BUF; Linux: 4096)."""
_BROAD: Final = 140
"""Columns where no terminal says how many it has."""


def say(text: str) -> None:
    """Write a line, or several, to stderr; a closed stderr is no error."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


class OutputError(MprunError):
    """A result could not be written to stdout."""

    exit_code = ExitCode.FAILED


def put_out(text: str) -> None:
    """Write a command's result to stdout, as UTF-8; a reader that has had enough is no error.

    Raises:
        OutputError: It cannot be written for another reason, such as a full disk.
    """
    outlet = Outlet(1)
    outlet.offer(text.encode(errors="replace"))
    outlet.drain()
    outlet.close()
    if outlet.failure is not None:
        raise OutputError(f"stdout: {outlet.failure}")


def console(*, stderr: bool = False) -> Console:
    """What tables are drawn with: as broad as the terminal, or broad enough where there is none; colours by NO_COLOR.

    It writes nothing to the stream itself, on which rich would fail, or end the process, where that cannot be written.
    """
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    is_terminal = stream.isatty()
    return Console(
        file=io.TextIOWrapper(io.BytesIO(), encoding=stream.encoding),
        force_terminal=is_terminal or None,
        width=None if is_terminal else _BROAD,
        highlight=False,
        markup=False,
        emoji=False,
    )


class Outlet:
    """Writes to a descriptor without ever waiting for its reader, except where asked to.

    What the reader has no room for is kept here, so whoever offers should look at `flush` first.

    Attributes:
        closed: Whether nothing can be written any more; from then on everything is dropped.
        failure: Why, unless the reader just left.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._own = _unblocked(descriptor)
        self._pending = memoryview(b"")
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLOUT)
        self.closed = False
        self.failure: str | None = None

    def offer(self, data: bytes) -> None:
        """Write this behind what is still waiting, when there is room."""
        if not self.closed:
            self._pending = memoryview(bytes(self._pending) + data)

    def flush(self) -> bool:
        """Write as much as there is room for; False where something is left."""
        while self._pending:
            if not self._is_ready(0) or not self._write():
                return False
        return True

    def drain(self) -> None:
        """Write all there is, waiting for the reader as long as it takes."""
        while self._pending:
            self._is_ready(None)
            self._write()

    def _is_ready(self, patience_ms: int | None) -> bool:
        return bool(self._poll.poll(patience_ms))

    def _write(self) -> bool:
        try:
            written = os.write(self._descriptor, self._pending[:_PIPE_BUF])
        except BlockingIOError:
            return False
        except OSError as error:
            self.closed = True
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                self.failure = error.strerror
            self._pending = memoryview(b"")
            return True
        self._pending = self._pending[written:]
        return True

    def close(self) -> None:
        """Let go of what the outlet opened itself; the descriptor it was given stays open."""
        if self._own:
            os.close(self._descriptor)
            self._own = False


def _unblocked(descriptor: int) -> tuple[int, bool]:
    """A description of the same pipe or terminal on which no write blocks, and whether it is new.

    O_NONBLOCK on the given one would hit every process that shares it. Files need none and are left as they are: a new
    description would start at their beginning.
    """
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode) or os.isatty(descriptor):
        with contextlib.suppress(OSError):
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            return os.open(f"/proc/self/fd/{descriptor}", flags), True
    return descriptor, False
