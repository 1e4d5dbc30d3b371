"""A sweep as one HTML page, which opens offline.

sweep.json, sweep.jsonl --> figures --> charts, tables --> sections --> page
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.config.bounds import BoundError, kind_of
from runner.errors import UsageError
from runner.experiments.sweep_store import read_sweep
from runner.reports import library
from runner.reports.frame import page
from runner.reports.sweep_sections import CHIEF, Charts, lead, sections

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def sweep_page(folder: Path, metrics: Sequence[str] = ()) -> tuple[str, tuple[str, ...]]:
    """A sweep as HTML, and what is wrong with its folder, a sentence each.

    Args:
        folder: Of the sweep, which may go on.
        metrics: Which ones have charts; the chief ones by default. The others are in a table.

    Raises:
        LogError: It is no sweep's folder.
        UsageError: There is no such metric, or no run of the sweep has it; or the plotting library is not installed.
    """
    script = library.script()
    stored = read_sweep(folder)
    figures = stored.figures
    for metric in metrics:
        _check(metric, figures.metrics)
    charts: Charts = {}
    parts = sections(stored, figures, [*dict.fromkeys(metrics)] or CHIEF, charts)
    return page(f"Sweep {stored.manifest['name']}", lead(stored, figures), parts, charts, script), stored.faults


def _check(metric: str, known: Sequence[str]) -> None:
    try:
        kind_of(metric)
    except BoundError as error:
        raise UsageError(f"--metric: {error}") from None
    if metric not in known:
        raise UsageError(f"--metric: no run of this sweep has a sample of {metric}")
