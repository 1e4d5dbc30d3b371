"""The kind `multiprocessing.SimpleQueue`: the standard library's, as the subject of experiments.

    writers --lock--> [ pipe, 64 KiB ] --lock--> readers

A put pickles, takes the writers' lock and writes; a get takes the readers' lock, reads and unpickles. There is no
feeder thread, so a put has sent its item when it returns, and the queue is FIFO, whoever puts. Lock, pipe and messages
are the queue's own; but where its `put` and `get` would wait for ever, this waits so that it can give up.

**Giving up** must not tear a message, as others may go on. Who waits for a lock, for room or for a message looks
whether to stop, or is woken. A message longer than PIPE_BUF may be under way when the order to stop comes: then both
ends go on for a few reminders, and only a message that never becomes whole is given up, by its writer first, who keeps
the lock, as behind half a message nothing can be read.

**maxsize** is kept by a semaphore, as in `multiprocessing.Queue`; the SimpleQueue itself knows no bound but its pipe's.

**The stream's end** is a token: the last writer to close puts it, each reader that sees it puts it back for the next.
"""

from __future__ import annotations

import contextlib
import os
import select
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any, ClassVar, Final

from runner.queues.contents import opened, packed
from runner.queues.contract import Stopped, end_reads, end_writes

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.context import BaseContext
    from multiprocessing.queues import SimpleQueue as Shared
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Lock, Semaphore
    from pathlib import Path

    from runner.envelope import Envelope
    from runner.planning.plan import QueuePlan

_END: Final = None
_LOOK_UP_AFTER_S: Final = 0.5
"""How often who waits for a lock or for room looks whether to stop."""
_WRITER_WAITS: Final = 3
_READER_WAITS: Final = 6
"""So many reminders to stop, a tenth of a second apart, a message that is under way gets to become whole."""


class SimpleQueue:
    """The supervisor's side: the queue, the bound and the number of its writers."""

    fifo: ClassVar[bool] = True
    repairable: ClassVar[bool] = False
    largest_maxsize: ClassVar[int | None] = None
    capacity: int | None = None

    def __init__(self, plan: QueuePlan, context: BaseContext, _folder: Path, writers: int) -> None:
        self._queue: Shared[Any] = context.SimpleQueue()
        self._room: Semaphore | None = context.Semaphore(plan.maxsize) if plan.maxsize else None
        self._open_writers = context.Value("q", writers)

    def connector(self, _worker: int, _incarnation: int, *, writes: bool) -> SimpleConnector:  # noqa: ARG002 - both ends are one object
        """An end for a worker."""
        return SimpleConnector(self._queue, self._room, self._open_writers)

    def descriptors(self) -> tuple[int, ...]:
        """None that keep a stream open: the end is a token."""
        return ()

    def depth(self) -> int | None:
        """Not told: the pipe knows its bytes, and not how many items they are."""
        return None

    def end(self) -> None:
        """Nothing to do: the end is a token."""

    def close(self) -> None:
        """Close the queue's pipe, and let go of its semaphores (see `MpQueue.close`)."""
        self._queue.close()
        del self._queue, self._room, self._open_writers


class SimpleConnector:
    """One worker's way to the queue; the standard library knows how to send it."""

    def __init__(self, shared: Shared[Any], room: Semaphore | None, open_writers: Synchronized[int]) -> None:
        self.shared = shared
        self.room = room
        self.open_writers = open_writers

    @property
    def descriptors(self) -> tuple[int, ...]:
        """None to keep apart."""
        return ()

    def writer(self, stopped: Callable[[], bool]) -> SimpleWriter:
        """The end for putting."""
        return SimpleWriter(self, stopped)

    def reader(self, _stopped: Callable[[], bool]) -> SimpleReader:
        """The end for getting."""
        return SimpleReader(self)


