"""A stored log to its summary and its verdict, reading it once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.analysis.closing import close
from runner.analysis.ledger import Ledger
from runner.analysis.summary import Summary, figures
from runner.log.events import read_chunks

if TYPE_CHECKING:
    from pathlib import Path

    from runner.analysis.violations import Verdict


def analyse(path: Path) -> tuple[Summary, Verdict]:
    """Read `events.jsonl` and return its figures and whether it contradicts itself.

    Raises:
        LogError: It cannot be read, or is no event log; the message names the line.
    """
    ledger = Ledger()
    for chunk in read_chunks(path):
        ledger.feed(chunk)
    verdict = close(ledger)
    return figures(ledger, verdict), verdict
