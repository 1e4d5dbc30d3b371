"""What a worker does, written once: generators that yield steps, which every engine interprets in its own time.

    produce:   Put, Sleep, Put, Sleep, …, Put, Close, Sleep
               Put, Until, Put, Until, …, Put, Close, Until      where pacing is open
    transform: Get, Sleep | Busy | Call, Put, Done, Get, …, Close
    consume:   Get, Sleep | Busy | Call, Done, Get, …

Where an item's work fails, its step raises `WorkFailed` here, and `Failed` says what becomes of the item: tried again,
set aside, or the end of the worker.

An engine drives a generator with `send`: the reply to `Put`, `Until` and `Failed` is the instant (ns since the gate
opened), to `Get` an `Envelope` or None at the stream's end, to `Call` and `Next` what the user's code gave. A step that
waits for nothing is not yielded: where a pause or service is 0 there is no `Sleep`, before a late put no `Until`.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from runner.envelope import Envelope
from runner.planning.pacing import due_ns
from runner.planning.plan import OnError, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from runner.planning.plan import WorkerPlan


class Put(msgspec.Struct, frozen=True, gc=False):
    """Put into the worker's target queue; the reply is the instant in ns since the gate opened.

    With open pacing it was to begin at the instant `due`; None: pacing is closed.
    """

    envelope: Envelope
    due: int | None = None


class Get(msgspec.Struct, frozen=True, gc=False):
    """Get from the worker's source queue, of which it will take at most `limit` more (0: no limit)."""

    limit: int


class Sleep(msgspec.Struct, frozen=True, gc=False):
    """Idle for `ns`."""

    ns: int


class Until(msgspec.Struct, frozen=True, gc=False):
    """Idle until `instant`, in ns since the gate opened, which may be over; the reply is the instant that has come."""

    instant: int


class Busy(msgspec.Struct, frozen=True, gc=False):
    """Burn `ns` of CPU time."""

    ns: int


class Call(msgspec.Struct, frozen=True, gc=False):
    """Call the group's user function with the item; the reply is its result.

    By its model it lasts `planned` ns; None: nobody knows.
    """

    envelope: Envelope
    planned: int | None


class Next(msgspec.Struct, frozen=True):
    """Take the next value of a generator a `Call` gave; the reply is the value or `EXHAUSTED`."""

    generator: types.GeneratorType[Any, Any, Any]


class Done(msgspec.Struct, frozen=True, gc=False):
    """The item is done; its service was planned to last `planned` ns (None: nobody knows)."""

    envelope: Envelope
    planned: int | None


class Close(msgspec.Struct, frozen=True, gc=False):
    """The worker will put no more."""


class Failed(msgspec.Struct, frozen=True):
    """The item's work failed: `then` is what comes now, and no engine goes on after FAIL. The reply is the instant."""

    envelope: Envelope
    error: Exception
    then: OnError


