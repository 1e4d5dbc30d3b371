"""The engine `processes`: whatever dies, hangs or is told to stop, the run ends, says why, and leaves nobody."""

from __future__ import annotations

import errno
import gc
import json
import multiprocessing
import os
import signal
import time
from multiprocessing.synchronize import SemLock
from pathlib import Path
from typing import TYPE_CHECKING, Any

import conftest
import pytest
from running import KINDS, START_METHODS, Ran, execute, finished, started, until

from runner.engines.board import State

if TYPE_CHECKING:
    from runner.engines.contract import LiveRun

pytestmark = pytest.mark.process


def semaphores() -> int:
    return sum(isinstance(each, SemLock) for each in gc.get_objects())


MANAGER = "multiprocessing.Manager"
every_kind = pytest.mark.parametrize("kind", KINDS)
every_method = pytest.mark.parametrize("method", START_METHODS)


def dying(how: str, *, method: str = "fork", kind: str = "pipe") -> str:
    return f"""
start_method: {method}
queues: {{main: {{kind: {kind}}}}}
producers: {{p: {{count: 2, items: 50}}}}
consumers: {{c: {{count: 2, call: {{target: "actions:die", kwargs: {{how: {how}, at: 20}}}}}}}}
"""


@every_kind
@every_method
def test_a_killed_worker_ends_the_run_and_is_named(kind: str, method: str, tmp_path: Path) -> None:
    ran = execute(dying("SIGKILL", method=method, kind=kind) + "on_death: {policy: fail}\n", tmp_path)
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed")
    died = ran.of("worker.died")
    assert died
    assert all("killed by SIGKILL" in event["why"] for event in died)
    assert died[0]["worker"] in ran.end["reason"]
    signals = {event["worker"]: event.get("signal") for event in ran.of("worker.exit")}
    assert signals[died[0]["worker"]] == "SIGKILL"
    ran.assert_accounted()
    held = [event for event in ran.of("lost", "left") if event["why"].startswith("in hand when ")]
    assert held
    assert {event["worker"] for event in held} <= {event["worker"] for event in died}
    # A pipe tells what the dead had; where locks are shared nobody knows.
    assert {event["event"] for event in held} == {"left" if kind == "pipe" else "lost"}
    assert ("kind pipe can" in ran.end["reason"]) == (kind != "pipe")


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("exit 3", "exited with 3 before its end"),
        ("exit 0", "exited with 0 before its end"),
        ("SIGSEGV", "was killed by SIGSEGV"),
        ("SIGTERM", "was killed by SIGTERM"),
    ],
)
def test_any_other_death_is_named_by_its_signal_or_exit_code(how: str, why: str, tmp_path: Path) -> None:
    ran = execute(dying(how, method="forkserver"), tmp_path)
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed")
    assert why in ran.of("worker.died")[0]["why"]
    ran.assert_accounted()


def test_a_control_without_death_is_ok(tmp_path: Path) -> None:
    execute(dying("SIGKILL").replace("at: 20", "at: 1000"), tmp_path).assert_ok()


def test_a_producer_that_dies_ends_the_run(tmp_path: Path) -> None:
    ran = execute(
        "start_method: fork\n"
        'producers: {p: {items: {call: {target: "actions:die_among_items", kwargs: {how: SIGKILL, at: 7}}}}}\n'
        "consumers: {c: {}}",
        tmp_path,
    )
    assert ran.result.exit_code == 1
    assert ran.of("worker.died")[0]["worker"] == "p-0"
    assert len(ran.of("put")) == 7
    ran.assert_accounted()


@every_method
def test_an_exception_in_user_code_is_an_error_event_and_its_item_failed(method: str, tmp_path: Path) -> None:
    ran = execute(
        f"start_method: {method}\nproducers: {{p: {{items: 9}}}}\n"
        'consumers: {c: {call: {target: "actions:refuse", kwargs: {at: 4}}}}',
        tmp_path,
    )
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed")
    [error] = ran.of("error")
    assert (error["worker"], error["id"], error["place"]) == ("c-0", "p-0:4", "call")
    assert "ValueError: refused 4 \\udcff" in error["why"]
    assert "Traceback" in error["traceback"]
    assert "in refuse" in error["traceback"]
    assert [(event["id"], event["worker"]) for event in ran.of("failed")] == [("p-0:4", "c-0")]
    assert not ran.of("worker.died")
    assert "refused 4" in ran.end["reason"]
    ran.assert_accounted()


