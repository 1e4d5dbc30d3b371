"""What a warm-up leaves out of the statistics, and what not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lines import end, start
from logs import Topology, events_of, legal_log
from running import execute
from simulations import simulate
from test_summary import MS, SMALL

import runner
from runner.analysis.closing import close
from runner.analysis.ledger import Ledger
from runner.analysis.summary import figures, summarise
from runner.config.load import loads

if TYPE_CHECKING:
    from pathlib import Path

    from logs import Record

    from runner.analysis.summary import Summary

TEXT = "producers: {p: {items: 10, sleep: 1s}}\nconsumers: {c: {sleep: 3s}}\n"


def after(warmup_ns: int, log: list[Record]) -> Summary:
    return summarise(events_of([{**log[0], "warmup_ns": warmup_ns}, *log[1:]]))


def small(warmup_ms: int) -> Summary:
    return after(warmup_ms * MS, [*start(), *SMALL])


class TestByHand:
    """Of test_summary's two items one is put, got and in work at 35 ms; p-0:1 lies in the queue from 30 to 42."""

    def test_operations_count_that_returned_after_it(self) -> None:
        plain = small(35).to_dict()
        counts = {key: plain[key]["count"] for key in ("latency", "wait_put", "wait_get", "service", "sojourn")}
        assert counts == {"latency": 1, "wait_put": 0, "wait_get": 1, "service": 2, "sojourn": 2}
        assert (plain["latency"]["mean"], plain["service"]["max"], plain["lateness"]["count"]) == (0.022, 0.055, 0)
        assert plain["wait_put"]["mean"] is None
        assert plain["queues"]["main"]["latency"] == plain["latency"]

    def test_rates_and_shares_are_those_of_the_window(self) -> None:
        summary = small(35)
        main, consumer = summary.queues["main"], summary.workers["c-0"]
        assert summary.throughput == pytest.approx(2 / 0.065)
        assert main.mean_depth == pytest.approx(7 / 65)
        assert main.max_depth == 1
        assert [consumer.busy_s, consumer.wait_s] == pytest.approx([0.060, 0.002])
        assert consumer.utilization == pytest.approx(60 / 65)

    @pytest.mark.parametrize(("warmup", "wait_s", "sleep_s"), [(5, 0.015, 0.03), (25, 0.005, 0.02), (35, 0.0, 0.015)])
    def test_what_is_going_on_is_cut(self, warmup: int, wait_s: float, sleep_s: float) -> None:
        producer = small(warmup).workers["p-0"]
        assert [producer.wait_s, producer.sleep_s] == pytest.approx([wait_s, sleep_s])

    def test_counts_the_makespan_and_the_audit_know_none(self) -> None:
        warm, whole = small(35), small(0)
        assert (warm.items, warm.makespan_s, warm.audit) == (whole.items, whole.makespan_s, whole.audit)
        assert [(w.puts, w.gets, w.done) for w in warm.workers.values()] == [(2, 0, 0), (0, 2, 2)]

    @pytest.mark.parametrize("warmup", [100, 115, 999])
    def test_a_run_that_ends_within_it_has_no_samples(self, warmup: int) -> None:
        plain = small(warmup + 1).to_dict()
        assert {plain[key]["count"] for key in ("latency", "wait_put", "service", "sojourn")} == {0}
        assert (plain["throughput"], plain["status"], plain["items"]["done"]) == (None, "ok", 2)
        assert {(w["busy_s"], w["wait_s"], w["sleep_s"]) for w in plain["workers"].values()} == {(0, 0, 0)}

    def test_what_stays_in_a_queue_fills_it_after_the_warm_up(self) -> None:
        log = [*start(), *SMALL[:1], end(100 * MS)]
        assert after(50 * MS, log).queues["main"].max_depth == 1


