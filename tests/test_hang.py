"""Hung is not dead: `item_timeout` and `hang_after`, and what they must not take for a hang."""

from __future__ import annotations

import os
import signal
import threading
import time
from itertools import product
from typing import TYPE_CHECKING

import conftest
import pytest
from running import ENDURANCE, KINDS, START_METHODS, USER_CODE, Ran, execute, finished, started, until

from runner.engines import stop

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.process

both = pytest.mark.parametrize("engine", ["processes", "threads"])


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stuck in user code is given 0.5 s after the order to stop."""
    monkeypatch.setattr(stop, "CALL_GRACE_S", 0.5)
    monkeypatch.setattr(stop, "GRACE_S", 0.5)


def stuck(deed: str, folder: Path, *, once: bool = True) -> str:
    flag = f", flag: {folder / 'flag'}" if once else ""
    return f'call: {{target: "nasty:Misbehave", kwargs: {{deed: {deed}, at: 4, left: {folder / "left"}{flag}}}}}'


@pytest.mark.parametrize(
    ("deed", "method"),
    [*product(("loop", "stop"), START_METHODS)] if ENDURANCE else [("loop", "forkserver"), ("stop", "spawn")],
)
def test_a_process_past_its_item_timeout_is_killed_and_treated_as_dead(deed: str, method: str, tmp_path: Path) -> None:
    ran = execute(
        f"start_method: {method}\nproducers: {{p: {{items: 20}}}}\n"
        f"consumers: {{c: {{item_timeout: 0.2, {stuck(deed, tmp_path)}}}}}",
        tmp_path,
    )
    ran.assert_ok()
    [died] = ran.of("worker.died")
    assert died["why"].startswith("c-0 was killed for working on one item for longer than item_timeout, 0.2 s")
    assert died["item"] == "p-0:4"
    assert [(event["id"], event["delivery"]) for event in ran.of("redelivery")] == [("p-0:4", 2)]
    assert len(ran.of("done")) == 20
    ran.assert_accounted()


def test_an_item_that_is_always_too_slow_is_set_aside(tmp_path: Path) -> None:
    ran = execute(
        "start_method: fork\nqueues: {a: {batch: 8}, b: {}}\nproducers: {p: {items: 20, to: a}}\n"
        f"stages: {{s: {{from: a, to: b, item_timeout: 0.2, {stuck('loop', tmp_path, once=False)}}}}}\n"
        "consumers: {c: {from: b}}",
        tmp_path,
    )
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed")
    assert [(event["id"], event["why"]) for event in ran.of("failed")] == [("p-0:4", "killed its worker 3 times")]
    assert len(ran.moved("done", "b")) == 19
    ran.assert_accounted()
    ran.assert_adds_up()


@pytest.mark.parametrize("work", ["sleep: 1000", "busy: 1000"])
def test_planned_work_counts_too(work: str, tmp_path: Path) -> None:
    ran = execute(
        f"start_method: fork\non_death: {{policy: fail}}\nproducers: {{p: {{items: 2}}}}\n"
        f"consumers: {{c: {{item_timeout: 0.2, {work}}}}}",
        tmp_path,
    )
    assert "longer than item_timeout" in ran.end["reason"]
    ran.assert_accounted()


def test_a_generator_that_never_ends_is_too_slow_however_much_it_gives(tmp_path: Path) -> None:
    ran = execute(
        "start_method: fork\non_death: {policy: fail}\nqueues: {a: {}, b: {}}\nproducers: {p: {items: 2, to: a}}\n"
        'stages: {s: {from: a, to: b, item_timeout: 0.5, call: "nasty:endless"}}\nconsumers: {c: {from: b}}',
        tmp_path,
    )
    assert "s-0 was killed for working on one item for longer than item_timeout" in ran.end["reason"]
    assert len(ran.of("put")) > 20
    ran.assert_accounted()


@both
def test_many_quick_items_waits_and_pauses_do_not_add_up(engine: str, tmp_path: Path) -> None:
    """A slow reader keeps the others waiting, in puts, gets and pauses, for longer than they may work."""
    ran = execute(
        f"engine: {engine}\nstart_method: fork\nqueues: {{a: {{maxsize: 1, batch: 4}}, b: {{maxsize: 1}}}}\n"
        "producers: {p: {items: 3, to: a, item_timeout: 0.2, sleep: 0.3}}\n"
        "stages: {s: {from: a, to: b, item_timeout: 0.2}}\nconsumers: {c: {from: b, sleep: 0.35}}",
        tmp_path,
    )
    ran.assert_ok()


def test_a_producers_code_that_gives_no_item_is_too_slow(tmp_path: Path) -> None:
    ran = execute(
        "start_method: fork\non_death: {policy: restart, max_restarts: 1}\n"
        'producers: {p: {item_timeout: 0.3, items: {call: "actions:two_then_hang"}}}\nconsumers: {c: {}}',
        tmp_path,
    )
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed")
    assert "p-0 was killed for working on one item for longer than item_timeout, 0.3 s" in ran.end["reason"]
    assert ran.ids("put") == ["p-0:0", "p-0:1"]
    assert len(ran.of("done")) == 2


def in_threads(folder: Path, config: str) -> Ran:
    """Run a config in threads; whoever is stuck in one is let go when all is over."""
    before = threading.active_count()
    ran = execute(f"engine: threads\n{config}", folder)
    (folder / "release").touch()
    until(lambda: threading.active_count() == before)
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed")
    ran.assert_accounted()
    return ran


def test_a_thread_past_its_item_timeout_ends_the_run(tmp_path: Path) -> None:
    ran = in_threads(
        tmp_path,
        f"producers: {{p: {{items: 20}}}}\nconsumers: {{c: {{item_timeout: 0.2, {stuck('wait', tmp_path)}}}}}",
    )
    why = "c-0 has worked on one item for longer than item_timeout, 0.2 s, and a thread cannot be killed"
    assert ran.end["reason"] == why
    [hang] = ran.of("hang")
    assert hang["why"] == why
    [wait] = hang["workers"]
    assert (wait["worker"], wait["waits"], wait["last"]) == ("c-0", "for user code to return", "get p-0:4")
    assert "in wait" in wait["stack"]
    assert ("p-0:4", "c-0") in [(event["id"], event["worker"]) for event in ran.of("left")]


def test_the_command_line_ends_though_a_thread_loops_for_ever(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        f"engine: threads\npythonpath: [{USER_CODE}]\nproducers: {{p: {{items: 20}}}}\n"
        f"consumers: {{c: {{item_timeout: 0.2, {stuck('loop', tmp_path)}}}}}"
    )
    script = (
        "import sys\nfrom runner.engines import stop\nstop.CALL_GRACE_S = 0.5\n"
        "from runner.cli import main\nsys.exit(main())"
    )
    code, _, err = finished("-c", script, "config.yaml", "-q", "--log", "none", cwd=tmp_path)
    assert code == 1
    assert err == (
        "mprun: failed: c-0 has worked on one item for longer than item_timeout, 0.2 s, and a thread cannot be killed\n"
    )


def test_a_planned_sleep_past_the_item_timeout_ends_a_run_in_threads(tmp_path: Path) -> None:
    ran = execute(
        "engine: threads\nproducers: {p: {items: 2}}\nconsumers: {c: {item_timeout: 0.2, sleep: 1000}}", tmp_path
    )
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed")
    assert "and a thread cannot be killed" in ran.end["reason"]
    ran.assert_accounted()


def assert_hung(ran: Ran, *waits: tuple[str, str, str | None], frames: Sequence[str]) -> None:
    """The event says who waits for what, what each did last, and where it is."""
    assert ran.end["status"] == "failed"
    [hang] = ran.of("hang")
    assert ran.end["reason"] == hang["why"]
    assert hang["why"].startswith("nothing has moved for 0.5 s: ")
    assert [(wait["worker"], wait["waits"], wait["last"]) for wait in hang["workers"]] == list(waits)
    for wait, frame in zip(hang["workers"], frames, strict=True):
        assert frame in wait["stack"]
        assert f"{wait['worker']} waits {wait['waits']}" in hang["why"]
    ran.assert_accounted()


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_in_which_nothing_moves_is_hung(kind: str, tmp_path: Path) -> None:
    ran = execute(
        f"start_method: fork\nhang_after: 0.5\nqueues: {{main: {{kind: {kind}, maxsize: 1}}}}\n"
        f"producers: {{p: {{items: 20}}}}\nconsumers: {{c: {{{stuck('wait', tmp_path)}}}}}",
        tmp_path,
    )
    assert ran.result.exit_code == 1
    putting = "in _put_through" if kind == "pipe" else "in put"
    assert_hung(
        ran,
        ("p-0", "for room in main", ran.of("hang")[0]["workers"][0]["last"]),
        ("c-0", "for user code to return", "get p-0:4"),
        frames=[putting, "in wait"],
    )


def test_threads_in_which_nothing_moves_are_hung(tmp_path: Path) -> None:
    ran = in_threads(
        tmp_path,
        "hang_after: 0.5\nqueues: {main: {maxsize: 1}}\nproducers: {p: {items: 20}}\n"
        f"consumers: {{c: {{{stuck('wait', tmp_path)}}}}}",
    )
    assert_hung(
        ran,
        ("p-0", "for room in main", "put p-0:5"),
        ("c-0", "for user code to return", "get p-0:4"),
        frames=["in put", "in wait"],
    )


def test_a_stopped_worker_is_a_hang_that_has_no_stack_to_show(tmp_path: Path) -> None:
    ran = execute(
        "start_method: fork\nhang_after: 0.5\nproducers: {p: {items: 20}}\n"
        f"consumers: {{c: {{{stuck('stop', tmp_path)}}}}}",
        tmp_path,
    )
    [hang] = ran.of("hang")
    assert [(wait["worker"], wait["stack"]) for wait in hang["workers"]] == [("c-0", None)]
    assert not ran.of("worker.died")


def test_a_worker_that_cannot_show_its_stack_is_not_killed_by_being_asked(tmp_path: Path) -> None:
    ran = execute(
        "start_method: fork\nhang_after: 0.5\nproducers: {p: {items: 20}}\n"
        f"consumers: {{c: {{{stuck('default SIGUSR1 and wait', tmp_path)}}}}}",
        tmp_path,
    )
    assert [wait["stack"] for wait in ran.of("hang")[0]["workers"]] == [None]
    assert not ran.of("worker.died")


@pytest.mark.parametrize("method", START_METHODS if ENDURANCE else ["forkserver"])
def test_an_import_that_never_ends_is_a_hang(method: str, tmp_path: Path) -> None:
    ran = execute(
        f"start_method: {method}\nhang_after: 1.5\nproducers: {{p: {{items: 3}}}}\n"
        'consumers: {c: {call: "sleeps_at_import:f"}}',
        tmp_path,
    )
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed")
    [hang] = ran.of("hang")
    waits = {wait["worker"]: wait for wait in hang["workers"]}
    assert waits["p-0"]["waits"] == "for the start gate"
    assert waits["c-0"]["waits"] == "for its user code to be imported"
    assert "sleeps_at_import.py" in waits["c-0"]["stack"]
    assert not ran.of("put")


def test_an_import_that_never_ends_in_a_thread_is_a_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPRUN_TEST_RELEASE", str(tmp_path / "release"))
    ran = in_threads(
        tmp_path, 'hang_after: 0.5\nproducers: {p: {items: 3}}\nconsumers: {c: {call: "sleeps_at_import:f"}}'
    )
    assert_hung(
        ran,
        ("p-0", "for the start gate", None),
        ("c-0", "for its user code to be imported", None),
        frames=["in wait", "sleeps_at_import.py"],
    )


@both
def test_a_planned_sleep_or_service_is_no_hang(engine: str, tmp_path: Path) -> None:
    """However long, also where all others wait for it, and where it is a fault's pause."""
    ran = execute(
        f"engine: {engine}\nstart_method: fork\nhang_after: 0.2\nqueues: {{a: {{maxsize: 1}}, b: {{}}}}\n"
        "producers: {p: {items: 3, to: a, sleep: 0.8}}\nstages: {s: {from: a, to: b, busy: 0.5}}\n"
        "consumers: {c: {from: b, sleep: 0.4}, d: {from: b}}\nfaults: [{pause: c-0, after: {gets: 1}, for: 0.4}]",
        tmp_path,
    )
    ran.assert_ok()
    assert not ran.of("hang")


@pytest.mark.parametrize("engine", ["processes", "threads"] if ENDURANCE else ["processes"])
def test_a_run_that_was_stopped_and_goes_on_is_no_hang(engine: str, tmp_path: Path) -> None:
    """As by Ctrl-Z and `fg`: neither for the run nor for an item; nobody worked meanwhile."""
    flag = tmp_path / "begun"
    (tmp_path / "config.yaml").write_text(
        f"engine: {engine}\nstart_method: fork\npythonpath: [{USER_CODE}]\nhang_after: 1\n"
        "producers: {p: {items: 3}}\n"
        f"consumers: {{c: {{item_timeout: 1, call: {{target: 'nasty:slow', kwargs: {{flag: {flag}}}}}}}}}"
    )
    process = started("-m", "runner", "config.yaml", "-q", "--log", "none", cwd=tmp_path, start_new_session=True)
    try:
        until(flag.exists)
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(1.6)
        os.killpg(process.pid, signal.SIGCONT)
        _, err = process.communicate(timeout=30)
    finally:
        conftest.kill([conftest.Leftover(pid, "") for pid in (process.pid, *conftest.children(process.pid))])
        process.wait()
    assert (process.returncode, err) == (0, "")
