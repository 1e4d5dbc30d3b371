"""What a queue between processes is to an engine: the supervisor's side, and the two ends workers hold.

The supervisor creates a `SharedQueue` and hands each worker a `Connector` for the end it needs. A connector can be
pickled into a starting process; opened there it is a `Writer` or a `Reader`. Every operation that may block ends in
finite time once the worker was told to stop.
"""

from __future__ import annotations

import os
import pickle
from traceback import format_exception_only
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import BaseContext
    from pathlib import Path

    from runner.envelope import Envelope
    from runner.planning.plan import QueuePlan


class Stopped(Exception):  # noqa: N818 - no error: it ends a worker that was told to stop or that nobody reads from
    """The worker ends here: it was told to stop, or no reader is left and none will come."""


class UnsendableItem(Exception):  # noqa: N818 - named for the item at fault
    """An item cannot be pickled; `__cause__` says why, `envelope` which."""

    def __init__(self, envelope: Envelope, cause: BaseException) -> None:
        super().__init__(f"the item cannot be pickled: {_described(cause)}")
        self.envelope = envelope


class UnreadableItem:
    """Stands for an item that was pickled and cannot be unpickled; whoever wants to work on it is told `cause`."""

    def __init__(self, cause: BaseException) -> None:
        self.cause = cause

    def __repr__(self) -> str:
        return f"<cannot be unpickled: {_described(self.cause)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        raise self.cause


def pickled(envelope: Envelope) -> bytes:
    """The item of an envelope as bytes; raises `UnsendableItem`."""
    try:
        return pickle.dumps(envelope.item, protocol=pickle.HIGHEST_PROTOCOL)
    except BaseException as error:  # the user's code, which may raise anything
        raise UnsendableItem(envelope, error) from error


def unpickled(data: bytes | memoryview) -> Any:
    """An item of its bytes, which a worker of the same run has pickled; an `UnreadableItem` where that fails."""
    try:
        return pickle.loads(data)  # noqa: S301 - see above
    except BaseException as error:
        return UnreadableItem(error)


def _described(error: BaseException) -> str:
    """`ValueError: text`, also for exceptions whose own text fails."""
    return "".join(format_exception_only(error)).strip()


class Parcel(msgspec.Struct, frozen=True):
    """An item in a queue as the supervisor handles it, which never looks inside.

    Attributes:
        producer: Index of the producer's worker in the plan; with `seq` and `suffix` it is the item's id.
        seq: Position in its producer's range.
        suffix: What stages added to its id.
        delivery: How often it has been handed out, with this time.
        began: Instant its first put into this queue began, in ns of the monotonic clock.
        skip: Of what a stage makes of it, so many were put already.
        members: The JSON members that show it in the log.
        content: What the kind of queue sends.
    """

    producer: int
    seq: int
    suffix: str
    delivery: int
    began: int
    skip: int
    members: bytes
    content: Any

    @property
    def key(self) -> tuple[int, int, str]:
        """Who it is, as journals name items."""
        return self.producer, self.seq, self.suffix


def end_reads(descriptor: int) -> None:
    """Let reads of a descriptor see the end of the file from now on.

    A blocked read that a signal interrupts is repeated by Python, on the same number and then without blocking. Nothing
    is torn: what a read had taken by then, it returns.
    """
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)


def end_writes(descriptor: int) -> None:
    """Let writes to a descriptor fail with BrokenPipeError from now on, also one that is blocked and is repeated."""
    nobody, end = os.pipe()
    os.close(nobody)
    os.dup2(end, descriptor, inheritable=False)
    os.close(end)


class Writer(Protocol):
    """A worker's end for putting."""

    def put(self, envelopes: list[Envelope]) -> int:
        """Put the first of the envelopes, blocking until there is room for one; returns how many (at least one).

        Raises `Stopped`, `UnsendableItem`, or OSError when the disk is full.
        """

    def close(self) -> None:
        """Put no more: readers see the stream's end once every writer has closed and the queue is empty.

        Where it waits, the order to stop ends it: a signal handler raises `Stopped` in it.
        """


class ProcessWriter(Writer, Protocol):
    """A worker process's end for putting."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What keeps the stream open, and a child of the worker must not keep."""

    def cut(self) -> None:
        """Give up a put that is blocked right now, whose item has not been taken by anybody and never will be.

        Called by a signal handler each time the worker is reminded to stop, some ten times a second; a put that looks
        by itself whether the worker was told to stop needs no more.
        """


class Reader(Protocol):
    """A worker's end for getting."""

    def get(self, limit: int) -> list[Envelope]:
        """Up to `limit` items, blocking until there is one; none at the stream's end."""


