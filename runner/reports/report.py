"""A run as one HTML page, which opens offline: the straight line, and what its parts are.

log --> reduction --> charts, tables --+
summary, manifest, config -------------+--> sections --> page
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from runner.reports import library, sections
from runner.reports.facts import facts
from runner.reports.frame import page
from runner.reports.headline import lead
from runner.reports.reduction import Reduction
from runner.reports.source import source, whole_or_not_at_all

if TYPE_CHECKING:
    from collections.abc import Callable

FILE: Final = "report.html"


def report(run: str | Path, file: str | Path | None = None, *, told: Callable[[str], None] | None = None) -> Path:
    """Write a stored run as an HTML page, and return its path.

    The page needs no network and no server. Of a run with more than a screen can show it has minima, maxima and
    shares of time, and every slice of some windows; it says so. Memory grows with the workers and the items in flight,
    not with the run.

    Args:
        run: A run directory or an `events.jsonl`. Where the run goes on, or its supervisor was killed, the journals
            are read.
        file: Where to write; `report.html` in the run's folder by default.
        told: Called with each thing that was wrong with the log and did not keep it from being read.

    Raises:
        LogError: There is no event log.
        UsageError: The plotting library is not installed, or the file cannot be written.
    """
    script = library.script()
    found = source(run)
    reduction = Reduction()
    reduction.read(found.chunks())
    known = facts(found)
    complaints = [*found.complaints, *known.complaints]
    charts = sections.charts(reduction)
    name = (reduction.start.run if reduction.start else None) or found.folder.name
    html = page(
        f"Run {name}",
        lead(reduction, known, complaints),
        sections.sections(reduction, known, charts),
        charts,
        script,
    )
    target = found.folder / FILE if file is None else Path(file)
    with whole_or_not_at_all(target) as new:
        new.write_text(html, encoding="utf-8", errors="backslashreplace")
    if told is not None:
        for complaint in complaints:
            told(complaint)
    return target
