"""The figures of a run, against figures worked out by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lines import done, end, fate, get, leave, put, start
from logs import Topology, events_of, legal_log, text_of

from runner.analysis.analyse import analyse
from runner.analysis.audit import audit
from runner.analysis.spread import Spread, percentile, spread
from runner.analysis.summary import Summary, summarise

if TYPE_CHECKING:
    from pathlib import Path

    from logs import Record

MS = 1_000_000
NOTHING = Spread(0, None, None, None, None, None, None)


def summary_of(*records: Record, **head: Any) -> Summary:
    return summarise(events_of([*start(**head), *records]))


# Two items: p-0 puts at 0-10 and 20-30 ms and pauses to its exit at 50; c-0 gets from 0 (blocked to 12), works to 40,
# gets from 40 to 42 and works to 100.
SMALL = [
    put(10 * MS, "p-0:0", 10 * MS, late_ns=0),
    get(12 * MS, "p-0:0", 12 * MS, 12 * MS),
    put(30 * MS, "p-0:1", 10 * MS, late_ns=4 * MS),
    done(40 * MS, "p-0:0", 25 * MS),
    get(42 * MS, "p-0:1", 22 * MS, 2 * MS),
    leave(50 * MS, "p-0"),
    done(100 * MS, "p-0:1", 55 * MS),
    leave(110 * MS, "c-0"),
    end(120 * MS, put=2, got=2, done=2),
]


def test_the_keys_are_those_of_the_interface_in_their_order() -> None:
    plain = summary_of(*SMALL).to_dict()
    assert list(plain) == [
        *("status", "exit_code", "run", "seed", "engine", "config_digest", "plan_digest", "wall_s", "makespan_s"),
        *("items", "throughput", "latency", "wait_put", "wait_get", "service", "lateness", "sojourn", "queues"),
        *("workers", "audit", "bottleneck", "expectations"),
    ]
    assert list(plain["items"]) == [
        *("planned", "put", "got", "done", "lost", "duplicated", "left", "redelivered", "failed")
    ]
    assert list(plain["latency"]) == ["count", "mean", "p50", "p90", "p95", "p99", "max"]
    assert list(plain["queues"]["main"]) == [
        "max_depth",
        "mean_depth",
        "latency",
        "littles_law",
        "capacity",
        "fairness",
    ]
    assert list(plain["workers"]["c-0"]) == [
        *("role", "puts", "gets", "done", "busy_s", "wait_s", "wait_put_s", "wait_get_s"),
        *("sleep_s", "utilization", "incarnations", "exit_code"),
    ]
    assert plain["audit"] == {"valid": True, "violations": 0}
    assert plain["bottleneck"] == "limited mostly by c: busy 80 %, p blocked 0.02 s of 0.1 s"
    assert plain["expectations"] is plain["exit_code"] is plain["wall_s"] is None
    json.dumps(plain)


def test_a_small_log_has_the_figures_computed_by_hand() -> None:
    plain = summary_of(*SMALL).to_dict()
    assert (plain["status"], plain["run"], plain["seed"], plain["engine"]) == ("ok", "r", 7, "processes")
    assert (plain["config_digest"], plain["plan_digest"]) == ("cd", "pd")
    assert plain["makespan_s"] == 0.1
    assert plain["throughput"] == pytest.approx(20)
    expected = {
        "latency": (0.017, 0.022),
        "wait_put": (0.010, 0.010),
        "wait_get": (0.007, 0.012),
        "service": (0.040, 0.055),
        "lateness": (0.002, 0.004),
        "sojourn": (0.060, 0.080),
    }
    assert {key: (plain[key]["mean"], plain[key]["max"]) for key in expected} == {
        key: pytest.approx(figures) for key, figures in expected.items()
    }
    assert {plain[key]["count"] for key in expected} == {2}


def test_p50_to_p99_interpolate_linearly() -> None:
    assert list(summary_of(*SMALL).to_dict()["latency"].values()) == pytest.approx(
        [2, 0.017, 0.017, 0.021, 0.0215, 0.0219, 0.022]
    )


def test_a_queue_is_as_deep_as_what_was_put_and_not_yet_got() -> None:
    """p-0:0 lies from 10 to 12 ms, p-0:1 from 30 to 42; a get that had begun at 0 took away the first at once."""
    main = summary_of(*SMALL).queues["main"]
    assert main.max_depth == 1
    assert main.mean_depth == pytest.approx(0.14)


def test_what_is_left_lies_in_the_queue_to_the_end_of_the_makespan() -> None:
    log = [put(10 * MS, "p-0:0"), put(20 * MS, "p-0:1"), fate("left", 30 * MS, "p-0:0"), fate("left", 30 * MS, "p-0:1")]
    summary = summary_of(*log, end(30 * MS))
    assert summary.queues["main"].mean_depth == pytest.approx(0.5)
    assert summary.queues["main"].max_depth == 2
    assert (summary.items.put, summary.items.got, summary.items.done, summary.items.left) == (2, 0, 0, 2)


def test_workers_are_busy_blocked_or_pausing() -> None:
    workers = summary_of(*SMALL).workers
    producer, consumer = workers["p-0"], workers["c-0"]
    assert (producer.role, producer.puts, producer.gets, producer.done) == ("producer", 2, 0, 0)
    assert (producer.busy_s, producer.wait_s, producer.sleep_s) == (0, 0.02, 0.03)
    assert producer.utilization is None
    assert (consumer.role, consumer.puts, consumer.gets, consumer.done) == ("consumer", 0, 2, 2)
    assert (consumer.busy_s, consumer.wait_s, consumer.sleep_s) == (0.08, 0.014, 0)
    assert consumer.utilization == pytest.approx(0.8)
    assert (consumer.incarnations, consumer.exit_code) == (1, 0)


def test_a_batch_waits_once() -> None:
    log = [put(10 * MS, f"p-0:{k}", 4 * MS) for k in range(3)]
    log += [get(12 * MS, f"p-0:{k}", 6 * MS, 5 * MS) for k in range(3)]
    log += [done(12 * MS, f"p-0:{k}") for k in range(3)]
    summary = summary_of(*log, leave(20 * MS, "p-0"), end(30 * MS))
    assert summary.workers["p-0"].wait_s == 0.004
    assert summary.workers["p-0"].sleep_s == 0.01
    assert summary.workers["c-0"].wait_s == 0.005
    assert summary.wait_put.count == summary.wait_get.count == 3


@pytest.mark.parametrize(("keys", "code"), [({"exit_code": 3}, 3), ({"signal": 9}, -9), ({"signal": "SIGKILL"}, -9)])
def test_a_signal_is_a_negative_exit_code(keys: dict[str, Any], code: int) -> None:
    dead = leave(10, "c-0", **{"exit_code": None} | keys)
    assert summary_of(dead, end(20)).workers["c-0"].exit_code == code


def test_a_second_incarnation_is_the_same_worker() -> None:
    log = [put(10, "p-0:0", 2), leave(20, "p-0"), start()[1] | {"t_ns": 30, "incarnation": 2}]
    log += [put(50, "p-0:1", 5), leave(60, "p-0"), fate("left", 70, "p-0:0"), fate("left", 70, "p-0:1")]
    worker = summary_of(*log, end(80)).workers["p-0"]
    assert (worker.puts, worker.incarnations) == (2, 2)
    assert worker.sleep_s == pytest.approx(20e-9)


PIPELINE: dict[str, Any] = {
    "queues": {"a": 0, "b": 0},
    "groups": {
        "p": ("producer", None, "a", 1, 2),
        "s": ("stage", "a", "b", 1, None),
        "c": ("consumer", "b", None, 1, None),
    },
}


def test_sojourn_runs_from_the_producers_put_to_each_last_done() -> None:
    """p-0:0 becomes two parts, p-0:1 is filtered out; the first part's put is overtaken by its get."""
    log = [
        put(10, "p-0:0", 5, queue="a"),
        get(12, "p-0:0", 7, worker="s-0", queue="a"),
        put(13, "p-0:1", 0, queue="a"),
        get(21, "p-0:0.0", 1, queue="b"),
        put(22, "p-0:0.0", 2, worker="s-0", queue="b"),
        put(23, "p-0:0.1", 1, worker="s-0", queue="b"),
        done(24, "p-0:0", 8, worker="s-0", queue="a"),
        done(25, "p-0:0.0", 4, queue="b"),
        get(26, "p-0:0.1", 4, queue="b"),
        get(27, "p-0:1", 14, worker="s-0", queue="a"),
        done(28, "p-0:1", 1, worker="s-0", queue="a"),
        done(35, "p-0:0.1", 9, queue="b"),
    ]
    summary = summary_of(*log, end(40), **PIPELINE)
    assert summary.audit.valid is True
    assert (summary.items.planned, summary.items.put, summary.items.got, summary.items.done) == (2, 2, 2, 2)
    assert list(summary.to_dict()["sojourn"].values())[:3] == pytest.approx([2, 25e-9, 25e-9])
    assert summary.sojourn.max == pytest.approx(30e-9)
    assert summary.latency.count == 4
    assert (summary.queues["a"].latency.count, summary.queues["b"].latency.count) == (2, 2)
    assert summary.workers["s-0"].puts == summary.workers["s-0"].gets == summary.workers["s-0"].done == 2


