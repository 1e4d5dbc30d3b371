"""The kind `pipe`: one OS pipe shared by all writers and readers, arbitrated by the kernel, no lock to be left behind.

    writer --ticket (32 bytes)--> [ pipe, up to 1 MiB ] --ticket--> reader
       |                                                              |
       +--append--> payload file of this writer <--pread, if needed---+
       |                                                              |
       +--begun (shared memory)--> supervisor <--hand (shared memory)-+

**A ticket** names an item (`tickets`). Writes of up to PIPE_BUF bytes and reads of whole tickets are atomic under the
kernel's pipe mutex, so tickets are never torn and nobody holds anything when killed.

**A writer** writes without blocking, on a description of its own, and polls where the pipe is full: a put counts as
begun (`inflight`) only when there is room, so a writer that is killed while it waits has begun nothing.

**A reader** has the kernel read straight into its hand (`inflight`), which the supervisor looks at when it dies.

**The supervisor** holds both ends to the stream's end, hands out again what the dead had, and closes its write end when
no more will come: then readers see the end of file, as the last writer is gone. It never blocks.

**maxsize** is kept by a gate (`gate`).
"""

from __future__ import annotations

import fcntl
import mmap
import os
from multiprocessing import reduction
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from runner.queues.gate import Gate, SideDoor, Waker, depth, nonblocking_pipe
from runner.queues.inflight import InFlight, begun, begun_path, hand, hand_path
from runner.queues.pipe_ends import AT_ONCE, PipeReader, PipeWriter
from runner.queues.tickets import SIZE, PayloadFile, PayloadFiles, payload_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import BaseContext
    from pathlib import Path

    from runner.planning.plan import QueuePlan
    from runner.queues.contract import Parcel

_LARGEST_PIPE: Final = 1 << 20


class SentDescriptor(Protocol):
    """What `multiprocessing.reduction.DupFd` arrives as in another process."""

    def detach(self) -> int:
        """The descriptor, from now on the receiver's."""


