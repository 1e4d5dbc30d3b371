"""The engine `threads`: the same endings as with processes, but for what cannot be done to a thread."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest
from running import USER_CODE, execute, finished, until

from runner.engines.contract import Status
from runner.engines.threads import Crew

if TYPE_CHECKING:
    from pathlib import Path

    from runner.engines.hand import Hand

BASE = "engine: threads\n"


def test_threads_work_in_this_process_and_end_with_the_run(tmp_path: Path) -> None:
    before = threading.active_count()
    ran = execute(f"{BASE}producers: {{p: {{count: 2, items: 5}}}}\nconsumers: {{c: {{count: 2}}}}", tmp_path)
    ran.assert_ok()
    ran.assert_delivered()
    assert {event["pid"] for event in ran.of("worker.start")} == {None}
    assert threading.active_count() == before


def test_queue_kinds_do_not_bind(tmp_path: Path) -> None:
    ran = execute(
        f"{BASE}queues: {{main: {{kind: multiprocessing.Queue, maxsize: 1}}}}\n"
        "producers: {p: {count: 2, items: 9}}\nconsumers: {c: {}}",
        tmp_path,
    )
    ran.assert_ok()
    assert ran.result.summary["queues"]["main"]["max_depth"] <= 1


def test_an_exception_is_an_error_event_and_its_item_failed(tmp_path: Path) -> None:
    ran = execute(
        f"{BASE}producers: {{p: {{items: 9, sleep: 0.001}}}}\n"
        'consumers: {c: {call: {target: "actions:refuse", kwargs: {at: 4}}}}',
        tmp_path,
    )
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed")
    assert ran.ids("failed") == ["p-0:4"]
    assert "in refuse" in ran.of("error")[0]["traceback"]
    ran.assert_accounted()


def test_a_function_that_cannot_be_imported_stops_the_run_before_any_item(tmp_path: Path) -> None:
    ran = execute(f'{BASE}producers: {{p: {{items: 3}}}}\nconsumers: {{c: {{call: "nowhere:f"}}}}', tmp_path)
    assert ran.result.exit_code == 1
    assert "pythonpath" in ran.end["reason"]
    assert not ran.of("put")


def test_a_value_missing_in_a_trace_ends_the_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "trace.jsonl").write_text('{"id": "p-0:0", "value": 0.001}\n')
    ran = execute(
        f"{BASE}producers: {{p: {{items: 3}}}}\n"
        "consumers: {c: {sleep: {distribution: trace, file: trace.jsonl}}}",
        tmp_path,
    )
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed")
    assert "none for item 'p-0:1'" in capfd.readouterr().err
    ran.assert_accounted()


@pytest.mark.parametrize("maxsize", [0, 1])
def test_who_fills_a_queue_whose_quotas_are_met_is_stopped(maxsize: int, tmp_path: Path) -> None:
    ran = execute(
        f"{BASE}queues: {{a: {{maxsize: {maxsize}}}, b: {{}}}}\n"
        "producers: {p: {count: 3, items: 9, to: a, sleep: 1000}, q: {items: 100, to: a}}\n"
        "stages: {s: {count: 2, from: a, to: b}}\nconsumers: {c: {from: b, items: 3}}",
        tmp_path,
    )
    ran.assert_ok()
    ran.assert_accounted()


def test_the_timeout_stops_sleeping_and_waiting_threads(tmp_path: Path) -> None:
    ran = execute(
        f"{BASE}timeout: 0.2\nqueues: {{a: {{maxsize: 1}}, b: {{}}}}\n"
        "producers: {p: {count: 3, items: 9, to: a}, q: {items: 9, to: b, sleep: 1000}}\n"
        "stages: {s: {from: a, to: b, sleep: 1000}}\nconsumers: {c: {count: 2, from: b}}",
        tmp_path,
    )
    assert (ran.result.exit_code, ran.end["status"]) == (1, "timeout")
    assert len(ran.of("worker.exit")) == len(ran.of("worker.start"))
    ran.assert_accounted()
    assert ran.result.verdict.valid is True


def test_busy_threads_are_stopped(tmp_path: Path) -> None:
    ran = execute(f"{BASE}timeout: 0.2\nproducers: {{p: {{items: 3}}}}\nconsumers: {{c: {{busy: 1000}}}}", tmp_path)
    assert ran.end["status"] == "timeout"


@pytest.mark.slow
@pytest.mark.process
def test_a_call_that_outlasts_its_grace_is_abandoned(tmp_path: Path) -> None:
    """In a process of its own, as the thread stays."""
    script = f"""
import runner, sys
from runner.config.load import loads
config = loads('''
engine: threads
timeout: 0.3
pythonpath: [{USER_CODE}]
producers: {{p: {{items: 3}}}}
consumers: {{c: {{count: 2, call: "actions:forever"}}}}
''')
result = runner.run(config, {str(tmp_path / "runs")!r})
print(result.exit_code, result.summary["status"], result.summary["audit"]["valid"], result.summary["wall_s"] > 4)
"""
    assert finished("-c", script)[:2] == (0, "1 timeout True True\n")


def test_user_code_prints_to_stderr_and_the_path_is_put_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = list(sys.path)
    execute(f'{BASE}producers: {{p: {{items: 1}}}}\nconsumers: {{c: {{call: "actions:speak"}}}}', tmp_path).assert_ok()
    printed = capsys.readouterr()
    assert "user code says 0" in printed.err
    assert "user code says" not in printed.out
    assert sys.path == before


def test_runs_in_two_threads_of_one_process_do_not_mix(tmp_path: Path) -> None:
    codes: list[int] = []

    def run(folder: Path) -> None:
        import runner
        from runner.config.load import loads

        config = loads(f"{BASE}producers: {{p: {{count: 2, items: 200}}}}\nconsumers: {{c: {{count: 2}}}}")
        codes.append(runner.run(config, folder).exit_code)

    threads = [threading.Thread(target=run, args=(tmp_path / str(k),)) for k in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: len(codes) == 3)
    for thread in threads:
        thread.join()
    assert codes == [0, 0, 0]


def test_a_thread_that_dies_once_the_run_was_told_to_stop_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Crew._answer_death

    def late(crew: Crew, hand: Hand, last: str | None) -> None:
        crew._order_stop(Status.FAILED, "told before")
        answer(crew, hand, last)

    monkeypatch.setattr(Crew, "_answer_death", late)
    faults = "faults: [{kill: c-0, after: {gets: 1}}]"
    ran = execute(f"engine: threads\n{faults}\nproducers: {{p: {{items: 3}}}}\nconsumers: {{c: {{}}}}", tmp_path)
    assert ran.end["reason"] == "told before"
    assert ran.of("worker.died")
    assert not ran.of("worker.restart")


def test_a_thread_that_cannot_be_started_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "c-1":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    ran = execute(f"{BASE}producers: {{p: {{items: 9}}}}\nconsumers: {{c: {{count: 3}}}}", tmp_path)
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed")
    assert ran.end["reason"] == "c-1 could not be started: can't start new thread"
    assert {event["worker"] for event in ran.of("worker.start")} == {event["worker"] for event in ran.of("worker.exit")}
