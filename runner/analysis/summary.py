"""The figures of a run, as `summary.json` holds them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from runner.analysis.accounts import CONSUMER, PRODUCER, QueueAccount
from runner.analysis.bottleneck import Queue, Times, bottleneck
from runner.analysis.closing import close
from runner.analysis.durations import joined
from runner.analysis.expectations import Expectation, compared
from runner.analysis.fairness import fairness
from runner.analysis.ledger import Ledger
from runner.analysis.littles_law import LittlesLaw, littles_law
from runner.analysis.spread import Spread  # noqa: TC001 - the annotations are asked for when it runs
from runner.log.events import Failed, Left

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from runner.analysis.accounts import WorkerAccount
    from runner.analysis.ordered_accounts import OrderedQueue
    from runner.analysis.ordered_books import OrderedBooks
    from runner.analysis.violations import Verdict
    from runner.analysis.warmup import Warmup
    from runner.config.bounds import Bound
    from runner.log.depths import DepthSamples
    from runner.log.events import Event

_NS = 1e9


@dataclass(frozen=True, slots=True)
class Items:
    """What became of the items; `planned` is None where the plan does not know."""

    planned: int | None
    put: int
    got: int
    done: int
    lost: int
    duplicated: int
    left: int
    redelivered: int
    failed: int


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """One queue: items at most, items on average over the makespan, time from put began to get returned.

    `littles_law` compares the log with what was seen of the queue meanwhile; None where nothing was. `capacity` is how
    many items it could hold, as granted by the system; None where that is not known. `fairness` is Jain's index of what
    its readers did; None where they did nothing.
    """

    max_depth: int
    mean_depth: float
    latency: Spread
    littles_law: LittlesLaw | None = None
    capacity: int | None = None
    fairness: float | None = None


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """One worker name over all its incarnations; `exit_code` is the last one's, a signal negative."""

    role: str
    puts: int
    gets: int
    done: int
    busy_s: float
    wait_s: float
    wait_put_s: float
    wait_get_s: float
    sleep_s: float
    utilization: float | None
    incarnations: int
    exit_code: int | None


@dataclass(frozen=True, slots=True)
class Audit:
    """The verdict in short."""

    valid: bool | Literal["unknown"]
    violations: int


