"""What a plan lets expect before anything runs: the load of each queue, and the time the run takes at least.

Rates and loads are those of the time in which the producers produce. They take what a stage puts for what it gets, one
for one, and so end at user code, of which nobody knows what it gives or how long it takes.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import starmap
from math import inf
from typing import TYPE_CHECKING, Final

from runner.config.distributions import MissingValue
from runner.planning.plan import FileItems, Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.planning.draws import Sampler
    from runner.planning.plan import GroupPlan, Plan

MOST_DRAWS: Final = 100_000
"""Beyond so many pauses and services, means are taken for the draws."""
_NS: Final = 1e9


@dataclass(frozen=True, slots=True)
class Load:
    """What one queue has to bear; None is unknown, `inf` is limited by nothing in the plan.

    Attributes:
        queue: Its name.
        items: Items put into it over the whole run.
        arrival_rate: Lambda, items per second while producers produce.
        workers: c, how many get from it.
        service_s: E[S], mean seconds of work on an item.
        erlangs: The offered load, lambda E[S] (A. K. Erlang 1917): workers that would be busy if there were enough.
        utilization: Rho = lambda E[S] / c, the offered load per worker; from 1 on the queue grows.
    """

    queue: str
    items: int | None
    arrival_rate: float | None
    workers: int
    service_s: float | None
    erlangs: float | None
    utilization: float | None


@dataclass(frozen=True, slots=True)
class Bound:
    """A time the run does not fall below.

    Attributes:
        seconds: From the start gate on.
        reason: What takes this long.
        exact: Whether it was computed from the very draws of the run; otherwise from their means.
    """

    seconds: float
    reason: str
    exact: bool


class Flow:
    """How items come to the queues of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def origins(self, queue: str) -> list[GroupPlan] | None:
        """The producers each of whose items comes into a queue once; None where that is not known."""
        found: list[GroupPlan] = []
        for group in self._plan.writers(queue):
            before = [group] if group.source is None else self._passed_on(group)
            if before is None:
                return None
            found += before
        return found

    def _passed_on(self, stage: GroupPlan) -> list[GroupPlan] | None:
        """Whose items a stage puts."""
        if stage.call is not None or stage.source is None or len(self._plan.readers(stage.source)) > 1:
            return None
        return self.origins(stage.source)

    def items(self, queue: str) -> int | None:
        """How many items are put into a queue over the whole run."""
        origins = self.origins(queue)
        if origins is None:
            return None
        planned = [group.planned for group in origins]
        known = [count for count in planned if count is not None]
        return sum(known) if len(known) == len(planned) else None

    def rate(self, queue: str) -> float | None:
        """Items per second that come into a queue; `inf` where no pause limits them."""
        total = 0.0
        for group in self._plan.writers(queue):
            rate = _per_second(group, group.pause) if group.source is None else self._rate_through(group)
            if rate is None:
                return None
            total += rate
        return total

    def _rate_through(self, stage: GroupPlan) -> float | None:
        """What a stage puts: as much as comes, and no more than it can do."""
        if self._passed_on(stage) is None or stage.source is None:
            return None
        rate, capacity = self.rate(stage.source), _capacity(stage)
        return None if rate is None or capacity is None else min(rate, capacity)

    def is_cut(self, queue: str) -> bool:
        """Whether its readers may stop before all items are done, because of their quotas."""
        quotas = [group.planned for group in self._plan.readers(queue)]
        known = [quota for quota in quotas if quota is not None]
        items = self.items(queue)
        return len(known) == len(quotas) and (items is None or sum(known) < items)


def loads(plan: Plan) -> list[Load]:
    """The load of every queue, in plan order."""
    flow = Flow(plan)
    return [_load(plan, flow, queue.name) for queue in plan.queues]


def _load(plan: Plan, flow: Flow, queue: str) -> Load:
    readers = plan.readers(queue)
    workers = sum(group.count for group in readers)
    rate = flow.rate(queue)
    capacities = [capacity for group in readers if (capacity := _capacity(group)) is not None]
    if len(capacities) < len(readers):
        return Load(queue, flow.items(queue), rate, workers, None, None, None)
    # Several groups at one queue: together they work like `workers` with this mean.
    service = workers / sum(capacities) if sum(capacities) else inf
    erlangs = None if rate is None or {rate, service} == {0.0, inf} else rate * service
    return Load(
        queue, flow.items(queue), rate, workers, service, erlangs, None if erlangs is None else erlangs / workers
    )


