"""The audit: each class of contradiction is found, and nothing else is."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lines import again, born, died, done, end, fate, get, leave, put, start
from logs import Topology, events_of, legal_log

from runner.analysis.audit import audit
from runner.analysis.violations import KEPT, Counts, Kind, Verdict, Violation
from runner.log.events import Torn

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from logs import Record

    from runner.log.events import Event

A, B, C = "p-0:0", "p-0:1", "p-0:2"
PIPELINE: dict[str, Any] = {
    "queues": {"main": 0, "next": 0},
    "groups": {
        "p": ("producer", None, "main", 1, None),
        "s": ("stage", "main", "next", 1, None),
        "c": ("consumer", "next", None, 1, None),
    },
}
TWO_READERS: dict[str, Any] = {
    "groups": {"p": ("producer", None, "main", 1, None), "c": ("consumer", "main", None, 2, None)}
}


def whole(item: str, t_ns: int = 10) -> list[Record]:
    """Put, got and done in order, from `t_ns` to `t_ns` + 3."""
    return [put(t_ns, item, 1), get(t_ns + 2, item, 3), done(t_ns + 3, item, 1)]


def judged(events: Iterable[Event]) -> Verdict:
    """Judge without counting."""
    return replace(audit(events), counts=Counts())


def verdict_of(*records: Record, **head: Any) -> Verdict:
    """Judge what comes after the head; the first record is line 4, with a third worker line 5."""
    return judged(events_of([*start(**head), *records]))


def found_in(*records: Record, **head: Any) -> list[Violation]:
    """Return what the audit of a complete log finds."""
    verdict = verdict_of(*records, end(900), **head)
    assert verdict.reason is None
    assert verdict.count == len(verdict.violations)
    assert verdict.valid is not bool(verdict.count)
    return list(verdict.violations)


def test_a_good_log_is_valid() -> None:
    assert verdict_of(*whole(A), *whole(B, 20), end(900, put=2, got=2, done=2)) == Verdict(True, None, 0, ())


# --- conservation


def test_put_and_never_got_is_lost() -> None:
    message = "put into main, never got, and neither left nor failed"
    assert found_in(put(10, A)) == [Violation(Kind.LOST, message, (4,), (A,))]


def test_got_and_never_done_is_lost() -> None:
    message = "got by c-0, never done, and neither left nor failed"
    assert found_in(put(10, A), get(12, A, 2)) == [Violation(Kind.LOST, message, (5,), (A,))]


@pytest.mark.parametrize("what", ["left", "failed"])
def test_an_item_named_left_or_failed_is_accounted_for(what: str) -> None:
    assert found_in(put(10, A), put(11, B), get(12, A, 2), fate(what, 20, A), fate(what, 20, B)) == []


def test_an_item_the_run_calls_lost_is_lost() -> None:
    assert found_in(put(10, A), fate("lost", 20, A)) == [
        Violation(Kind.LOST, "the run itself says so: why", (5,), (A,))
    ]


def test_got_and_never_put_is_unexpected() -> None:
    message = "got by c-0, nobody put it"
    assert found_in(get(12, A, 2), done(13, A)) == [Violation(Kind.UNEXPECTED, message, (4,), (A,))]


def test_done_and_never_put_is_unexpected() -> None:
    message = "done by c-0, nobody put or got it"
    assert found_in(done(13, A)) == [Violation(Kind.UNEXPECTED, message, (4,), (A,))]


def test_left_and_never_put_is_unexpected() -> None:
    message = "called left, but nobody put it"
    assert found_in(fate("left", 13, A)) == [Violation(Kind.UNEXPECTED, message, (4,), (A,))]


def test_left_after_done_is_unexpected() -> None:
    message = "called left, but it was done or had its fate before"
    assert found_in(*whole(A), fate("left", 20, A)) == [Violation(Kind.UNEXPECTED, message, (7,), (A,))]


def test_an_item_of_the_same_id_in_another_queue_is_another() -> None:
    log = [put(10, A), get(12, A, 2, worker="s-0"), put(13, A, worker="s-0", queue="next"), done(13, A, worker="s-0")]
    message = "put into next, never got, and neither left nor failed"
    assert found_in(*log, **PIPELINE) == [Violation(Kind.LOST, message, (7,), (A,))]


# --- duplicates


def test_a_second_put_is_a_duplicate() -> None:
    message = "put into main a second time"
    assert found_in(*whole(A), put(20, A), get(22, A, 2), done(23, A)) == [
        Violation(Kind.DUPLICATED, message, (7,), (A,))
    ]


def test_a_second_get_is_a_duplicate_whether_the_first_is_held_or_done() -> None:
    held = found_in(put(10, A), get(12, A, 2), get(13, A, 3, worker="c-1"), done(14, A), **TWO_READERS)
    assert held == [Violation(Kind.DUPLICATED, "got by c-1, c-0 holds it", (6, 7), (A,))]
    finished = found_in(*whole(A), get(23, A, 14))
    assert finished == [Violation(Kind.DUPLICATED, "got by c-0 a second time", (7,), (A,))]


def test_a_second_done_is_a_duplicate() -> None:
    message = "done by c-0 a second time"
    assert found_in(*whole(A), done(30, A)) == [Violation(Kind.DUPLICATED, message, (7,), (A,))]


def test_a_delivery_without_its_redelivery_is_a_duplicate() -> None:
    log = [put(10, A), get(12, A, 2, delivery=2), done(13, A, delivery=2)]
    message = "got with delivery 2, by the redeliveries so far it is 1"
    assert found_in(*log) == [Violation(Kind.DUPLICATED, message, (5,), (A,))]


def test_a_put_has_delivery_1() -> None:
    log = [put(10, A, delivery=2), *whole(A)[1:]]
    assert Violation(Kind.DUPLICATED, "put with delivery 2, a put has 1", (4,), (A,)) in found_in(*log)


def test_a_done_has_the_delivery_of_its_get() -> None:
    message = "done with delivery 2, got with 1"
    assert found_in(put(10, A), get(12, A, 2), done(13, A, delivery=2)) == [
        Violation(Kind.DUPLICATED, message, (5, 6), (A,))
    ]


# --- who may do what


def test_a_worker_outside_the_groups_is_unexpected() -> None:
    message = "worker p-1 belongs to no group of run.start"
    log = [put(10, "p-1:0", worker="p-1"), get(12, "p-1:0", 2), done(13, "p-1:0")]
    assert found_in(*log) == [Violation(Kind.UNEXPECTED, message, (4,))]


def test_a_queue_outside_run_start_is_unexpected() -> None:
    kinds = [violation.message for violation in found_in(put(10, A, queue="aside"), fate("left", 20, A, queue="aside"))]
    assert kinds == ["p-0: put in aside, but its queue is main", "queue aside is not in run.start"]


def test_a_worker_at_the_wrong_end_is_unexpected() -> None:
    log = [put(10, A), get(12, A, 2, worker="p-0"), done(13, A, worker="p-0")]
    assert found_in(*log) == [
        Violation(Kind.UNEXPECTED, "p-0: get in main, but it has no queue for that", (5,), (A,)),
        Violation(Kind.UNEXPECTED, "p-0: done in main, but it has no queue for that", (6,), (A,)),
    ]


def test_an_item_is_done_by_whom_got_it() -> None:
    message = "done by c-1, c-0 holds it"
    assert found_in(put(10, A), get(12, A, 2), done(13, A, worker="c-1"), **TWO_READERS) == [
        Violation(Kind.UNEXPECTED, message, (6, 7), (A,))
    ]


def test_a_producers_items_bear_its_name() -> None:
    message = "put by p-0, whose items are p-0:<seq>"
    log = [put(10, "q-0:0"), get(12, "q-0:0", 2), done(13, "q-0:0")]
    assert found_in(*log) == [Violation(Kind.UNEXPECTED, message, (4,), ("q-0:0",))]


def relayed(*puts: Record) -> list[Record]:
    """A stage gets A, puts `puts` and is done; a consumer does what it put."""
    log = [put(10, A), get(12, A, 2, worker="s-0"), *puts, done(15, A, worker="s-0")]
    for k, each in enumerate(puts):
        log += [get(20 + k, each["id"], 20 + k - each["t_ns"], queue="next"), done(20 + k, each["id"], queue="next")]
    return log


def test_a_stage_puts_the_item_itself_or_its_parts_or_nothing() -> None:
    parts = [put(13, f"{A}.{k}", worker="s-0", queue="next") for k in range(3)]
    assert found_in(*relayed(*parts), **PIPELINE) == []
    assert found_in(*relayed(put(13, A, worker="s-0", queue="next")), **PIPELINE) == []
    assert found_in(*relayed(), **PIPELINE) == []


@pytest.mark.parametrize("item", [B, f"{B}.0", f"{A}.0.0", "x"])
def test_a_stage_puts_only_what_it_was_given(item: str) -> None:
    message = "put by s-0, which did not hold what it comes from"
    assert found_in(*relayed(put(13, item, worker="s-0", queue="next")), **PIPELINE) == [
        Violation(Kind.UNEXPECTED, message, (7,), (item,))
    ]


def test_a_stage_puts_nothing_twice() -> None:
    log = relayed(put(13, A, worker="s-0", queue="next"))
    log.insert(3, put(14, A, worker="s-0", queue="next"))
    message = "put into next a second time"
    assert found_in(*log, **PIPELINE)[0] == Violation(Kind.DUPLICATED, message, (8,), (A,))


# --- order


def test_a_producers_seqs_grow() -> None:
    log = [put(10, "p-0:10"), put(11, "p-0:9"), fate("left", 20, "p-0:10"), fate("left", 20, "p-0:9")]
    message = "put after p-0:10, the seqs of a producer grow"
    assert found_in(*log) == [Violation(Kind.ORDER, message, (5,), ("p-0:9",))]
    good = [put(10, "p-0:9"), put(11, "p-0:10"), put(12, "p-0:12")]
    assert found_in(*good, *(fate("left", 20, each["id"]) for each in good)) == []


def test_one_writers_items_reach_one_reader_in_the_order_put() -> None:
    log = [put(10, A), put(11, B), get(12, B, 1), done(12, B), get(13, A, 3), done(13, A)]
    message = "c-0 got it out of the order in which it was put"
    assert found_in(*log) == [Violation(Kind.ORDER, message, (8,), (A,))]


def test_order_holds_for_gets_that_overtook_their_puts() -> None:
    log = [get(12, B, 1), done(12, B), get(13, A, 3), done(13, A), put(14, A, 4), put(15, B, 4)]
    message = "c-0 got it out of the order in which it was put"
    assert found_in(*log) == [Violation(Kind.ORDER, message, (4, 6), (B,))]


def test_two_readers_may_see_items_in_any_order() -> None:
    log = [put(10, A), put(11, B), get(12, B, 1), done(12, B), get(13, A, 3, worker="c-1"), done(13, A, worker="c-1")]
    assert found_in(*log, **TWO_READERS) == []


# --- causality


def test_a_get_may_return_before_its_put_does() -> None:
    assert found_in(get(12, A, 2), done(13, A, 1), put(14, A, 4)) == []


def test_a_get_cannot_return_before_its_put_began() -> None:
    message = "got at 12 ns, its put began at 13 ns"
    assert found_in(get(12, A, -1), done(12, A), put(14, A, 1)) == [Violation(Kind.CAUSALITY, message, (6, 4), (A,))]


def test_latency_counts_from_the_beginning_of_the_put() -> None:
    message = "latency_ns 2, from its put's beginning it is 5"
    assert found_in(put(10, A, 3), get(12, A, 2), done(12, A)) == [Violation(Kind.CAUSALITY, message, (4, 5), (A,))]


@pytest.mark.parametrize("where", [0, 1])
def test_nobody_waits_less_than_nothing(where: int) -> None:
    log = [put(10, A), get(12, A, 2), done(12, A)]
    log[where] |= {"wait_ns": -1}
    assert Violation(Kind.CAUSALITY, "wait_ns -1 is negative", (4 + where,), (A,)) in found_in(*log)


def test_a_worker_does_one_operation_after_the_other() -> None:
    log = [put(10, A, 3), put(10, B, 4), get(12, A, 5), get(12, B, 6, 1), done(12, A), done(12, B)]
    message = "{0}: {1} waited for {2} ns, its {1} before it returned at the same instant and waited for {3}"
    assert found_in(*log) == [
        Violation(Kind.CAUSALITY, message.format("p-0", "put", 4, 3), (5,), (B,)),
        Violation(Kind.CAUSALITY, message.format("c-0", "get", 1, 0), (7,), (B,)),
    ]


@pytest.mark.parametrize("service", [-1, 4])
def test_service_lies_between_get_and_done(service: int) -> None:
    message = f"service_ns {service}, it was held for 3"
    assert found_in(put(10, A), get(12, A, 2), done(15, A, service)) == [
        Violation(Kind.CAUSALITY, message, (5, 6), (A,))
    ]


def test_nothing_is_done_before_it_is_got() -> None:
    message = "done by c-0 before anybody got it"
    found = found_in(put(10, A), done(11, A), get(12, A, 2))
    assert found[0] == Violation(Kind.CAUSALITY, message, (4, 5), (A,))


def test_a_worker_acts_between_its_start_and_its_exit() -> None:
    early = audit(events_of([start()[0], *start()[2:], *whole(A), end(900)]))
    assert early.violations == (Violation(Kind.CAUSALITY, "p-0: put without a worker.start", (3,), (A,)),)
    late = found_in(put(10, A), leave(11, "c-0"), get(12, A, 2), done(12, A))
    assert [each.message for each in late] == ["c-0: get after its worker.exit", "c-0: done after its worker.exit"]


def test_a_worker_waits_and_works_no_longer_than_it_lives() -> None:
    log = [put(10, A, 300), put(11, B, 300), fate("left", 20, A), fate("left", 20, B), leave(99, "p-0")]
    message = "p-0: waited and worked for 600 ns, it lived for 599"
    assert found_in(*log) == [Violation(Kind.CAUSALITY, message, (8,))]
    log[-1] = leave(100, "p-0")
    assert found_in(*log) == []


def test_the_log_is_ordered_by_time() -> None:
    assert found_in(*whole(B, 20), leave(11, "c-0")) == [
        Violation(Kind.CAUSALITY, "t_ns 11 follows 23", (6, 7)),
    ]


# --- depth, quotas, totals


def test_a_queue_never_holds_more_than_its_maxsize() -> None:
    log = [put(10, A), put(11, B), get(13, A, 3), done(13, A), get(14, B, 3), done(14, B)]
    message = "queue main held 2 items at most, its maxsize is 1"
    assert found_in(*log, queues={"main": 1}) == [Violation(Kind.DEPTH, message, (5,))]
    assert found_in(*log, queues={"main": 2}) == []


@pytest.mark.parametrize("wait", [2, 3])
def test_a_get_that_touches_or_overlaps_a_put_makes_room_for_it(wait: int) -> None:
    log = [put(10, A), put(11, B), get(13, A, 3, wait), done(13, A), get(14, B, 3), done(14, B)]
    assert found_in(*log, queues={"main": 1}) == []


def test_a_group_handles_what_was_planned_for_it() -> None:
    groups = {"p": ("producer", None, "main", 1, 1), "c": ("consumer", "main", None, 1, 1)}
    assert found_in(*whole(A), groups=groups) == []
    assert found_in(*whole(A), *whole(B, 20), groups=groups) == [
        Violation(Kind.QUOTA, "group p put 2 items, 1 were planned"),
        Violation(Kind.QUOTA, "group c did 2 items, 1 were planned"),
    ]


def test_run_end_counts_what_the_log_holds() -> None:
    verdict = verdict_of(*whole(A), end(900, put=1, got=2, done=1, left=1, other=5))
    assert verdict.violations == (
        Violation(Kind.TOTALS, "run.end counts 2 got, the log 1", (7,)),
        Violation(Kind.TOTALS, "run.end counts 1 left, the log 0", (7,)),
    )


def test_one_log_is_one_run() -> None:
    log = [*start(), *whole(A), end(900)]
    verdict = audit(events_of([*log, *log]))
    messages = [each.message for each in verdict.violations]
    assert "a second run.start: two logs in one file" in messages
    after = audit(events_of([*log, leave(900, "c-0")]))
    assert after.violations == (Violation(Kind.UNEXPECTED, "lines after run.end", (7, 8)),)


# --- the verdict


def test_a_log_without_its_end_is_unknown() -> None:
    verdict = verdict_of(put(10, A), put(11, B), get(12, A, 2), queues={"main": 1})
    assert verdict == Verdict("unknown", "incomplete: there is no run.end", 0, ())
    torn = judged([*events_of([*start(), *whole(A)]), Torn(t_ns=13, length=5)])
    assert torn == Verdict("unknown", "incomplete: the last line is torn", 0, ())


def test_what_no_missing_line_can_mend_makes_an_incomplete_log_invalid() -> None:
    verdict = verdict_of(put(10, A), get(12, A, 1))
    assert verdict.valid is False
    assert verdict.reason == "incomplete: there is no run.end"
    assert [each.kind for each in verdict.violations] == [Kind.CAUSALITY]


@pytest.mark.parametrize("status", ["failed", "timeout", "interrupted"])
def test_a_run_that_went_wrong_can_leave_a_valid_log(status: str) -> None:
    assert verdict_of(put(10, A), fate("left", 20, A), end(30, status)).valid is True


def test_violations_are_all_counted_and_the_first_thousand_kept() -> None:
    verdict = verdict_of(*(put(k, f"p-0:{k}") for k in range(KEPT + 7)), end(99999))
    assert verdict.count == KEPT + 7
    assert [each.ids for each in verdict.violations] == [(f"p-0:{k}",) for k in range(KEPT)]


# --- the vocabulary of Jepsen's queue checkers


def counts_of(*records: Record, **head: Any) -> dict[str, int]:
    """Count, without what is not there."""
    counts = audit(events_of([*start(**head), *records, end(900)])).counts
    return {name: count for name, count in asdict(counts).items() if count}


def test_items_are_counted_by_what_became_of_them() -> None:
    log = [*whole(A), get(20, B, 1), done(20, B), put(21, B, 2), *died(30, "p-0"), born(31, "p-0")]
    log += [put(40, C, 15, recovered=True), get(41, C, 16), *died(42, "c-0"), again(43, C, "c-0"), born(44, "c-0")]
    log += [get(45, C, 20, delivery=2), put(50, "p-0:3"), put(51, "p-0:4")]
    log += [fate("failed", 60, C, delivery=2), fate("left", 61, "p-0:3"), fate("lost", 62, "p-0:4")]
    assert counts_of(*log) == {
        "attempted": 5, "acknowledged": 4, "recovered": 1, "redelivered": 1, "early": 1, "done": 2, "left": 1,
        "failed": 1, "lost": 1,
    }  # fmt: skip


class TestTotalQueueOfJepsen:
    """The cases of jepsen.checker's total-queue test (jepsen/test/jepsen/checker_test.clj), as logs.

    An enqueue that was invoked and never returned is a put that the supervisor recovers if its item was dequeued; else
    it left no trace and is not in the log. Jepsen's `ok` counts the items that were dequeued.
    """

    def test_empty(self) -> None:
        assert verdict_of(end(900)).valid is True
        assert counts_of() == {}

    def test_sane(self) -> None:
        """Enqueue 1 hangs, 2 returns; both are dequeued: 1 is recovered."""
        groups = {"p": ("producer", None, "main", 2, None), "c": ("consumer", "main", None, 1, None)}
        log = [put(2, "p-1:0", 1, worker="p-1"), *died(3, "p-0"), get(4, "p-0:0", 4), done(5, "p-0:0")]
        log += [get(6, "p-1:0", 5), done(7, "p-1:0"), put(8, "p-0:0", 8, recovered=True)]
        assert verdict_of(*log, end(900), groups=groups).valid is True
        assert counts_of(*log, groups=groups) == {
            "attempted": 2, "acknowledged": 1, "recovered": 1, "early": 1, "done": 2,
        }  # fmt: skip

    def test_pathological(self) -> None:
        """One hangs, one is lost, one is dequeued twice, and one that nobody enqueued is dequeued."""
        groups = {"p": ("producer", None, "main", 3, None), "c": ("consumer", "main", None, 3, None)}
        lost, dup, wtf = "p-1:0", "p-2:0", "p-0:7"
        log = [put(1, lost, 1, worker="p-1"), put(3, dup, 1, worker="p-2"), get(6, wtf, 1), done(6, wtf)]
        log += [get(7, dup, 5, worker="c-1"), done(7, dup, worker="c-1")]
        log += [get(8, dup, 6, worker="c-2"), done(8, dup, worker="c-2")]
        found = verdict_of(*log, end(900), groups=groups)
        assert found.valid is False
        assert {(each.kind, each.ids) for each in found.violations} == {
            (Kind.LOST, (lost,)), (Kind.DUPLICATED, (dup,)), (Kind.UNEXPECTED, (wtf,)),
        }  # fmt: skip
        counts = counts_of(*log, groups=groups)
        assert counts == {
            "attempted": 2, "acknowledged": 2, "done": 3, "lost": 1, "duplicated": 1, "unexpected": 1,
        }  # fmt: skip


# --- logs from elsewhere

REQUIRED = {
    "run.start": {"schema", "queues", "groups"},
    "worker.start": {"worker"},
    "worker.died": {"worker"},
    "worker.exit": {"worker"},
    "put": {"worker", "queue", "id", "wait_ns", "recovered"},
    "get": {"worker", "queue", "id", "wait_ns", "latency_ns", "delivery"},
    "done": {"worker", "queue", "id", "service_ns", "delivery"},
    "redelivery": {"queue", "id", "delivery"},
    "left": {"queue", "id", "delivery"},
    "run.end": {"status"},
}
"""What docs/reference/audit.md calls required; `recovered` and `delivery` where they are not false and 1."""


def bare(record: Record) -> Record:
    """Return the record with the required keys only."""
    short = {key: record[key] for key in record.keys() & {"event", "t_ns", *REQUIRED[record["event"]]}}
    if record["event"] == "run.start":
        queues = {name: {key: facts[key] for key in ("kind", "maxsize")} for name, facts in record["queues"].items()}
        groups = {
            name: {key: facts[key] for key in ("role", "from", "to", "count") if facts[key] is not None}
            for name, facts in record["groups"].items()
        }
        short |= {"queues": queues, "groups": groups}
    return {key: value for key, value in short.items() if (key, value) != ("delivery", 1) or record["event"] == "left"}


def test_a_log_from_elsewhere_needs_only_the_required_keys() -> None:
    log = [*whole(A), get(20, B, 1), done(20, B), *died(30, "p-0"), born(31, "p-0"), put(32, C), get(33, C, 1)]
    log += [put(40, B, 21, recovered=True), *died(42, "c-0"), again(43, C, "c-0"), born(44, "c-0"), *whole("p-0:3", 50)]
    log += [fate("left", 60, C), end(90, put=4)]
    log = [*start(), *log]
    assert judged(events_of(map(bare, log))) == judged(events_of(log)) == Verdict(True, None, 0, ())


def test_more_keys_do_no_harm() -> None:
    log = [{**record, "more": {"a": [1]}} for record in [*start(), *whole(A), end(900)]]
    assert judged(events_of(log)) == Verdict(True, None, 0, ())


# --- laws

topologies = st.builds(
    Topology,
    producers=st.integers(1, 3),
    consumers=st.integers(1, 3),
    stages=st.integers(0, 3),
    stage_workers=st.integers(1, 3),
    items=st.integers(0, 12),
    maxsize=st.sampled_from([0, 1, 2, 7]),
    batch=st.sampled_from([1, 2, 5]),
    quota=st.none() | st.integers(1, 4),
    seed=st.integers(0, 2**32),
)


@settings(max_examples=150, deadline=None)
@given(topologies)
def test_a_legal_log_raises_no_alarm(topology: Topology) -> None:
    assert judged(events_of(legal_log(topology))) == Verdict(True, None, 0, ())


@settings(max_examples=75, deadline=None)
@given(topologies, st.data())
def test_a_legal_log_cut_short_is_unknown(topology: Topology, data: st.DataObject) -> None:
    log = legal_log(topology)
    kept = data.draw(st.integers(1, len(log) - 1))
    assert judged(events_of(log[:kept])) == Verdict("unknown", "incomplete: there is no run.end", 0, ())


def drop(log: list[Record], k: int, random: Random) -> set[Kind]:
    return {"put": {Kind.UNEXPECTED}, "get": {Kind.CAUSALITY, Kind.TOTALS}, "done": {Kind.LOST}}[log.pop(k)["event"]]


def duplicate(log: list[Record], k: int, random: Random) -> set[Kind]:
    log.insert(k, log[k])
    return {Kind.DUPLICATED}


def rename(log: list[Record], k: int, random: Random) -> set[Kind]:
    log[k] = log[k] | {"id": "p-0:999"}
    return {Kind.LOST, Kind.UNEXPECTED, Kind.DUPLICATED}


def requeue(log: list[Record], k: int, random: Random) -> set[Kind]:
    log[k] = log[k] | {"queue": "elsewhere"}
    return {Kind.UNEXPECTED}


def give_to_another(log: list[Record], k: int, random: Random) -> set[Kind]:
    log[k] = log[k] | {"worker": "c-9"}
    return {Kind.UNEXPECTED}


def retime(log: list[Record], k: int, random: Random) -> set[Kind]:
    """Falsify a duration; a wait of a get and a short service contradict nothing."""
    key = {"put": "wait_ns", "get": "latency_ns", "done": "service_ns"}[log[k]["event"]]
    log[k] = log[k] | {key: log[k][key] + 100_000}
    return {Kind.CAUSALITY}


def redeliver(log: list[Record], k: int, random: Random) -> set[Kind]:
    log[k] = log[k] | {"delivery": random.choice([0, 2, 3])}
    return {Kind.DUPLICATED}


@settings(max_examples=150, deadline=None)
@given(
    topologies.filter(lambda topology: topology.items > 0),
    st.sampled_from([drop, duplicate, rename, requeue, give_to_another, retime, redeliver]),
    st.randoms(use_true_random=False),
)
def test_one_falsified_line_is_caught_with_its_class(topology: Topology, mutate: Any, random: Random) -> None:
    log = legal_log(topology)
    hot = [k for k, record in enumerate(log) if record["event"] in ("put", "get", "done")]
    expected = mutate(log, random.choice(hot), random)
    verdict = audit(events_of(log))
    assert verdict.valid is False
    assert {each.kind for each in verdict.violations} & expected
