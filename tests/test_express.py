"""The express loops do what the steps' interpreter does: the same events, tickets and counters, through a real pipe."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from running import within
from test_worker import Naps

from runner.config.load import loads
from runner.engines import express, worker
from runner.engines.board import CLOSED, DONES, FINISH, GETS, PUTS, SKIPPED, STOP, Board, State
from runner.engines.items import items, numbers
from runner.engines.resume import Resume
from runner.engines.worker import Worker
from runner.envelope import Envelope, head, packed, packed_numbers
from runner.log.journal import DONE, GET, NO_SECOND, PUT, JournalWriter, records_of, suffix_of
from runner.planning.plan import QueuePlan
from runner.planning.resolve import plan as resolved
from runner.queues.pipe import PipeQueue
from runner.queues.tickets import SIZE, TICKET

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runner.log.journal import Record
    from runner.planning.plan import Plan, WorkerPlan
    from runner.queues.contract import ProcessReader, ProcessWriter

NOWHERE: Any = None
COUNTERS = (PUTS, GETS, DONES, SKIPPED, CLOSED, STOP, FINISH)


def planned(producer: str = "items: 5", consumer: str = "", queue: str = "batch: 1", more: str = "") -> Plan:
    return resolved(
        loads(
            f"queues: {{main: {{{queue}}}}}\nproducers: {{p: {{{producer}}}}}\nconsumers: {{c: {{{consumer}}}}}\n{more}"
        )
    )


def of(plan: Plan, name: str) -> WorkerPlan:
    return next(each for each in plan.workers() if each.name == name)


@dataclass
class Told:
    """All that anybody can see of what a worker did, but for instants."""

    state: State
    counters: list[int]
    records: list[Record]
    tickets: bytes
    express: bool

    def of_kind(self, *kinds: int) -> list[tuple[Any, ...]]:
        """Its records without instants and durations; of a done service and plan remain."""
        return [(*(r[1:3] if r[8] == DONE else ()), *r[3:]) for r in self.records if r[8] in kinds]


class Pipe:
    """A worker's surroundings: a pipe, a journal, a board."""

    def __init__(self, folder: Path, plan: Plan, maxsize: int = 0) -> None:
        folder.mkdir()
        self.plan = plan
        self.folder = folder
        self.batch = plan.queues[0].batch
        self.queue = PipeQueue(QueuePlan("main", "pipe", maxsize, self.batch, None), NOWHERE, folder, 1)
        self.board = Board(folder / "board", plan.size, create=True)
        self.slot = self.board.slot(0)

    def writer(self, index: int = 0) -> ProcessWriter:
        connector = self.queue.connector(index, 1, writes=True)
        connector.end = os.dup(connector.end)
        return connector.writer(self.slot.stopped)

    def reader(self) -> ProcessReader:
        connector = self.queue.connector(9, 1, writes=False)
        connector.end = os.dup(connector.end)
        return connector.reader(self.slot.stopped)

    def run(self, name: str, resume: Resume, writer: Any = None, reader: Any = None) -> Told:
        """What a worker does from the start gate to its end."""
        plan = of(self.plan, name)
        self.slot = self.board.slot(plan.index)
        path = self.folder / "journal"
        journal = JournalWriter(path)
        one = Worker(plan, journal, self.slot, Naps(), self.batch, resume)
        one.prepare()
        with mock.patch.object(worker.Worker, "_drive", autospec=True, side_effect=worker.Worker._drive) as driven:
            state = one.run(reader, writer, 0)
        journal.close()
        tickets = b"".join(parcel.content for parcel in self.queue.drain()) if writer is not None else b""
        counters = [self.slot.words[self.slot.base + word] for word in COUNTERS]
        found = Told(state, counters, list(records_of(path)), tickets, not driven.called)
        self.queue.close()
        return found


def both(folder: Path, plan: Plan, act: Callable[[Pipe], Told]) -> tuple[Told, Told]:
    """What the express loop does, and what the interpreter does in its place."""
    fast = act(Pipe(folder / "express", plan))
    with mock.patch.object(worker, "express", return_value=None):
        slow = act(Pipe(folder / "steps", plan))
    assert not slow.express
    return fast, slow


# What a producer puts.


def put_all(resume: Resume = Resume()) -> Callable[[Pipe], Told]:  # noqa: B008 - frozen
    return lambda pipe: pipe.run("p-1", resume, writer=pipe.writer(1))


def without_began(tickets: bytes) -> list[tuple[int, ...]]:
    return [(*each[:4], each[5]) for each in TICKET.iter_unpack(tickets)]


