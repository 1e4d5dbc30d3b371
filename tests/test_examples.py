"""The scripts in docs/examples do what their pages say, from the Python API alone."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import runner

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))


def printed(name: str, folder: Path) -> list[str]:
    """Run a script beside a copy of configs/; returns the lines it prints."""
    shutil.copytree(ROOT / "configs", folder / "configs", ignore=shutil.ignore_patterns("__pycache__"))
    script = ROOT / "docs" / "examples" / name
    done = subprocess.run([sys.executable, script], cwd=folder, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_each_script_is_tested_here_and_shown_in_a_page() -> None:
    assert [path.name for path in EXAMPLES] == ["best_number.py", "run_again.py"]
    page = (ROOT / "docs" / "how-to" / "script-runs.md").read_text()
    assert all(f"/examples/{path.name}" in page for path in EXAMPLES)


def test_the_best_number_of_consumers(tmp_path: Path) -> None:
    """Six rows whose throughput grows, from a speed-up of 1 on; the advice names a number whose simulation meets it."""
    head, *lines = printed("best_number.py", tmp_path)
    page = (ROOT / "docs" / "how-to" / "script-runs.md").read_text()
    assert "\n".join([head, *lines]) in page, "the page shows something else"
    assert head.split()[:2] == ["consumers", "items/s"]
    rows = [line.split() for line in lines[:6]]
    assert [row[0] for row in rows] == list("123456")
    throughputs = [float(row[1]) for row in rows]
    assert throughputs == sorted(throughputs)
    assert rows[0][2:] == ["1.00", "(1.00", "to", "1.00)", "100%", *rows[0][7:]]
    assert lines[6] == f"most items per second: {rows[5][1]}, with 6 consumers"
    found = re.fullmatch(r"consumers\.slow\.count = (\d+) is the smallest value that meets .*", lines[7])
    assert found
    config = runner.load(ROOT / "configs" / "back-pressure.yaml", {"consumers.slow.count": int(found[1])})
    assert runner.simulate(config, store=False).summary["latency"]["p99"] < 0.15


@pytest.mark.process
def test_run_rerun_compare_fit_and_simulate(tmp_path: Path) -> None:
    lines = printed("run_again.py", tmp_path)
    assert re.fullmatch(r"a run: \d+ items in [\d.]+ s, .*-back-pressure-.*", lines[0])
    assert lines[1] == "run again: the same experiment, 0 things drifted"
    assert " against " in lines[2]
    assert "by more than chance" in lines[3]
    assert re.match(r"its recorded times, simulated: [\d.]+ s", lines[4])
    times = [float(line.split()[1]) for line in lines[5:]]
    assert len(times) == 3
    assert times == sorted(times)
