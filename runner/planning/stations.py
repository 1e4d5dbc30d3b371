"""The queues of a plan as queueing theory sees them: streams of items, servers, times by their first two moments."""

from __future__ import annotations

from dataclasses import dataclass
from math import isinf
from typing import TYPE_CHECKING

from runner.config.distributions import Erlang, Exponential, Gamma, Trace, Weibull
from runner.planning.forecast import Flow
from runner.planning.plan import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.planning.draws import Sampler
    from runner.planning.plan import GroupPlan, Plan

_ALIKE = 0.02
"""Producers whose last items are apart by less than this share of their time count as ending together."""


@dataclass(frozen=True, slots=True)
class Times:
    """A law of times.

    Attributes:
        mean_s: Mean, in seconds; `inf` where it is infinite.
        scv: Squared coefficient of variation, variance over squared mean; 0 where the mean is 0.
        memoryless: Whether it is exponential.
    """

    mean_s: float
    scv: float
    memoryless: bool


@dataclass(frozen=True, slots=True)
class Feed:
    """A group of `count` producers, each of which puts and then pauses, or with open pacing puts at fixed instants."""

    count: int
    pause: Times
    open: bool = False


@dataclass(frozen=True, slots=True)
class Station:
    """A queue with those who put into it and get from it.

    Attributes:
        queue: Its name.
        feeds: Its producers.
        upstream: Queues whose stages put here.
        servers: How many get from it.
        service: Work on one item.
        room: Items it holds at most; None: no limit is known.
        items: Items that come over the whole run; None: nobody knows.
        caveats: Why no formula holds exactly.
        unknown: Why nothing can be said; None: something can.
    """

    queue: str
    feeds: tuple[Feed, ...]
    upstream: tuple[str, ...]
    servers: int
    service: Times
    room: int | None
    items: int | None
    caveats: tuple[str, ...]
    unknown: str | None


def stations(plan: Plan) -> list[Station]:
    """Every queue of a plan, in plan order."""
    flow = Flow(plan)
    return [_station(plan, flow, queue.name) for queue in plan.queues]


def times(sampler: Sampler | None) -> Times:
    """What formulas need of planned times; None is no time at all."""
    if sampler is None or sampler.constant is not None or sampler.mean_ns == 0:
        return Times(0.0 if sampler is None else sampler.mean_ns / 1e9, 0.0, memoryless=False)
    law = sampler.law
    mean = law.mean()
    # An infinite mean says all there is to say of a law.
    scv = 0.0 if isinf(mean) else law.variance() / mean**2
    return Times(sampler.mean_ns / 1e9, scv, _is_exponential(sampler))


def _is_exponential(sampler: Sampler) -> bool:
    match sampler.law:
        case Exponential() | Erlang(k=1) | Gamma(shape=1) | Weibull(shape=1):
            return True
    return False


def _station(plan: Plan, flow: Flow, name: str) -> Station:
    queue, readers = plan.queue(name), plan.readers(name)
    producers = [group for group in plan.writers(name) if group.source is None]
    return Station(
        queue=name,
        feeds=tuple(Feed(group.count, times(group.pause), group.open) for group in producers),
        upstream=tuple(group.source for group in plan.writers(name) if group.source is not None),
        servers=sum(group.count for group in readers),
        service=times(readers[0].service),
        room=queue.capacity,
        items=flow.items(name),
        caveats=tuple(_caveats([*producers, *readers])),
        unknown=_unknown(plan, name, queue.batch),
    )


def _unknown(plan: Plan, name: str, batch: int) -> str | None:
    """Why theory has nothing to say of a queue."""
    readers = plan.readers(name)
    calling = [group for group in readers if group.call is not None]
    if calling:
        return f"nobody knows how long {calling[0].name} calls {calling[0].call.target}"  # type: ignore[union-attr]
    if len({times(group.service) for group in readers}) > 1:
        return f"{' and '.join(group.name for group in readers)} work at different speeds, who gets what is chance"
    if batch > 1:
        return f"who gets takes up to {batch} items at once, which wait in hand"
    for stage in plan.writers(name):
        if stage.source is None:
            if stage.duration_ns is None and stage.planned is None:
                return f"nobody knows when {stage.name}'s user code gives its items"
        elif stage.call is not None:
            return f"nobody knows what {stage.name} gives"
        elif len(plan.readers(stage.source)) > 1:
            return f"how much of {stage.source} goes to {stage.name} is chance"
    return None


def _caveats(groups: list[GroupPlan]) -> Iterator[str]:
    """What the plan has that no formula knows of."""
    producers = [group for group in groups if group.role is Role.PRODUCER]
    ends = {_seconds(group) for group in producers} - {None}
    finite = [end for end in ends if end is not None]
    if len(finite) > 1 and max(finite) - min(finite) > _ALIKE * max(finite):
        yield "some producers end before others; it holds while all produce"
    for group in groups:
        law = (group.pause if group.role is Role.PRODUCER else group.service) or group.pause
        if isinstance(law.law, Trace):
            yield f"{group.name} follows a trace, whose values are taken for independent"
        if group.busy:
            yield f"{group.name} burns CPU; it holds while every worker has a processor"
        if group.faults:
            yield f"the faults of {group.name} are left out"


def _seconds(group: GroupPlan) -> float | None:
    """How long a group produces on average; None: unknown."""
    if group.planned is None:
        return None
    return group.planned / group.count * group.pause.mean_ns / 1e9