def of_the_window(log: list[Record], since: int) -> dict[str, Any]:
    """The same figures from intervals, one by one."""
    busy: dict[str, int] = {}
    wait: dict[str, dict[tuple[str, int], int]] = {}
    puts: dict[tuple[str, str], int] = {}
    area: dict[str, int] = {}
    last = max(e["t_ns"] for e in log if e["event"] in ("put", "get", "done"))
    for event in log:
        t, kind = event["t_ns"], event["event"]
        if kind == "put":
            puts[event["queue"], event["id"]] = t
        if kind in ("put", "get"):
            part = max(0, t - max(since, t - event["wait_ns"]))
            wait.setdefault(event["worker"], {}).setdefault((kind, t), part)
        if kind == "done":
            part = max(0, t - max(since, t - event["service_ns"]))
            busy[event["worker"]] = busy.get(event["worker"], 0) + part
    gone = {(e["queue"], e["id"]): e["t_ns"] for e in log if e["event"] == "get"}
    for key, t in puts.items():
        area[key[0]] = area.get(key[0], 0) + max(0, max(since, gone.get(key, last)) - max(since, t))
    return {
        "busy": busy,
        "wait": {worker: sum(parts.values()) for worker, parts in wait.items()},
        "area": area,
        "window": max(0, last - since),
        "done": sum(e["event"] == "done" and e["worker"].startswith("c-") and e["t_ns"] >= since for e in log),
    }


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2),
    st.integers(0, 3),
    st.integers(1, 3),
    st.integers(0, 10**6),
    st.integers(0, 400),
    st.integers(1, 9),
)
def test_sums_are_those_of_all_intervals_cut_at_its_end(
    stages: int, maxsize: int, batch: int, seed: int, since: int, chunk: int
) -> None:
    log = legal_log(Topology(stages=stages, maxsize=maxsize, batch=batch, seed=seed, items=6))
    told = of_the_window(log, since)
    ledger = Ledger()
    events = events_of([{**log[0], "warmup_ns": since}, *log[1:]])
    for place in range(0, len(events), chunk):
        ledger.feed(events[place : place + chunk])
    summary = figures(ledger, close(ledger))
    assert summary == after(since, log)
    window_s = told["window"] / 1e9
    for name, worker in summary.workers.items():
        assert worker.busy_s == pytest.approx(told["busy"].get(name, 0) / 1e9)
        assert worker.wait_s == pytest.approx(told["wait"].get(name, 0) / 1e9)
    for name, queue in summary.queues.items():
        assert queue.mean_depth * window_s == pytest.approx(told["area"].get(name, 0) / 1e9)
        assert queue.max_depth <= after(0, log).queues[name].max_depth
    assert summary.throughput == (pytest.approx(told["done"] / window_s) if window_s else None)


class TestEverywhere:
    def test_the_simulation_leaves_it_out(self) -> None:
        whole, warm = simulate(TEXT).simulated.summary, simulate(TEXT + "warmup: 10s").simulated.summary
        assert [whole["latency"]["count"], warm["latency"]["count"]] == [10, 6]
        assert warm["latency"]["mean"] == pytest.approx(sum(2.0 * k for k in range(4, 10)) / 6)
        assert (warm["items"], warm["makespan_s"]) == (whole["items"], whole["makespan_s"])
        assert warm["workers"]["c-0"]["utilization"] == 1

    def test_the_log_tells_it_and_is_else_the_same(self) -> None:
        whole, warm = simulate(TEXT), simulate(TEXT + "warmup: 10s")
        assert "warmup_ns" not in whole.events[0]
        assert warm.events[0]["warmup_ns"] == 10 * 10**9
        assert warm.events[1:] == whole.events[1:]

    @pytest.mark.process
    @pytest.mark.parametrize("engine", ["processes", "threads"])
    def test_real_runs_leave_it_out(self, engine: str, tmp_path: Path) -> None:
        text = f"engine: {engine}\nwarmup: 60ms\nproducers: {{p: {{items: 30, sleep: 4ms}}}}\nconsumers: {{c: {{}}}}"
        ran = execute(text, tmp_path)
        later = [get for get in ran.of("get") if get["t_ns"] >= 60_000_000]
        summary = ran.result.summary
        assert (ran.result.exit_code, summary["items"]["done"]) == (0, 30)
        assert 0 < summary["latency"]["count"] == len(later) < 30

    def test_it_makes_another_experiment_unless_it_is_0(self) -> None:
        digests = [runner.plan(loads(TEXT + more)).plan_digest for more in ("", "warmup: 0s", "warmup: 1s")]
        assert digests[0] == digests[1] != digests[2]

    def test_it_is_not_scaled(self) -> None:
        assert runner.plan(loads(TEXT + "warmup: 1s\ntime_scale: 0.5")).warmup_ns == 10**9

    def test_a_timeout_that_leaves_nothing_is_warned_of(self) -> None:
        [warning] = loads(TEXT + "warmup: 2s\ntimeout: 1s").warnings
        assert "2 s leave nothing of timeout, 1 s" in warning.message