def test_sys_exit_in_user_code_is_an_exception_like_any_other(tmp_path: Path) -> None:
    ran = execute(dying("sys.exit"), tmp_path)
    assert ran.result.exit_code == 1
    assert "SystemExit" in ran.of("error")[0]["why"]
    assert not ran.of("worker.died")


def test_a_generator_that_breaks_off_fails_its_item_after_what_it_gave(tmp_path: Path) -> None:
    ran = execute(
        "start_method: fork\nqueues: {a: {}, b: {}}\nproducers: {p: {items: 3, to: a}}\n"
        'stages: {s: {from: a, to: b, call: "actions:partly"}}\nconsumers: {c: {from: b}}',
        tmp_path,
    )
    assert ran.result.exit_code == 1
    assert [event["id"] for event in ran.of("put") if event["queue"] == "b"] == ["p-0:0.0", "p-0:0.1", "p-0:1.0"]
    assert ran.ids("failed") == ["p-0:1"]
    ran.assert_accounted()


def test_a_stages_result_that_cannot_be_pickled_fails_the_item_it_was_made_of(tmp_path: Path) -> None:
    ran = execute(
        "start_method: fork\nqueues: {a: {}, b: {}}\nproducers: {p: {items: 3, to: a}}\n"
        'stages: {s: {from: a, to: b, call: "actions:to_unpicklable"}}\nconsumers: {c: {from: b}}',
        tmp_path,
    )
    assert ran.result.exit_code == 1
    assert [(event["queue"], event["id"]) for event in ran.of("failed")] == [("a", "p-0:1")]
    ran.assert_accounted()


@pytest.mark.parametrize("kind", KINDS)
def test_an_item_that_cannot_be_pickled_is_an_error_event(kind: str, tmp_path: Path) -> None:
    ran = execute(
        f"start_method: fork\nqueues: {{main: {{kind: {kind}}}}}\n"
        'producers: {p: {items: {call: "actions:unpicklable"}}}\nconsumers: {c: {}}',
        tmp_path,
    )
    assert ran.result.exit_code == 1
    [error] = ran.of("error")
    assert (error["id"], error["place"]) == ("p-0:1", "put")
    assert "cannot be pickled" in error["why"]
    assert ran.ids("put") == ["p-0:0"]


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("no_such_module:f", "No module named 'no_such_module'"),
        ("actions:no_such_function", "has no attribute 'no_such_function'"),
        ("actions:nothing", "is no function"),
    ],
)
def test_a_function_that_cannot_be_found_stops_the_run_before_any_item(target: str, why: str, tmp_path: Path) -> None:
    ran = execute(f'producers: {{p: {{items: 3}}}}\nconsumers: {{c: {{count: 2, call: "{target}"}}}}', tmp_path)
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed")
    assert why in ran.of("error")[0]["why"]
    assert why in ran.end["reason"]
    assert not ran.of("put", "get", "done")
    if "is no function" not in why:
        assert "pythonpath" in ran.end["reason"]


WAITING = """
queues: {{a: {{kind: {kind}, maxsize: 2}}, b: {{kind: {kind}}}}}
producers: {{p: {{count: 2, items: 100, to: a}}, slow: {{items: 2, to: b, sleep: 1000}}}}
stages: {{s: {{from: a, to: b, sleep: 1000}}}}
consumers: {{c: {{count: 2, from: b}}}}
"""
"""Producers wait for room or sleep, a stage sleeps, consumers wait for an item."""


class CtrlC:
    """Interrupts a run once all its workers wait."""

    sent = False

    def tick(self, run: LiveRun) -> None:
        slots = [run.board.slot(worker.index) for worker in run.plan.workers()]
        moved = sum(slot.puts for slot in slots) > sum(slot.gets for slot in slots)
        if not self.sent and moved and all(slot.state in WAITS for slot in slots):
            self.sent = True
            os.kill(os.getpid(), signal.SIGINT)


WAITS = {State.SLEEPING, State.GETTING, State.PUTTING}


