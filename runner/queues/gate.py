"""The gate that keeps a pipe's `maxsize`: one writer at a time looks for room and writes.

`fcntl.lockf` is dropped by the kernel when its holder dies; FIONREAD tells the exact depth. Who finds the queue full
waits with the lock in hand, so nobody overtakes; a reader that sees the waiting flag sends a wake-up byte, which may be
lost, as the wait is bounded. The supervisor never waits: while it has something to hand out again it raises a flag, and
writers keep away from the gate.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import select
import termios
import time
from typing import TYPE_CHECKING, Final

from runner.queues.contract import Stopped
from runner.queues.tickets import SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_WAKE_UP_AFTER_MS: Final = 20
_YIELD_S: Final = 0.001
_WAITING: Final = 0
_PRECEDENCE: Final = 1


def depth(end: int) -> int:
    """Tickets in the pipe behind a descriptor."""
    return int.from_bytes(fcntl.ioctl(end, termios.FIONREAD, bytes(4)), "little") // SIZE


def nonblocking_pipe() -> tuple[int, int]:
    """Both ends of a new pipe on which nobody ever waits."""
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    os.set_blocking(write_end, False)
    return read_end, write_end


class Gate:
    """Lets one writer at a time through, and only while there is room; as a context it gives the room, ≥ 1."""

    def __init__(self, path: Path, end: int, wake: tuple[int, int], maxsize: int, stopped: Callable[[], bool]) -> None:
        self._lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._flags = mmap.mmap(self._lock, mmap.PAGESIZE)
        self._end = end
        self._wake = wake[0]
        self._maxsize = maxsize
        self._stopped = stopped
        self._poll = select.poll()
        self._poll.register(self._wake, select.POLLIN)
        self._poll.register(end, 0)

    def __enter__(self) -> int:
        while True:
            while self._flags[_PRECEDENCE]:
                if self._stopped():
                    raise Stopped
                time.sleep(_YIELD_S)
            fcntl.lockf(self._lock, fcntl.LOCK_EX)
            try:
                room = self._room()
            except BaseException:
                fcntl.lockf(self._lock, fcntl.LOCK_UN)
                raise
            if room > 0:
                return room
            fcntl.lockf(self._lock, fcntl.LOCK_UN)

    def _room(self) -> int:
        """Wait for room; 0 when the supervisor is to go first."""
        room = self._maxsize - depth(self._end)
        while room <= 0:
            if self._flags[_PRECEDENCE]:
                return 0
            self._flags[_WAITING] = 1
            room = self._maxsize - depth(self._end)
            if room <= 0:
                self._wait()
                room = self._maxsize - depth(self._end)
            self._flags[_WAITING] = 0
        return room

    def _wait(self) -> None:
        if self._stopped():  # before the wait: many may stand at the gate, each with a wait of its own
            raise Stopped
        for fd, event in self._poll.poll(_WAKE_UP_AFTER_MS):
            if fd == self._end and event & select.POLLERR:
                raise Stopped
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, select.PIPE_BUF)

    def __exit__(self, *_: object) -> None:
        fcntl.lockf(self._lock, fcntl.LOCK_UN)


class SideDoor:
    """The supervisor's way through the gate: it takes precedence and never waits."""

    def __init__(self, path: Path, end: int, maxsize: int) -> None:
        self._lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._flags = mmap.mmap(self._lock, mmap.PAGESIZE)
        self._end = end
        self._maxsize = maxsize

    def precede(self, *, wanted: bool) -> None:
        """Say whether writers are to keep away."""
        self._flags[_PRECEDENCE] = wanted

    @contextlib.contextmanager
    def room(self) -> Iterator[int]:
        """The room there is now; 0 too where a writer is at the gate."""
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            yield 0
            return
        try:
            yield max(0, self._maxsize - depth(self._end))
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file."""
        self._flags.close()
        os.close(self._lock)


class Waker:
    """A reader's side of the gate: wakes the writer that waits for room."""

    def __init__(self, path: Path, wake: tuple[int, int]) -> None:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._flags = mmap.mmap(file, mmap.PAGESIZE, prot=mmap.PROT_READ)
        os.close(file)
        self._wake = wake[1]

    def room(self) -> None:
        """Say that something was taken."""
        if self._flags[_WAITING]:
            # Full of wake-up bytes nobody has read yet, or nobody writes any more: no need to add one.
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(self._wake, b"\0")