class ProcessReader(Reader, Protocol):
    """A worker process's end for getting."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What keeps writers waiting, and a child of the worker must not keep."""

    def cut(self) -> None:
        """End the stream for this reader, also where a get is blocked right now.

        Called by a signal handler each time the worker is reminded to stop, some ten times a second.
        """


@runtime_checkable
class NumberWriter(Writer, Protocol):
    """A writer that whole numbers of 64 bits can be put into without an envelope; what it does is the same."""

    @property
    def takes_numbers(self) -> bool:
        """Whether it does so now; a bounded queue, say, may not."""

    def put_number(self, head: int, seq: int, began: int, item: int) -> None:
        """Put one, blocking until there is room; `head` as `runner.envelope.head` gives it. Raises as `put`."""

    def put_numbers(self, tickets: bytes) -> int:
        """Put the first of these, each as PACKED, in one write; returns how many (at least one). Raises as `put`."""


@runtime_checkable
class NumberReader(Reader, Protocol):
    """A reader that shows what it got as it came.

    Attributes:
        tickets: Where what `read` got lies, each item as PACKED; what is no whole number of 64 bits has a third number
            other than 0, and is for `envelopes` to look up.
    """

    tickets: memoryview

    def read(self, limit: int) -> int:
        """As `get`, but gives the number of bytes that lie in `tickets` now; 0 at the stream's end."""

    def only_numbers(self, tickets: bytes) -> bool:
        """Whether all that was read are whole numbers of 64 bits."""

    def envelopes(self, tickets: bytes) -> list[Envelope]:
        """The items of what was read."""


class Connector(Protocol):
    """A picklable promise of an end."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The supervisor's descriptors that a forked worker keeps for this end."""

    def writer(self, stopped: Callable[[], bool], /) -> ProcessWriter:
        """Open the end for putting; `stopped` tells whether the worker was told to stop."""

    def reader(self, stopped: Callable[[], bool], /) -> ProcessReader:
        """Open the end for getting."""


class SharedQueue(Protocol):
    """The supervisor's side of a queue."""

    capacity: int | None
    """Items it can hold as granted by the operating system; None: no such limit is known."""

    def connector(self, worker: int, incarnation: int, /, *, writes: bool) -> Connector:
        """An end for an incarnation of the worker with this index in the plan."""

    def descriptors(self) -> tuple[int, ...]:
        """Descriptors of the supervisor that a forked worker has to close, unless they are its own."""

    def depth(self) -> int | None:
        """Items in the queue now; None where the kind cannot tell."""

    def end(self) -> None:
        """Let readers see the stream's end once no writer is left: the supervisor puts no more for now."""

    def close(self) -> None:
        """Free everything; the workers are gone."""


class Repairable(Protocol):
    """A queue that can tell what the dead were putting and what they had got."""

    def depth(self) -> int:
        """Items in the queue now."""

    def begun(self, worker: int, incarnation: int, /) -> list[Parcel]:
        """What a dead writer put last: whether that arrived, its journal and the readers know."""

    def hand(self, worker: int, incarnation: int, /) -> list[Parcel]:
        """What a reader got last, in order; what of it is done, its journal knows."""

    def again(self, parcel: Parcel, delivery: int, skip: int, /) -> Parcel:
        """The same item for one more delivery, of whose outputs a stage has put `skip`."""

    def offer(self, parcels: list[Parcel], /) -> int:
        """Put the first of the parcels without waiting, within the bound; returns how many found room.

        Where fewer did than were offered, writers may be kept away until it is called again.
        """

    def drain(self) -> list[Parcel]:
        """Take out what is in the queue, after the last worker is gone."""


@runtime_checkable
class RepairableQueue(SharedQueue, Repairable, Protocol):
    """A queue between processes that survives the death of whoever uses it."""

    def depth(self) -> int:
        """Items in the queue now."""


class Kind(Protocol):
    """A kind of queue, a class as a rule: makes one as planned, with its files in `folder`, for so many `writers`.

    A queue is made in the supervisor, while an empty main module stands in the place of the caller's and signals of the
    terminal are blocked: a process that it starts imports nothing of the caller's, and must ignore these signals.
    """

    @property
    def fifo(self) -> bool:
        """Whether items leave in the order in which they came, whoever put them; else it is per producer."""

    @property
    def repairable(self) -> bool:
        """Whether its queues are `RepairableQueue`s."""

    @property
    def largest_maxsize(self) -> int | None:
        """The largest `maxsize` it can keep; 0: none; None: any."""

    def __call__(self, plan: QueuePlan, context: BaseContext, folder: Path, writers: int, /) -> SharedQueue:
        """Create the queue; raises OSError where the machine's limits do not allow it."""