@every_kind
@every_method
def test_ctrl_c_stops_waiting_workers_at_once_and_softly(kind: str, method: str, tmp_path: Path) -> None:
    ran = execute(f"start_method: {method}\n{WAITING.format(kind=kind)}", tmp_path, watch=CtrlC())
    assert (ran.result.exit_code, ran.result.summary["status"]) == (130, "interrupted")
    ran.assert_accounted()
    assert ran.result.verdict.valid is True
    assert {event.get("signal") for event in ran.of("worker.exit")} == {None}, ran.of("worker.exit")
    assert len(ran.of("left")) >= 2


@every_kind
def test_the_timeout_stops_the_run(kind: str, tmp_path: Path) -> None:
    ran = execute(f"start_method: fork\ntimeout: 0.7\n{WAITING.format(kind=kind)}", tmp_path)
    assert (ran.result.exit_code, ran.result.summary["status"]) == (1, "timeout")
    assert ran.end["reason"] == "timed out after 0.7 s"
    ran.assert_accounted()
    assert ran.result.verdict.valid is True


@every_kind
@pytest.mark.parametrize("maxsize", [0, 1])
def test_who_fills_a_queue_whose_quotas_are_met_is_stopped(kind: str, maxsize: int, tmp_path: Path) -> None:
    """Blocked, asleep, or with a full buffer that nobody will empty."""
    ran = execute(
        f"""
queues: {{main: {{kind: {kind}, maxsize: {maxsize}}}}}
producers: {{p: {{count: 2, items: 3000, payload: 1000}}, sleeper: {{items: 2, sleep: 1000}}}}
consumers: {{c: {{count: 2, items: 2, sleep: 0.1}}}}
""",
        tmp_path,
    )
    ran.assert_ok()
    assert len(ran.of("done")) == 4
    ran.assert_accounted()
    assert {event["why"] for event in ran.of("left")} == {"every reader of its queue was finished"}
    assert {event.get("exit_code") for event in ran.of("worker.exit")} == {0}


@every_kind
def test_met_quotas_stop_upstream_too(kind: str, tmp_path: Path) -> None:
    """The stage waits for an item its producer would bring in a quarter of an hour."""
    ran = execute(
        f"""
queues: {{a: {{kind: {kind}}}, b: {{kind: {kind}}}}}
producers: {{p: {{items: 9, to: a, sleep: 1000}}}}
stages: {{s: {{count: 2, from: a, to: b}}}}
consumers: {{c: {{from: b, items: 1}}}}
""",
        tmp_path,
    )
    ran.assert_ok()
    assert [event["queue"] for event in ran.of("done")].count("b") == 1
    ran.assert_accounted()


@pytest.mark.slow
def test_who_hangs_in_user_code_when_quotas_are_met_is_killed_after_its_grace(tmp_path: Path) -> None:
    ran = execute(
        'producers: {p: {items: {call: "actions:two_then_hang"}}}\nconsumers: {c: {items: 1}}', tmp_path, seconds=40
    )
    ran.assert_ok()
    ran.assert_accounted()


def test_an_item_equal_to_everything_or_to_nothing_is_an_item(tmp_path: Path) -> None:
    ran = execute('producers: {p: {items: {call: "actions:strange"}}}\nconsumers: {c: {}}', tmp_path)
    ran.assert_ok()
    assert len(ran.of("done")) == 3


def interrupted(folder: Path, config: str, *numbers: int, seconds: float = 30) -> tuple[int, float, Ran]:
    """Run in a process of its own, signalled once its workers have begun: exit code, seconds since then, what ran."""
    flag = folder / "begun"
    (folder / "config.yaml").write_text(config.replace("FLAG", str(flag)))
    script = folder / "script.py"
    script.write_text(
        "import json, runner, sys\n"
        f"result = runner.run(runner.load({str(folder / 'config.yaml')!r}), {str(folder / 'runs')!r})\n"
        "print(result.run_dir)\n"
        "sys.exit(result.exit_code)\n"
    )
    process = started(script)
    try:
        until(flag.exists)
        began = time.monotonic()
        for number in numbers:
            process.send_signal(number)
            time.sleep(0.2)  # two signals of a kind at the same moment are one
        out, err = process.communicate(timeout=seconds)
    finally:
        process.kill()
        process.wait()
    took = time.monotonic() - began
    path = Path(out.strip())
    assert path.is_dir(), err
    events = [json.loads(line) for line in (path / "events.jsonl").read_text().splitlines()]
    return process.returncode, took, Ran(None, events)  # type: ignore[arg-type]  # its result was the other process's


