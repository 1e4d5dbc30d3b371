"""A stored run once more: the same experiment by its plan digest, what drifted, what was changed by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import runner
from runner.cli.app import execute
from runner.config.load import loads
from runner.experiments.drifts import drifts
from runner.experiments.rerun import rerun

if TYPE_CHECKING:
    from pathlib import Path

CLOSED = "seed: 7\nproducers: {p: {items: 20, sleep: 1ms}}\nconsumers: {c: {sleep: 1ms}}\n"
CONFIGS = {
    "closed": CLOSED,
    "bounded": f"queues: {{q: {{maxsize: 3, batch: 2}}}}\n{CLOSED}",
    "a law": "producers: {p: {items: 30, sleep: {distribution: exponential, mean: 2ms}}}\nconsumers: {c: {count: 3}}\n",
    "a file": "producers: {p: {items: {file: rows.jsonl}}}\nconsumers: {c: {}}\n",
    "a stage": "queues: {a: {}, b: {}}\nproducers: {p: {to: a, items: 9}}\nstages: {s: {from: a, to: b, sleep: 1ms}}\n"
    "consumers: {c: {from: b}}\n",
}


def stored(text: str, folder: Path) -> Path:
    """The folder of a simulation of a config."""
    (folder / "rows.jsonl").write_text("1\n2\n3\n")
    return runner.simulate(loads(text, folder=folder), folder / "runs").run_dir


@pytest.mark.parametrize("text", CONFIGS.values(), ids=CONFIGS)
def test_five_stored_runs_are_the_same_experiment_again(text: str, tmp_path: Path) -> None:
    run = stored(text, tmp_path)
    (tmp_path / "rows.jsonl").unlink()
    found = rerun(run, tmp_path / "again", overrides={"engine": "simulation"})
    assert found.same
    assert found.exit_code == 0
    assert found.tampered == ()
    assert found.result.run_dir != run
    assert found.summary is not None
    assert found.result.summary["makespan_s"] == found.summary["makespan_s"]


def test_a_stored_run_is_the_same_under_another_engine(tmp_path: Path) -> None:
    found = rerun(stored(CLOSED, tmp_path), tmp_path / "again", overrides={"engine": "threads"})
    assert found.same
    assert ("engine", "simulation", "threads") in [(each.what, each.then, each.now) for each in found.drifts]


def test_another_seed_is_not_called_the_same(tmp_path: Path) -> None:
    found = rerun(stored(CLOSED, tmp_path), tmp_path / "again", overrides={"seed": 8, "engine": "simulation"})
    assert not found.same
    assert found.result.exit_code == 0
    assert found.exit_code == 1


def test_an_input_changed_by_hand_makes_another_experiment(tmp_path: Path) -> None:
    run = stored(CONFIGS["a file"], tmp_path)
    copied = next((run / "inputs").iterdir())
    copied.write_text("1\n2\n4\n")
    found = rerun(run, tmp_path / "again", overrides={"engine": "simulation"})
    assert (found.same, found.exit_code) == (False, 1)


@pytest.mark.parametrize("name", ["config.yaml", "events.jsonl"])
def test_a_file_changed_by_hand_is_named(name: str, tmp_path: Path) -> None:
    run = stored(CLOSED, tmp_path)
    with (run / name).open("a") as file:
        file.write("\n")
    found = rerun(run, tmp_path / "again", overrides={"engine": "simulation"})
    assert len(found.tampered) == 1
    assert found.tampered[0].startswith(f"{name} was changed")


def test_what_drifted_is_told_by_its_path() -> None:
    then = {"host": "a", "versions": {"python": "3.11.1", "mprun": "1"}, "git": {"commit": "c"}, "run": "x"}
    now = {"host": "a", "versions": {"python": "3.12.0", "mprun": "1"}, "git": {"commit": "d"}, "run": "y"}
    found = [(each.what, each.then, each.now) for each in drifts(then, now)]
    assert found == [("versions.python", "3.11.1", "3.12.0"), ("git.commit", "c", "d")]


def test_the_command_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run, out = str(stored(CLOSED, tmp_path)), ["--out", str(tmp_path / "again")]
    assert execute(["rerun", run, *out, "--engine", "simulation"]) == 0
    told = capfd.readouterr().out
    assert told.startswith("the same experiment: plan digest ")
    assert "nothing drifted" in told
    assert "makespan_s" in told
    assert execute(["rerun", run, *out, "--engine", "simulation", "--seed", "8", "-q"]) == 1
    captured = capfd.readouterr()
    assert captured.out.startswith("not the same experiment\n")
    assert "mprun: not the same experiment: plan digest" in captured.err
    assert execute(["rerun", run, *out, "--engine", "simulation", "--json", "-q"]) == 0
    assert json.loads(capfd.readouterr().out)["same"] is True
    assert execute(["rerun", str(tmp_path), *out]) == 2
    assert "is it a run directory" in capfd.readouterr().err