def _nonblocking(end: int, flags: int) -> int:
    """A description of its own for a pipe's end; O_NONBLOCK on an inherited one would hit everybody.

    Where descriptors have no names (macOS) it is a copy, and who uses it has to poll first.
    """
    try:
        return os.open(f"/proc/self/fd/{end}", flags | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return os.dup(end)


class PipeQueue:
    """The supervisor's side of a pipe."""

    fifo: ClassVar[bool] = True
    repairable: ClassVar[bool] = True
    largest_maxsize: ClassVar[int | None] = 32_768

    def __init__(self, plan: QueuePlan, _context: BaseContext, folder: Path, _writers: int) -> None:
        self._plan = plan
        self._folder = folder
        self._read_end, self._write_end = os.pipe()
        self._own_end = -1
        self._wake: tuple[int, int] | None = None
        self._door: SideDoor | None = None
        self._files = PayloadFiles(folder)
        self._payload: PayloadFile | None = None
        self.capacity: int | None = self._granted()
        if plan.maxsize:
            self._wake = nonblocking_pipe()
            (folder / f"gate-{plan.name}").write_bytes(bytes(mmap.PAGESIZE))
            self._door = SideDoor(folder / f"gate-{plan.name}", self._read_end, plan.maxsize)

    def _granted(self) -> int:
        """Ask for room and say how many tickets the kernel grants.

        A write that does not fit the last page of a pipe begins a new one, so batches may fill pages by half only.
        """
        waste = 1 if self._plan.batch == 1 else 2
        bound = self._plan.maxsize * waste + AT_ONCE if self._plan.maxsize else self._plan.capacity
        wanted = _LARGEST_PIPE if bound is None else bound * SIZE
        if not hasattr(fcntl, "F_SETPIPE_SZ"):
            return 65536 // SIZE
        size = fcntl.fcntl(self._write_end, fcntl.F_GETPIPE_SZ)
        wanted = min(max(wanted, 65536), _LARGEST_PIPE)
        while wanted > size:
            try:
                size = fcntl.fcntl(self._write_end, fcntl.F_SETPIPE_SZ, wanted)
            except PermissionError:
                wanted //= 2
        if size // SIZE < self._plan.maxsize * waste and size < _LARGEST_PIPE:
            raise OSError(
                f"the system grants the pipe of queue {self._plan.name} {size} bytes, which is too little for maxsize"
                f" {self._plan.maxsize}: raise /proc/sys/fs/pipe-user-pages-soft or use fewer queues"
            )
        return size // SIZE

    def connector(self, worker: int, incarnation: int, *, writes: bool) -> PipeConnector:
        """An end for an incarnation of a worker."""
        end = self._write_end if writes else self._read_end
        return PipeConnector(self._plan, self._folder, worker, incarnation, end, self._wake)

    def descriptors(self) -> tuple[int, ...]:
        """The pipe's ends, and those of the wake-up pipe."""
        ends = (self._read_end, self._write_end, self._own_end, *(self._wake or ()))
        return tuple(end for end in ends if end >= 0)

    def depth(self) -> int:
        """Tickets in the pipe."""
        return depth(self._read_end) if self._read_end >= 0 else 0

    def begun(self, worker: int, incarnation: int) -> list[Parcel]:
        """See `Repairable.begun`."""
        return [self._files.parcel(one) for one in begun(begun_path(self._folder, worker, incarnation))]

    def hand(self, worker: int, incarnation: int) -> list[Parcel]:
        """See `Repairable.hand`."""
        return [self._files.parcel(one) for one in hand(hand_path(self._folder, worker, incarnation))]

    def again(self, parcel: Parcel, delivery: int, skip: int) -> Parcel:
        """See `Repairable.again`."""
        if self._payload is None:
            # Nobody's index: its file is told from the workers' by the incarnation 0.
            writer = 1 << 31
            self._payload = PayloadFile(payload_path(self._folder, writer, 0), writer, 0)
        return self._files.parcel(self._files.again(parcel, delivery, skip, self._payload))

    def offer(self, parcels: list[Parcel]) -> int:
        """See `Repairable.offer`."""
        if self._own_end < 0:
            self._own_end = _nonblocking(self._read_end, os.O_WRONLY)
        if self._door is None:
            return self._write(parcels[:AT_ONCE])
        self._door.precede(wanted=True)
        with self._door.room() as room:
            count = self._write(parcels[: min(room, AT_ONCE)]) if room else 0
        self._door.precede(wanted=count < len(parcels))
        return count

    def _write(self, parcels: list[Parcel]) -> int:
        try:
            os.write(self._own_end, b"".join([parcel.content for parcel in parcels]))
        except BlockingIOError:
            return 0
        return len(parcels)

    def drain(self) -> list[Parcel]:
        """See `Repairable.drain`."""
        tickets: list[bytes] = []
        end = _nonblocking(self._read_end, os.O_RDONLY)
        try:
            for _ in range(-(-self.depth() // AT_ONCE)):
                data = os.read(end, AT_ONCE * SIZE)
                tickets += [data[start : start + SIZE] for start in range(0, len(data), SIZE)]
        finally:
            os.close(end)
        return [self._files.parcel(ticket) for ticket in tickets]

    def end(self) -> None:
        """See `SharedQueue.end`."""
        for end in (self._write_end, self._own_end):
            if end >= 0:
                os.close(end)
        self._write_end = self._own_end = -1

    def close(self) -> None:
        """See `SharedQueue.close`."""
        self.end()
        for end in (self._read_end, *(self._wake or ())):
            if end >= 0:
                os.close(end)
        self._read_end, self._wake = -1, None
        self._files.close()
        for own in (self._door, self._payload):
            if own is not None:
                own.close()
        self._door = self._payload = None


class PipeConnector:
    """One worker's way to its end: an inherited descriptor under fork, a sent one under forkserver and spawn."""

    def __init__(
        self, plan: QueuePlan, folder: Path, worker: int, incarnation: int, end: int, wake: tuple[int, int] | None
    ) -> None:
        self.plan = plan
        self.folder = folder
        self.worker = worker
        self.incarnation = incarnation
        self.end = end
        self.wake = wake

    def __reduce__(self) -> tuple[object, ...]:
        wake = None if self.wake is None else tuple(map(reduction.DupFd, self.wake))
        return _received, (
            self.plan, self.folder, self.worker, self.incarnation, reduction.DupFd(self.end), wake,
        )  # fmt: skip

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The descriptors the worker keeps."""
        return (self.end, *(self.wake or ()))

    def writer(self, stopped: Callable[[], bool]) -> PipeWriter:
        """The end for putting."""
        gate = None
        end = _nonblocking(self.end, os.O_WRONLY)
        os.close(self.end)
        if self.wake is not None:
            gate = Gate(self.folder / f"gate-{self.plan.name}", end, self.wake, self.plan.maxsize, stopped)
        begun_here = InFlight(begun_path(self.folder, self.worker, self.incarnation))
        path = payload_path(self.folder, self.worker, self.incarnation)
        return PipeWriter(end, begun_here, PayloadFile(path, self.worker, self.incarnation), gate, stopped)

    def reader(self, _stopped: Callable[[], bool]) -> PipeReader:
        """The end for getting."""
        waker = None if self.wake is None else Waker(self.folder / f"gate-{self.plan.name}", self.wake)
        in_hand = InFlight(hand_path(self.folder, self.worker, self.incarnation))
        return PipeReader(self.end, self.plan.batch, in_hand, PayloadFiles(self.folder), waker)


def _received(
    plan: QueuePlan,
    folder: Path,
    worker: int,
    incarnation: int,
    end: SentDescriptor,
    wake: tuple[SentDescriptor, SentDescriptor] | None,
) -> PipeConnector:
    pair = None if wake is None else (wake[0].detach(), wake[1].detach())
    return PipeConnector(plan, folder, worker, incarnation, end.detach(), pair)