ASLEEP = f"""
pythonpath: [{Path(__file__).parent / "usercode"}]
producers: {{p: {{count: 2, items: 9, sleep: 1000}}}}
stages: {{}}
consumers: {{c: {{call: {{target: "actions:touch", kwargs: {{flag: FLAG}}}}}}, d: {{sleep: 1000}}}}
"""
STUCK = ASLEEP.replace("actions:touch", "actions:stubborn")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_cuts_sleeps_short_and_names_what_is_left(number: int, code: int, tmp_path: Path) -> None:
    exit_code, took, ran = interrupted(tmp_path, ASLEEP, number)
    assert exit_code == code
    assert took < 8
    assert ran.end["status"] == "interrupted"
    assert signal.Signals(number).name in ran.end["reason"]
    ran.assert_accounted()


@pytest.mark.slow
def test_a_call_that_never_returns_gets_its_grace_and_is_killed(tmp_path: Path) -> None:
    exit_code, took, ran = interrupted(tmp_path, STUCK, signal.SIGINT)
    assert exit_code == 130
    assert took > 4
    assert ("c-0", "SIGKILL") in [(event["worker"], event.get("signal")) for event in ran.of("worker.exit")]
    assert not ran.of("worker.died")
    assert "c-0" in [event["worker"] for event in ran.of("left")]
    ran.assert_accounted()


def test_a_second_ctrl_c_kills_at_once(tmp_path: Path) -> None:
    exit_code, took, ran = interrupted(tmp_path, STUCK, signal.SIGINT, signal.SIGINT)
    assert exit_code == 130
    assert took < 4
    ran.assert_accounted()


@pytest.mark.parametrize(
    ("method", "kind"),
    [*((method, "pipe") for method in START_METHODS), *((method, MANAGER) for method in ("fork", "forkserver"))],
)
def test_no_worker_outlives_a_killed_supervisor(method: str, kind: str, tmp_path: Path) -> None:
    """Not even one that is stuck in a loop, nor what serves a queue."""
    flag = tmp_path / "begun"
    head = f"start_method: {method}\nqueues: {{main: {{kind: {kind}}}}}\n"
    (tmp_path / "config.yaml").write_text(head + STUCK.replace("FLAG", str(flag)))
    script = f"import runner\nrunner.run(runner.load({str(tmp_path / 'config.yaml')!r}), {str(tmp_path / 'runs')!r})"
    for _ in range(2):
        process = started("-c", script)
        try:
            until(flag.exists)
            workers = [left.pid for left in conftest.descendants(process.pid)]
        finally:
            process.kill()
            process.communicate()
        assert len(workers) >= 4 + (kind == MANAGER)
        until(lambda: not any(conftest.is_running(pid) for pid in workers), 2)  # noqa: B023 - called in this turn
        flag.unlink()


@pytest.mark.parametrize(("method", "kind"), [*((method, "pipe") for method in START_METHODS), ("fork", MANAGER)])
def test_a_terminals_ctrl_c_while_workers_start_is_obeyed_in_silence(method: str, kind: str, tmp_path: Path) -> None:
    """It reaches every process, also one that has only just begun."""
    script = f"""
import runner, sys
from runner.config.load import loads
config = loads('''
start_method: {method}
queues: {{main: {{kind: {kind}}}}}
producers: {{p: {{count: 4, items: 9, sleep: 100}}}}
consumers: {{c: {{}}}}
''')

class Told:
    def tick(self, run):
        if not said:
            said.append(print("starting", flush=True))

said = []
sys.exit(runner.run(config, {str(tmp_path / "runs")!r}, watch=Told()).exit_code)
"""
    for delay in (0.0, 0.02, 0.1, 0.3):
        process = started("-c", script, start_new_session=True)
        try:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(delay)
            os.killpg(process.pid, signal.SIGINT)
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()
            process.wait()
        assert (process.returncode, err) == (130, "")


def inventory() -> dict[str, Any]:
    gc.collect()
    multiprocessing.active_children()
    children = conftest.children(os.getpid())
    return {
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "zombies": [pid for pid in children if not conftest.is_running(pid)],
        "shared memory": sorted(p.name for p in Path("/dev/shm").iterdir() if f"-{os.getpid()}-" in p.name),  # noqa: S108
    }


