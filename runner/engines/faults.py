"""What goes wrong on purpose: the steps of a worker, with the faults that its config names.

A fault strikes as a count is reached, over all incarnations of the worker: of the items it has taken into its hand
(`gets`), or of its puts that have returned (`puts`). What has struck before, in an earlier incarnation, does not again.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from runner.engines.usercode import UserCodeError
from runner.planning import steps as step
from runner.planning.plan import Act

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.engines.resume import Resume
    from runner.log.journal import JournalWriter
    from runner.planning.plan import Fault, WorkerPlan

    Action: TypeAlias = Callable[[Any], Any]

_WORK: Final = (step.Sleep, step.Busy, step.Call, step.Done)
_AFTER_PUTS: Final = (step.Sleep, step.Until, step.Busy, step.Call, step.Close)
"""Steps before which a batch of puts is written."""


class Victim(Protocol):
    """The worker, as far as a fault is concerned."""

    @property
    def puts(self) -> int:
        """Puts that have returned, over all incarnations."""

    @property
    def holds_an_item(self) -> bool:
        """Whether it works on an item."""

    def flush(self) -> None:
        """Write the puts that wait for their batch to be full."""

    def idle(self, ns: int) -> None:
        """Do nothing for so long."""

    def kill(self) -> None:
        """End at once; does not return."""


class Faults:
    """The faults that one incarnation of a worker has before it.

    Args:
        plan: Who the worker is.
        victim: The worker itself.
        journal: Its own.
        resume: What its former incarnations have behind them.
    """

    def __init__(self, plan: WorkerPlan, victim: Victim, journal: JournalWriter, resume: Resume) -> None:
        self._plan = plan
        self._victim = victim
        self._journal = journal
        self._gets = resume.taken
        self._ahead = [fault for fault in plan.faults if not resume.has_fired(fault, victim.puts)]
        self._raises: Fault | None = None

    def among(self, actions: Mapping[type[step.Step], Action]) -> dict[type[step.Step], Action]:
        """A worker's actions, with these faults among them; the same where there are none."""
        if not self._ahead:
            return dict(actions)
        changed: dict[type[step.Step], Action] = {kind: self._working(actions[kind]) for kind in _WORK}
        changed |= {step.Put: self._putting(actions[step.Put]), step.Get: self._getting(actions[step.Get])}
        changed |= {kind: self._after_puts(changed.get(kind, actions[kind])) for kind in _AFTER_PUTS}
        return {**actions, **changed}

    def _after_puts(self, act: Action) -> Action:
        def action(what: step.Step) -> Any:
            self._victim.flush()
            self._strike("puts", self._victim.puts)
            return act(what)

        return action

    def _putting(self, put: Action) -> Action:
        def action(what: step.Put) -> Any:
            self._fail()
            instant = put(what)
            self._strike("puts", self._victim.puts)
            return instant

        return action

    def _getting(self, get: Action) -> Action:
        def action(what: step.Get) -> Any:
            envelope = get(what)
            self._strike("puts", self._victim.puts)
            if envelope is not None:
                self._gets += 1
                self._strike("gets", self._gets)
            return envelope

        return action

    def _working(self, work: Action) -> Action:
        def action(what: step.Step) -> Any:
            if self._victim.holds_an_item:
                self._fail()
            return work(what)

        return action

    def _strike(self, counter: str, count: int) -> None:
        for fault in [each for each in self._ahead if each.counter == counter and each.after <= count]:
            self._ahead.remove(fault)
            event: dict[str, Any] = {"event": "fault", "level": "warning", "worker": self._plan.name}
            event |= {"act": fault.act, "after": {counter: fault.after}}
            if fault.act is Act.PAUSE:
                event["for_ns"] = fault.pause_ns
            self._journal.raw(monotonic_ns(), event)
            match fault.act:
                case Act.KILL:
                    self._victim.kill()
                case Act.PAUSE:
                    self._victim.idle(fault.pause_ns)
                case Act.RAISE:
                    self._raises = fault

    def _fail(self) -> None:
        """Let the item in hand, or a producer's next, fail as if user code had raised."""
        if self._raises is not None:
            fault, self._raises = self._raises, None
            message = f"{self._plan.name}: a fault of the config: raise after {fault.after} {fault.counter}"
            raise step.WorkFailed(UserCodeError("fault", message))
