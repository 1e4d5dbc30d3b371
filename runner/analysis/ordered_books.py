"""The books of a log that tells what happened in the very order in which it did, as a simulation's does.

    put ──> inside, a queue's items as they stand ──get──> hands, a worker's ──done──> (finished: counted, forgotten)

So the next get is of the item that stands first, and nothing has to be looked up, nor kept once it is done: memory is
that of the items in queues and hands. What the ledger reads off any log is read off this one in a fifth of the time.
Deaths are not among what can be booked here; where a worker may die, the ledger keeps the books.
"""

from __future__ import annotations

from collections import Counter, deque
from math import inf
from typing import TYPE_CHECKING, Any, Final

from runner.analysis.accounts import CONSUMER, PRODUCER, STAGE
from runner.analysis.durations import Durations, joined
from runner.analysis.spread import spread
from runner.analysis.summary import Audit, Items, QueueFigures, Summary, WorkerFigures
from runner.analysis.violations import Counts, Kind, Violations
from runner.log.journal import DONE, GET, PUT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runner.analysis.violations import Verdict
    from runner.envelope import Envelope
    from runner.log.sequence import Record, Speaker

_NS: Final = 1e9
_NEVER: Final = -1


class QueueBook:
    """What went through one queue.

    Attributes:
        inside: What is in it.
        puts, gets: How many there were.
        residence_ns: Time spent in it, of all items that were got; of those inside less the instants they came.
        put_ns: Instant of the last put.
        depth: After all of that instant that is known.
        max_depth: Of all instants before.
    """

    __slots__ = (
        "bound", "depth", "gets", "inside", "latency", "max_depth", "name", "put_ns", "puts", "residence_ns",
        "wait_get", "wait_put",
    )  # fmt: skip

    def __init__(self, name: str, bound: float) -> None:
        self.name = name
        self.bound = bound
        self.inside: deque[Envelope] = deque()
        self.puts = self.gets = self.residence_ns = self.depth = self.max_depth = 0
        self.put_ns = _NEVER
        self.latency, self.wait_put, self.wait_get = Durations(), Durations(), Durations()


class WorkerBook:
    """What one worker did.

    Attributes:
        hands: What it has got and not done.
        wrote_ns, read_ns: Instants of its last put and get that waited, whose batch counts once.
        began_ns: When its first put began.
    """

    __slots__ = (
        "began_ns", "busy_ns", "done", "exit_code", "exited_ns", "gets", "group", "hands", "incarnations", "name",
        "puts", "read_ns", "role", "seq", "source", "target", "wait_ns", "wrote_ns",
    )  # fmt: skip

    def __init__(self, name: str, group: str, role: str, source: QueueBook | None, target: QueueBook | None) -> None:
        nowhere = QueueBook("", 0)
        self.name, self.group, self.role = name, group, role
        self.source, self.target = source or nowhere, target or nowhere
        self.hands: deque[Envelope] = deque()
        self.puts = self.gets = self.done = self.busy_ns = self.wait_ns = self.incarnations = 0
        self.seq = self.wrote_ns = self.read_ns = self.began_ns = self.exited_ns = _NEVER
        self.exit_code: int | None = None

    @property
    def sleep_ns(self) -> int:
        """Of a producer: what it did not spend in puts since the first began, it paused."""
        if self.role != PRODUCER or self.began_ns == _NEVER:
            return 0
        return max(0, self.exited_ns - self.began_ns - self.wait_ns)


