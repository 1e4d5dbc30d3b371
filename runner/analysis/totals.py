"""What the counts of closed books must agree with: the plan's numbers of items, and the totals of `run.end`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from runner.analysis.accounts import CONSUMER, PRODUCER
from runner.analysis.violations import Kind
from runner.log.events import Failed, Left, Lost

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from runner.analysis.accounts import WorkerAccount
    from runner.analysis.violations import Violations
    from runner.log.events import Event, GroupFacts, RunEnd


def check_quotas(found: Violations, groups: Mapping[str, GroupFacts], workers: Collection[WorkerAccount]) -> None:
    """Object to a group of producers or consumers that handled more items than were planned for it."""
    handled: Counter[str] = Counter()
    for worker in workers:
        handled[worker.group] += worker.puts if worker.role == PRODUCER else worker.done
    for name, group in groups.items():
        if group.role in (PRODUCER, CONSUMER) and group.planned is not None and handled[name] > group.planned:
            verb = "put" if group.role == PRODUCER else "did"
            message = f"group {name} {verb} {handled[name]} items, {group.planned} were planned"
            found.add(Kind.QUOTA, message)


def check_totals(
    found: Violations,
    end: RunEnd | None,
    workers: Collection[WorkerAccount],
    fates: Mapping[type[Event], int],
    *lines: int,
    **others: int,
) -> None:
    """Object to totals of `run.end` that the log does not come to.

    Args:
        found: Takes the objections.
        end: Whose totals; None: there is no end, and nothing to check.
        workers: All of them.
        fates: How many items were left, failed, lost.
        lines: That of `run.end`, where lines are numbered.
        others: Further totals, as the log counts them.
    """
    if end is None:
        return
    counted = {
        "put": sum(worker.puts for worker in workers),
        "got": sum(worker.gets for worker in workers),
        "done": sum(worker.done for worker in workers),
        "left": fates[Left],
        "failed": fates[Failed],
        "lost": fates[Lost],
        **others,
    }
    for name, count in counted.items():
        if end.totals.get(name, count) != count:
            found.add(Kind.TOTALS, f"run.end counts {end.totals[name]} {name}, the log {count}", *lines)
