"""A worker thread as the main thread knows it, and how it waits."""

from __future__ import annotations

import sys
import threading
import traceback
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from runner.engines.entries import about
from runner.engines.patience import ItemTimeout
from runner.queues.contract import Stopped

if TYPE_CHECKING:
    from runner.engines.board import Slot
    from runner.planning.plan import WorkerPlan
    from runner.queues.contract import Writer


class Killed(Exception):  # noqa: N818 - the end of a thread, not an error
    """A fault ends this thread."""


class EventInterruption:
    """Waiting that the thread's event cuts short."""

    def __init__(self, told: threading.Event) -> None:
        self._told = told

    def nap(self, seconds: float) -> None:
        """See `Interruption.nap`."""
        if self._told.wait(min(seconds, threading.TIMEOUT_MAX)):
            raise Stopped

    def close(self, writer: Writer) -> None:
        """See `Interruption.close`."""
        writer.close()

    def kill(self) -> None:
        """See `Interruption.kill`: a thread ends by itself."""
        raise Killed


@dataclass(slots=True)
class Hand:
    """A worker thread as the main thread knows it.

    Attributes:
        worker: Who it is.
        incarnation: From 1.
        slot: Its slot on the board.
        told: Set to cut its waiting short.
        before: Puts and gets of its former incarnations.
        thread: Its thread, once started.
        alive: Whether it has not been seen to end.
        died: Whether a fault has ended it.
        replaced: Whether another incarnation has taken its place.
        told_at: When it was told to stop (`time.monotonic`).
        unwritten: Whether it found no room on the disk.
        patience: Tells when it has worked on one item for too long.
    """

    worker: WorkerPlan
    incarnation: int
    slot: Slot
    told: threading.Event
    before: tuple[int, int]
    thread: threading.Thread | None = None
    alive: bool = True
    died: bool = False
    replaced: bool = False
    told_at: float | None = None
    unwritten: bool = False
    patience: ItemTimeout = field(init=False)

    def __post_init__(self) -> None:
        self.patience = ItemTimeout(self.worker, self.slot)

    def tell_to_stop(self) -> None:
        """Order it to stop; whoever waits at a FIFO has to be woken besides."""
        self.told_at = self.told_at or monotonic()
        self.slot.stop()
        self.told.set()

    @property
    def about(self) -> dict[str, Any]:
        """The keys of `worker.start` and `worker.exit` that say who it is."""
        return about(self.worker, self.incarnation, None)

    @property
    def stack(self) -> str | None:
        """Where it is now; None before its start and after its end."""
        frames = sys._current_frames()  # noqa: SLF001 - the only way to another thread's stack
        frame = frames.get((self.thread and self.thread.ident) or 0)
        return "".join(traceback.format_stack(frame)) if frame is not None else None
