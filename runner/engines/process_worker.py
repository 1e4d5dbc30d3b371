"""The worker's side of the engine `processes`: what runs in the new process, from its first line to its exit.

It imports nothing heavy: with spawn every worker pays for every import. File descriptor 1 becomes stderr, so that
what user code prints cannot end up among the events. SIGINT is the supervisor's; SIGTERM cuts a pause short when the
board says stop and kills as ever when it does not. The supervisor's death kills the worker (see `runner.lifeline`).
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from enum import IntEnum
from multiprocessing import reduction
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from runner.engines.board import Board, Slot, State
from runner.engines.limits import NO_ROOM
from runner.engines.stillness import DUMP_STACKS, stack_path
from runner.engines.usercode import UserCodeError, extend_path
from runner.engines.worker import Worker
from runner.lifeline import die_with
from runner.log.journal import JournalWriter
from runner.queues.contract import Stopped

if TYPE_CHECKING:
    from types import FrameType

    from runner.engines.resume import Resume
    from runner.planning.plan import WorkerPlan
    from runner.queues.contract import Connector, ProcessReader, ProcessWriter, Writer


FOR_THE_SUPERVISOR: Final = (signal.SIGINT, signal.SIGHUP)
"""Signals that a terminal sends to all processes of a command, and that only the supervisor obeys."""


SAFE_PATH: Final = "PYTHONSAFEPATH"
OURS: Final = "mprun"
"""What that variable says where it was set for the fork server alone (`servants`)."""


class WorkerExit(IntEnum):
    """Exit codes of a worker process."""

    OK = 0
    USER_CODE = 1
    BROKEN = 70
    DISK = 74


@dataclass(frozen=True, slots=True)
class Post:
    """A supervisor's descriptor that a worker inherits under fork and is sent under forkserver and spawn."""

    fd: int

    def __reduce__(self) -> tuple[object, ...]:
        return _arrived, (reduction.DupFd(self.fd),)


def _arrived(sent: reduction.DupFd) -> Post:  # type: ignore[valid-type]  # a function in the stubs
    return Post(sent.detach())  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Job:
    """Everything a worker process is handed.

    Attributes:
        worker: Who it is and what it does.
        incarnation: 1 for the first process behind the name.
        resume: Where the one before it stopped.
        workers: Number of all workers, which gives the board's size.
        folder: Where board, journals and payload files are.
        batch: Largest number of items in one write.
        source: Its way to the queue it gets from.
        target: Its way to the queue it puts into.
        ready: Takes a byte when the worker is ready.
        gate: Ends when the start gate opens.
        lifeline: Ends when the supervisor dies.
        pythonpath: Folders for user code.
        foreign: Descriptors to close: inherited under fork and not the worker's own.
    """

    worker: WorkerPlan
    incarnation: int
    resume: Resume
    workers: int
    folder: str
    batch: int
    source: Connector | None
    target: Connector | None
    ready: Post
    gate: Post
    lifeline: Post
    pythonpath: tuple[str, ...]
    foreign: tuple[int, ...]

    @property
    def journal(self) -> Path:
        """The journal of this incarnation."""
        return Path(self.folder) / f"{self.worker.name}.{self.incarnation}.journal"


def main(job: Job) -> None:
    """Be the worker `job` describes; ends with one of `WorkerExit`."""
    _leave_signals_to_the_supervisor()
    for descriptor in job.foreign:
        os.close(descriptor)
    _keep_to_itself(job)
    if os.environ.get(SAFE_PATH) == OURS:
        del os.environ[SAFE_PATH]  # what user code starts is not to inherit it
    os.dup2(2, 1)
    die_with(job.lifeline.fd)
    _show_stack_when_asked(job)
    board = Board(Path(job.folder) / "board", job.workers)
    slot = board.slot(job.worker.index)
    slot.state = State.PREPARING
    interruption = SignalInterruption(slot)
    try:
        state = _work(job, board, slot, interruption)
        code = WorkerExit.USER_CODE if state is State.FAILED else WorkerExit.OK
    except OSError as error:
        if error.errno not in NO_ROOM:
            _break_down(job, error)  # such as a descriptor that user code has closed
        _complain(f"mprun: {job.worker.name}: {error}\n")
        state, code = State.FAILED, WorkerExit.DISK
    except BaseException as error:
        _break_down(job, error)  # such as what a signal handler of user code raised
    # Python takes its handler away before it exits, and a second SIGTERM would kill.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    slot.state = state
    if state is State.FINISHED:
        sys.exit(code)
    _leave(code)


