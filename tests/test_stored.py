"""The stored runs: chosen by facts and metrics, ordered by any, removed when that is wanted."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runner.cli.app import execute
from runner.errors import UsageError
from runner.experiments.stored import condition, may_go, ordered, stored_runs

STARTED = "2026-01-{:02}T00:00:00.000000+00:00"


def store(out: Path, day: int, status: str = "ok", p99: float | None = 1.0, **facts: Any) -> Path:
    """A run directory with what `runs` reads of it."""
    folder = out / f"202601{day:02}T000000Z-{facts.get('name', 'x')}-0000"
    folder.mkdir(parents=True)
    manifest = {"run": folder.name, "name": "x", "status": status, "started": STARTED.format(day), **facts}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    if status != "running":
        summary = {"latency": {"p99": p99}, "items": {"done": day}, "throughput": 1.0 / day}
        (folder / "summary.json").write_text(json.dumps(summary))
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Four runs: the second failed, the third without a sample, the fourth goes on."""
    store(tmp_path, 1, p99=0.5, name="alpha", exit_code=0)
    store(tmp_path, 2, "failed", p99=0.2, name="beta", exit_code=1)
    store(tmp_path, 3, p99=None, name="alpine", exit_code=0)
    store(tmp_path, 4, "running", name="beta", pid=os.getpid(), host=platform.node())
    return tmp_path


def names(out: Path, *arguments: str, capfd: pytest.CaptureFixture[str]) -> list[str]:
    assert execute(["runs", "--out", str(out), "--json", *arguments]) == 0
    return [row["name"] for row in json.loads(capfd.readouterr().out)]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["alpha", "beta", "alpine", "beta"]),
        (["--descending"], ["beta", "alpine", "beta", "alpha"]),
        (["--where", "status=failed"], ["beta"]),
        (["--where", "name=al*"], ["alpha", "alpine"]),
        (["--where", "exit_code=0", "--where", "latency.p99 < 600ms"], ["alpha"]),
        (["--where", "latency.p99 >= 0"], ["alpha", "beta"]),
        (["--sort", "latency.p99"], ["beta", "alpha", "alpine", "beta"]),
        (["--sort", "latency.p99", "--descending"], ["alpha", "beta", "alpine", "beta"]),
        (["--sort", "name", "--limit", "2"], ["alpha", "alpine"]),
    ],
)
def test_runs_are_chosen_and_ordered(
    arguments: list[str], expected: list[str], out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What has no value of the metric comes last either way, and meets no bound on it."""
    assert names(out, *arguments, capfd=capfd) == expected


def test_a_metric_asked_for_is_a_column(out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert execute(["runs", "--out", str(out), "--metric", "latency.p99", "--sort", "items.done"]) == 0
    head, _, first, *_ = capfd.readouterr().out.splitlines()
    assert head.split() == ["run", "status", "engine", "done", "items/s", "latency.p99"]
    assert first.endswith("500 ms")


@pytest.mark.parametrize("arguments", [["--where", "latncy.p99 < 1"], ["--sort", "stats"], ["--metric", "latency"]])
def test_what_is_no_metric_is_one_line(arguments: list[str], out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert execute(["runs", "--out", str(out), *arguments]) == 2
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_a_condition_is_a_fact_or_a_bound() -> None:
    with pytest.raises(UsageError, match="or a fact such as status=failed"):
        condition("sttus=failed")


def test_the_unreadable_are_ordered_last(out: Path) -> None:
    (out / "20260105T000000Z-broken-0000").mkdir()
    (out / "20260105T000000Z-broken-0000" / "manifest.json").write_text("{")
    last = ordered(stored_runs(out), "started", descending=True)[-1]
    assert (last.facts["status"], last.place.name) == ("unreadable", "20260105T000000Z-broken-0000")


class TestPrune:
    """What is removed, and what never is."""

    def left(self, out: Path) -> list[str]:
        return sorted(path.name[6:8] for path in out.iterdir() if not path.is_symlink())

    @pytest.mark.parametrize(
        ("arguments", "left"),
        [
            (["--keep", "1"], ["03", "04"]),
            (["--keep", "0"], ["04"]),
            (["--where", "status=failed"], ["01", "03", "04"]),
            (["--older-than", "1d"], ["04"]),
            (["--older-than", "100000d"], ["01", "02", "03", "04"]),
            (["--where", "status=running"], ["01", "02", "03", "04"]),
            (["--keep", "0", "--dry-run"], ["01", "02", "03", "04"]),
        ],
    )
    def test_removes_what_is_named(self, arguments: list[str], left: list[str], out: Path) -> None:
        """A run that goes on stays, even if it is named: its process lives."""
        assert execute(["prune", "--out", str(out), "--yes", *arguments]) == 0
        assert self.left(out) == left

    def test_a_run_whose_supervisor_was_killed_goes_only_if_asked_for(self, tmp_path: Path) -> None:
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        store(tmp_path, 1, "running", pid=dead.pid, host=platform.node())
        store(tmp_path, 2, "running", pid=dead.pid, host="elsewhere")
        here, elsewhere = stored_runs(tmp_path)
        assert may_go(here, asked=True)
        assert not may_go(here, asked=False)
        assert not may_go(elsewhere, asked=True)
        assert execute(["prune", "--out", str(tmp_path), "--yes", "--where", "status=running"]) == 0
        assert self.left(tmp_path) == ["02"]

    def test_latest_names_the_newest_that_is_left(self, out: Path) -> None:
        (out / "latest").symlink_to("20260104T000000Z-beta-0000")
        assert execute(["prune", "--out", str(out), "--yes", "--where", "name=al*"]) == 0
        assert (out / "latest").readlink() == Path("20260104T000000Z-beta-0000")
        assert execute(["prune", "--out", str(out), "--yes", "--keep", "0"]) == 0
        assert (out / "latest").readlink() == Path("20260104T000000Z-beta-0000")

    def test_asks_first(self, out: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """Without a terminal to ask on nothing is removed."""
        assert execute(["prune", "--out", str(out), "--keep", "0"]) == 2
        assert "there is no terminal to ask on; say --yes" in capfd.readouterr().err
        assert len(self.left(out)) == 4

    @pytest.mark.parametrize("arguments", [[], ["--older-than", "soon"], ["--where", "nothing"]])
    def test_must_be_told_which(self, arguments: list[str], out: Path, capfd: pytest.CaptureFixture[str]) -> None:
        assert execute(["prune", "--out", str(out), "--yes", *arguments]) == 2
        assert len(capfd.readouterr().err.splitlines()) == 1
        assert len(self.left(out)) == 4
