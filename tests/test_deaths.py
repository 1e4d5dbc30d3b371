"""Deaths at awkward moments, each once found by chance in the chaos trials, or on a line of the failpoint matrix."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import conftest
import pytest
from running import START_METHODS, execute, finished, until

from runner.engines import launch, process_worker
from runner.engines.board import State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runner.engines.contract import LiveRun
    from runner.engines.process_worker import Job

pytestmark = pytest.mark.process


class Strike:
    """Sends a signal to a worker, once, as soon as it is started and a condition holds."""

    def __init__(self, worker: str, when: Callable[[LiveRun], bool], number: int = signal.SIGKILL) -> None:
        self._worker = worker
        self._when = when
        self._number = number
        self._done = False

    def tick(self, run: LiveRun) -> None:
        pids = [entry["pid"] for _, entry in run.chronicle.entries if self._is_start(entry)]
        if not self._done and pids and self._when(run):
            self._done = True
            os.kill(pids[-1], self._number)

    def _is_start(self, entry: dict[str, Any]) -> bool:
        return (entry["event"], entry.get("worker")) == ("worker.start", self._worker)


def state_of(run: LiveRun, name: str) -> State:
    [worker] = [worker for worker in run.plan.workers() if worker.name == name]
    return run.board.slot(worker.index).state


def slow_to_start(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let replacements that are forked take so long to reach their first line."""

    def late(job: Job) -> None:
        if job.incarnation > 1:
            time.sleep(seconds)
        process_worker.main(job)

    monkeypatch.setattr(launch, "main", late)


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_who_dies_in_its_last_pause_after_the_stream_has_ended_is_not_replaced(method: str, tmp_path: Path) -> None:
    """Its replacement would find no end to put into, die of it, and so would the next."""
    ran = execute(
        f"start_method: {method}\nproducers: {{p: {{items: 1, sleep: 60}}}}\nconsumers: {{c: {{}}}}",
        tmp_path,
        watch=Strike("p-0", lambda run: state_of(run, "c-0") is State.FINISHED),
    )
    ran.assert_ok()
    ran.assert_delivered()
    assert [event["worker"] for event in ran.of("worker.died")] == ["p-0"]
    assert not ran.of("worker.restart")


@pytest.mark.parametrize(("policy", "worker"), [("continue", "c-0"), ("continue", "p-1"), ("restart", "c-0")])
def test_the_gate_does_not_wait_for_who_died_before_it(policy: str, worker: str, tmp_path: Path) -> None:
    ran = execute(
        f"start_method: spawn\non_death: {{policy: {policy}}}\nproducers: {{p: {{count: 2, items: 9}}}}\n"
        "consumers: {c: {count: 2}}",
        tmp_path,
        watch=Strike(worker, lambda run: state_of(run, worker) is State.STARTING),
    )
    ran.assert_ok()
    ran.assert_delivered()
    [died] = ran.of("worker.died")
    assert (died["worker"], died["t_ns"] < 0) == (worker, True)
    assert len(ran.of("worker.restart")) == (policy == "restart")


def test_a_replacement_stopped_before_it_could_obey_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quotas are met while it starts; the others are told to stop as well, and the run is as good as any."""
    slow_to_start(monkeypatch, 60)
    ran = execute(
        """
start_method: fork
queues: {a: {}, b: {}}
producers: {p: {items: 20, to: a, sleep: 0.01}}
stages: {s: {count: 2, from: a, to: b, sleep: 0.001}}
consumers: {c: {from: b, items: 9}}
faults: [{kill: s-0, after: {gets: 1}}]
""",
        tmp_path,
    )
    ran.assert_ok()
    ran.assert_accounted()
    assert [event["incarnation"] for event in ran.of("worker.exit") if "signal" in event] == [1, 2]


def test_what_is_left_lies_with_who_has_it_now(tmp_path: Path) -> None:
    """Not with the dead: their items are in the queue again."""
    ran = execute(
        """
start_method: fork
producers: {p: {items: 9}}
consumers: {c: {sleep: 60}}
faults: [{kill: c-0, after: {gets: 1}}]
timeout: 0.5
""",
        tmp_path,
    )
    assert ran.result.exit_code == 1
    ran.assert_accounted()
    left = {event["id"]: (event["delivery"], event["worker"], event["why"]) for event in ran.of("left")}
    why = "the run ended first: timed out after 0.5 s"
    in_the_queue = {f"p-0:{number}": (1, None, why) for number in range(2, 9)}
    assert left == {"p-0:0": (2, None, why), "p-0:1": (1, "c-0", why), **in_the_queue}


@pytest.mark.parametrize("where", ["in the main thread", "in another thread"])
@pytest.mark.parametrize("method", START_METHODS)
def test_a_run_ends_where_nobody_tells_how_a_child_ended(method: str, where: str, tmp_path: Path) -> None:
    """A shell may hand down that SIGCHLD is ignored; then the kernel keeps no exit codes."""
    script = f"""
import signal, sys, threading
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
import runner
from runner.config.load import loads
config = loads("{{start_method: {method}, producers: {{p: {{items: 3}}}}, consumers: {{c: {{}}}}}}")
def run():
    result = runner.run(config, {str(tmp_path / "runs")!r})
    print(result.exit_code, result.summary["items"]["done"], result.summary["audit"]["valid"])
if {where == "in the main thread"}:
    run()
    print(signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN)
else:
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    print(True)
"""
    assert finished("-c", script, seconds=40)[:2] == (0, "0 3 True\nTrue\n")


class Slow:
    """A watch that lets one worker end before the next is started."""

    def tick(self, run: LiveRun) -> None:
        starts = [entry["worker"] for _, entry in run.chronicle.entries if entry["event"] == "worker.start"]
        if starts == ["p-0", "q-0", "bad-0"]:
            until(lambda: not conftest.is_running(run.chronicle.entries[-1][1]["pid"]))


def test_the_last_reader_is_not_lost_while_others_are_yet_to_start(tmp_path: Path) -> None:
    ran = execute(
        "start_method: fork\non_death: {policy: continue}\nqueues: {a: {}, b: {}}\n"
        "producers: {p: {items: 3, to: a}, q: {items: 3, to: b}}\n"
        'consumers: {bad: {from: a, call: "exits_at_import:f"}, other: {from: b}, good: {from: a}}',
        tmp_path,
        watch=Slow(),
    )
    assert [event["worker"] for event in ran.of("worker.died")] == ["bad-0"]
    ran.assert_ok()
    assert len(ran.moved("done", "a")) == 3


@pytest.mark.parametrize("method", START_METHODS)
def test_a_run_ends_though_its_parent_left_it_to_ignore_the_death_of_children(method: str, tmp_path: Path) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        ran = execute(f"start_method: {method}\nproducers: {{p: {{items: 3}}}}\nconsumers: {{c: {{}}}}", tmp_path)
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGCHLD, before)
    ran.assert_ok()
    assert [event["exit_code"] for event in ran.of("worker.exit")] == [0, 0]
