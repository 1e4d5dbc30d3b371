"""`mprun sweep`: what is typed, what is said on which stream, what it exits with."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from junitparser import JUnitXml

from runner.cli.app import execute
from runner.cli.sweep_progress import SweepProgress
from runner.config.sweeps import load_sweep
from runner.experiments.sweep_plan import sweep_plan
from runner.experiments.sweep_rows import Row
from runner.experiments.sweep_store import SweepDir

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = """
engine: simulation
producers: {p: {items: 10}}
consumers: {c: {sleep: 1ms}}
"""
SWEEP = """
base: base.yaml
matrix: {consumers.c.count: [1, 2], queues.main.maxsize: [0, 1]}
repeat: 2
expect: {queues.main.max_depth: "<= 5"}
"""
AD_HOC = ("sweep", "base.yaml", "--vary", "consumers.c.count=1..3", "--vary", "queues.main.maxsize=1,0")
EXAMPLES = sorted((Path(__file__).parent.parent / "configs" / "sweeps").glob("*.yaml"))

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a config and a sweep of it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(CONFIG)
    (tmp_path / "s.yaml").write_text(SWEEP)
    return tmp_path


def folder(here: Path) -> Path:
    (found,) = (here / "runs").iterdir()
    return found


class TestResult:
    def test_the_table_goes_to_stdout_and_the_folder_to_stderr(self, here: Path, capfd: Capture) -> None:
        assert execute([*AD_HOC, "--repeat", "3"]) == 0
        out, err = capfd.readouterr()
        rows = [line.split() for line in out.splitlines()]
        assert rows[0][:4] == ["consumers.c.count", "queues.main.maxsize", "runs", "status"]
        end = rows.index([])
        assert [row[:4] for row in rows[2:end]] == [[n, size, "3", "ok"] for n in "123" for size in "10"]
        assert rows[2][4:6] == ["10.0", "ms"]
        assert err.splitlines()[-1] == str(folder(here))

    def test_what_more_workers_bring_stands_below(self, capfd: Capture) -> None:
        execute([*AD_HOC, "--repeat", "3"])
        rows = [line.split() for line in capfd.readouterr().out.split("\n\n")[1].splitlines()]
        assert rows[0] == ["queues.main.maxsize", "consumers.c.count", "speed-up", "from", "to", "efficiency", "seeds"]
        assert [row[:2] for row in rows[2:]] == [[size, n] for size in "10" for n in "123"]
        assert rows[2] == ["1", "1", "1.00", "1.00", "1.00", "100", "%", "3"]

    def test_the_folder_shows_the_same_again(self, here: Path, capfd: Capture) -> None:
        execute([*AD_HOC, "--repeat", "3"])
        table = capfd.readouterr().out
        assert execute(["show", str(folder(here))]) == 0
        assert capfd.readouterr().out == f"base: 18 of 18 runs have ended\n\n{table}"
        assert execute(["show", folder(here).name, "--json"]) == 0
        told = json.loads(capfd.readouterr().out)
        assert (told["size"], told["finished"], len(told["rows"]), told["faults"]) == (18, True, 18, [])

    def test_unmet_expectations_are_3_and_told_with_what_was_measured(self, capfd: Capture) -> None:
        assert execute(["sweep", "s.yaml"]) == 3
        err = capfd.readouterr().err
        assert (
            "mprun: consumers.c.count=1, queues.main.maxsize=0, repeat 1: unmet: queues.main.max_depth <= 5: 9\n" in err
        )
        assert "mprun: 4 of 8 runs are not ok\n" in err

    def test_once_more_it_says_that_all_is_there(self, capfd: Capture) -> None:
        execute(["sweep", "s.yaml"])
        first = capfd.readouterr().out
        assert execute(["sweep", "s.yaml"]) == 3
        out, err = capfd.readouterr()
        assert out == first
        assert err.startswith("8 of 8 runs are stored already; --fresh would start anew\n")

    def test_quiet_leaves_only_what_is_wrong(self, here: Path, capfd: Capture) -> None:
        assert execute([*AD_HOC, "-q"]) == 0
        assert capfd.readouterr().err == ""
        rows = folder(here) / "sweep.jsonl"
        rows.write_text(rows.read_text().replace('"items.done":10', '"items.done":11', 1))
        assert execute([*AD_HOC, "-q"]) == 0
        assert "changed by hand" in capfd.readouterr().err

    def test_json_is_one_document(self, here: Path, capfd: Capture) -> None:
        assert execute(["sweep", "s.yaml", "--json", "-q"]) == 3
        document = json.loads(capfd.readouterr().out)
        assert (document["size"], document["exit_code"], len(document["rows"])) == (8, 3, 8)
        assert document["folder"] == str(folder(here))
        assert [row["metrics"]["items.done"] for row in document["rows"]] == [10] * 8

    def test_junit_has_a_suite_for_each_run(self) -> None:
        assert execute(["sweep", "s.yaml", "-q", "--junit", "j.xml"]) == 3
        suites = list(JUnitXml.fromfile("j.xml"))
        assert [(each.tests, each.failures, each.errors) for each in suites] == [
            (2, 1, 0),
            (2, 1, 0),
            (2, 0, 0),
            (2, 0, 0),
        ] * 2
        assert suites[0].name == "s: consumers.c.count=1, queues.main.maxsize=0, repeat 0"
        assert [case.name for case in suites[0]] == ["run", "queues.main.max_depth <= 5"]

    def test_options_reach_the_runs(self, here: Path) -> None:
        arguments = ["--seed", "5", "--time-scale", "2", "--repeat", "1", "--order", "declared", "--store", "-q"]
        assert execute(["sweep", "s.yaml", "--set", "producers.p.items=4", *arguments]) == 0
        rows = [json.loads(line) for line in (folder(here) / "sweep.jsonl").read_text().splitlines()]
        assert [(row["cell"], row["seed"], row["metrics"]["items.done"]) for row in rows] == [
            (n, 5, 4) for n in range(4)
        ]
        assert rows[0]["metrics"]["service.mean"] == 0.002
        assert all((folder(here) / row["run"] / "events.jsonl").is_file() for row in rows)
        assert execute(["sweep", "s.yaml", "--engine", "threads", "-o", "other", "--repeat", "1", "-q"]) in (0, 3)


class TestDryRun:
    def test_it_lists_the_cells_and_how_long_it_takes_and_runs_nothing(self, here: Path, capfd: Capture) -> None:
        assert execute(["sweep", "s.yaml", "--dry-run", "--engine", "processes"]) == 0
        out, _ = capfd.readouterr()
        assert out.startswith("s: 4 cells x 2 = 8 runs, shuffled\n")
        assert [line.split()[:5] for line in out.splitlines()[4:8]] == [
            [n, size, "processes", "0", "510"] if n == "1" else [n, size, "processes", "0", "505"]
            for n in "12" for size in "01"
        ]  # fmt: skip
        assert re.search(r"^takes about 4\.06 s in all$", out, re.MULTILINE)
        assert not (here / "runs").exists()

    def test_it_knows_what_is_stored(self, here: Path, capfd: Capture) -> None:
        execute(["sweep", "s.yaml", "-q"])
        capfd.readouterr()
        assert execute(["sweep", "s.yaml", "--dry-run", "--json"]) == 0
        document = json.loads(capfd.readouterr().out)
        assert (document["size"], document["stored"], len(document["cells"])) == (8, 8, 4)
        assert document["folder"] == str(folder(here).relative_to(here))
        assert document["total_s"] > 0

    def test_nobody_knows(self, capfd: Capture) -> None:
        arguments = ["--set", "consumers.c={call: 'a:b'}", "--vary", "seed=1,2", "--set", "engine=processes"]
        assert execute(["sweep", "base.yaml", "--dry-run", *arguments]) == 0
        assert "takes nobody knows how long: consumers.c.call cannot be simulated" in capfd.readouterr().out


class TestWrong:
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["sweep", "nope.yaml"], "nope.yaml: no such file"),
            (["sweep", "base.yaml"], "base.yaml: a config, and no sweep file: say what varies with --vary"),
            (["sweep", "s.yaml", "--vary", "seed=1"], "s.yaml: a sweep file already"),
            (["sweep", "base.yaml", "--vary", "seed"], "mprun: --vary: wanted PATH=VALUES"),
            (["sweep", "base.yaml", "--vary", "=1"], "mprun: --vary: wanted PATH=VALUES"),
            (["sweep", "base.yaml", "--vary", "seed="], "mprun: --vary: wanted PATH=VALUES"),
            (["sweep", "base.yaml", "--vary", "seed=1", "--vary", "seed=2"], "mprun: --vary: seed stands twice"),
            (["sweep", "base.yaml", "--vary", "sede=1"], "--vary: sede: unknown key, did you mean seed?"),
            (["sweep", "base.yaml", "--vary", "seed=0..10000"], "mprun: 10,001 cells, more than 10,000; say --yes"),
            (["sweep", "s.yaml", "--repeat", "0"], "mprun: Invalid value for '--repeat'"),
            (["sweep", "s.yaml", "--repeat", "10001"], "--repeat: repeat: wanted a whole number from 1 to 10,000"),
            (["sweep", "s.yaml", "--junit", "."], "mprun: --junit: . is a directory"),
        ],
    )
    def test_it_is_told_and_nothing_runs(self, arguments: list[str], told: str, here: Path, capfd: Capture) -> None:
        assert execute(arguments) == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert err.startswith(told)
        assert not (here / "runs").exists()

    def test_a_lot_of_failures_is_cut_short(self, capfd: Capture) -> None:
        arguments = ["--vary", "seed=1..25", "--set", "expect={items.done: '== 0'}"]
        assert execute(["sweep", "base.yaml", *arguments]) == 3
        err = capfd.readouterr().err
        assert err.count("repeat 0: unmet") == 20
        assert err.count("further runs that are not ok are only in sweep.csv") == 1


class TestProgress:
    @pytest.fixture
    def progress(self, tmp_path: Path) -> Iterator[SweepProgress]:
        plan = sweep_plan("s.yaml")
        made = SweepProgress(quiet=False)
        with SweepDir(tmp_path, plan, {}, fresh=False) as store:
            made.begins(plan, store)
        yield made
        made.close()

    def test_a_line_says_how_many_are_done_and_when_it_ends(self, progress: SweepProgress) -> None:
        now = progress._began + 10
        assert progress.line(now) == "0 of 8 runs"
        for repeat, code in enumerate((0, 1)):
            progress.run_ended(Row(0, repeat, 0, {}, "ok", code, "why", "", 1.0))
        assert re.fullmatch(r"2 of 8 runs, 1 not ok; 30\.0 s left, until \d\d:\d\d:\d\d", progress.line(now))

    def test_at_the_end_nothing_is_left(self, progress: SweepProgress) -> None:
        for repeat in range(8):
            progress.run_ended(Row(0, repeat, 0, {}, "ok", 0, None, "", 1.0))
        assert progress.line(progress._began + 1) == "8 of 8 runs"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_valid_without_a_warning_and_says_how_it_is_run(path: Path) -> None:
    assert load_sweep(path).warnings == ()
    assert f"mprun sweep configs/sweeps/{path.name}" in path.read_text()
