"""Legal logs of runs in which things go wrong: a model of workers that die, fail and are stopped, in virtual time.

It shares no code with the engines. A death may come at any time, and so before or after an operation takes effect, and
before it is logged. The supervisor then does what the log format asks of it: it hands out again what was in the dead
one's hands, logs what was put without being logged, puts what never arrived, starts a replacement, or ends the run.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from heapq import heappop
from random import Random
from typing import TYPE_CHECKING

from labour import Labour, Queue, Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lines import Record


@dataclass(frozen=True)
class Mishap:
    """What is to happen, and to whom."""

    seed: int
    producers: int = 2
    stages: int = 0
    workers: int = 2
    items: int = 6
    maxsize: int = 0
    batch: int = 1
    quota: int | None = None
    deaths: int = 2
    failures: float = 0.0
    policy: str = "restart"
    ending: str = "completed"


def mishap(seed: int) -> Mishap:
    """Return one of all kinds, by its number."""
    r = Random(seed)  # noqa: S311
    return Mishap(
        seed=seed,
        producers=r.choice((1, 2, 3)),
        stages=r.choice((0, 0, 1, 2)),
        workers=r.choice((1, 2, 3)),
        items=r.choice((1, 4, 8)),
        maxsize=r.choice((0, 0, 1, 3)),
        batch=r.choice((1, 1, 2, 4)),
        quota=r.choice((None, None, None, 2)),
        deaths=r.choice((0, 1, 3, 6)),
        failures=r.choice((0.0, 0.0, 0.1)),
        policy=r.choice(("restart", "restart", "restart", "continue", "fail")),
        ending=r.choice(("completed", "completed", "completed", "interrupted", "timeout")),
    )


class Run(Labour):
    """Runs one mishap; `records` is its log."""

    def run(self) -> list[Record]:
        self._declare()
        deaths = self.what.deaths
        while self._agenda and not self.ended:
            self.now, _, name, incarnation = heappop(self._agenda)
            if name == "supervisor":
                self._supervise()
                continue
            worker = self.workers[name]
            if worker.incarnation != incarnation or worker.finished:
                continue
            if self.what.ending != "completed" and self.random.random() < 0.005:
                self._stop(self.what.ending)
            elif deaths and self.random.random() < 0.04:
                deaths -= 1
                self._die(worker)
            else:
                self._step(worker)
        if not self.ended:
            self._stop("completed")
        return self.records

    def _declare(self) -> None:
        what, last = self.what, self.queues[-1]
        groups: dict[str, tuple[str, Queue | None, Queue | None, int, int | None]] = {
            "p": ("producer", None, self.queues[0], what.producers, what.producers * what.items)
        }
        for n in range(what.stages):
            groups[f"s{n}"] = ("stage", self.queues[n], self.queues[n + 1], what.workers, None)
        groups["c"] = ("consumer", last, None, what.workers, what.quota and what.quota * what.workers)
        kind = self.random.choice(("pipe", "pipe", "multiprocessing.Queue"))
        facts = {"kind": kind, "maxsize": what.maxsize, "batch": what.batch, "capacity": 99}
        self.log(
            "run.start", run="r", name="n", seed=what.seed, engine="processes", start_method="spawn", schema=1,
            config_digest="c", plan_digest="d", queues={queue.name: facts for queue in self.queues},
            groups={
                name: {"role": role, "from": source and source.name, "to": target and target.name, "count": count,
                       "planned": planned}
                for name, (role, source, target, count, planned) in groups.items()
            },
        )  # fmt: skip
        for group, (role, source, target, count, _) in groups.items():
            for k in range(count):
                worker = self.workers[f"{group}-{k}"] = Worker(f"{group}-{k}", role, source, target)
                self._start(worker, self.random.randrange(1, 20) - self.now)
        self._wake("supervisor", 1 - self.now, 0)

    # --- what the supervisor does

    def _die(self, worker: Worker) -> None:
        self._bury(worker, "died")
        if self.what.policy == "fail":
            self._stop("failed")
            return
        readers = [each for each in self.workers.values() if each.source is worker.source and not each.finished]
        last = worker.source is not None and readers == [worker]
        if self.what.policy == "restart" or last or worker.role == "producer":
            worker.incarnation += 1
            self.log("worker.restart", worker=worker.name, incarnation=worker.incarnation)
            self._start(worker, self.random.randint(1, 9))
        else:
            worker.finished = True

    def _bury(self, worker: Worker, why: str) -> None:
        about = {"worker": worker.name, "incarnation": worker.incarnation, "signal": 9}
        if why == "died":
            self.log("worker.died", why="killed by SIGKILL", **about)
        self.log("worker.exit", **about)
        for k, item in enumerate(worker.putting):
            assert worker.target is not None
            if k < worker.arrived:
                self.arrived_unlogged.append((worker, item, worker.put_began))
            elif why == "died":
                worker.target.backlog.append((worker.put_began, "recovered", worker.name, item))
        if worker.source is not None and why == "died":
            for k, (item, _) in enumerate(worker.hand):
                self._hand_out_again(worker, worker.source, item, at_work=k == 0 and worker.logged)
        if why == "died":
            worker.hand, worker.putting, worker.arrived, worker.logged = [], [], 0, True

    def _hand_out_again(self, worker: Worker, queue: Queue, item: str, *, at_work: bool) -> None:
        if at_work:
            self.killed[queue.name, item] += 1
            if self.killed[queue.name, item] >= 3:
                self.failed[queue.name, item] = worker.name, queue.deliveries[item]
                return
        known = worker.logged or self.random.random() < 0.5
        queue.backlog.append((self.now, "again", worker.name if known else None, item))

    def _supervise(self) -> None:
        """Do one of the things that are to be done, and come back."""
        if self.arrived_unlogged and self.random.random() < 0.2:
            self._log_recovered(*self.arrived_unlogged.pop(self.random.randrange(len(self.arrived_unlogged))))
        for queue in self.queues:
            if queue.backlog and queue.room:
                self._offer(queue)
                break
        if any(not worker.finished for worker in self.workers.values()) or self._agenda:
            self._wake("supervisor", self.random.randint(1, 6), 0)
        if all(worker.finished for worker in self.workers.values()) or all(
            worker.finished for worker in self.workers.values() if worker.role == "consumer"
        ):
            self._stop("completed")

    def _offer(self, queue: Queue) -> None:
        """Put what waits longest; others may act, and get it, before the supervisor has logged that."""
        since, what, whose, item = queue.backlog.popleft()
        queue.deliveries[item] += 1
        delivery = queue.deliveries[item]
        queue.tickets.append((item, delivery))
        queue.offering += 1
        if what == "recovered":
            queue.began[item] = since
        until = self.now + self._moment()
        while self._agenda and self._agenda[0][0] <= until and not self.ended:
            self.now, _, name, incarnation = heappop(self._agenda)
            worker = self.workers[name]
            if worker.incarnation == incarnation and not worker.finished:
                self._step(worker)
        self.now = until
        queue.offering -= 1
        if what == "recovered":
            assert whose is not None
            self._log_recovered(self.workers[whose], item, since)
        else:
            about = {"queue": queue.name, "id": item, "item": 1, "delivery": delivery, "from": whose}
            self.log("redelivery", wait_ns=self.now - since, **about)

    def _log_recovered(self, worker: Worker, item: str, began: int) -> None:
        assert worker.target is not None
        self.log(
            "put", worker=worker.name, queue=worker.target.name, id=item, item=1, wait_ns=self.now - began,
            late_ns=0 if worker.role == "producer" and self.what.seed % 2 == 0 else None, delivery=1, recovered=True,
        )  # fmt: skip

    # --- the end

    def _stop(self, status: str) -> None:
        """End the run: who still works logs what it did, or is killed; what is not done is left or failed."""
        self.ended = True
        self.now += 1
        for worker in self.workers.values():
            if worker.finished:
                continue
            if status == "completed" or self.random.random() < 0.5:
                self._log_puts(worker)
                worker.arrived = 0
                if not worker.logged:
                    self._log_gets(worker)
                self.log("worker.exit", worker=worker.name, incarnation=worker.incarnation, exit_code=0)
            else:
                self._bury(worker, "stopped")
        for each in self.arrived_unlogged:
            self._log_recovered(*each)
        for event, queue, item, delivery, holder in self._fates():
            self.log(event, queue=queue, id=item, delivery=delivery, worker=holder, why="because")
        self._end(status)

    def _fates(self) -> Iterator[tuple[str, str, str, int, str | None]]:
        for (name, item), (holder, delivery) in self.failed.items():
            yield "failed", name, item, delivery, holder
        for queue in self.queues:
            for item, delivery in queue.tickets:
                yield "left", queue.name, item, delivery, None
            for _, what, whose, item in queue.backlog:
                if what == "again":
                    yield "left", queue.name, item, queue.deliveries[item], whose
        for worker in self.workers.values():
            for item, delivery in worker.hand:
                assert worker.source is not None
                yield "left", worker.source.name, item, delivery, worker.name

    def _end(self, status: str) -> None:
        count = Counter(record["event"] for record in self.records)
        names = {"put": "put", "got": "get", "done": "done", "left": "left", "failed": "failed", "lost": "lost"}
        totals = {name: count[event] for name, event in {**names, "redelivered": "redelivery"}.items()}
        self.now += 1
        self.log("run.end", status=status, reason=None, totals=totals)


def log_of(what: Mishap) -> list[Record]:
    """Return the log of one run, line by line."""
    return Run(what).run()
