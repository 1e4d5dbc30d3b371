"""The kind `multiprocessing.Manager`: a `queue.Queue` in a process of its own, as the subject of experiments.

    writer --put--> [ manager process: a thread for each worker, a queue.Queue ] <--get-- reader
                              ^
    supervisor --lifeline-----+   its end, also by SIGKILL, is the manager's

Each operation is a request to the manager process and its answer. Nobody shares a lock with another worker, but a
worker that dies in a get may take along an item that nobody else will see: after a death nothing can be repaired.

**The manager process** is what `multiprocessing.Manager()` starts, but for how it begins and ends: never by fork, so
that it holds nothing of the run open; deaf to Ctrl-C; and gone as soon as the supervisor closes the lifeline or dies.

**Nobody waits for ever**: requests to put and get wait half a second at most, and are then made again.

**The stream's end** is a token: the last writer to close puts it, each reader that sees it puts it back for the next.
Who is the last tells a second queue, of numbers.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import secrets
import signal
import sys
import threading
from multiprocessing.managers import BaseManager, SyncManager
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from runner.lifeline import die_with
from runner.queues.contents import opened, packed
from runner.queues.contract import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import BaseContext
    from pathlib import Path

    from runner.envelope import Envelope
    from runner.planning.plan import QueuePlan

_END: Final = None
_LOOK_UP_AFTER_S: Final = 0.5
"""How often who waits in the manager looks whether to stop."""
_READY_WITHIN_S: Final = 30.0
_GONE_WITHIN_S: Final = 1.0


class _Queues(Protocol):
    """What workers ask of the manager."""

    def items(self) -> queue.Queue[Any]:
        """A proxy of the queue of items."""

    def tickets(self) -> queue.Queue[int]:
        """A proxy of the queue from which each writer takes a number as it closes; the last one's is 0."""


class _Clients(BaseManager):
    """The workers' side; what `connect` reaches is the `_Host`."""


_Clients.register("items")
_Clients.register("tickets")


class ManagerQueue:
    """The supervisor's side: it starts the manager process, and ends it."""

    fifo: ClassVar[bool] = True
    repairable: ClassVar[bool] = False
    largest_maxsize: ClassVar[int | None] = None
    capacity: int | None = None

    def __init__(self, plan: QueuePlan, context: BaseContext, _folder: Path, writers: int) -> None:
        own = context if context.get_start_method() != "fork" else multiprocessing.get_context("spawn")
        self._key = secrets.token_bytes(32)
        lifeline, self._lifeline = own.Pipe(duplex=False)
        answer, ready = own.Pipe(duplex=False)
        self._process = own.Process(  # type: ignore[attr-defined]  # every context has it
            target=_serve, args=(_address(), self._key, plan.maxsize, writers, lifeline, ready),
            name=f"manager of {plan.name}", daemon=True,
        )  # fmt: skip
        try:
            self._process.start()
            lifeline.close()
            ready.close()
            self._address = _answered(answer)
        except BaseException:
            self.close()
            raise
        finally:
            answer.close()

    def connector(self, _worker: int, _incarnation: int, *, writes: bool) -> ManagerConnector:  # noqa: ARG002 - both ends are one object
        """An end for a worker."""
        return ManagerConnector(self._address, self._key)

    def descriptors(self) -> tuple[int, ...]:
        """The lifeline, which would keep the manager process alive."""
        return () if self._lifeline.closed else (self._lifeline.fileno(),)

    def depth(self) -> int | None:
        """Not told: to ask, the supervisor would have to wait for an answer."""
        return None

    def end(self) -> None:
        """Nothing to do: the end is a token."""

    def close(self) -> None:
        """End the manager process, by force where it does not go by itself."""
        self._lifeline.close()
        if self._process.pid is None:  # it was never started
            return
        self._process.join(_GONE_WITHIN_S)
        self._process.kill()
        self._process.join()
        self._process.close()


def _address() -> str | None:
    """A name that leaves no file behind, where the system has such names; else the standard library chooses."""
    return f"\0mprun-{secrets.token_hex(16)}" if sys.platform == "linux" else None


