"""The books of a simulation: the ledger's figures, and an objection to whatever cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from test_simulation_oracle import planned

from runner.analysis.ordered_books import OrderedBooks
from runner.config.load import loads
from runner.config.simulable import simulable
from runner.engines.simulated import LedgerBooks, books_for, closed
from runner.engines.simulation import Simulation, run
from runner.log.journal import DONE, GET, PUT
from runner.planning.resolve import plan as resolved

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.analysis.violations import Kind
    from runner.log.sequence import Record
    from runner.planning.plan import Plan

TEXT = """
queues: {main: {maxsize: 3}}
producers: {p: {count: 2, items: 5, sleep: 1s}}
consumers: {c: {count: 2, sleep: {distribution: uniform, low: 1s, high: 4s}}}
"""


def of(text: str) -> Plan:
    return resolved(simulable(loads(text)))


def records_of(plan: Plan) -> list[Record]:
    found: list[Record] = []
    run(Simulation(plan, "run"), found.extend)
    return found


@pytest.mark.parametrize(
    "plan",
    [
        *(planned(number) for number in range(25)),
        of(TEXT),
        of("duration: 5s\n" + TEXT.replace("items: 5, ", "")),
        of("queues: {main: {batch: 4}}\nproducers: {p: {items: 50, sleep: 1s}, q: {items: 30}}\nconsumers: {c: {}}"),
        of("producers: {p: {items: 9, sleep: 1s}}\nconsumers: {c: {items: 4, sleep: 1s}}"),
        of("producers: {p: {items: 30, pacing: open, sleep: 1s}}\nconsumers: {c: {sleep: 1500ms}}"),
        of(
            "queues: {main: {maxsize: 2}}\nproducers: {p: {count: 2, items: 30, pacing: open, sleep: 1s}}\n"
            "consumers: {c: {sleep: 700ms}}"
        ),
        of("cores: 1\nproducers: {p: {items: 9}}\nconsumers: {c: {count: 3, busy: 1s}}"),
    ],
)
def test_they_say_what_the_ledger_says(plan: Plan) -> None:
    ordered, ledger = OrderedBooks(plan.origins.prefix), LedgerBooks(plan.origins.prefix)
    records = records_of(plan)
    for begin in range(0, len(records), 7):
        ordered.enter(records[begin : begin + 7])
        ledger.enter(records[begin : begin + 7])
    ours, theirs = closed(ordered), closed(ledger)
    assert msgspec.to_builtins(ours) == msgspec.to_builtins(theirs)
    assert ours[1].valid is True


def place(records: list[Record], kind: int, number: int = 2) -> int:
    return [place for place, record in enumerate(records) if record[0] == kind][number]


def swap(records: list[Record]) -> None:
    """Two items are got in the other order."""
    first, second = (place(records, GET, number) for number in (2, 3))
    one, two = records[first], records[second]
    records[first], records[second] = (*one[:3], two[3], *one[4:]), (*two[:3], one[3], *two[4:])


def repeat(kind: int) -> Callable[[list[Record]], None]:
    return lambda records: records.insert(place(records, kind), records[place(records, kind)])


def omit(kind: int) -> Callable[[list[Record]], None]:
    def change(records: list[Record]) -> None:
        del records[place(records, kind)]

    return change


def shift(kind: int, figure: int) -> Callable[[list[Record]], None]:
    """A wait or a latency that does not fit."""

    def change(records: list[Record]) -> None:
        at = place(records, kind)
        record = list(records[at])
        record[figure] = (record[figure] or 0) + 1
        records[at] = tuple(record)

    return change


def crowd(records: list[Record]) -> None:
    """All gets come late."""
    late = [record for record in records if record[0] in (GET, DONE)]
    early = [record for record in records if record[0] not in (GET, DONE)]
    records[:] = [*early[:-1], *late, early[-1]]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (swap, "fifo"),
        (repeat(PUT), "order"),
        (repeat(GET), "fifo"),
        (repeat(DONE), "unexpected"),
        (omit(PUT), "fifo"),
        (omit(GET), "unexpected"),
        (omit(DONE), "lost"),
        (shift(PUT, 4), "causality"),
        (shift(GET, 5), "causality"),
        (crowd, "depth"),
    ],
)
def test_what_cannot_be_is_objected_to(change: Callable[[list[Record]], None], kind: Kind) -> None:
    plan = of(TEXT)
    records = records_of(plan)
    change(records)
    books = OrderedBooks(plan.origins.prefix)
    books.enter(records)
    verdict = closed(books)[1]
    assert verdict.valid is False
    assert kind in {violation.kind for violation in verdict.violations}


def test_wrong_totals_and_more_than_planned_are_objected_to() -> None:
    plan = of(TEXT)
    records = records_of(plan)
    start, end = records[0][3], records[-1][3]
    start["groups"]["p"]["planned"] = 9
    end["totals"]["done"] = 11
    books = OrderedBooks(plan.origins.prefix)
    books.enter(records)
    assert {violation.kind for violation in closed(books)[1].violations} == {"quota", "totals"}


def test_where_somebody_may_die_the_ledger_keeps_the_books() -> None:
    assert isinstance(books_for(of(TEXT)), OrderedBooks)
    assert isinstance(books_for(of(TEXT + "faults: [{kill: c-0, after: {gets: 1}}]")), LedgerBooks)
    assert isinstance(books_for(of(TEXT + "warmup: 1s")), LedgerBooks)
    assert isinstance(books_for(of(TEXT.replace("count: 2, sleep", "item_timeout: 9s, sleep"))), LedgerBooks)


def test_what_is_done_is_forgotten() -> None:
    plan = of("producers: {p: {items: 3000, sleep: 1s}}\nconsumers: {c: {}}")
    books = OrderedBooks(plan.origins.prefix)
    books.enter(records_of(plan))
    assert not any(queue.inside for queue in books.queues.values())
    assert not any(worker.hands for worker in books.workers.values())