def _break_down(job: Job, error: BaseException) -> NoReturn:
    """End a process that is no longer whole: a death, as its board does not say that it has ended."""
    _complain(f"mprun: {job.worker.name} breaks down:\n{''.join(traceback.format_exception(error))}")
    _leave(WorkerExit.BROKEN)


def _complain(text: str) -> None:
    """Say it on stderr, whatever user code has made of that."""
    with contextlib.suppress(Exception):
        sys.stderr.write(text)


def _leave(code: WorkerExit) -> NoReturn:
    """Exit at once.

    At a plain exit multiprocessing would wait for children of user code, and until somebody gets what is under way.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)


def _leave_signals_to_the_supervisor() -> None:
    # A forked child inherits the supervisor's, whose number soon is that of another file, such as the journal.
    signal.set_wakeup_fd(-1)
    for number in FOR_THE_SUPERVISOR:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FOR_THE_SUPERVISOR)


def _keep_to_itself(job: Job) -> None:
    """No program that user code starts gets what keeps the run together, and no process it forks keeps it open."""
    ends = [descriptor for end in (job.source, job.target) if end for descriptor in end.descriptors]
    for descriptor in (*ends, job.ready.fd, job.gate.fd, job.lifeline.fd):
        os.set_inheritable(descriptor, False)


def _close_in_children(*ends: ProcessReader | ProcessWriter | None) -> None:
    """See to it that a process which user code forks, and which may live for long, holds no queue open."""

    def close() -> None:
        for descriptor in [one for end in ends if end is not None for one in end.descriptors]:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    os.register_at_fork(after_in_child=close)


def _show_stack_when_asked(job: Job) -> None:
    path = stack_path(Path(job.folder), job.worker.name, job.incarnation)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    faulthandler.register(DUMP_STACKS, file=file, all_threads=True)


def _work(job: Job, board: Board, slot: Slot, interruption: SignalInterruption) -> State:
    journal = JournalWriter(job.journal)
    worker = Worker(job.worker, journal, slot, interruption, job.batch, job.resume)
    extend_path(job.pythonpath)
    try:
        worker.prepare()
    except UserCodeError as error:
        worker.report(error)
        return State.FAILED
    reader = None if job.source is None else job.source.reader(slot.stopped)
    interruption.reader = reader
    writer = None if job.target is None else job.target.writer(slot.stopped)
    interruption.writer = writer
    if job.worker.group.open:
        _wake_in_time()
    _close_in_children(reader, writer)
    slot.state = State.READY
    os.write(job.ready.fd, b"\0")
    os.close(job.ready.fd)
    os.read(job.gate.fd, 1)
    os.close(job.gate.fd)
    return worker.run(reader, writer, board.zero)


def _wake_in_time() -> None:
    """Have the kernel end this process's sleeps as they are due, and not up to 50 us later together with others."""
    with contextlib.suppress(OSError):
        Path("/proc/self/timerslack_ns").write_text("1")


class SignalInterruption:
    """Waiting that SIGTERM cuts short once the board says stop; otherwise SIGTERM kills, as it does any process.

    A blocked get ends by itself then, as if the stream had ended: upstream may pause for long. The supervisor repeats
    its SIGTERM, since one may come between the last look at the board and the system call that waits.
    """

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._waiting = False
        self._raised = False
        self.reader: ProcessReader | None = None
        self.writer: ProcessWriter | None = None
        signal.signal(signal.SIGTERM, self._term)

    def _term(self, number: int, _frame: FrameType | None) -> None:
        if not self._slot.stopped():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        for end in (self.reader, self.writer):
            if end is not None:
                end.cut()
        if self._waiting and not self._raised:
            self._raised = True
            raise Stopped

    def nap(self, seconds: float) -> None:
        """See `Interruption.nap`."""
        self._waiting = True
        try:
            if self._slot.stopped():
                raise Stopped
            time.sleep(seconds)
        finally:
            self._waiting = False

    def close(self, writer: Writer) -> None:
        """See `Interruption.close`."""
        self._waiting = True
        try:
            writer.close()
        finally:
            self._waiting = False

    def kill(self) -> None:
        """See `Interruption.kill`."""
        os.kill(os.getpid(), signal.SIGKILL)
