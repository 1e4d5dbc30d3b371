"""A run or a sweep as one HTML page, which opens offline: the straight line, and what its parts are.

log --> reduction --> charts, tables --+
summary, manifest, config -------------+--> sections --> page
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from runner.errors import UsageError
from runner.log.rundir import is_sweep
from runner.reports import library, sections
from runner.reports.facts import facts
from runner.reports.frame import page
from runner.reports.headline import lead
from runner.reports.reduction import Reduction
from runner.reports.source import source, whole_or_not_at_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FILE: Final = "report.html"


def report(
    run: str | Path,
    file: str | Path | None = None,
    *,
    metrics: Sequence[str] = (),
    told: Callable[[str], None] | None = None,
) -> Path:
    """Write a stored run, or a sweep, as an HTML page, and return its path.

    The page needs no network and no server. Of a run with more than a screen can show it has minima, maxima and
    shares of time, and every slice of some windows; it says so. Memory grows with the workers and the items in flight,
    not with the run.

    Args:
        run: A run directory, an `events.jsonl`, or a sweep's folder. Where the run goes on, or its supervisor was
            killed, the journals are read; of a sweep that goes on the rows that are there.
        file: Where to write; `report.html` in the folder by default.
        metrics: Which metrics of a sweep have charts; the chief ones by default.
        told: Called with each thing that was wrong with the log and did not keep it from being read.

    Raises:
        LogError: There is no event log.
        UsageError: The plotting library is not installed, the file cannot be written, there is no such metric, or
            metrics are named for a run.
    """
    complaints: Sequence[str]
    if is_sweep(Path(run)):
        from runner.reports.sweep_report import sweep_page

        folder = Path(run).resolve()
        html, complaints = sweep_page(folder, metrics)
    elif metrics:
        raise UsageError(f"{run}: is no sweep; the page of a run has all its metrics")
    else:
        folder, html, complaints = _run_page(run)
    target = folder / FILE if file is None else Path(file)
    with whole_or_not_at_all(target) as new:
        new.write_text(html, encoding="utf-8", errors="backslashreplace")
    if told is not None:
        for complaint in complaints:
            told(complaint)
    return target


def _run_page(run: str | Path) -> tuple[Path, str, Sequence[str]]:
    """The folder of a run, its page, and what is wrong with it."""
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
    return found.folder, html, complaints
