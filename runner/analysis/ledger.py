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
from typing import TYPE_CHECKING, Any, Final

from runner.analysis import objections
from runner.analysis.accounts import FAR, Hold, QueueAccount, WorkerAccount
from runner.analysis.violations import Kind, Violations
from runner.log.events import (
    Done,
    Event,
    Failed,
    Get,
    Left,
    Lost,
    Other,
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

PRODUCER: Final = "producer"
STAGE: Final = "stage"
CONSUMER: Final = "consumer"


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
        """Instant of the last put, get or done."""
        self.fates: dict[type[Event], int] = {Left: 0, Failed: 0, Lost: 0}
        self.redelivered = 0
        self.service = array("q")
        self.lateness = array("q")
        self.sojourn = array("q")
        self._clock_ns = -FAR
        self._book: dict[type[Event], Callable[[Any, int], None]] = {
            Put: self._put,
            Get: self._get,
            Done: self._done,
            RunStart: self._run_start,
            RunEnd: self._run_end,
            WorkerStart: self._worker_start,
            WorkerExit: self._worker_exit,
            Redelivery: self._redelivery,
            Left: self._fate,
            Failed: self._fate,
            Lost: self._fate,
            Torn: self._pass,
            Other: self._pass,
        }

    def feed(self, events: Iterable[Event]) -> None:
        """Book further events."""
        book = self._book
        clock = self._clock_ns
        line = self.lines
        for event in events:
            line += 1
            if event.t_ns < clock:
                self.violations.add(Kind.CAUSALITY, f"t_ns {event.t_ns} follows {clock}", line - 1, line)
            clock = event.t_ns
            book[type(event)](event, line)
        self._clock_ns = clock
        self.lines = line

    # The three methods below run once per item each and a log has millions: they are longer than the house's
    # measure because every call saved is a tenth of a second in a million events.

    def _put(self, event: Put, line: int) -> None:  # noqa: C901
        worker = self.workers.get(event.worker) or self._stranger(event.worker, line)
        queue = self.queues.get(event.queue) or self._unknown_queue(event.queue, line)
        t_ns = self.last_ns = event.t_ns
        wait_ns = event.wait_ns
        began = t_ns - wait_ns
        item = event.id
        if (
            worker.target != event.queue
            or began < worker.started_ns
            or t_ns > worker.exited_ns
            or wait_ns < 0
            or event.delivery != 1
        ):
            objections.to_put(self.violations, worker, event, line)
        worker.puts += 1
        if t_ns != worker.put_ns or wait_ns != worker.put_wait_ns:
            worker.put_ns = t_ns
            worker.put_wait_ns = wait_ns
            worker.wait_ns += wait_ns
        origin = began
        if worker.role == STAGE:
            origin = self._relay(worker, queue, event, line)
        elif worker.role == PRODUCER:
            if began < worker.first_began_ns:
                worker.first_began_ns = began
            last = worker.last_id
            # Longer, or as long and greater: so numbers without leading zeros grow.
            if len(item) < len(last) or (len(item) == len(last) and item <= last):
                objections.to_seq(self.violations, worker, queue, event, line)
            elif not item.startswith(worker.prefix):
                objections.to_name(self.violations, event, line)
            worker.last_id = item
        place = len(queue.began)
        queue.began.append(began)
        queue.returned.append(t_ns)
        queue.lines.append(line)
        queue.writers.append(worker.number)
        queue.hashes.append(hash(item))
        if queue.origins is not queue.began:
            queue.origins.append(origin)
        if event.late_ns is not None:
            self.lateness.append(event.late_ns)
        if queue.early and item in queue.early:
            self._overtaken(queue, event, place, line)
        else:
            queue.waiting.setdefault(item, place)

    def _get(self, event: Get, line: int) -> None:
        worker = self.workers.get(event.worker) or self._stranger(event.worker, line)
        queue = self.queues.get(event.queue) or self._unknown_queue(event.queue, line)
        t_ns = self.last_ns = event.t_ns
        wait_ns = event.wait_ns
        began = t_ns - wait_ns
        item = event.id
        if (
            worker.source != event.queue
            or began < worker.started_ns
            or t_ns > worker.exited_ns
            or wait_ns < 0
            or event.delivery != 1
            or queue.deliveries
        ):
            objections.to_get(self.violations, worker, queue, event, line)
        worker.gets += 1
        if t_ns != worker.get_ns or wait_ns != worker.get_wait_ns:
            worker.get_ns = t_ns
            worker.get_wait_ns = wait_ns
            worker.wait_ns += wait_ns
        queue.get_began.append(began)
        queue.get_wait.append(wait_ns)
        queue.latency.append(event.latency_ns)
        place = queue.waiting.pop(item, None)
        if place is None:
            self._unmatched_get(queue, event, line)
            return
        put_began = queue.began[place]
        put_returned = queue.returned[place]
        if t_ns - event.latency_ns != put_began or t_ns < put_began:
            objections.to_latency(self.violations, queue, place, event, line)
        if t_ns > put_returned:
            queue.residence_ns += t_ns - put_returned
        writer = queue.writers[place]
        last = worker.last_from.get(writer)
        if last is None:
            worker.last_from[writer] = [place, line]
        else:
            if place < last[0] and event.delivery == 1:
                objections.to_order(self.violations, event, last[1], line)
            last[0] = place
            last[1] = line
        queue.held[item] = Hold(event, line, place, queue.origins[place])

    def _done(self, event: Done, line: int) -> None:
        worker = self.workers.get(event.worker) or self._stranger(event.worker, line)
        queue = self.queues.get(event.queue) or self._unknown_queue(event.queue, line)
        t_ns = self.last_ns = event.t_ns
        service_ns = event.service_ns
        item = event.id
        if worker.source != event.queue or t_ns < worker.started_ns or t_ns > worker.exited_ns:
            objections.to_place(self.violations, worker, event, worker.source, t_ns, line)
        worker.done += 1
        worker.busy_ns += service_ns
        self.service.append(service_ns)
        hold = queue.held.pop(item, None)
        if hold is None:
            objections.to_unmatched_done(self.violations, queue, event, line)
            return
        get = hold.get
        if (
            get.worker != event.worker
            or get.delivery != event.delivery
            or service_ns < 0
            or service_ns > t_ns - get.t_ns
        ):
            objections.to_done(self.violations, hold, event, line)
        if worker.role == STAGE:
            worker.children.pop(item, None)
        else:
            self.sojourn.append(t_ns - hold.origin_ns)

    def _relay(self, worker: WorkerAccount, queue: QueueAccount, event: Put, line: int) -> int:
        """Book a stage's put under the item in its hands; return when the put of that item's root began."""
        parent, hold = self._parent_of(event.id, worker.source)
        if hold is None or hold.get.worker != worker.name:
            objections.to_relay(self.violations, queue, event, line)
            return event.t_ns - event.wait_ns
        children = worker.children.setdefault(parent, set())
        if event.id in children:
            objections.to_child(self.violations, event, line)
        children.add(event.id)
        return hold.origin_ns

    def _parent_of(self, item: str, source: str | None) -> tuple[str, Hold | None]:
        """Return the item in hand from queue `source` that became `item`: itself, or what it is a part of."""
        queue = self.queues.get(source or "")
        if queue is None:
            return item, None
        if item in queue.held:
            return item, queue.held[item]
        parent = item.rpartition(".")[0]
        return parent, queue.held.get(parent)

    def _unmatched_get(self, queue: QueueAccount, event: Get, line: int) -> None:
        """Book a get of what does not wait: its put may still return, else `closing` objects."""
        if event.id in queue.held:
            objections.to_second_get(self.violations, queue.held[event.id], event, line)
            return
        origin = event.t_ns - event.latency_ns
        for source in queue.upstream:
            # A stage that is still putting the item holds what it was made of.
            hold = self._parent_of(event.id, source)[1]
            if hold is not None:
                origin = hold.origin_ns
        queue.early[event.id] = queue.held[event.id] = Hold(event, line, -1, origin)

    def _overtaken(self, queue: QueueAccount, event: Put, place: int, line: int) -> None:
        """Book a put that returned after its get did."""
        hold = queue.early.pop(event.id)
        hold.place = place
        get = hold.get
        began = queue.began[place]
        if get.t_ns - get.latency_ns != began or get.t_ns < began:
            objections.to_latency(self.violations, queue, place, get, hold.line)
        last = self.workers[get.worker].last_from.setdefault(queue.writers[place], [place, hold.line])
        if hold.line < last[1] and get.delivery == 1:
            objections.to_order(self.violations, get, last[1], hold.line)
        last[0] = place
        last[1] = max(last[1], hold.line)

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
            queue.residence_ns += max(0, self.last_ns - queue.returned[place])
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
            stages = (group for group in event.groups.values() if group.role == STAGE and group.target == name)
            self.queues[name] = QueueAccount(name, facts.maxsize, tuple(s.source for s in stages if s.source))
        for name, group in event.groups.items():
            for index in range(group.count):
                worker = f"{name}-{index}"
                self.workers[worker] = WorkerAccount(
                    worker, len(self.workers), name, group.role, group.source, group.target
                )

    def _worker_start(self, event: WorkerStart, line: int) -> None:
        worker = self.workers.get(event.worker) or self._stranger(event.worker, line)
        worker.start(event.t_ns)

    def _worker_exit(self, event: WorkerExit, line: int) -> None:
        worker = self.workers.get(event.worker) or self._stranger(event.worker, line)
        worker.exit(event.t_ns, event.exit_code, event.signal)

    def _run_end(self, event: RunEnd, line: int) -> None:
        self.end = event
        self.end_line = line

    def _pass(self, event: Torn | Other, line: int) -> None:  # noqa: ARG002
        self.torn = self.torn or isinstance(event, Torn)

    def _stranger(self, name: str, line: int) -> WorkerAccount:
        self.violations.add(Kind.UNEXPECTED, f"worker {name} belongs to no group of run.start", line)
        worker = WorkerAccount(name, len(self.workers), "", "", None, None)
        worker.start(-FAR)
        self.workers[name] = worker
        return worker

    def _unknown_queue(self, name: str, line: int) -> QueueAccount:
        self.violations.add(Kind.UNEXPECTED, f"queue {name} is not in run.start", line)
        queue = self.queues[name] = QueueAccount(name, 0)
        return queue
