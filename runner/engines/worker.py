"""The worker: interprets the steps of one worker in real time, in a process or a thread of its own.

    steps --Put--> pending --flush--> Writer (queue)          every operation: stamp, do, stamp,
      ^   --Get--> Reader (queue) --taken, one by one--+      one record in the journal,
      +---reply: instant, envelope, result ------------+      counters on the board

A batch of puts is written when it is full and before anything that may wait: a pause, a service, user code, a get
from an empty hand, the end. What a stage reports done meanwhile is logged after the puts it stands behind. Where items
may fail one by one (`on_error`), each put is written at once, so that it is known whose it is.
"""

from __future__ import annotations

from time import monotonic_ns, thread_time_ns
from typing import TYPE_CHECKING, Any, Final, Protocol

from runner.engines import usercode
from runner.engines.board import BLOCKED, CLOSED, DONES, GETS, PUTS, SKIPPED, STATE, STOP, TAKEN, UNTIL, State
from runner.engines.express import AT_ONCE_NS, express
from runner.engines.faults import Faults
from runner.engines.items import items, until_told
from runner.engines.resume import FROM_THE_START, Resume
from runner.engines.usercode import UserCodeError
from runner.envelope import PACKED, Batch
from runner.log.journal import DONE, GET, PUT
from runner.planning import steps as step
from runner.planning.plan import OnError, Role, UserCode
from runner.queues.contract import Stopped, UnreadableItem, UnsendableItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runner.engines.board import Slot
    from runner.envelope import Envelope
    from runner.log.journal import JournalWriter
    from runner.planning.plan import WorkerPlan
    from runner.queues.contract import Reader, Writer

_PUTTING: Final = int(State.PUTTING)
_GETTING: Final = int(State.GETTING)
_UNLIMITED: Final = 1 << 30
_FAR: Final = 1 << 62


class Interruption(Protocol):
    """How a worker waits so that an order to stop cuts it short: by signal in a process, by event in a thread."""

    def nap(self, seconds: float) -> None:
        """Idle; raises `Stopped` when ordered to stop."""

    def close(self, writer: Writer) -> None:
        """Close a writer, which may have to wait for readers; raises `Stopped` likewise."""

    def kill(self) -> None:
        """End the worker at once, as a SIGKILL does; does not return."""


class Abandoned(Exception):  # noqa: N818 - the end of a worker, not an error
    """The item in hand failed, and the policy is to end the worker; its `error` event is written."""


