"""What a log says of open pacing: when each put was due, and by how much it began later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.analysis.accounts import PRODUCER
from runner.analysis.violations import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runner.analysis.accounts import WorkerAccount
    from runner.analysis.clocks import Clocks
    from runner.analysis.violations import Violations
    from runner.log.events import Put


def enter(found: Violations, clocks: Clocks, worker: WorkerAccount, event: Put, line: int) -> None:
    """Book a put with a lateness: what a producer puts is due in the order of its puts.

    A recovered put may stand anywhere, so its place in that order is not judged.
    """
    late_ns = event.late_ns or 0
    due_ns = event.t_ns - event.wait_ns - late_ns
    worker.paced += 1
    if worker.role != PRODUCER:
        _object(found, f"late_ns {late_ns}, and no put of a {worker.role or 'stranger'} is due", event, line)
    elif late_ns < 0:
        _object(found, f"late_ns {late_ns} is negative", event, line)
    elif (due_ns < 0 or (not event.recovered and due_ns < worker.due_ns)) and not _explained(clocks, worker, event):
        before = "the run's start" if due_ns < 0 else f"{worker.due_ns} ns, when the put before was"
        _object(found, f"late_ns {late_ns}: it was due at {due_ns} ns, before {before}", event, line)
    if not event.recovered:
        worker.due_ns = due_ns


def _explained(clocks: Clocks, worker: WorkerAccount, event: Put) -> bool:
    """Whether clocks explain that a put was due too early."""
    due_ns = event.t_ns - event.wait_ns - (event.late_ns or 0)
    in_order = event.recovered or due_ns >= worker.due_ns - clocks.between(worker.name, worker.name)
    return in_order and due_ns >= -clocks.between(worker.name, None)


def close(found: Violations, workers: Iterable[WorkerAccount]) -> None:
    """Object to producers of whose puts some are due and others not, once all puts are counted."""
    for worker in workers:
        if 0 < worker.paced < worker.puts:
            message = f"{worker.name}: {worker.paced} of its {worker.puts} puts have a late_ns, the others none"
            found.add(Kind.CAUSALITY, message)


def _object(found: Violations, message: str, event: Put, line: int) -> None:
    found.add(Kind.CAUSALITY, message, line, item=event.id, queue=event.queue)
