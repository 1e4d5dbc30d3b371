"""The pages of a sweep and of a comparison as a browser shows them: every chart drawn, dark and light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from browser import Page
from pages import press, seen

import runner
from runner.config.load import loads

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("plotly", reason="the extra report is not installed")

TEXT = """
engine: simulation
producers: {p: {items: 300}}
consumers: {c: {sleep: {distribution: exponential, mean: 2ms}}}
"""
DARK = "rgb(20, 23, 27)"


def test_every_chart_is_drawn_dark_and_light(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(TEXT)
    vary = {"consumers.c.count": [1, 2, 4], "queues.main.maxsize": [1, 0]}
    sweep = runner.sweep(tmp_path / "c.yaml", tmp_path, vary=vary, repeat=2)
    runs = [runner.simulate(loads(TEXT, overrides={"consumers.c.count": n}), tmp_path) for n in (1, 2)]
    with Page() as browser:
        charts = seen(browser, runner.report(sweep.folder, metrics=["makespan_s"]))
        assert charts == ["speed-0", "efficiency-0", "metric-0-0", "metric-0-1"]
        assert browser.ask("document.querySelectorAll('#metric-0-0 .errorbar').length") == 6
        press(browser, "theme")
        browser.wait(f"document.querySelector('#speed-0 .main-svg').style.background === '{DARK}'")
        page = runner.write_comparison(runner.compare(*runs), tmp_path / "page.html")
        assert seen(browser, page) == ["differences-1"]
        assert browser.ask("document.querySelectorAll('#differences-1 .errorbar').length") > 0
