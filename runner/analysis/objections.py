"""What a log can be wrong in, in words: each function adds what it finds to the violations.

The ledger calls these only where it has seen a contradiction, so they may look closer at leisure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.analysis.accounts import FAR
from runner.analysis.violations import Kind

if TYPE_CHECKING:
    from runner.analysis.accounts import Hold, QueueAccount, WorkerAccount
    from runner.analysis.violations import Violations
    from runner.log.events import Done, Failed, Get, Left, Lost, Put, Redelivery


def to_place(
    found: Violations,
    worker: WorkerAccount,
    event: Put | Get | Done,
    queue: str | None,
    began_ns: int,
    line: int,
) -> None:
    """Object to a worker at the wrong queue or outside its lifetime."""
    what = type(event).__name__.lower()
    if queue != event.queue and worker.group:
        own = f"its queue is {queue}" if queue else "it has none for that"
        _add(found, Kind.UNEXPECTED, f"{event.worker}: {what} in queue {event.queue}, {own}", event, line)
    if began_ns < worker.started_ns:
        when = "without a worker.start" if worker.started_ns == FAR else "before its worker.start"
        _add(found, Kind.CAUSALITY, f"{event.worker}: {what} {when}", event, line)
        worker.started_ns = -FAR
    if event.t_ns > worker.exited_ns:
        _add(found, Kind.CAUSALITY, f"{event.worker}: {what} after its worker.exit", event, line)


def to_put(found: Violations, worker: WorkerAccount, event: Put, line: int) -> None:
    """Object to a put for its place, its wait or its delivery."""
    to_place(found, worker, event, worker.target, event.t_ns - event.wait_ns, line)
    _to_wait(found, event, line)
    if event.delivery != 1:
        _add(found, Kind.DUPLICATED, f"a put has delivery 1, this one {event.delivery}", event, line)


def to_get(found: Violations, worker: WorkerAccount, queue: QueueAccount, event: Get, line: int) -> None:
    """Object to a get for its place, its wait or its delivery."""
    to_place(found, worker, event, worker.source, event.t_ns - event.wait_ns, line)
    _to_wait(found, event, line)
    delivery = queue.deliveries.get(event.id, 1)
    if event.delivery != delivery:
        message = f"got with delivery {event.delivery}, the redeliveries before make it {delivery}"
        _add(found, Kind.DUPLICATED, message, event, line)


def to_seq(found: Violations, worker: WorkerAccount, queue: QueueAccount, event: Put, line: int) -> None:
    """Object to a producer's id that does not come after the one before."""
    if queue.was_put(event.id):
        _add(found, Kind.DUPLICATED, f"put into {event.queue} a second time", event, line)
    else:
        _add(found, Kind.ORDER, f"put after {worker.last_id}, ids of a producer grow", event, line)


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


def to_latency(found: Violations, queue: QueueAccount, place: int, event: Get, line: int) -> None:
    """Object to instants of a get that contradict those of its put."""
    began = queue.began[place]
    put_line = queue.lines[place]
    if event.t_ns < began:
        message = f"got at {event.t_ns} ns, its put began at {began} ns"
        _add(found, Kind.CAUSALITY, message, event, put_line, line)
    else:
        message = f"latency_ns {event.latency_ns}, from its put's beginning it is {event.t_ns - began}"
        _add(found, Kind.CAUSALITY, message, event, put_line, line)


def to_order(found: Violations, event: Get, later_line: int, line: int) -> None:
    """Object to one writer's items reaching one reader in another order than they were put."""
    message = f"{event.worker} got it out of the order in which its writer put"
    _add(found, Kind.ORDER, message, event, *sorted((later_line, line)))


def to_second_get(found: Violations, hold: Hold, event: Get, line: int) -> None:
    """Object to a get of an item that is in somebody's hands."""
    _add(found, Kind.DUPLICATED, f"got by {event.worker}, {hold.get.worker} holds it", event, hold.line, line)


def to_unmatched_done(found: Violations, queue: QueueAccount, event: Done, line: int) -> None:
    """Object to a `done` of an item that nobody holds."""
    place = queue.waiting.get(event.id)
    if place is not None:
        message = f"done by {event.worker} before anybody got it"
        _add(found, Kind.CAUSALITY, message, event, queue.lines[place], line)
    elif queue.was_put(event.id):
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
    found.add(Kind.DUPLICATED, message, line, item=event.id, queue=event.queue)


def to_fate(found: Violations, queue: QueueAccount, event: Left | Failed | Lost, line: int) -> None:
    """Object to a fate of an item that is neither waiting nor held."""
    what = type(event).__name__.lower()
    why = "it was done or had its fate before" if queue.was_put(event.id) else "nobody put it"
    found.add(Kind.UNEXPECTED, f"called {what}, but {why}", line, item=event.id, queue=event.queue)


def to_loss(found: Violations, event: Lost, line: int) -> None:
    """Object to an item the run itself calls lost."""
    found.add(Kind.LOST, f"lost, says the run: {event.why}", line, item=event.id, queue=event.queue)


def _to_wait(found: Violations, event: Put | Get, line: int) -> None:
    if event.wait_ns < 0:
        _add(found, Kind.CAUSALITY, f"wait_ns {event.wait_ns} is negative", event, line)


def _add(found: Violations, kind: Kind, message: str, event: Put | Get | Done, *lines: int) -> None:
    found.add(kind, message, *lines, item=event.id, queue=event.queue)
