"""What a stage made its items of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.analysis import objections

if TYPE_CHECKING:
    from runner.analysis.accounts import Hold, QueueAccount, WorkerAccount
    from runner.analysis.violations import Violations
    from runner.log.events import Put


def relayed(found: Violations, worker: WorkerAccount, queue: QueueAccount, event: Put, line: int) -> int:
    """Book a stage's put under the item in its hands; return when the put of that item's root began.

    Over all deliveries of the parent, and whoever of the stages had it, each child is put once.
    """
    began = event.t_ns - event.wait_ns
    if worker.source is None:
        return began
    parent, hold = _parent_of(event.id, worker.source)
    if hold is None or hold.worker is not worker:
        objections.to_relay(found, queue, event, line)
        return began
    children = queue.children.setdefault(parent, set())
    if event.id in children:
        objections.to_child(found, event, line)
    children.add(event.id)
    return hold.origin_ns


def recovered(found: Violations, worker: WorkerAccount, queue: QueueAccount, event: Put, line: int) -> int:
    """Book a put that the supervisor logged for a dead stage; return when the put of the item's root began.

    What it was made of may by now be in other hands or done.
    """
    began = event.t_ns - event.wait_ns
    source = worker.source
    if source is None:
        return began
    parent = event.id.rpartition(".")[0]
    if not any(item in source.early or source.was_put(item) for item in (event.id, parent)):
        objections.to_relay(found, queue, event, line)
    origin = origin_of(event.id, source)
    return began if origin is None else origin


def origin_of(item: str, source: QueueAccount) -> int | None:
    """When the put of the root of an item made from queue `source` began; None where nobody has it in hand."""
    parent, hold = _parent_of(item, source)
    if hold is not None:
        return hold.origin_ns
    handout = source.handouts.get(item) or source.handouts.get(parent)
    return None if handout is None else handout.origin_ns


def _parent_of(item: str, source: QueueAccount) -> tuple[str, Hold | None]:
    """Return the item in hand from queue `source` that became `item`: itself, or what it is a part of."""
    if item in source.held:
        return item, source.held[item]
    parent = item.rpartition(".")[0]
    return parent, source.held.get(parent)
