"""User code that misbehaves: each deed ends in a right record, never in a hang, and leaves nothing running."""

from __future__ import annotations

import os
import signal
from itertools import product
from typing import TYPE_CHECKING

import conftest
import pytest
from running import ENDURANCE, KINDS, START_METHODS, USER_CODE, Ran, execute, finished, within

from runner.engines import member

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process

DEATHS = {
    "exit 0": "exited with 0 before its end",
    "exit 3": "exited with 3 before its end",
    "abort": "was killed by SIGABRT",
    "segfault": "was killed by SIGSEGV",
    "SIGSEGV": "was killed by SIGSEGV",
    "recursion beyond the stack": "was killed by SIGSEGV",
    "start over": "exited with 0 before its end",
    "close all": "exited with 70 before its end",
    "close all but the standard streams": "exited with 70 before its end",
}
"""Deed → what is said of the worker's death."""
FAILURES = {
    "endless recursion": "RecursionError: maximum recursion depth exceeded",
    "sys.exit": "SystemExit",
    "unshowable exception": "Odd: <exception str() failed>",
    "long exception": "characters left out",
}
"""Deed → what the `error` event says."""
LINGERING = ("child process", "lasting thread")
LEFT_RUNNING = ("forked child", "daemonized", "program", "child process")
"""Deeds by which user code leaves a process running for itself."""
HARMLESS = [
    "no more descriptors", "ignore SIGTERM", "ignore SIGCHLD", "default SIGINT", "own handlers", "block all signals",
    "itimer storm", "forked child", "forked twin", "daemonized", "program", "busy thread", "chdir", "close sys.stdout",
    "close sys.stderr", "no sys.stdout", "gc.disable", "other start method",
]  # fmt: skip


def cells(deeds: list[str]) -> list[tuple[str, str, str]]:
    """Deeds in both roles under all start methods, or each deed in one role under one method."""
    everything = [*product(deeds, ("consumer", "stage"), START_METHODS)]
    if ENDURANCE:
        return everything
    return [everything[6 * k + (k % 6)] for k in range(len(deeds))]


def perpetrate(folder: Path, deed: str, role: str, method: str, *, once: bool = True, more: str = "") -> Ran:
    """Twenty items through a stage to a consumer, one of which does the deed, at item 4."""
    flag = f", flag: {folder / 'flag'}" if once else ""
    call = f', call: {{target: "nasty:Misbehave", kwargs: {{deed: {deed}, at: 4, left: {folder / "left"}{flag}}}}}'
    return execute(
        f"start_method: {method}\nhang_after: 20\nqueues: {{a: {{}}, b: {{}}}}\n{more}\n"
        "producers: {p: {items: 20, to: a}}\n"
        f"stages: {{s: {{from: a, to: b{call if role == 'stage' else ''}}}}}\n"
        f"consumers: {{c: {{from: b{call if role == 'consumer' else ''}}}}}",
        folder,
    )


def assert_whole(ran: Ran) -> None:
    """Everything was delivered, whoever died."""
    ran.assert_ok()
    assert len(ran.moved("done", "b")) == 20
    ran.assert_accounted()
    ran.assert_adds_up()


def end_what_user_code_left_running(folder: Path, deed: str) -> None:
    """Which is nothing of ours, and still there."""
    path = folder / "left"
    left = [int(line) for line in path.read_text().splitlines()] if path.exists() else []
    assert len(left) == (deed in LEFT_RUNNING)
    for pid in left:
        assert conftest.is_running(pid)
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(("deed", "role", "method"), cells([*DEATHS]))
def test_a_worker_that_user_code_kills_is_named_and_replaced(deed: str, role: str, method: str, tmp_path: Path) -> None:
    ran = perpetrate(tmp_path, deed, role, method)
    assert_whole(ran)
    [died] = ran.of("worker.died")
    assert died["worker"] == f"{role[0]}-0"
    assert DEATHS[deed] in died["why"]
    assert died["item"] == "p-0:4" or deed.startswith("close all")
    assert len(ran.of("worker.restart")) == 1
    assert not ran.of("error")


