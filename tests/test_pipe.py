"""The kind `pipe`: every item arrives whole and once, the bound holds exactly, the end is seen, memory is constant."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from running import START_METHODS, Ran, execute, until, within

from runner.envelope import Batch, Envelope, packed
from runner.planning.plan import QueuePlan
from runner.queues.contract import Stopped, UnsendableItem
from runner.queues.pipe import PipeQueue
from runner.queues.tickets import record_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.context import BaseContext

    from runner.queues.contract import ProcessReader, Writer

NO_CONTEXT: BaseContext = None  # type: ignore[assignment]  # a pipe needs none


class Ends:
    """A queue in this process, with one writer and one reader; the descriptors they close are copies."""

    def __init__(self, folder: Path, maxsize: int = 0, batch: int = 1) -> None:
        self.queue = PipeQueue(QueuePlan("q", "pipe", maxsize, batch, None), NO_CONTEXT, folder, 1)
        self.told = False
        self.folder = folder

    def writer(self, worker: int = 0) -> Writer:
        connector = self.queue.connector(worker, 1, writes=True)
        connector.end = os.dup(connector.end)
        return connector.writer(lambda: self.told)

    def reader(self) -> ProcessReader:
        connector = self.queue.connector(9, 1, writes=False)
        connector.end = os.dup(connector.end)
        return connector.reader(lambda: self.told)


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    made = Ends(tmp_path)
    yield made
    made.queue.close()


def envelopes(*items: Any, **keys: Any) -> list[Envelope]:
    return [Envelope(producer=3, seq=seq, item=item, began=seq + 5, **keys) for seq, item in enumerate(items)]


ITEMS = [
    0,
    -1,
    2**63 - 1,
    -(2**63),
    2**63,
    2**70,
    True,
    None,
    0.5,
    "é",
    b"\0",
    [1, {"k": (2,)}],
    Path("x"),
    "x" * 100_000,
]


def test_what_is_put_is_got_with_all_it_carries(ends: Ends) -> None:
    writer, reader = ends.writer(), ends.reader()
    for sent in [*envelopes(*ITEMS), *envelopes(1, "x", suffix=".0.1", padding=b"123", delivery=2)]:
        assert writer.put([sent]) == 1
        assert ends.queue.depth() == 1
        [got] = reader.get(5)
        assert got == sent
        assert type(got.item) is type(sent.item)


def test_a_write_takes_128_and_a_read_no_more_than_batch_and_limit(tmp_path: Path) -> None:
    ends = Ends(tmp_path, batch=100)
    writer, reader = ends.writer(), ends.reader()
    assert writer.put(envelopes(*range(200))) == 128
    assert [len(reader.get(limit)) for limit in (7, 1000, 1000)] == [7, 100, 21]
    ends.queue.close()


@pytest.mark.parametrize("maxsize", [0, 3])
def test_a_batch_of_whole_numbers_is_packed_once_for_queue_and_journal(maxsize: int, tmp_path: Path) -> None:
    """On both ends it says what `packed` gives, of no more than was written or read; of other items it says nothing."""
    ends = Ends(tmp_path, maxsize, batch=100)
    writer, reader = ends.writer(), ends.reader()
    for sent in (envelopes(*range(-2, 1)), envelopes(2**63 - 1, -(2**63), delivery=2)):
        batch = Batch(sent)
        count = writer.put(batch)
        got = reader.get(100)
        assert count == len(sent)
        assert got == sent
        assert isinstance(got, Batch)
        assert got.packed == batch.packed == packed(sent) is not None
    for odd in (envelopes(1, "x"), envelopes(1, 2**63), envelopes(1, True), envelopes(1, 2, suffix=".0"),
                envelopes(1, 2, padding=b"x")):  # fmt: skip
        batch = Batch(odd)
        assert writer.put(batch) == 2
        assert reader.get(100) == odd
        assert batch.packed is packed(odd) is None
    ends.queue.close()


def test_the_end_is_seen_when_the_last_writer_has_closed(ends: Ends) -> None:
    writers, reader = [ends.writer(0), ends.writer(1)], ends.reader()
    ends.queue.end()
    writers[0].put(envelopes(1))
    writers[0].close()
    writers[1].put(envelopes(2))
    writers[1].close()
    assert [one.item for one in reader.get(1) + reader.get(1)] == [1, 2]
    assert reader.get(1) == []
    assert reader.get(1) == []


def test_a_writer_whose_readers_are_gone_is_stopped(ends: Ends) -> None:
    writer = ends.writer()
    ends.queue.close()
    with pytest.raises(Stopped):
        writer.put(envelopes(1))


@pytest.mark.parametrize("maxsize", [1, 7, 100])
def test_the_bound_is_exact(maxsize: int, tmp_path: Path) -> None:
    ends = Ends(tmp_path, maxsize, batch=128)
    writer, reader = ends.writer(), ends.reader()
    assert writer.put(envelopes(*range(maxsize + 20))) == maxsize
    assert ends.queue.depth() == maxsize
    reader.get(1)
    assert writer.put(envelopes(*range(20))) == 1
    ends.queue.close()


def test_a_writer_that_waits_for_room_is_woken_by_a_reader(tmp_path: Path) -> None:
    ends = Ends(tmp_path, maxsize=1)
    writer, reader = ends.writer(), ends.reader()
    writer.put(envelopes(1))
    thread = threading.Thread(target=writer.put, args=(envelopes(2),))
    thread.start()
    assert [one.item for one in reader.get(1) + reader.get(1)] == [1, 2]
    thread.join(10)
    assert not thread.is_alive()
    ends.queue.close()


def test_a_writer_that_waits_for_room_ends_when_told_to(tmp_path: Path) -> None:
    ends = Ends(tmp_path, maxsize=1)
    writer = ends.writer()
    writer.put(envelopes(1))
    ends.told = True
    with within(5), pytest.raises(Stopped):
        writer.put(envelopes(2))
    ends.told = False
    ends.reader().get(1)
    assert writer.put(envelopes(2)) == 1, "the gate was left locked"
    ends.queue.close()


def test_a_writer_that_waits_for_room_ends_when_no_reader_is_left(tmp_path: Path) -> None:
    ends = Ends(tmp_path, maxsize=1)
    writer, reader = ends.writer(), ends.reader()
    ends.queue.close()
    writer.put(envelopes(1))
    reader.cut()  # its end of the pipe is gone with that
    with within(5), pytest.raises(Stopped):
        writer.put(envelopes(2))


def test_a_reader_that_is_cut_sees_the_end(ends: Ends) -> None:
    writer, reader = ends.writer(), ends.reader()
    writer.put(envelopes(1))
    reader.cut()
    assert reader.get(1) == []


def test_an_item_that_finds_no_room_is_filed_away_once(tmp_path: Path) -> None:
    ends = Ends(tmp_path, maxsize=1, batch=64)
    writer, reader = ends.writer(), ends.reader()
    waiting = envelopes(*["x" * 1000] * 50)
    got = []
    while waiting:
        del waiting[: writer.put(waiting)]
        got += reader.get(64)
    assert [one.item for one in got] == ["x" * 1000] * 50
    once = 50 * sum(map(len, record_of(Envelope(3, 0, "x" * 1000))))
    assert (tmp_path / "payload-0.1.bin").stat().st_size == once
    ends.queue.close()


def test_an_item_that_cannot_be_pickled_is_named(ends: Ends) -> None:
    bad = envelopes(lambda: None)
    with pytest.raises(UnsendableItem, match="cannot be pickled") as caught:
        ends.writer().put(bad)
    assert caught.value.envelope is bad[0]
    assert ends.queue.depth() == 0


def test_the_granted_capacity_is_told(tmp_path: Path) -> None:
    for maxsize, least in ((0, 2048), (7, 7), (32_768, 32_768)):
        folder = tmp_path / str(maxsize)
        folder.mkdir()
        queue = Ends(folder, maxsize).queue
        assert (queue.capacity or 0) >= least
        queue.close()


def depth(ran: Ran, queue: str = "main") -> int:
    """Largest number of puts returned minus gets begun."""
    moves = [(event["t_ns"], 1) for event in ran.of("put") if event["queue"] == queue]
    moves += [(event["t_ns"] - event["wait_ns"], -1) for event in ran.of("get") if event["queue"] == queue]
    deepest = current = 0
    for _, step in sorted(moves):
        current += step
        deepest = max(deepest, current)
    return deepest


@pytest.mark.process
@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("maxsize", [1, 7, 100])
def test_the_depth_is_never_above_maxsize(maxsize: int, batch: int, tmp_path: Path) -> None:
    ran = execute(
        f"""
