"""A stored log to its summary and its verdict, reading it once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.analysis.closing import close
from runner.analysis.ledger import Ledger
from runner.analysis.linearizability import FifoCheck
from runner.analysis.summary import Summary, figures
from runner.log import salvage, tolerant
from runner.log.tolerant import Troubles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from runner.analysis.violations import Verdict
    from runner.log.depths import DepthSamples


def analyse(
    path: Path,
    grows: Callable[[], bool] | None = None,
    *,
    fifo: bool = False,
    depths: Mapping[str, DepthSamples] | None = None,
) -> tuple[Summary, Verdict]:
    """Read a log and return its figures and whether it contradicts itself.

    Args:
        path: An `events.jsonl`; or the folder with the journals of a run that has none, which is never complete.
        grows: Asked at the end of an `events.jsonl` whether there may be more to read now.
        fifo: Whether the queues that promise to be FIFO are checked for it, which takes as long as all else.
        depths: What was seen of the queues meanwhile, to compare the log with.

    A line that is no event is a violation, and nothing is accused of missing; a log of another schema is read as one of
    this one, and never called valid.

    Raises:
        LogError: It cannot be read, or does not begin with a `run.start`.
    """
    ledger = Ledger()
    check = FifoCheck() if fifo else None
    unfinished = path.is_dir()
    for chunk in salvage.read_chunks(path) if unfinished else tolerant.read_chunks(path, Troubles(), grows):
        ledger.feed(chunk)
        if check is not None:
            check.feed(chunk)
    verdict = close(ledger, salvage.INCOMPLETE if unfinished else None, check)
    return figures(ledger, verdict, depths), verdict