class WorkFailed(Exception):  # noqa: N818 - it says what was, in the vocabulary of `Failed`
    """Work on the item in hand failed, for the reason in `error`; thrown into the steps by an engine."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


EXHAUSTED: Final = object()
"""The reply to `Next` when the generator has no more values."""

Step: TypeAlias = Put | Get | Sleep | Until | Busy | Call | Next | Done | Failed | Close
Steps: TypeAlias = "Generator[Step, Any, None]"
Service: TypeAlias = "Callable[[Envelope], tuple[Step | None, int | None]]"


def steps(worker: WorkerPlan, items: Iterator[tuple[int, Any]], done: int = 0) -> Steps:
    """The steps of one worker.

    Args:
        worker: Whose steps.
        items: (seq, item) of a producer, from the plan or user code; not read for other roles.
        done: Items of its quota that former incarnations of it did.
    """
    match worker.group.role:
        case Role.PRODUCER:
            return keep_to_schedule(worker, items) if worker.group.open else produce(worker, items)
        case Role.STAGE:
            return transform(worker)
        case Role.CONSUMER:
            return consume(worker, done)


def produce(worker: WorkerPlan, items: Iterator[tuple[int, Any]]) -> Steps:
    """Put, then pause; the end of the queue is closed before the last pause.

    Where the plan has a duration, no put begins after it, and a pause that reaches it is the last and is cut.
    """
    group = worker.group
    index, padding, duration = worker.index, bytes(group.payload), group.duration_ns
    pause, fixed, name = group.pause.draw, group.pause.constant, worker.name
    upcoming = next(items, None)
    if upcoming is None:
        yield Close()
    while upcoming is not None:
        seq, item = upcoming
        envelope = Envelope(index, seq, item, 1, 0, "", padding)
        try:
            instant = yield Put(envelope)
        except WorkFailed as failure:
            instant = yield from _put_again(worker, envelope, failure)
        upcoming = next(items, None)
        ns = fixed if fixed is not None else pause(f"{name}:{seq}", seq)
        if duration is not None and instant + ns >= duration:
            upcoming = None
            ns = max(0, min(ns, duration - instant))
        if upcoming is None:
            yield Close()
        if ns:
            yield Sleep(ns)


def keep_to_schedule(worker: WorkerPlan, items: Iterator[tuple[int, Any]]) -> Steps:
    """Open pacing: put each item as it is due, at once where that is over.

    Due instants do not depend on how long puts take nor on who puts: a replacement resumes the schedule. The rest is as
    in `produce`; the last pause ends as the next item would be due.
    """
    group = worker.group
    index, padding, duration = worker.index, bytes(group.payload), group.duration_ns
    pause, fixed, name = group.pause, group.pause.constant, worker.name
    upcoming = next(items, None)
    due = 0 if upcoming is None else due_ns(worker, upcoming[0])
    instant = (yield Until(due)) if due else 0
    while upcoming is not None and (duration is None or instant < duration):
        seq, item = upcoming
        envelope = Envelope(index, seq, item, 1, 0, "", padding)
        try:
            instant = yield Put(envelope, due)
        except WorkFailed as failure:
            instant = yield from _put_again(worker, envelope, failure, due)
        due += fixed if fixed is not None else pause(f"{name}:{seq}", seq)
        upcoming = next(items, None)
        if upcoming is None or (duration is not None and due >= duration):
            break
        if due > instant:
            instant = yield Until(due)
    yield Close()
    end = due if duration is None else min(due, duration)
    if end > instant:
        yield Until(end)


def _put_again(
    worker: WorkerPlan, envelope: Envelope, failure: WorkFailed, due: int | None = None
) -> Generator[Step, Any, int]:
    """What follows a put that failed; returns an instant, as `Put` does."""
    attempt = 1
    while True:
        then = _then(worker, attempt)
        instant: int = yield Failed(envelope, failure.error, then)
        if then is not OnError.RETRY:
            return instant
        try:
            instant = yield Put(envelope, due)
        except WorkFailed as again:
            failure = again
            attempt += 1
        else:
            return instant


def consume(worker: WorkerPlan, done: int = 0) -> Steps:
    """Get, service, done, until the quota is met or the stream ends."""
    service = _service(worker)
    quota = worker.group.quota
    left = -1 if quota is None else quota - done
    get = Get(0)
    while left:
        envelope = yield (get if quota is None else Get(left))
        if envelope is None:
            return
        step, planned = service(envelope)
        try:
            if step is not None:
                yield step
            yield Done(envelope, planned)
        except WorkFailed as failure:
            left -= yield from _work_again(worker, envelope, step, planned, failure)
        else:
            left -= 1


def _work_again(
    worker: WorkerPlan, envelope: Envelope, step: Step | None, planned: int | None, failure: WorkFailed
) -> Generator[Step, Any, int]:
    """What follows work that failed; returns how many items were done after all."""
    attempt = 1
    while True:
        then = _then(worker, attempt)
        yield Failed(envelope, failure.error, then)
        if then is not OnError.RETRY:
            return 0
        try:
            if step is not None:
                yield step
            yield Done(envelope, planned)
        except WorkFailed as again:
            failure = again
            attempt += 1
        else:
            return 1


def transform(worker: WorkerPlan) -> Steps:
    """Get, service, put what the service gave, done; a generator gives any number of items, with ids of their own.

    Outputs that were put before, by a worker that died or in an attempt that failed, are not put again.
    """
    service = _service(worker)
    calls = worker.group.call is not None
    get = Get(0)
    while (envelope := (yield get)) is not None:
        step, planned = service(envelope)
        passed = [envelope.skip]
        attempt = 1
        while True:
            try:
                result = envelope.item if step is None else (yield step)
                if not calls:
                    result = envelope.item
                if isinstance(result, types.GeneratorType):
                    yield from _outputs(envelope, result, passed)
                elif not passed[0]:
                    yield Put(_follow(envelope, result, envelope.suffix))
                    passed[0] = 1
                yield Done(envelope, planned)
                break
            except WorkFailed as failure:
                then = _then(worker, attempt)
                yield Failed(envelope, failure.error, then)
                if then is not OnError.RETRY:
                    break
                attempt += 1
    yield Close()


def _outputs(envelope: Envelope, generator: types.GeneratorType[Any, Any, Any], passed: list[int]) -> Steps:
    """Put what a generator gives, but for the first `passed[0]`, which then counts on."""
    number = 0
    while (value := (yield Next(generator))) is not EXHAUSTED:
        if number >= passed[0]:
            yield Put(_follow(envelope, value, f"{envelope.suffix}.{number}"))
            passed[0] += 1
        number += 1


def _then(worker: WorkerPlan, attempt: int) -> OnError:
    """What becomes of an item whose work failed in this attempt, from 1."""
    policy = worker.group.on_error
    if policy.policy is OnError.RETRY and attempt > policy.retries:
        return OnError.FAIL
    return policy.policy


def _follow(envelope: Envelope, item: object, suffix: str) -> Envelope:
    return Envelope(envelope.producer, envelope.seq, item, 1, 0, suffix, envelope.padding)


def _service(worker: WorkerPlan) -> Service:
    """What the worker does with an item: the step (None: nothing) and its planned ns."""
    group = worker.group
    if group.call is not None:
        return _calls(worker)
    if group.service is None:
        nothing = (None, 0)
        return lambda _: nothing
    kind = Busy if group.busy else Sleep
    service, fixed = group.service, group.service.constant
    if fixed is not None:
        same = (kind(fixed) if fixed else None, fixed)
        return lambda _: same

    draw, prefix = service.draw, worker.origins.prefix

    def drawn(envelope: Envelope) -> tuple[Step | None, int | None]:
        seq = envelope.seq
        ns = draw(f"{prefix(envelope.producer)}{seq}{envelope.suffix}", seq)
        return (kind(ns) if ns else None, ns)

    return drawn


def _calls(worker: WorkerPlan) -> Service:
    """User code, which is planned to last what its model says."""
    model = worker.group.service
    if model is None:
        return lambda envelope: (Call(envelope, None), None)

    def modelled(envelope: Envelope) -> tuple[Step | None, int | None]:
        ns = model(worker.item_id(envelope), envelope.seq)
        return Call(envelope, ns), ns

    return modelled