def test_planned_is_unknown_where_one_group_does_not_know() -> None:
    groups = {
        "p": ("producer", None, "main", 1, 5),
        "q": ("producer", None, "main", 1, None),
        "c": ("consumer", "main", None, 1, None),
    }
    assert summary_of(end(10), groups=groups).items.planned is None


def test_a_run_without_items_has_no_samples() -> None:
    summary = summary_of(end(10))
    assert summary.latency == summary.wait_put == summary.service == summary.sojourn == NOTHING
    assert (summary.makespan_s, summary.throughput) == (0, None)
    assert (summary.queues["main"].max_depth, summary.queues["main"].mean_depth) == (0, 0)


def test_lost_and_duplicated_count_items() -> None:
    log = [put(10, "p-0:0"), put(11, "p-0:1"), get(12, "p-0:0", 2), done(13, "p-0:0"), done(14, "p-0:0")]
    summary = summary_of(*log, done(15, "p-0:0"), end(20))
    assert (summary.items.lost, summary.items.duplicated) == (1, 1)
    assert (summary.audit.valid, summary.audit.violations) == (False, 3)


@pytest.mark.parametrize(
    ("records", "status"),
    [
        ([end(10)], "ok"),
        ([end(10, "failed")], "failed"),
        ([end(10, "timeout")], "timeout"),
        ([end(10, "interrupted")], "interrupted"),
        ([put(5, "p-0:0"), end(10)], "failed"),
        ([], "failed"),
    ],
)
def test_the_status_is_what_the_log_alone_says(records: list[Record], status: str) -> None:
    assert summary_of(*records).status == status


