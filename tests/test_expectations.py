"""What is expected of a run: met, not met, without samples; whatever executes it, and whatever else went wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from junitparser import JUnitXml

import runner
from runner.cli import junit
from runner.cli.app import execute
from runner.config.load import canonical, load, loads, to_yaml
from runner.errors import ExitCode, strongest
from runner.log.rundir import RunDir

if TYPE_CHECKING:
    from pathlib import Path

    from runner.config.models import Config

TEXT = """
producers: {p: {items: 20}}
consumers: {c: {count: 2, sleep: 100us}}
"""
MET = {"items.lost": "== 0", "workers.c-1.puts": "== 0", "latency.p99": "< 5m", "throughput": "> 0"}
UNMET = {"items.done": ">= 21", "items.lost": "== 0"}
WITHOUT = {"lateness.p99": "< 1h"}
ENGINES = ("simulation", "threads", pytest.param("processes", marks=pytest.mark.process))

Capture = pytest.CaptureFixture[str]


def config(expect: dict[str, str], text: str = TEXT, **overrides: Any) -> Config:
    return loads(text, overrides={"expect": expect, **overrides})


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("expect", "code"), [(MET, 0), (UNMET, 3), (WITHOUT, 3)], ids=["met", "unmet", "without"])
def test_met_is_0_not_met_is_3_and_so_is_without_samples(
    engine: str, expect: dict[str, str], code: int, tmp_path: Path
) -> None:
    result = runner.run(config(expect, engine=engine), tmp_path)
    status = "unmet" if code else "ok"
    stored = RunDir(result.run_dir)
    assert (result.exit_code, result.summary["exit_code"], result.summary["status"]) == (code, code, status)
    assert (stored.manifest()["exit_code"], stored.manifest()["status"]) == (code, status)
    found = stored.summary()["expectations"]
    assert [(each["metric"], each["bound"]) for each in found] == list(expect.items())
    assert all(list(each) == ["metric", "bound", "measured", "met"] for each in found)
    assert all(each["met"] for each in found) is (code == 0)
    assert result.verdict.valid is True


def test_what_was_measured_stands_beside_its_bound() -> None:
    summary = runner.simulate(config({**UNMET, **WITHOUT, "makespan_s": "<= 1ms"}), store=False).summary
    assert summary["expectations"] == [
        {"metric": "items.done", "bound": ">= 21", "measured": 20, "met": False},
        {"metric": "items.lost", "bound": "== 0", "measured": 0, "met": True},
        {"metric": "lateness.p99", "bound": "< 1h", "measured": None, "met": False},
        {"metric": "makespan_s", "bound": "<= 1ms", "measured": 0.001, "met": True},
    ]


def test_where_nothing_is_expected_the_list_is_empty() -> None:
    assert runner.simulate(loads(TEXT), store=False).summary["expectations"] == []


def test_a_run_that_failed_stays_so_and_is_compared_all_the_same() -> None:
    """The strongest exit code wins."""
    dying = f"{TEXT}on_death: {{policy: fail}}\nfaults: [{{kill: c-0, after: {{gets: 2}}}}]"
    result = runner.simulate(config(UNMET, dying), store=False)
    assert (result.exit_code, result.summary["status"]) == (1, "failed")
    assert [each["met"] for each in result.summary["expectations"]] == [False, True]


def test_the_strongest_exit_code() -> None:
    order = [0, 3, 2, 1, 130, 70]
    assert [strongest(order[: place + 1]) for place in range(len(order))] == order
    assert strongest(reversed(order)) == 70
    assert strongest([]) is ExitCode.OK


def test_it_is_no_part_of_the_experiment_but_stored_with_it() -> None:
    with_it, without = config(MET), loads(TEXT)
    assert canonical(with_it) == canonical(without)
    assert runner.plan(with_it).plan_digest == runner.plan(without).plan_digest
    assert runner.plan(with_it).config_digest != runner.plan(without).config_digest
    assert loads(to_yaml(with_it)) == with_it


def test_one_bound_is_set_or_replaced_by_its_metric() -> None:
    text = f"{TEXT}expect: {{items.lost: '== 0', throughput: '> 1'}}"
    changed = loads(text, overrides={"expect.latency.p99": "< 1s", "expect.throughput": "> 2"})
    assert changed.expect == {"items.lost": "== 0", "throughput": "> 2", "latency.p99": "< 1s"}


def test_a_base_file_and_the_file_on_top_expect_together(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(f"{TEXT}expect: {{items.lost: '== 0', throughput: '> 1'}}")
    (tmp_path / "top.yaml").write_text("extends: base.yaml\nexpect: {throughput: '> 2'}")
    assert load(tmp_path / "top.yaml").expect == {"items.lost": "== 0", "throughput": "> 2"}


def test_what_foretells_a_run_expects_nothing_of_it() -> None:
    """Advice and twins ask how a simulation went, not whether its figures please."""
    found = runner.advise(config(UNMET), "latency.max < 1h", "consumers.c.count=2", repeat=1)
    assert (found.found, found.points[0].failed) == (2, 0)


class TestCommandLine:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "e.yaml").write_text(f"{TEXT}expect: {{latency.p99: '< 1us', items.lost: == 0, lateness.max: < 1}}")

    def test_the_closing_table_and_show_tell_bound_measured_and_met(self, capfd: Capture) -> None:
        assert execute(["simulate", "e.yaml"]) == 3
        out, err = capfd.readouterr()
        assert out == ""
        rows = [line.split() for line in err.splitlines()]
        assert ["bound", "measured", "met"] in rows
        assert ["items.lost", "==", "0", "0", "yes"] in rows
        assert ["lateness.max", "<", "1", "no", "samples", "no"] in rows
        assert "mprun: unmet: latency.p99 < 1us: 900 us; lateness.max < 1: no samples\n" in err
        assert execute(["show"]) == 0
        assert ["items.lost", "==", "0", "0", "yes"] in [line.split() for line in capfd.readouterr().out.splitlines()]

    def test_junit_is_read_by_a_standard_reader(self, tmp_path: Path) -> None:
        assert execute(["simulate", "e.yaml", "-q", "--junit", "j.xml"]) == 3
        (suite,) = JUnitXml.fromfile("j.xml")
        assert (suite.tests, suite.failures, suite.errors) == (4, 2, 0)
        assert suite.name == (tmp_path / "runs" / "latest").resolve().name
        cases = {case.name: [each.message for each in case.result] for case in suite}
        assert cases == {
            "run": [],
            "latency.p99 < 1us": ["measured 0.0009"],
            "items.lost == 0": [],
            "lateness.max < 1": ["no samples"],
        }
        properties = {each.name: each.value for each in suite.properties()}  # type: ignore[no-untyped-call]
        assert (properties["engine"], properties["exit_code"]) == ("simulation", "3")

    def test_a_run_that_failed_is_an_error_with_its_reason(self) -> None:
        faults = "--set", "faults=[{kill: c-0, after: {gets: 2}}]", "--set", "on_death={policy: fail}"
        assert execute(["simulate", "e.yaml", "-q", "--junit", "j.xml", *faults]) == 1
        (suite,) = JUnitXml.fromfile("j.xml")
        assert (suite.tests, suite.failures, suite.errors) == (4, 2, 1)
        (error,) = next(iter(suite)).result
        assert "c-0" in error.message

    @pytest.mark.parametrize("file", ["no/such/folder/j.xml", ".", "\0"])
    def test_a_file_that_cannot_be_written_is_told_before_anything_runs(
        self, file: str, tmp_path: Path, capfd: Capture
    ) -> None:
        assert execute(["simulate", "e.yaml", "--junit", file]) == 2
        assert capfd.readouterr().err.startswith("mprun: --junit: ")
        assert not (tmp_path / "runs").exists()

    def test_a_wrong_bound_is_told_with_its_position(self, tmp_path: Path, capfd: Capture) -> None:
        (tmp_path / "e.yaml").write_text(f"{TEXT}expect: {{latncy.p99: '< 1us'}}")
        assert execute(["validate", "e.yaml"]) == 2
        assert "e.yaml:4:10: expect.latncy.p99: no such metric: latncy, did you mean latency?" in capfd.readouterr().err


def test_what_xml_cannot_hold_is_escaped(tmp_path: Path) -> None:
    """Reasons hold what user code raised: control characters, half surrogates."""
    reason = 'raised "\x1b[31m<&>\x00\ud800\U0001f600"'
    junit.write(str(tmp_path / "j.xml"), "s\x07", [junit.Suite("r", "failed", reason, None, None, [])])
    (suite,) = JUnitXml.fromfile(str(tmp_path / "j.xml"))
    ((error,),) = [case.result for case in suite]
    assert error.message == 'raised "\\x1b[31m<&>\\x00\\ud800\U0001f600"'


def test_a_summary_of_an_older_version_is_shown_without_a_table() -> None:
    from runner.cli import tables
    from runner.cli.streams import console

    summary = dict(runner.simulate(loads(TEXT), store=False).summary)
    for older in ({**summary, "expectations": None}, {k: v for k, v in summary.items() if k != "expectations"}):
        assert "measured" not in tables.drawn(tables.closing(json.loads(json.dumps(older))), console())
