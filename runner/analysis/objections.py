"""What a log can be wrong in, in words: each function adds what it finds to the violations.

The ledger calls these only where it has seen a contradiction, so they may look closer at leisure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.analysis.violations import Kind

if TYPE_CHECKING:
    from runner.analysis.accounts import Hold, QueueAccount, WorkerAccount
    from runner.analysis.violations import Violations
    from runner.log.events import Done, Failed, Get, Left, Lost, Put, Redelivery, WorkerExit, WorkerStart


def to_time(found: Violations, t_ns: int, before_ns: int, line: int) -> None:
    """Object to a line that is earlier than the one before."""
    found.add(Kind.CAUSALITY, f"t_ns {t_ns} follows {before_ns}", line - 1, line)


def to_absence(found: Violations, when: str, event: Put | Get | Done, line: int) -> None:
    """Object to an event outside its worker's lifetime."""
    _add(found, Kind.CAUSALITY, f"{event.worker}: {_verb(event)} {when}", event, line)


def to_start(found: Violations, worker: WorkerAccount, event: WorkerStart, line: int) -> None:
    """Object to an incarnation that starts while another lives, or bears its number."""
    number = worker.incarnations + 1 if event.incarnation is None else event.incarnation
    message = f"{worker.name}: incarnation {number} starts, and {worker.incarnations} has not ended or had that number"
    found.add(Kind.CAUSALITY, message, line)


def to_lifetime(found: Violations, worker: WorkerAccount, event: WorkerExit, line: int) -> None:
    """Object to a worker that did more than its lifetime has room for."""
    lived = event.t_ns - worker.started_ns
    message = f"{worker.name}: waited and worked for {worker.used_ns} ns, it lived for {lived}"
    found.add(Kind.CAUSALITY, message, line)


def to_overlap(found: Violations, wait_ns: int, event: Put | Get, line: int) -> None:
    """Object to an operation that began before its worker's last one of that sort returned."""
    verb = _verb(event)
    before = f"its {verb} before it returned at the same instant and waited for {wait_ns}"
    _add(found, Kind.CAUSALITY, f"{event.worker}: {verb} waited for {event.wait_ns} ns, {before}", event, line)


def to_place(found: Violations, own: QueueAccount | None, event: Put | Get | Done, line: int) -> None:
    """Object to a worker at a queue that is not its own."""
    why = f"its queue is {own.name}" if own else "it has no queue for that"
    _add(found, Kind.UNEXPECTED, f"{event.worker}: {_verb(event)} in {event.queue}, but {why}", event, line)


def to_wait(found: Violations, event: Put | Get | Redelivery, line: int) -> None:
    """Object to an operation that returned before it began."""
    if event.wait_ns < 0:
        _add(found, Kind.CAUSALITY, f"wait_ns {event.wait_ns} is negative", event, line)


def to_put(found: Violations, event: Put, line: int) -> None:
    """Object to a put for its wait or its delivery."""
    to_wait(found, event, line)
    if event.delivery != 1:
        _add(found, Kind.DUPLICATED, f"put with delivery {event.delivery}, a put has 1", event, line)


def to_delivery(found: Violations, delivery: int, event: Get, line: int) -> None:
    """Object to a get of another delivery than the one handed out."""
    message = f"got with delivery {event.delivery}, by the redeliveries so far it is {delivery}"
    _add(found, Kind.DUPLICATED, message, event, line)


def to_latencies(found: Violations, before: Hold, event: Get, line: int) -> None:
    """Object to two gets of one item that disagree on when its put began."""
    began = before.get.t_ns - before.get.latency_ns
    message = f"latency_ns {event.latency_ns}, by the get before its put began at {began} ns"
    _add(found, Kind.CAUSALITY, message, event, before.line, line)


