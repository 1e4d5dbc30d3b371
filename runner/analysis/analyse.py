"""A stored log to its summary and its verdict, reading it once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.analysis.closing import close
from runner.analysis.ledger import Ledger
from runner.analysis.summary import Summary, figures
from runner.log import events, salvage

if TYPE_CHECKING:
    from pathlib import Path

    from runner.analysis.violations import Verdict


def analyse(path: Path) -> tuple[Summary, Verdict]:
    """Read a log and return its figures and whether it contradicts itself.

    Args:
        path: An `events.jsonl`; or the folder with the journals of a run that has none, which is never complete.

    Raises:
        LogError: It cannot be read, or is no event log; the message names the line.
    """
    ledger = Ledger()
    unfinished = path.is_dir()
    for chunk in salvage.read_chunks(path) if unfinished else events.read_chunks(path):
        ledger.feed(chunk)
    verdict = close(ledger, incomplete=salvage.INCOMPLETE if unfinished else None)
    return figures(ledger, verdict), verdict
