"""The command line without starting workers in processes: what is typed, what is printed, what is returned."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from runner import __version__, cli
from runner.cli.app import execute
from runner.cli.options import EngineName
from runner.config.simulable import SIMULATION
from runner.engines import ENGINES

if TYPE_CHECKING:
    from pathlib import Path

QUICK = """
engine: threads
producers: {make: {items: 3}}
consumers: {take: {count: 2}}
"""
WRONG = """
producers: {make: {items: 3, cuont: 2}}
consumers: {take: {count: 0}}
"""

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with a good config and a wrong one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quick.yaml").write_text(QUICK)
    (tmp_path / "wrong.yaml").write_text(WRONG)
    return tmp_path


@pytest.fixture
def stored(here: Path, capfd: Capture) -> Path:
    """The run directory of one finished run."""
    assert execute(["run", "quick.yaml", "-q", "--log", "none"]) == 0
    capfd.readouterr()
    return (here / "runs" / "latest").resolve()


def test_engine_names_are_those_of_the_registry() -> None:
    assert sorted(EngineName) == sorted([*ENGINES, SIMULATION])


class TestMain:
    def test_windows_is_refused_with_one_line(self, monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
        monkeypatch.setattr("os.name", "nt")
        code = cli.main()
        monkeypatch.undo()
        out, err = capfd.readouterr()
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "WSL" in err

    @pytest.mark.parametrize("arguments", [["--version"], ["--version", "run"]])
    def test_version(self, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
        monkeypatch.setattr(sys, "argv", ["mprun", *arguments])
        assert cli.main() == 0
        assert capfd.readouterr().out == f"mprun {__version__}\n"

    def test_no_arguments_is_a_usage_error_that_shows_the_help(self, capfd: Capture) -> None:
        assert execute([]) == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert "Exit codes:\n    0    ok\n" in err

    @pytest.mark.parametrize(
        "command",
        ["run", "simulate", "validate", "plan", "config", "schema", "show", "runs", "audit", "twin", "advise", "sweep"],
    )
    def test_every_command_explains_itself_with_an_example(self, command: str, capfd: Capture) -> None:
        assert execute([command, "--help"]) == 0
        assert f"\n    mprun {'configs/' if command == 'run' else command}" in capfd.readouterr().out

    def test_an_unexpected_exception_asks_for_a_report(self, monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
        def broken(*_: object) -> None:
            raise ZeroDivisionError("of all things")

        monkeypatch.setattr("runner.config.load.load", broken)
        assert execute(["config", "quick.yaml"]) == 70
        err = capfd.readouterr().err
        assert "ZeroDivisionError: of all things" in err
        assert err.endswith("internal error, please report it with the lines above\n")

    def test_ctrl_c_anywhere_is_130_without_a_traceback(self, monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("runner.config.load.load", interrupted)
        assert execute(["config", "quick.yaml"]) == 130
        assert capfd.readouterr() == ("", "")


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["vlidate", "x.yaml"], "mprun: no such command 'vlidate', did you mean 'validate'?"),
            (["nonsense"], "mprun: no such command 'nonsense' (and no such file)"),
            (["run"], "mprun: Missing argument 'CONFIG'."),
            (["quick.yaml", "--sed", "3"], "mprun: No such option: --sed"),
            (["quick.yaml", "--seed", "-1"], "mprun: Invalid value for '--seed'"),
            (["quick.yaml", "--log", "yaml"], "mprun: Invalid value for '--log'"),
            (["quick.yaml", "--engine", "thread"], "mprun: Invalid value for '--engine'"),
            (["quick.yaml", "--set", "seed"], "--set: wanted PATH=YAML"),
            (["quick.yaml", "--set", "sed=3"], "--set: sed: "),
            (["plan", "quick.yaml", "--json", "--graph"], "mprun: --json and --graph are two outputs"),
            (["show"], "mprun: there is no run in runs"),
            (["show", "nowhere"], "mprun: nowhere: no such run directory"),
            (["audit", "quick.yaml"], "mprun: quick.yaml"),
        ],
    )
    def test_is_one_message_and_exit_2(self, here: Path, arguments: list[str], message: str, capfd: Capture) -> None:
        assert execute(arguments) == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert err.startswith(message)
        assert "Traceback" not in err
        assert not (here / "runs").exists()

    def test_a_config_error_is_a_line_for_each_problem(self, capfd: Capture) -> None:
        assert execute(["wrong.yaml"]) == 2
        lines = capfd.readouterr().err.splitlines()
        assert [line.partition(": ")[0] for line in lines] == ["wrong.yaml:2:30", "wrong.yaml:3:27"]

    @pytest.mark.parametrize("content", [b"", b"\x00\xff\x80binary", b"[1, 2]"])
    def test_a_file_that_is_no_config_is_one_line(self, here: Path, content: bytes, capfd: Capture) -> None:
        (here / "odd.yaml").write_bytes(content)
        assert execute(["odd.yaml"]) == 2
        err = capfd.readouterr().err
        assert err.startswith("odd.yaml")
        assert err.count("\n") == 1

    @pytest.mark.parametrize("name", ["no.yaml", ".", "no/such/file"])
    def test_what_is_no_file_is_one_line(self, name: str, capfd: Capture) -> None:
        assert execute([name]) == 2
        err = capfd.readouterr().err
        assert err.startswith(name)
        assert err.count("\n") == 1

    def test_an_unwritable_out_is_said_before_anything_starts(self, here: Path, capfd: Capture) -> None:
        (here / "taken").write_text("a file is in the way")
        assert execute(["quick.yaml", "--out", "taken"]) == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert err.startswith("taken: cannot be written")
        assert err.count("\n") == 1


class TestRun:
    def test_stdout_is_the_event_log(self, here: Path, capfd: Capture) -> None:
        assert execute(["quick.yaml"]) == 0
        out, err = capfd.readouterr()
        assert out == (here / "runs" / "latest" / "events.jsonl").read_text()
        assert "ok (exit 0), audit valid" in err
        assert err.splitlines()[-1] == str((here / "runs" / "latest").resolve())

    def test_json_is_the_summary_and_nothing_else(self, here: Path, capfd: Capture) -> None:
        assert execute(["run", "quick.yaml", "--json"]) == 0
        summary = json.loads(capfd.readouterr().out)
        assert summary == json.loads((here / "runs" / "latest" / "summary.json").read_text())

    def test_quiet_without_a_log_says_nothing(self, capfd: Capture) -> None:
        assert execute(["quick.yaml", "--log", "none", "--quiet"]) == 0
        assert capfd.readouterr() == ("", "")

    def test_pretty_is_a_line_for_each_event(self, here: Path, capfd: Capture) -> None:
        assert execute(["quick.yaml", "--log", "pretty"]) == 0
        lines = capfd.readouterr().out.splitlines()
        assert len(lines) == len((here / "runs" / "latest" / "events.jsonl").read_text().splitlines())
        assert "[info     ] run.start    run=" in lines[0]
        assert any("worker=make-0 queue=main id=make-0:2 item=2 " in line for line in lines)

    def test_options_are_overrides_and_stand_in_the_manifest(self, here: Path) -> None:
        options = ["--seed", "7", "--time-scale", "0.5", "--set", "seed=1", "--set", "producers.make.items=5"]
        assert execute([*options, "quick.yaml", "-q", "--log", "none", "-o", "elsewhere"]) == 0
        manifest = json.loads((here / "elsewhere" / "latest" / "manifest.json").read_text())
        assert manifest["overrides"] == {"seed": 7, "time_scale": 0.5, "producers.make.items": 5}
        assert manifest["seed"] == 7
        assert json.loads((here / "elsewhere" / "latest" / "summary.json").read_text())["items"]["done"] == 5

    def test_a_failed_run_says_why_and_exits_1(self, capfd: Capture) -> None:
        setting = 'consumers.take={call: "json:loads"}'
        assert execute(["quick.yaml", "-q", "--log", "none", "--set", setting]) == 1
        err = capfd.readouterr().err
        assert err.startswith("mprun: failed: take-")

    def test_warnings_go_to_stderr_unless_quiet(self, capfd: Capture) -> None:
        arguments = ["quick.yaml", "--log", "none", "--set", "consumers.take.items=1"]
        assert execute(arguments) == 0
        assert "warning: --set: consumers.take.items: " in capfd.readouterr().err
        assert execute([*arguments, "-q"]) == 0
        assert capfd.readouterr().err == ""


class TestOtherCommands:
    def test_validate_tells_all_problems_of_all_files(self, capfd: Capture) -> None:
        assert execute(["validate", "quick.yaml", "wrong.yaml", "absent.yaml"]) == 2
        out, err = capfd.readouterr()
        assert out == "quick.yaml: ok\n"
        assert [line.split(":")[0] for line in err.splitlines()] == ["wrong.yaml", "wrong.yaml", "absent.yaml"]

    def test_validate_starts_nothing(self, here: Path) -> None:
        assert execute(["validate", "quick.yaml"]) == 0
        assert sorted(path.name for path in here.iterdir()) == ["quick.yaml", "wrong.yaml"]

    def test_config_is_a_config_and_the_same_experiment(self, here: Path, capfd: Capture) -> None:
        assert execute(["config", "quick.yaml", "--seed", "5"]) == 0
        resolved = capfd.readouterr().out
        (here / "resolved.yaml").write_text(resolved)
        assert execute(["config", "resolved.yaml"]) == 0
        assert capfd.readouterr().out == resolved
        digests = []
        for arguments in (["quick.yaml", "--seed", "5"], ["resolved.yaml"]):
            assert execute(["plan", *arguments, "--json"]) == 0
            digests.append(json.loads(capfd.readouterr().out)["plan_digest"])
        assert digests[0] == digests[1]

    def test_simulate_is_a_stored_run_that_says_nothing_on_stdout(self, capfd: Capture) -> None:
        assert execute(["simulate", "quick.yaml", "--set", "consumers.take.sleep=1h"]) == 0
        out, err = capfd.readouterr()
        assert (out, "makespan 2 h 0 min" in err) == ("", True)
        assert execute(["show", "--json"]) == 0
        assert json.loads(capfd.readouterr().out)["engine"] == "simulation"

    def test_the_events_of_a_simulation_can_be_had(self, here: Path, capfd: Capture) -> None:
        assert execute(["run", "quick.yaml", "--engine", "simulation", "-q"]) == 0
        assert capfd.readouterr().out == (here / "runs" / "latest" / "events.jsonl").read_text()

    def test_a_simulation_of_user_code_is_refused_with_its_position(self, here: Path, capfd: Capture) -> None:
        (here / "coded.yaml").write_text("producers: {p: {items: 1}}\nconsumers: {c: {call: 'a:b'}}\n")
        assert execute(["simulate", "coded.yaml"]) == 2
        assert capfd.readouterr().err.startswith("coded.yaml:2:23: consumers.c.call: cannot be simulated: ")

    def test_schema_is_json(self, capfd: Capture) -> None:
        assert execute(["schema"]) == 0
        assert json.loads(capfd.readouterr().out)["$schema"].startswith("https://json-schema.org/")

    def test_plan_for_people(self, capfd: Capture) -> None:
        assert execute(["plan", "quick.yaml", "--set", "consumers.take.sleep=2"]) == 0
        out = capfd.readouterr().out
        assert "3 workers, seed 0, threads" in out
        assert "takes at least 3.00 s: the work of take" in out
        assert "predicted by simulation: takes 4.00 s, 0.75 items/s, mean latency " in out

    def test_plan_for_programs(self, capfd: Capture) -> None:
        settings = ["--set", "consumers.take.sleep=2", "--set", "producers.make.sleep=4"]
        assert execute(["plan", "quick.yaml", *settings, "--json"]) == 0
        plan = json.loads(capfd.readouterr().out)
        assert (plan["workers"], plan["shortest_s"], plan["shortest_is_exact"]) == (3, 12.0, True)
        assert plan["queues"]["main"] == {
            "kind": "pipe", "maxsize": 0, "batch": 1, "capacity": 32768, "items": 3, "arrival_rate": 0.25,
            "workers": 2, "service_s": 2.0, "erlangs": 0.5, "utilization": 0.25,
        }  # fmt: skip

    def test_a_graph_names_every_group_and_queue(self, capfd: Capture) -> None:
        assert execute(["plan", "quick.yaml", "--graph"]) == 0
        assert capfd.readouterr().out == (
            "flowchart LR\n"
            '  q0(["main<br/>pipe, no maxsize"])\n'
            '  g0["make x 1<br/>producer"]\n'
            "  g0 --> q0\n"
            '  g1["take x 2<br/>consumer"]\n'
            "  q0 --> g1\n"
        )

    @pytest.mark.parametrize("named", [[], ["runs/latest"], ["NAME"]])
    def test_show_finds_the_latest_a_path_and_a_name(self, stored: Path, named: list[str], capfd: Capture) -> None:
        named = [stored.name if name == "NAME" else name for name in named]
        assert execute(["show", *named]) == 0
        out = capfd.readouterr().out
        assert out.startswith(f"run        {stored.name}\n")
        assert "ok (exit 0), audit valid" in out
        assert execute(["show", *named, "--json"]) == 0
        assert json.loads(capfd.readouterr().out) == json.loads((stored / "summary.json").read_text())

    def test_show_of_a_run_without_an_end(self, stored: Path, capfd: Capture) -> None:
        manifest = json.loads((stored / "manifest.json").read_text())
        (stored / "manifest.json").write_text(json.dumps({**manifest, "status": "running"}))
        (stored / "summary.json").unlink()
        (stored / "events.jsonl").unlink()
        assert execute(["show"]) == 2
        (stored / "journals").mkdir()
        capfd.readouterr()
        assert execute(["show"]) == 0
        out = capfd.readouterr().out
        assert "still running, or was killed" in out
        assert "running, audit unknown: the log is incomplete" in out
        assert execute(["show", "--json"]) == 0
        assert json.loads(capfd.readouterr().out)["status"] == "running"

    def test_runs_lists_all_that_can_and_cannot_be_read(self, here: Path, stored: Path, capfd: Capture) -> None:
        torn = here / "runs" / "20200101T000000Z-torn-0000"
        torn.mkdir()
        (torn / "manifest.json").write_text("{")
        assert execute(["runs"]) == 0
        rows = [line.split() for line in capfd.readouterr().out.splitlines()[2:]]
        assert [row[0] for row in rows] == [torn.name, stored.name]
        assert execute(["runs", "--json"]) == 0
        first, second = json.loads(capfd.readouterr().out)
        assert (first["status"], first["done"]) == ("unreadable", None)
        assert (second["status"], second["engine"], second["done"]) == ("ok", "threads", 3)

    @pytest.mark.parametrize(
        ("manifest", "told"), [("[]", "is no JSON object; is it mprun's?"), ("{}", "has no 'cpu'; is it of another")]
    )
    def test_a_manifest_of_something_else(self, stored: Path, capfd: Capture, manifest: str, told: str) -> None:
        (stored / "manifest.json").write_text(manifest)
        assert execute(["runs"]) == 0
        assert capfd.readouterr().out.splitlines()[-1].split()[:2] == [stored.name, "unreadable"]
        assert execute(["show"]) == 2
        assert capfd.readouterr().err.startswith(f"mprun: {stored / 'manifest.json'}: {told}")

    def test_no_runs_is_no_error(self, capfd: Capture) -> None:
        assert execute(["runs"]) == 0
        assert execute(["runs", "--json"]) == 0
        assert capfd.readouterr() == ("[]\n", "there is no run in runs\n")

    def test_audit_of_a_valid_log(self, stored: Path, capfd: Capture) -> None:
        for named in ([], [stored.name], [str(stored / "events.jsonl")]):
            assert execute(["audit", *named]) == 0
            counted, verdict = capfd.readouterr().out.splitlines()
            assert counted.startswith("attempted 3 · acknowledged 3 · recovered 0 · redelivered 0 · early ")
            assert counted.endswith(" · done 3 · left 0 · failed 0 · lost 0 · duplicated 0 · unexpected 0")
            assert verdict.endswith(": valid")
        assert execute(["audit", "--json"]) == 0
        found = json.loads(capfd.readouterr().out)
        assert found.pop("counts")["attempted"] == 3
        assert found == {"valid": True, "reason": None, "count": 0, "violations": []}

    def test_audit_of_a_log_that_lost_a_done(self, stored: Path, capfd: Capture) -> None:
        log = stored / "events.jsonl"
        lines = log.read_text().splitlines(keepends=True)
        kept = [line for line in lines if not ('"event":"done"' in line and '"id":"make-0:1"' in line)]
        assert len(kept) == len(lines) - 1
        log.write_text("".join(kept))
        assert execute(["audit"]) == 1
        out = capfd.readouterr().out
        assert "make-0:1" in out.splitlines()[0]
        assert "not valid, " in out.splitlines()[-1]
        assert execute(["audit", "--json"]) == 1
        found = json.loads(capfd.readouterr().out)
        assert found["valid"] is False
        assert found["counts"]["lost"] == 1
        lost = next(each for each in found["violations"] if each["kind"] == "lost")
        assert lost["ids"] == ["make-0:1"]
        assert lost["message"].endswith("never done, and neither left nor failed")
        assert all(isinstance(line, int) for line in lost["lines"])

    @pytest.mark.parametrize(
        "text", ["", "no log\n", "[1]\n", '{"event":"put"}\n', "\0\xff" * 9, '{"event":"run.start"']
    )
    def test_audit_of_what_is_no_event_log(self, here: Path, text: str, capfd: Capture) -> None:
        (here / "some.jsonl").write_text(text)
        assert execute(["audit", "some.jsonl"]) == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert len(err.splitlines()) == 1
        assert err.startswith("mprun: some.jsonl")

    def test_audit_of_a_log_without_its_end_is_unknown(self, stored: Path, capfd: Capture) -> None:
        log = stored / "events.jsonl"
        log.write_text("".join(log.read_text().splitlines(keepends=True)[:-1]))
        assert execute(["audit"]) == 1
        assert "unknown" in capfd.readouterr().out
