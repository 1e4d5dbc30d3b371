"""`mprun report`: the page, as text and as a browser shows it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browser import Page
from logs import Simulation, Topology, text_of
from pages import HOSTILE, READY, Reader, press, seen

import runner
from runner.config.load import loads
from runner.errors import LogError, UsageError
from runner.reports.report import report

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("plotly", reason="the extra report is not installed")

CONFIGS = Path(__file__).parent.parent / "configs"


def stored(tmp_path: Path, **config: Any) -> Path:
    """The run directory of a simulation."""
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(config))
    return runner.simulate(runner.load(file), out=tmp_path / "runs").run_dir


def hostile(tmp_path: Path) -> Path:
    """A log without an end whose names are what would break out of HTML, JSON and scripts."""
    records = Simulation(Topology(items=6, stages=1)).run()[:-9]
    text = text_of(records).replace('"q0"', json.dumps(f"q{HOSTILE}")).replace('"c-0"', json.dumps(f"c{HOSTILE}-0"))
    text = text.replace('"p-0:3"', json.dumps(f"p-0:{HOSTILE}"))
    log = tmp_path / "events.jsonl"
    log.write_text(text.replace('"run": "r"', json.dumps("run") + ": " + json.dumps(HOSTILE)))
    return log


def test_what_is_in_the_page(tmp_path: Path) -> None:
    """Figures, topology, verdict, config and manifest as text; nothing that would be fetched; each id once."""
    result = runner.simulate(runner.load(CONFIGS / "back-pressure.yaml"), out=tmp_path)
    file = runner.report(result.run_dir)
    assert file == result.run_dir / "report.html"
    page = Reader(file.read_text())
    assert page.fetched == []
    assert len(page.ids) == len(set(page.ids))
    for said in ("valid", "Topology", str(result.summary["plan_digest"]), "blocked in put", "maxsize"):
        assert said in page.text
    (config,) = page.texts["pre"]
    assert config == (result.run_dir / "config.yaml").read_text()
    for worker in result.summary["workers"]:
        assert worker in page.texts["th"]
    assert "Every change is drawn." in page.text
    assert not (tmp_path / ".report.html.new").exists()


def test_a_bottleneck_is_told_where_the_summary_has_one(tmp_path: Path) -> None:
    result = runner.simulate(runner.load(CONFIGS / "default.yaml"), out=tmp_path)
    summary = {**result.summary, "bottleneck": "limited by consume: busy 98 %"}
    (result.run_dir / "summary.json").write_text(json.dumps(summary))
    assert "limited by consume: busy 98 %" in Reader(runner.report(result.run_dir).read_text()).text


def test_with_the_bottleneck_goes_what_a_step_there_would_bring(tmp_path: Path) -> None:
    text = "producers: {make: {items: 100, sleep: 10ms}}\nconsumers: {use: {sleep: 20ms}}"
    page = Reader(runner.report(runner.simulate(loads(text), out=tmp_path).run_dir).read_text())
    assert "limited by use: busy 100 %, queue main grew to 50 items" in page.text
    assert "with consumers.use.count 2 instead of 1 a simulation predicts 99 items/s instead of 50 (+98 %)" in page.text


def test_an_incomplete_run_is_called_that(tmp_path: Path) -> None:
    """Without run.end, with half a line, and with a line in the middle that is none: each is said."""
    lines = text_of(Simulation(Topology()).run()).splitlines(keepends=True)
    log = tmp_path / "events.jsonl"
    log.write_text("".join([*lines[:9], "{oops}\n", *lines[9:-1]])[:-7])
    said: list[str] = []
    page = Reader(report(log, told=said.append).read_text())
    assert "This run is incomplete: its log has no run.end, and its last line is only half there." in page.text
    assert f"{log}: line 10: is no event" in page.text
    assert any(f"{log}: line 10: is no event" in each for each in said)
    assert "incomplete" in page.texts["dd"]
    assert "There is no config beside this log." in page.text


def test_what_the_audit_found_is_listed(tmp_path: Path) -> None:
    records = Simulation(Topology()).run()
    records.remove(next(record for record in records if record["event"] == "done"))
    log = tmp_path / "events.jsonl"
    log.write_text(text_of(records))
    page = Reader(report(log).read_text())
    assert "lost" in page.texts["th"]
    assert any(text.startswith("not valid: ") for text in page.texts["dd"])


def test_no_text_of_a_run_becomes_markup(tmp_path: Path) -> None:
    page = Reader(report(hostile(tmp_path)).read_text())
    assert page.fetched == []
    assert f"p-0:{HOSTILE}" in page.text
    charts = json.loads(page.texts["script"][0])
    assert charts["timeline"]["names"][-1].startswith("c&lt;/script&gt;&lt;img") or any(
        name.startswith("c&lt;/script&gt;") for name in charts["timeline"]["names"]
    )


def test_without_the_library_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(UsageError, match=re.escape("pip install 'mprun[report]'")):
        report(tmp_path)


def test_what_cannot_be_reported(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no such run"):
        report(tmp_path / "nothing")
    log = hostile(tmp_path)
    with pytest.raises(UsageError, match="cannot be written"):
        report(log, tmp_path / "no" / "folder.html")


def test_the_command(tmp_path: Path) -> None:
    result = runner.simulate(runner.load(CONFIGS / "default.yaml"), out=tmp_path / "runs")
    command = [sys.executable, "-m", "runner", "report", "-o", "page.html"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "page.html\n", "")
    assert str(result.run_dir.name) in (tmp_path / "page.html").read_text()


def test_a_page_needs_no_plotly_in_the_rest_of_the_program() -> None:
    """Only the command loads it."""
    script = "import sys, runner; runner.run, runner.trace; print('plotly' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"


@pytest.fixture
def browser() -> Iterator[Page]:
    """A browser for one test: what a test leaves running is its failure."""
    with Page() as page:
        yield page


def said(browser: Page) -> str:
    text: str = browser.ask("document.getElementById('timeline-said').textContent")
    return text


def shown(browser: Page) -> tuple[float, float]:
    """The stretch of time that the timeline shows, in seconds."""
    left, right = browser.ask("document.getElementById('timeline')._fullLayout.xaxis.range")
    return left, right


def drag(browser: Page, left: float, right: float) -> None:
    """Draw a box in the timeline, over a part of its width."""
    box = browser.ask("""(() => {
        document.getElementById('timeline').scrollIntoView({ block: 'center', behavior: 'instant' });
        const { x, y, width, height } = document.querySelector('#timeline .nsewdrag').getBoundingClientRect();
        return { x, y, width, height };
    })()""")
    y = box["y"] + box["height"] / 2
    steps = [("mousePressed", left), *(("mouseMoved", left + (right - left) * k / 4) for k in range(1, 5))]
    for kind, at in [*steps, ("mouseReleased", right)]:
        x = box["x"] + at * box["width"]
        browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)
    browser.wait("document.querySelector('.zoombox') === null")
    browser.ask("new Promise((done) => setTimeout(done, 300))")


def test_a_small_run_in_a_browser(browser: Page, tmp_path: Path) -> None:
    """Every chart drawn; the timeline zooms by mouse and by buttons, down to one item that is named on its bar."""
    run = stored(
        tmp_path,
        queues={"a": {"maxsize": 2}, "b": {}},
        producers={"p": {"count": 2, "to": "a", "items": 20, "sleep": "1ms"}},
        stages={"s": {"from": "a", "to": "b", "sleep": "2ms"}},
        consumers={"c": {"from": "b", "sleep": {"distribution": "exponential", "mean": "1ms"}}},
        faults=[{"kill": "c-0", "after": {"gets": 5}}],
    )
    assert {"timeline", "bars", "depth", "latency", "sizes"} <= set(seen(browser, runner.report(run)))
    assert "slices one by one." in said(browser)
    whole = shown(browser)
    drag(browser, 0.25, 0.5)
    zoomed = shown(browser)
    width = whole[1] - whole[0]
    assert zoomed[0] == pytest.approx(width * 0.25, abs=width * 0.02)
    assert zoomed[1] == pytest.approx(width * 0.5, abs=width * 0.02)
    for _ in range(3):
        press(browser, "timeline-in")
    near = shown(browser)
    assert near[1] - near[0] == pytest.approx((zoomed[1] - zoomed[0]) / 64)
    bars = browser.ask("[...document.querySelectorAll('#timeline .bartext')].map((text) => text.textContent)")
    assert any(re.fullmatch(r"p-[01]:\d+", text) for text in bars)
    press(browser, "timeline-all")
    assert shown(browser) == whole


def test_a_run_with_more_than_a_screen_can_show(browser: Page, tmp_path: Path) -> None:
    """It says so; shares from afar, slices in the windows that are listed."""
    run = stored(
        tmp_path,
        producers={"p": {"count": 2, "items": 5000, "sleep": {"distribution": "exponential", "mean": "2ms"}}},
        consumers={"c": {"count": 2, "sleep": {"distribution": "exponential", "mean": "2ms"}}},
    )
    file = runner.report(run)
    assert "More than a screen can show: drawn are minimum and maximum" in file.read_text()
    seen(browser, file)
    assert "shows shares of time." in said(browser)
    browser.ask("""(() => {
        const choice = document.getElementById('timeline-windows');
        choice.value = '3';
        choice.dispatchEvent(new Event('change'));
    })()""")
    browser.wait("document.getElementById('timeline-said').textContent.includes('slices one by one.')")
    assert browser.ask("document.querySelectorAll('#timeline .bars .point path').length") > 100


def test_dark_and_light(browser: Page, tmp_path: Path) -> None:
    """As the system has it, or as the button says; charts follow, whatever names there are in them."""
    file = report(hostile(tmp_path))
    assert {"timeline", "bars", "depth", "latency", "sizes"} <= set(seen(browser, file))
    colour = "document.querySelector('#depth .main-svg').style.background"
    assert browser.ask(colour) == "rgb(255, 255, 255)"
    press(browser, "theme")
    browser.wait(f"{READY} && {colour} === 'rgb(20, 23, 27)'")
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    seen(browser, file)
    assert browser.ask(colour) == "rgb(20, 23, 27)"
    assert browser.ask("document.images.length") == 0
