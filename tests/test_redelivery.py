"""The audit of runs in which workers died: redeliveries, recovered puts, replacements."""

from __future__ import annotations

from typing import Any

import pytest
from lines import Record, again, born, died, done, end, fate, get, put, start
from logs import events_of
from test_audit import PIPELINE, TWO_READERS, A, B, C, found_in

from runner.analysis.audit import audit
from runner.analysis.summary import summarise
from runner.analysis.violations import Kind, Violation

RELAYS: dict[str, Any] = {
    "queues": {"main": 0, "next": 0},
    "groups": {
        "p": ("producer", None, "main", 1, None),
        "s": ("stage", "main", "next", 2, None),
        "c": ("consumer", "next", None, 1, None),
    },
}


def kinds_in(*records: Record, **head: Any) -> list[str]:
    return [each.kind for each in found_in(*records, **head)]


def redelivered(item: str = A) -> list[Record]:
    """c-0 gets the item and dies, c-1 gets and does it."""
    log = [put(10, item), get(12, item, 2), *died(14, "c-0"), again(15, item, "c-0")]
    return [*log, get(16, item, 6, worker="c-1", delivery=2), done(17, item, worker="c-1", delivery=2)]


# --- redeliveries


def test_what_a_dead_worker_held_may_be_got_and_done_again() -> None:
    assert found_in(*redelivered(), **TWO_READERS) == []


def test_what_a_dead_worker_had_not_logged_may_be_redelivered_from_it_or_from_nobody() -> None:
    for dead in ("c-0", None):
        log = [put(10, A), *died(14, "c-0"), again(15, A, dead), get(16, A, 6, worker="c-1", delivery=2)]
        assert found_in(*log, done(17, A, worker="c-1", delivery=2), **TWO_READERS) == []


def test_an_item_may_slip_twice_before_its_put_is_logged() -> None:
    log = [*died(4, "c-0"), again(5, A, None), born(6, "c-0"), *died(7, "c-0", 2), again(8, A, None, 3)]
    log += [get(9, A, 7, worker="c-1", delivery=3), done(10, A, worker="c-1", delivery=3)]
    assert found_in(*log, put(20, A, 18), **TWO_READERS) == []


def test_a_get_may_return_before_its_redelivery_does() -> None:
    log = redelivered()
    log[4], log[5] = log[5], again(16, A, "c-0", wait=1)
    assert found_in(*log, **TWO_READERS) == []


def test_a_get_cannot_return_before_its_redelivery_began() -> None:
    log = redelivered()
    log[4], log[5] = log[5], again(17, A, "c-0")
    message = "got at 16 ns, its redelivery began at 17 ns"
    assert found_in(*log, **TWO_READERS) == [Violation(Kind.CAUSALITY, message, (9, 10), (A,))]


def test_redeliveries_are_counted_one_by_one() -> None:
    log = [put(10, A), get(12, A, 2), *died(14, "c-0"), again(15, A, "c-0", 3)]
    log += [get(16, A, 6, worker="c-1", delivery=3), done(17, A, worker="c-1", delivery=3)]
    message = "redelivery number 3 follows 1"
    assert found_in(*log, **TWO_READERS) == [Violation(Kind.DUPLICATED, message, (9,), (A,))]


def test_the_same_delivery_got_twice_is_a_duplicate() -> None:
    log = [*redelivered(), born(18, "c-0"), get(20, A, 10, delivery=2)]
    assert kinds_in(*log, **TWO_READERS) == [Kind.DUPLICATED]


def test_what_was_done_is_not_redelivered() -> None:
    log = [put(10, A), get(12, A, 2), done(13, A), *died(14, "c-0"), again(15, A, "c-0")]
    message = "redelivered, but it was done or had its fate before"
    assert found_in(*log) == [Violation(Kind.UNEXPECTED, message, (9,), (A,))]


