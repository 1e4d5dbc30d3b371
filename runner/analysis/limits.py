"""Which side of a topology limits it: the producers, the group that is varied, or another one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SATURATED: Final = 0.9
"""A group whose workers work for so much of the makespan has nothing left to give."""
_OF_PRODUCTION: Final = ("throughput", "makespan_s")
"""Metrics that producers hold down where nobody else is busy."""


@dataclass(frozen=True, slots=True)
class Share:
    """What the workers of a group do, as means over them of shares of the makespan.

    Attributes:
        role: Of the group.
        utilization: Working; 0 for producers.
        waiting: Blocked in puts and gets; of producers it is waiting for room.
    """

    role: str
    utilization: float
    waiting: float


@dataclass(frozen=True, slots=True)
class Limit:
    """Which side limits.

    Attributes:
        side: `producers`, `group` (the varied one), `other` or `nobody`.
        group: Its name, where it is one group.
        sentence: Why.
    """

    side: str
    group: str | None
    sentence: str


def shares(summaries: Sequence[Mapping[str, Any]]) -> dict[str, Share]:
    """The shares of every group, as means over runs."""
    found: dict[str, list[tuple[str, float, float]]] = defaultdict(list)
    for summary in summaries:
        makespan = summary["makespan_s"]
        for name, worker in summary["workers"].items():
            waiting = worker["wait_s"] / makespan if makespan else 0.0
            found[name.rpartition("-")[0]].append((worker["role"], worker["utilization"] or 0.0, waiting))
    return {group: _mean(rows) for group, rows in found.items()}


def _mean(rows: Sequence[tuple[str, float, float]]) -> Share:
    return Share(rows[0][0], sum(r[1] for r in rows) / len(rows), sum(r[2] for r in rows) / len(rows))


def limit(found: Mapping[str, Share], varied: str | None, metric: str) -> Limit:
    """Say who limits.

    Args:
        found: From `shares`.
        varied: The group whose size is varied; None: it is something else.
        metric: That does not get better.
    """
    working = {name: share for name, share in found.items() if share.role != "producer"}
    name, busiest = max(working.items(), key=lambda each: each[1].utilization)
    blocked = max(share.waiting for share in found.values() if share.role == "producer")
    known = f"{name} works {_percent(busiest.utilization)} of the time, producers are blocked {_percent(blocked)} of it"
    if busiest.utilization >= SATURATED:
        if name == varied:
            return Limit("group", name, f"{name} itself limits: {known}")
        return Limit("other", name, f"{name} limits: {known}")
    if metric in _OF_PRODUCTION:
        return Limit("producers", None, f"the producers limit: no group is busier than {name}; {known}")
    return Limit("nobody", None, f"no side is saturated, what is left is chance and single items' own time; {known}")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
