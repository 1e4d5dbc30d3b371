"""The books of a run, kept from its log alone: one pass from which audit and summary are both read.

    put ──> waiting ──get──> held ──done──> (finished: counted, forgotten)
     │                        ▲
     └──── early <──get───────┘   a get may return before the put it takes from does

Everything is keyed by queue and id, since an id keeps its name through every stage. Only items in flight are in
dicts; that no finished id comes again follows from rules checked locally: a producer's seqs only grow, a stage puts
each child of an item in its hands once, a get takes what waits.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from runner.analysis import objections
from runner.analysis.accounts import FAR, PRODUCER, STAGE, Hold, QueueAccount, WorkerAccount
from runner.analysis.violations import Kind, Violations
from runner.log.events import (
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
    WorkerExit,
    WorkerStart,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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
        self.lines = 0
        self.last_ns = 0
        """Instant of the last put, get or done, once the books are closed."""
        self.fates: dict[type[Event], int] = {Left: 0, Failed: 0, Lost: 0}
        self.redelivered = 0
        self.service = array("q")
        self.lateness = array("q")
        self.sojourn = array("q")
        self._fresh_services: list[int] = []
        self._fresh_sojourns: list[int] = []
        self._live: dict[str, WorkerAccount] = {}
        self._clock_ns = -FAR

    def feed(self, events: Iterable[Event]) -> None:
        """Book further events."""
        line = self.lines
        # One place per callee: the interpreter runs such a call twice as fast as one through a table.
        put: _Handler = self._put
        get: _Handler = self._get
        done: _Handler = self._done
        for event in events:
            line += 1
            kind = type(event)
            if kind is Put:
                put(event, line)
            elif kind is Get:
                get(event, line)
            elif kind is Done:
                done(event, line)
            else:
                self._rare(event, line)
        self.lines = line
        self._store()

    def _store(self) -> None:
        self.service.fromlist(self._fresh_services)
        self.sojourn.fromlist(self._fresh_sojourns)
        self._fresh_services.clear()
        self._fresh_sojourns.clear()
        for queue in self.queues.values():
            queue.store()

    # The three methods below run once per item each, and a log has millions. They are longer than the house's
    # measure because a call saved is a tenth of a second in a million events, and test what is legal with as few
    # comparisons as will do; what exactly is wrong is for `objections` to find out.

    def _put(self, event: Put, line: int) -> None:  # noqa: C901
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
            worker.wait_ns += wait_ns
        elif wait_ns not in (0, worker.put_wait_ns):
            objections.to_overlap(self.violations, worker.put_wait_ns, event, line)
        if queue.upstream:
            queue.origins.append(self._relay(worker, queue, event, line) if worker.relays else began)
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
            self.lateness.append(event.late_ns)
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
        if wait_ns < 0 or event.delivery != 1 or queue.deliveries:
            objections.to_get(self.violations, queue, event, line)
        worker.gets += 1
        if t_ns != worker.get_ns:
            worker.get_ns = t_ns
            worker.get_wait_ns = wait_ns
            worker.wait_ns += wait_ns
        elif wait_ns not in (0, worker.get_wait_ns):
            objections.to_overlap(self.violations, worker.get_wait_ns, event, line)
        queue.fresh_gets.append(event)
        place = queue.waiting.pop(item, None)
        if place is None:
            self._unmatched_get(queue, event, line)
            return
        if t_ns - latency_ns != queue.began[place] or latency_ns < 0:
            objections.to_latency(self.violations, queue, place, event, line)
        returned = queue.returned[place]
        if t_ns > returned:
            queue.residence_ns += t_ns - returned
        writer = queue.writers[place]
        if place < worker.last_place.get(writer, 0) and event.delivery == 1:
            objections.to_order(self.violations, event, line)
        worker.last_place[writer] = place
        if queue.early:
            worker.last_line[writer] = line
        queue.held[item] = Hold(worker, event, line, place, queue.origins[place])

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
            worker.children.pop(event.id, None)
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
        if len(item) < len(last) or (len(item) == len(last) and item <= last):
            objections.to_seq(self.violations, queue, last, event, line)
        elif not item.startswith(f"{worker.name}:"):
            objections.to_name(self.violations, event, line)

    def _turned_back(self, t_ns: int, line: int) -> None:
        self.violations.add(Kind.CAUSALITY, f"t_ns {t_ns} follows {self._clock_ns}", line - 1, line)

    def _rare(self, event: Event, line: int) -> None:
        """Book an event that does not come once per item."""
        if event.t_ns < self._clock_ns:
            self._turned_back(event.t_ns, line)
        self._clock_ns = event.t_ns
        match event:
            case RunStart():
                self._run_start(event, line)
            case WorkerStart():
                worker = self.workers.get(event.worker) or self._stranger(event.worker, line)
                worker.start(event.t_ns)
                self._live[worker.name] = worker
            case WorkerExit():
                worker = self.workers.get(event.worker) or self._stranger(event.worker, line)
                worker.exit(event.t_ns, event.exit_code, event.signal)
                if worker.used_ns > event.t_ns - worker.started_ns:
                    objections.to_lifetime(self.violations, worker, event, line)
                self._live.pop(worker.name, None)
            case Redelivery():
                self._redelivery(event, line)
            case Left() | Failed() | Lost():
                self._fate(event, line)
            case RunEnd():
                self.end = event
                self.end_line = line
            case Torn():
                self.torn = True

    def _relay(self, worker: WorkerAccount, queue: QueueAccount, event: Put, line: int) -> int:
        """Book a stage's put under the item in its hands; return when the put of that item's root began."""
        if worker.source is None:
            return event.t_ns - event.wait_ns
        parent, hold = _parent_of(event.id, worker.source)
        if hold is None or hold.worker is not worker:
            objections.to_relay(self.violations, queue, event, line)
            return event.t_ns - event.wait_ns
        children = worker.children.setdefault(parent, set())
        if event.id in children:
            objections.to_child(self.violations, event, line)
        children.add(event.id)
        return hold.origin_ns

    def _unmatched_get(self, queue: QueueAccount, event: Get, line: int) -> None:
        """Book a get of what does not wait: its put may still return, else `closing` objects."""
        if event.id in queue.held:
            objections.to_second_get(self.violations, queue.held[event.id], event, line)
            return
        origin = event.t_ns - event.latency_ns
        for source in queue.upstream:
            # A stage that is still putting the item holds what it was made of.
            hold = _parent_of(event.id, source)[1]
            if hold is not None:
                origin = hold.origin_ns
        queue.early[event.id] = queue.held[event.id] = Hold(self.workers[event.worker], event, line, -1, origin)

    def _overtaken(self, queue: QueueAccount, event: Put) -> None:
        """Book a put that returned after its get did."""
        hold = queue.early.pop(event.id)
        get = hold.get
        hold.place = place = len(queue.began) - 1
        if get.t_ns - get.latency_ns != queue.began[place] or get.latency_ns < 0:
            objections.to_latency(self.violations, queue, place, get, hold.line)
        writer = queue.writers[place]
        reader = hold.worker
        later_line = reader.last_line.get(writer, 0)
        if later_line > hold.line and get.delivery == 1:
            objections.to_order(self.violations, get, hold.line, later_line)
        reader.last_place[writer] = place
        reader.last_line[writer] = max(later_line, hold.line)

    def _redelivery(self, event: Redelivery, line: int) -> None:
        queue = self.queues.get(event.queue) or self._unknown_queue(event.queue, line)
        before = queue.deliveries.get(event.id, 1)
        if event.delivery != before + 1:
            objections.to_redelivery(self.violations, event, before, line)
        queue.deliveries[event.id] = event.delivery
        self.redelivered += 1
        hold = queue.held.pop(event.id, None)
        if hold is not None and hold.place >= 0:
            queue.waiting[event.id] = hold.place

    def _fate(self, event: Left | Failed | Lost, line: int) -> None:
        queue = self.queues.get(event.queue) or self._unknown_queue(event.queue, line)
        self.fates[type(event)] += 1
        place = queue.waiting.pop(event.id, None)
        if place is not None:
            queue.abandoned.append(place)
        elif queue.held.pop(event.id, None) is None:
            objections.to_fate(self.violations, queue, event, line)
        if isinstance(event, Lost):
            objections.to_loss(self.violations, event, line)

    def _run_start(self, event: RunStart, line: int) -> None:
        if self.start is not None or line != 1:
            self.violations.add(Kind.UNEXPECTED, "a second run.start: two logs in one file", line)
            return
        self.start = event
        self.groups = event.groups
        for name, facts in event.queues.items():
            self.queues[name] = QueueAccount(name, facts.maxsize)
        for name, group in event.groups.items():
            source, target = self.queues.get(group.source or ""), self.queues.get(group.target or "")
            if group.role == STAGE and source and target:
                target.add_upstream(source)
            for index in range(group.count):
                worker = f"{name}-{index}"
                number = len(self.workers)
                self.workers[worker] = WorkerAccount(worker, number, name, group.role, source, target)

    def _absent(self, event: Put | Get | Done, line: int) -> WorkerAccount:
        """Return the account of a worker that is not between its start and its exit."""
        worker = self.workers.get(event.worker) or self._stranger(event.worker, line)
        if not worker.incarnations:
            objections.to_absence(self.violations, "without a worker.start", event, line)
            worker.incarnations = 1
            self._live[worker.name] = worker
        elif worker.exited_ns < event.t_ns:
            objections.to_absence(self.violations, "after its worker.exit", event, line)
        return worker

    def _stranger(self, name: str, line: int) -> WorkerAccount:
        self.violations.add(Kind.UNEXPECTED, f"worker {name} belongs to no group of run.start", line)
        worker = self.workers[name] = WorkerAccount(name, len(self.workers), "", "", None, None)
        worker.incarnations = 1
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
        queue = self.queues[name] = QueueAccount(name, 0)
        return queue


def _parent_of(item: str, source: QueueAccount) -> tuple[str, Hold | None]:
    """Return the item in hand from queue `source` that became `item`: itself, or what it is a part of."""
    if item in source.held:
        return item, source.held[item]
    parent = item.rpartition(".")[0]
    return parent, source.held.get(parent)
