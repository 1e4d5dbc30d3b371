"""Whether a log contradicts itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.analysis.closing import close
from runner.analysis.ledger import Ledger
from runner.analysis.linearizability import FifoCheck

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runner.analysis.violations import Verdict
    from runner.log.events import Event


def audit(events: Iterable[Event], *, fifo: bool = False) -> Verdict:
    """Judge a log by itself, without its config: every item accounted for, nothing twice, nothing out of order.

    Args:
        events: What `runner.log.events.read` yields.
        fifo: Whether the queues that promise to be FIFO are checked for it, too.
    """
    ledger = Ledger()
    if not fifo:
        ledger.feed(events)
        return close(ledger)
    check = FifoCheck()
    events = list(events)
    ledger.feed(events)
    check.feed(events)
    return close(ledger, fifo=check)