start_method: fork
queues: {{main: {{maxsize: {maxsize}, batch: {batch}}}}}
producers: {{p: {{count: 3, items: 300}}}}
consumers: {{c: {{count: 2, sleep: 20us}}}}
""",
        tmp_path,
    )
    ran.assert_ok()
    ran.assert_delivered()
    assert depth(ran) <= maxsize
    assert ran.result.summary["queues"]["main"]["max_depth"] == depth(ran)


@pytest.mark.process
@pytest.mark.parametrize("method", START_METHODS)
@pytest.mark.parametrize("kind", ["pipe", "multiprocessing.Queue"])
def test_items_of_every_type_arrive(kind: str, method: str, tmp_path: Path) -> None:
    ran = execute(
        f"start_method: {method}\nqueues: {{main: {{kind: {kind}}}}}\n"
        'producers: {p: {items: {call: "actions:values"}, payload: 4KiB}}\nconsumers: {c: {}}',
        tmp_path,
    )
    ran.assert_ok()
    ran.assert_delivered()
    items = [event["item"] for event in ran.of("done")]
    assert items[:7] == [None, True, -7, 2**70, -(2**63), 0.5, "aé"]
    assert items[9:] == [[1, {"k": [None]}], [1, 2], "Parcel(size=3)"]


@pytest.mark.process
@pytest.mark.parametrize("kind", ["pipe", "multiprocessing.Queue"])
@pytest.mark.parametrize("maxsize", [0, 1])
def test_items_of_10_mb_arrive(kind: str, maxsize: int, tmp_path: Path) -> None:
    ran = execute(
        f"""
