"""Whether a log contradicts itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.analysis.closing import close
from runner.analysis.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runner.analysis.violations import Verdict
    from runner.log.events import Event


def audit(events: Iterable[Event]) -> Verdict:
    """Judge a log by itself, without its config: every item accounted for, nothing twice, nothing out of order.

    Args:
        events: What `runner.log.events.read` yields.
    """
    ledger = Ledger()
    ledger.feed(events)
    return close(ledger)