def test_what_nobody_put_is_not_redelivered() -> None:
    log = [*died(14, "c-0"), again(15, A, "c-0"), fate("left", 20, A)]
    assert found_in(*log) == [Violation(Kind.UNEXPECTED, "redelivered, but nobody put it", (6,), (A,))]


def test_only_the_dead_are_deprived() -> None:
    log = [put(10, A), get(12, A, 2), again(15, A, "c-0"), fate("left", 20, A)]
    message = "redelivered from c-0, which has not died since it got it"
    assert found_in(*log) == [Violation(Kind.CAUSALITY, message, (6,), (A,))]


@pytest.mark.parametrize(("dead", "why"), [("c-1", "c-0 holds it"), ("p-0", "p-0 does not read that queue")])
def test_only_who_has_an_item_is_deprived(dead: str, why: str) -> None:
    log = [put(10, A), get(12, A, 2), *died(14, "c-0"), *died(14, "c-1"), *died(14, "p-0"), again(15, A, dead)]
    found = found_in(*log, fate("left", 20, A), **TWO_READERS)
    assert [(each.kind, each.message) for each in found] == [(Kind.UNEXPECTED, f"redelivered from {dead}, but {why}")]


def test_order_binds_first_deliveries_only() -> None:
    log = [put(10, A), put(11, B), put(12, C), get(13, A, 3), *died(14, "c-0"), again(15, A, "c-0"), born(16, "c-0")]
    log += [get(17, B, 6), done(17, B), get(18, A, 8, delivery=2), done(18, A, delivery=2), get(19, C, 7), done(19, C)]
    assert found_in(*log) == []


def test_all_gets_of_an_item_agree_on_when_its_put_began() -> None:
    log = [get(3, A, 2), *died(4, "c-0"), again(5, A, "c-0"), get(6, A, 4, worker="c-1", delivery=2)]
    log += [done(7, A, worker="c-1", delivery=2), put(10, A, 8)]
    message = "latency_ns 4, by the get before its put began at 1 ns"
    assert found_in(*log, **TWO_READERS) == [Violation(Kind.CAUSALITY, message, (5, 9), (A,))]


# --- fates


def test_an_item_set_aside_was_in_its_last_readers_hands() -> None:
    log = [put(10, A), get(12, A, 2), *died(14, "c-0"), again(15, A, "c-0"), born(16, "c-0"), get(17, A, 7, delivery=2)]
    log += died(18, "c-0", 2)
    assert found_in(*log, fate("failed", 20, A, worker="c-0", delivery=2)) == []
    message = "called failed in the hands of p-0 with delivery 1, c-0 holds it with 2"
    assert found_in(*log, fate("failed", 20, A, worker="p-0")) == [Violation(Kind.UNEXPECTED, message, (10, 13), (A,))]


def test_what_waits_is_left_with_a_delivery_it_had() -> None:
    log = [put(10, A), *died(14, "c-0"), again(15, A, "c-0")]
    for delivery in (1, 2):
        assert found_in(*log, fate("left", 20, A, worker="c-0", delivery=delivery)) == []
    message = "called left with delivery 3, by the redeliveries it is 2"
    assert found_in(*log, fate("left", 20, A, delivery=3)) == [Violation(Kind.UNEXPECTED, message, (8,), (A,))]


# --- recovered puts


def test_a_recovered_put_may_come_after_all_that_happened_to_its_item() -> None:
    log = [get(12, A, 2), *died(13, "p-0"), done(14, A), born(15, "p-0"), put(16, B), get(18, B, 2), done(18, B)]
    assert found_in(*log, put(20, A, 10, recovered=True)) == []


def test_no_order_binds_a_recovered_put() -> None:
    log = [*died(13, "p-0"), born(15, "p-0"), put(16, B), put(20, A, 10, recovered=True)]
    assert found_in(*log, get(22, A, 12), done(22, A), get(23, B, 7), done(23, B)) == []
    assert found_in(*log, get(22, B, 6), done(22, B), get(23, A, 13), done(23, A)) == []


