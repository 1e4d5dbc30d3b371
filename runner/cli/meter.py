"""What a live display shows of a run: figures read from the status board, look after look.

    board --columns--> Meter (keeps the last seconds) --> Reading (frozen; drawn elsewhere)

Rates and shares are those of the last ten seconds, as far as there are so many; a rate over the whole run would go on
telling of its beginning.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from operator import ne
from typing import TYPE_CHECKING, Final

from runner.engines.board import BLOCKED, DONES, GETS, PUTS, SKIPPED, STATE, State
from runner.planning.forecast import Flow
from runner.planning.plan import Role

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.engines.contract import LiveRun
    from runner.planning.plan import GroupPlan, Plan, QueuePlan

MOST_WORKERS: Final = 16
"""With more, only groups are shown."""
WINDOW_NS: Final = 10_000_000_000
_FEW: Final = 10
"""Fewer items than this within the window say little about a rate: then the whole run tells more."""
_WAITING: Final = frozenset({int(State.PUTTING), int(State.GETTING)})
_LOOKS_KEPT: Final = 400


@dataclass(frozen=True, slots=True)
class Row:
    """A group, or one worker.

    Attributes:
        name: Its name.
        is_group: Whether it is a group.
        workers: How many it stands for.
        done: Items put (producers) or done.
        total: Of how many; None: not known.
        rate: Items per second; None before there is any.
        blocked: Share of its workers' time spent waiting in puts and gets; None as for `rate`, or when all have ended.
        state: What the worker is doing; None for several.
    """

    name: str
    is_group: bool
    workers: int
    done: int
    total: int | None
    rate: float | None
    blocked: float | None
    state: State | None


@dataclass(frozen=True, slots=True)
class Level:
    """A queue.

    Attributes:
        name: Its name.
        depth: Items in it now.
        most: The largest depth that was seen.
        maxsize: What it may hold; 0: no declared bound.
        past: Depths of the looks before, this one last.
    """

    name: str
    depth: int
    most: int
    maxsize: int
    past: Sequence[int]


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at a run.

    Attributes:
        name: Of the run.
        workers: How many there are.
        ready: How many of them are ready or beyond.
        ended: How many have come to their end.
        seconds: Since the start gate opened; None before.
        left_s: Until the end, as things go; None: not known.
        deaths: Workers that have died.
        rows: Groups, and workers where there are few.
        levels: Queues.
        look_s: Mean time between two looks.
    """

    name: str
    workers: int
    ready: int
    ended: int
    seconds: float | None
    left_s: float | None
    deaths: int
    rows: tuple[Row, ...]
    levels: tuple[Level, ...]
    look_s: float


@dataclass(frozen=True, slots=True)
class _Look:
    """What every worker had done at an instant, in plan order: items settled, and ns blocked."""

    instant: int
    settled: list[int]
    blocked: list[int]


