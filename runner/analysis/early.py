"""Gets that returned before the put of their item did: each waits in `early` until that put is logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.analysis import objections
from runner.analysis.accounts import Hold
from runner.analysis.parents import origin_of

if TYPE_CHECKING:
    from runner.analysis.accounts import QueueAccount, WorkerAccount
    from runner.analysis.clocks import Clocks
    from runner.analysis.violations import Violations
    from runner.log.events import Get, Put


def unmatched_get(found: Violations, worker: WorkerAccount, queue: QueueAccount, event: Get, line: int) -> None:
    """Book a get of what does not wait: its put may still return, else `closing` objects."""
    item = event.id
    if item in queue.held:
        objections.to_second_get(found, queue.held[item], event, line)
        return
    origin = event.t_ns - event.latency_ns
    for source in queue.upstream:
        # A stage that is still putting the item holds what it was made of.
        known = origin_of(item, source)
        if known is not None:
            origin = known
    queue.early[item] = queue.held[item] = Hold(worker, event, line, -1, origin)


def check_latency(found: Violations, clocks: Clocks, queue: QueueAccount, place: int, event: Get, line: int) -> None:
    """Object to a get whose instants contradict those of its put."""
    uncertainty = clocks.latency(queue, place, event.worker)
    if event.t_ns - event.latency_ns != queue.began[place] or event.latency_ns < -uncertainty:
        objections.to_latency(found, queue, place, event, line, uncertainty)


def overtaken(found: Violations, clocks: Clocks, queue: QueueAccount, event: Put) -> Get:
    """Book a put, the last in the queue's columns, that returned after its get did; return that."""
    hold = queue.early.pop(event.id)
    get = hold.get
    hold.place = place = len(queue.began) - 1
    queue.overtaken += 1
    check_latency(found, clocks, queue, place, get, hold.line)
    writer = queue.writers[place]
    reader = hold.worker
    later_line = reader.last_line.get(writer, 0)
    if get.delivery == 1:
        if later_line > hold.line:
            objections.to_order(found, get, hold.line, later_line)
        reader.last_place[writer] = place
        reader.last_line[writer] = max(later_line, hold.line)
    handout = queue.handouts.get(event.id)
    if handout is not None and handout.waits:
        queue.waiting[event.id] = place
    return get
