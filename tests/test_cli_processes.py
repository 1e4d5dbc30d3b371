"""The command line as a process: streams that close, signals that come, a shell that asks for completions."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.process

MPRUN = [sys.executable, "-m", "runner"]
PATIENCE_S = 60
QUICK = "{producers: {make: {count: 2, items: 10}}, consumers: {take: {count: 2}}}"
LONG = "{producers: {make: {items: 10}}, consumers: {take: {sleep: 60}}}"
STUBBORN = (
    "{producers: {make: {items: 2}}, consumers: {nap: {sleep: 60}, stay: {call: 'stubborn:stay'}}, pythonpath: [.]}"
)
USER_CODE = "import time\n\n\ndef stay(item):\n    time.sleep(60)\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quick.yaml").write_text(QUICK)
    (tmp_path / "long.yaml").write_text(LONG)
    (tmp_path / "stubborn.yaml").write_text(STUBBORN)
    (tmp_path / "stubborn.py").write_text(USER_CODE)
    return tmp_path


def mprun(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    options = {"capture_output": True, "text": True, "timeout": PATIENCE_S, "check": False, **options}
    return subprocess.run([*MPRUN, *arguments], **options)


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which MPRUN stands for the program."""
    line = command.replace("MPRUN", " ".join(MPRUN))
    return subprocess.run(["/bin/bash", "-c", line], capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A run going on, in a process group of its own as a terminal would give it."""
    pipe = subprocess.PIPE
    with subprocess.Popen([*MPRUN, *arguments], stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def wait_for(process: subprocess.Popen[str], *parts: str) -> list[str]:
    """Read the live log up to the first line with all these parts in it."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if all(part in line for part in parts):
            return lines
    raise AssertionError(f"no line with {parts} in {lines}")


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """The rest of stdout, and stderr; not by `communicate`, which knows nothing of what `wait_for` has read ahead."""
    assert process.stdout is not None
    assert process.stderr is not None
    rest = process.stdout.read(), process.stderr.read()
    process.wait(PATIENCE_S)
    return rest


def log() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("runs/latest/events.jsonl").read_text().splitlines()]


def assert_complete(status: str, exit_code: int) -> None:
    """The store of the latest run is whole and says how it ended."""
    assert log()[-1]["event"] == "run.end"
    assert json.loads(Path("runs/latest/manifest.json").read_text())["exit_code"] == exit_code
    assert json.loads(Path("runs/latest/summary.json").read_text())["status"] == status
    assert not Path("runs/latest/journals").exists()
    assert mprun("audit").returncode == 0