def test_a_recovered_put_says_when_it_began() -> None:
    log = [get(12, A, 2), done(12, A), *died(13, "p-0"), put(20, A, 9, recovered=True)]
    message = "latency_ns 2, from its put's beginning it is 1"
    assert found_in(*log) == [Violation(Kind.CAUSALITY, message, (8, 4), (A,))]


@pytest.mark.parametrize("late", [True, False])
def test_a_put_beside_a_recovered_one_is_a_duplicate(late: bool) -> None:
    recovered = [*died(13, "p-0"), put(20, A, 10, recovered=True), get(21, A, 11), done(21, A)]
    own = (
        [born(30, "p-0"), put(31, A), get(32, A, 1), done(33, A)] if late else [put(10, A), get(11, A, 1), done(11, A)]
    )
    found = found_in(*(recovered + own if late else own + recovered))
    assert [(each.kind, each.message) for each in found] == [(Kind.DUPLICATED, "put into main a second time")]


def test_puts_are_recovered_for_the_dead() -> None:
    message = "put recovered for p-0, which has not died"
    log = [put(20, A, 10, recovered=True), get(21, A, 11), done(21, A)]
    assert found_in(*log) == [Violation(Kind.CAUSALITY, message, (4,), (A,))]


def test_a_recovered_item_bears_its_producers_name() -> None:
    log = [*died(13, "p-0"), put(20, "q-0:0", 10, recovered=True), fate("left", 21, "q-0:0")]
    assert kinds_in(*log) == [Kind.UNEXPECTED]


def test_a_recovered_wait_is_nobodys() -> None:
    log = [*start(), put(10, A, 4), *died(13, "p-0"), put(900, B, 890, recovered=True), get(910, B, 900), end(950)]
    summary = summarise(events_of(log))
    assert (summary.wait_put.count, summary.wait_put.max) == (1, 4e-9)
    assert (summary.items.put, summary.workers["p-0"].puts) == (2, 2)
    assert summary.workers["p-0"].wait_s == 4e-9
    assert summary.makespan_s == 910e-9


# --- stages


def handed_on(*by_second: Record) -> list[Record]:
    """s-0 gets A, puts its first part and dies; s-1 gets it, puts `by_second` and is done; the consumer does all."""
    log = [put(10, A), get(12, A, 2, worker="s-0"), put(13, f"{A}.0", worker="s-0", queue="next"), *died(14, "s-0")]
    log += [again(15, A, "s-0"), get(16, A, 6, worker="s-1", delivery=2), *by_second]
    log += [done(19, A, worker="s-1", delivery=2)]
    for k, item in enumerate([f"{A}.0", *(each["id"] for each in by_second)]):
        latency = 17 if k == 0 else 30 + k - by_second[k - 1]["t_ns"]
        log += [get(30 + k, item, latency, queue="next"), done(30 + k, item, queue="next")]
    return log


def test_the_next_stage_puts_what_its_predecessor_did_not() -> None:
    assert found_in(*handed_on(put(17, f"{A}.1", worker="s-1", queue="next")), **RELAYS) == []


def test_no_part_is_put_twice_over_all_deliveries() -> None:
    found = found_in(*handed_on(put(17, f"{A}.0", worker="s-1", queue="next")), **RELAYS)
    message = "put into next a second time"
    assert found[0] == Violation(Kind.DUPLICATED, message, (13,), (f"{A}.0",))


def test_a_dead_stages_put_may_be_recovered_when_all_is_done() -> None:
    part = f"{A}.0"
    log = [put(10, A), get(12, A, 2, worker="s-0"), get(14, part, 1, queue="next"), *died(14, "s-0")]
    log += [done(14, part, queue="next"), again(15, A, "s-0"), get(16, A, 6, worker="s-1", delivery=2)]
    log += [done(19, A, worker="s-1", delivery=2), put(20, part, 7, worker="s-0", queue="next", recovered=True)]
    assert found_in(*log, **RELAYS) == []
    summary = summarise(events_of([*start(**RELAYS), *log, end(30)]))
    assert summary.sojourn.max == 4e-9


