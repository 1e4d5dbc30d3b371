"""The figures of a comparison are those of the summary, whatever the log; items are compared with themselves."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logs import Topology, events_of, legal_log
from simulations import simulate

from runner.analysis.comparison import draws
from runner.analysis.metrics import MEASURES, Series, contrasts, paired_up
from runner.analysis.reading import Numbers, Reading
from runner.analysis.summary import summarise
from runner.log.events import decoded

if TYPE_CHECKING:
    from runner.log.events import Event

STAGES = """
queues: {first: {maxsize: 3}, second: {batch: 4}}
producers: {p: {count: 2, to: first, items: 60, sleep: {distribution: exponential, mean: 8ms}}}
stages: {s: {count: 2, from: first, to: second, sleep: {distribution: uniform, low: 1ms, high: 9ms}}}
consumers: {c: {from: second, sleep: 3ms}, d: {from: second, busy: 4ms}}
"""
DEATHS = """
producers: {p: {count: 2, items: 40, sleep: 5ms}}
consumers: {c: {count: 2, sleep: 9ms}}
faults: [{kill: c-0, after: {gets: 4}}, {kill: p-1, after: {puts: 7}}]
"""
TOPOLOGIES = [
    Topology(items=40, seed=1), Topology(items=30, maxsize=2, seed=2), Topology(items=30, stages=2, seed=3),
    Topology(items=40, batch=8, producers=3, seed=4), Topology(items=40, quota=9, seed=5),
]  # fmt: skip


def read(events: list[Event], numbers: Numbers | None = None) -> Reading:
    reading = Reading(numbers or Numbers())
    reading.feed(events)
    return reading


def simulated(text: str, **overrides: Any) -> list[Event]:
    return [decoded(json.dumps(event).encode()) for event in simulate(text, **overrides).events]


def wanted(summary: dict[str, Any]) -> dict[str, float | None]:
    """The figures of a summary that are compared, by their paths."""
    found = {key: summary[key] for key in ("makespan_s", "throughput")}
    for key in MEASURES:
        if summary[key]["count"]:
            found |= {f"{key}.{name}": value for name, value in summary[key].items() if name != "count"}
    for name, queue in summary["queues"].items():
        found |= {f"queues.{name}.{key}": queue[key] for key in ("mean_depth", "max_depth")}
        if len(summary["queues"]) > 1:
            spread = queue["latency"].items()
            found |= {f"queues.{name}.latency.{key}": value for key, value in spread if key != "count"}
    workers = summary["workers"]
    for group in dict.fromkeys(
        name.rpartition("-")[0] for name, worker in workers.items() if worker["role"] != "producer"
    ):
        used = [worker["utilization"] for name, worker in workers.items() if name.rpartition("-")[0] == group]
        found[f"groups.{group}.utilization"] = sum(used) / len(used)
    return found


@pytest.mark.parametrize(
    "events",
    [
        *(events_of(legal_log(topology)) for topology in TOPOLOGIES),
        simulated(STAGES),
        simulated(DEATHS),
        simulated(STAGES, warmup=0.2),
    ],
    ids=["plain", "bounded", "stages", "batches", "quotas", "simulated stages", "simulated deaths", "warm-up"],
)
def test_the_figures_are_the_summarys(events: list[Event]) -> None:
    reading = read(events)
    summary = summarise(events).to_dict()
    found = {each.metric: each.first for each in contrasts(reading, reading, paired=False)}
    expected = wanted(summary)
    assert expected.keys() <= found.keys()
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert reading.counts["done"] == summary["items"]["done"]
    assert reading.counts["put"] == summary["items"]["put"]
    assert reading.counts["redelivered"] == summary["items"]["redelivered"]
    assert reading.counts["left"] == summary["items"]["left"]


@pytest.mark.parametrize("text", [STAGES, DEATHS])
def test_a_run_does_not_differ_from_itself(text: str) -> None:
    numbers = Numbers()
    events = simulated(text)
    first, other = read(events, numbers), read(events, numbers)
    agreed = draws(first, other)
    assert agreed.paired
    assert not agreed.different
    found = [*contrasts(first, other, paired=True)]
    assert {each.difference for each in found} == {0}
    assert {each.p for each in found} <= {1, None}


def test_items_are_compared_with_themselves_whatever_the_order() -> None:
    first, other = Series([4, 2, 9, 2], [40, 20, 90, 21]), Series([2, 7, 4, 4], [22, 70, 44, 45])
    assert paired_up(first, other) == ([40, 20], [44, 22])


@given(st.lists(st.integers(0, 50), unique=True), st.lists(st.integers(0, 50), unique=True))
def test_pairs_are_all_items_that_both_have(ours: list[int], theirs: list[int]) -> None:
    found = paired_up(Series(ours, ours), Series(theirs, theirs))
    assert found == ([i for i in ours if i in theirs],) * 2


def test_draws_agree_by_seed_or_by_plan() -> None:
    text = "producers: {p: {items: 20}}\nconsumers: {c: {sleep: {distribution: exponential, mean: 5ms}}}"
    constant = "producers: {p: {items: 20}}\nconsumers: {c: {sleep: 5ms}}"

    def compared(one: list[Event], two: list[Event]) -> tuple[bool, int, int, bool]:
        numbers = Numbers()
        found = draws(read(one, numbers), read(two, numbers))
        return found.seeds, found.same, found.different, found.paired

    assert compared(simulated(text, seed=1), simulated(text, seed=1)) == (True, 20, 0, True)
    assert compared(simulated(text, seed=1), simulated(text, seed=2)) == (False, 0, 20, False)
    assert compared(simulated(constant, seed=1), simulated(constant, seed=2)) == (False, 20, 0, True)
    assert compared(simulated(text, seed=1), simulated(text, seed=1, time_scale=1.1)) == (True, 0, 20, True)


RELAY = """{"event":"run.start","t_ns":0,
"schema":1,"queues":{"a":{"kind":"pipe","maxsize":0},"b":{"kind":"pipe","maxsize":
0}},"groups":{"p":{"role":"producer","to":"a","count":1,"planned":1},"s":{"role":"stage","from":"a","to":"b","count":1},
"c":{"role":"consumer","from":"b","count":1}}}"""


def test_a_child_of_an_item_counts_from_its_roots_put() -> None:
    lines = [
        RELAY,
        '{"event":"put","t_ns":10,"worker":"p-0","queue":"a","id":"p-0:0","wait_ns":4}',
        '{"event":"get","t_ns":12,"worker":"s-0","queue":"a","id":"p-0:0","wait_ns":1,"latency_ns":6}',
        '{"event":"put","t_ns":20,"worker":"s-0","queue":"b","id":"p-0:0.0","wait_ns":1}',
        '{"event":"put","t_ns":21,"worker":"s-0","queue":"b","id":"p-0:0.1","wait_ns":1}',
        '{"event":"done","t_ns":22,"worker":"s-0","queue":"a","id":"p-0:0","service_ns":7}',
        '{"event":"done","t_ns":30,"worker":"c-0","queue":"b","id":"p-0:0.0","service_ns":2}',
        '{"event":"done","t_ns":40,"worker":"c-0","queue":"b","id":"p-0:0.1","service_ns":2}',
    ]
    reading = read([decoded(line.encode()) for line in lines])
    assert list(reading.sojourns()[1]) == [24, 34]
    assert (reading.counts["put"], reading.counts["done"]) == (1, 2)
    assert sorted(chain(reading.dones.names)) == ["c", "s"]
