"""The worker loop: what is written and logged when, in batches and one by one, and how it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runner.config.load import loads
from runner.engines import usercode
from runner.engines.board import Board, State
from runner.engines.worker import Worker
from runner.envelope import Batch, Envelope, packed
from runner.log.journal import DONE, GET, NO_SECOND, PUT, RAW, JournalReader, JournalWriter
from runner.planning.resolve import plan
from runner.queues.contract import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runner.engines.board import Slot
    from runner.log.journal import Record
    from runner.queues.contract import Writer

NAMES = {PUT: "put", GET: "get", DONE: "done", RAW: "error"}


class Source:
    """A queue's end that gives these batches, then the stream's end."""

    def __init__(self, *batches: list[Envelope]) -> None:
        self.batches = list(batches)
        self.limits: list[int] = []

    def get(self, limit: int) -> list[Envelope]:
        self.limits.append(limit)
        return self.batches.pop(0) if self.batches else []


class Target:
    """A queue's end that takes at most `room` items in a write."""

    def __init__(self, room: int = 100, then: Callable[[], None] = lambda: None) -> None:
        self.room = room
        self.then = then
        self.writes: list[list[Any]] = []
        self.closed = 0

    def put(self, envelopes: list[Envelope]) -> int:
        taken = envelopes[: self.room]
        self.writes.append([f"{one.seq}{one.suffix}" for one in taken])
        self.then()
        return len(taken)

    def close(self) -> None:
        self.closed += 1


class Naps:
    """Waiting that only counts."""

    def __init__(self) -> None:
        self.naps: list[float] = []

    def nap(self, seconds: float) -> None:
        self.naps.append(seconds)

    def close(self, writer: Writer) -> None:
        writer.close()

    def kill(self) -> None:
        raise KeyboardInterrupt


class Bench:
    """One worker of a config, with all it needs, and what it has journalled."""

    def __init__(self, folder: Path, name: str, keys: str, batch: int = 1) -> None:
        config = loads(
            f"queues: {{a: {{}}, b: {{}}}}\nproducers: {{p: {{items: 5, to: a, {keys if name == 'p-0' else ''}}}}}\n"
            f"stages: {{s: {{from: a, to: b, {keys if name == 's-0' else ''}}}}}\n"
            f"consumers: {{c: {{from: b, {keys if name == 'c-0' else ''}}}}}"
        )
        planned = plan(config)
        worker = next(one for one in planned.workers() if one.name == name)
        self.board = Board(folder / "board", planned.size, create=True)
        self.slot: Slot = self.board.slot(worker.index)
        self.path = folder / "journal"
        self.naps = Naps()
        self.worker = Worker(worker, JournalWriter(self.path), self.slot, self.naps, batch)

    def run(self, source: Source | None = None, target: Target | None = None) -> State:
        self.worker.prepare()
        return self.worker.run(source, target, 0)

    def records(self) -> list[Record]:
        reader = JournalReader(self.path)
        found = reader.read(1000)
        reader.close()
        return found

    def logged(self) -> list[str]:
        """`put 0`, `done 0.1`, … in the journal's order."""
        return [
            NAMES[r[8]] if r[8] == RAW
            else f"{NAMES[r[8]]} {r[3]}{'' if r[4].__class__ is int else r[4].partition(bytes(1))[0].decode()}"
            for r in self.records()
        ]  # fmt: skip


def items(*seqs: int) -> list[Envelope]:
    return [Envelope(producer=0, seq=seq, item=seq) for seq in seqs]


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """User code by name, in place of an import."""
    known: dict[str, Any] = {}
    monkeypatch.setattr(usercode, "_found", lambda code: known[code.target])
    return known


def test_a_producer_puts_one_by_one_and_closes_once(tmp_path: Path) -> None:
    bench, target = Bench(tmp_path, "p-0", ""), Target()
    assert bench.run(None, target) is State.FINISHED
    assert target.writes == [["0"], ["1"], ["2"], ["3"], ["4"]]
    assert bench.logged() == ["put 0", "put 1", "put 2", "put 3", "put 4"]
    assert (bench.slot.puts, bench.slot.closed, target.closed) == (5, True, 1)


def test_a_batch_is_written_when_full_and_at_the_end(tmp_path: Path) -> None:
    bench, target = Bench(tmp_path, "p-0", "", batch=3), Target()
    assert bench.run(None, target) is State.FINISHED
    assert target.writes == [["0", "1", "2"], ["3", "4"]]
    assert bench.slot.puts == 5


def test_no_item_waits_for_a_batch_past_a_pause(tmp_path: Path) -> None:
    bench, target = Bench(tmp_path, "p-0", "sleep: 0.5", batch=3), Target()
    bench.run(None, target)
    assert target.writes == [["0"], ["1"], ["2"], ["3"], ["4"]]
    assert bench.naps.naps == [0.5] * 5


def test_a_write_that_finds_little_room_is_continued(tmp_path: Path) -> None:
    bench, target = Bench(tmp_path, "p-0", "", batch=5), Target(room=2)
    bench.run(None, target)
    assert target.writes == [["0", "1"], ["2", "3"], ["4"]]
    assert bench.logged() == ["put 0", "put 1", "put 2", "put 3", "put 4"]