@pytest.mark.parametrize(("deed", "role", "method"), cells([*FAILURES]))
def test_whatever_user_code_raises_is_told_in_a_readable_line(
    deed: str, role: str, method: str, tmp_path: Path
) -> None:
    ran = perpetrate(tmp_path, deed, role, method, more="on_error: {policy: skip}")
    ran.assert_ok()
    [error] = ran.of("error")
    assert (error["worker"], error["id"]) == (f"{role[0]}-0", "p-0:4")
    assert FAILURES[deed] in error["why"]
    assert "nasty.py" in error["traceback"]
    assert len(str(error)) < 30_000
    assert ran.ids("failed") == ["p-0:4"]
    ran.assert_accounted()
    ran.assert_adds_up()


@pytest.mark.parametrize(("deed", "role", "method"), cells(HARMLESS))
def test_what_does_not_concern_the_run_does_not_disturb_it(deed: str, role: str, method: str, tmp_path: Path) -> None:
    """Handlers of its own, what it closes of its own, processes it leaves behind: the run goes on and ends."""
    ran = perpetrate(tmp_path, deed, role, method)
    end_what_user_code_left_running(tmp_path, deed)
    assert_whole(ran)
    assert not ran.of("worker.died", "error", "redelivery")
    exits = {event.get("exit_code", event.get("signal")) for event in ran.of("worker.exit")}
    # With spawn Python takes all handlers away before it ends, and what its user code set going meets none.
    assert exits - ({"SIGALRM"} if (deed, method) == ("itimer storm", "spawn") else set()) == {0}


@pytest.mark.parametrize(("deed", "role", "method"), cells(["raising storm"]))
def test_a_handler_that_raises_anywhere_breaks_the_worker_at_worst(
    deed: str, role: str, method: str, tmp_path: Path
) -> None:
    """It may strike in user code, in the midst of an operation, or too late."""
    ran = perpetrate(tmp_path, deed, role, method, more="on_error: {policy: retry}")
    assert_whole(ran)
    assert all("exited with 70" in event["why"] for event in ran.of("worker.died"))


