"""The engine `threads`: the same plan and the same worker loop on threads of this process, for comparison.

    main thread --starts--> worker threads --> FIFOs between them, journals and board as with processes
        +-- signals, timeout, watch, order to stop: board word + event of the thread

Queue kinds do not bind here: every queue is a FIFO of the same `maxsize`. A thread cannot be killed: a call that
outlasts its grace is abandoned, and its item is left.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import traceback
from dataclasses import dataclass
from time import monotonic, monotonic_ns, time_ns
from typing import TYPE_CHECKING, Final

from runner.engines.board import Board, Slot, State
from runner.engines.contract import LiveRun, Status
from runner.engines.limits import provide_descriptors
from runner.engines.stop import Stop, overdue
from runner.engines.usercode import UserCodeError, extend_path
from runner.engines.worker import Worker
from runner.log.journal import Clock, JournalWriter
from runner.queues.contract import Stopped
from runner.queues.fifo import Fifo, FifoEnd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runner.engines.contract import Outcome, Watch
    from runner.engines.signals import Signals
    from runner.log.chronicle import Chronicle
    from runner.planning.plan import Plan, WorkerPlan
    from runner.queues.contract import Writer

_TICK_S: Final = 0.1
_DESCRIPTORS_PER_WORKER: Final = 3


def run(plan: Plan, folder: Path, chronicle: Chronicle, signals: Signals, watch: Watch | None) -> Outcome:
    """Execute the plan in threads; see `Engine`."""
    provide_descriptors(plan, _DESCRIPTORS_PER_WORKER)
    board = Board(folder / "board", plan.size, create=True)
    live = LiveRun(plan, folder, board, chronicle)
    with _path_extended(plan.pythonpath), contextlib.redirect_stdout(sys.stderr):
        crew = Crew(live, signals, watch)
        outcome = crew.run()
    if not crew.abandoned:
        board.close()
    return outcome


@contextlib.contextmanager
def _path_extended(folders: tuple[str, ...]) -> Iterator[None]:
    before = list(sys.path)
    extend_path(folders)
    try:
        yield
    finally:
        sys.path[:] = before


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


@dataclass(slots=True)
class Hand:
    """A worker thread as the main thread knows it; `told_at` is when it was told to stop (`time.monotonic`)."""

    worker: WorkerPlan
    slot: Slot
    told: threading.Event
    thread: threading.Thread
    alive: bool = True
    told_at: float | None = None

    def tell_to_stop(self) -> None:
        """Order it to stop; whoever waits at a FIFO has to be woken besides."""
        self.told_at = self.told_at or monotonic()
        self.slot.stop()
        self.told.set()


class Crew:
    """Starts the worker threads of a plan and waits for their end.

    Attributes:
        abandoned: Whether a thread outlasted its grace and is still there.
    """

    def __init__(self, live: LiveRun, signals: Signals, watch: Watch | None) -> None:
        self._live = live
        self._plan = live.plan
        self._chronicle = live.chronicle
        self._signals = signals
        self._watch = watch
        self._stop = Stop()
        self._gate = threading.Event()
        self._changed = threading.Event()
        self._fifos = {
            queue.name: Fifo(queue, sum(group.count for group in self._plan.writers(queue.name)))
            for queue in self._plan.queues
        }
        self._hands: list[Hand] = []
        self._deadline = None if self._plan.timeout_ns is None else monotonic() + self._plan.timeout_ns / 1e9
        self.abandoned = False

    def run(self) -> Outcome:
        """From the first start to the last end."""
        for worker in self._plan.workers():
            self._start(worker)
        while self._stop.at is None and any(hand.slot.state is State.STARTING for hand in self._hands):
            self._look_around()
        clock = Clock(monotonic_ns(), time_ns())
        clock.save(self._live.folder)
        self._live.board.zero = clock.zero_ns
        self._gate.set()
        while any(hand.alive for hand in self._hands):
            self._look_around()
        return self._stop.outcome(clock, balanced=self._live.board.balanced(self._plan))

    def _start(self, worker: WorkerPlan) -> None:
        slot = self._live.board.slot(worker.index)
        told = threading.Event()
        thread = threading.Thread(target=self._work, args=(worker, slot, told), name=worker.name, daemon=True)
        self._hands.append(Hand(worker, slot, told, thread))
        group = worker.group
        self._chronicle.add(
            "worker.start", worker=worker.name, group=group.name, role=group.role, incarnation=1, pid=None
        )
        thread.start()

    def _work(self, worker: WorkerPlan, slot: Slot, told: threading.Event) -> None:
        """A worker thread, from its first line to its last."""
        try:
            slot.state = self._life(worker, slot, told)
        except OSError as error:
            sys.stderr.write(f"mprun: {worker.name}: {error}\n")
            slot.state = State.FAILED
        except BaseException:
            traceback.print_exc()
            slot.state = State.FAILED  # a thread that never says so would be waited for without end
        finally:
            self._changed.set()

    def _life(self, worker: WorkerPlan, slot: Slot, told: threading.Event) -> State:
        group = worker.group
        journal = JournalWriter(self._live.folder / f"{worker.name}.1.journal")
        try:
            batch = self._plan.queue(group.target).batch if group.target else 1
            life = Worker(worker, journal, slot, EventInterruption(told), batch)
            try:
                life.prepare()
            except UserCodeError as error:
                life.report(error)
                return State.FAILED
            reader = None if group.source is None else FifoEnd(self._fifos[group.source], slot.stopped)
            writer = None if group.target is None else FifoEnd(self._fifos[group.target], slot.stopped)
            slot.state = State.READY
            self._changed.set()
            self._gate.wait()
            return life.run(reader, writer, self._live.board.zero)
        finally:
            journal.close()

    def _look_around(self) -> None:
        self._changed.wait(_TICK_S)
        self._changed.clear()
        for hand in self._hands:
            if hand.alive and hand.slot.state.ended:
                self._part_with(hand)
        for number in self._signals.fresh():
            if self._stop.interrupt(number):
                self._pass_on_stop()
            else:
                self._abandon(all_of_them=True)
        if self._deadline is not None and monotonic() > self._deadline:
            self._order_stop(Status.TIMEOUT, f"timed out after {(self._plan.timeout_ns or 0) / 1e9:g} s")
        self._abandon()
        if self._watch is not None:
            self._watch.tick(self._live)

    def _order_stop(self, status: Status, reason: str) -> None:
        if self._stop.order(status, reason):
            self._pass_on_stop()

    def _pass_on_stop(self) -> None:
        for hand in self._hands:
            hand.tell_to_stop()
        for fifo in self._fifos.values():
            fifo.wake()

    def _part_with(self, hand: Hand) -> None:
        """A thread has ended: enter how, and draw the consequences."""
        hand.alive = False
        failed = hand.slot.state is State.FAILED
        self._enter_exit(hand, 1 if failed else 0)
        if failed:
            self._order_stop(Status.FAILED, f"{hand.worker.name} failed")
        if self._stop.at is None and hand.worker.group.source is not None:
            self._dismiss_writers(hand.worker.group.source)

    def _enter_exit(self, hand: Hand, code: int) -> None:
        group = hand.worker.group
        self._chronicle.add(
            "worker.exit",
            "info" if code == 0 else "warning",
            worker=hand.worker.name, group=group.name, role=group.role, incarnation=1, pid=None,
            exit_code=code, puts=hand.slot.puts, gets=hand.slot.gets,
        )  # fmt: skip

    def _dismiss_writers(self, queue: str) -> None:
        """Once every reader of a queue has ended, whoever still puts there is stopped."""
        if any(hand.alive for hand in self._hands if hand.worker.group.source == queue):
            return
        for hand in self._hands:
            if hand.worker.group.target == queue and not hand.slot.closed:
                hand.tell_to_stop()
        for fifo in self._fifos.values():  # a stage may wait at the one it gets from
            fifo.wake()

    def _abandon(self, *, all_of_them: bool = False) -> None:
        """Go on without threads that have used up their grace."""
        for hand in self._hands:
            if not hand.alive or hand.told_at is None:
                continue
            if all_of_them or overdue(hand.told_at, calling=hand.slot.state is State.CALLING):
                hand.alive = False
                self.abandoned = True
                self._enter_exit(hand, 1)
                if self._stop.at is None and hand.worker.group.source is not None:
                    self._dismiss_writers(hand.worker.group.source)