@given(
    start=st.sampled_from([0, 3, -70, 2**63 - 700, 700 - 2**63]),
    count=st.integers(0, 300),
    step=st.sampled_from([1, 2, -1]),
    split=st.booleans(),
    batch=st.sampled_from([1, 2, 7, 64, 128]),
    put_before=st.integers(-1, 50),
)
def test_a_producer_puts_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    start: int,
    count: int,
    step: int,
    split: bool,
    batch: int,
    put_before: int,
) -> None:
    stop = start + count * step
    span = f"start: {start}, stop: {stop}, step: {step}, share: {'split' if split else 'each'}"
    plan = planned(f"count: 2, items: {{{span}}}", queue=f"batch: {batch}")
    before = -1 if put_before < 0 else 2 * put_before + 1  # a seq that p-1 may have been given, split or not
    fast, slow = both(tmp_path_factory.mktemp("run"), plan, put_all(Resume(seq=before)))
    assert fast.express
    assert (fast.state, fast.counters) == (slow.state, slow.counters)
    assert fast.state is State.FINISHED
    assert fast.of_kind(PUT) == slow.of_kind(PUT)
    assert without_began(fast.tickets) == without_began(slow.tickets)
    assert {record[7] for record in fast.records} <= {NO_SECOND}
    for told in (fast, slow):
        began = [each[4] for each in TICKET.iter_unpack(told.tickets)]
        assert began == [record[0] - record[1] for record in told.records], "a put begins when its ticket says"
        assert all(record[1] >= 0 for record in told.records)
        assert [record[0] for record in told.records] == sorted(record[0] for record in told.records)


@pytest.mark.parametrize("batch", [1, 64])
def test_who_finds_no_room_until_it_is_told_to_stop_has_put_the_same(batch: int, tmp_path: Path) -> None:

    def put_until_full(pipe: Pipe) -> Told:
        pipe.slot = pipe.board.slot(1)
        writer = pipe.writer(1)
        room = mock.Mock(side_effect=lambda _: pipe.slot.stop())  # who finds no room looks whether it is to stop
        with mock.patch.object(writer, "_poll", mock.Mock(poll=room)), within(60):
            return pipe.run("p-1", Resume(), writer=writer)

    plan = planned("count: 2, items: 1000000", "items: 5", f"batch: {batch}")
    fast, slow = both(tmp_path, plan, put_until_full)
    assert fast.express
    assert fast.state is slow.state is State.STOPPED
    assert fast.counters == slow.counters
    assert fast.of_kind(PUT) == slow.of_kind(PUT)
    assert len(fast.tickets) // SIZE == fast.counters[0] > 10_000
    assert without_began(fast.tickets) == without_began(slow.tickets)


@pytest.mark.parametrize(
    ("producer", "queue", "more"),
    [
        ("items: 5, sleep: 1us", "", ""),
        ("items: 5, sleep: {distribution: uniform, low: 0, high: 1}", "", ""),
        ("items: 5, payload: 1", "", ""),
        ("items: {values: [1, 2]}", "", ""),
        ("items: 5, pacing: open", "", ""),
        ("items: 5", "maxsize: 9", ""),
        ("items: 5", "", "duration: 1h"),
        ("items: 5", "", "faults: [{kill: p-0, after: {puts: 3}}]"),
        ("items: 5", "", "faults: [{pause: p-0, after: {puts: 3}, for: 1s}]"),
    ],
)
def test_other_producers_are_interpreted(producer: str, queue: str, more: str, tmp_path: Path) -> None:
    plan = planned(producer, queue=queue, more=more)
    pipe = Pipe(tmp_path / "pipe", plan, plan.queues[0].maxsize)
    found = express.express(of(plan, "p-0"), NOWHERE, pipe.slot, NOWHERE, pipe.writer(), 1, -1)
    pipe.queue.close()
    assert found is None


def test_who_may_be_told_to_come_to_an_end_is_interpreted(tmp_path: Path) -> None:
    plan = planned("items: 5")
    group = replace(plan.groups[0], dismissible=True)
    pipe = Pipe(tmp_path / "pipe", plan)
    found = express.express(replace(of(plan, "p-0"), group=group), NOWHERE, pipe.slot, NOWHERE, pipe.writer(), 1, -1)
    pipe.queue.close()
    assert found is None


# What a consumer gets.

ITEMS: st.SearchStrategy[Any] = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.integers(0, 9), st.sampled_from(["é", None, 2**63, True, [1, {"k": 2}]])
)
SENT = st.lists(
    st.builds(
        Envelope,
        producer=st.integers(0, 3),
        seq=st.integers(0, 2**40),
        item=ITEMS,
        delivery=st.sampled_from([1, 1, 1, 2, 9]),
        began=st.integers(1, 10**9),
        suffix=st.sampled_from(["", "", "", ".0", ".1.2"]),
        padding=st.sampled_from([b"", b"", b"xx"]),
    ),
    max_size=40,
)
NUMBERS = st.lists(
    st.builds(Envelope, producer=st.integers(0, 3), seq=st.integers(0, 99), item=st.integers(0, 9), began=st.just(5)),
    max_size=40,
)


