"""What `import runner` offers: from any kind of program, with nothing of that program in the workers."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from running import START_METHODS, USER_CODE, Ran, execute, finished, until

import runner
from runner.config.load import loads
from runner.errors import StoreError

if TYPE_CHECKING:
    from runner.engines.contract import LiveRun

every_method = pytest.mark.parametrize("method", START_METHODS)

SCRIPT = """
MARK = "the caller's main"
print("main begins")
import runner
from runner.config.load import loads
config = loads('''
start_method: METHOD
pythonpath: [PATH]
queues: {a: {}, b: {}}
producers: {p: {count: 2, items: 3, to: a}}
stages: {s: {from: a, to: b, call: {target: "actions:surroundings", kwargs: {report: "REPORT"}}}}
consumers: {c: {from: b, call: "actions:speak"}}
''')
result = runner.run(config, "OUT")
print(result.exit_code, result.verdict.valid, sum(event["event"] == "done" for event in result.events()))
"""


def script(method: str, folder: Path) -> str:
    names = {"METHOD": method, "PATH": str(USER_CODE), "REPORT": str(folder / "report"), "OUT": str(folder / "runs")}
    text = SCRIPT
    for name, value in names.items():
        text = text.replace(name, value)
    return text


def assert_ran_once(code: int, out: str, err: str, folder: Path) -> None:
    assert code == 0, err
    assert out == "main begins\n0 True 12\n"
    assert (folder / "report").read_text().startswith("(None, ")


@pytest.mark.process
@every_method
def test_works_from_a_script_without_a_main_guard(method: str, tmp_path: Path) -> None:
    path = tmp_path / "unguarded.py"
    path.write_text(script(method, tmp_path))
    assert_ran_once(*finished(path), folder=tmp_path)


@pytest.mark.process
@every_method
def test_works_from_a_command_line_and_from_standard_input(method: str, tmp_path: Path) -> None:
    assert_ran_once(*finished("-c", script(method, tmp_path)), folder=tmp_path)
    assert_ran_once(*finished("-", stdin=script(method, tmp_path)), folder=tmp_path)


@pytest.mark.process
@every_method
def test_works_from_a_thread_that_is_not_the_main_one(method: str, tmp_path: Path) -> None:
    program = "\n".join(
        [
            "import threading",
            "def work():",
            *(f"    {line}" for line in script(method, tmp_path).splitlines()),
            "thread = threading.Thread(target=work)",
            "thread.start()",
            "thread.join()",
        ]
    )
    assert_ran_once(*finished("-W", "ignore::DeprecationWarning", "-c", program), folder=tmp_path)


@pytest.mark.process
@every_method
def test_what_user_code_prints_goes_to_stderr(method: str, tmp_path: Path) -> None:
    code, out, err = finished("-c", script(method, tmp_path))
    assert code == 0, err
    assert "user code" not in out
    assert "user code says" in err
    assert "user code writes" in err


def test_plan_imports_no_user_code_and_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "untouched.py").write_text("raise AssertionError('imported')")
    text = 'pythonpath: [.]\nproducers: {p: {items: {call: "untouched:f"}}}\nconsumers: {c: {call: "untouched:g"}}'
    planned = runner.plan(loads(text, folder=tmp_path))
    assert "untouched" not in sys.modules
    assert planned.size == 2
    assert [path.name for path in tmp_path.iterdir()] == ["untouched.py"]


@pytest.mark.process
def test_a_result_is_what_the_run_directory_holds(tmp_path: Path) -> None:
    ran = execute("start_method: fork\nproducers: {p: {items: 4}}\nconsumers: {c: {}}", tmp_path)
    folder = ran.result.run_dir
    assert ran.result.summary == json.loads((folder / "summary.json").read_text())
    assert ran.events == [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.yaml", "events.jsonl", "manifest.json", "summary.json",
    ]  # fmt: skip
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["status"], manifest["exit_code"], manifest["command_line"]) == ("ok", 0, ["test"])
    assert str((tmp_path / "runs" / "latest").readlink()) == folder.name
    assert runner.audit(folder).valid is True
    assert runner.audit(folder / "events.jsonl").valid is True


@pytest.mark.process
def test_the_log_begins_with_run_start_ends_with_run_end_and_is_in_order(tmp_path: Path) -> None:
    ran = execute("start_method: fork\nproducers: {p: {count: 2, items: 50}}\nconsumers: {c: {count: 2}}", tmp_path)
    instants = [event["t_ns"] for event in ran.events]
    assert instants == sorted(instants)
    assert (ran.events[0]["event"], ran.events[-1]["event"]) == ("run.start", "run.end")
    assert instants[0] < 0
    assert all(event["t_ns"] >= 0 for event in ran.of("put", "get", "done"))
    assert ran.end["totals"] == {
        "put": 100, "got": 100, "done": 100, "left": 0, "failed": 0, "lost": 0, "redelivered": 0,
    }  # fmt: skip


def test_a_folder_that_cannot_be_written_is_said_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    few = loads("producers: {p: {items: 1}}\nconsumers: {c: {}}")
    for out in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/runs")):
        with pytest.raises(runner.ConfigError, match=r"cannot be written.*choose another folder") as caught:
            runner.run(few, out)
        assert "\n" not in str(caught.value)


def test_a_folder_without_a_log_cannot_be_audited(tmp_path: Path) -> None:
    from runner.errors import LogError

    with pytest.raises(LogError, match=r"has neither events\.jsonl nor journals"):
        runner.audit(tmp_path)
    with pytest.raises(LogError):
        runner.audit(tmp_path / "nowhere")


def test_names_are_resolved_lazily_and_an_unknown_one_is_an_attribute_error() -> None:
    program = "import sys, runner; print([m for m in sys.modules if m.startswith('runner.')]); print(dir(runner))"
    code, out, err = finished("-c", program)
    assert code == 0, err
    assert out.startswith("[]\n")
    with pytest.raises(AttributeError, match="nonsense"):
        runner.nonsense  # noqa: B018


@pytest.mark.process
@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_runs_in_two_threads_of_one_process_end_both(method: str, tmp_path: Path) -> None:
    done: list[Ran] = []

    def work(folder: Path) -> None:
        text = f"start_method: {method}\nproducers: {{p: {{count: 2, items: 9}}}}\nconsumers: {{c: {{}}}}"
        result = runner.run(loads(text), folder)
        done.append(Ran(result, list(result.events())))

    threads = [threading.Thread(target=work, args=(tmp_path / str(k),), daemon=True) for k in range(2)]
    for thread in threads:
        thread.start()
    until(lambda: len(done) == 2, 40)
    for ran in done:
        ran.assert_ok()


def test_a_failure_of_the_system_is_told_with_or_without_its_number(tmp_path: Path) -> None:
    class Watch:
        def __init__(self, error: OSError) -> None:
            self.error = error

        def tick(self, _: LiveRun) -> None:
            raise self.error

    config = loads("{engine: threads, producers: {p: {items: 5, sleep: 10ms}}, consumers: {c: {}}}")
    for error in (OSError(28, "no space"), OSError("no space")):
        remedy = "make room there, or choose another folder with --out"
        with pytest.raises(StoreError, match=f": no space; the journals are kept there; {remedy}$"):
            runner.run(config, tmp_path, watch=Watch(error))
        ended = json.loads((tmp_path / "latest" / "manifest.json").read_text())
        assert (ended["status"], ended["reason"]) == ("failed", "the log was not written: no space")
        assert threading.active_count() == 1, "no thread waits at the gate for ever"


@pytest.mark.process
@pytest.mark.parametrize("method", START_METHODS)
def test_a_package_of_the_same_name_in_the_current_folder_does_not_matter(method: str, tmp_path: Path) -> None:
    (tmp_path / "here" / "runner").mkdir(parents=True)
    (tmp_path / "here" / "runner" / "__init__.py").write_text("raise RuntimeError('another runner')\n")
    script = tmp_path / "script.py"
    script.write_text(f"""
import os, runner
from runner.config.load import loads
text = "{{start_method: {method}, producers: {{p: {{items: 3}}}}, consumers: {{c: {{}}}}}}"
print(runner.run(loads(text), "runs").exit_code, "PYTHONSAFEPATH" in os.environ)
""")
    assert finished(script, cwd=tmp_path / "here")[:2] == (0, "0 False\n")
