"""Faults of a config: what goes wrong on purpose goes wrong once, where it was to, in both engines."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from running import Ran, execute

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process

everywhere = pytest.mark.parametrize(("engine", "batch"), list(product(("processes", "threads"), (1, 8))))


def run(folder: Path, engine: str, batch: int, faults: str, more: str = "", *, count: int = 20) -> Ran:
    """One worker of each role: p-0, s-0 and c-0."""
    return execute(
        f"engine: {engine}\nstart_method: fork\nfaults: [{faults}]\n{more}\n"
        f"queues: {{a: {{batch: {batch}}}, b: {{batch: {batch}}}}}\n"
        f"producers: {{p: {{items: {count}, to: a}}}}\nstages: {{s: {{from: a, to: b}}}}\n"
        "consumers: {c: {from: b}}",
        folder,
    )


def struck(ran: Ran) -> list[tuple[str, str, dict[str, int]]]:
    return [(event["worker"], event["act"], event["after"]) for event in ran.of("fault")]


def deaths(ran: Ran) -> list[tuple[str, int, str | None]]:
    return [(event["worker"], event["incarnation"], event["item"]) for event in ran.of("worker.died")]


def counts(ran: Ran, worker: str) -> list[tuple[int, int]]:
    """Puts and gets of each incarnation, by what it logged."""
    return [(event["puts"], event["gets"]) for event in ran.of("worker.exit") if event["worker"] == worker]


def assert_all_done(ran: Ran, count: int = 20) -> None:
    ran.assert_ok()
    assert len(ran.moved("done", "b")) == count
    ran.assert_accounted()
    ran.assert_adds_up()


@everywhere
def test_a_reader_is_killed_with_the_item_of_that_get_in_its_hand(engine: str, batch: int, tmp_path: Path) -> None:
    ran = run(tmp_path, engine, batch, "{kill: c-0, after: {gets: 3}}")
    assert_all_done(ran)
    assert struck(ran) == [("c-0", "kill", {"gets": 3})]
    assert deaths(ran) == [("c-0", 1, "p-0:2")]
    again = [event["id"] for event in ran.of("redelivery")]
    assert again[0] == "p-0:2"
    assert again == [f"p-0:{seq}" for seq in range(2, 2 + len(again))]
    assert len(again) <= batch
    [(_, gets), _] = counts(ran, "c-0")
    assert gets == 2 + len(again)


@everywhere
def test_a_producer_is_killed_after_a_put_and_its_replacement_goes_on(engine: str, batch: int, tmp_path: Path) -> None:
    ran = run(tmp_path, engine, batch, "{kill: p-0, after: {puts: 5}}")
    assert_all_done(ran)
    assert struck(ran) == [("p-0", "kill", {"puts": 5})]
    assert [event["id"] for event in ran.of("put") if event["queue"] == "a"] == [f"p-0:{seq}" for seq in range(20)]
    first = 5 if batch == 1 else 8
    assert deaths(ran) == [("p-0", 1, f"p-0:{first - 1}")]
    assert counts(ran, "p-0") == [(first, 0), (20 - first, 0)]
    assert not ran.of("redelivery")


@everywhere
@pytest.mark.parametrize("counter", ["gets", "puts"])
def test_a_stage_is_killed_and_puts_nothing_twice(engine: str, batch: int, counter: str, tmp_path: Path) -> None:
    ran = run(tmp_path, engine, batch, f"{{kill: s-0, after: {{{counter}: 4}}}}")
    assert_all_done(ran)
    assert struck(ran) == [("s-0", "kill", {counter: 4})]
    assert len(deaths(ran)) == 1
    assert set(ran.moved("put", "b").values()) == {1}
    assert len(ran.moved("put", "b")) == 20


@everywhere
def test_counts_go_on_over_incarnations_and_each_fault_strikes_once(engine: str, batch: int, tmp_path: Path) -> None:
    faults = ", ".join(f"{{kill: c-0, after: {{gets: {gets}}}}}" for gets in (12, 4, 8))
    ran = run(tmp_path, engine, batch, faults)
    assert_all_done(ran)
    assert struck(ran) == [("c-0", "kill", {"gets": gets}) for gets in (4, 8, 12)]
    assert [incarnation for _, incarnation, _ in deaths(ran)] == [1, 2, 3]
    # 4, then 3 new ones behind the one handed out again, and so on: an item is taken anew after each death.
    assert [event["incarnation"] for event in ran.of("worker.start") if event["worker"] == "c-0"] == [1, 2, 3, 4]


@everywhere
def test_producers_too(engine: str, batch: int, tmp_path: Path) -> None:
    ran = run(tmp_path, engine, batch, "{kill: p-0, after: {puts: 2}}, {kill: p-0, after: {puts: 11}}")
    assert_all_done(ran)
    assert struck(ran) == [("p-0", "kill", {"puts": puts}) for puts in (2, 11)]
    assert [incarnation for _, incarnation, _ in deaths(ran)] == [1, 2]


@pytest.mark.parametrize("engine", ["processes", "threads"])
@pytest.mark.parametrize("maxsize", [1, 0])
@pytest.mark.parametrize("policy", ["restart", "continue"])
def test_nobody_ends_before_the_last_item_is_done(engine: str, maxsize: int, policy: str, tmp_path: Path) -> None:
    """A reader that finds the queue empty and the producers finished may yet get what another dies with."""
    ran = execute(
        f"engine: {engine}\nstart_method: fork\non_death: {{policy: {policy}}}\n"
        f"queues: {{main: {{batch: 8, maxsize: {maxsize}}}}}\nproducers: {{p: {{items: 16}}}}\n"
        "consumers: {c: {count: 2, sleep: 20ms}}\n"
        "faults: [{pause: c-1, after: {gets: 1}, for: 400ms}, {kill: c-1, after: {gets: 1}}]",
        tmp_path,
    )
    ran.assert_ok()
    assert ran.result.summary["items"]["done"] == 16
    assert len(ran.of("worker.died")) == 1
    assert len(ran.of("worker.restart")) == (policy == "restart")
    ran.assert_accounted()


@everywhere
def test_deaths_beyond_max_restarts_end_the_run(engine: str, batch: int, tmp_path: Path) -> None:
    faults = ", ".join(f"{{kill: c-0, after: {{gets: {gets}}}}}" for gets in (2, 4, 6))
    ran = run(tmp_path, engine, batch, faults, "on_death: {policy: restart, max_restarts: 1}")
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed")
    assert "after 1 restarts (on_death.max_restarts)" in ran.end["reason"]
    assert len(ran.of("fault")) == 2
    ran.assert_accounted()
    ran.assert_adds_up()
    assert ran.result.verdict.valid is True, ran.result.verdict


@everywhere
@pytest.mark.parametrize(("worker", "counter", "kind"), [("c-0", "gets", "done"), ("p-0", "puts", "put")])
def test_a_pause_lasts_as_long_as_the_time_scale_says(
    engine: str, batch: int, worker: str, counter: str, kind: str, tmp_path: Path
) -> None:
    ran = run(tmp_path, engine, batch, f"{{pause: {worker}, after: {{{counter}: 9}}, for: 2s}}", "time_scale: 0.1")
    assert_all_done(ran)
    [fault] = ran.of("fault")
    assert (fault["act"], fault["for_ns"]) == ("pause", 200_000_000)
    later = [event["t_ns"] for event in ran.of(kind) if event["worker"] == worker and event["t_ns"] > fault["t_ns"]]
    assert min(later) - fault["t_ns"] >= 200_000_000
    assert not ran.of("worker.died", "error")


@everywhere
@pytest.mark.parametrize(
    ("policy", "then", "exit_code"),
    [("{policy: fail}", "fail", 1), ("{policy: skip}", "skip", 0), ("{policy: retry, retries: 1}", "retry", 0)],
)
@pytest.mark.parametrize(("worker", "queue"), [("c-0", "b"), ("s-0", "a")])
def test_a_raise_is_an_error_of_the_item_in_hand(
    engine: str, batch: int, policy: str, then: str, exit_code: int, worker: str, queue: str, tmp_path: Path
) -> None:
    ran = run(tmp_path, engine, batch, f"{{raise: {worker}, after: {{gets: 5}}}}", f"on_error: {policy}")
    assert ran.result.exit_code == exit_code
    assert struck(ran) == [(worker, "raise", {"gets": 5})]
    [error] = ran.of("error")
    known = {"worker": worker, "queue": queue, "id": "p-0:4", "place": "fault", "then": then}
    assert known.items() <= error.items()
    assert f"{worker}: a fault of the config: raise after 5 gets" in error["why"]
    assert ran.ids("failed") == ([] if then == "retry" else ["p-0:4"])
    ran.assert_accounted()
    ran.assert_adds_up()
    assert ran.result.verdict.valid is True, ran.result.verdict


@everywhere
@pytest.mark.parametrize(
    ("policy", "put"), [("{policy: fail}", 3), ("{policy: skip}", 19), ("{policy: retry, retries: 1}", 20)]
)
def test_a_raise_at_a_producer_strikes_its_next_item(
    engine: str, batch: int, policy: str, put: int, tmp_path: Path
) -> None:
    ran = run(tmp_path, engine, batch, "{raise: p-0, after: {puts: 3}}", f"on_error: {policy}")
    [error] = ran.of("error")
    struck_at = error["id"]
    assert error["place"] == "fault"
    puts = [event["id"] for event in ran.of("put") if event["queue"] == "a"]
    assert (struck_at in puts) == (put == 20)
    if batch == 1 or put != 3:
        assert len(puts) == put
    ran.assert_accounted()
    ran.assert_adds_up()
    assert ran.result.verdict.valid is True, ran.result.verdict


@everywhere
def test_several_faults_may_strike_at_one_count(engine: str, batch: int, tmp_path: Path) -> None:
    """In the order of the config; what was to come after a kill comes to the replacement."""
    ran = run(
        tmp_path,
        engine,
        batch,
        "{pause: c-0, after: {gets: 4}, for: 1ms}, {raise: c-0, after: {gets: 4}}, {kill: c-0, after: {gets: 9}}",
        "on_error: {policy: retry}",
    )
    assert_all_done(ran)
    assert struck(ran) == [("c-0", "pause", {"gets": 4}), ("c-0", "raise", {"gets": 4}), ("c-0", "kill", {"gets": 9})]
    assert len(ran.of("error")) == len(ran.of("worker.died")) == 1


@everywhere
def test_a_count_that_is_never_reached_does_nothing(engine: str, batch: int, tmp_path: Path) -> None:
    faults = "{kill: c-0, after: {gets: 21}}, {raise: p-0, after: {puts: 21}}, {pause: s-0, after: {puts: 21}, for: 1h}"
    ran = run(tmp_path, engine, batch, faults)
    assert_all_done(ran)
    assert not ran.of("fault", "error", "worker.died")


@pytest.mark.parametrize("engine", ["processes", "threads"])
@pytest.mark.parametrize("policy", ["fail", "continue"])
def test_what_a_kill_leads_to_is_up_to_on_death(engine: str, policy: str, tmp_path: Path) -> None:
    ran = execute(
        f"engine: {engine}\nstart_method: fork\non_death: {{policy: {policy}}}\nproducers: {{p: {{items: 20}}}}\n"
        "consumers: {c: {count: 2, sleep: 1ms}}\nfaults: [{kill: c-1, after: {gets: 3}}]",
        tmp_path,
    )
    assert ran.result.exit_code == (1 if policy == "fail" else 0)
    assert not ran.of("worker.restart")
    died: dict[str, Any] = ran.of("worker.died")[0]
    assert died["worker"] == "c-1"
    assert ("killed" in str(ran.end["reason"])) == (policy == "fail")
    ran.assert_accounted()
    ran.assert_adds_up()


@pytest.mark.parametrize("engine", ["processes", "threads"])
@pytest.mark.parametrize("sleep", ["0", "1ms"])
def test_a_batch_that_is_never_full_counts_too(engine: str, sleep: str, tmp_path: Path) -> None:
    """It is written before a pause and at the end."""
    ran = execute(
        f"engine: {engine}\nstart_method: fork\nqueues: {{main: {{batch: 8}}}}\n"
        f"producers: {{p: {{items: 3, sleep: {sleep}}}}}\nconsumers: {{c: {{}}}}\n"
        "faults: [{kill: p-0, after: {puts: 3}}]",
        tmp_path,
    )
    ran.assert_ok()
    assert struck(ran) == [("p-0", "kill", {"puts": 3})]
    assert len(ran.of("done")) == 3