def get_all(sent: list[Envelope], before: int) -> Callable[[Pipe], Told]:
    def act(pipe: Pipe) -> Told:
        writer = pipe.writer(7)
        for envelope in sent:
            writer.put([envelope])
        writer.close()
        pipe.queue.end()
        slot = pipe.board.slot(of(pipe.plan, "c-0").index)
        slot.correct(0, before, before, 0)
        return pipe.run("c-0", Resume(), reader=pipe.reader())

    return act


@given(
    sent=st.one_of(SENT, NUMBERS),
    batch=st.sampled_from([1, 2, 7, 64]),
    quota=st.sampled_from([None, 3, 8, 100]),
    before=st.integers(0, 3),
)
def test_a_consumer_gets_and_does_the_same(
    tmp_path_factory: pytest.TempPathFactory, sent: list[Envelope], batch: int, quota: int | None, before: int
) -> None:
    """Whatever lies in the pipe: numbers alone, or between what lies in payload files."""
    plan = planned("items: 200", f"items: {quota}" if quota else "", f"batch: {batch}")
    fast, slow = both(tmp_path_factory.mktemp("run"), plan, get_all(sent, before))
    assert fast.express
    assert fast.state is slow.state is State.FINISHED
    assert fast.counters == slow.counters
    assert fast.of_kind(GET, DONE) == slow.of_kind(GET, DONE)
    for told in (fast, slow):
        check_times(told, sent)


def check_times(told: Told, sent: list[Envelope]) -> None:
    gets = [record for record in told.records if record[8] == GET]
    for envelope, get in zip(sent, gets, strict=False):
        assert get[0] - get[2] == envelope.began
        assert get[1] >= 0
    held: dict[Any, int] = {}
    for record in told.records:
        key = (record[5], record[3], suffix_of(record), record[6])
        if record[8] == GET:
            held.setdefault(key, record[0])
        else:
            assert held[key] <= record[0], "no item is done before it is got"
    instants = [record[0] for record in told.records]
    assert instants == sorted(instants)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_consumer_told_to_stop_gets_nothing_more(batch: int, tmp_path: Path) -> None:
    plan = planned(queue=f"batch: {batch}")

    def get_none(pipe: Pipe) -> Told:
        pipe.writer(7).put([Envelope(0, 0, 0)])
        pipe.board.slot(of(plan, "c-0").index).stop()
        return pipe.run("c-0", Resume(), reader=pipe.reader())

    fast, slow = both(tmp_path, plan, get_none)
    assert fast.express
    assert (fast.state, fast.counters, fast.records) == (slow.state, slow.counters, slow.records)
    assert fast.state is State.STOPPED


@pytest.mark.parametrize(
    ("consumer", "more"),
    [
        ("sleep: 1us", ""),
        ("busy: 1us", ""),
        ("sleep: {distribution: uniform, low: 0, high: 1}", ""),
        ('call: "m:f"', ""),
        ("", "faults: [{raise: c-0, after: {gets: 3}}]"),
    ],
)
def test_other_consumers_are_interpreted(consumer: str, more: str, tmp_path: Path) -> None:
    plan = planned(consumer=consumer, more=more)
    pipe = Pipe(tmp_path / "pipe", plan)
    found = express.express(of(plan, "c-0"), NOWHERE, pipe.slot, pipe.reader(), NOWHERE, 1, -1)
    pipe.queue.close()
    assert found is None


def test_work_that_lasts_no_time_is_none(tmp_path: Path) -> None:
    plan = planned(consumer="sleep: 0")
    pipe = Pipe(tmp_path / "pipe", plan)
    found = express.express(of(plan, "c-0"), NOWHERE, pipe.slot, pipe.reader(), NOWHERE, 1, -1)
    pipe.queue.close()
    assert found is not None


def test_numbers_are_packed_as_envelopes_are() -> None:
    seqs, numbers = range(5, 50, 3), range(-3, 27, 2)
    envelopes = [Envelope(7, seq, item, 1, 99) for seq, item in zip(seqs, numbers, strict=True)]
    assert packed_numbers(head(7, 1), seqs, numbers, 99) == packed(envelopes)


@given(
    count=st.integers(1, 4),
    span=st.tuples(st.integers(-9, 9), st.integers(0, 30), st.sampled_from([1, 3, -2])),
    split=st.booleans(),
    after=st.integers(-1, 40),
)
def test_known_numbers_are_the_items(count: int, span: tuple[int, int, int], split: bool, after: int) -> None:
    start, length, step = span
    share = "split" if split else "each"
    plan = planned(
        f"count: {count}, items: {{start: {start}, stop: {start + length * step}, step: {step}, share: {share}}}"
    )
    for one in plan.workers():
        if one.group.name == "p":
            known = numbers(one, after)
            assert known is not None
            assert list(zip(*known, strict=True)) == list(items(one, NOWHERE, after))