def test_a_consumer_logs_get_and_done_for_each_of_a_batch(tmp_path: Path) -> None:
    bench, source = Bench(tmp_path, "c-0", "items: 4"), Source(items(0, 1, 2), items(3))
    assert bench.run(source) is State.FINISHED
    assert bench.logged() == ["get 0", "get 1", "get 2", "done 0", "done 1", "done 2", "get 3", "done 3"]
    assert source.limits == [4, 1]
    assert (bench.slot.gets, bench.slot.dones) == (4, 4)


class Packing(Target):
    """A queue's end that packs what it is given, as that of a pipe does."""

    def put(self, envelopes: list[Envelope]) -> int:
        assert isinstance(envelopes, Batch)
        envelopes.packed = packed(envelopes)
        return super().put(envelopes)


def test_what_is_packed_is_logged_as_it_is_item_by_item(tmp_path: Path) -> None:
    """Also where a write finds little room, and what it did not take is packed again with a later beginning."""
    bench, target = Bench(tmp_path, "p-0", "", batch=5), Packing(room=3)
    bench.run(None, target)
    assert target.writes == [["0", "1", "2"], ["3", "4"]]
    assert bench.logged() == ["put 0", "put 1", "put 2", "put 3", "put 4"]
    puts = bench.records()
    assert [record[7] for record in puts] == [NO_SECOND] * 5
    assert len({(record[0], record[1]) for record in puts}) == 2


def test_a_packed_read_is_logged_with_the_latency_of_each(tmp_path: Path) -> None:
    bench, read = Bench(tmp_path, "c-0", "items: 3"), items(0, 1, 2)
    for envelope in read:
        envelope.began = 100 + envelope.seq
    assert bench.run(Source(Batch(read, packed(read)))) is State.FINISHED
    assert bench.logged() == ["get 0", "get 1", "get 2", "done 0", "done 1", "done 2"]
    gets = bench.records()[:3]
    assert [record[0] - record[2] for record in gets] == [100, 101, 102]
    assert len({record[:2] for record in gets}) == 1


def test_what_a_stage_has_done_is_logged_after_its_puts(tmp_path: Path) -> None:
    """They are written in batches, when the hand is empty; a done before its put would be a lie."""
    bench, source, target = Bench(tmp_path, "s-0", "", batch=3), Source(items(0, 1), items(2)), Target()
    assert bench.run(source, target) is State.FINISHED
    assert target.writes == [["0", "1"], ["2"]]
    assert bench.logged() == [
        "get 0", "get 1", "put 0", "done 0", "put 1", "done 1", "get 2", "put 2", "done 2",
    ]  # fmt: skip
    assert (bench.slot.puts, bench.slot.dones) == (3, 3)


def test_reports_stay_in_order_when_a_batch_needs_several_writes(tmp_path: Path) -> None:
    bench, source, target = Bench(tmp_path, "s-0", "", batch=4), Source(items(0, 1, 2)), Target(room=1)
    bench.run(source, target)
    assert bench.logged()[3:] == ["put 0", "done 0", "put 1", "done 1", "put 2", "done 2"]


def test_a_generator_puts_what_it_yields_and_nothing_is_filtered(tmp_path: Path, user: dict[str, Any]) -> None:
    user["m:f"] = lambda item: (item for _ in range(item))
    bench, source, target = Bench(tmp_path, "s-0", 'call: "m:f"', batch=8), Source(items(0, 2)), Target()
    assert bench.run(source, target) is State.FINISHED
    assert bench.logged() == ["get 0", "get 2", "done 0", "put 2.0", "put 2.1", "done 2"]


def test_a_failed_call_is_reported_with_its_item(tmp_path: Path, user: dict[str, Any]) -> None:
    user["m:f"] = lambda item: 1 // (item - 1)
    bench = Bench(tmp_path, "c-0", 'call: "m:f"')
    assert bench.run(Source(items(0, 1, 2))) is State.FAILED
    assert bench.logged() == ["get 0", "get 1", "get 2", "done 0", "error"]
    assert b'"id": "p-0:1"' in bench.records()[-1][4]


def test_service_times_are_those_of_the_item_at_hand(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "c-0", "busy: 1ms")
    bench.run(Source(items(0, 1)))
    done = [record for record in bench.records() if record[8] == DONE]
    assert all(1_000_000 <= record[1] < 500_000_000 for record in done)
    assert [record[2] for record in done] == [1_000_000] * 2


@pytest.mark.parametrize("batch", [1, 3])
def test_a_worker_told_to_stop_ends_at_its_next_step(batch: int, tmp_path: Path) -> None:
    """What was put by then is logged; what was not, is not."""
    bench = Bench(tmp_path, "p-0", "", batch)
    assert bench.run(None, Target(then=bench.slot.stop)) is State.STOPPED
    assert bench.logged() == [f"put {seq}" for seq in range(batch)]


def test_a_consumer_told_to_stop_does_not_get(tmp_path: Path) -> None:
    bench, source = Bench(tmp_path, "c-0", ""), Source(items(0))
    bench.slot.stop()
    assert bench.run(source) is State.STOPPED
    assert source.limits == []


def test_a_blocked_operation_that_is_stopped_stops_the_worker(tmp_path: Path) -> None:
    def stop() -> None:
        raise Stopped

    bench = Bench(tmp_path, "p-0", "")
    assert bench.run(None, Target(then=stop)) is State.STOPPED
    assert bench.logged() == []