def _answered(answer: Connection[Any, Any]) -> str:
    """Where the manager process listens; raises OSError where it does not come to that."""
    try:
        if answer.poll(_READY_WITHIN_S):
            address: str = answer.recv()
            return address
    except EOFError:
        raise OSError("its manager process has ended before it was ready") from None
    raise OSError(f"its manager process was not ready within {_READY_WITHIN_S:g} s")


def _serve(
    address: str | None,
    key: bytes,
    maxsize: int,
    writers: int,
    lifeline: Connection[Any, Any],
    ready: Connection[Any, Any],
) -> None:
    """Be the manager process."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.dup2(2, 1)
    die_with(lifeline.fileno())
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    items: queue.Queue[Any] = queue.Queue(maxsize)
    tickets: queue.Queue[int] = queue.Queue()
    for ticket in reversed(range(writers)):
        tickets.put(ticket)

    class Host(SyncManager):
        """Keeps both queues."""

    Host.register("items", callable=lambda: items)
    Host.register("tickets", callable=lambda: tickets)
    server = Host(address, key).get_server()
    ready.send(server.address)
    ready.close()
    server.serve_forever()


def _end_with(lifeline: Connection[Any, Any]) -> None:
    """End this process when nobody holds the other end any more, where the kernel does not."""
    lifeline.poll(None)
    os._exit(0)


@contextlib.contextmanager
def _there() -> Iterator[None]:
    """Say it in words where the manager process is not there any more."""
    try:
        yield
    except (EOFError, ConnectionError):
        raise ConnectionError("the manager process of its queue has ended") from None


class ManagerConnector:
    """One worker's way to the manager process."""

    def __init__(self, address: str, key: bytes) -> None:
        self.address = address
        self.key = key

    @property
    def descriptors(self) -> tuple[int, ...]:
        """None: an end connects when it is opened."""
        return ()

    def writer(self, stopped: Callable[[], bool]) -> ManagerWriter:
        """The end for putting; connects to the manager process."""
        with _there():
            queues = self._queues()
            return ManagerWriter(queues.items(), queues.tickets(), stopped)

    def reader(self, stopped: Callable[[], bool]) -> ManagerReader:
        """The end for getting; connects to the manager process."""
        with _there():
            return ManagerReader(self._queues().items(), stopped)

    def _queues(self) -> _Queues:
        clients = _Clients(self.address, self.key)
        clients.connect()
        return clients  # type: ignore[return-value]  # its methods are registered


class ManagerWriter:
    """Puts one item at a time: the queue knows no batches."""

    descriptors: tuple[int, ...] = ()

    def __init__(self, items: queue.Queue[Any], tickets: queue.Queue[int], stopped: Callable[[], bool]) -> None:
        self._items = items
        self._tickets = tickets
        self._stopped = stopped

    def put(self, envelopes: list[Envelope]) -> int:
        """See `Writer.put`."""
        self._put(packed(envelopes[0]))
        return 1

    def _put(self, content: object) -> None:
        while True:
            try:
                with _there():
                    self._items.put(content, True, _LOOK_UP_AFTER_S)
            except queue.Full:
                if self._stopped():
                    raise Stopped from None
            else:
                return

    def cut(self) -> None:
        """Nothing to do: a put looks by itself whether to stop."""

    def close(self) -> None:
        """The last writer puts the token."""
        with _there():
            is_last = self._tickets.get_nowait() == 0
        if is_last:
            self._put(_END)


class ManagerReader:
    """Gets one item at a time: the queue knows no batches."""

    descriptors: tuple[int, ...] = ()

    def __init__(self, items: queue.Queue[Any], stopped: Callable[[], bool]) -> None:
        self._items = items
        self._stopped = stopped
        self._ended = False

    def get(self, _limit: int) -> list[Envelope]:
        """See `Reader.get`."""
        while not (self._ended or self._stopped()):
            try:
                with _there():
                    content = self._items.get(True, _LOOK_UP_AFTER_S)
            except queue.Empty:
                continue
            if content is not _END:
                return [opened(content)]
            with _there():
                self._items.put(_END)
            self._ended = True
        return []

    def cut(self) -> None:
        """See `ProcessReader.cut`; the answer is awaited, as the item it may bring has left the queue."""
        self._ended = True
