"""The engine `threads`: the same plan and the same worker loop on threads of this process, for comparison.

    main thread --starts--> worker threads --> FIFOs between them, journals and board as with processes
        +-- signals, timeout, watch, order to stop: board word + event of the thread

Queue kinds do not bind here: every queue is a FIFO of the same `maxsize`. A thread cannot be killed: a call that
outlasts its grace is abandoned, and its item is left; a `kill` among the faults ends the thread's loop at its next
step, and is then answered like the death of a process.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import traceback
from dataclasses import replace
from time import monotonic, monotonic_ns, time_ns
from typing import TYPE_CHECKING, Any, Final

from runner.engines.board import Board, State
from runner.engines.contract import LiveRun, Status
from runner.engines.deaths import Answer, answer, bereft
from runner.engines.depths import DepthSampler
from runner.engines.entries import enter_exit
from runner.engines.hand import EventInterruption, Hand, Killed
from runner.engines.limits import NO_ROOM, provide_descriptors, provide_tasks, unwritten
from runner.engines.opening import enter_start
from runner.engines.recovery import Recovery
from runner.engines.resume import FROM_THE_START
from runner.engines.steady import Steadiness
from runner.engines.stillness import Stillness, standstill, waiting
from runner.engines.stop import GRACE_S, Stop, overdue
from runner.engines.usercode import UserCodeError, extended_path
from runner.engines.worker import Worker
from runner.log.journal import Clock, JournalWriter
from runner.planning.plan import Act, OnDeath, Role
from runner.queues.fifo import Fifo

if TYPE_CHECKING:
    from pathlib import Path

    from runner.engines.contract import Outcome, Watch
    from runner.engines.resume import Resume
    from runner.engines.signals import Signals
    from runner.log.chronicle import Chronicle
    from runner.planning.plan import Plan, WorkerPlan

_TICK_MS: Final = 100
_SOON_MS: Final = 2
_DESCRIPTORS_PER_WORKER: Final = 3


def run(plan: Plan, folder: Path, chronicle: Chronicle, signals: Signals, watch: Watch | None) -> Outcome:
    """Execute the plan in threads; see `Engine`."""
    provide_descriptors(plan, _DESCRIPTORS_PER_WORKER)
    provide_tasks(plan, 0)
    enter_start(chronicle, folder, plan)
    board = Board(folder / "board", plan.size, create=True)
    live = LiveRun(plan, folder, board, chronicle)
    with extended_path(plan.pythonpath), contextlib.redirect_stdout(sys.stderr):
        crew = Crew(live, signals, watch)
        try:
            return crew.run()
        finally:
            if not crew.abandoned:
                board.close()


class Crew:
    """Starts the worker threads of a plan and waits for their end.

    Of a queue whose readers a fault may kill, the crew itself counts as a writer until all that was put is done.

    Attributes:
        abandoned: Whether a thread outlasted its grace and is still there.
    """

    def __init__(self, live: LiveRun, signals: Signals, watch: Watch | None) -> None:
        self._plan = live.plan
        self._chronicle = live.chronicle
        self._signals = signals
        self._watch = watch
        self._stop = Stop()
        self._gate = threading.Event()
        self._changed = threading.Event()
        mortal = [worker for worker in self._plan.workers() if any(each.act is Act.KILL for each in worker.faults)]
        self._held = {worker.group.source for worker in mortal if worker.group.source is not None}
        self._fifos = {
            queue.name: Fifo(
                queue, sum(group.count for group in self._plan.writers(queue.name)) + (queue.name in self._held)
            )
            for queue in self._plan.queues
        }
        self._live = replace(live, depths={name: fifo.depth for name, fifo in self._fifos.items()})
        self._hands: list[Hand] = []
        self._recovery = Recovery(self._plan, live.folder, live.chronicle, self._fifos)
        self._depths = DepthSampler({name: fifo.depth for name, fifo in self._fifos.items()})
        self._stillness = Stillness(live.board, self._plan.hang_after_ns)
        self._steadiness = None if self._plan.steady is None else Steadiness(self._plan.steady, self._plan.warmup_ns)
        self._deadline = None if self._plan.timeout_ns is None else monotonic() + self._plan.timeout_ns / 1e9
        self.abandoned = False

    def run(self) -> Outcome:
        """From the first start to the last end."""
        try:
            return self._run()
        except BaseException:
            self._break_off()
            raise

    def _break_off(self) -> None:
        """Let no thread of a run that ends by an exception wait at the gate or at a queue for ever."""
        self._order_stop(Status.FAILED, "the run was broken off")
        self._gate.set()
        for hand in self._hands:
            if hand.thread is not None:
                hand.thread.join(GRACE_S)
                self.abandoned |= hand.thread.is_alive()

    def _run(self) -> Outcome:
        for worker in self._plan.workers():
            if self._stop.at is None:
                self._start(worker, 1, FROM_THE_START)
        while self._stop.at is None and any(hand.alive and hand.slot.state.keeps_the_gate for hand in self._hands):
            self._look_around()
        clock = Clock(monotonic_ns(), time_ns())
        clock.save(self._live.folder)
        self._live.board.zero = clock.zero_ns
        self._depths.begin(clock.zero_ns)
        self._gate.set()
        while any(hand.alive for hand in self._hands):
            self._look_around()
        aside = self._recovery.aside
        if aside:
            self._stop.order(Status.FAILED, f"{aside[0].id} {aside[0].why}")
        board = self._live.board
        balanced = not aside and not board.any_skipped(self._plan) and not any(board.open_items(self._plan).values())
        outcome = self._stop.outcome(clock, balanced=balanced)
        found = {(each.queue, each.id): each.why for each in aside}
        return replace(outcome, aside=found, depths=self._depths.samples)

    def _start(self, worker: WorkerPlan, incarnation: int, resume: Resume) -> None:
        slot = self._live.board.slot(worker.index)
        hand = Hand(worker, incarnation, slot, threading.Event(), (slot.puts, slot.gets))
        hand.thread = threading.Thread(target=self._work, args=(hand, resume), name=worker.name, daemon=True)
        began = monotonic_ns()  # it may have put and got before `start` returns
        try:
            hand.thread.start()
        except RuntimeError as error:
            self._order_stop(Status.FAILED, f"{worker.name} could not be started: {error}")
            return
        self._hands.append(hand)
        self._chronicle.add("worker.start", instant=began, **hand.about)

    def _work(self, hand: Hand, resume: Resume) -> None:
        """A worker thread, from its first line to its last."""
        try:
            hand.slot.state = self._life(hand, resume)
        except Killed:
            hand.died = True
        except OSError as error:
            sys.stderr.write(f"mprun: {hand.worker.name}: {error}\n")
            hand.unwritten = error.errno in NO_ROOM
            hand.slot.state = State.FAILED
        except BaseException:
            traceback.print_exc()
            hand.slot.state = State.FAILED  # a thread that never says so would be waited for without end
        finally:
            self._changed.set()

    def _life(self, hand: Hand, resume: Resume) -> State:
        worker, slot, group = hand.worker, hand.slot, hand.worker.group
        slot.state = State.PREPARING
        journal = JournalWriter(self._live.folder / f"{worker.name}.{hand.incarnation}.journal")
        try:
            batch = self._plan.queue(group.target).batch if group.target else 1
            life = Worker(worker, journal, slot, EventInterruption(hand.told), batch, resume)
            try:
                life.prepare()
            except UserCodeError as error:
                life.report(error)
                return State.FAILED
            source, target = self._fifos.get(group.source or ""), self._fifos.get(group.target or "")
            at = (worker.index, hand.incarnation, slot.stopped)
            reader = None if source is None else source.end_of(*at)
            writer = None if target is None else target.end_of(*at)
            slot.state = State.READY
            self._changed.set()
            self._gate.wait()
            return life.run(reader, writer, self._live.board.zero)
        finally:
            journal.close()

    def _look_around(self) -> None:
        hurry = any(self._recovery.pending(name) or self._is_running_dry(name) for name in self._fifos)
        self._depths.wait(lambda ms: self._changed.wait(ms / 1000), _SOON_MS if hurry else _TICK_MS)
        self._changed.clear()
        for hand in list(self._hands):
            if hand.alive and (hand.died or hand.slot.state.ended):
                self._part_with(hand)
        for number in self._signals.fresh():
            if self._stop.interrupt(number):
                self._pass_on_stop()
            else:
                self._abandon(all_of_them=True)
        if self._deadline is not None and monotonic() > self._deadline:
            self._order_stop(Status.TIMEOUT, f"timed out after {(self._plan.timeout_ns or 0) / 1e9:g} s")
        if self._chronicle.failure is not None:
            self._order_stop(Status.FAILED, unwritten("mprun", self._live.folder))
        if self._stop.at is None:
            self._recovery.deliver()
            self._end_streams()
            self._look_for_the_hung()
            if self._steadiness is not None and self._live.board.zero:
                self._look_whether_steady(self._steadiness)
        self._abandon()
        if self._watch is not None:
            self._watch.tick(self._live)

    def _is_running_dry(self, queue: str) -> bool:
        return queue in self._held and self._fifos[queue].writers == 1

    def _end_streams(self) -> None:
        """End those whose readers may die, once all is done: until then what they hold may be handed out again."""
        for name in filter(self._is_running_dry, self._fifos):
            undone = self._live.board.open_items(self._plan)[name] + self._recovery.correction(name)
            if not undone and not self._recovery.pending(name) and not self._fifos[name].depth():
                self._fifos[name].leave()
                self._held.remove(name)

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
        goes_on = self._stop.at is None and self._plan.on_death.policy is not OnDeath.FAIL
        left = self._recovery.bury(hand.worker, hand.incarnation, hand.slot, hand_out=goes_on) if hand.died else None
        enter_exit(self._chronicle, hand, **({"signal": "SIGKILL"} if hand.died else {"exit_code": 1 if failed else 0}))
        if failed:
            name = hand.worker.name
            why = unwritten(name, self._live.folder) if hand.unwritten else f"{name} failed"
            self._order_stop(Status.FAILED, why)
        if left is not None:
            self._answer_death(hand, left.last(hand.worker))
        if self._stop.at is None and hand.worker.group.source is not None and not hand.replaced:
            self._dismiss_writers(hand.worker.group.source)

    def _answer_death(self, hand: Hand, last: str | None) -> None:
        """What `Supervisor` does, for a thread that a fault has ended."""
        name = hand.worker.name
        why = f"{name} was killed by a fault"
        self._chronicle.add("worker.died", "error", worker=name, incarnation=hand.incarnation, why=why, item=last)
        if self._stop.at is not None:
            return
        what, also = answer(self._plan.on_death, hand.incarnation, closed=hand.slot.closed)
        if what is Answer.STOP:
            self._order_stop(Status.FAILED, f"{why}{also}")
        elif what is Answer.LEAVE:
            if hand.worker.group.target is not None and not hand.slot.closed:
                self._fifos[hand.worker.group.target].leave()
        else:
            hand.replaced = True
            worker, incarnation = hand.worker, hand.incarnation + 1
            self._chronicle.add("worker.restart", "warning", worker=name, incarnation=incarnation, why=why)
            hand.slot.begin_again()
            self._start(worker, incarnation, self._recovery.resume(worker))

    def _look_for_the_hung(self) -> None:
        """Stop a run in which nothing moves, or in which an item takes too long: a thread cannot be killed."""
        living = [hand for hand in self._hands if hand.alive]
        if self._stillness.is_too_long(hand.slot for hand in living):
            waits = [self._waiting(hand) for hand in living]
            self._give_up(standstill(self._plan.hang_after_ns, waits), waits)
        for hand in living:
            if hand.told_at is None and hand.patience.is_over():
                longer = f"has worked on one item for longer than {hand.patience.words}"
                why = f"{hand.worker.name} {longer}, and a thread cannot be killed"
                self._give_up(why, [self._waiting(hand)])

    def _look_whether_steady(self, steadiness: Steadiness) -> None:
        """See `Supervisor`."""
        board = self._live.board
        if steadiness.look(monotonic_ns() - board.zero, board.done(self._plan)):
            self._chronicle.add("steady", **steadiness.about)
            for hand in self._hands:
                if hand.worker.group.role is Role.PRODUCER:
                    hand.slot.finish()

    def _waiting(self, hand: Hand) -> dict[str, Any]:
        journal = self._live.folder / f"{hand.worker.name}.{hand.incarnation}.journal"
        return waiting(hand.worker, hand.slot, journal, hand.stack)

    def _give_up(self, why: str, waits: list[dict[str, Any]]) -> None:
        self._chronicle.add("hang", "error", why=why, workers=waits)
        self._order_stop(Status.FAILED, why)

    def _dismiss_writers(self, queue: str) -> None:
        """Once every reader of a queue has ended, whoever still puts there is stopped."""
        found = bereft(self._hands, queue)
        if found is None:
            return
        dead, writing = found
        if dead and (writing or self._fifos[queue].depth() or self._recovery.pending(queue)):
            self._order_stop(Status.FAILED, f"queue {queue} has lost its last reader, {dead[-1].worker.name}")
        for hand in writing:
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
                enter_exit(self._chronicle, hand, exit_code=1)
                if self._stop.at is None and hand.worker.group.source is not None:
                    self._dismiss_writers(hand.worker.group.source)
