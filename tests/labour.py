"""A model of workers at queues in virtual time: what they do, and what of it they log; shares no code with the engines.

An operation takes effect at one instant between its beginning and its return, after which it is logged. Whoever waits
looks again and again.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Generator
from dataclasses import dataclass, field
from heapq import heappush
from random import Random
from typing import TYPE_CHECKING, Any

from lines import Record, line

if TYPE_CHECKING:
    from mishaps import Mishap

Pause = Generator[int, None, None]


@dataclass
class Queue:
    name: str
    maxsize: int
    tickets: deque[tuple[str, int]] = field(default_factory=deque)
    began: dict[str, int] = field(default_factory=dict)
    deliveries: Counter[str] = field(default_factory=Counter)
    backlog: deque[tuple[int, str, str | None, str]] = field(default_factory=deque)
    """(since when, what it is: again or recovered, from or for whom, item)."""
    offering: int = 0

    @property
    def room(self) -> int:
        return self.maxsize - len(self.tickets) if self.maxsize else 1 << 30


@dataclass
class Worker:
    name: str
    role: str
    source: Queue | None
    target: Queue | None
    work: Pause | None = None
    incarnation: int = 1
    hand: list[tuple[str, int]] = field(default_factory=list)
    logged: bool = True
    """Whether the get of what is in hand is logged."""
    put_began: int = 0
    due: int = 0
    putting: list[str] = field(default_factory=list)
    arrived: int = 0
    seq: int = 0
    done: int = 0
    finished: bool = False
    wait: int = 0
    got_began: int = 0


class Labour:
    """Workers at work; `records` is their log so far."""

    def __init__(self, what: Mishap) -> None:
        self.what = what
        self.random = Random(what.seed + 1_000_000)  # noqa: S311
        self.now = -1000
        self.records: list[Record] = []
        self.queues = [Queue(f"q{n}", what.maxsize) for n in range(what.stages + 1)]
        self.workers: dict[str, Worker] = {}
        self.parts: dict[tuple[str, str], list[str]] = {}
        self.begun: set[tuple[str, str]] = set()
        self.failed: dict[tuple[str, str], tuple[str, int]] = {}
        self.killed: Counter[tuple[str, str]] = Counter()
        self.arrived_unlogged: list[tuple[Worker, str, int]] = []
        self.lateness = Random(what.seed)  # noqa: S311
        self.ended = False
        self._agenda: list[tuple[int, int, str, int]] = []
        self._count = 0

    def log(self, event: str, **keys: Any) -> None:
        self.records.append(line(event, self.now, **keys))

    def _start(self, worker: Worker, delay: int) -> None:
        self.log(
            "worker.start", worker=worker.name, group=worker.name.rpartition("-")[0], role=worker.role,
            incarnation=worker.incarnation, pid=7,
        )  # fmt: skip
        worker.work = {"producer": self._produce, "stage": self._relay, "consumer": self._consume}[worker.role](worker)
        self._wake(worker.name, delay, worker.incarnation)

    def _wake(self, name: str, delay: int, incarnation: int) -> None:
        self._count += 1
        heappush(self._agenda, (self.now + delay, self._count, name, incarnation))

    def _step(self, worker: Worker) -> None:
        assert worker.work is not None
        try:
            self._wake(worker.name, next(worker.work), worker.incarnation)
        except StopIteration:
            worker.finished = True
            self.log("worker.exit", worker=worker.name, incarnation=worker.incarnation, exit_code=0, puts=0, gets=0)

    def _moment(self) -> int:
        return self.random.choice((0, 0, 1, 5))

    def _produce(self, worker: Worker) -> Pause:
        while worker.seq < self.what.items:
            count = min(self.random.randint(1, self.what.batch), self.what.items - worker.seq)
            ids = [f"{worker.name}:{seq}" for seq in range(worker.seq, worker.seq + count)]
            worker.seq += count
            yield from self._put(worker, ids)
            yield self.random.choice((0, 1, 20))

    def _put(self, worker: Worker, ids: list[str]) -> Pause:
        queue = worker.target
        assert queue is not None
        while ids:
            worker.put_began, worker.putting, worker.arrived = self.now, ids, 0
            yield self._moment()
            while not queue.room:
                yield self.random.randint(1, 4)
            worker.arrived = min(queue.room, len(ids))
            for item in ids[: worker.arrived]:
                queue.tickets.append((item, 1))
                queue.began[item] = worker.put_began
                queue.deliveries[item] = 1
            yield self._moment()
            self._log_puts(worker)
            ids = ids[worker.arrived :]
        worker.putting, worker.arrived = [], 0

    def _log_puts(self, worker: Worker) -> None:
        for item in worker.putting[: worker.arrived]:
            assert worker.target is not None
            self.log(
                "put", worker=worker.name, queue=worker.target.name, id=item, item=1,
                wait_ns=self.now - worker.put_began, late_ns=self._late(worker), delivery=1,
            )  # fmt: skip

    def _late(self, worker: Worker) -> int | None:
        """Of every other log's producers: as if pacing were open."""
        if worker.role != "producer" or self.what.seed % 2:
            return None
        worker.due = max(worker.due, worker.put_began - self.lateness.choice((0, 1, 7, 40)))
        return worker.put_began - worker.due

    def _get(self, worker: Worker) -> Pause:
        queue = worker.source
        assert queue is not None
        worker.got_began = self.now
        while not queue.tickets:
            if self._is_over(queue):
                return
            yield self.random.randint(1, 4)
        count = self.random.randint(1, self.what.batch)
        worker.logged = False
        worker.hand = [queue.tickets.popleft() for _ in range(min(count, len(queue.tickets)))]
        yield self._moment()
        self._log_gets(worker)

    def _log_gets(self, worker: Worker) -> None:
        queue = worker.source
        assert queue is not None
        worker.logged = True
        for item, delivery in worker.hand:
            self.log(
                "get", worker=worker.name, queue=queue.name, id=item, item=1, wait_ns=self.now - worker.got_began,
                latency_ns=self.now - queue.began[item], delivery=delivery,
            )  # fmt: skip

    def _is_over(self, queue: Queue) -> bool:
        """Whether nothing will come any more: a stream ends late, after all that may be handed out again."""
        writers = [worker for worker in self.workers.values() if worker.target is queue]
        readers = [worker for worker in self.workers.values() if worker.source is queue and not worker.finished]
        quiet = not (queue.tickets or queue.backlog or queue.offering or any(reader.hand for reader in readers))
        return quiet and all(writer.finished for writer in writers)

    def _relay(self, worker: Worker) -> Pause:
        while True:
            yield from self._get(worker)
            if not worker.hand:
                return
            while worker.hand:
                item, delivery = worker.hand[0]
                service = self.random.choice((0, 3, 20))
                yield service
                assert worker.target is not None
                if self._fails(worker, item, delivery):
                    continue
                for part in self._parts_of(worker.target.name, item):
                    if (worker.target.name, part) not in self.begun:
                        self.begun.add((worker.target.name, part))
                        yield from self._put(worker, [part])
                self._log_done(worker, item, delivery, service)

    def _parts_of(self, target: str, item: str) -> list[str]:
        if (target, item) not in self.parts:
            count = self.random.choice((None, None, 0, 2))
            self.parts[target, item] = [item] if count is None else [f"{item}.{k}" for k in range(count)]
        return self.parts[target, item]

    def _consume(self, worker: Worker) -> Pause:
        quota = self.what.quota
        while quota is None or worker.done < quota:
            yield from self._get(worker)
            if not worker.hand:
                return
            while worker.hand and (quota is None or worker.done < quota):
                item, delivery = worker.hand[0]
                service = self.random.choice((0, 3, 20))
                yield service
                if not self._fails(worker, item, delivery):
                    worker.done += 1
                    self._log_done(worker, item, delivery, service)

    def _fails(self, worker: Worker, item: str, delivery: int) -> bool:
        """Whether user code fails for good; it may also fail once and be called again."""
        assert worker.source is not None
        if self.random.random() >= self.what.failures:
            return False
        self.log("error", worker=worker.name, queue=worker.source.name, id=item, delivery=delivery, why="ValueError: 1")
        if self.random.random() < 0.5:
            return False
        self.failed[worker.source.name, item] = worker.name, delivery
        worker.hand.pop(0)
        return True

    def _log_done(self, worker: Worker, item: str, delivery: int, service: int) -> None:
        assert worker.source is not None
        worker.hand.pop(0)
        self.log(
            "done", worker=worker.name, queue=worker.source.name, id=item, item=1, service_ns=service,
            planned_ns=service, delivery=delivery,
        )  # fmt: skip
