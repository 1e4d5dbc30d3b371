"""The books of a run, kept from its log alone: one pass from which audit and summary are both read.

    put ──> waiting ──get──> held ──done──> (finished: counted, forgotten)
     │                        ▲
     └──── early <──get───────┘   a get may return before the put it takes from does

Everything is keyed by queue and id, since an id keeps its name through every stage. Only items in flight are in
dicts; that no finished id comes again follows from rules checked locally: a producer's seqs only grow, the stages put
each child of an item once, a get takes what waits. What a death leaves behind is booked in `redelivery` and, where the
supervisor logged a put for the dead, in `_recovered`.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from runner.analysis import lateness, objections, parents
from runner.analysis.accounts import FAR, PRODUCER, RECOVERED, STAGE, Hold, QueueAccount, WorkerAccount
from runner.analysis.clocks import Clocks, uncertain
from runner.analysis.durations import Durations
from runner.analysis.early import check_latency, overtaken, unmatched_get
from runner.analysis.fate import seal
from runner.analysis.possible_order import PossibleOrder
from runner.analysis.redelivery import get_again, redeliver
from runner.analysis.violations import Kind, Violations
from runner.analysis.warmup import Warmup
from runner.log.events import (
    Broken,
    Done,
    Event,
    Failed,
    Get,
    Left,
    Lost,
    Put,
    Redelivery,
    RunEnd,
    RunStart,
    Torn,
    WorkerDied,
    WorkerExit,
    WorkerStart,
)
from runner.log.tolerant import foreign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runner.log.events import GroupFacts

    _Handler = Callable[[Any, int], None]


class Ledger:
    """Reads events in the order of the log, one per line; contradictions go to `violations` as they show.

    `feed` may be called again and again; `closing.close` then draws the line under the books.
    """

    def __init__(self) -> None:
        self.violations = Violations()
        self.workers: dict[str, WorkerAccount] = {}
        self.queues: dict[str, QueueAccount] = {}
        self.groups: dict[str, GroupFacts] = {}
        self.start: RunStart | None = None
        self.end: RunEnd | None = None
        self.end_line = 0
        self.torn = False
        self.doubt: str | None = None
        """Why the log cannot be taken at its word, the first reason."""
        self.lines = 0
        self.last_ns = 0
        """Instant of the last put, get or done, once the books are closed."""
        self.fates: dict[type[Event], int] = {Left: 0, Failed: 0, Lost: 0}
        self.redelivered = 0
        # Since the end of the warm-up.
        self.service, self.lateness, self.sojourn = Durations(), Durations(), Durations()
        self.warmup = Warmup()
        self._fresh_services: list[int] = []
        self._fresh_latenesses: list[int] = []
        self._fresh_sojourns: list[int] = []
        self._live: dict[str, WorkerAccount] = {}
        self._clock_ns = self._told_ns = -FAR
        self.clocks = Clocks()
        self.below = 0
        """Latencies that lie below the uncertainty of their clocks, of those in the figures."""
        self._order: PossibleOrder | None = None

    def feed(self, events: Iterable[Event]) -> None:
        """Book further events."""
        events = list(events)
        if self.start is None and self._order is None and uncertain(events):
            self._order = PossibleOrder(self.clocks)
        if self._order is None:
            booked = self._enter(events)
            if not self.clocks.largest_ns:
                return
            self._order = PossibleOrder(self.clocks, self.groups, self._live)
            self._told_ns = self._clock_ns
            events = events[booked:]
        self._check_clock(events)
        first = self.lines + 1
        self.lines += len(events)
        self._enter_numbered(self._order.take(events, first))

    def finish(self, *, whole: bool) -> None:
        """Book what waits for events to come, as there are none.

        Args:
            whole: Whether the log is. Else what may explain these events may be missing, so nothing is objected to.
        """
        if self._order is None:
            return
        rest = self._order.rest()
        found = self.violations
        if not whole or not any(isinstance(event, RunEnd) for _, event in rest):
            self.violations = Violations()
        self._enter_numbered(rest)
        self.violations = found

    def _enter_numbered(self, lines: Sequence[tuple[int, Event]]) -> None:
        self._enter([event for _, event in lines], [number for number, _ in lines])

    def _enter(self, events: Sequence[Event], numbers: Sequence[int] | None = None) -> int:
        """Book events; return how many, which are all unless their clocks turn out to be uncertain after that many.

        Args:
            events: As they stand in the log, or as they may have happened.
            numbers: Of their lines; None: those that follow.
        """
        if self.start is None or self.warmup.concerns:
            return self._warm_up(events, numbers)
        return self._book(events, numbers)

    def _warm_up(self, events: Sequence[Event], numbers: Sequence[int] | None) -> int:
        """As `_enter`; some events lie within the warm-up, of which the first of all tells."""
        booked = self._book(events[:1], numbers) if self.start is None else 0
        if not self.warmup.is_over:
            first = booked + self.warmup.length(events[booked:])
            booked += self._book(events[booked:first], numbers and numbers[booked:first])
            if booked < first:
                return booked
            if booked < len(events):
                self.end_warmup()
        self.warmup.cut(events[booked:])
        return booked + self._book(events[booked:], numbers and numbers[booked:])

    def end_warmup(self) -> None:
        """Note where the warm-up ends in the books, if it has not ended before."""
        if not self.warmup.is_over:
            self.warmup.mark(self.queues.values(), self.workers.values())
            for durations in (self.service, self.lateness, self.sojourn):
                durations.forget()
            for queue in self.queues.values():
                queue.forget_durations()

    def _book(self, events: Sequence[Event], numbers: Sequence[int] | None = None) -> int:
        line = before = self.lines
        # One place per callee: the interpreter runs such a call twice as fast as one through a table.
        put: _Handler = self._put
        get: _Handler = self._get if self._order is None else self._blurred_get
        done: _Handler = self._done
        get_done: Callable[[Any, Any], bool] = self._get_done if self._order is None else _each_for_itself
        got: Any = None  # the get before, which is booked with its done where that follows at once
        got_at = before
        for line, event in zip(count(before + 1) if numbers is None else numbers, events, strict=False):
            kind = type(event)
            if got is not None:
                if kind is Done and event.t_ns == got.t_ns and get_done(got, event):
                    got = None
                    continue
                get(got, got_at)
                got = None
            if kind is Put:
                put(event, line)
            elif kind is Get:
                got, got_at = event, line
            elif kind is Done:
                done(event, line)
            elif self._turns_uncertain(event, line):
                break
        if got is not None:
            get(got, got_at)
        self._store()
        if numbers is not None:
            return len(events)
        self.lines = line
        return line - before

    def _store(self) -> None:
        self.service.take(self._fresh_services)
        self.lateness.take(self._fresh_latenesses)
        self.sojourn.take(self._fresh_sojourns)
        self._fresh_services.clear()
        self._fresh_latenesses.clear()
        self._fresh_sojourns.clear()
        for queue in self.queues.values():
            queue.store()

    # The three methods below run once per item each, and a log has millions. They are longer than the house's
    # measure because a call saved is a tenth of a second in a million events, and test what is legal with as few
    # comparisons as will do; what exactly is wrong is for `objections` to find out.

    def _put(self, event: Put, line: int) -> None:  # noqa: C901
        if event.recovered:
            self._recovered(event, line)
            return
        try:
            worker = self._live[event.worker]
        except KeyError:
            worker = self._absent(event, line)
        queue = worker.target
        if queue is None or queue.name != event.queue:
            queue = self._wrong_queue(worker, worker.target, event, line)
        t_ns = event.t_ns
        if t_ns < self._clock_ns:
            self._turned_back(t_ns, line)
        self._clock_ns = t_ns
        wait_ns = event.wait_ns
        began = t_ns - wait_ns
        item = event.id
        if wait_ns < 0 or event.delivery != 1:
            objections.to_put(self.violations, event, line)
        if t_ns != worker.put_ns:  # else it is of the same batch, whose wait counts once
            worker.put_ns = t_ns
            worker.put_wait_ns = wait_ns
            worker.blocked_ns += wait_ns
        elif wait_ns not in (0, worker.put_wait_ns):
            objections.to_overlap(self.violations, worker.put_wait_ns, event, line)
        if queue.upstream:
            queue.origins.append(self._origin(worker, queue, event, line) if worker.relays else began)
        # Of ids equally long the greater has the greater seq; below `beyond` lie those that begin with its name.
        if not (worker.last_id < item < worker.beyond and len(item) == worker.last_size) and not worker.relays:
            self._check_seq(worker, queue, event, line)
        worker.last_id = item
        queue.began.append(began)
        queue.returned.append(t_ns)
        queue.lines.append(line)
        queue.writers.append(worker.number)
        queue.fresh_ids.append(item)
        if event.late_ns is not None:
            self._fresh_latenesses.append(event.late_ns)
            lateness.enter(self.violations, self.clocks, worker, event, line)
        if queue.early and item in queue.early:
            self._overtaken(queue, event)
        else:
            queue.waiting[item] = len(queue.began) - 1

    def _get(self, event: Get, line: int) -> None:  # noqa: C901
        try:
            worker = self._live[event.worker]
        except KeyError:
            worker = self._absent(event, line)
        queue = worker.source
        if queue is None or queue.name != event.queue:
            queue = self._wrong_queue(worker, worker.source, event, line)
        t_ns = event.t_ns
        if t_ns < self._clock_ns:
            self._turned_back(t_ns, line)
        self._clock_ns = t_ns
        wait_ns = event.wait_ns
        latency_ns = event.latency_ns
        item = event.id
        worker.gets += 1
        if t_ns != worker.get_ns:
            worker.get_ns = t_ns
            worker.get_wait_ns = wait_ns
            worker.starved_ns += wait_ns
        elif wait_ns not in (0, worker.get_wait_ns):
            objections.to_overlap(self.violations, worker.get_wait_ns, event, line)
        queue.fresh_gets.append(event)
        if wait_ns < 0:
            objections.to_wait(self.violations, event, line)
        if event.delivery != 1 or (queue.handouts and item in queue.handouts):
            get_again(self.violations, self.clocks, worker, queue, event, line)
            return
        place = queue.waiting.pop(item, None)
        if place is None:
            unmatched_get(self.violations, worker, queue, event, line)
            return
        if t_ns - latency_ns != queue.began[place] or latency_ns < 0:
            check_latency(self.violations, self.clocks, queue, place, event, line)
        returned = queue.returned[place]
        if t_ns > returned:
            queue.residence_ns += t_ns - returned
        writer = queue.writers[place]
        if place < worker.last_place.get(writer, 0):
            objections.to_order(self.violations, event, line)
        worker.last_place[writer] = place
        if queue.early:
            worker.last_line[writer] = line
        queue.held[item] = Hold(worker, event, line, place, queue.origins[place])

    def _get_done(self, get: Get, done: Done) -> bool:
        """Book a get and the done behind it, at the same instant, as `_get` and `_done` would.

        Returns False, with nothing booked, where they are not of one item, or anything about them is out of the
        ordinary: then it is for those two to say what.
        """
        worker = self._live.get(get.worker)
        if worker is None or worker.relays or done.worker != get.worker:
            return False
        queue, item, t_ns = worker.source, get.id, get.t_ns
        if queue is None or queue.name != get.queue or done.queue != get.queue or done.id != item:
            return False
        place = queue.waiting.get(item)
        if (
            place is None
            or item in queue.held
            or queue.handouts
            or queue.early
            or not get.delivery == done.delivery == 1
        ):
            return False
        wait_ns, latency_ns, writer = get.wait_ns, get.latency_ns, queue.writers[place]
        if (
            t_ns < self._clock_ns
            or wait_ns < 0
            or latency_ns < 0
            or done.service_ns
            or t_ns - latency_ns != queue.began[place]
            or place < worker.last_place.get(writer, 0)
        ):
            return False
        if t_ns != worker.get_ns:
            worker.get_ns = t_ns
            worker.get_wait_ns = wait_ns
            worker.starved_ns += wait_ns
        elif wait_ns not in (0, worker.get_wait_ns):
            return False
        self._clock_ns = worker.done_ns = t_ns
        worker.gets += 1
        worker.done += 1
        del queue.waiting[item]
        queue.fresh_gets.append(get)
        returned = queue.returned[place]
        if t_ns > returned:
            queue.residence_ns += t_ns - returned
        worker.last_place[writer] = place
        self._fresh_services.append(0)
        self._fresh_sojourns.append(t_ns - queue.origins[place])
        return True

    def _done(self, event: Done, line: int) -> None:
        try:
            worker = self._live[event.worker]
        except KeyError:
            worker = self._absent(event, line)
        queue = worker.source
        if queue is None or queue.name != event.queue:
            queue = self._wrong_queue(worker, worker.source, event, line)
        t_ns = worker.done_ns = event.t_ns
        if t_ns < self._clock_ns:
            self._turned_back(t_ns, line)
        self._clock_ns = t_ns
        service_ns = event.service_ns
        worker.done += 1
        worker.busy_ns += service_ns
        self._fresh_services.append(service_ns)
        hold = queue.held.pop(event.id, None)
        if hold is None:
            objections.to_unmatched_done(self.violations, queue, event, line)
            return
        get = hold.get
        if hold.worker is not worker or get.delivery != event.delivery or not 0 <= service_ns <= t_ns - get.t_ns:
            objections.to_done(self.violations, hold, event, line)
        if worker.relays:
            if worker.target is not None:
                worker.target.children.pop(event.id, None)
        else:
            self._fresh_sojourns.append(t_ns - hold.origin_ns)

    def _check_seq(self, worker: WorkerAccount, queue: QueueAccount, event: Put, line: int) -> None:
        """Object to a producer's id that does not follow its last one."""
        item = event.id
        if worker.role != PRODUCER:
            return
        if not worker.last_size:
            worker.first_began_ns = event.t_ns - event.wait_ns
        worker.last_size = len(item)
        last = worker.last_id
        if not item.startswith(f"{worker.name}:"):
            objections.to_name(self.violations, event, line)
        elif len(item) < len(last) or (len(item) == len(last) and item <= last):
            objections.to_seq(self.violations, queue, last, event, line)

    def _blurred_get(self, event: Get, line: int) -> None:
        """Book a get of uncertain clocks."""
        queue = self.queues.get(event.queue)
        place = None if queue is None else queue.waiting.get(event.id)
        if queue is not None and place is not None:
            self._compare(queue, place, event)
        self._get(event, line)
        self.queues[event.queue].readers.append(self.workers[event.worker].number)

    def _overtaken(self, queue: QueueAccount, event: Put) -> None:
        get = overtaken(self.violations, self.clocks, queue, event)
        if self._order is not None:
            self._compare(queue, len(queue.began) - 1, get)

    def _compare(self, queue: QueueAccount, place: int, get: Get) -> None:
        """Count a latency that lies below its uncertainty."""
        if get.t_ns >= self.warmup.ns or not self.warmup.ns:
            self.below += get.latency_ns < self.clocks.latency(queue, place, get.worker)

    def _check_clock(self, events: Iterable[Event]) -> None:
        """Object where the log, as it stands, is not in the order of time."""
        for line, event in enumerate(events, self.lines + 1):
            if event.t_ns < self._told_ns:
                objections.to_time(self.violations, event.t_ns, self._told_ns, line)
            self._told_ns = event.t_ns

    def _turned_back(self, t_ns: int, line: int) -> None:
        if self._order is None:
            objections.to_time(self.violations, t_ns, self._clock_ns, line)

    def _turns_uncertain(self, event: Event, line: int) -> bool:
        """Book an event that does not come once per item; whether from here on the log is of uncertain clocks."""
        self._rare(event, line)
        return bool(self.clocks.largest_ns) and self._order is None

    def _rare(self, event: Event, line: int) -> None:
        """Book an event that does not come once per item."""
        if event.t_ns < self._clock_ns:
            self._turned_back(event.t_ns, line)
        self._clock_ns = event.t_ns
        match event:
            case RunStart():
                self._run_start(event, line)
            case WorkerStart() | WorkerDied() | WorkerExit():
                self._life(event, line)
            case Redelivery():
                self._redelivery(event, line)
            case Left() | Failed() | Lost():
                self.fates[type(event)] += 1
                queue = self.queues.get(event.queue) or self._unknown_queue(event.queue, line)
                seal(self.violations, queue, event, line)
            case RunEnd():
                if self.end is None:
                    self.end = event
                    self.end_line = line
            case Torn():
                self.torn = True
            case Broken():
                self.doubt = self.doubt or f"line {line} is no event, so that something may be missing"
                self.violations.add(Kind.UNEXPECTED, f"is no event: {event.problem}", line)

    def _recovered(self, event: Put, line: int) -> None:
        """Book a put that the supervisor logged for a dead worker, maybe long after its get.

        It overlaps all that happened since it began, so no order binds it, nor does its wait say how long a worker was
        blocked.
        """
        if event.t_ns < self._clock_ns:
            self._turned_back(event.t_ns, line)
        self._clock_ns = event.t_ns
        worker = self.workers.get(event.worker) or self._stranger(event.worker, line)
        queue = worker.target
        if queue is None or queue.name != event.queue:
            queue = self._wrong_queue(worker, worker.target, event, line)
        # It began by the clock of the dead, and was logged by another.
        if event.wait_ns < -self.clocks.between(event.worker, None) or event.delivery != 1:
            objections.to_put(self.violations, event, line)
        if event.late_ns is not None:
            self._fresh_latenesses.append(event.late_ns)
            lateness.enter(self.violations, self.clocks, worker, event, line)
        if worker.dead_ns == -FAR:
            objections.to_recovery(self.violations, event, line)
        if not worker.relays and not event.id.startswith(f"{worker.name}:"):
            objections.to_name(self.violations, event, line)
        if queue.upstream:
            queue.origins.append(self._origin(worker, queue, event, line))
        place = len(queue.began)
        worker.puts += 1
        queue.recovered[event.id] = place
        queue.fresh_recovered.append(place)
        queue.began.append(event.t_ns - event.wait_ns)
        queue.returned.append(event.t_ns)
        queue.lines.append(line)
        queue.writers.append(RECOVERED + place)
        queue.fresh_ids.append(event.id)
        if event.id in queue.early:
            self._overtaken(queue, event)
        else:
            queue.waiting[event.id] = place

    def _origin(self, worker: WorkerAccount, queue: QueueAccount, event: Put, line: int) -> int:
        """Book a put into a queue that stages fill; return when the put of the item's root began."""
        if not worker.relays:
            return event.t_ns - event.wait_ns
        book = parents.recovered if event.recovered else parents.relayed
        return book(self.violations, worker, queue, event, line)

    def _redelivery(self, event: Redelivery, line: int) -> None:
        queue = self.queues.get(event.queue) or self._unknown_queue(event.queue, line)
        self.redelivered += 1
        redeliver(self.violations, self.clocks, self.workers, queue, event, line)

    def _life(self, event: WorkerStart | WorkerDied | WorkerExit, line: int) -> None:
        """Book a birth or a death."""
        worker = self.workers.get(event.worker) or self._stranger(event.worker, line)
        match event:
            case WorkerStart():
                self.clocks.enter(event)
                number = worker.incarnations + 1 if event.incarnation is None else event.incarnation
                if worker.alive or number <= worker.incarnations:
                    objections.to_start(self.violations, worker, event, line)
                worker.start(event.t_ns, number)
                self._live[worker.name] = worker
            case WorkerDied():
                worker.die(event.t_ns, event.incarnation)
            case WorkerExit():
                worker.exit(event.t_ns, event.exit_code, event.signal)
                lived_ns = event.t_ns - worker.started_ns
                if worker.used_ns > lived_ns + self.clocks.between(worker.name, None):
                    objections.to_lifetime(self.violations, worker, event, line)
                self._live.pop(worker.name, None)

    def _run_start(self, event: RunStart, line: int) -> None:
        if self.start is not None or line != 1:
            self.violations.add(Kind.UNEXPECTED, "a second run.start: two logs in one file", line)
            return
        self.start = event
        self.doubt = self.doubt or foreign(event)
        self.warmup = Warmup(event.warmup_ns)
        self.groups = event.groups
        for name, facts in event.queues.items():
            self.queues[name] = QueueAccount(name, facts)
        for name, group in event.groups.items():
            source, target = self.queues.get(group.source or ""), self.queues.get(group.target or "")
            if group.role == STAGE and source and target:
                target.add_upstream(source)
            for index in range(group.count):
                worker = f"{name}-{index}"
                number = len(self.workers)
                self.workers[worker] = WorkerAccount(worker, number, name, group.role, source, target)
                self.clocks.names.append(worker)

    def _absent(self, event: Put | Get | Done, line: int) -> WorkerAccount:
        """Return the account of a worker that is not between its start and its exit."""
        worker = self.workers.get(event.worker) or self._stranger(event.worker, line)
        if worker.started_ns == -FAR:
            objections.to_absence(self.violations, "without a worker.start", event, line)
            worker.start(event.t_ns, 1)
            self._live[worker.name] = worker
        elif worker.exited_ns < event.t_ns:
            objections.to_absence(self.violations, "after its worker.exit", event, line)
        return worker

    def _stranger(self, name: str, line: int) -> WorkerAccount:
        self.violations.add(Kind.UNEXPECTED, f"worker {name} belongs to no group of run.start", line)
        worker = self.workers[name] = WorkerAccount(name, len(self.workers), "", "", None, None)
        self.clocks.names.append(name)
        worker.incarnations = 1
        worker.started_ns = 0
        self._live[name] = worker
        return worker

    def _wrong_queue(
        self, worker: WorkerAccount, own: QueueAccount | None, event: Put | Get | Done, line: int
    ) -> QueueAccount:
        """Return the queue of an event that is not the one its worker has for that."""
        if worker.group:
            objections.to_place(self.violations, own, event, line)
        return self.queues.get(event.queue) or self._unknown_queue(event.queue, line)

    def _unknown_queue(self, name: str, line: int) -> QueueAccount:
        self.violations.add(Kind.UNEXPECTED, f"queue {name} is not in run.start", line)
        queue = self.queues[name] = QueueAccount(name)
        return queue


def _each_for_itself(_get: Get, _done: Done) -> bool:
    """The gets of uncertain clocks are compared one by one, and booked without their dones."""
    return False
