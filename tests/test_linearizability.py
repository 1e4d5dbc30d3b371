"""The check that a queue's history is one of a FIFO queue: against brute force, and in the audit of a log."""

from __future__ import annotations

from collections import Counter
from math import factorial, prod
from random import Random
from typing import Any

import pytest
from histories import History, histories, is_fifo, orders
from hypothesis import given
from hypothesis import strategies as st
from lines import Record, again, born, died, done, end, fate, get, put, start
from logs import events_of
from test_audit import A, B, C

from runner.analysis.audit import audit
from runner.analysis.linearizability import NEVER, inversions
from runner.analysis.violations import Kind, Verdict, Violation
from runner.log.events import Torn

SIZES = [
    (got, stays, maybe)
    for got in range(4)
    for stays in range(7)
    for maybe in range(7)
    if 0 < 2 * got + stays + maybe <= 6
]
"""How many values of each sort make at most six operations."""


def columns(history: History) -> tuple[list[int], list[int], list[int], list[int]]:
    """Return the history as the check sees it."""
    puts = [put for put, _ in history.got] + [*history.stays, *history.maybe]
    gets = [got for _, got in history.got] + [(NEVER, NEVER)] * len(history.stays)
    gets += [(put[0], NEVER) for put in history.maybe]
    return [p[0] for p in puts], [p[1] for p in puts], [g[0] for g in gets], [g[1] for g in gets]


def passes(history: History) -> bool:
    fresh = any(got[1] < put[0] for put, got in history.got)
    return not fresh and not list(inversions(*columns(history)))


# --- the monitor


