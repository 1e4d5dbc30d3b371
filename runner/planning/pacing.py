"""Open pacing: items are due at instants that are fixed before the run, whatever happens in it.

due of a worker's first item = 0, due of the next = due + pause of this one. So a due instant is a pure function of the
draws: who puts after a death, or after a pause that was not planned, finds the schedule as it was and is late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.planning.plan import WorkerPlan


def due_ns(worker: WorkerPlan, seq: int) -> int:
    """The instant at which a producer's item is due, in ns since the gate opened.

    Takes a draw for each item before it.

    Args:
        worker: A producer.
        seq: Of one of its items.

    Raises:
        MissingValue: A trace has no value for an item before it.
    """
    group, name = worker.group, worker.name
    first, stride = (worker.position, group.count) if group.split else (0, 1)
    before = range(first, seq, stride)
    pause = group.pause
    if pause.constant is not None:
        return len(before) * pause.constant
    return sum(pause(f"{name}:{earlier}", earlier) for earlier in before)
