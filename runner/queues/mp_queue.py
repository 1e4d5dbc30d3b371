"""The kind `multiprocessing.Queue`: the standard library's, as the subject of experiments.

It is guarded by locks that workers share, so a worker killed inside an operation leaves the others waiting; a run over
it ends at the first death. The stream's end is a token: the last writer to close puts it, once what all writers put
has left their feeder threads, and each reader that sees it puts it back for the next.
"""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any, ClassVar, Final

from runner.queues.contents import opened, packed
from runner.queues.contract import Stopped, end_reads

if TYPE_CHECKING:
    import multiprocessing.queues
    from collections.abc import Callable
    from multiprocessing.context import BaseContext
    from multiprocessing.sharedctypes import Synchronized
    from pathlib import Path

    from runner.envelope import Envelope
    from runner.planning.plan import QueuePlan

_END: Final = None
_LOOK_UP_AFTER_S: Final = 0.2
"""How often a writer that waits for room looks whether it was told to stop."""


class MpQueue:
    """The supervisor's side: the queue and the number of its writers, both shared by the standard library's means."""

    fifo: ClassVar[bool] = False
    repairable: ClassVar[bool] = False
    largest_maxsize: ClassVar[int | None] = None
    capacity: int | None = None

    def __init__(self, plan: QueuePlan, context: BaseContext, _folder: Path, writers: int) -> None:
        self._queue: multiprocessing.queues.Queue[Any] = context.Queue(plan.maxsize)
        self._open_writers = context.Value("q", writers)
        self._batch = plan.batch

    def connector(self, _worker: int, _incarnation: int, *, writes: bool) -> MpConnector:  # noqa: ARG002 - both ends are one object
        """An end for a worker."""
        return MpConnector(self._queue, self._open_writers, self._batch)

    def descriptors(self) -> tuple[int, ...]:
        """None that keep a stream open: the end is a token."""
        return ()

    def depth(self) -> int | None:
        """Not told: `qsize` counts what feeder threads have not sent yet, and is missing on macOS."""
        return None

    def end(self) -> None:
        """Nothing to do: the end is a token."""

    def close(self) -> None:
        """Close the queue without waiting for anybody, and let go of its semaphores.

        Left to the cyclic garbage collector, they might be freed while the resource tracker registers others, which
        it refuses (CPython 3.13).
        """
        self._queue.close()
        self._queue.cancel_join_thread()
        del self._queue, self._open_writers


class MpConnector:
    """One worker's way to the queue; the standard library knows how to send it."""

    def __init__(self, shared: multiprocessing.queues.Queue[Any], open_writers: Synchronized[int], batch: int) -> None:
        self.shared = shared
        self.open_writers = open_writers
        self.batch = batch

    @property
    def descriptors(self) -> tuple[int, ...]:
        """None to keep apart."""
        return ()

    def writer(self, stopped: Callable[[], bool]) -> MpWriter:
        """The end for putting."""
        return MpWriter(self, stopped)

    def reader(self, _stopped: Callable[[], bool]) -> MpReader:
        """The end for getting."""
        return MpReader(self)


class MpWriter:
    """Puts one item at a time: the queue knows no batches."""

    def __init__(self, connector: MpConnector, stopped: Callable[[], bool]) -> None:
        self._shared = connector.shared
        self._open_writers = connector.open_writers
        self._stopped = stopped

    descriptors: tuple[int, ...] = ()

    def put(self, envelopes: list[Envelope]) -> int:
        """See `Writer.put`; returns when the feeder thread has the item."""
        # Left to the feeder thread, a failure to pickle would be printed and the item lost.
        content = packed(envelopes[0])
        while True:
            try:
                self._shared.put(content, timeout=_LOOK_UP_AFTER_S)
            except queue.Full:
                if self._stopped():
                    raise Stopped from None
            else:
                return 1

    def cut(self) -> None:
        """Nothing to do: a put looks by itself whether to stop."""

    def close(self) -> None:
        """Flush; the last writer puts the token, when what all others put has left their feeder threads."""
        try:
            with self._open_writers.get_lock():
                if self._open_writers.value == 1:
                    self._put_end()
                if not self._stopped():
                    self._shared.close()
                    self._shared.join_thread()
                self._open_writers.value -= 1
        finally:
            self._shared.cancel_join_thread()

    def _put_end(self) -> None:
        while True:
            try:
                self._shared.put(_END, timeout=_LOOK_UP_AFTER_S)
            except queue.Full:
                if self._stopped():
                    return  # whoever reads finds an item and needs no token to wake up
            else:
                return


class MpReader:
    """Gets one item, and what else is there at once up to the batch."""

    def __init__(self, connector: MpConnector) -> None:
        self._shared = connector.shared
        self._batch = connector.batch
        self._ended = False

    descriptors: tuple[int, ...] = ()

    def get(self, limit: int) -> list[Envelope]:
        """See `Reader.get`."""
        wanted = min(limit, self._batch)
        contents: list[Any] = []
        try:
            while not self._ended and len(contents) < wanted:
                contents.append(self._shared.get(block=not contents))
                if contents[-1] is _END:
                    contents.pop()
                    self._ended = True
                    self._shared.put(_END)
        except queue.Empty:
            pass
        except (EOFError, OSError):
            if not self._ended:  # nobody has cut the stream
                raise
        return [opened(content) for content in contents]

    def cut(self) -> None:
        """See `ProcessReader.cut`; a message that was read in part is lost to the other readers too."""
        self._ended = True
        end_reads(self._shared._reader.fileno())  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other way
