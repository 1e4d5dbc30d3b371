"""Which side limits a run, told from where its workers spent the makespan.

A group's *own share* is the part of the makespan its workers spend on what is theirs alone: a producer on its pauses
(and on making its items), a stage or consumer on its service. The rest they wait for others, or have finished. The
group that limits is the one whose own share is near 1 while the others' are not: that is the definition of the
bottleneck as the station of highest utilization (Denning and Buzen, "The Operational Analysis of Queueing Network
Models", ACM Computing Surveys 10, 1978), with the producers' pauses as a station's work.

The rules, in their order; the first that holds is the verdict:

1. Nothing was done, or it took no time: no verdict.
2. The highest own share is at least `FULL`, and every other is at least `APART` below: that group limits. Of producers
   with open pacing it is said that their arrivals do, as no faster producer could change that.
3. The highest own share is at least `FULL`, and others are within `APART`: these are balanced; unless one of them never
   got `APART` of what was put for it, whose queue only grew: then that group limits.
4. One worker's own share is at least `FULL`, and its group's at least `UNEVEN` below: that worker limits. (In a short
   run somebody always is the last, which spreading the work would hardly change.)
5. A bounded queue blocks its writers and keeps its readers waiting, each for at least `NOTICEABLE` of the makespan:
   the queue is too small for how irregular the two sides are. Writers with open pacing catch up; as long as they pause
   for `HALF` of the makespan nothing keeps them from putting what arrives.
6. The highest own share is at least `HALF`, and every other is at least `APART` below: that group limits mostly.
7. The highest is at least `HALF`: these are balanced, and none is always busy. Where open pacing is among them its
   arrivals limit mostly, as everybody else has time to spare.
8. No group is busy: what limits is the queue operations, starting up, or waiting for the last.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from runner.analysis.accounts import PRODUCER

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from runner.log.events import GroupFacts

FULL: Final = 0.85
APART: Final = 0.10
UNEVEN: Final = 0.20
NOTICEABLE: Final = 0.10
HALF: Final = 0.5
SEEN: Final = 0.01
"""Writers blocked for less of the makespan are not worth a word."""


class Side(StrEnum):
    """What limits."""

    GROUP = "group"
    ARRIVALS = "arrivals"
    BALANCED = "balanced"
    WORKER = "worker"
    QUEUE = "queue"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """What limits a run.

    Attributes:
        side: Which kind of thing.
        names: The group (of producers where arrivals do), the groups that are balanced, the worker, or the queue.
        sentence: The same in words, with the figures that say so.
    """

    side: Side
    names: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Times:
    """What is asked of a worker: seconds of service, blocked in puts, waiting in gets, and of a producer's pauses.

    And how many items it put and got, in the whole run.
    """

    busy_s: float
    wait_put_s: float
    wait_get_s: float
    sleep_s: float
    puts: int = 0
    gets: int = 0


@dataclass(frozen=True, slots=True)
class Queue:
    """What is asked of a queue: its declared bound (0: none), and the items it held at most."""

    maxsize: int
    max_depth: int


@dataclass(frozen=True, slots=True)
class _Shares:
    """Parts of the makespan, 0 to 1: of a group on average, and of its busiest worker."""

    name: str
    group: GroupFacts
    own: float
    blocked: float
    """In puts."""
    starved: float
    """In gets."""
    busiest: str
    most: float
    puts: int
    gets: int
    size: int
    """Workers."""
    is_open: bool
    """Whether they are producers with open pacing."""

    @property
    def called(self) -> str:
        return f"the arrivals of {self.name}" if self.is_open else self.name

    @property
    def doing(self) -> str:
        return "pausing" if self.group.role == PRODUCER else "busy"


def bottleneck(
    groups: Mapping[str, GroupFacts],
    workers: Mapping[str, Times],
    queues: Mapping[str, Queue],
    makespan_s: float,
    paced: Collection[str] = (),
) -> Bottleneck | None:
    """Say what limits; None where nothing was done or it took no time.

    Args:
        groups: By name.
        workers: By name.
        queues: By name.
        makespan_s: Seconds.
        paced: Groups of producers with open pacing.
    """
    if makespan_s <= 0:
        return None
    members: dict[str, dict[str, Times]] = {}
    for name, worker in workers.items():
        members.setdefault(name.rpartition("-")[0], {})[name] = worker
    shares = [
        _shares(name, group, members[name], makespan_s, is_open=name in paced)
        for name, group in groups.items()
        if name in members
    ]
    if not shares:
        return None
    top = max(shares, key=lambda each: each.own)
    near = [each for each in shares if each.own > top.own - APART]
    if top.own >= FULL:
        near = _swamped(near, shares) or near
        top = max(near, key=lambda each: each.own)
        return _balanced(near) if len(near) > 1 else _limited(top, shares, queues, makespan_s)
    alone = max(shares, key=lambda each: each.most - each.own if each.most >= FULL else 0.0)
    if alone.most >= FULL and alone.most - alone.own >= UNEVEN:
        return _straggler(alone)
    if (tight := _tight(shares, queues)) is not None:
        return tight
    if top.own >= HALF:
        near = [each for each in near if each.is_open] or near
        top = max(near, key=lambda each: each.own)
        return _balanced(near) if len(near) > 1 else _limited(top, shares, queues, makespan_s, "limited mostly")
    why = "the rest is queue operations, starting up and waiting for the last"
    return Bottleneck(Side.NOBODY, (), f"no side limits: the busiest, {top.name}, is {_told(top)}; {why}")


def _shares(name: str, group: GroupFacts, workers: Mapping[str, Times], makespan_s: float, *, is_open: bool) -> _Shares:
    producer = group.role == PRODUCER
    own = {each: min(1.0, (it.sleep_s if producer else it.busy_s) / makespan_s) for each, it in workers.items()}
    busiest = max(own, key=lambda each: own[each])
    count = len(workers)
    return _Shares(
        name, group,
        own=sum(own.values()) / count,
        blocked=min(1.0, sum(it.wait_put_s for it in workers.values()) / count / makespan_s),
        starved=min(1.0, sum(it.wait_get_s for it in workers.values()) / count / makespan_s),
        busiest=busiest, most=own[busiest],
        puts=sum(it.puts for it in workers.values()),
        gets=sum(it.gets for it in workers.values()),
        size=count, is_open=is_open,
    )  # fmt: skip


def _swamped(near: Sequence[_Shares], shares: Sequence[_Shares]) -> list[_Shares]:
    """Those that never got much of what was put for them, and more than they had hands for."""
    found = []
    for reader in near:
        source = reader.group.source
        put = sum(each.puts for each in shares if source is not None and each.group.target == source)
        got = sum(each.gets for each in shares if each.group.source == source)
        if put - got > max(APART * put, reader.size):
            found.append(reader)
    return found


def _limited(
    top: _Shares, shares: Sequence[_Shares], queues: Mapping[str, Queue], makespan_s: float, how: str = "limited"
) -> Bottleneck:
    told = [_told(top)]
    if top.group.source:
        held_up = [each for each in shares if each.group.target == top.group.source and each.blocked >= SEEN]
        told += [f"{each.name} blocked {_of(each.blocked, makespan_s)}" for each in held_up]
        if not held_up and (most := queues[top.group.source].max_depth):
            told.append(f"queue {top.group.source} grew to {most:,} items")
    if top.group.target:
        kept_waiting = [each for each in shares if each.group.source == top.group.target]
        told += [f"{each.name} waiting {_of(each.starved, makespan_s)}" for each in kept_waiting]
    side = Side.ARRIVALS if top.is_open else Side.GROUP
    return Bottleneck(side, (top.name,), f"{how} by {top.called}: {', '.join(told)}")


def _balanced(near: Sequence[_Shares]) -> Bottleneck:
    told = ", ".join(f"{each.called} {_told(each)}" for each in near)
    return Bottleneck(Side.BALANCED, tuple(each.name for each in near), f"balanced: {told}; a gain needs more of each")


def _straggler(group: _Shares) -> Bottleneck:
    why = f"{group.doing} {_percent(group.most)}, all of {group.name} {_percent(group.own)}"
    return Bottleneck(Side.WORKER, (group.busiest,), f"limited by one worker, {group.busiest}: {why}")


def _tight(shares: Sequence[_Shares], queues: Mapping[str, Queue]) -> Bottleneck | None:
    for name, queue in queues.items():
        writers = [each for each in shares if each.group.target == name and not (each.is_open and each.own >= HALF)]
        blocked = max((each.blocked for each in writers), default=0.0)
        starved = max((each.starved for each in shares if each.group.source == name), default=0.0)
        if queue.maxsize and min(blocked, starved) >= NOTICEABLE:
            why = f"blocks its writers {_percent(blocked)} and lets its readers wait {_percent(starved)} of the time"
            return Bottleneck(Side.QUEUE, (name,), f"limited by queue {name}: maxsize {queue.maxsize:,} {why}")
    return None


def _told(group: _Shares) -> str:
    return f"{group.doing} {_percent(group.own)}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _of(share: float, makespan_s: float) -> str:
    return f"{share * makespan_s:.3g} s of {makespan_s:.3g} s"
