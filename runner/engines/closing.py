"""The end of a real-time run: what is left is named, and journals and chronicle become the event log."""

from __future__ import annotations

import gc
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from runner.config import kinds
from runner.engines.contract import Outcome, Status
from runner.log.leftovers import Leftover, leavings
from runner.log.merge import Merge, Owner
from runner.planning.plan import OnError

if TYPE_CHECKING:
    from pathlib import Path

    from runner.log.chronicle import Chronicle
    from runner.planning.plan import GroupPlan, Plan

_ALL: Final = 1 << 62
"""An instant after every other."""


def owners(plan: Plan, folder: Path, chronicle: Chronicle) -> list[Owner]:
    """Whose journals a run has, in plan order; then those of replacements, in the order of their starts."""
    first = {
        worker.name: Owner(worker.name, worker.group.source, worker.group.target, folder / f"{worker.name}.1.journal")
        for worker in plan.workers()
    }
    starts = (entry for _, entry in chronicle.entries if entry["event"] == "worker.start")
    later = [first[entry["worker"]].at(entry["incarnation"]) for entry in starts if entry["incarnation"] > 1]
    return [*first.values(), *later]


def settle(plan: Plan, folder: Path, chronicle: Chronicle, outcome: Outcome) -> Outcome:
    """Name every item that was put and not done: an event each; returns the outcome with its full reason."""
    counts = dict.fromkeys(("left", "failed", "lost"), 0)
    if outcome.status is Status.COMPLETED and outcome.balanced:
        return replace(outcome, fates=counts)
    found = leavings(owners(plan, folder, chronicle), plan.origins.prefix, outcome.recovered)
    errors = [error for _, error in found.errors if error["then"] != OnError.RETRY]
    failed = {(error["queue"], error["id"]): error["why"] for error in errors if "id" in error} | outcome.aside
    dead, handed = _dead_at_the_end(chronicle), _handed_out_again(chronicle)
    for item in found.items:
        again = handed.get((item.queue, item.id), 0)
        if again > item.delivery:
            item = replace(item, delivery=again, worker=None)
        event, level, why = fate(plan, item, outcome, failed.get((item.queue, item.id)), dead)
        counts[event] += 1
        chronicle.add(event, level, queue=item.queue, id=item.id, delivery=item.delivery, worker=item.worker, why=why)
    fatal = [error for error in errors if error["then"] == OnError.FAIL]
    reason = outcome.reason
    if outcome.status is Status.FAILED and fatal and not outcome.aside:
        at = f" at {fatal[0]['id']}" if "id" in fatal[0] else ""
        reason = f"{fatal[0]['worker']} failed{at}: {fatal[0]['why']}"
    return replace(outcome, reason=reason, fates=counts)


def _dead_at_the_end(chronicle: Chronicle) -> dict[str, str]:
    """How those died who were not replaced."""
    dead: dict[str, str] = {}
    for _, entry in chronicle.entries:
        if entry["event"] == "worker.died":
            dead[entry["worker"]] = entry["why"]
        elif entry["event"] == "worker.restart":
            dead.pop(entry["worker"], None)
    return dead


def _handed_out_again(chronicle: Chronicle) -> dict[tuple[str, str], int]:
    """The last delivery of each item that was handed out again."""
    entries = (entry for _, entry in chronicle.entries if entry["event"] == "redelivery")
    return {(entry["queue"], entry["id"]): entry["delivery"] for entry in entries}


def fate(
    plan: Plan, item: Leftover, outcome: Outcome, failure: str | None, dead: dict[str, str]
) -> tuple[str, str, str]:
    """Event, level and reason for an item that was put and not done."""
    if failure is not None:
        return "failed", "error", failure
    held = f"in hand when {dead[item.worker]}; " if item.worker in dead else ""
    if held and not kinds.facts(plan.queue(item.queue).kind).repairable:
        return "lost", "error", held.removesuffix("; ")
    if item.worker is None and item.queue in outcome.gone:
        return "lost", "error", outcome.gone[item.queue]
    if outcome.status is not Status.COMPLETED:
        return "left", "warning", f"{held}the run ended first: {outcome.reason}"
    readers = plan.readers(item.queue)
    holders = readers if item.worker is None else [g for g in readers if item.worker.rpartition("-")[0] == g.name]
    if all(_may_end_early(plan, group) for group in holders):
        return "left", "info", f"{held}every reader of its queue was finished"
    return "lost", "error", f"{held}the run completed without it"


def _may_end_early(plan: Plan, group: GroupPlan) -> bool:
    """Whether the group's workers may end before the stream: by a quota of their own, or of all who come after."""
    if group.target is None:
        return group.quota is not None
    return all(_may_end_early(plan, reader) for reader in plan.readers(group.target))


def write_log(plan: Plan, folder: Path, chronicle: Chronicle, outcome: Outcome, path: Path) -> str:
    """Write the event log, `run.end` last; returns its SHA-256. Raises OSError when the disk is full."""
    from runner.log.encode import Encoding, encoded  # structlog: slow to import, needed only now
    from runner.log.render import Renderer, json_processors

    encoding = Encoding(Renderer(outcome.clock, plan.origins.prefix, json_processors()))
    merge = Merge(owners(plan, folder, chronicle), chronicle, encoding, grow=False)
    digest = hashlib.sha256()
    collecting = gc.isenabled()
    gc.disable()  # a million short-lived tuples and no cycle: the collector would only cost time
    try:
        with path.open("wb") as file:
            while lines := merge.batch(_ALL):
                text = encoded(lines)
                digest.update(text)
                file.write(text)
            level = "info" if outcome.status is Status.COMPLETED else "error"
            redelivered = sum(entry["event"] == "redelivery" for _, entry in chronicle.entries)
            totals = {**merge.totals, **outcome.fates, "redelivered": redelivered}
            totals["put"] += len(outcome.recovered)
            chronicle.add("run.end", level, status=outcome.status, reason=outcome.reason, totals=totals)
            text = encoded(merge.batch(_ALL))
            digest.update(text)
            file.write(text)
    finally:
        merge.close()
        if collecting:
            gc.enable()
    return digest.hexdigest()