@dataclass(frozen=True, slots=True)
class ClockFigures:
    """How exact latencies between nodes are: the worst clock's uncertainty, and how many latencies lie below theirs.

    A latency's uncertainty is that of the clocks of who put and who got; 0 if both are on one node.
    """

    uncertainty_s: float
    latencies_below: int


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in figures: the keys of `summary.json` in their order.

    `status` is what the log alone says; `exit_code` and `wall_s` only the caller knows, who fills them in with
    `dataclasses.replace`, and then what was expected, with `judged`. Figures that have no sample are None. `clocks` is
    only there where some are uncertain.
    """

    status: str
    exit_code: int | None
    run: str | None
    seed: int | None
    engine: str | None
    config_digest: str | None
    plan_digest: str | None
    wall_s: float | None
    makespan_s: float
    items: Items
    throughput: float | None
    latency: Spread
    wait_put: Spread
    wait_get: Spread
    service: Spread
    lateness: Spread
    sojourn: Spread
    queues: dict[str, QueueFigures]
    workers: dict[str, WorkerFigures]
    audit: Audit
    clocks: ClockFigures | None = None
    bottleneck: str | None = None
    expectations: list[Expectation] | None = None

    def judged(self, bounds: Sequence[Bound]) -> Summary:
        """The same with its expectations; a run that is ok but for one of them is `unmet`."""
        found = compared(self.to_dict(), bounds) if bounds else []
        unmet = self.status == "ok" and not all(each.met for each in found)
        return replace(self, status="unmet" if unmet else self.status, expectations=found)

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists, numbers and texts, ready for JSON."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        if self.clocks is None:
            del plain["clocks"]
        return plain


def summarise(events: Iterable[Event]) -> Summary:
    """Compute the figures of a run from its events."""
    ledger = Ledger()
    ledger.feed(events)
    verdict = close(ledger)
    return figures(ledger, verdict)


def figures(
    ledger: Ledger | OrderedBooks, verdict: Verdict, depths: Mapping[str, DepthSamples] | None = None
) -> Summary:
    """Read the summary off closed books; `depths` is what was seen of the queues meanwhile."""
    start = ledger.start
    makespan_s = max(0, ledger.last_ns) / _NS
    warmup = ledger.warmup
    window_s = warmup.window_ns(max(0, ledger.last_ns)) / _NS
    items = _items(ledger, verdict)
    comparable = verdict.valid is True and not any(worker.deaths for worker in ledger.workers.values())
    seen = depths if depths and comparable else {}
    done = _done_by_queue(ledger)
    queues = {
        queue.name: _queue_figures(queue, warmup, window_s, seen, done[queue.name]) for queue in ledger.queues.values()
    }
    only = next(iter(queues.values())).latency if len(queues) == 1 else None
    accounts = ledger.queues.values()
    workers = {worker.name: _worker_figures(worker, warmup, window_s) for worker in ledger.workers.values()}
    times = {
        name: Times(each.busy_s, each.wait_put_s, each.wait_get_s, each.sleep_s, each.puts, each.gets)
        for name, each in workers.items()
    }
    paced = {worker.group for worker in ledger.workers.values() if worker.paced}
    held = {queue.name: Queue(queue.maxsize, queue.max_depth_warm) for queue in accounts}
    limit = bottleneck(ledger.groups, times, held, window_s, paced)
    return Summary(
        status=_status(ledger, verdict),
        exit_code=None,
        run=start.run if start else None,
        seed=start.seed if start else None,
        engine=start.engine if start else None,
        config_digest=start.config_digest if start else None,
        plan_digest=start.plan_digest if start else None,
        wall_s=None,
        makespan_s=makespan_s,
        items=items,
        throughput=_done_since(ledger) / window_s if window_s else None,
        latency=only or joined([each.latency for each in accounts]),
        wait_put=joined([each.put_wait for each in accounts]),
        wait_get=joined([each.get_wait for each in accounts]),
        service=joined([ledger.service]),
        lateness=joined([ledger.lateness]),
        sojourn=joined([ledger.sojourn]),
        queues=queues,
        workers=workers,
        audit=Audit(verdict.valid, verdict.count),
        clocks=_clocks(ledger),
        bottleneck=limit.sentence if limit and items.done else None,
    )


def _status(ledger: Ledger | OrderedBooks, verdict: Verdict) -> str:
    if ledger.end is None or (ledger.end.status == "completed" and verdict.valid is not True):
        return "failed"
    return "ok" if ledger.end.status == "completed" else ledger.end.status


def _clocks(ledger: Ledger | OrderedBooks) -> ClockFigures | None:
    if isinstance(ledger, Ledger) and ledger.clocks.largest_ns:
        return ClockFigures(ledger.clocks.largest_ns / _NS, ledger.below)
    return None


def _items(ledger: Ledger | OrderedBooks, verdict: Verdict) -> Items:
    workers = ledger.workers.values()
    planned = [group.planned for group in ledger.groups.values() if group.role == PRODUCER]
    known = [count for count in planned if count is not None]
    return Items(
        planned=sum(known) if len(known) == len(planned) else None,
        put=sum(worker.puts for worker in workers if worker.role == PRODUCER),
        got=sum(worker.gets for worker in workers if worker.role == CONSUMER),
        done=sum(worker.done for worker in workers if worker.role == CONSUMER),
        lost=verdict.counts.lost,
        duplicated=verdict.counts.duplicated,
        left=ledger.fates[Left],
        redelivered=ledger.redelivered,
        failed=ledger.fates[Failed],
    )


def _done_since(ledger: Ledger | OrderedBooks) -> int:
    """What consumers did after the warm-up."""
    consumers = [worker for worker in ledger.workers.values() if worker.role == CONSUMER]
    return sum(worker.done - ledger.warmup.of_worker(worker.name).done for worker in consumers)


def _done_by_queue(ledger: Ledger | OrderedBooks) -> Mapping[str, list[int]]:
    """What each reader of a queue did after the warm-up."""
    done: dict[str, list[int]] = {name: [] for name in ledger.queues}
    for worker in ledger.workers.values():
        group = ledger.groups.get(worker.group)
        if group is not None and group.source in done:
            done[group.source].append(worker.done - ledger.warmup.of_worker(worker.name).done)
    return done


def _queue_figures(
    queue: QueueAccount | OrderedQueue,
    warmup: Warmup,
    window_s: float,
    depths: Mapping[str, DepthSamples],
    done: Collection[int],
) -> QueueFigures:
    before = warmup.of_queue(queue.name)
    mean_depth = max(0, queue.residence_ns - before.residence_ns) / _NS / window_s if window_s else 0.0
    law = None
    if isinstance(queue, QueueAccount) and queue.name in depths:
        law = littles_law(queue, depths[queue.name])
    latency = joined([queue.latency])
    return QueueFigures(queue.max_depth_warm, mean_depth, latency, law, queue.capacity, fairness(done))


def _worker_figures(worker: WorkerAccount, warmup: Warmup, window_s: float) -> WorkerFigures:
    before = warmup.of_worker(worker.name)
    busy_s = max(0, worker.busy_ns - before.busy_ns) / _NS
    wait_put_s = max(0, worker.blocked_ns - before.blocked_ns) / _NS
    wait_get_s = max(0, worker.starved_ns - before.starved_ns) / _NS
    share = busy_s / window_s if window_s else 0.0
    return WorkerFigures(
        role=worker.role,
        puts=worker.puts,
        gets=worker.gets,
        done=worker.done,
        busy_s=busy_s,
        wait_s=wait_put_s + wait_get_s,
        wait_put_s=wait_put_s,
        wait_get_s=wait_get_s,
        sleep_s=max(0, worker.sleep_ns - before.sleep_ns) / _NS,
        utilization=None if worker.role == PRODUCER else share,
        incarnations=worker.incarnations,
        exit_code=worker.exit_code,
    )