class _Sender:
    """Sends messages as `SimpleQueue.put` does, able to give up."""

    def __init__(self, shared: Shared[Any], stopped: Callable[[], bool]) -> None:
        self._lock: Lock = shared._wlock  # type: ignore[attr-defined]  # noqa: SLF001 - as its put takes it
        self._end: Connection[Any, Any] = shared._writer  # type: ignore[attr-defined]  # noqa: SLF001
        self._stopped = stopped
        self._poll = select.poll()
        self._poll.register(self._end.fileno(), select.POLLOUT)
        self._reminders = 0

    def send(self, content: Any) -> None:
        """Send a message whole; raises `Stopped`."""
        data = ForkingPickler.dumps(content)
        self.wait_for(self._lock.acquire)
        try:
            self.wait_for(self._has_room)
            self._end.send_bytes(data)
        except BrokenPipeError:  # its message is torn: keep the lock
            raise Stopped from None
        except BaseException:
            self._lock.release()
            raise
        self._lock.release()

    def _has_room(self, _waits: bool, seconds: float) -> bool:
        """Whether a message of PIPE_BUF bytes finds room before so many seconds are over."""
        return bool(self._poll.poll(seconds * 1000))

    def wait_for(self, acquire: Callable[[bool, float], bool]) -> None:
        """Acquire, or raise `Stopped`."""
        while not acquire(True, _LOOK_UP_AFTER_S):
            if self._stopped():
                raise Stopped

    def cut(self) -> None:
        """See `ProcessWriter.cut`."""
        self._reminders += 1
        if self._reminders > _WRITER_WAITS:
            end_writes(self._end.fileno())


class SimpleWriter:
    """Puts one item at a time: the queue knows no batches."""

    descriptors: tuple[int, ...] = ()

    def __init__(self, connector: SimpleConnector, stopped: Callable[[], bool]) -> None:
        self._sender = _Sender(connector.shared, stopped)
        self._room = connector.room
        self._open_writers = connector.open_writers

    def put(self, envelopes: list[Envelope]) -> int:
        """See `Writer.put`; returns when the item is in the pipe."""
        content = packed(envelopes[0])
        if self._room is not None:
            self._sender.wait_for(self._room.acquire)
        self._sender.send(content)
        return 1

    def cut(self) -> None:
        """See `ProcessWriter.cut`."""
        self._sender.cut()

    def close(self) -> None:
        """The last writer puts the token; raises `Stopped` where nobody reads what is in its way."""
        with self._open_writers.get_lock():
            self._open_writers.value -= 1
            is_last = self._open_writers.value == 0
        if is_last:
            self._sender.send(_END)


class SimpleReader:
    """Gets one item at a time: the queue knows no batches."""

    descriptors: tuple[int, ...] = ()

    def __init__(self, connector: SimpleConnector) -> None:
        shared = connector.shared
        self._lock: Lock = shared._rlock  # type: ignore[attr-defined]  # noqa: SLF001 - as its get takes it
        self._end: Connection[Any, Any] = shared._reader  # type: ignore[attr-defined]  # noqa: SLF001
        self._room = connector.room
        self._sender = _Sender(shared, lambda: self._reminders > 0)
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._poll = select.poll()
        self._poll.register(self._end.fileno(), select.POLLIN)
        self._poll.register(self._woken, select.POLLIN)
        self._ended = False
        self._receiving = False
        self._reminders = 0

    def get(self, _limit: int) -> list[Envelope]:
        """See `Reader.get`."""
        data = None if self._ended else self._message()
        content = None if data is None else ForkingPickler.loads(data)
        if content is _END:
            if data is not None:
                self._pass_on_end()
            self._ended = True
            return []
        if self._room is not None:
            self._room.release()
        return [opened(content)]

    def _message(self) -> bytes | None:
        """The next message; None where this reader is to stop."""
        while not self._lock.acquire(True, _LOOK_UP_AFTER_S):
            if self._reminders:
                return None
        try:
            ready = [descriptor for descriptor, _ in self._poll.poll()]
            if self._woken in ready:
                return None
            self._receiving = True
            return self._end.recv_bytes()
        except (EOFError, OSError):
            if not self._reminders:
                raise
            return None
        finally:
            self._receiving = False
            self._lock.release()

    def _pass_on_end(self) -> None:
        with contextlib.suppress(Stopped):  # then all are told to stop, and nobody waits for it
            self._sender.send(_END)

    def cut(self) -> None:
        """See `ProcessReader.cut`; a message under way gets some time to become whole."""
        self._reminders += 1
        if self._reminders == 1:
            os.write(self._wake, b"\0")
        if self._receiving and self._reminders > _READER_WAITS:
            end_reads(self._end.fileno())