def to_seq(found: Violations, queue: QueueAccount, last_id: str, event: Put, line: int) -> None:
    """Object to a producer's id that does not come after the one before."""
    if queue.was_put(event.id):
        _add(found, Kind.DUPLICATED, f"put into {event.queue} a second time", event, line)
    else:
        _add(found, Kind.ORDER, f"put after {last_id}, the seqs of a producer grow", event, line)


def to_name(found: Violations, event: Put, line: int) -> None:
    """Object to a producer's item that bears another name."""
    _add(found, Kind.UNEXPECTED, f"put by {event.worker}, whose items are {event.worker}:<seq>", event, line)


def to_relay(found: Violations, queue: QueueAccount, event: Put, line: int) -> None:
    """Object to a stage putting what it was not given."""
    if queue.was_put(event.id):
        _add(found, Kind.DUPLICATED, f"put into {event.queue} a second time", event, line)
    else:
        _add(found, Kind.UNEXPECTED, f"put by {event.worker}, which did not hold what it comes from", event, line)


def to_child(found: Violations, event: Put, line: int) -> None:
    """Object to a stage putting the same id twice while it holds one item."""
    _add(found, Kind.DUPLICATED, f"put into {event.queue} a second time", event, line)


def to_latency(
    found: Violations, queue: QueueAccount, place: int, event: Get, line: int, uncertainty_ns: int = 0
) -> None:
    """Object to instants of a get that contradict those of its put, by more than their clocks explain."""
    began = queue.began[place]
    put_line = queue.lines[place]
    if event.t_ns < began - uncertainty_ns:
        message = f"got at {event.t_ns} ns, its put began at {began} ns{_beyond(uncertainty_ns)}"
        _add(found, Kind.CAUSALITY, message, event, put_line, line)
    else:
        message = f"latency_ns {event.latency_ns}, from its put's beginning it is {event.t_ns - began}"
        _add(found, Kind.CAUSALITY, message, event, put_line, line)


def to_order(found: Violations, event: Get, *lines: int) -> None:
    """Object to one writer's items reaching one reader in another order than they were put."""
    message = f"{event.worker} got it out of the order in which it was put"
    _add(found, Kind.ORDER, message, event, *lines)


def to_second_get(found: Violations, hold: Hold, event: Get, line: int) -> None:
    """Object to a get of an item that is in somebody's hands."""
    _add(found, Kind.DUPLICATED, f"got by {event.worker}, {hold.get.worker} holds it", event, hold.line, line)


def to_unmatched_done(found: Violations, queue: QueueAccount, event: Done, line: int) -> None:
    """Object to a `done` of an item that nobody holds."""
    place = queue.waiting.get(event.id)
    if place is not None:
        message = f"done by {event.worker} before anybody got it"
        _add(found, Kind.CAUSALITY, message, event, queue.lines[place], line)
    elif event.id in queue.early or queue.was_put(event.id):
        _add(found, Kind.DUPLICATED, f"done by {event.worker} a second time", event, line)
    else:
        _add(found, Kind.UNEXPECTED, f"done by {event.worker}, nobody put or got it", event, line)


def to_done(found: Violations, hold: Hold, event: Done, line: int) -> None:
    """Object to a `done` that does not fit its get."""
    get = hold.get
    if get.worker != event.worker:
        message = f"done by {event.worker}, {get.worker} holds it"
        _add(found, Kind.UNEXPECTED, message, event, hold.line, line)
    if get.delivery != event.delivery:
        message = f"done with delivery {event.delivery}, got with {get.delivery}"
        _add(found, Kind.DUPLICATED, message, event, hold.line, line)
    held_ns = event.t_ns - get.t_ns
    if not 0 <= event.service_ns <= held_ns:
        message = f"service_ns {event.service_ns}, it was held for {held_ns}"
        _add(found, Kind.CAUSALITY, message, event, hold.line, line)


def to_redelivery(found: Violations, event: Redelivery, before: int, line: int) -> None:
    """Object to a redelivery that skips or repeats a number."""
    message = f"redelivery number {event.delivery} follows {before}"
    _add(found, Kind.DUPLICATED, message, event, line)