def test_all_orders_of_intervals_are_gone_through() -> None:
    """The numbers of interval orders, without and with names, are those of OEIS A022493 and A079144."""
    assert [len(orders(size)) for size in range(1, 7)] == [1, 2, 5, 15, 53, 217]
    named = [
        sum(factorial(size) // prod(map(factorial, Counter(order).values())) for order in orders(size))
        for size in range(1, 7)
    ]
    assert named == [1, 3, 19, 207, 3451, 81663]


@pytest.mark.parametrize(("got", "stays", "maybe"), SIZES)
def test_it_agrees_with_brute_force_on_every_history_of_up_to_six_operations(got: int, stays: int, maybe: int) -> None:
    for history in histories(got, stays, maybe):
        assert passes(history) == is_fifo(history), history


interval = st.tuples(st.integers(0, 12), st.integers(0, 4)).map(lambda pair: (pair[0], sum(pair)))
longer = st.builds(
    History,
    st.lists(st.tuples(interval, interval), max_size=5).map(tuple),
    st.lists(interval, max_size=2).map(tuple),
    st.lists(interval, max_size=2).map(tuple),
)


@given(longer)
def test_it_agrees_with_brute_force_on_longer_histories(history: History) -> None:
    assert passes(history) == is_fifo(history)


def test_every_overtaker_is_found() -> None:
    puts, gets = [0, 10, 20, 30], [99, 50, 60, 110]
    assert list(inversions(puts, puts, gets, gets)) == [(0, 1), (0, 2)]


def test_a_million_values_in_order_have_no_inversion() -> None:
    random = Random(0)  # noqa: S311
    began = [10 * k for k in range(100_000)]
    ended = [instant + random.randrange(10) for instant in began]
    got = [instant + 500 for instant in began]
    assert list(inversions(began, ended, got, got)) == []


# --- the check of a log


def check(
    *records: Record, kind: str = "pipe", engine: str = "processes", workers: int = 3, fifo: bool | None = None
) -> Verdict:
    """Judge what comes after the head, FIFO included; the first record is line 8 with three workers a side."""
    queues = {"main": {"kind": kind, "maxsize": 0, "batch": 1, "capacity": 9, "fifo": fifo}}
    groups = {"p": ("producer", None, "main", workers, None), "c": ("consumer", "main", None, workers, None)}
    head = start(groups=groups, queues={"main": 0}, engine=engine)
    head[0]["queues"] = queues
    return audit(events_of([*head, *records]), fifo=True)


def found_in(*records: Record, **head: Any) -> list[Violation]:
    return list(check(*records, end(900), **head).violations)


def swapped() -> list[Record]:
    """Two items from one writer reach two readers, the later first."""
    log = [put(10, A), put(20, B), get(30, B, 10), done(30, B)]
    return [*log, get(40, A, 30, worker="c-1"), done(40, A, worker="c-1")]


MESSAGE = f"{B} was put into main after {A} and was got when {A} was not"


@pytest.mark.parametrize(
    ("kind", "engine"),
    [
        ("pipe", "processes"),
        ("multiprocessing.SimpleQueue", "processes"),
        ("multiprocessing.Manager", "elsewhere"),
        ("multiprocessing.Queue", "threads"),
        ("multiprocessing.Queue", "simulation"),
    ],
)
def test_what_promises_fifo_is_held_to_it(kind: str, engine: str) -> None:
    assert found_in(*swapped(), kind=kind, engine=engine) == [Violation(Kind.FIFO, MESSAGE, (8, 9, 10, 12), (A, B))]


@pytest.mark.parametrize("kind", ["multiprocessing.Queue", "of their own"])
def test_what_does_not_is_not(kind: str) -> None:
    assert found_in(*swapped(), kind=kind) == []


@pytest.mark.parametrize("fifo", [True, False])
def test_a_kind_of_a_package_is_held_to_what_the_log_says_of_it(fifo: bool) -> None:
    assert bool(found_in(*swapped(), kind="of their own", fifo=fifo)) == fifo


def test_it_is_made_on_request_only() -> None:
    log = [*start(groups={"p": ("producer", None, "main", 1, None), "c": ("consumer", "main", None, 2, None)})]
    assert audit(events_of([*log, *swapped(), end(900)])).valid is True


def test_operations_that_overlap_or_touch_have_any_order() -> None:
    log = [put(10, A), put(20, "p-1:0", 10, worker="p-1"), get(30, "p-1:0", 20), done(30, "p-1:0")]
    log += [get(40, A, 30, worker="c-1"), done(40, A, worker="c-1")]
    assert found_in(*log) == []
    log = [put(10, A), put(20, "p-1:0", worker="p-1"), get(30, "p-1:0", 10), done(30, "p-1:0")]
    log += [get(40, A, 30, 10, worker="c-1"), done(40, A, worker="c-1")]
    assert found_in(*log) == []


def test_what_stays_in_the_queue_was_not_overtaken() -> None:
    log = [put(10, A), put(20, B), get(30, B, 10), done(30, B), fate("left", 40, A)]
    message = f"{B} was put into main after {A} and was got when {A} is still there"
    assert found_in(*log) == [Violation(Kind.FIFO, message, (8, 9, 10), (A, B))]


def test_one_violation_tells_of_all_who_overtook() -> None:
    log = [put(10, A), put(20, B), put(21, C), get(30, B, 10), done(30, B), get(31, C, 10), done(31, C)]
    message = f"{B} was put into main after {A} and was got when {A} is still there, and 1 more"
    assert [each.message for each in found_in(*log, fate("left", 40, A))] == [message]


def test_what_a_dead_reader_may_have_received_may_be_overtaken() -> None:
    log = [put(10, A), put(20, B), get(30, B, 10), done(30, B)]
    assert found_in(*log, *died(31, "c-1"), fate("left", 40, A)) == []
    late = [*died(5, "c-1"), *log, fate("left", 40, A)]
    assert [each.kind for each in found_in(*late)] == [Kind.FIFO]


def test_a_slipped_item_was_got_between_its_put_and_its_redelivery() -> None:
    log = [put(10, A), put(20, B), get(30, B, 10), done(30, B), *died(31, "c-1"), again(32, A, "c-1")]
    assert found_in(*log, get(40, A, 30, delivery=2), done(40, A, delivery=2)) == []


def test_a_delivery_is_a_value_of_its_own() -> None:
    """A, redelivered behind B, may not be got before B."""
    log = [put(10, A), get(12, A, 2), put(20, B), *died(21, "c-0"), again(30, A, "c-0")]
    good = [get(40, B, 20, worker="c-1"), done(40, B, worker="c-1"), get(50, A, 40, worker="c-2", delivery=2)]
    good += [done(50, A, worker="c-2", delivery=2)]
    assert found_in(*log, *good) == []
    bad = [get(40, A, 30, worker="c-2", delivery=2), done(40, A, worker="c-2", delivery=2)]
    bad += [get(50, B, 30, worker="c-1"), done(50, B, worker="c-1")]
    assert [each.ids for each in found_in(*log, *bad)] == [(B, A)]


def test_a_recovered_put_may_have_been_any_time_since_it_began() -> None:
    log = [get(12, A, 2), done(12, A), *died(13, "p-0"), born(14, "p-0"), put(20, B), get(30, B, 10), done(30, B)]
    assert found_in(*log, put(40, A, 30, recovered=True)) == []


def test_an_item_may_slip_before_its_put_is_logged() -> None:
    log = [*died(13, "p-0"), *died(14, "c-0"), again(20, A, "c-0"), get(30, A, 20, worker="c-1", delivery=2)]
    log += [done(30, A, worker="c-1", delivery=2), put(40, A, 30, recovered=True)]
    assert found_in(*log) == []


def test_a_get_may_return_before_its_redelivery() -> None:
    log = [put(10, A), get(12, A, 2), *died(13, "c-0"), get(30, A, 20, worker="c-1", delivery=2)]
    assert found_in(*log, again(31, A, "c-0", wait=10), done(32, A, worker="c-1", delivery=2)) == []


@pytest.mark.parametrize("cut", range(1, 7))
def test_what_is_cut_off_may_have_been_in_order(cut: int) -> None:
    assert check(*swapped()[:cut]).valid == ("unknown" if cut < 5 else False)
    torn = audit([*events_of([*start(), put(10, A), put(20, B), get(30, B, 10)]), Torn(t_ns=30, length=1)], fifo=True)
    assert torn.valid == "unknown"


def test_a_put_that_is_cut_off_began_before_its_get() -> None:
    """B's put is not logged yet; it began after A's had returned, as the latency of its get says."""
    verdict = check(put(10, A), get(30, B, 10), get(40, A, 30, worker="c-1"))
    assert [each.ids for each in verdict.violations if each.kind is Kind.FIFO] == [(A, B)]


def log_of(history: History) -> list[Record]:
    """Return a log of the history with a worker of its own for each operation."""
    log: list[Record] = []
    puts = [pair[0] for pair in history.got] + list(history.stays)
    for value, (left, right) in enumerate(puts):
        log.append(put(right, f"p-{value}:0", right - left, worker=f"p-{value}"))
    for value, (began, (left, right)) in enumerate(history.got):
        worker, item = f"c-{value}", f"p-{value}:0"
        log.append(get(right, item, right - began[0], right - left, worker=worker))
        log.append(done(99, item, worker=worker))
    log += [fate("left", 100, f"p-{value}:0") for value in range(len(history.got), len(puts))]
    return sorted(log, key=lambda record: record["t_ns"])


@pytest.mark.parametrize(("got", "stays"), [(1, 0), (2, 0), (1, 1), (1, 2), (2, 1), (0, 3)])
def test_the_audit_of_a_log_agrees_with_brute_force(got: int, stays: int) -> None:
    for history in histories(got, stays):
        verdict = check(*log_of(history), end(900))
        assert verdict.valid is is_fifo(history), (history, verdict)
        assert {each.kind for each in verdict.violations} <= {Kind.FIFO, Kind.CAUSALITY}