def _per_second(group: GroupPlan, time: Sampler) -> float:
    mean = time.mean_ns
    return group.count * _NS / mean if mean else inf


def _capacity(group: GroupPlan) -> float | None:
    """Items per second a group can do; None: user code, nobody knows."""
    if group.call is not None:
        return None
    return inf if group.service is None else _per_second(group, group.service)


def shortest(plan: Plan) -> Bound:
    """The largest of all times that the run cannot fall below, as far as they are known before it.

    Each producer makes its pauses one after the other, or goes on for the duration; and what comes into a queue is work
    that all who get from it share, which at best takes its sum divided by their number.
    """
    flow = Flow(plan)
    queues = [queue.name for queue in plan.queues]
    producers = [group for group in plan.groups if group.role is Role.PRODUCER]
    counts = [*(group.planned for group in producers), *(flow.items(queue) for queue in queues)]
    exact = sum(count or 0 for count in counts) <= MOST_DRAWS
    bounds = [_work(plan, flow, queue, exact=exact) for queue in queues]
    if not any(map(flow.is_cut, queues)):
        steady_s = inf if plan.steady is None else plan.steady.over_ns / _NS
        bounds += [_pauses(group, steady_s, exact=exact) for group in producers]
    return max(bounds, key=lambda bound: bound.seconds)


def _pauses(group: GroupPlan, steady_s: float, *, exact: bool) -> Bound:
    """The longest of a producer group's workers; `steady_s`: from when on they may be told to end."""
    end_s, end = inf if group.duration_ns is None else group.duration_ns / _NS, "the duration is over"
    if steady_s < end_s:
        end_s, end = steady_s, "the run is steady"
    reason = f"the pauses of {group.name}"
    ids = _ids(group)
    if ids is None:
        return Bound(0.0 if group.items is not None else end_s, f"{group.name} puts until {end}", True)
    seconds, exact = _longest(group, ids, exact=exact)
    if seconds > end_s:
        return Bound(end_s, f"{reason}, {'cut at the duration' if end_s < steady_s else f'until {end}'}", exact)
    return Bound(seconds, reason, exact)


def _longest(group: GroupPlan, ids: list[range], *, exact: bool) -> tuple[float, bool]:
    """Seconds of the longest sequence of pauses, and whether they are the drawn ones."""
    if exact:
        with suppress(MissingValue):
            sums = [sum(starmap(group.pause, _named(group, place, seqs))) for place, seqs in enumerate(ids)]
            return max(sums) / _NS, True
    most = max(map(len, ids))
    return most and most * group.pause.mean_ns / _NS, False


def _work(plan: Plan, flow: Flow, queue: str, *, exact: bool) -> Bound:
    """All work that comes into a queue, shared by its readers; of several groups the quickest counts."""
    readers = plan.readers(queue)
    workers = sum(group.count for group in readers)
    reason = f"the work of {' and '.join(group.name for group in readers)}"
    services = [group.service for group in readers if group.service is not None and group.call is None]
    items = flow.items(queue)
    if len(services) < len(readers):
        return Bound(0.0, reason, exact=True)
    if flow.is_cut(queue):
        items = sum(group.planned or 0 for group in readers)
    elif exact and items is not None:
        with suppress(MissingValue):
            every = (named for group in flow.origins(queue) or () for named in _all_named(group))
            return Bound(sum(min(s(*named) for s in services) for named in every) / workers / _NS, reason, exact=True)
    mean = min(service.mean_ns for service in services)
    return Bound(mean * items / workers / _NS if items else 0.0, reason, exact=False)


def _ids(group: GroupPlan) -> list[range] | None:
    """The seqs of each of a group's producers; None where only the run will tell."""
    match group.items:
        case range() | tuple():
            length = len(group.items)
        case FileItems(lines=lines):
            length = lines
        case _:
            return None
    if group.split:
        return [range(place, length, group.count) for place in range(group.count)]
    return [range(length)] * group.count


def _named(group: GroupPlan, place: int, seqs: range) -> Iterator[tuple[str, int]]:
    return ((f"{group.name}-{place}:{seq}", seq) for seq in seqs)


def _all_named(group: GroupPlan) -> Iterator[tuple[str, int]]:
    """(id, seq) of every item of a group."""
    for place, seqs in enumerate(_ids(group) or ()):
        yield from _named(group, place, seqs)