def to_late_redelivery(found: Violations, event: Redelivery, line: int) -> None:
    """Object to a redelivery of an item that has come to its end."""
    _add(found, Kind.UNEXPECTED, "redelivered, but it was done or had its fate before", event, line)


def to_early_redelivery(
    found: Violations, event: Redelivery, get: Get, get_line: int, line: int, uncertainty_ns: int = 0
) -> None:
    """Object to a get that took what its redelivery had not begun to put, by more than their clocks explain."""
    began = event.t_ns - event.wait_ns
    message = f"got at {get.t_ns} ns, its redelivery began at {began} ns{_beyond(uncertainty_ns)}"
    _add(found, Kind.CAUSALITY, message, event, get_line, line)


def to_redelivery_from(found: Violations, event: Redelivery, why: str, *lines: int) -> None:
    """Object to a redelivery from the hands of one who did not have the item."""
    _add(found, Kind.UNEXPECTED, f"redelivered from {event.dead}, but {why}", event, *lines)


def to_redelivery_of_the_living(found: Violations, event: Redelivery, worker: str, line: int) -> None:
    """Object to a redelivery of what a worker that has not died may still do."""
    _add(found, Kind.CAUSALITY, f"redelivered from {worker}, which has not died since it got it", event, line)


def to_second_put(found: Violations, queue: QueueAccount, item: str, first: int, second: int) -> None:
    """Object to two puts of one id, at these places of the queue's columns, one of them recovered."""
    lines = queue.lines[first], queue.lines[second]
    message = f"put into {queue.name} a second time"
    found.add(Kind.DUPLICATED, message, *lines, item=item, queue=queue.name)


def to_recovery(found: Violations, event: Put, line: int) -> None:
    """Object to a put logged for a worker that can log its own."""
    _add(found, Kind.CAUSALITY, f"put recovered for {event.worker}, which has not died", event, line)


def to_fate(found: Violations, queue: QueueAccount, event: Left | Failed | Lost, line: int) -> None:
    """Object to a fate of an item that is neither waiting nor held."""
    what = type(event).__name__.lower()
    why = "it was done or had its fate before" if queue.was_put(event.id) else "nobody put it"
    found.add(Kind.UNEXPECTED, f"called {what}, but {why}", line, item=event.id, queue=event.queue)


def to_fate_in_hand(found: Violations, hold: Hold, event: Left | Failed | Lost, line: int) -> None:
    """Object to a fate told of other hands than the item is in."""
    what = type(event).__name__.lower()
    told = f"called {what} in the hands of {event.worker} with delivery {event.delivery}"
    message = f"{told}, {hold.get.worker} holds it with {hold.get.delivery}"
    found.add(Kind.UNEXPECTED, message, hold.line, line, item=event.id, queue=event.queue)


def to_fate_of_delivery(found: Violations, delivery: int, event: Left | Failed | Lost, line: int) -> None:
    """Object to a fate of a delivery that there was not."""
    what = type(event).__name__.lower()
    message = f"called {what} with delivery {event.delivery}, by the redeliveries it is {delivery}"
    found.add(Kind.UNEXPECTED, message, line, item=event.id, queue=event.queue)


def to_loss(found: Violations, event: Lost, line: int) -> None:
    """Object to an item the run itself calls lost."""
    found.add(Kind.LOST, f"the run itself says so: {event.why}", line, item=event.id, queue=event.queue)


def _beyond(uncertainty_ns: int) -> str:
    return f", and their clocks agree to {uncertainty_ns} ns" if uncertainty_ns else ""


def _verb(event: Put | Get | Done) -> str:
    return type(event).__name__.lower()


def _add(found: Violations, kind: Kind, message: str, event: Put | Get | Done | Redelivery, *lines: int) -> None:
    found.add(kind, message, *lines, item=event.id, queue=event.queue)