def test_a_run_in_processes_from_end_to_end() -> None:
    done = mprun("quick.yaml", "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == log()
    assert_complete("ok", 0)


def test_a_config_may_come_from_standard_input() -> None:
    done = mprun("-", "--log", "none", "-q", input=QUICK)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert log()[0]["name"] == "stdin"


@pytest.mark.parametrize("engine", ["processes", "threads"])
def test_a_closed_stdout_changes_nothing(engine: str) -> None:
    done = shell(f"MPRUN quick.yaml --engine {engine} >&-")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert_complete("ok", 0)


def test_closed_standard_streams_do_not_become_files_of_the_run() -> None:
    assert shell("MPRUN quick.yaml <&- >&- 2>&-").returncode == 0
    assert_complete("ok", 0)


@pytest.mark.parametrize("log_format", ["json", "pretty"])
def test_a_reader_that_leaves_early_changes_nothing(log_format: str) -> None:
    done = shell(f"MPRUN quick.yaml --log {log_format} | head -n 1; exit ${{PIPESTATUS[0]}}")
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    assert_complete("ok", 0)


@pytest.mark.parametrize("command", ["config quick.yaml", "schema", "--help", "plan quick.yaml"])
def test_results_may_be_cut_off_too(command: str) -> None:
    done = shell(f"MPRUN {command} | true; MPRUN {command} >&-")
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


@pytest.mark.parametrize("command", ["schema", "plan quick.yaml", "runs -o .", "show -o ."])
def test_a_reader_that_has_had_enough_is_no_failure(command: str) -> None:
    assert mprun("quick.yaml", "-q", "-o", ".").returncode == 0
    done = shell(f"MPRUN {command} | true; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("stderr", ["2> /dev/full", "2>&1 > /dev/null | true"])
def test_a_stderr_that_cannot_be_written_changes_nothing(stderr: str) -> None:
    done = shell(f"MPRUN quick.yaml --log none {stderr}; exit ${{PIPESTATUS[0]}}")
    assert done.returncode == 0
    assert_complete("ok", 0)


def test_a_config_from_a_closed_standard_input_is_an_empty_one() -> None:
    done = shell("MPRUN validate - <&-")
    assert (done.returncode, done.stderr) == (2, "<stdin>: empty: nothing but blanks and comments\n")


def test_a_full_disk_on_stdout_is_said_and_the_run_goes_on() -> None:
    done = shell("MPRUN quick.yaml -q > /dev/full")
    assert done.returncode == 0
    assert done.stderr.startswith("warning: stdout: No space left on device; the log there is not whole, ")
    assert done.stderr.count("\n") == 1
    assert_complete("ok", 0)


@pytest.mark.parametrize("command", ["config", "plan"])
def test_a_result_that_cannot_be_written_is_an_error(command: str) -> None:
    done = shell(f"MPRUN {command} quick.yaml > /dev/full")
    assert (done.returncode, done.stderr) == (1, "mprun: stdout: No space left on device\n")


@pytest.mark.parametrize("engine", ["processes", "threads"])
def test_ctrl_c_ends_the_run_in_good_order(engine: str) -> None:
    with started("long.yaml", "-q", "--engine", engine) as process:
        shown = wait_for(process, '"event":"get"')
        os.killpg(process.pid, signal.SIGINT)
        rest, errors = ended(process)
        assert process.returncode == 130
        assert errors == "mprun: interrupted: interrupted by SIGINT\n"
    assert sorted([*shown, *rest.splitlines(keepends=True)]) == sorted(
        Path("runs/latest/events.jsonl").read_text().splitlines(keepends=True)
    )
    assert log()[-1]["status"] == "interrupted"
    assert_complete("interrupted", 130)


def test_a_second_ctrl_c_kills_at_once() -> None:
    with started("stubborn.yaml", "-q") as process:
        wait_for(process, '"event":"get"', "stay-0")
        process.send_signal(signal.SIGINT)
        wait_for(process, '"event":"worker.exit"', "nap-0")
        process.send_signal(signal.SIGINT)
        ended(process)
        assert process.returncode == 130
    (exits,) = [entry for entry in log() if entry["event"] == "worker.exit" and entry["worker"] == "stay-0"]
    assert exits["signal"] == "SIGKILL"
    assert_complete("interrupted", 130)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_other_signals_have_their_own_exit_codes(number: signal.Signals, code: int) -> None:
    with started("long.yaml", "-q") as process:
        wait_for(process, '"event":"get"')
        process.send_signal(number)
        ended(process)
        assert process.returncode == code
    assert_complete("interrupted", code)


def test_ctrl_c_ends_waiting_for_a_reader_that_does_not_read() -> None:
    """The run is over and stored, and only its log is still to be given out."""
    many = ["--set", "producers.make.items=5000", "--engine", "threads"]
    with started("quick.yaml", *many) as process:
        assert process.stderr is not None
        latest = Path("runs/latest/summary.json")
        while process.poll() is None and not latest.exists():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        while process.poll() is None:  # the first may come while the run is still being stored, and count for that
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
        assert process.returncode == 130
        assert "Traceback" not in process.stderr.read()
    assert_complete("ok", 0)


class TestCompletion:
    @staticmethod
    def proposals(line: str) -> list[str]:
        """What bash is told when TAB is pressed at the end of a line."""
        words = line.split(" ")
        environment = {
            **os.environ,
            "_MPRUN_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        }
        return mprun(env=environment).stdout.split()

    def test_commands(self) -> None:
        assert self.proposals("mprun ru") == ["run", "runs"]

    def test_options(self) -> None:
        assert self.proposals("mprun run --se") == ["--set", "--seed"]

    @pytest.mark.parametrize("line", ["mprun run --log ", "mprun quick.yaml --log ", "mprun --log "])
    def test_values_in_the_bare_form_too(self, line: str) -> None:
        assert self.proposals(line) == ["json", "pretty", "none"]

    def test_engines(self) -> None:
        assert self.proposals("mprun plan quick.yaml --engine p") == ["processes"]

    def test_the_script_for_a_shell(self) -> None:
        environment = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
        done = mprun("--show-completion", "bash", env=environment)
        assert done.returncode == 0
        assert "_MPRUN_COMPLETE" in done.stdout