def test_a_dead_stages_put_is_of_what_it_could_have_had() -> None:
    log = [*died(14, "s-0"), put(20, f"{A}.0", 7, worker="s-0", queue="next", recovered=True)]
    log += [fate("left", 30, f"{A}.0", queue="next")]
    assert kinds_in(*log, **PIPELINE) == [Kind.UNEXPECTED]


# --- incarnations


def test_a_replacement_starts_after_its_predecessor_died() -> None:
    assert found_in(*died(5, "c-0"), born(6, "c-0"), *died(7, "c-0", 2), born(9, "c-0", 4)) == []
    assert kinds_in(born(6, "c-0")) == [Kind.CAUSALITY]
    assert kinds_in(*died(5, "c-0"), born(6, "c-0", 1)) == [Kind.CAUSALITY]


def test_a_log_need_not_number_incarnations() -> None:
    unnumbered = {key: value for key, value in born(6, "c-0").items() if key != "incarnation"}
    log = [*start(), *died(5, "c-0"), unnumbered, end(9)]
    assert audit(events_of(log)).valid is True
    assert summarise(events_of(log)).workers["c-0"].incarnations == 2


def test_seqs_grow_over_all_incarnations() -> None:
    log = [put(10, B), *died(11, "p-0"), born(12, "p-0"), put(13, A), fate("left", 20, A), fate("left", 20, B)]
    assert kinds_in(*log) == [Kind.ORDER]


# --- depth


def test_a_redelivery_takes_room_like_a_put() -> None:
    log = [put(10, A), get(12, A, 2), put(13, B), *died(14, "c-0"), again(15, A, "c-0")]
    log += [get(20, B, 7, worker="c-1"), done(21, B, worker="c-1"), get(22, A, 12, worker="c-1", delivery=2)]
    log += [done(23, A, worker="c-1", delivery=2)]
    found = found_in(*log, queues={"main": 1}, **TWO_READERS)
    assert [(each.kind, each.lines) for each in found] == [(Kind.DEPTH, (10,))]


def test_what_a_dead_reader_may_have_received_takes_no_room() -> None:
    log = [put(10, A), put(11, B), fate("left", 20, A), fate("left", 20, B)]
    assert kinds_in(*log, queues={"main": 1}) == [Kind.DEPTH]
    assert kinds_in(*log[:2], *died(12, "c-0"), *log[2:], queues={"main": 1}) == []
    more = [put(12, C), *died(13, "c-0"), *log[2:], fate("left", 20, C)]
    assert kinds_in(*log[:2], *more, queues={"main": 1}) == [Kind.DEPTH]


def test_a_slipped_item_takes_no_room_until_it_is_redelivered() -> None:
    log = [put(10, A), put(11, B), *died(12, "c-0"), get(13, B, 2, worker="c-1"), done(13, B, worker="c-1")]
    log += [again(14, A, None), get(15, A, 5, worker="c-1", delivery=2), done(15, A, worker="c-1", delivery=2)]
    assert found_in(*log, queues={"main": 1}, **TWO_READERS) == []


def test_time_in_a_dead_workers_hands_is_no_time_in_the_queue() -> None:
    log = [put(10, A), get(12, A, 2), *died(14, "c-0"), again(17, A, "c-0")]
    log += [get(20, A, 10, worker="c-1", delivery=2), done(20, A, worker="c-1", delivery=2)]
    summary = summarise(events_of([*start(**TWO_READERS), *log, end(30)]))
    assert summary.queues["main"].mean_depth == pytest.approx((2 + 3) / 20)