class OrderedBooks:
    """Books the records of a simulation in which nobody dies, in their order.

    Attributes:
        end_ns: When the run ended; None: it has not.

    Args:
        prefix: Gives `produce-0:` for a producer's index in the plan.
    """

    def __init__(self, prefix: Callable[[int], str]) -> None:
        self._prefix = prefix
        self._violations = Violations()
        self._start: Mapping[str, Any] = {}
        self._end: Mapping[str, Any] | None = None
        self.end_ns: int | None = None
        self._last_ns = 0
        self._queues: dict[str, QueueBook] = {}
        self._workers: dict[str, WorkerBook] = {}
        self._workers_of: dict[Speaker, WorkerBook] = {}
        self._origins: dict[tuple[int, int], int] | None = None
        self._fates: Counter[str] = Counter()
        self._service, self._sojourn = Durations(), Durations()
        self._durations = [self._service, self._sojourn]

    @property
    def most_puts(self) -> int:
        """Into the queue that had the most."""
        return max((queue.puts for queue in self._queues.values()), default=0)

    def enter(self, records: Sequence[Record]) -> None:
        """Book further records."""
        put, get, done, met = self._put, self._get, self._done, self._workers_of.get
        for kind, at, who, what, first, second in records:
            if kind == PUT:
                put(met(who) or self._met(who), at, what, first)
            elif kind == GET:
                get(met(who) or self._met(who), at, what, first, second)
            elif kind == DONE:
                done(met(who) or self._met(who), at, what, first)
            else:
                self._rare(what, at)
        for durations in self._durations:
            durations.fold()

    # The three methods below run once per item each, and are longer than the house's measure for the ledger's reason.

    def _put(self, worker: WorkerBook, at: int, envelope: Envelope, wait: int) -> None:
        queue, inside = worker.target, worker.target.inside
        if at != queue.put_ns:
            queue.put_ns = at
            if queue.depth > queue.max_depth:
                queue.max_depth = queue.depth
        inside.append(envelope)
        queue.depth = depth = len(inside)
        queue.puts += 1
        queue.residence_ns -= at
        worker.puts += 1
        self._last_ns = at
        if wait:
            queue.wait_put.fresh.append(wait)
            if at != worker.wrote_ns:
                worker.wrote_ns = at
                worker.wait_ns += wait
        if depth > queue.bound or at - wait != envelope.began or wait < 0:
            self._object_to_put(queue, worker, envelope)
        if worker.role == PRODUCER:
            if envelope.seq <= worker.seq:
                self._object(Kind.ORDER, "put again, or after a later one", queue, worker, envelope)
            worker.seq = envelope.seq
            if worker.began_ns == _NEVER:
                worker.began_ns = envelope.began
            if self._origins is not None:
                self._origins[envelope.producer, envelope.seq] = envelope.began

    def _get(self, worker: WorkerBook, at: int, envelope: Envelope, wait: int, latency: int | None) -> None:
        queue, inside = worker.source, worker.source.inside
        if not inside or inside.popleft() is not envelope:
            self._object(Kind.FIFO, "got, and another item stood before it, or none", queue, worker, envelope)
        if at == queue.put_ns:
            queue.depth -= 1
        queue.gets += 1
        queue.residence_ns += at
        worker.gets += 1
        worker.hands.append(envelope)
        self._last_ns = at
        if wait:
            queue.wait_get.fresh.append(wait)
            if at != worker.read_ns:
                worker.read_ns = at
                worker.wait_ns += wait
        if latency:
            queue.latency.fresh.append(latency)
        if at - (latency or 0) != envelope.began or wait < 0:
            self._object(Kind.CAUSALITY, "its latency does not lead back to its put", queue, worker, envelope)

    def _done(self, worker: WorkerBook, at: int, envelope: Envelope, service: int) -> None:
        hands = worker.hands
        if not hands or hands.popleft() is not envelope:
            self._object(Kind.UNEXPECTED, "done, and not in the worker's hands", worker.source, worker, envelope)
        worker.done += 1
        worker.busy_ns += service
        self._last_ns = at
        if service:
            self._service.fresh.append(service)
        if worker.role == CONSUMER:
            origins = self._origins
            began = envelope.began if origins is None else origins.pop((envelope.producer, envelope.seq))
            if at != began:
                self._sojourn.fresh.append(at - began)

    def _met(self, who: Speaker) -> WorkerBook:
        worker = self._workers_of[who] = self._workers[who.name]
        return worker

    def _object_to_put(self, queue: QueueBook, worker: WorkerBook, envelope: Envelope) -> None:
        if len(queue.inside) > queue.bound:
            message = f"is one of {len(queue.inside)} items in a queue of {queue.bound}"
            self._object(Kind.DEPTH, message, queue, worker, envelope)
        else:
            self._object(Kind.CAUSALITY, "its wait does not lead back to its beginning", queue, worker, envelope)

    def _object(self, kind: Kind, message: str, queue: QueueBook, worker: WorkerBook, envelope: Envelope) -> None:
        item = self._id(envelope)
        message = f"{item} at {worker.name} ({queue.name}): {message}"
        self._violations.add(kind, message, item=item, queue=queue.name)

    def _id(self, envelope: Envelope) -> str:
        return f"{self._prefix(envelope.producer)}{envelope.seq}{envelope.suffix}"

    def _rare(self, event: Mapping[str, Any], at: int) -> None:
        """Book an event that does not come once per item; what says nothing of figures is passed over."""
        match event["event"]:
            case "run.start":
                self._run_start(event)
            case "worker.start":
                self._workers[event["worker"]].incarnations += 1
            case "worker.exit":
                worker = self._workers[event["worker"]]
                worker.exit_code, worker.exited_ns = event["exit_code"], at
            case "left" | "failed" | "lost":
                self._fate(event)
            case "run.end":
                self._end, self.end_ns = event, at

    def _run_start(self, event: Mapping[str, Any]) -> None:
        self._start = event
        for name, facts in event["queues"].items():
            capacity = facts["capacity"]
            self._queues[name] = queue = QueueBook(name, inf if capacity is None else capacity)
            self._durations += [queue.latency, queue.wait_put, queue.wait_get]
        for name, group in event["groups"].items():
            source, target = self._queues.get(group["from"] or ""), self._queues.get(group["to"] or "")
            if group["role"] == STAGE:
                self._origins = {}
            for place in range(group["count"]):
                worker = f"{name}-{place}"
                self._workers[worker] = WorkerBook(worker, name, group["role"], source, target)

    def _fate(self, event: Mapping[str, Any]) -> None:
        """An item is named that is in a queue or a worker's hands, and will not be done."""
        self._fates[event["event"]] += 1
        queue = self._queues[event["queue"]]
        holder = queue.inside if event["worker"] is None else self._workers[event["worker"]].hands
        found = next((envelope for envelope in holder if self._id(envelope) == event["id"]), None)
        if found is None:
            message = f"{event['id']} is called {event['event']}, and is not where it is said to be"
            self._violations.add(Kind.UNEXPECTED, message, item=event["id"], queue=queue.name)
            return
        holder.remove(found)
        if event["worker"] is None:
            queue.residence_ns += self._last_ns

    def closed(self) -> tuple[Summary, Verdict]:
        """The figures, without exit code and wall time, and the verdict; to be called once, at the end."""
        end = self._end or {"status": "failed", "totals": {}}
        self._check_the_end(end["totals"])
        for queue in self._queues.values():
            queue.max_depth = max(queue.max_depth, queue.depth)
        done = sum(worker.done for worker in self._workers.values())
        counts = Counts(
            attempted=sum(queue.puts for queue in self._queues.values()),
            acknowledged=sum(queue.puts for queue in self._queues.values()),
            done=done,
            left=self._fates["left"],
            failed=self._fates["failed"],
            **{kind.value: len(items) for kind, items in self._violations.items.items()},
        )
        incomplete = None if self._end is not None else "incomplete: there is no run.end"
        verdict = self._violations.verdict(incomplete, counts)
        status = end["status"]
        if status == "completed":
            status = "ok" if verdict.valid is True else "failed"
        return self._summary(status, verdict), verdict

    def _check_the_end(self, totals: Mapping[str, int]) -> None:
        """Object to items that nobody has done or named, to more items than were planned, and to wrong totals."""
        for queue in self._queues.values():
            for envelope in queue.inside:
                item = self._id(envelope)
                message = f"{item} was put into {queue.name}, never got, and neither left nor failed"
                self._violations.add(Kind.LOST, message, item=item, queue=queue.name)
        for worker in self._workers.values():
            for envelope in worker.hands:
                message = "got, never done, and neither left nor failed"
                self._object(Kind.LOST, message, worker.source, worker, envelope)
        self._check_quotas()
        for name, count in self._counted().items():
            if totals.get(name, count) != count:
                self._violations.add(Kind.TOTALS, f"run.end counts {totals[name]} {name}, the log {count}")

    def _check_quotas(self) -> None:
        handled: Counter[str] = Counter()
        for worker in self._workers.values():
            handled[worker.group] += worker.puts if worker.role == PRODUCER else worker.done
        for name, group in self._start.get("groups", {}).items():
            if group["role"] != STAGE and group["planned"] is not None and handled[name] > group["planned"]:
                message = f"group {name} handled {handled[name]} items, {group['planned']} were planned"
                self._violations.add(Kind.QUOTA, message)

    def _counted(self) -> dict[str, int]:
        workers = self._workers.values()
        return {
            "put": sum(worker.puts for worker in workers),
            "got": sum(worker.gets for worker in workers),
            "done": sum(worker.done for worker in workers),
            **{fate: self._fates[fate] for fate in ("left", "failed", "lost")},
        }

    def _summary(self, status: str, verdict: Verdict) -> Summary:
        start, makespan_s, queues = self._start, self._last_ns / _NS, list(self._queues.values())
        items, gets = self._items(verdict), sum(queue.gets for queue in queues)
        return Summary(
            status=status,
            exit_code=None,
            **{key: start.get(key) for key in ("run", "seed", "engine", "config_digest", "plan_digest")},
            wall_s=None,
            makespan_s=makespan_s,
            items=items,
            throughput=items.done / makespan_s if makespan_s else None,
            latency=joined([queue.latency for queue in queues], gets),
            wait_put=joined([queue.wait_put for queue in queues], sum(queue.puts for queue in queues)),
            wait_get=joined([queue.wait_get for queue in queues], gets),
            service=self._service.spread(verdict.counts.done),
            lateness=spread([]),
            sojourn=self._sojourn.spread(items.done),
            queues={queue.name: _queue_figures(queue, makespan_s) for queue in queues},
            workers={worker.name: _worker_figures(worker, makespan_s) for worker in self._workers.values()},
            audit=Audit(verdict.valid, verdict.count),
        )

    def _items(self, verdict: Verdict) -> Items:
        workers = self._workers.values()
        planned = [group["planned"] for group in self._start.get("groups", {}).values() if group["role"] == PRODUCER]
        return Items(
            planned=None if None in planned else sum(planned),
            put=sum(worker.puts for worker in workers if worker.role == PRODUCER),
            got=sum(worker.gets for worker in workers if worker.role == CONSUMER),
            done=sum(worker.done for worker in workers if worker.role == CONSUMER),
            lost=verdict.counts.lost,
            duplicated=verdict.counts.duplicated,
            left=self._fates["left"],
            redelivered=0,
            failed=self._fates["failed"],
        )


def _queue_figures(queue: QueueBook, makespan_s: float) -> QueueFigures:
    mean_depth = queue.residence_ns / _NS / makespan_s if makespan_s else 0.0
    return QueueFigures(queue.max_depth, mean_depth, queue.latency.spread(queue.gets))


def _worker_figures(worker: WorkerBook, makespan_s: float) -> WorkerFigures:
    busy_s = worker.busy_ns / _NS
    share = busy_s / makespan_s if makespan_s else 0.0
    return WorkerFigures(
        role=worker.role,
        puts=worker.puts,
        gets=worker.gets,
        done=worker.done,
        busy_s=busy_s,
        wait_s=worker.wait_ns / _NS,
        sleep_s=worker.sleep_ns / _NS,
        utilization=None if worker.role == PRODUCER else share,
        incarnations=worker.incarnations,
        exit_code=worker.exit_code,
    )
