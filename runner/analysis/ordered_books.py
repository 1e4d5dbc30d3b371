"""The books of a log that tells what happened in the very order in which it did, as a simulation's does.

    put ──> inside, a queue's items as they stand ──get──> hands, a worker's ──done──> (finished: counted, forgotten)

So the next get is of the item that stands first, and nothing has to be looked up, nor kept once it is done: memory is
that of the items in queues and hands. What the ledger reads off any log is read off this one in a fifth of the time.
Deaths are not among what can be booked here; where a worker may die, the ledger keeps the books.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from msgspec.json import encode

from runner.analysis import lateness
from runner.analysis.accounts import CONSUMER, STAGE
from runner.analysis.durations import Durations
from runner.analysis.ordered_accounts import OrderedQueue, OrderedWorker
from runner.analysis.totals import check_quotas, check_totals
from runner.analysis.violations import Counts, Kind, Violations
from runner.analysis.warmup import Warmup
from runner.log.events import Failed, Left, Lost, RunEnd, RunStart, WorkerExit, WorkerStart, decoded
from runner.log.journal import GET, PUT, RAW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runner.analysis.violations import Verdict
    from runner.envelope import Envelope
    from runner.log.events import Event, GroupFacts
    from runner.log.sequence import Record, Speaker


class OrderedBooks:
    """Books the records of a simulation without deaths and warm-up, in order; a summary is read off as off a `Ledger`.

    Args:
        prefix: Gives `produce-0:` for a producer's index in the plan.
    """

    def __init__(self, prefix: Callable[[int], str]) -> None:
        self._prefix = prefix
        self._workers_of: dict[Speaker, OrderedWorker] = {}
        self._origins: dict[tuple[int, int], int] | None = None
        self.violations = Violations()
        self.start: RunStart | None = None
        self.end: RunEnd | None = None
        self.last_ns = 0
        self.groups: dict[str, GroupFacts] = {}
        self.queues: dict[str, OrderedQueue] = {}
        self.workers: dict[str, OrderedWorker] = {}
        self.fates: dict[type[Event], int] = {Left: 0, Failed: 0, Lost: 0}
        self.redelivered = 0
        self.warmup = Warmup()
        self.service, self.lateness, self.sojourn = Durations(), Durations(), Durations()
        self._durations = [self.service, self.lateness, self.sojourn]

    @property
    def most_puts(self) -> int:
        """Into the queue that had the most."""
        puts: Counter[str] = Counter()
        for worker in self.workers.values():
            puts[worker.writes.name] += worker.puts
        return max(puts.values(), default=0)

    def enter(self, records: Sequence[Record]) -> None:  # noqa: C901 - see below
        """Book further records."""
        # One frame and local variables, for the ledger's reason: every item passes here three times.
        met, served, sojourn = self._workers_of, self.service.fresh, self.sojourn.fresh
        last = self.last_ns
        for kind, at, who, envelope, first, second in records:
            if kind == RAW:
                self.last_ns = last
                self._rare(envelope, at)
                continue
            last = at
            try:
                worker = met[who]
            except KeyError:
                worker = self._met(who)
            if kind == PUT:
                queue = worker.writes
                inside = queue.inside
                inside.append(envelope)
                if len(inside) > queue.notable:
                    self._notice_depth(queue, worker, at, envelope)
                worker.puts += 1
                began = at - first
                if first:
                    queue.put_wait.fresh.append(first)
                    if at != worker.put_ns:
                        worker.blocked_ns += first
                worker.put_ns = at
                if second is not None:
                    self._pace(worker, envelope, second)
                if envelope.began != began or first < 0:
                    what = "its wait does not lead back to its beginning"
                    self._object(Kind.CAUSALITY, what, queue, worker, envelope)
                if worker.begins:
                    if envelope.seq <= worker.seq:
                        self._object(Kind.ORDER, "put again, or after a later one", queue, worker, envelope)
                    elif worker.seq < 0:
                        worker.first_began_ns = began
                    worker.seq = envelope.seq
                    if self._origins is not None:
                        self._origins[envelope.producer, envelope.seq] = began
            elif kind == GET:
                queue = worker.reads
                inside = queue.inside
                if not inside or inside.popleft() is not envelope:
                    self._object(Kind.FIFO, "got, and another item stood before it, or none", queue, worker, envelope)
                if at == queue.deep_ns:
                    queue.depth -= 1
                worker.gets += 1
                worker.hands.append(envelope)
                if first:
                    queue.get_wait.fresh.append(first)
                    if at != worker.get_ns:
                        worker.starved_ns += first
                worker.get_ns = at
                if second:
                    queue.latency.fresh.append(second)
                    at -= second
                if at != envelope.began or first < 0:
                    self._object(Kind.CAUSALITY, "its latency does not lead back to its put", queue, worker, envelope)
            else:
                hands = worker.hands
                if not hands or hands.popleft() is not envelope:
                    what = "done, and not in the worker's hands"
                    self._object(Kind.UNEXPECTED, what, worker.reads, worker, envelope)
                worker.done += 1
                if first:
                    served.append(first)
                    worker.busy_ns += first
                if worker.ends:
                    origins = self._origins
                    began = envelope.began if origins is None else origins.pop((envelope.producer, envelope.seq))
                    if at != began:
                        sojourn.append(at - began)
        self.last_ns = last
        for durations in self._durations:
            durations.fold()

    def _pace(self, worker: OrderedWorker, envelope: Envelope, late: int) -> None:
        """Book how late a put with open pacing began."""
        due = envelope.began - late
        self.lateness.add(late)
        if late < 0 or due < worker.due_ns:
            self._object(Kind.CAUSALITY, f"cannot be {late} ns late", worker.writes, worker, envelope)
        worker.due_ns = due
        worker.paced += 1

    def _met(self, who: Speaker) -> OrderedWorker:
        worker = self._workers_of[who] = self.workers[who.name]
        return worker

    def _notice_depth(self, queue: OrderedQueue, worker: OrderedWorker, at: int, envelope: Envelope) -> None:
        """An item makes a queue deeper than it was after any instant before, or than it may be."""
        depth = len(queue.inside)
        queue.deepen(at, depth)
        if depth > queue.bound:
            message = f"one of {depth} items in a queue that holds {queue.bound}"
            self._object(Kind.DEPTH, message, queue, worker, envelope)

    def _object(self, kind: Kind, message: str, queue: OrderedQueue, worker: OrderedWorker, envelope: Envelope) -> None:
        item = self._id(envelope)
        self.violations.add(kind, f"{item} ({worker.name}, {queue.name}): {message}", item=item, queue=queue.name)

    def _id(self, envelope: Envelope) -> str:
        return f"{self._prefix(envelope.producer)}{envelope.seq}{envelope.suffix}"

    def _rare(self, what: Mapping[str, Any], at: int) -> None:
        """Book an event that does not come once per item; what says nothing of figures is passed over."""
        match event := decoded(encode({**what, "t_ns": at})):
            case RunStart():
                self._run_start(event)
            case WorkerStart():
                self.workers[event.worker].start(at, event.incarnation or 1)
            case WorkerExit():
                self.workers[event.worker].exit(at, event.exit_code, event.signal)
            case Left() | Failed() | Lost():
                self._fate(event)
            case RunEnd():
                self.end = event

    def _run_start(self, event: RunStart) -> None:
        self.start, self.groups = event, event.groups
        self.queues = {name: OrderedQueue(name, facts) for name, facts in event.queues.items()}
        for queue in self.queues.values():
            self._durations += [queue.latency, queue.put_wait, queue.get_wait]
        for name, group in event.groups.items():
            ends = [self.queues.get(end or "") or OrderedQueue("") for end in (group.source, group.target)]
            if group.role == STAGE:
                self._origins = {}
            for place in range(group.count):
                worker = f"{name}-{place}"
                self.workers[worker] = OrderedWorker(worker, len(self.workers), name, group, ends)

    def _fate(self, event: Left | Failed | Lost) -> None:
        """An item is named that is in a queue or in a worker's hands, and will not be done."""
        self.fates[type(event)] += 1
        queue = self.queues[event.queue]
        holder = queue.inside if event.worker is None else self.workers[event.worker].hands
        found = next((envelope for envelope in holder if self._id(envelope) == event.id), None)
        if found is None:
            message = f"{event.id} is named at the end, and is not where it is said to be"
            self.violations.add(Kind.UNEXPECTED, message, item=event.id, queue=queue.name)
            return
        holder.remove(found)
        if event.worker is None:
            queue.residence_ns += self.last_ns - found.began

    def close(self) -> Verdict:
        """Draw the line under the books and give the verdict; call it once, at the end."""
        for queue in self.queues.values():
            queue.close(self.workers.values())
        workers = self.workers.values()
        done = sum(worker.done for worker in workers)
        self.service.fill(done)
        self.sojourn.fill(sum(worker.done for worker in workers if worker.role == CONSUMER))
        self._look_for_the_lost()
        check_quotas(self.violations, self.groups, workers)
        check_totals(self.violations, self.end, workers, self.fates)
        lateness.close(self.violations, workers)
        puts = sum(worker.puts for worker in workers)
        items = {kind.value: len(items) for kind, items in self.violations.items.items()}
        counts = Counts(
            attempted=puts, acknowledged=puts, done=done, left=self.fates[Left], failed=self.fates[Failed], **items
        )
        return self.violations.verdict(None if self.end else "incomplete: there is no run.end", counts)

    def _look_for_the_lost(self) -> None:
        never = "and neither left nor failed"
        for queue in self.queues.values():
            for envelope in queue.inside:
                item = self._id(envelope)
                message = f"{item} was put into {queue.name}, never got, {never}"
                self.violations.add(Kind.LOST, message, item=item, queue=queue.name)
        for worker in self.workers.values():
            for envelope in worker.hands:
                self._object(Kind.LOST, f"got, never done, {never}", worker.reads, worker, envelope)
