"""What the supervisor says at the end of items that were not done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.analysis import objections
from runner.log.events import Lost

if TYPE_CHECKING:
    from runner.analysis.accounts import QueueAccount
    from runner.analysis.violations import Violations
    from runner.log.events import Failed, Left


def seal(found: Violations, queue: QueueAccount, event: Left | Failed | Lost, line: int) -> None:
    """Book the end of an item that waits, or is in somebody's hands."""
    handout = queue.handouts.get(event.id)
    place = queue.waiting.pop(event.id, None)
    if place is not None or (handout is not None and handout.waits):
        _seal_waiting(found, queue, event, line)
        if place is not None:
            queue.abandoned.append(place)
    elif (hold := queue.held.pop(event.id, None)) is None:
        objections.to_fate(found, queue, event, line)
    elif event.worker not in (None, hold.get.worker) or event.delivery != hold.get.delivery:
        objections.to_fate_in_hand(found, hold, event, line)
    if isinstance(event, Lost):
        objections.to_loss(found, event, line)


def _seal_waiting(found: Violations, queue: QueueAccount, event: Left | Failed | Lost, line: int) -> None:
    """Any delivery so far will do: who died may have had the last one without having logged its get."""
    handout = queue.handouts.get(event.id)
    last = 1 if handout is None else handout.delivery
    if not 1 <= event.delivery <= last:
        objections.to_fate_of_delivery(found, last, event, line)
    if handout is not None:
        handout.waits = False
