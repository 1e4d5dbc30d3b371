"""A queue under test with its ends in processes of their own, each of which does what it is asked.

    test --ask--> end: a process with a writer or a reader --answer--> test
      +---SIGTERM, repeated: it is told to stop, as the supervisor tells workers

So ends live as in a run: they travel to a new process, hold what a worker holds, and are cut short by a signal.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import time
from typing import TYPE_CHECKING, Any, Final, Self

from runner.engines.launch import empty_main, held
from runner.engines.process_worker import FOR_THE_SUPERVISOR
from runner.planning.plan import QueuePlan
from runner.queues.contract import Stopped, UnreadableItem, UnsendableItem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import BaseContext
    from pathlib import Path
    from types import FrameType

    from runner.envelope import Envelope
    from runner.queues.contract import Connector, Kind, SharedQueue

STOPPED: Final = "stopped"
UNSENDABLE: Final = "unsendable"
WITHIN_S: Final = 20.0
"""What no answer takes on the slowest machine."""
_REMINDED_EVERY_S: Final = 0.1


class Unpicklable:
    """An item that cannot be sent."""

    def __reduce__(self) -> str:
        raise pickle.PicklingError("not for sale")


class Unreadable:
    """An item that can be sent and cannot be received."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _spoilt, ()


def _spoilt() -> None:
    raise ValueError("spoilt")


class Bench:
    """A queue, and its ends; as a context it closes all of them.

    Args:
        kind: Of the queue.
        folder: For its files.
        method: The start method of the processes.
        maxsize: 0: no bound.
        batch: Most items of one write or read.
        writers: So many will put.
    """

    def __init__(
        self, kind: Kind, folder: Path, method: str = "fork", *, maxsize: int = 0, batch: int = 1, writers: int = 1
    ) -> None:
        self._context: BaseContext = multiprocessing.get_context(method)
        self._forks = method == "fork"
        with empty_main(), held(FOR_THE_SUPERVISOR):
            self.queue: SharedQueue = kind(
                QueuePlan("queue", "under test", maxsize, batch, None), self._context, folder, writers
            )
        self._ends: list[End] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for end in self._ends:
            end.kill()
        self.queue.close()

    def writer(self, worker: int = 0) -> End:
        """A new end for putting, of the worker with this index; no two bear the same."""
        return self._end(worker, writes=True)

    def reader(self, worker: int = 8) -> End:
        """A new end for getting, likewise."""
        return self._end(worker, writes=False)

    def _end(self, worker: int, *, writes: bool) -> End:
        connector = self.queue.connector(worker, 1, writes=writes)
        foreign = set(self.queue.descriptors()) - set(connector.descriptors) if self._forks else set()
        end = End(self._context, connector, sorted(foreign), writes=writes)
        self._ends.append(end)
        return end


class End:
    """One end of a queue, in a process of its own."""

    def __init__(self, context: BaseContext, connector: Connector, foreign: list[int], *, writes: bool) -> None:
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(  # type: ignore[attr-defined]  # every context has it
            target=_obey, args=(connector, theirs, foreign, writes), daemon=True
        )
        with empty_main():
            self._process.start()
        theirs.close()
        self.answer()

    def ask(self, what: str, *arguments: Any) -> None:
        """Ask for a call of `put`, `get` or `close`, and do not wait for it."""
        self._pipe.send((what, arguments))

    def has_answered(self, seconds: float = 0.0) -> bool:
        """Whether the answer is there, after so long at most."""
        return self._pipe.poll(seconds)

    def answer(self) -> Any:
        """What came of the last call: what it returned, or STOPPED or UNSENDABLE with the item's seq."""
        assert self._pipe.poll(WITHIN_S), f"no answer within {WITHIN_S:g} s"
        answer = self._pipe.recv()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def put(self, *envelopes: Envelope) -> Any:
        """Put all of them, as often as it takes; returns how many, or what came of the one that was not put."""
        for envelope in envelopes:
            self.ask("put", [envelope])
            if (answer := self.answer()) != 1:
                return answer
        return len(envelopes)

    def get(self, limit: int = 128) -> list[Envelope]:
        """One call of get."""
        self.ask("get", limit)
        got: list[Envelope] = self.answer()
        return got

    def everything(self) -> list[Envelope]:
        """What there is to the stream's end."""
        found: list[Envelope] = []
        while got := self.get():
            found += got
        return found

    def close(self) -> None:
        """Close a writer, and wait for it."""
        self.ask("close")
        self.answer()

    def stop(self) -> Any:
        """Tell it to stop, again and again until it answers; returns the answer."""
        deadline = time.monotonic() + WITHIN_S
        while not self.has_answered(_REMINDED_EVERY_S):
            assert time.monotonic() < deadline, f"told to stop, it did not within {WITHIN_S:g} s"
            os.kill(self._process.pid, signal.SIGTERM)
        return self.answer()

    def kill(self) -> None:
        """End its process by SIGKILL."""
        if not self._pipe.closed:
            self._pipe.close()
            self._process.kill()
            self._process.join()
            self._process.close()


def _obey(connector: Connector, asked: Connection[Any, Any], foreign: list[int], writes: bool) -> None:
    """Be an end."""
    for descriptor in foreign:
        os.close(descriptor)
    told: list[int] = []
    closing = False
    end = connector.writer(lambda: bool(told)) if writes else connector.reader(lambda: bool(told))

    def heed(number: int, _frame: FrameType | None) -> None:
        told.append(number)
        end.cut()
        if closing and len(told) == 1:
            raise Stopped

    signal.signal(signal.SIGTERM, heed)
    asked.send(None)
    with contextlib.suppress(EOFError):
        while True:
            what, arguments = asked.recv()
            closing = what == "close"
            result = _done(getattr(end, what), arguments)
            closing = False
            asked.send(result)
    os._exit(0)


def _done(call: Any, arguments: Sequence[Any]) -> Any:
    for envelope in arguments[0] if arguments and isinstance(arguments[0], list) else ():
        if envelope.item is Unpicklable or envelope.item is Unreadable:  # they themselves could not be asked for
            envelope.item = envelope.item()
    try:
        result = call(*arguments)
    except Stopped:
        return STOPPED
    except UnsendableItem as error:
        return UNSENDABLE, error.envelope.seq
    except Exception as error:
        return RuntimeError(f"{type(error).__name__}: {error}")
    for envelope in result if isinstance(result, list) else ():
        if isinstance(envelope.item, UnreadableItem):
            envelope.item = repr(envelope.item)
    return result
