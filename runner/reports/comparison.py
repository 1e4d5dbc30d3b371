"""A comparison of runs as one HTML page, which opens offline."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner.analysis.batches import CONFIDENCE
from runner.experiments.comparison_words import FIGURES, RUNS, basis, figure_rows, run_rows, short, shown_figures
from runner.reports import library
from runner.reports.charts import height, label, plot, rows_axis
from runner.reports.frame import Section, figure, page
from runner.reports.source import whole_or_not_at_all
from runner.reports.tables import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.analysis.contrast import Contrast
    from runner.experiments.compare import Compared, Comparison
    from runner.experiments.drifts import Drift
    from runner.reports.charts import Chart

FILE: Final = "compare.html"


def write_comparison(found: Compared, file: str | Path = FILE) -> Path:
    """Write a comparison as an HTML page that needs nothing but itself, and return its path.

    Raises:
        UsageError: The plotting library is not installed, or the file cannot be written.
    """
    html = comparison_page(found)
    target = Path(file)
    with whole_or_not_at_all(target) as new:
        new.write_text(html, encoding="utf-8", errors="backslashreplace")
    return target


def comparison_page(found: Compared) -> str:
    """A comparison as HTML; raises UsageError where the plotting library is not installed."""
    script = library.script()
    charts: dict[str, Chart] = {}
    parts = [_section(each, found.family, place, charts) for place, each in enumerate(found.comparisons, 1)]
    first = found.comparisons[0].first.name
    lead = "".join(f'<p class="sentence">{escape(each.sentence)}.</p>' for each in found.comparisons)
    title = f"{found.comparisons[0].other.name} against {first}" if len(parts) == 1 else f"Runs against {first}"
    return page(title, lead, parts, charts, script)


def _section(comparison: Comparison, family: int, place: int, charts: dict[str, Chart]) -> Section:
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in comparison.notes)
    body = f"{notes}{table('The runs', RUNS, run_rows(comparison), texts=5)}"
    body += _unlike("config", comparison.config)
    if comparison.circumstances is not None:
        body += _unlike("circumstances", comparison.circumstances)
    figures = (
        table("Figures", FIGURES, figure_rows(comparison)) + f'<p class="said">{escape(basis(comparison, family))}</p>'
    )
    drawn = [each for each in shown_figures(comparison) if each.relative is not None and each.relative_low is not None]
    if drawn:
        name = f"differences-{place}"
        charts[name] = _intervals(drawn)
        caption = (
            f"Difference in percent of A, with the interval in which the true one lies with {100 * CONFIDENCE:.0f} %, "
            "figure by figure. Filled: differs by more than chance, all figures considered. What has no interval is "
            "in the table only."
        )
        body += figure(name, "Relative differences", caption, figures)
    else:
        body += f"<p>No figure has an interval: there is nothing to draw.</p>{figures}"
    return Section(f"comparison-{place}", f"{comparison.other.name} against {comparison.first.name}", body)


def _unlike(what: str, drifts: Sequence[Drift]) -> str:
    if not drifts:
        return f"<p>{what}: alike</p>"
    rows = [[each.what, short(each.then), short(each.now)] for each in drifts]
    return table(f"Where they are not alike: {what}", [what, "A", "B"], rows, texts=3)


def _intervals(found: Sequence[Contrast]) -> Chart:
    """A row for each figure: its relative difference, with the interval."""
    names = [label(each.metric) for each in found]
    data = [_points([(place, each) for place, each in enumerate(found) if each.differs is kind], names, differs=kind)
            for kind in (True, False)]  # fmt: skip
    zero = {"zerolinecolor": "var(--text)", "zerolinewidth": 1.5, "ticksuffix": " %"}
    rows = {**rows_axis(names), "showgrid": True}
    return plot([each for each in data if each["x"]], "difference in % of A", "", xaxis=zero, yaxis=rows,
                height=height(len(names)))  # fmt: skip


def _points(found: Sequence[tuple[int, Contrast]], names: Sequence[str], *, differs: bool) -> Chart:
    colour = "var(--put)" if differs else "var(--soft)"
    middle = [100 * (each.relative or 0.0) for _, each in found]
    ends = [(100 * (each.relative_low or 0.0), 100 * (each.relative_high or 0.0)) for _, each in found]
    error: dict[str, Any] = {"type": "data", "symmetric": False, "color": colour, "thickness": 1.5, "width": 4}
    error["array"] = [high - at for at, (_, high) in zip(middle, ends, strict=True)]
    error["arrayminus"] = [at - low for at, (low, _) in zip(middle, ends, strict=True)]
    return {
        "type": "scatter", "mode": "markers", "name": "differs" if differs else "not shown",
        "x": middle, "y": [place for place, _ in found], "error_x": error, "customdata": [names[p] for p, _ in found],
        "marker": {"symbol": "circle" if differs else "circle-open", "size": 8, "color": colour},
        "hovertemplate": "%{customdata}: %{x:.3s} %<extra></extra>",
    }  # fmt: skip
