"""The course of a run as a graph: played with its own times it is the log again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulations import simulate

from runner.analysis.course import Course, works
from runner.log.events import Done, Get, Put, RunStart, decoded

if TYPE_CHECKING:
    from runner.log.events import Event

CONFIGS = [
    "producers: {p: {count: 2, items: 9, sleep: 1s}}\nconsumers: {c: {count: 2, sleep: 3s}}",
    """
    queues: {main: {maxsize: 2}}
    producers: {p: {count: 3, items: 9, sleep: {distribution: exponential, mean: 1s}}, q: {items: 5}}
    consumers: {c: {count: 2, sleep: {distribution: uniform, low: 0, high: 1s}}}""",
    """
    queues: {a: {maxsize: 2, batch: 3}, b: {maxsize: 1, batch: 2}}
    producers: {p: {to: a, count: 2, items: 30, sleep: {distribution: exponential, mean: 10ms}}, q: {to: a, items: 20}}
    stages: {s: {count: 2, from: a, to: b, sleep: {distribution: uniform, low: 0, high: 30ms}}}
    consumers: {c: {count: 2, from: b, sleep: {distribution: exponential, mean: 10ms}}}""",
    """
    cores: 2
    producers: {p: {items: 30, sleep: 5ms}}
    consumers: {c: {count: 4, busy: {distribution: exponential, mean: 30ms}}}""",
]


def course(text: str, **overrides: Any) -> Course:
    return Course([decoded(json.dumps(event).encode()) for event in simulate(text, **overrides).events])


def replayed(course: Course, **other: Any) -> int:
    """The makespan with the course's own times, but for the ones named."""
    own = {
        "work": [operation.work for operation in course.operations],
        "between": course.between,
        "itself": course.itself,
        "start": course.starts,
    }
    return course.played(**{**own, **other})


@pytest.mark.parametrize("text", CONFIGS)
def test_in_a_simulation_only_work_and_what_is_waited_for_take_time(text: str) -> None:
    """Every instant of the log follows from work alone: no edge of the graph is missing, none is too many."""
    found = course(text)
    assert not any(found.itself)
    assert not any(found.between)
    assert not any(found.starts.values())
    assert replayed(found) == found.makespan


@settings(max_examples=25, deadline=None)
@given(
    producers=st.integers(1, 3),
    consumers=st.integers(1, 3),
    maxsize=st.integers(0, 3),
    batch=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_that_holds_for_random_bounds_and_batches(
    producers: int, consumers: int, maxsize: int, batch: int, seed: int
) -> None:
    found = course(
        f"queues: {{main: {{maxsize: {maxsize}, batch: {batch}}}}}\n"
        f"producers: {{p: {{count: {producers}, items: 8, sleep: {{distribution: randint, low: 0, high: 2}}}}}}\n"
        f"consumers: {{c: {{count: {consumers}, sleep: {{distribution: randint, low: 0, high: 3}}}}}}",
        seed=seed,
    )
    assert (any(found.itself), replayed(found)) == (False, found.makespan)


def log(*events: Event) -> Course:
    start = decoded(
        b'{"event":"run.start","t_ns":0,"schema":1,"queues":{"main":{"kind":"pipe","maxsize":1}},"groups":{}}'
    )
    assert isinstance(start, RunStart)
    return Course([start, *events])


def put(t: int, item: str, wait: int) -> Put:
    return Put(t_ns=t, worker=item.partition(":")[0], queue="main", id=item, wait_ns=wait)


def get(t: int, item: str, wait: int) -> Get:
    return Get(t_ns=t, worker="c-0", queue="main", id=item, wait_ns=wait, latency_ns=0)


def done(t: int, item: str, service: int) -> Done:
    return Done(t_ns=t, worker="c-0", queue="main", id=item, service_ns=service, planned_ns=service)


REAL = (
    put(12, "p-0:0", 2),  # began at 10
    get(15, "p-0:0", 10),  # began at 5: waited for the item until 10, took 5 itself
    done(37, "p-0:0", 20),  # 2 more than the service
    put(41, "p-0:1", 9),  # began at 32 after a pause of 20; room since 15
    get(44, "p-0:1", 4),  # began at 40, 3 after the done
    done(64, "p-0:1", 20),
)


def test_what_an_operation_took_itself_is_what_it_did_not_wait_for() -> None:
    found = log(*REAL)
    assert found.itself == [2, 5, 0, 9, 4, 0]
    assert found.between == [10, 5, 2, 0, 3, 0]
    assert found.starts == {"p-0": 10, "c-0": 5}
    assert works(found) == {
        ("main", "p-0:0"): ("c", 20, 2),
        ("", "p-0:1"): ("p", 20, 0),
        ("main", "p-0:1"): ("c", 20, 0),
    }
    assert replayed(found) == found.makespan == 64


def test_without_what_is_off_the_way_to_the_end_the_end_stays() -> None:
    """The second put is not what the second get waits for."""
    found = log(*REAL)
    itself = list(found.itself)
    itself[3] = 0
    assert replayed(found, itself=itself) == 64
    itself[1] = 0
    assert replayed(found, itself=itself) == 59


def test_a_get_that_returns_before_its_put_waits_for_its_beginning() -> None:
    found = log(get(9, "p-0:0", 9), put(12, "p-0:0", 5), done(19, "p-0:0", 10))
    assert found.itself == [2, 5, 0]
    assert replayed(found) == 19


def test_items_of_one_write_begin_together_so_that_a_get_may_be_before_its_return() -> None:
    """Both are written by 7; the second is got and done before the write's return is seen."""
    found = log(
        Get(t_ns=8, worker="c-0", queue="many", id="p-0:1", wait_ns=8, latency_ns=0),
        Put(t_ns=12, worker="p-0", queue="many", id="p-0:0", wait_ns=5),
        Put(t_ns=12, worker="p-0", queue="many", id="p-0:1", wait_ns=5),
        Get(t_ns=14, worker="c-0", queue="many", id="p-0:0", wait_ns=6, latency_ns=0),
    )
    assert found.itself == [1, 5, 5, 6]
    assert found.between == [0, 7, 0, 0]
    assert replayed(found) == 14


def test_events_are_simultaneous_where_two_workers_come_by_themselves() -> None:
    """All three begin at 0; at 2 the second pause and the service end, and the get that follows does not count."""
    found = course("producers: {p: {items: 3, sleep: 2s}, q: {items: 1}}\nconsumers: {c: {sleep: 2s}}")
    assert found.simultaneous() == (3 + 2 + 2, 3)
