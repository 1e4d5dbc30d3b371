"""The worker's side of the engine `ray`: an actor that runs the same steps as any worker.

    supervisor --about, clock--> who and where it is, what its clock says
               --prepare--> user code is imported, FAILED or READY
               --run--> the worker's life, from the gate on; its answer is how it ended
               --tell--> orders, on a thread of their own

What user code prints goes to stderr, which Ray brings to the supervisor's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from time import monotonic_ns, sleep
from typing import TYPE_CHECKING, Final, NamedTuple

import ray

from runner.engines.board import STOP, Slot, State
from runner.engines.hand import EventInterruption
from runner.engines.ray_ends import Courier, RayReader, RayWriter
from runner.engines.usercode import UserCodeError, extend_path
from runner.engines.worker import Worker
from runner.log.buffer import JournalBuffer
from runner.queues.contract import Stopped
from runner.queues.wire import BrokerLost

if TYPE_CHECKING:
    from runner.engines.resume import Resume
    from runner.planning.plan import WorkerPlan
    from runner.queues.broker import Chunk
    from runner.queues.wire import Address

ORDERS: Final = "orders"
"""The calls that are answered while `run` goes on."""
_WORDS: Final = 16
_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Job:
    """Everything an actor is handed.

    Attributes:
        worker: Who it is and what it does.
        incarnation: 1 for the first actor behind the name.
        resume: Where the one before it stopped.
        words: Its slot of the board as the supervisor knows it.
        source: The broker it gets from.
        target: The broker it puts into.
        reads: Largest number of items in one read.
        writes: Largest number of items in one write.
        prefetch: Items it may ask for before it needs them.
        pythonpath: Folders for user code.
        interval: Seconds between two reports.
    """

    worker: WorkerPlan
    incarnation: int
    resume: Resume
    words: tuple[int, ...]
    source: Address | None
    target: Address | None
    reads: int
    writes: int
    prefetch: int
    pythonpath: tuple[str, ...]
    interval: float


class About(NamedTuple):
    """Where an actor is."""

    pid: int
    node: str
    host: str
    boot: str


class Ending(NamedTuple):
    """How a worker's life ended.

    Attributes:
        state: FINISHED, STOPPED or FAILED.
        words: Its slot of the board.
        chunks: Records that the supervisor may not have.
        why: What broke it, where it is no worker's way to end.
    """

    state: int
    words: tuple[int, ...]
    chunks: list[Chunk]
    why: str | None = None


class RayWorker:
    """See above."""

    def __init__(self, job: Job) -> None:
        os.dup2(2, 1)
        self._job = job
        words = memoryview(bytearray(2 * _WORDS * 8)).cast("q")
        self._slot = Slot(words, _WORDS)
        for position, word in enumerate(job.words):
            words[_WORDS + position] = word
        self._told = threading.Event()

    def about(self) -> About:
        """Who and where it is."""
        context = ray.get_runtime_context()
        return About(os.getpid(), context.get_node_id(), ray.util.get_node_ip_address(), boot())

    @ray.method(concurrency_group=ORDERS)  # type: ignore[untyped-decorator]
    def clock(self) -> int:
        """What the monotonic clock of this node says, in ns."""
        return monotonic_ns()

    def prepare(self, shift: int) -> Ending:
        """Import user code; READY, or FAILED with the error among the records.

        Args:
            shift: The supervisor's clock minus this node's, in ns.
        """
        job = self._job
        self._shift = shift
        self._journal = JournalBuffer(shift)
        home = job.source or job.target
        assert home is not None  # noqa: S101 - every worker gets or puts
        self._courier = Courier(
            home, (job.worker.index, job.incarnation), self._journal, self._slot, shift,
            job.interval,
        )  # fmt: skip
        self._interruption = _Interruption(self._told, self._courier)
        self._worker = Worker(job.worker, self._journal, self._slot, self._interruption, job.writes, job.resume)
        extend_path(job.pythonpath)
        self._slot.state = State.PREPARING
        try:
            self._worker.prepare()
        except UserCodeError as error:
            self._worker.report(error)
            self._slot.state = State.FAILED
        else:
            self._slot.state = State.READY
        return self._ending(self._slot.state)

    def run(self, zero: int) -> Ending:
        """Work until the end.

        Args:
            zero: The instant the gate opens or has opened, in ns of the supervisor's clock.
        """
        job = self._job
        began = zero - self._shift
        self._slot.state = State.RUNNING
        self._courier.start()
        if (wait := began - monotonic_ns()) > 0:
            sleep(wait / _NS)
        why = None
        try:
            reader = None if job.source is None else RayReader(self._courier, job.reads, job.prefetch, self._shift)
            writer = self._writer(job.target)
            state = self._worker.run(reader, writer, began)
        except BrokerLost:
            state = State.STOPPED
        except BaseException:
            state, why = State.FAILED, traceback.format_exc()
            sys.stderr.write(f"mprun: {job.worker.name} breaks down:\n{why}")
        self._slot.state = state
        self._courier.end()
        if not self._courier.line.lost:
            with contextlib.suppress(Stopped):  # the broker is gone: what it does not get is in the answer
                self._courier.flush()
        return self._ending(state, why)

    def _writer(self, target: Address | None) -> RayWriter | None:
        return None if target is None else RayWriter(target, self._courier, self._shift, self._slot.stopped)

    def _ending(self, state: State, why: str | None = None) -> Ending:
        chunks = self._courier.kept()
        return Ending(int(state), self._courier.words(), chunks, why)

    @ray.method(concurrency_group=ORDERS)  # type: ignore[untyped-decorator]
    def tell(self, word: int) -> None:
        """An order of the supervisor: STOP or FINISH."""
        self._slot.words[self._slot.base + word] = 1
        if word == STOP:
            self._told.set()


class _Interruption(EventInterruption):
    """Waits that an order cuts short; a kill is a real one, once what happened before it is known."""

    def __init__(self, told: threading.Event, courier: Courier) -> None:
        super().__init__(told)
        self._courier = courier

    def kill(self) -> None:
        self._courier.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def boot() -> str:
    """What tells one running kernel from another, whose clocks have nothing in common; empty where it is not told."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123
            return file.read().strip()
    except OSError:
        return ""