start_method: fork
queues: {{main: {{kind: {kind}, maxsize: {maxsize}}}}}
producers:
  p: {{items: {{call: {{target: "actions:big", kwargs: {{size: 10000000}}}}}}}}
  q: {{items: 3, payload: 10MB}}
consumers: {{c: {{count: 2}}}}
""",
        tmp_path,
        seconds=60,
    )
    ran.assert_ok()
    ran.assert_delivered()
    sizes = {event["id"]: event.get("item_bytes") for event in ran.of("done")}
    assert sizes == {
        "p-0:0": 10_000_002, "p-0:1": 10_000_005, "p-0:2": 10_000_021, "p-0:3": None,
        "q-0:0": None, "q-0:1": None, "q-0:2": None,
    }  # fmt: skip


def peaks(count: int, folder: Path) -> list[int]:
    """Peaks of memory of all four workers, in KiB."""
    folder.mkdir()
    ran = execute(
        f"""
queues: {{main: {{batch: 64}}}}
producers:
  p: {{count: 2, items: {{call: {{target: "actions:metered", kwargs: {{count: {count}, folder: {folder}}}}}}}}}
consumers:
  c: {{count: 2, call: {{target: "actions:Peak", kwargs: {{folder: {folder}}}}}}}
""",
        folder,
        seconds=240,
    )
    ran.assert_ok()
    assert len(ran.of("done")) == 2 * count
    found = [int(path.read_text()) for path in folder.glob("*.peak")]
    until(lambda: len(found) == 4, 0.1)
    return found


@pytest.mark.slow
@pytest.mark.process
def test_a_workers_memory_does_not_grow_with_the_number_of_items(tmp_path: Path) -> None:
    """Ten times the items, at most 3 MiB more: 17 bytes an item and worker, where a record alone has 48.

    What grows up to a bound is the mapped window of the journal, 1.1 MiB at most, and what the allocator keeps.
    """
    few, many = peaks(10_000, tmp_path / "few"), peaks(100_000, tmp_path / "many")
    assert max(many) - max(few) < 3 * 1024