class Worker:
    """One worker's life between the start gate and its end.

    Args:
        plan: Who it is.
        journal: Its own.
        slot: Its own on the board.
        interruption: How it waits.
        batch: Largest number of items in one write.
        resume: Where an incarnation before this one stopped.
    """

    def __init__(
        self,
        plan: WorkerPlan,
        journal: JournalWriter,
        slot: Slot,
        interruption: Interruption,
        batch: int,
        resume: Resume = FROM_THE_START,
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._slot = slot
        self._words = slot.words
        self._base = slot.base
        self._interruption = interruption
        self._batch = batch if plan.group.on_error.policy is OnError.FAIL else 1
        self._resume = resume
        self._reader: Reader = _NO_END
        self._writer: Writer = _NO_END
        self._zero = 0
        self._puts, self._gets, self._dones, self._skipped = slot.puts, slot.gets, slot.dones, slot.skipped
        self._hand = 0
        self._faults = Faults(plan, self, journal, resume)
        self._pending: list[Envelope] = []
        self._dues: list[int] = []
        self._reports: list[tuple[int, Envelope, int, int | None]] = []
        self._taken: list[Envelope] = []
        self._in_hand: Envelope | None = None
        self._service = 0
        self._function: Callable[[Any], Any] = _identity
        self._code = _code_of(plan)

    def prepare(self) -> None:
        """Import and make what user code is needed, before any item moves; raises UserCodeError."""
        group = self._plan.group
        with usercode.without_twins():
            if group.call is not None:
                self._function = usercode.function(group.call)
            self._items = items(self._plan, self._guarded, self._resume.seq)
            if group.dismissible:
                self._items = until_told(self._items, self._slot.finishing)

    def run(self, reader: Reader | None, writer: Writer | None, zero: int) -> State:
        """Work until the end and say how it came: FINISHED, STOPPED, or FAILED with the error in the journal.

        Args:
            reader: The end it gets from; None for a producer.
            writer: The end it puts into; None for a consumer.
            zero: The instant the start gate opened, in ns of the monotonic clock.
        """
        self._reader, self._writer, self._zero = reader or _NO_END, writer or _NO_END, zero
        try:
            self._work()
        except Stopped:
            return State.STOPPED
        except Abandoned:
            return State.FAILED
        except UnsendableItem as error:
            self.report(UserCodeError("put", str(error), error.__cause__), self._behind(error.envelope))
            return State.FAILED
        except UserCodeError as error:
            self.report(error, self._in_hand)
            return State.FAILED
        return State.FINISHED

    def _work(self) -> None:
        """Work until the items, the stream or the quota end; raises what `run` tells apart."""
        loop = express(
            self._plan, self._journal, self._slot, self._reader, self._writer, self._batch, self._resume.seq
        )  # fmt: skip
        if loop is None:
            self._drive(step.steps(self._plan, self._items, self._slot.dones))
            self.flush()
            return
        loop()
        if self._plan.group.role is Role.PRODUCER:
            self._close()

    def report(self, error: UserCodeError, envelope: Envelope | None = None, then: OnError = OnError.FAIL) -> None:
        """Write an `error` event: what user code did, to which item, and what comes of it."""
        group = self._plan.group
        known: dict[str, Any] = {"worker": self._plan.name}
        if envelope is not None:
            known |= {
                "queue": group.target if group.role is Role.PRODUCER else group.source,
                "id": self._plan.item_id(envelope),
                "delivery": envelope.delivery,
            }
        known |= {"why": str(error), "place": error.place, "then": then, "traceback": error.trace}
        self._journal.raw(monotonic_ns(), {"event": "error", "level": "error", **known})

    def _drive(self, steps: step.Steps) -> None:
        actions: dict[type[step.Step], Callable[[Any], Any]] = {
            step.Put: self._put if self._batch > 1 else self._put_one,
            step.Get: self._get,
            step.Done: self._done,
            step.Sleep: self._sleep,
            step.Until: self._until,
            step.Busy: self._busy,
            step.Call: self._call,
            step.Next: self._next,
            step.Failed: self._failed,
            step.Close: self._close,
        }
        actions = self._faults.among(actions)
        send = steps.send
        reply: Any = None
        try:
            while True:
                what = send(reply)
                try:
                    reply = actions[what.__class__](what)
                except step.WorkFailed as failure:
                    what = steps.throw(failure)
                    reply = actions[what.__class__](what)
        except StopIteration:
            return

    def _put_one(self, put: step.Put) -> int:
        """`_put` and `flush` for a queue without batches, at the price of one item."""
        envelope, words, base = put.envelope, self._words, self._base
        if words[base + STOP]:
            raise Stopped
        words[base + STATE] = _PUTTING
        envelope.began = began = monotonic_ns()
        try:
            self._writer.put([envelope])
        except UnsendableItem as error:
            raise step.WorkFailed(UserCodeError("put", str(error), error.__cause__)) from error
        returned = monotonic_ns()
        if returned - began > AT_ONCE_NS:
            words[base + BLOCKED] += returned - began
        late = None if put.due is None else began - self._zero - put.due
        self._journal.log(PUT, envelope, returned, returned - began, late)
        self._puts = words[base + PUTS] = self._puts + 1
        return returned - self._zero

    def _put(self, put: step.Put) -> int:
        self._pending.append(put.envelope)
        if put.due is not None:
            self._dues.append(put.due)
        if len(self._pending) >= self._batch:
            self.flush()
        return monotonic_ns() - self._zero

    def flush(self) -> None:
        """Write what is pending, in as many writes as the queue needs, then log what stood behind it."""
        pending, words, base = self._pending, self._words, self._base
        while pending:
            if words[base + STOP]:
                raise Stopped
            words[base + STATE] = _PUTTING
            began = monotonic_ns()
            for envelope in pending:
                envelope.began = began
            batch = Batch(pending)
            count = self._writer.put(batch)
            returned = monotonic_ns()
            if returned - began > AT_ONCE_NS:
                words[base + BLOCKED] += returned - began
            self._log_puts(batch, count, returned, returned - began)
            del pending[:count]

    def _log_puts(self, batch: Batch, count: int, returned: int, wait: int) -> None:
        if batch.packed is not None and count > 1 and not self._reports and not self._dues:
            self._journal.log_packed(PUT, batch.packed[: count * PACKED.size], returned, wait)
        else:
            self._log_each_put(count, returned, wait)
        self._puts += count
        self._words[self._base + PUTS] = self._puts

    def _log_each_put(self, count: int, returned: int, wait: int) -> None:
        """Log puts that are late or in time, and what is reported done behind them."""
        log, began = self._journal.log, returned - wait - self._zero
        lateness: list[int] | list[None] = [began - due for due in self._dues[:count]] or [None] * count
        del self._dues[:count]
        for position, (envelope, late) in enumerate(zip(self._pending, lateness, strict=False), 1):
            log(PUT, envelope, returned, wait, late)
            while self._reports and self._reports[0][0] <= position:
                _, done, service, planned = self._reports.pop(0)
                log(DONE, done, returned, service, planned)
                self._dones += 1
        self._words[self._base + DONES] = self._dones
        if self._reports:
            self._reports = [(behind - count, *report) for behind, *report in self._reports]  # type: ignore[misc]

    def _get(self, get: step.Get) -> Envelope | None:
        words, base = self._words, self._base
        if words[base + STOP]:
            raise Stopped
        if not self._taken:
            if self._pending:
                self.flush()
            words[base + STATE] = _GETTING
            words[base + TAKEN] = 0
            began = monotonic_ns()
            taken = self._reader.get(get.limit or _UNLIMITED)
            returned = monotonic_ns()
            if returned - began > AT_ONCE_NS:
                words[base + BLOCKED] += returned - began
            if len(taken) == 1:  # the way of queues without batches
                [envelope] = taken
                self._journal.log(GET, envelope, returned, returned - began, returned - envelope.began)
                self._gets = words[base + GETS] = self._gets + 1
                self._service = 0
                self._in_hand = envelope
                words[base + TAKEN] = 1
                return envelope
            if not taken:
                return None
            self._take(taken, returned, returned - began)
        self._service = 0
        self._in_hand = envelope = self._taken.pop()
        words[base + TAKEN] = self._hand - len(self._taken)
        return envelope

    def _take(self, taken: list[Envelope], returned: int, wait: int) -> None:
        """Log the gets of one read, whose items then are taken one by one."""
        if isinstance(taken, Batch) and taken.packed is not None:
            self._journal.log_packed(GET, taken.packed, returned, wait)
        else:
            for envelope in taken:
                self._journal.log(GET, envelope, returned, wait, returned - envelope.began)
        self._hand = len(taken)
        self._gets += self._hand
        self._words[self._base + GETS] = self._gets
        taken.reverse()
        self._taken = taken

    def _done(self, done: step.Done) -> None:
        if self._pending:
            self._reports.append((len(self._pending), done.envelope, self._service, done.planned))
        else:
            self._journal.log(DONE, done.envelope, monotonic_ns(), self._service, done.planned)
            self._dones = self._words[self._base + DONES] = self._dones + 1
        self._in_hand = None

    def _failed(self, failed: step.Failed) -> int:
        """Report the failure; the item is set aside where the policy says so, or the worker ends."""
        error = failed.error
        assert isinstance(error, UserCodeError)  # noqa: S101 - what this class raises
        self.report(error, failed.envelope, failed.then)
        if failed.then is OnError.FAIL:
            raise Abandoned
        if failed.then is OnError.SKIP and self._in_hand is not None:
            self._skipped += 1
            self._words[self._base + SKIPPED] = self._skipped
            self._in_hand = None
        self._service = 0
        return monotonic_ns() - self._zero

    def _sleep(self, sleep: step.Sleep) -> None:
        self.flush()
        began = monotonic_ns()
        self._idle(sleep.ns, began)
        self._service += monotonic_ns() - began

    def _until(self, until: step.Until) -> int:
        """Sleep to an instant; where it is over, what is pending may wait for the put that is late."""
        instant = self._zero + until.instant
        if monotonic_ns() < instant:
            self.flush()
        while (now := monotonic_ns()) < instant:
            self._idle(instant - now, now)
        return now - self._zero

    @property
    def puts(self) -> int:
        """Puts that have returned, over all incarnations."""
        return self._puts

    @property
    def holds_an_item(self) -> bool:
        """Whether it works on an item."""
        return self._in_hand is not None

    def idle(self, ns: int) -> None:
        """Do nothing for so long."""
        self._idle(ns, monotonic_ns())

    def kill(self) -> None:
        """End at once; does not return."""
        self._interruption.kill()

    def _idle(self, ns: int, began: int) -> None:
        self._words[self._base + UNTIL] = min(began + ns, _FAR)
        self._slot.state = State.SLEEPING
        self._interruption.nap(ns / 1e9)
        self._slot.state = State.RUNNING

    def _busy(self, busy: step.Busy) -> None:
        self.flush()
        slot, words, until_word = self._slot, self._words, self._base + UNTIL
        slot.state = State.BUSY
        began = monotonic_ns()
        until = thread_time_ns() + busy.ns
        while (left := until - thread_time_ns()) > 0:
            if slot.stopped():
                raise Stopped
            words[until_word] = monotonic_ns() + left
        self._service += monotonic_ns() - began
        slot.state = State.RUNNING

    def _call(self, call: step.Call) -> Any:
        item = call.envelope.item
        if item.__class__ is UnreadableItem:
            raise step.WorkFailed(UserCodeError("get", f"{self._plan.name}: item {item!r}", item.cause))
        return self._worked(self._function, item)

    def _next(self, advance: step.Next) -> Any:
        return self._worked(next, advance.generator, step.EXHAUSTED)

    def _worked(self, what: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return self._in_user_code(what, *arguments)
        except UserCodeError as error:
            raise step.WorkFailed(error) from error

    def _in_user_code(self, what: Callable[..., Any], *arguments: Any) -> Any:
        self.flush()
        slot = self._slot
        if slot.stopped():
            raise Stopped
        slot.state = State.CALLING
        began = monotonic_ns()
        try:
            return usercode.called(what, *arguments, name=self._code)
        finally:
            self._service += monotonic_ns() - began
            slot.state = State.RUNNING

    def _guarded(self, code: UserCode) -> Iterator[Any]:
        """The items of a user's iterable, found at once, each then taken as user code."""
        iterator = usercode.called(iter, usercode.iterable(code), name=code.target)
        return self._each(iterator)

    def _each(self, iterator: Iterator[Any]) -> Iterator[Any]:
        while (item := self._in_user_code(next, iterator, step.EXHAUSTED)) is not step.EXHAUSTED:
            yield item

    def _behind(self, output: Envelope) -> Envelope | None:
        """The item that an output of a batch belongs to: itself, or what a stage made it of."""
        if self._plan.group.role is Role.PRODUCER:
            return output
        reports = [envelope for _, envelope, _, _ in self._reports]
        hands = [*reports, *([self._in_hand] if self._in_hand is not None else [])]
        for held in hands:
            known = (held.producer, held.seq) == (output.producer, output.seq)
            if known and output.suffix in (held.suffix, f"{held.suffix}.{output.suffix.rpartition('.')[2]}"):
                return held
        return self._in_hand

    def _close(self, _: step.Close | None = None) -> None:
        self.flush()
        self._slot.state = State.CLOSING
        self._interruption.close(self._writer)
        self._slot.words[self._slot.base + CLOSED] = 1
        self._slot.state = State.RUNNING


def _code_of(plan: WorkerPlan) -> str:
    """The user code a worker calls, as its config names it."""
    code = plan.group.call or plan.group.items
    return code.target if isinstance(code, UserCode) else ""


def _identity(item: object) -> object:
    """The function of a worker that has none."""
    return item


class _NoEnd:
    """The end of a queue that a worker of its role has not; its steps never ask for it."""

    def put(self, envelopes: list[Envelope]) -> int:
        raise AssertionError(f"a consumer has nowhere to put {envelopes}")

    def get(self, limit: int) -> list[Envelope]:
        raise AssertionError(f"a producer has nowhere to get {limit} items")

    def close(self) -> None:
        pass


_NO_END: Final = _NoEnd()
