"""Items handed out again after a death.

    held by the dead ──redelivery──> waiting ──get──> held by another
    waiting (received, and the death came before the get was logged) ──redelivery──> waiting ──get──> …

A redelivery is a put: the get that takes what it put may return, and be logged, before it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.analysis import objections
from runner.analysis.accounts import FAR, Handout, Hold
from runner.analysis.early import check_latency, unmatched_get

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.analysis.accounts import QueueAccount, WorkerAccount
    from runner.analysis.clocks import Clocks
    from runner.analysis.violations import Violations
    from runner.log.events import Get, Redelivery


def redeliver(
    found: Violations,
    clocks: Clocks,
    workers: Mapping[str, WorkerAccount],
    queue: QueueAccount,
    event: Redelivery,
    line: int,
) -> None:
    """Book a redelivery: what a dead worker had in its hands waits again."""
    handout = queue.handouts.setdefault(event.id, Handout())
    if event.delivery != handout.delivery + 1:
        objections.to_redelivery(found, event, handout.delivery, line)
    if event.wait_ns < 0:
        objections.to_wait(found, event, line)
    get, get_line = handout.ahead, handout.ahead_line
    if get is not None and get.delivery == event.delivery:
        uncertainty = clocks.between(get.worker, None)
        if get.t_ns < event.t_ns - event.wait_ns - uncertainty:
            objections.to_early_redelivery(found, event, get, get_line, line, uncertainty)
        previous, handout.previous, handout.ahead = handout.previous, None, None
    else:
        previous = queue.held.pop(event.id, None)
        _wait_again(found, queue, handout, previous, event, line)
    _check_from(found, clocks, workers, queue, previous, event, line)
    handout.delivery = max(event.delivery, handout.delivery)
    handout.t_ns = event.t_ns
    queue.redelivered.append((event.t_ns, line))


def _wait_again(
    found: Violations, queue: QueueAccount, handout: Handout, previous: Hold | None, event: Redelivery, line: int
) -> None:
    place = queue.waiting.get(event.id)
    waited, handout.waits = handout.waits, True
    if previous is not None:
        handout.origin_ns = previous.origin_ns
        if previous.place >= 0:
            queue.waiting[event.id] = previous.place
    elif place is not None:
        handout.origin_ns = queue.origins[place]
        queue.slipped.append(handout.t_ns if handout.delivery > 1 else queue.returned[place])
    elif not waited and (event.id in queue.early or queue.was_put(event.id)):
        objections.to_late_redelivery(found, event, line)
        handout.waits = False
    else:
        queue.slipped.append(event.t_ns)
        queue.unseen[event.id] = line


def _check_from(
    found: Violations,
    clocks: Clocks,
    workers: Mapping[str, WorkerAccount],
    queue: QueueAccount,
    previous: Hold | None,
    event: Redelivery,
    line: int,
) -> None:
    """Object where the item was not in the hands of a dead reader of the queue."""
    got_ns = -FAR if previous is None else previous.get.t_ns
    holder = None if previous is None else previous.worker
    worker = holder if event.dead is None else workers.get(event.dead)
    if event.dead is not None and (worker is None or worker.source is not queue):
        objections.to_redelivery_from(found, event, f"{event.dead} does not read that queue", line)
    elif previous is not None and worker is not holder:
        objections.to_redelivery_from(found, event, f"{previous.get.worker} holds it", previous.line, line)
    elif worker is not None and (worker.dead_ns == -FAR or worker.dead_ns < got_ns - clocks.between(worker.name, None)):
        objections.to_redelivery_of_the_living(found, event, worker.name, line)


def get_again(
    found: Violations, clocks: Clocks, worker: WorkerAccount, queue: QueueAccount, event: Get, line: int
) -> None:
    """Book a get of an item that was or is to be redelivered."""
    item = event.id
    handout = queue.handouts.setdefault(item, Handout())
    overtakes = event.delivery == handout.delivery + 1 and handout.ahead is None
    if overtakes:
        _expect_redelivery(queue, handout, event, line)
    elif event.delivery != handout.delivery:
        objections.to_delivery(found, handout.delivery, event, line)
    handout.waits = False
    place = queue.waiting.pop(item, None)
    if place is None:
        before = queue.early.get(item)
        if before is not None and before.get.t_ns - before.get.latency_ns != event.t_ns - event.latency_ns:
            objections.to_latencies(found, before, event, line)
        unmatched_get(found, worker, queue, event, line)
        return
    check_latency(found, clocks, queue, place, event, line)
    if not overtakes:
        queue.residence_ns += max(0, event.t_ns - max(queue.returned[place], handout.t_ns))
    queue.held[item] = Hold(worker, event, line, place, queue.origins[place])


def _expect_redelivery(queue: QueueAccount, handout: Handout, event: Get, line: int) -> None:
    handout.ahead, handout.ahead_line = event, line
    handout.previous = previous = queue.held.pop(event.id, None)
    place = queue.waiting.get(event.id)
    if previous is None:
        queue.slipped.append(event.t_ns if place is None else queue.returned[place])
    else:
        handout.origin_ns = previous.origin_ns
        if previous.place >= 0:
            queue.waiting[event.id] = previous.place
    if place is not None:
        handout.origin_ns = queue.origins[place]