@pytest.mark.parametrize(("deed", "role", "method"), cells([*LINGERING]))
def test_a_worker_that_has_finished_does_not_wait_for_what_user_code_left_behind(
    deed: str, role: str, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not ENDURANCE:
        monkeypatch.setattr(member, "CALL_GRACE_S", 0.3)
    ran = perpetrate(tmp_path, deed, role, method)
    end_what_user_code_left_running(tmp_path, deed)
    assert_whole(ran)
    [killed] = [event for event in ran.of("worker.exit") if event.get("signal") == "SIGKILL"]
    assert killed["worker"] == f"{role[0]}-0"
    assert "had finished and was killed, as its exit had to wait" in killed["why"]
    assert not ran.of("worker.died", "hang")


@pytest.mark.parametrize(("deed", "role", "method"), cells(["exit 3", "segfault"]))
def test_an_item_that_always_kills_is_set_aside_and_the_others_are_done(
    deed: str, role: str, method: str, tmp_path: Path
) -> None:
    ran = perpetrate(tmp_path, deed, role, method, once=False)
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed")
    assert len(ran.of("worker.died")) == 3
    [failed] = ran.of("failed")
    assert (failed["id"], failed["delivery"], failed["why"]) == ("p-0:4", 3, "killed its worker 3 times")
    assert len(ran.moved("done", "b")) == 19
    ran.assert_accounted()
    ran.assert_adds_up()
    assert ran.result.verdict.valid is True, ran.result.verdict


def test_a_worker_that_failed_and_cannot_exit_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else is there to notice that nothing moves."""
    monkeypatch.setattr(member, "CALL_GRACE_S", 0.3)
    with within(30):
        ran = execute('producers: {p: {items: 1}}\nconsumers: {c: {call: "actions:fails_and_sticks"}}', tmp_path)
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed")
    assert ran.end["reason"].startswith("c-0 failed at p-0:0")
    [_, exited] = sorted(ran.of("worker.exit"), key=lambda event: event["worker"], reverse=True)
    assert (exited["worker"], exited["signal"]) == ("c-0", "SIGKILL")


def test_user_code_that_exits_as_a_full_disk_does_is_a_death(tmp_path: Path) -> None:
    text = 'producers: {p: {items: 3}}\nconsumers: {c: {call: "actions:exits_as_if_the_disk_were_full"}}'
    ran = execute(text, tmp_path)
    assert [event["item"] for event in ran.of("worker.died")] == 3 * ["p-0:1"]
    assert ran.end["reason"] == "p-0:1 killed its worker 3 times"
    assert len(ran.moved("done")) == 2


def test_a_worker_whose_code_exits_at_import_is_replaced_as_often_as_may_be(tmp_path: Path) -> None:
    ran = execute(
        "producers: {p: {items: 3}}\n"
        'on_death: {policy: restart, max_restarts: 2}\nconsumers: {c: {call: "exits_at_import:f"}}',
        tmp_path,
    )
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed")
    assert "exited with 0 before its end while preparing, after 2 restarts" in ran.end["reason"]
    assert not ran.of("put")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("policy", ["fail", "skip"])
def test_an_item_that_cannot_be_unpickled_is_an_error_of_who_wants_to_work_on_it(
    kind: str, policy: str, tmp_path: Path
) -> None:
    ran = execute(
        f"start_method: fork\non_error: {{policy: {policy}}}\nqueues: {{a: {{}}, b: {{kind: {kind}, batch: 4}}}}\n"
        "producers: {p: {items: 10, to: a}}\n"
        'stages: {s: {from: a, to: b, call: {target: "nasty:trapped", kwargs: {at: 4}}}}\n'
        'consumers: {c: {from: b, call: "nasty:use"}}',
        tmp_path,
    )
    [error] = ran.of("error")
    assert (error["worker"], error["id"], error["place"]) == ("c-0", "p-0:4", "get")
    assert "LookupError: a trap was sprung" in error["why"]
    assert "in _spring" in error["traceback"]
    assert [(event["queue"], event["id"]) for event in ran.of("failed")] == [("b", "p-0:4")]
    assert ran.result.exit_code == (1 if policy == "fail" else 0)
    assert not ran.of("worker.died")
    ran.assert_accounted()
    assert ran.result.verdict.valid is True, ran.result.verdict


@pytest.mark.parametrize("kind", KINDS if ENDURANCE else ["pipe"])
def test_results_of_100_megabytes_arrive_whole(kind: str, tmp_path: Path) -> None:
    size, report = 100_000_000, tmp_path / "report"
    ran = execute(
        f"start_method: fork\nqueues: {{a: {{}}, b: {{kind: {kind}, maxsize: 2}}}}\n"
        "producers: {p: {items: 2, to: a}}\n"
        f'stages: {{s: {{from: a, to: b, call: {{target: "nasty:huge", kwargs: {{size: {size}}}}}}}}}\n'
        f'consumers: {{c: {{from: b, call: {{target: "nasty:measure", kwargs: {{report: {report}}}}}}}}}',
        tmp_path,
        seconds=60,
    )
    ran.assert_ok()
    assert report.read_text() == f"aa {size}\nbb {size}\n"
    assert {event["item_bytes"] for event in ran.of("put") if event["queue"] == "b"} == {size + 2}
    assert ran.result.run_dir.joinpath("events.jsonl").stat().st_size < 20_000


@pytest.mark.parametrize("deed", [*FAILURES, "forked child", "forked twin", "program", "ignore SIGTERM"])
def test_threads_take_it_likewise_where_it_does_not_end_the_process(deed: str, tmp_path: Path) -> None:
    kwargs = f"{{deed: {deed}, at: 4, left: {tmp_path / 'left'}}}"
    ran = execute(
        "engine: threads\non_error: {policy: skip}\nproducers: {p: {items: 20}}\n"
        f'consumers: {{c: {{call: {{target: "nasty:Misbehave", kwargs: {kwargs}}}}}}}',
        tmp_path,
    )
    end_what_user_code_left_running(tmp_path, deed)
    ran.assert_ok()
    why = {**FAILURES, "ignore SIGTERM": "ValueError: signal only works in main thread"}.get(deed)
    assert [why in event["why"] for event in ran.of("error")] == ([True] if why else [])
    assert len(ran.of("done")) == (19 if why else 20)
    ran.assert_accounted()
    ran.assert_adds_up()


def test_the_command_line_does_not_wait_for_a_thread_that_user_code_has_left(tmp_path: Path) -> None:
    """Under the engine `threads` it is the command's own process that it stays in."""
    (tmp_path / "config.yaml").write_text(
        f"engine: threads\npythonpath: [{USER_CODE}]\nproducers: {{p: {{items: 9}}}}\n"
        'consumers: {c: {call: {target: "nasty:Misbehave", kwargs: {deed: lasting thread, at: 4, left: left}}}}'
    )
    code, _, err = finished("-m", "runner", "config.yaml", "-q", "--log", "none", cwd=tmp_path, seconds=30)
    assert (code, err) == (0, "")
