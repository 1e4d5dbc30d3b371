"""The kind `pipe`: one OS pipe shared by all writers and readers, arbitrated by the kernel, no lock to be left behind.

    writer --ticket (32 bytes)--> [ pipe, up to 1 MiB ] --ticket--> reader
       |                                                              |
       +--append--> payload file of this writer <--pread, if needed---+

**A ticket** names an item. Writes of up to PIPE_BUF bytes and reads of whole tickets are atomic under the kernel's
pipe mutex, so tickets are never torn and nobody holds anything when killed. A small integer travels in the ticket;
everything else is pickled into the writer's own append-only payload file, of which the ticket gives place and length.

**The stream's end** is the pipe's: when the last writer has closed its end, readers see end of file.

**maxsize** is kept by a gate: `fcntl.lockf` (dropped by the kernel when its holder dies), then FIONREAD as the exact
depth, then the write. Who finds the queue full waits with the lock in hand, so nobody overtakes; a reader that sees
the waiting flag sends a wake-up byte, which may be lost, as the wait is bounded.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import pickle
import select
import struct
import termios
from multiprocessing import reduction
from typing import TYPE_CHECKING, Final, Protocol

from runner.envelope import Envelope
from runner.queues.contract import Stopped, UnsendableItem, end_reads

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import BaseContext
    from pathlib import Path

    from runner.planning.plan import QueuePlan

_TICKET: Final = struct.Struct("<IHHqqq")
"""producer, delivery, 0, seq, began, item; or writer, delivery, _FILED, length, began, offset in the payload file."""
_SIZE: Final = _TICKET.size
_pack: Final = _TICKET.pack
_unpack: Final = _TICKET.iter_unpack
_FILED: Final = 1
_AT_ONCE: Final = select.PIPE_BUF // _SIZE
_WAKE_UP_AFTER_MS: Final = 20
_LARGEST_PIPE: Final = 1 << 20
_PAYLOAD_FILES_OPEN: Final = 256


class SentDescriptor(Protocol):
    """What `multiprocessing.reduction.DupFd` arrives as in another process."""

    def detach(self) -> int:
        """The descriptor, from now on the receiver's."""


class PipeQueue:
    """The supervisor's side of a pipe."""

    def __init__(self, plan: QueuePlan, _context: BaseContext, folder: Path, _writers: int) -> None:
        self._plan = plan
        self._folder = folder
        self._read_end, self._write_end = os.pipe()
        self._ends = [self._read_end, self._write_end]
        self._wake: tuple[int, int] | None = None
        self.capacity: int | None = self._granted()
        if plan.maxsize:
            self._wake = _nonblocking_pipe()
            self._ends += self._wake
            (folder / f"gate-{plan.name}").write_bytes(bytes(mmap.PAGESIZE))

    def _granted(self) -> int:
        """Ask for room and say how many tickets the kernel grants.

        A write that does not fit the last page of a pipe begins a new one, so batches may fill pages by half only.
        """
        waste = 1 if self._plan.batch == 1 else 2
        wanted = (self._plan.maxsize * waste + _AT_ONCE) * _SIZE if self._plan.maxsize else _LARGEST_PIPE
        if not hasattr(fcntl, "F_SETPIPE_SZ"):
            return 65536 // _SIZE
        size = fcntl.fcntl(self._write_end, fcntl.F_GETPIPE_SZ)
        wanted = min(max(wanted, 65536), _LARGEST_PIPE)
        while wanted > size:
            try:
                size = fcntl.fcntl(self._write_end, fcntl.F_SETPIPE_SZ, wanted)
            except PermissionError:
                wanted //= 2
        if size // _SIZE < self._plan.maxsize * waste and size < _LARGEST_PIPE:
            raise OSError(
                f"the system grants the pipe of queue {self._plan.name} {size} bytes, which is too little for maxsize"
                f" {self._plan.maxsize}: raise /proc/sys/fs/pipe-user-pages-soft or use fewer queues"
            )
        return size // _SIZE

    def connector(self, worker: int, *, writes: bool) -> PipeConnector:
        """An end for a worker; `worker` names its payload file."""
        end = self._write_end if writes else self._read_end
        return PipeConnector(self._plan, self._folder, worker, end, self._wake)

    def descriptors(self) -> tuple[int, ...]:
        """The pipe's ends, and those of the wake-up pipe."""
        return tuple(self._ends)

    def depth(self) -> int | None:
        """Tickets in the pipe."""
        return _depth(self._read_end) if self._ends else None

    def release(self) -> None:
        """Close the supervisor's ends; from now on only workers hold the pipe."""
        while self._ends:
            os.close(self._ends.pop())

    close = release


