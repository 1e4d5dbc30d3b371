"""What goes wrong on purpose in virtual time: as `runner.engines.faults`, but a pause is a wait like others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from runner.engines.resume import Resume
from runner.engines.usercode import UserCodeError
from runner.log.sequence import raw
from runner.planning import steps as step
from runner.planning.plan import Act

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.engines.simulation_hands import Tally
    from runner.envelope import Envelope
    from runner.log.sequence import Record
    from runner.planning.plan import Fault, WorkerPlan

    Action: TypeAlias = Callable[[Any], Any]

_WORK: Final = (step.Sleep, step.Busy, step.Call, step.Done)


class Died(Exception):  # noqa: N818 - the end of a worker, not an error
    """The worker is dead, for the reason in its text."""


class Victim(Protocol):
    """The worker, as far as a fault is concerned."""

    name: str
    source: str | None
    plan: WorkerPlan
    tally: Tally
    in_hand: Envelope | None
    tell: Callable[[Record], None]

    def now(self) -> int:
        """The instant of the present turn."""

    def wait(self, ns: int, /) -> object:
        """Idle; what it replies says that it has not ended."""

    def then(self, reply: Any, after: Callable[[Any], Any], /) -> Any:
        """Go on with a reply: now, or once it is there."""


class Ahead:
    """The faults that one incarnation of a simulated worker has before it."""

    def __init__(self, actor: Victim) -> None:
        past = Resume(taken=actor.tally.taken)
        self._actor = actor
        self._ahead = [fault for fault in actor.plan.faults if not past.has_fired(fault, actor.tally.puts)]
        self._raises: Fault | None = None

    def among(self, actions: Mapping[type[step.Step], Action]) -> dict[type[step.Step], Action]:
        """A worker's actions, with these faults among them."""
        changed: dict[type[step.Step], Action] = {kind: self._working(actions[kind]) for kind in _WORK}
        changed |= {step.Put: self._putting(actions[step.Put]), step.Get: self._getting(actions[step.Get])}
        return {**actions, **changed}

    def _putting(self, put: Action) -> Action:
        actor = self._actor

        def action(what: step.Put) -> Any:
            self._fail()
            return actor.then(put(what), lambda instant: self._strike("puts", actor.tally.puts, instant))

        return action

    def _getting(self, get: Action) -> Action:
        actor = self._actor

        def strike(envelope: Any) -> Any:
            return None if envelope is None else self._strike("gets", actor.tally.taken, envelope)

        return lambda what: actor.then(get(what), strike)

    def _working(self, work: Action) -> Action:
        def action(what: step.Step) -> Any:
            if self._actor.in_hand is not None:
                self._fail()
            return work(what)

        return action

    def _strike(self, counter: str, count: int, reply: Any) -> Any:
        """Let what is due happen, one after the other; then the reply stands."""
        actor = self._actor
        for fault in [each for each in self._ahead if each.counter == counter and each.after <= count]:
            self._ahead.remove(fault)
            about: dict[str, Any] = {"worker": actor.name, "act": fault.act, "after": {counter: fault.after}}
            if fault.act is Act.PAUSE:
                about["for_ns"] = fault.pause_ns
            actor.tell(raw(actor.now(), "fault", "warning", **about))
            match fault.act:
                case Act.KILL:
                    raise Died(f"{actor.name} was killed by a fault")
                case Act.PAUSE:
                    return actor.then(actor.wait(fault.pause_ns), lambda _: self._strike(counter, count, reply))
                case Act.RAISE:
                    self._raises = fault
        return reply

    def _fail(self) -> None:
        """Let the item in hand, or a producer's next, fail as if user code had raised."""
        if self._raises is not None:
            fault, self._raises = self._raises, None
            message = f"{self._actor.name}: a fault of the config: raise after {fault.after} {fault.counter}"
            raise step.WorkFailed(UserCodeError("fault", message))
