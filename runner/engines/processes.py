"""The engine `processes`: a process per worker, watched by a supervisor that is one poll loop and no thread.

    supervisor --Job--> worker process --ready byte--> supervisor opens the gate --> steps run
        ^                   |      |
        |  pidfd/sentinel --+      +--> journal, board (files), queue (pipe or multiprocessing.Queue)
        +-- signals, timeout, order to stop: board word + SIGTERM, after a grace SIGKILL

**The supervisor** starts all workers with an explicit start method, waits until each is ready, opens the gate, lets
go of its queue ends and from then on only waits: for deaths, signals, the timeout and the watch's tick. It never
touches an item. A death is seen by pidfd where the worker is a child, under forkserver by sentinel.

**An order to stop** is a word on the board, and SIGTERM to cut a pause short. Blocked operations end by themselves:
when all readers are gone a blocked write fails, when all writers are gone a blocked read ends.

**A worker** never imports the caller's main module: an empty `__main__` stands in its place while a process starts.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import select
import signal
import sys
import types
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker
from time import monotonic, monotonic_ns, time_ns
from typing import TYPE_CHECKING, Final

from runner.engines.board import Board, Slot, State
from runner.engines.contract import LiveRun, Status
from runner.engines.forkserver import boot
from runner.engines.limits import provide_descriptors
from runner.engines.process_worker import FOR_THE_SUPERVISOR, Job, Post, WorkerExit, main
from runner.engines.stop import Stop, overdue
from runner.errors import ConfigError, Problem
from runner.log.journal import Clock
from runner.queues import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from multiprocessing.context import BaseContext
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from runner.engines.contract import Outcome, Watch
    from runner.engines.signals import Signals
    from runner.log.chronicle import Chronicle
    from runner.planning.plan import Plan, WorkerPlan
    from runner.queues.contract import SharedQueue

_TICK_MS: Final = 100
_DESCRIPTORS_PER_WORKER: Final = 6


def run(plan: Plan, folder: Path, chronicle: Chronicle, signals: Signals, watch: Watch | None) -> Outcome:
    """Execute the plan in worker processes; see `Engine`."""
    provide_descriptors(plan, _DESCRIPTORS_PER_WORKER)
    if plan.start_method == "forkserver":
        boot()
    with contextlib.ExitStack() as stack:
        board = stack.enter_context(contextlib.closing(Board(folder / "board", plan.size, create=True)))
        context = multiprocessing.get_context(plan.start_method)
        queues = _queues(plan, context, folder, stack)
        live = LiveRun(plan, folder, board, chronicle)
        return Supervisor(live, context, queues, signals, watch).run()


def _queues(plan: Plan, context: BaseContext, folder: Path, stack: contextlib.ExitStack) -> dict[str, SharedQueue]:
    queues: dict[str, SharedQueue] = {}
    for queue in plan.queues:
        writers = sum(group.count for group in plan.writers(queue.name))
        try:
            queues[queue.name] = KINDS[queue.kind](queue, context, folder, writers)
        except OSError as error:
            raise ConfigError(Problem(plan.name, None, None, f"queues.{queue.name}", str(error))) from error
        stack.callback(queues[queue.name].close)
    return queues


@dataclass(slots=True)
class Member:
    """A worker as the supervisor knows it.

    Attributes:
        worker: Who it is.
        slot: Its slot on the board.
        process: Its process.
        death: Readable once it is dead.
        alive: Whether it has not been seen dead.
        own_death: Whether `death` is ours to close.
        told: When it was told to stop (`time.monotonic`).
        killed: Whether we killed it.
    """

    worker: WorkerPlan
    slot: Slot
    process: BaseProcess
    death: int
    own_death: bool
    alive: bool = True
    told: float | None = None
    killed: bool = False

    def tell_to_stop(self) -> None:
        """Order it to stop, and cut short what it waits for; may be repeated."""
        self.told = self.told or monotonic()
        self.slot.stop()
        if self.alive:
            self.process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self.killed = True
        self.process.kill()

    def died(self, code: int) -> bool:
        """Whether this exit code is that of a death nobody ordered."""
        ordered = self.killed or (self.told is not None and code == -signal.SIGTERM)
        return not ordered and not self.slot.state.ended


class Supervisor:
    """Starts the workers of a plan, waits for their end, and sees to it that it comes."""

    def __init__(
        self,
        live: LiveRun,
        context: BaseContext,
        queues: dict[str, SharedQueue],
        signals: Signals,
        watch: Watch | None,
    ) -> None:
        self._live = live
        self._plan = live.plan
        self._board = live.board
        self._chronicle = live.chronicle
        self._context = context
        self._queues = queues
        self._signals = signals
        self._watch = watch
        self._stop = Stop()
        self._members: dict[int, Member] = {}
        self._running = 0
        self._ready = 0
        self._urge_at = 0.0
        self._poll = select.poll()
        self._deadline = None if self._plan.timeout_ns is None else monotonic() + self._plan.timeout_ns / 1e9
        self._gate = os.pipe()
        self._lifeline = os.pipe()
        self._readiness = os.pipe()
        self._open = {*self._gate, *self._lifeline, *self._readiness}

    def run(self) -> Outcome:
        """From the first start to the last exit."""
        self._poll.register(self._readiness[0], select.POLLIN)
        if self._signals.descriptor >= 0:
            self._poll.register(self._signals.descriptor, select.POLLIN)
        try:
            self._start_all()
            self._wait_while(lambda: self._ready < self._plan.size and self._stop.at is None)
            clock = self._open_gate()
            self._wait_while(lambda: self._running > 0)
        finally:
            self._kill_all()
            for descriptor in self._open:
                os.close(descriptor)
        return self._stop.outcome(clock, balanced=self._board.balanced(self._plan))

    def _start_all(self) -> None:
        if self._plan.start_method == "spawn":
            resource_tracker.ensure_running()  # or the first worker's start does it, which undoes `_held`
        with _empty_main():
            for worker in self._plan.workers():
                self._look_around()
                if self._stop.at is not None:
                    return
                self._start(worker)

    def _start(self, worker: WorkerPlan) -> None:
        group = worker.group
        source = group.source and self._queues[group.source].connector(worker.index, writes=False)
        target = group.target and self._queues[group.target].connector(worker.index, writes=True)
        batch = self._plan.queue(group.target).batch if group.target else 1
        foreign: tuple[int, ...] = ()
        if self._plan.start_method == "fork":
            kept = {fd for end in (source, target) if end for fd in end.descriptors}
            foreign = tuple(fd for fd in self._descriptors() if fd not in kept)
        job = Job(
            worker, self._plan.size, str(self._live.folder), batch, source or None, target or None,
            Post(self._readiness[1]), Post(self._gate[0]), Post(self._lifeline[0]), self._plan.pythonpath, foreign,
        )  # fmt: skip
        process = self._context.Process(target=main, args=(job,), name=worker.name)  # type: ignore[attr-defined]
        try:
            with _held(FOR_THE_SUPERVISOR if self._plan.start_method != "forkserver" else ()):
                process.start()
        except OSError as error:
            self._order_stop(Status.FAILED, f"{worker.name} could not be started: {error.strerror}")
            return
        self._enlist(worker, process)

    def _descriptors(self) -> Iterator[int]:
        """What a forked worker inherits and must not keep."""
        for queue in self._queues.values():
            yield from queue.descriptors()
        yield from (self._gate[1], self._lifeline[1], self._readiness[0])
        yield from self._signals.descriptors
        for member in self._members.values():
            if member.own_death:
                yield member.death

    def _enlist(self, worker: WorkerPlan, process: BaseProcess) -> None:
        death, own = process.sentinel, False
        if self._plan.start_method != "forkserver" and hasattr(os, "pidfd_open"):
            # A sentinel stays silent while a grandchild lives that inherited its other end.
            death, own = os.pidfd_open(process.pid or 0), True
        self._members[death] = Member(worker, self._board.slot(worker.index), process, death, own)
        self._running += 1
        self._poll.register(death, select.POLLIN)
        group = worker.group
        self._chronicle.add(
            "worker.start", worker=worker.name, group=group.name, role=group.role, incarnation=1, pid=process.pid
        )

    def _open_gate(self) -> Clock:
        clock = Clock(monotonic_ns(), time_ns())
        clock.save(self._live.folder)
        self._board.zero = clock.zero_ns
        if self._stop.at is not None:
            self._pass_on_stop()
        for queue in self._queues.values():
            queue.release()
        self._open.remove(self._gate[1])
        os.close(self._gate[1])
        return clock

    def _wait_while(self, condition: Callable[[], bool]) -> None:
        while condition():
            self._look_around(_TICK_MS)

    def _look_around(self, patience_ms: int = 0) -> None:
        """One turn of the loop: whatever has happened, and whatever is due."""
        happened = self._poll.poll(patience_ms)
        self._obey_signals()  # first, as what else happened may be their effect
        for descriptor, _ in happened:
            if descriptor == self._readiness[0]:
                self._ready += len(os.read(descriptor, 4096))
            elif descriptor != self._signals.descriptor and self._members[descriptor].alive:
                self._bury(self._members[descriptor])
        if self._deadline is not None and monotonic() > self._deadline:
            self._order_stop(Status.TIMEOUT, f"timed out after {(self._plan.timeout_ns or 0) / 1e9:g} s")
        self._urge()
        if self._watch is not None:
            self._watch.tick(self._live)

    def _obey_signals(self) -> None:
        for number in self._signals.fresh():
            if self._stop.interrupt(number):
                self._pass_on_stop()
            else:
                self._kill_all()

    def _order_stop(self, status: Status, reason: str) -> None:
        if self._stop.order(status, reason):
            self._pass_on_stop()

    def _pass_on_stop(self) -> None:
        for queue in self._queues.values():
            queue.release()
        for member in self._members.values():
            member.tell_to_stop()

    def _urge(self) -> None:
        """Once a tick, remind who was told to stop and still waits, and kill who has used up the grace."""
        if monotonic() < self._urge_at:
            return
        self._urge_at = monotonic() + _TICK_MS / 1000
        for member in self._members.values():
            if member.alive and member.told is not None:
                state = member.slot.state
                if overdue(member.told, calling=state is State.CALLING):
                    member.kill()
                elif state in {State.GETTING, State.SLEEPING, State.CLOSING}:
                    member.process.terminate()

    def _bury(self, member: Member) -> None:
        """A worker has ended: enter how, and draw the consequences."""
        code = member.process.exitcode
        if code is None:
            return
        self._poll.unregister(member.death)
        if member.own_death:
            os.close(member.death)
        member.alive = False
        self._running -= 1
        self._enter_exit(member, code)
        state, name = member.slot.state, member.worker.name
        if code == WorkerExit.DISK:
            self._order_stop(Status.FAILED, f"{name} could not write to {self._live.folder}: is the disk full?")
        elif state is State.FAILED:
            self._order_stop(Status.FAILED, f"{name} failed")
        elif member.died(code):
            self._enter_death(member, code)
        if self._stop.at is None and member.worker.group.source is not None:
            self._dismiss_writers(member.worker.group.source)

    def _enter_exit(self, member: Member, code: int) -> None:
        group = member.worker.group
        self._chronicle.add(
            "worker.exit",
            "info" if code == 0 else "warning",
            worker=member.worker.name, group=group.name, role=group.role, incarnation=1, pid=member.process.pid,
            **({"exit_code": code} if code >= 0 else {"signal": _signal_name(-code)}),
            puts=member.slot.puts, gets=member.slot.gets,
        )  # fmt: skip

    def _enter_death(self, member: Member, code: int) -> None:
        name = member.worker.name
        how = f"was killed by {_signal_name(-code)}" if code < 0 else f"exited with {code} before its end"
        self._chronicle.add("worker.died", "error", worker=name, incarnation=1, why=f"{name} {how}")
        self._order_stop(Status.FAILED, f"{name} {how} while {member.slot.state.name.lower()}")

    def _dismiss_writers(self, queue: str) -> None:
        """Once every reader of a queue has ended, whoever still puts there is stopped."""
        if any(m.alive for m in self._members.values() if m.worker.group.source == queue):
            return
        for member in self._members.values():
            if member.worker.group.target == queue and not member.slot.closed:
                member.tell_to_stop()

    def _kill_all(self) -> None:
        """SIGKILL whoever is left, and wait for the deaths."""
        left = [member for member in self._members.values() if member.alive]
        for member in left:
            member.kill()
        while left:
            connection.wait([member.process.sentinel for member in left], timeout=1)
            for member in left:
                self._bury(member)
            left = [member for member in left if member.alive]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@contextlib.contextmanager
def _held(signals: Collection[signal.Signals]) -> Iterator[None]:
    """Let a new process begin with these signals blocked, lest one strikes before it ignores them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _empty_main() -> Iterator[None]:
    """Put an empty main module in place, so that no worker imports the caller's: unguarded, it would start again."""
    main_module = sys.modules.get("__main__")
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        if main_module is None:
            del sys.modules["__main__"]
        else:
            sys.modules["__main__"] = main_module
