"""`mprun doctor`: what was measured, and what it means."""

from __future__ import annotations

import json
import os
from importlib.metadata import PackageNotFoundError
from typing import TYPE_CHECKING, Any

import pytest

from runner.cli.app import execute
from runner.engines import checkup, tasks
from runner.engines.checkup import Level
from runner.engines.tasks import TaskLimit

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.process
def test_everything_is_looked_at(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = execute(["doctor", "--json", "-o", str(tmp_path / "none" / "yet")])
    document = json.loads(capfd.readouterr().out)
    found = {each["name"]: each for each in document["findings"]}
    assert list(found) == [
        "python", "system", "cores", "load", "start by fork", "start by forkserver", "start by spawn", "open files",
        "processes", "memory", "pipes", "clock", "oversleep", "disk", "ray",
    ]  # fmt: skip
    assert all(each["shown"] and each["advice"] for each in found.values())
    assert found["cores"]["values"]["usable"] == len(os.sched_getaffinity(0))
    for method in checkup.METHODS:
        assert 0 < found[f"start by {method}"]["values"]["next_s"] < 30
    assert 0 < found["clock"]["values"]["resolution_s"] < 0.01
    assert found["oversleep"]["values"]["median_s"] > 0
    assert found["pipes"]["values"]["granted"] >= 4096
    assert document["healthy"] == (code == 0) == all(each["level"] != "bad" for each in found.values())


def one(**changed: Any) -> checkup.Finding:
    return checkup.Finding(**{"name": "x", "level": Level.OK, "shown": "1", "advice": "a", "values": {}, **changed})


def test_a_line_for_each_finding(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    found = [one(), one(name="y", level=Level.NOTE)]
    monkeypatch.setattr(checkup, "findings", lambda _: iter(found))
    assert execute(["doctor"]) == 0
    assert [line.split() for line in capfd.readouterr().out.splitlines()[2:]] == [
        ["ok", "x", "1", "a"], ["note", "y", "1", "a"]
    ]  # fmt: skip


def test_what_is_bad_is_told_by_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "findings", lambda _: iter([one(level=Level.BAD)]))
    assert execute(["doctor"]) == 1


def test_low_limits_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (256, 664))
    assert (checkup._open_files().level, checkup._open_files().values["workers"]) == (Level.NOTE, 100)
    monkeypatch.setattr(tasks, "limits", lambda _: iter([TaskLimit("pids.max", 100, 97, "{}")]))
    assert checkup._processes().shown == "room for 3 more"
    monkeypatch.setattr("os.getloadavg", lambda: (99.0, 0.0, 0.0))
    assert checkup._load().level is Level.NOTE
    monkeypatch.setattr(checkup, "_quota", lambda: 0.5)
    assert checkup._cores().advice.startswith("the control group gets 0.5 cores' time")
    monkeypatch.setattr(checkup, "_enlarged", lambda _: 8192)
    assert "holds 256 items" in checkup._pipes().advice


def test_ray_is_looked_up_and_its_lack_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", {"ray": "2.60.0"}.__getitem__)
    assert (checkup._ray().level, checkup._ray().shown) == (Level.OK, "2.60.0")

    def lacking(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", lacking)
    found = checkup._ray()
    assert (found.level, found.shown, found.values) == (Level.OK, "not installed", {"version": None})
    assert "pip install 'mprun[ray]'" in found.advice


def test_a_start_method_that_is_not_there_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multiprocessing.get_all_start_methods", lambda: ["spawn"])
    assert checkup._start_method("fork").level is Level.BAD


def test_a_folder_that_cannot_be_written_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checkup._disk(tmp_path / "missing").level is Level.BAD
    monkeypatch.setattr("os.access", lambda *_: False)
    assert checkup._disk(tmp_path).shown == "not writable"
