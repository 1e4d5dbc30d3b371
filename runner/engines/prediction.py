"""What a plan lets expect in figures: by simulation where it can be simulated and is small enough, else by theory.

config --can it be simulated?--> plan --small enough?--> Simulation --> figures
              +-- no --> the reason        +-- no --> formulas of the steady state, where there are any
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING, Final

from runner.analysis.network import theories
from runner.config.simulable import obstacles, simulable
from runner.engines.simulated import books_for, closed
from runner.engines.simulation import Simulation
from runner.planning.forecast import Flow
from runner.planning.plan import Role
from runner.planning.resolve import plan as resolved
from runner.planning.stations import stations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.analysis.summary import Summary
    from runner.config.models import Config
    from runner.planning.plan import GroupPlan, Plan

MOST_ITEMS: Final = 100_000
"""Beyond so many items in one queue nothing is simulated only to be predicted."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """How a run is expected to go; seconds, None where nothing can be said.

    Attributes:
        by: What it comes from: `simulation` or `theory`; None: there is none.
        why: Why there is none.
        status: How the run ends, as in a summary; theory does not know.
        duration_s: From the start gate to the last worker's end.
        throughput: Items done per second of makespan.
        latency_s: Mean time from a put's beginning to the return of its get, over all queues.
        utilization: Of each stage and consumer group, mean share of the makespan in which its workers work.
        max_depth: Of each queue.
    """

    by: str | None
    why: str | None = None
    status: str | None = None
    duration_s: float | None = None
    throughput: float | None = None
    latency_s: float | None = None
    utilization: Mapping[str, float] = field(default_factory=dict)
    max_depth: Mapping[str, int] = field(default_factory=dict)


def predicted(config: Config) -> Prediction:
    """Predict a run; takes some seconds at most, reads no clock and imports no user code."""
    obstacle = next(obstacles(config), None)
    if obstacle is not None:
        return Prediction(None, f"{obstacle[0]} {obstacle[1]}")
    plan = replace(resolved(simulable(config)), timeout_ns=None)
    if config.engine == "threads":
        plan = replace(plan, cores=1)  # Python runs one thread at a time
    known = [Flow(plan).items(queue.name) for queue in plan.queues]
    if max((items for items in known if items is not None), default=0) > MOST_ITEMS:
        return by_theory(plan)
    return _simulated(plan) or by_theory(plan)


def by_theory(plan: Plan) -> Prediction:
    """What formulas say of the steady state of a plan that is too large to be simulated for it; nothing of depths."""
    found = {each.queue: each for each in theories(stations(plan))}
    for each in found.values():
        if each.figures is None:
            why = f"more than {MOST_ITEMS:,} items, and no theory for {each.queue}: {'; '.join(each.why)}"
            return Prediction(None, f"{why}; mprun simulate goes through them all")
    known = {name: each.figures for name, each in found.items() if each.figures is not None}
    flow = Flow(plan)
    rates = {name: figures.throughput for name, figures in known.items()}
    lasting = [items / rates[name] for name in known if (items := flow.items(name)) is not None and rates[name]]
    last = [group.source for group in plan.groups if group.role is Role.CONSUMER]
    latencies = [f.latency_s for f in known.values() if f.latency_s is not None and isfinite(f.latency_s)]
    return Prediction(
        by="theory",
        duration_s=max(lasting, default=None if plan.duration_ns is None else plan.duration_ns / 1e9),
        throughput=sum(rates[name] for name in dict.fromkeys(last) if name is not None),
        latency_s=sum(latencies) / len(latencies) if len(latencies) == len(known) else None,
        utilization={g.name: known[g.source].utilization for g in plan.groups if g.source is not None},
    )


def _simulated(plan: Plan) -> Prediction | None:
    """The figures of a simulation; None where it goes on for too long."""
    books = books_for(plan)
    ended = 0
    for records in Simulation(plan, None).chunks():
        books.enter(records)
        ended = records[-1][1] if records else ended
        if books.most_puts > MOST_ITEMS:
            return None
    summary, _ = closed(books)
    return Prediction(
        by="simulation",
        status=summary.status,
        duration_s=ended / 1e9,
        throughput=summary.throughput,
        latency_s=summary.latency.mean,
        utilization={g.name: _utilization(g, summary) for g in plan.groups if g.role is not Role.PRODUCER},
        max_depth={name: queue.max_depth for name, queue in summary.queues.items()},
    )


def _utilization(group: GroupPlan, summary: Summary) -> float:
    shares = [summary.workers[f"{group.name}-{place}"].utilization or 0.0 for place in range(group.count)]
    return sum(shares) / len(shares)