class Meter:
    """Reads a run's board again and again.

    Args:
        run: What it reads.
    """

    def __init__(self, run: LiveRun) -> None:
        self._run = run
        plan = run.plan
        self._totals = {group.name: _total(plan, group) for group in plan.groups}
        self._bounds = _bounds(plan)
        self._looks: deque[_Look] = deque()
        self._past = {queue.name: deque[int](maxlen=_LOOKS_KEPT) for queue in plan.queues}
        self._most = dict.fromkeys(self._past, 0)
        self._operations: list[int] = []
        self._since: list[int] = []
        self._first_look = 0
        self._deaths = self._entries = 0

    def read(self, now_ns: int) -> Reading:
        """How things stand, as of `now_ns` on the monotonic clock."""
        board, plan = self._run.board, self._run.plan
        states = board.column(STATE)
        counts = {word: board.column(word) for word in (PUTS, GETS, DONES, SKIPPED, BLOCKED)}
        opened = board.zero
        look = self._look(now_ns, opened, states, counts)
        before = self._looks[0]
        rows = tuple(self._rows(before, look, states, counts)) if opened else ()
        return Reading(
            name=plan.name,
            workers=plan.size,
            ready=sum(state >= State.READY for state in states),
            ended=sum(state >= State.FINISHED for state in states),
            seconds=(now_ns - opened) / 1e9 if opened else None,
            left_s=self._left(before, look) if opened else None,
            deaths=self._count_deaths(),
            rows=rows,
            levels=tuple(self._level(queue, counts) for queue in plan.queues) if opened else (),
            look_s=self._look_s(now_ns),
        )

    def _look(self, now_ns: int, opened: int, states: list[int], counts: Mapping[int, list[int]]) -> _Look:
        """Remember what is needed of this look, forget what is older than the window."""
        plan = self._run.plan
        settled = [done + aside for done, aside in zip(counts[DONES], counts[SKIPPED], strict=True)]
        for group in plan.groups:
            if group.role is Role.PRODUCER:
                span = slice(group.first, group.first + group.count)
                settled[span] = counts[PUTS][span]
        look = _Look(now_ns, settled, self._blocked(now_ns, states, counts))
        if not self._looks or not opened:
            self._looks.clear()
            nothing = [0] * plan.size
            self._looks.append(_Look(opened or now_ns, nothing, nothing))
        while len(self._looks) > 1 and self._looks[1].instant <= now_ns - WINDOW_NS:
            self._looks.popleft()
        self._looks.append(look)
        return look

    def _blocked(self, now_ns: int, states: list[int], counts: Mapping[int, list[int]]) -> list[int]:
        """Time blocked so far, with what has not returned yet: from the first look at which it stood still."""
        operations = [puts + gets for puts, gets in zip(counts[PUTS], counts[GETS], strict=True)]
        if not self._operations:
            self._since = [now_ns] * len(operations)
        else:
            moved = map(ne, operations, self._operations)
            self._since = [now_ns if m else since for m, since in zip(moved, self._since, strict=True)]
        self._since = [since if state in _WAITING else now_ns for since, state in zip(self._since, states, strict=True)]
        self._operations = operations
        return [known + now_ns - since for known, since in zip(counts[BLOCKED], self._since, strict=True)]

    def _rows(self, before: _Look, look: _Look, states: list[int], counts: Mapping[int, list[int]]) -> list[Row]:
        plan, rows = self._run.plan, list[Row]()
        for group in plan.groups:
            done = counts[PUTS if group.role is Role.PRODUCER else DONES]
            span = range(group.first, group.first + group.count)
            rows.append(_row(group.name, True, span, done, self._totals[group.name], before, look, states))
            if group.count > 1 and plan.size <= MOST_WORKERS:
                share = _share(group)
                rows += [
                    _row(f"{group.name}-{at - group.first}", False, range(at, at + 1), done, share, before, look,
                         states)
                    for at in span
                ]  # fmt: skip
        return rows

    def _level(self, queue: QueuePlan, counts: Mapping[int, list[int]]) -> Level:
        tell = self._run.depths.get(queue.name)
        depth = tell() if tell is not None else None
        if depth is None:
            plan = self._run.plan
            put = sum(sum(counts[PUTS][g.first : g.first + g.count]) for g in plan.writers(queue.name))
            got = sum(sum(counts[GETS][g.first : g.first + g.count]) for g in plan.readers(queue.name))
            depth = max(0, put - got)
        self._past[queue.name].append(depth)
        self._most[queue.name] = max(self._most[queue.name], depth)
        return Level(queue.name, depth, self._most[queue.name], queue.maxsize, self._past[queue.name])

    def _left(self, before: _Look, look: _Look) -> float | None:
        """Until the last queue whose total is known is done with, at the rate of now; else until `duration` is over."""
        plan = self._run.plan
        times = [_time_left(total, at, before, look, self._run.board.zero) for total, at in self._bounds]
        if times:
            return None if None in times else max(time for time in times if time is not None)
        if plan.duration_ns is not None:
            return max(0.0, (plan.duration_ns - (look.instant - self._run.board.zero)) / 1e9)
        return None

    def _count_deaths(self) -> int:
        entries = self._run.chronicle.entries
        self._deaths += sum(entry["event"] == "worker.died" for _, entry in entries[self._entries :])
        self._entries = len(entries)
        return self._deaths

    def _look_s(self, now_ns: int) -> float:
        looks = len(self._looks) - 1
        return (now_ns - self._looks[0].instant) / 1e9 / looks if looks else 0.0


def _row(
    name: str, is_group: bool, span: range, done: list[int], total: int | None, before: _Look, look: _Look,
    states: list[int],
) -> Row:  # fmt: skip
    at, passed = slice(span.start, span.stop), look.instant - before.instant
    rate = blocked = None
    if passed > 0:
        rate = (sum(look.settled[at]) - sum(before.settled[at])) * 1e9 / passed
        if any(state < State.FINISHED for state in states[at]):
            waited = sum(look.blocked[at]) - sum(before.blocked[at])
            blocked = min(1.0, max(0.0, waited / passed / len(span)))
    state = State(states[span.start]) if len(span) == 1 else None
    return Row(name, is_group, len(span), sum(done[at]), total, rate, blocked, state)


def _total(plan: Plan, group: GroupPlan) -> int | None:
    """Items a group puts or does over the whole run, where that can be told."""
    if group.planned is not None or group.source is None:
        return group.planned
    return Flow(plan).items(group.source) if len(plan.readers(group.source)) == 1 else None


def _share(group: GroupPlan) -> int | None:
    """Items one worker of a group puts or does, where they all do the same number."""
    if group.quota is not None:
        return group.quota
    each = group.role is Role.PRODUCER and not group.split and group.planned is not None
    return group.planned // group.count if each and group.planned is not None else None


def _bounds(plan: Plan) -> list[tuple[int, list[int]]]:
    """For each queue of which it is known: items that will be settled, and the readers by which."""
    bounds = []
    for queue in plan.queues:
        readers = plan.readers(queue.name)
        items, quotas = Flow(plan).items(queue.name), [group.planned for group in readers]
        known = [quota for quota in quotas if quota is not None]
        aims = [aim for aim in (items, sum(known) if len(known) == len(quotas) else None) if aim is not None]
        if aims:
            workers = [at for group in readers for at in range(group.first, group.first + group.count)]
            bounds.append((min(aims), workers))
    return bounds


def _time_left(total: int, workers: list[int], before: _Look, look: _Look, zero: int) -> float | None:
    settled = sum(look.settled[at] for at in workers)
    if settled >= total:
        return 0.0
    fresh, passed = settled - sum(before.settled[at] for at in workers), look.instant - before.instant
    if fresh < _FEW:
        fresh, passed = settled, look.instant - zero
    return (total - settled) * passed / fresh / 1e9 if fresh else None