class PipeConnector:
    """One worker's way to its end: an inherited descriptor under fork, a sent one under forkserver and spawn."""

    def __init__(self, plan: QueuePlan, folder: Path, worker: int, end: int, wake: tuple[int, int] | None) -> None:
        self.plan = plan
        self.folder = folder
        self.worker = worker
        self.end = end
        self.wake = wake

    def __reduce__(self) -> tuple[object, ...]:
        wake = None if self.wake is None else tuple(map(reduction.DupFd, self.wake))
        return _received, (self.plan, self.folder, self.worker, reduction.DupFd(self.end), wake)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The descriptors the worker keeps."""
        return (self.end, *(self.wake or ()))

    def writer(self, stopped: Callable[[], bool]) -> PipeWriter:
        """The end for putting."""
        gate = None
        if self.wake is not None:
            gate = Gate(self.folder / f"gate-{self.plan.name}", self.end, self.wake, self.plan.maxsize, stopped)
        return PipeWriter(self.end, self.worker, self.folder, gate)

    def reader(self, _stopped: Callable[[], bool]) -> PipeReader:
        """The end for getting."""
        waker = None if self.wake is None else Waker(self.folder / f"gate-{self.plan.name}", self.wake)
        return PipeReader(self.end, self.plan.batch, self.folder, waker)


def _received(
    plan: QueuePlan,
    folder: Path,
    worker: int,
    end: SentDescriptor,
    wake: tuple[SentDescriptor, SentDescriptor] | None,
) -> PipeConnector:
    pair = None if wake is None else (wake[0].detach(), wake[1].detach())
    return PipeConnector(plan, folder, worker, end.detach(), pair)


class PipeWriter:
    """Puts tickets; holds the payload file once an item needed it."""

    def __init__(self, end: int, worker: int, folder: Path, gate: Gate | None) -> None:
        self._end = end
        self._worker = worker
        self._path = folder / f"payload-{worker}.bin"
        self._gate = gate
        self._file = -1
        self._offset = 0
        self._places: dict[int, tuple[int, int]] = {}

    def put(self, envelopes: list[Envelope]) -> int:
        """See `Writer.put`: one write, of what fits it."""
        if self._gate is not None:
            return self._put_through(self._gate, envelopes)
        if len(envelopes) == 1:
            count, tickets = 1, self._ticket(envelopes[0])
        else:
            count = min(len(envelopes), _AT_ONCE)
            tickets = b"".join([self._ticket(envelope) for envelope in envelopes[:count]])
        try:
            os.write(self._end, tickets)
        except BrokenPipeError:
            raise Stopped from None
        return count

    def _put_through(self, gate: Gate, envelopes: list[Envelope]) -> int:
        tickets = [self._ticket(envelope) for envelope in envelopes[:_AT_ONCE]]
        with gate as room:
            count = min(len(tickets), room)
            try:
                os.write(self._end, b"".join(tickets[:count]))
            except BrokenPipeError:
                raise Stopped from None
        for envelope in envelopes[:count]:
            self._places.pop(id(envelope), None)
        return count

    def _ticket(self, envelope: Envelope) -> bytes:
        item = envelope.item
        if item.__class__ is int and not envelope.suffix and not envelope.padding:
            try:
                return _pack(envelope.producer, envelope.delivery, 0, envelope.seq, envelope.began, item)
            except struct.error:
                pass  # more than 64 bits: into the payload file
        length, offset = self._file_away(envelope)
        return _pack(self._worker, envelope.delivery, _FILED, length, envelope.began, offset)

    def _file_away(self, envelope: Envelope) -> tuple[int, int]:
        if self._gate is None:
            return self._append(envelope)
        # What finds no room is offered again, and must not fill the disk each time.
        place = self._places.get(id(envelope))
        if place is None:
            place = self._places[id(envelope)] = self._append(envelope)
        return place

    def _append(self, envelope: Envelope) -> tuple[int, int]:
        content = (envelope.producer, envelope.seq, envelope.suffix, envelope.item, envelope.padding)
        try:
            data = pickle.dumps(content, protocol=pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            raise UnsendableItem(envelope, error) from error
        if self._file < 0:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            self._offset = os.fstat(self._file).st_size
        offset = self._offset
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        self._offset += len(data)
        return len(data), offset

    def close(self) -> None:
        """Close the write end."""
        os.close(self._end)


class PipeReader:
    """Gets tickets, and items from the payload files of whoever wrote them."""

    def __init__(self, end: int, batch: int, folder: Path, waker: Waker | None) -> None:
        self._end = end
        self._batch = batch
        self._bytes = _SIZE * batch
        self._folder = folder
        self._waker = waker
        self._files: dict[int, int] = {}

    def get(self, limit: int) -> list[Envelope]:
        """See `Reader.get`: one read."""
        data = os.read(self._end, self._bytes if limit >= self._batch else _SIZE * limit)
        if self._waker is not None:
            self._waker.room()
        if len(data) == _SIZE:
            who, delivery, filed, seq, began, item = _TICKET.unpack(data)
            if not filed:
                return [Envelope(who, seq, item, delivery, began)]
        return [
            Envelope(who, seq, item, delivery, began) if not filed else self._filed(who, delivery, began, seq, item)
            for who, delivery, filed, seq, began, item in _unpack(data)
        ]

    def cut(self) -> None:
        """See `ProcessReader.cut`."""
        end_reads(self._end)

    def _filed(self, writer: int, delivery: int, began: int, length: int, offset: int) -> Envelope:
        file = self._files.get(writer)
        if file is None:
            if len(self._files) >= _PAYLOAD_FILES_OPEN:
                os.close(self._files.pop(next(iter(self._files))))
            path = self._folder / f"payload-{writer}.bin"
            file = self._files[writer] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        # A worker's own payload file, written by this run: what it holds was pickled by us.
        producer, seq, suffix, item, padding = pickle.loads(os.pread(file, length, offset))  # noqa: S301
        return Envelope(producer, seq, item, delivery, began, suffix, padding)


class Gate:
    """Lets one writer at a time through, and only while there is room; as a context it gives the room, ≥ 1."""

    def __init__(self, path: Path, end: int, wake: tuple[int, int], maxsize: int, stopped: Callable[[], bool]) -> None:
        self._lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._waiting = mmap.mmap(self._lock, mmap.PAGESIZE)
        self._end = end
        self._wake = wake[0]
        self._maxsize = maxsize
        self._stopped = stopped
        self._poll = select.poll()
        self._poll.register(self._wake, select.POLLIN)
        self._poll.register(end, 0)

    def __enter__(self) -> int:
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            return self._room()
        except BaseException:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)
            raise

    def _room(self) -> int:
        room = self._maxsize - _depth(self._end)
        while room <= 0:
            self._waiting[0] = 1
            room = self._maxsize - _depth(self._end)
            if room <= 0:
                self._wait()
                room = self._maxsize - _depth(self._end)
            self._waiting[0] = 0
        return room

    def _wait(self) -> None:
        for fd, event in self._poll.poll(_WAKE_UP_AFTER_MS):
            if fd == self._end and event & select.POLLERR:
                raise Stopped
        if self._stopped():
            raise Stopped
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, select.PIPE_BUF)

    def __exit__(self, *_: object) -> None:
        fcntl.lockf(self._lock, fcntl.LOCK_UN)


class Waker:
    """A reader's side of the gate: wakes the writer that waits for room."""

    def __init__(self, path: Path, wake: tuple[int, int]) -> None:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._waiting = mmap.mmap(file, mmap.PAGESIZE, prot=mmap.PROT_READ)
        os.close(file)
        self._wake = wake[1]

    def room(self) -> None:
        """Say that something was taken."""
        if self._waiting[0]:
            # Full of wake-up bytes nobody has read yet, or nobody writes any more: no need to add one.
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(self._wake, b"\0")


def _depth(end: int) -> int:
    return int.from_bytes(fcntl.ioctl(end, termios.FIONREAD, bytes(4)), "little") // _SIZE


def _nonblocking_pipe() -> tuple[int, int]:
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    os.set_blocking(write_end, False)
    return read_end, write_end
