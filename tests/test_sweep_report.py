"""`mprun report SWEEP`: the page of a sweep, as text and as a browser shows it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from pages import HOSTILE, Reader

import runner
from runner.cli.app import execute
from runner.config.load import loads
from runner.errors import LogError, UsageError
from runner.experiments.sweep_figures import SweepFigures
from runner.experiments.sweep_rows import Row
from runner.reports.sweep_charts import MOST_LINES, along, is_scale
from runner.reports.sweep_tables import MOST_CELLS, everything

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("plotly", reason="the extra report is not installed")
pytestmark = pytest.mark.usefixtures("no_library")

COUNT, SIZE = "consumers.c.count", "queues.main.maxsize"
SWEEP: dict[str, Any] = {
    "name": "small",
    "description": f"How many? {HOSTILE}",
    "base": {
        "engine": "simulation",
        "producers": {"p": {"items": 30}},
        "consumers": {"c": {"sleep": {"distribution": "exponential", "mean": "2ms"}}},
        "expect": {"makespan_s": "< 30ms"},
    },
    "matrix": {COUNT: [1, 2, 4], SIZE: [1, 0]},
    "repeat": 6,
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> runner.Sweep:
    """A sweep with two axes, one of which counts workers."""
    return runner.sweep(SWEEP, tmp_path_factory.mktemp("small"))


def page_of(folder: Path, **options: Any) -> Reader:
    return Reader(runner.report(folder, folder.parent / "page.html", **options).read_text())


def test_what_is_in_the_page(small: runner.Sweep) -> None:
    """Medians with intervals, changes, speed-up, bounds, the manifest; nothing that would be fetched; each id once."""
    file = runner.report(small.folder)
    assert file == small.folder / "report.html"
    page = Reader(file.read_text())
    assert page.fetched == []
    assert len(page.ids) == len(set(page.ids))
    makespan = small.figures.estimate("makespan_s", 0)
    assert makespan.median is not None
    assert any(text.startswith(f"{1000 * makespan.median:.1f} ms (") for text in page.texts["td"])
    two = next(each for each in small.figures.speed_ups(COUNT) if each.workers == 2)
    gained = two.speed_up
    assert f"{gained.median:.2f} ({gained.low:.2f} to {gained.high:.2f})" in page.texts["td"]
    assert "6: 97 %" in page.text
    met = sum(row.status == "ok" for row in small.rows)
    assert 0 < met < 36
    assert f"{met} of 36" in page.texts["td"]
    assert small.digest in page.text
    assert f"How many? {HOSTILE}" in page.text


def test_a_change_is_one_over_seeds(small: runner.Sweep) -> None:
    """The same draws in both cells: the interval of the change is narrower than those of the two figures allow."""
    first, second = (small.figures.estimate("makespan_s", place) for place in (0, 2))
    change = small.figures.ratio("makespan_s", 2, 0)
    assert None not in (first.low, first.high, second.low, second.high, change.low, change.high)
    apart = second.high / first.low - second.low / first.high  # type: ignore[operator]
    assert 0 < change.high - change.low < apart / 2  # type: ignore[operator]
    assert f"{100 * (change.median - 1):+.1f} % (" in page_of(small.folder).text  # type: ignore[operator]


def test_metrics_are_chosen(small: runner.Sweep) -> None:
    page = page_of(small.folder, metrics=["sojourn.p90", "queues.main.max_depth"])
    assert page.texts["h2"] == [
        f"Speed-up: {COUNT}", "sojourn.p90", "queues.main.max_depth", "All metrics", "Expectations", "The sweep",
    ]  # fmt: skip


def test_a_groups_utilization_is_the_mean_over_its_workers(small: runner.Sweep) -> None:
    (row,) = [row for row in small.rows if row.cell == 5 and row.repeat == 0]
    base = {**SWEEP["base"], "seed": row.seed, "consumers": {"c": {**SWEEP["base"]["consumers"]["c"], "count": 4}}}
    workers = runner.simulate(loads(json.dumps(base)), store=False).summary["workers"]
    shares = [worker["utilization"] for name, worker in workers.items() if name.startswith("c-")]
    assert len(shares) == 4
    assert row.metrics["groups.c.utilization"] == pytest.approx(sum(shares) / 4)
    assert "groups.c.utilization" in page_of(small.folder).texts["h2"]
    share = small.figures.estimate("groups.c.utilization", 5).median
    assert share is not None
    assert any(text.startswith(f"{100 * share:.1f} % (") for text in page_of(small.folder).texts["td"])


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        ("makespan", "--metric: no such metric: makespan, did you mean makespan_s?"),
        ("latency", "--metric: latency is no single figure"),
        ("lateness.mean", "--metric: no run of this sweep has a sample of lateness.mean"),
    ],
)
def test_a_metric_that_is_none(metric: str, told: str, small: runner.Sweep) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        page_of(small.folder, metrics=[metric])


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    """A sweep that is not finished, whose rows were changed by hand, and of which runs failed."""
    base = {**SWEEP["base"], "faults": [{"raise": "c-0", "after": {"gets": 5}}]}
    failing = {**SWEEP, "base": base, "matrix": {COUNT: [1, 2, 4], "on_error.policy": ["fail", "skip"]}}
    folder = runner.sweep(failing, tmp_path).folder
    rows = (folder / "sweep.jsonl").read_text().splitlines(keepends=True)
    (folder / "sweep.jsonl").write_text("".join([rows[0].replace('"wall_s":', '"wall_s":1', 1), *rows[1:-2], "half"]))
    told: list[str] = []
    page = page_of(folder, told=told.append)
    assert told
    assert all("changed by hand" in each for each in told)
    assert all(each in page.text for each in told)
    assert "The sweep is incomplete: 34 of 36 runs have ended." in page.text
    left_out = runner.read_sweep(folder).figures.left_out
    assert left_out
    assert f"{len(left_out)} runs did not complete; they are listed below and are in no figure." in page.text
    assert "Runs that did not complete" in page.texts["h2"]


def test_no_row_and_one_repeat(tmp_path: Path) -> None:
    folder = runner.sweep({**SWEEP, "repeat": 1}, tmp_path).folder
    assert "there are no intervals" in page_of(folder).text
    (folder / "sweep.jsonl").write_text("")
    assert "No run has ended yet." in page_of(folder).text


def test_what_is_no_sweep(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text("{}")
    with pytest.raises(LogError, match="cannot be read"):
        runner.report(tmp_path)
    run = runner.simulate(_config(tmp_path), tmp_path)
    with pytest.raises(UsageError, match="is no sweep; the page of a run has all its metrics"):
        runner.report(run.run_dir, metrics=["throughput"])


def _config(folder: Path) -> Any:
    (folder / "c.yaml").write_text("producers: {p: {items: 1}}\nconsumers: {c: {}}\n")
    return runner.load(folder / "c.yaml")


def test_the_command(small: runner.Sweep, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["report", small.folder.name, "--out", str(small.folder.parent), "--metric", "throughput"]
    assert execute(arguments) == 0
    assert capfd.readouterr() == (f"{small.folder.resolve() / 'report.html'}\n", "")


def many(cells: list[dict[str, Any]]) -> SweepFigures:
    rows = [
        Row(place, 0, 1, cell, "ok", 0, None, "", 1.0, metrics={"makespan_s": 2.0}) for place, cell in enumerate(cells)
    ]
    return SweepFigures([*dict.fromkeys(path for cell in cells for path in cell)], cells, rows)


def test_of_many_lines_and_cells_some_are_shown_and_it_says_so() -> None:
    figures = many([{COUNT: n, SIZE: size} for n in (1, 2) for size in range(150)])
    chart = along(figures, "makespan_s", COUNT)
    assert len(chart["data"]) == MOST_LINES
    assert f"the first {MOST_CELLS} of 300 cells" in everything(figures)


def test_numbers_that_go_up_are_a_scale_and_others_are_names() -> None:
    assert [is_scale(values) for values in ([1, 2, 4], [1, 5, 0], ["1", "2"], [True, False])] == [
        True,
        False,
        False,
        False,
    ]
    chart = along(many([{SIZE: 5}, {SIZE: 0}]), "makespan_s", SIZE)
    assert chart["layout"]["xaxis"]["categoryarray"] == chart["data"][0]["x"] == ["5", "0"]


def test_names_are_escaped_for_the_library() -> None:
    chart = along(many([{"x": "<b>", SIZE: n} for n in (0, 1)]), "makespan_s", SIZE)
    assert chart["data"][0]["name"] == "x=&lt;b&gt;"
    assert "<b>" not in json.dumps(chart)
