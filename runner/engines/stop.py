"""Why a run stops before its workers are finished; the first reason stands."""

from __future__ import annotations

import signal
from time import monotonic
from typing import TYPE_CHECKING

from runner.engines.contract import Outcome, Status

if TYPE_CHECKING:
    from runner.log.journal import Clock

CALL_GRACE_S = 5.0
"""What a `call` gets to return after the order to stop."""
GRACE_S = 2.0
"""What any other worker gets to notice the order to stop."""


class Stop:
    """The order to stop.

    Attributes:
        status: COMPLETED as long as there is no order.
        reason: Why, in a sentence.
        signal: The signal behind an interruption.
        at: When the order came (`time.monotonic`); None before.
    """

    def __init__(self) -> None:
        self.status = Status.COMPLETED
        self.reason: str | None = None
        self.signal: int | None = None
        self.at: float | None = None

    def order(self, status: Status, reason: str, number: int | None = None) -> bool:
        """Give the order; False when it had been given before."""
        if self.at is not None:
            return False
        self.status, self.reason, self.signal, self.at = status, reason, number, monotonic()
        return True

    def interrupt(self, number: int) -> bool:
        """Give the order because of a signal; the first one stands above whatever else has stopped the run."""
        why = f"interrupted by {signal.Signals(number).name}"
        if self.at is not None and self.signal is None:
            self.status, self.reason, self.signal = Status.INTERRUPTED, f"{why}, after: {self.reason}", number
            return True
        return self.order(Status.INTERRUPTED, why, number)

    def outcome(self, clock: Clock, *, balanced: bool) -> Outcome:
        """How the run ended, as far as orders to stop decide it."""
        return Outcome(self.status, self.reason, self.signal, clock, balanced)


def overdue(told: float, *, calling: bool) -> bool:
    """Whether a worker that was told to stop then (`time.monotonic`) and is still there has used up its grace."""
    return monotonic() - told > (CALL_GRACE_S if calling else GRACE_S)
