"""`mprun compare --html`: a comparison as a page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pages import HOSTILE, Reader

import runner
from runner.cli.app import execute
from runner.config.load import loads

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("plotly", reason="the extra report is not installed")
pytestmark = pytest.mark.usefixtures("no_library")

TEXT = """
queues: {main: {maxsize: 5}}
producers: {p: {items: 300, sleep: {distribution: exponential, mean: 10ms}}}
consumers: {c: {count: 2, sleep: {distribution: exponential, mean: 20ms}}}
"""
SLOWER = {"consumers.c.sleep.mean": "22ms"}


def simulated(folder: Path, **overrides: Any) -> Path:
    return runner.simulate(loads(TEXT, overrides=overrides), folder).run_dir


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """One, a slower one with the same draws, one with another seed."""
    folder = tmp_path_factory.mktemp("runs")
    return simulated(folder), simulated(folder, **SLOWER), simulated(folder, seed=2)


def test_what_is_in_the_page(runs: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """The sentence, what is not alike, all figures, each chart's place; nothing that would be fetched."""
    found = runner.compare(*runs)
    file = runner.write_comparison(found, tmp_path / "page.html")
    page = Reader(file.read_text())
    assert page.fetched == []
    assert len(page.ids) == len(set(page.ids))
    assert {"differences-1", "differences-2"} <= set(page.ids)
    for comparison in found.comparisons:
        assert f"{comparison.sentence}." in page.text
        assert all(each.metric in page.texts["th"] for each in comparison.figures if each.first or each.other)
    assert "consumers.c.sleep.mean" in page.texts["th"]
    assert "+10.0" in page.texts["td"]


def test_an_interval_is_drawn_as_it_is(runs: tuple[Path, Path, Path], tmp_path: Path) -> None:
    found = runner.compare(*runs[:2])
    page = Reader(runner.write_comparison(found, tmp_path / "page.html").read_text())
    drawn = json.loads(page.texts["script"][0])["differences-1"]
    names = drawn["layout"]["yaxis"]["ticktext"]
    points = {names[y]: (x, each["name"], x - each["error_x"]["arrayminus"][n], x + each["error_x"]["array"][n])
              for each in drawn["data"] for n, (x, y) in enumerate(zip(each["x"], each["y"], strict=True))}  # fmt: skip
    (comparison,) = found.comparisons
    known = {each.metric: each for each in comparison.figures if each.relative_low is not None}
    assert set(points) <= set(known)
    service = known["service.mean"]
    assert points["service.mean"][1] == "differs"
    assert [points["service.mean"][n] for n in (0, 2, 3)] == pytest.approx(
        [100 * each for each in (service.relative, service.relative_low, service.relative_high) if each is not None]
    )


def test_no_text_of_a_run_becomes_markup(tmp_path: Path) -> None:
    named = simulated(tmp_path / "runs", name=HOSTILE.replace("\u2028", ""), description=HOSTILE)
    page = Reader(
        runner.write_comparison(runner.compare(named, simulated(tmp_path / "runs")), tmp_path / "p").read_text()
    )
    assert page.fetched == []
    assert any(HOSTILE[:40] in text for text in page.texts["td"])


def test_runs_too_short_to_draw_anything(tmp_path: Path) -> None:
    short = [simulated(tmp_path / "runs", **{"producers.p.items": 2}) for _ in range(2)]
    page = Reader(runner.write_comparison(runner.compare(*short), tmp_path / "page.html").read_text())
    assert "No figure has an interval: there is nothing to draw." in page.text
    assert "makespan_s" in page.texts["th"]


def test_the_command(
    runs: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [str(run) for run in runs[:2]]
    assert execute(["compare", *names, "--html"]) == 0
    assert capfd.readouterr() == ("compare.html\n", "")
    assert execute(["compare", *names, "--html", "-o", "other.html"]) == 0
    assert (tmp_path / "other.html").read_text() == (tmp_path / "compare.html").read_text()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--html", "--json"], "mprun: compare: --json and --html are two documents; choose one"),
        (["-o", "x"], "mprun: compare: -o is where the page of --html goes; for the parent of run directories say"),
        (["--html", "-o", "no/x.html"], "mprun: no/x.html: cannot be written: No such file or directory; choose"),
    ],
)  # fmt: skip
def test_wrong_options(
    options: list[str], told: str, runs: tuple[Path, Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    assert execute(["compare", *(str(run) for run in runs[:2]), *options]) == 2
    out, err = capfd.readouterr()
    assert (out, err.startswith(told)) == ("", True)
