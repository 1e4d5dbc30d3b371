"""Legal event logs without a run: a small FIFO topology simulated in virtual time.

It shares no code with the engines. Operations take a random moment to return, so that gets overtake their puts; they
block on full and empty queues, move in batches, and end early by quotas, which leaves items.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Any

from runner.log import events

Record = dict[str, Any]
Work = Generator["Put | Get | int", Any]


@dataclass(frozen=True)
class Topology:
    """What to simulate: producers into the first queue, through `stages` stages, to consumers of the last."""

    producers: int = 2
    consumers: int = 2
    stages: int = 0
    stage_workers: int = 1
    items: int = 5
    maxsize: int = 0
    batch: int = 1
    quota: int | None = None
    seed: int = 0


@dataclass
class Put:
    """Ids to put into a queue; answered by those that were written."""

    queue: Queue
    ids: list[str]


@dataclass
class Get:
    """A wish for items; answered by those got, none at the end of the stream."""

    queue: Queue


@dataclass
class Queue:
    name: str
    maxsize: int
    batch: int
    items: deque[str] = field(default_factory=deque)
    began: dict[str, int] = field(default_factory=dict)
    writers: int = 0
    blocked_puts: deque[tuple[str, int, Put]] = field(default_factory=deque)
    blocked_gets: deque[tuple[str, int]] = field(default_factory=deque)

    @property
    def room(self) -> int:
        return self.maxsize - len(self.items) if self.maxsize else 1 << 30


class Simulation:
    """Runs one topology; `records` is its log."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.random = Random(topology.seed)  # noqa: S311
        self.now = 0
        self.records: list[Record] = []
        self.totals = dict.fromkeys(("put", "got", "done", "left"), 0)
        self.queues = [Queue(f"q{n}", topology.maxsize, topology.batch) for n in range(topology.stages + 1)]
        self.workers: dict[str, Work] = {}
        self.targets: dict[str, Queue] = {}
        self.holding: dict[str, tuple[Queue, str]] = {}
        self._agenda: list[tuple[int, int, str, list[str] | None]] = []
        self._count = 0

    def run(self) -> list[Record]:
        self._declare()
        for name in self.workers:
            self._wake(name, self.random.randrange(20), None)
        while self._agenda:
            self.now, _, name, answer = heappop(self._agenda)
            self._step(name, answer)
        self._finish()
        return self.records

    def log(self, event: str, **keys: Any) -> None:
        stamp = {"level": "info", "timestamp": "2026-01-01T00:00:00.000000Z", "t_ns": self.now}
        self.records.append({"event": event, **stamp, **keys})

    def _declare(self) -> None:
        t, last = self.topology, len(self.queues) - 1
        groups: dict[str, tuple[str, Queue | None, Queue | None, int, int | None]] = {
            "p": ("producer", None, self.queues[0], t.producers, t.producers * t.items)
        }
        for n in range(t.stages):
            groups[f"s{n}"] = ("stage", self.queues[n], self.queues[n + 1], t.stage_workers, None)
        planned = None if t.quota is None else t.quota * t.consumers
        groups["c"] = ("consumer", self.queues[last], None, t.consumers, planned)
        queues = {q.name: {"kind": "pipe", "maxsize": q.maxsize, "batch": q.batch, "capacity": 99} for q in self.queues}
        facts = {
            name: {
                "role": role,
                "from": source.name if source is not None else None,
                "to": target.name if target is not None else None,
                "count": count,
                "planned": planned,
            }
            for name, (role, source, target, count, planned) in groups.items()
        }
        self.now = -1000
        self.log(
            "run.start",
            run="r",
            name="n",
            seed=t.seed,
            engine="simulation",
            start_method=None,
            config_digest="c",
            plan_digest="d",
            schema=1,
            queues=queues,
            groups=facts,
        )
        for group, (role, source, target, count, _) in groups.items():
            for worker in (f"{group}-{n}" for n in range(count)):
                self.workers[worker] = self._work(worker, source, target)
                if target is not None:
                    self.targets[worker] = target
                    target.writers += 1
                self.log("worker.start", worker=worker, group=group, role=role, incarnation=1, pid=None)
        self.now = 0

    def _work(self, name: str, source: Queue | None, target: Queue | None) -> Work:
        if source is None and target is not None:
            return self._produce(name, target)
        if source is not None and target is not None:
            return self._relay(name, source, target)
        assert source is not None
        return self._consume(name, source)

    def _produce(self, name: str, target: Queue) -> Work:
        seq = 0
        while seq < self.topology.items:
            ids = [f"{name}:{k}" for k in range(seq, min(self.topology.items, seq + target.batch))]
            seq += len(ids)
            while ids:
                ids = yield from self._written(name, target, ids)
            yield self.random.choice((0, 1, 30))

    def _written(self, name: str, target: Queue, ids: list[str]) -> Generator[Put, Any, list[str]]:
        """Put once; return what remains."""
        began = self.now
        for item in ids:
            target.began[item] = began
        written = yield Put(target, ids)
        for item in written:
            self.totals["put"] += 1
            self.log(
                "put",
                worker=name,
                queue=target.name,
                id=item,
                item=1,
                wait_ns=self.now - began,
                late_ns=None,
                delivery=1,
            )
        return ids[len(written) :]

    def _got(self, name: str, source: Queue) -> Generator[Get, Any, list[str]]:
        began = self.now
        ids: list[str] = yield Get(source)
        for item in ids:
            self.totals["got"] += 1
            self.log(
                "get",
                worker=name,
                queue=source.name,
                id=item,
                item=1,
                wait_ns=self.now - began,
                latency_ns=self.now - source.began[item],
                delivery=1,
            )
        return ids

    def _relay(self, name: str, source: Queue, target: Queue) -> Work:
        while ids := (yield from self._got(name, source)):
            for item in ids:
                self.holding[f"{name} {item}"] = (source, item)
            for item in ids:
                service = self.random.choice((0, 5, 40))
                yield service
                parts = self.random.choice((None, None, 0, 2))
                for part in [item] if parts is None else [f"{item}.{k}" for k in range(parts)]:
                    yield from self._written(name, target, [part])
                self._done(name, source, item, service)

    def _consume(self, name: str, source: Queue) -> Work:
        quota = self.topology.quota
        done = 0
        while quota is None or done < quota:
            ids = yield from self._got(name, source)
            if not ids:
                return
            for item in ids:
                self.holding[f"{name} {item}"] = (source, item)
            for item in ids[: None if quota is None else quota - done]:
                service = self.random.choice((0, 5, 40))
                yield service
                self._done(name, source, item, service)
                done += 1

    def _done(self, name: str, source: Queue, item: str, service: int) -> None:
        del self.holding[f"{name} {item}"]
        self.totals["done"] += 1
        self.log(
            "done", worker=name, queue=source.name, id=item, item=1, service_ns=service, planned_ns=service, delivery=1
        )

    def _wake(self, name: str, delay: int, answer: list[str] | None) -> None:
        self._count += 1
        heappush(self._agenda, (self.now + delay, self._count, name, answer))

    def _step(self, name: str, answer: list[str] | None) -> None:
        work = self.workers[name]
        try:
            wish = work.send(answer)
        except StopIteration:
            self._leave(name)
            return
        match wish:
            case Put():
                wish.queue.blocked_puts.append((name, self.now, wish))
                self._serve(wish.queue)
            case Get():
                wish.queue.blocked_gets.append((name, self.now))
                self._serve(wish.queue)
            case int():
                self._wake(name, wish, None)

    def _serve(self, queue: Queue) -> None:
        """Move what can move; who moved returns a moment later."""
        moved = True
        while moved:
            moved = False
            if queue.blocked_puts and queue.room > 0:
                name, _, put = queue.blocked_puts.popleft()
                written = put.ids[: queue.room]
                queue.items.extend(written)
                self._wake(name, self.random.choice((0, 1, 7)), written)
                moved = True
            if queue.blocked_gets and (queue.items or not queue.writers):
                name, _ = queue.blocked_gets.popleft()
                got = [queue.items.popleft() for _ in range(min(queue.batch, len(queue.items)))]
                self._wake(name, self.random.choice((0, 1, 7)), got)
                moved = True

    def _leave(self, name: str) -> None:
        self.log("worker.exit", worker=name, exit_code=0, puts=0, gets=0)
        del self.workers[name]
        if (target := self.targets.get(name)) is not None:
            target.writers -= 1
            self._serve(target)

    def _finish(self) -> None:
        """End the run: who is still blocked is stopped, what was put and not done is left."""
        self.now += 1
        for name in self.workers:
            self.log("worker.exit", worker=name, exit_code=0, puts=0, gets=0)
        left = [(queue.name, item) for queue in self.queues for item in queue.items]
        left += [(queue.name, item) for queue, item in self.holding.values()]
        for queue_name, item in left:
            self.totals["left"] += 1
            self.log("left", queue=queue_name, id=item, delivery=1, worker=None, why="the run ended")
        self.log("run.end", status="completed", reason=None, totals=self.totals)


def legal_log(topology: Topology) -> list[Record]:
    """Return the log of one run of the topology, line by line."""
    return Simulation(topology).run()


def text_of(records: Iterable[Record]) -> str:
    """Return a log as the file holds it."""
    return "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records)


def events_of(records: Iterable[Record]) -> list[events.Event]:
    """Return a log as `runner.log.events.read` yields it."""
    decoded, problems = events.decode(text_of(records).encode())
    assert not problems, problems
    return decoded
