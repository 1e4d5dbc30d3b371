"""A worker process as the supervisor knows it."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass, field
from multiprocessing import connection
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from runner.engines.board import State
from runner.engines.entries import about
from runner.engines.patience import ItemTimeout
from runner.engines.stop import CALL_GRACE_S

_TOLD_WITHIN_S: Final = 1.0
_UNKNOWN: Final = 255

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from runner.engines.board import Slot
    from runner.planning.plan import WorkerPlan


@dataclass(slots=True)
class Member:
    """One incarnation.

    Attributes:
        worker: Who it is.
        incarnation: From 1.
        slot: Its slot on the board.
        process: Its process.
        death: Readable once it is dead.
        own_death: Whether `death` is ours to close.
        alive: Whether it has not been seen dead.
        replaced: Whether its place is taken by another incarnation.
        told: When it was told to stop (`time.monotonic`).
        killed: Whether we killed it at the run's end.
        overdue: Why we killed it in the middle of the run.
        before: Puts and gets of its former incarnations.
        pid: Its process's.
        patience: Tells when it has worked on one item for too long.
    """

    worker: WorkerPlan
    incarnation: int
    slot: Slot
    process: BaseProcess
    death: int
    own_death: bool
    before: tuple[int, int]
    alive: bool = True
    replaced: bool = False
    told: float | None = None
    killed: bool = False
    overdue: str | None = None
    pid: int = field(init=False)
    patience: ItemTimeout = field(init=False)
    _ends_since: float = 0.0
    _gone_since: float = 0.0

    def __post_init__(self) -> None:
        self.pid = self.process.pid or 0
        self.patience = ItemTimeout(self.worker, self.slot)

    def tell_to_stop(self) -> None:
        """Order it to stop, and cut short what it waits for; may be repeated."""
        self.told = self.told or monotonic()
        self.slot.stop()
        if self.alive:
            self.urge()

    def urge(self) -> None:
        """Cut short what it waits for."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.killed = True
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        """Send it a signal; multiprocessing would not, where it takes the process for dead with the fork server."""
        with contextlib.suppress(ProcessLookupError):
            if self.own_death:
                signal.pidfd_send_signal(self.death, number)
            else:
                os.kill(self.pid, number)

    def watch_item(self) -> None:
        """Kill it where it has worked on one item for longer than its group may, or has ended and does not exit."""
        if self.alive and self.slot.state.ended:
            self._watch_end()
            return
        if self.alive and self.told is None and self.patience.is_over():
            self.overdue = f"was killed for working on one item for longer than {self.patience.words}"
            self._send(signal.SIGKILL)

    def _watch_end(self) -> None:
        """See to it that it ends, though user code has left a thread or child behind that its exit waits for."""
        self._ends_since = self._ends_since or monotonic()
        if monotonic() - self._ends_since > CALL_GRACE_S:
            self.overdue = f"had finished and was killed, as its exit had to wait for longer than {CALL_GRACE_S:g} s"
            self._send(signal.SIGKILL)

    def exit_code(self) -> int | None:
        """How its process ended; None where that is not known yet.

        Where nobody will ever tell, as somebody else has waited for it or SIGCHLD is ignored, it is 0 for a worker that
        had come to an end of its own, else 255, as `multiprocessing` has it.
        """
        code = self.process.exitcode
        if code is not None or not self.own_death or not connection.wait([self.death], timeout=0):
            return code
        self._gone_since = self._gone_since or monotonic()
        if monotonic() - self._gone_since < _TOLD_WITHIN_S:
            return None
        return 0 if self.slot.state in (State.FINISHED, State.STOPPED) else _UNKNOWN

    def died(self, code: int) -> bool:
        """Whether this exit code is that of a death nobody ordered."""
        ordered = self.killed or (self.told is not None and code == -signal.SIGTERM)
        return not ordered and not self.slot.state.ended

    def how(self, code: int) -> str:
        """In words, how it died."""
        if self.overdue is not None:
            return self.overdue
        return f"was killed by {signal_name(-code)}" if code < 0 else f"exited with {code} before its end"

    def ending(self, code: int) -> dict[str, Any]:
        """The keys of `worker.exit` that say how it ended."""
        ended = {"exit_code": code} if code >= 0 else {"signal": signal_name(-code)}
        puts, gets = self.before
        why = {"why": self.overdue} if self.overdue is not None else {}
        return {**self.about, **ended, "puts": self.slot.puts - puts, "gets": self.slot.gets - gets, **why}

    @property
    def about(self) -> dict[str, Any]:
        """The keys of `worker.start` and `worker.exit` that say who it is."""
        return about(self.worker, self.incarnation, self.pid)

    def close(self) -> None:
        """Let go of what told its death, and of the process, whose exit code is known."""
        self.alive = False
        with contextlib.suppress(ValueError):  # where nobody tells how it ended it passes for running
            self.process.close()  # multiprocessing would keep its descriptors until another process is started
        if self.own_death:
            os.close(self.death)


def signal_name(number: int) -> str:
    """`SIGKILL`, or `signal 40` where it has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