@pytest.mark.parametrize(
    ("method", "kind", "at"),
    [
        ("fork", "pipe", 3),
        ("fork", "multiprocessing.Queue", 1000),
        ("forkserver", "pipe", 1000),
        ("forkserver", "multiprocessing.Queue", 3),
        ("forkserver", MANAGER, 3),
    ],
)
def test_twenty_runs_leak_nothing_also_when_they_fail(method: str, kind: str, at: int, tmp_path: Path) -> None:
    text = dying("SIGKILL", method=method, kind=kind).replace("at: 20", f"at: {at}").replace("items: 50", "items: 5")
    execute(text, tmp_path)
    before = inventory()
    for _ in range(20):
        execute(text, tmp_path)
    assert inventory() == before


@pytest.mark.parametrize("engine", ["processes", "threads"])
def test_too_few_descriptors_are_said_before_any_worker_starts(engine: str, tmp_path: Path) -> None:
    script = f"""
import resource, runner
from runner.config.load import loads
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
config = loads("engine: {engine}\\nproducers: {{p: {{count: 20, items: 1}}}}\\nconsumers: {{c: {{}}}}")
try:
    runner.run(config, {str(tmp_path / "runs")!r})
except runner.ConfigError as error:
    print(error)
"""
    code, out, err = finished("-c", script)
    assert code == 0, err
    assert out.count("\n") == 1
    assert "21 workers need" in out
    assert "the limit is 64" in out
    assert not any((tmp_path / "runs").iterdir())


def test_a_soft_limit_of_descriptors_is_raised(tmp_path: Path) -> None:
    script = f"""
import resource, runner
from runner.config.load import loads
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
config = loads("start_method: fork\\nproducers: {{p: {{count: 20, items: 1}}}}\\nconsumers: {{c: {{}}}}")
print(runner.run(config, {str(tmp_path / "runs")!r}).exit_code)
"""
    assert finished("-c", script)[:2] == (0, "0\n")


def test_a_worker_that_cannot_be_started_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fork, forks = os.fork, iter(range(100))

    def refused_at_last() -> int:
        if next(forks) == 2:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        return fork()

    monkeypatch.setattr(os, "fork", refused_at_last)
    ran = execute("start_method: fork\nproducers: {p: {count: 2, items: 3}}\nconsumers: {c: {count: 2}}", tmp_path)
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed")
    assert ran.end["reason"] == "c-0 could not be started: Resource temporarily unavailable"
    assert not ran.of("put")


def test_a_run_that_never_opened_its_gate_has_a_complete_log(tmp_path: Path) -> None:
    ran = execute("timeout: 0.001\nproducers: {p: {count: 9, items: 3}}\nconsumers: {c: {}}", tmp_path)
    assert (ran.result.exit_code, ran.end["status"]) == (1, "timeout")
    assert ran.result.verdict.valid is True


def test_a_worker_has_the_runs_own_surroundings(tmp_path: Path) -> None:
    """No heavy import, no main module of the caller, and no wake-up descriptor that signals would be written to."""
    for method in START_METHODS:
        report = tmp_path / method
        ran = execute(
            f"start_method: {method}\nproducers: {{p: {{items: 1}}}}\n"
            f'consumers: {{c: {{call: {{target: "actions:surroundings", kwargs: {{report: {report}}}}}}}}}',
            tmp_path,
        )
        ran.assert_ok()
        mark, heavy, wakeup = eval(report.read_text())  # noqa: S307 - written by the tests' own code
        assert (mark, wakeup) == (None, -1)
        assert method == "fork" or heavy == []


@pytest.mark.parametrize(
    ("kind", "method"),
    [(kind, method) for kind in KINDS for method in START_METHODS if method == "fork" or kind not in KINDS[2:]],
)
def test_no_semaphore_is_left_to_the_garbage_collector(kind: str, method: str, tmp_path: Path) -> None:
    """The collector may run while the resource tracker is busy, which then refuses to hear of it."""
    text = f"""
start_method: {method}
queues: {{main: {{kind: {kind}, maxsize: 2}}}}
producers: {{p: {{count: 2, items: 5}}}}
consumers: {{c: {{count: 2}}}}
"""
    gc.collect()
    gc.disable()
    try:
        before = semaphores()
        execute(text, tmp_path).assert_ok()
        assert semaphores() == before
    finally:
        gc.enable()