def test_one_sample_is_every_percentile() -> None:
    assert spread([3 * MS]) == Spread(1, 0.003, 0.003, 0.003, 0.003, 0.003, 0.003)


@given(st.lists(st.integers(0, 10**12), min_size=1), st.floats(0, 1))
def test_a_percentile_lies_between_the_samples_around_it(samples: list[int], share: float) -> None:
    ordered = sorted(samples)
    value = percentile(ordered, share)
    assert ordered[0] <= value <= ordered[-1]
    assert sum(sample <= value for sample in ordered) >= int((len(ordered) - 1) * share) + 1


@given(st.integers(0, 2**32), st.integers(0, 2), st.sampled_from([0, 2]), st.sampled_from([1, 4]))
def test_items_add_up(seed: int, stages: int, maxsize: int, batch: int) -> None:
    log = legal_log(Topology(stages=stages, stage_workers=2, maxsize=maxsize, batch=batch, seed=seed))
    summary = summarise(events_of(log))
    dones = [record for record in log if record["event"] == "done" and record["worker"].startswith("c-")]
    assert summary.items.done == summary.sojourn.count == len(dones)
    assert summary.items.put == summary.items.planned == 10
    assert summary.service.count == sum(worker.done for worker in summary.workers.values())
    assert all(figures.max_depth <= (maxsize or 99) for figures in summary.queues.values())
    assert all(worker.utilization is None or 0 <= worker.utilization <= 1 for worker in summary.workers.values())


def test_analyse_reads_once_what_audit_and_summarise_say(tmp_path: Path) -> None:
    log = legal_log(Topology(stages=1, items=400, seed=3))
    path = tmp_path / "events.jsonl"
    path.write_text(text_of(log))
    assert analyse(path) == (summarise(events_of(log)), audit(events_of(log)))
