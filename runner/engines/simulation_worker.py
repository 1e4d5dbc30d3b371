"""A simulated worker: interprets the very steps that `runner.engines.worker` interprets, in virtual time.

    calendar --turn--> steps --step--> action --+--> reply: the next step, at the same instant
        ^                                       +--> WAITS: its turn is over; `after` gives the reply in its next one
        +------------- wake: itself, a queue, the processors <-----------------+

Operations take no time except waiting. Batches are written when they are full and before anything that may wait, as
there; a death comes between two steps, so nothing is ever half put.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from runner.config.distributions import MissingValue
from runner.engines.items import items, until_told
from runner.engines.simulation_faults import Ahead, Died
from runner.engines.simulation_hands import UNLIMITED, Hands, Tally, World
from runner.engines.usercode import UserCodeError
from runner.log.journal import DONE, GET, PUT
from runner.log.sequence import raw
from runner.planning import steps as step
from runner.planning.plan import OnError, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runner.envelope import Envelope
    from runner.planning.plan import UserCode, WorkerPlan

WAITS: Final = object()
"""The reply of an action that has not ended."""
LONGEST_TURN: Final = 1 << 16
"""Records that may be told before a worker that waits for nothing lets them be taken."""
_MOST_AT_ONCE: Final = 1_000_000
"""Items that an endless producer may put without time passing."""


class Abandoned(Exception):  # noqa: N818 - the end of a worker, not an error
    """The item in hand failed, and the policy is to end the worker; its `error` event is told."""


class Crew(World, Protocol):
    """The other workers, as far as one has to do with them."""

    def finished(self, actor: Hands, /) -> None:
        """It has come to the end of its steps."""

    def failed(self, actor: Hands, why: str, /) -> None:
        """It cannot go on, for a reason that is told."""

    def died(self, actor: Hands, why: str, /) -> None:
        """It is dead."""

    def set_aside(self, actor: Hands, envelope: Envelope, why: str, /) -> None:
        """The item in its hand failed for good."""


class Actor(Hands):
    """One incarnation of a worker."""

    __slots__ = ("_actions", "_after", "_crew", "_patience", "_service", "_steps", "_work_since")

    def __init__(self, crew: Crew, plan: WorkerPlan, incarnation: int, tally: Tally) -> None:
        super().__init__(crew, plan, incarnation, tally)
        self._crew = crew
        self._service = self._work_since = 0
        self._patience = plan.group.item_timeout_ns
        self._after: Callable[[], Any] = _nothing
        self._steps = step.steps(plan, self._items(), tally.dones)
        self._actions = self._bound()

    def _bound(self) -> dict[type[step.Step], Callable[[Any], Any]]:
        actions: dict[type[step.Step], Callable[[Any], Any]] = {
            step.Put: self._put if self._batch > 1 else self._put_one,
            step.Get: self._get if self.reads.batch > 1 else self._get_one,
            step.Done: self._done,
            step.Sleep: self._sleep,
            step.Until: self._until,
            step.Busy: self._busy,
            step.Call: self._call,
            step.Failed: self._failed,
            step.Close: self._close,
        }
        return Ahead(self).among(actions) if self.plan.faults else actions

    def _items(self) -> Iterator[tuple[int, Any]]:
        found = items(self.plan, _no_user_code, self.tally.seq)
        endless = self.plan.group.items is None and self.plan.group.role is Role.PRODUCER
        if self.plan.group.dismissible:
            found = until_told(found, lambda: self._crew.settled)
        return self._in_time(found) if endless else found

    def _in_time(self, found: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        """Items without end, of which not all can be put at one instant."""
        instant = count = 0
        for pair in found:
            count = count + 1 if self._calendar.now == instant else 1
            instant = self._calendar.now
            if count > _MOST_AT_ONCE:
                message = f"{self.name} put {_MOST_AT_ONCE:,} items and no time passed; give it a sleep, or items"
                raise UserCodeError("items", message)
            yield pair

    def turn(self, now: int) -> None:
        """Go on until there is something to wait for, or to the end."""
        send, actions = self._steps.send, self._actions
        try:
            reply = self._after()
            while reply is not WAITS:
                what = send(reply)
                try:
                    reply = actions[what.__class__](what)
                except step.WorkFailed as failure:
                    what = self._steps.throw(failure)
                    reply = actions[what.__class__](what)
        except StopIteration:
            self._crew.finished(self)
        except Died as death:
            self._crew.died(self, str(death))
        except Abandoned as failure:
            self._crew.failed(self, str(failure))
        except (UserCodeError, MissingValue) as error:
            about = {"worker": self.name, "why": str(error), "place": "items", "then": OnError.FAIL, "traceback": ""}
            self.tell(raw(now, "error", "error", **about))
            self._crew.failed(self, str(error))

    def then(self, reply: Any, after: Callable[[Any], Any]) -> Any:
        """Go on with a reply: now, or once it is there."""
        if reply is not WAITS:
            return after(reply)
        inner = self._after
        self._after = lambda: self.then(inner(), after)
        return WAITS

    def wait(self, ns: int) -> object:
        """Idle, as far as the item in hand may take so long; the reply is None."""
        now = self._calendar.now
        self._after = _nothing
        if self._patience is not None and self.in_hand is not None and now + ns > self._work_since + self._patience:
            ns, self._after = self._work_since + self._patience - now, self._overdue
        self._calendar.wake(self, now + ns)
        return WAITS

    def _overdue(self) -> None:
        seconds = (self._patience or 0) / 1e9
        why = f"was killed for working on one item for longer than item_timeout, {seconds:g} s"
        raise Died(f"{self.name} {why}")

    def _put_one(self, put: step.Put) -> Any:
        envelope, channel, now = put.envelope, self.writes, self._calendar.now
        envelope.began = now
        self._output = envelope
        if len(channel.items) >= channel.bound:
            self.pending.append(envelope)
            if put.due is not None:
                self._dues.append(put.due)
            self._began = now
            channel.blocked.append(self)
            self._after = self.now
            return WAITS
        channel.items.append(envelope)
        self.tell((PUT, now, self, envelope, 0, None if put.due is None else now - put.due))
        tally = self.tally
        tally.puts += 1
        tally.seq = envelope.seq
        if channel.readers:
            channel.serve()
        return now if len(self._records) < LONGEST_TURN else self._breathe()

    def _breathe(self) -> object:
        self._after = self.now
        self._calendar.wake(self, self._calendar.now)
        return WAITS

    def _put(self, put: step.Put) -> Any:
        self._output = put.envelope
        self.pending.append(put.envelope)
        if put.due is not None:
            self._dues.append(put.due)
        if len(self.pending) >= self._batch and not self.flush():
            self._after = self._go_on_writing
            return WAITS
        return self._calendar.now if len(self._records) < LONGEST_TURN else self._breathe()

    def _go_on_writing(self) -> Any:
        return self._calendar.now if self.flush() else WAITS

    def _flushed(self, action: Callable[[Any], Any], what: Any) -> bool:
        """Whether nothing is pending; otherwise the action is done once it is written."""
        if self.flush():
            return True
        self._after = lambda: action(what)
        return False

    def _get_one(self, get: step.Get) -> Any:
        """`_get` for a queue without batches, at the price of one item."""
        channel = self.reads
        if not channel.items or self.pending:
            return self._get(get)
        self._work_since = now = self._calendar.now
        self._service = 0
        self._output = None
        self.in_hand = envelope = channel.items.popleft()
        self.tell((GET, now, self, envelope, 0, now - envelope.began))
        channel.held += 1
        tally = self.tally
        tally.gets += 1
        tally.taken += 1
        if channel.blocked or channel.backlog:
            channel.fill()
        return envelope

    def _get(self, get: step.Get) -> Any:
        if not self.taken:
            if self.pending and not self._flushed(self._get, get):
                return WAITS
            self._began = self._calendar.now
            self.limit = get.limit or UNLIMITED
            if not self.reads.read(self):
                self._after = self._take
                return WAITS
        return self._take()

    def _take(self) -> Envelope | None:
        if not self.taken:
            return None
        self._service = 0
        self._output = None
        self._work_since = self._calendar.now
        self.tally.taken += 1
        self.in_hand = envelope = self.taken.pop()
        return envelope

    def _done(self, done: step.Done) -> None:
        if self.pending:
            self._reports.append((len(self.pending), done.envelope, self._service, done.planned))
        else:
            self.tell((DONE, self._calendar.now, self, done.envelope, self._service, done.planned))
            self.tally.dones += 1
            reads = self.reads
            reads.held -= 1
            if reads.mortal:
                reads.settle(0)
        self.in_hand = None

    def _sleep(self, sleep: step.Sleep) -> Any:
        if self.pending and not self._flushed(self._sleep, sleep):
            return WAITS
        ns = sleep.ns
        self._service += ns
        if self._patience is not None:
            return self.wait(ns)
        self._after = _nothing
        self._calendar.wake(self, self._calendar.now + ns)
        return WAITS

    def _until(self, until: step.Until) -> Any:
        now = self._calendar.now
        if until.instant <= now:
            return now
        if self.pending and not self._flushed(self._until, until):
            return WAITS
        self._after = self.now
        self._calendar.wake(self, until.instant)
        return WAITS

    def _call(self, call: step.Call) -> Any:
        if self.pending and not self._flushed(self._call, call):
            return WAITS
        ns = call.planned or 0
        self._service += ns
        item = call.envelope.item
        return self.then(self.wait(ns), lambda _: item) if ns else item

    def _busy(self, busy: step.Busy) -> Any:
        if self.pending and not self._flushed(self._busy, busy):
            return WAITS
        self._began = self._calendar.now
        self._after = self._worked
        if self._patience is not None:
            self._calendar.wake(self, self._work_since + self._patience)
        self._crew.cores.add(self, busy.ns)
        return WAITS

    def _worked(self) -> None:
        if self._patience is not None and self._crew.cores.remove(self):
            self._overdue()
        self._service += self._calendar.now - self._began

    def _failed(self, failed: step.Failed) -> int:
        """Tell of the failure; the item is set aside where the policy says so, or the worker ends."""
        error, envelope = failed.error, failed.envelope
        queue = self.target if self.source is None else self.source
        about = {"worker": self.name, "queue": queue, "id": self.plan.item_id(envelope), "delivery": envelope.delivery}
        place = error.place if isinstance(error, UserCodeError) else "fault"
        entry = {**about, "why": str(error), "place": place, "then": failed.then, "traceback": ""}
        self.tell(raw(self._calendar.now, "error", "error", **entry))
        if failed.then is not OnError.RETRY and self.in_hand is not None:
            self._crew.set_aside(self, envelope, str(error))
            self.in_hand = None
            self.reads.settle(1)
        if failed.then is OnError.FAIL:
            raise Abandoned(str(error))
        self._service = 0
        return self._calendar.now

    def _close(self, close: step.Close) -> Any:
        if not self._flushed(self._close, close):
            return WAITS
        self.leave()
        return None


def _nothing() -> None:
    return None


def _no_user_code(code: UserCode) -> Iterator[Any]:
    raise UserCodeError("items", f"{code.target} cannot be simulated")
