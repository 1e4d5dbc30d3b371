"""What every kind of queue keeps, as tests: derive a class, say which kind, and let pytest collect it.

    from runner.testing.queue_contract import QueueContract

    class TestMyKind(QueueContract):
        kind = MyKind

Each test makes a queue and ends in processes of their own (`runner.testing.ends`). pytest is needed only to collect and
run them; to see values where an assertion fails, say `pytest.register_assert_rewrite("runner.testing")` in conftest.py.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import time
from multiprocessing.synchronize import SemLock
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final
from unittest import SkipTest

from runner.config.kinds import what_is_wrong
from runner.envelope import Envelope
from runner.queues.contract import RepairableQueue
from runner.testing.ends import STOPPED, UNSENDABLE, Bench, Unpicklable, Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from multiprocessing.connection import Connection

    from runner.queues.contract import Kind

_ITEMS: Final[list[Any]] = [0, -1, True, None, 2**70, 1.5, "é", b"\0", [1, {"a": (2,)}], "x" * 10_000]
_NOT_YET_S: Final = 0.3
"""So long nothing is to happen where somebody waits; a slow machine makes the test blind, never red."""
_GONE_WITHIN_S: Final = 2.0


def envelopes(*items: Any, producer: int = 0, **keys: Any) -> list[Envelope]:
    """Items of a producer, numbered from 0."""
    return [Envelope(producer, seq, item, **keys) for seq, item in enumerate(items)]


def carried(found: Iterable[Envelope]) -> list[tuple[Any, ...]]:
    """All that a queue has to carry."""
    return [(e.producer, e.seq, e.suffix, e.padding, e.delivery, e.began, type(e.item), e.item) for e in found]


def ids(found: Iterable[Envelope]) -> list[tuple[int, int]]:
    """Who it is."""
    return [(envelope.producer, envelope.seq) for envelope in found]


class QueueContract:
    """The contract; a class derived from it says whose.

    Attributes:
        kind: The kind under test.
    """

    kind: ClassVar[Kind]

    @classmethod
    def _bench(cls, folder: Path, method: str = "fork", **settings: Any) -> Bench:
        return Bench(cls.kind, folder, method, **settings)

    def _needs_a_bound(self) -> None:
        if self.kind.largest_maxsize == 0:
            raise SkipTest("the kind keeps no maxsize")

    def _needs_repair(self) -> None:
        if not self.kind.repairable:
            raise SkipTest("the kind cannot be repaired")

    def test_the_kind_says_what_it_is(self, tmp_path: Path) -> None:
        """Its attributes are right, and its queues are what they say."""
        assert what_is_wrong(self.kind) is None
        with self._bench(tmp_path) as bench:
            assert isinstance(bench.queue, RepairableQueue) == self.kind.repairable
            assert bench.queue.capacity is None or bench.queue.capacity > 0
            assert bench.queue.depth() in ((0,) if self.kind.repairable else (0, None))

    def test_items_arrive_with_all_they_carry(self, tmp_path: Path) -> None:
        """Also those of stages, of a second delivery, and with a payload."""
        sent = [*envelopes(*_ITEMS, began=5), *envelopes(1, "x", suffix=".0.1", padding=b"1" * 100, delivery=2)]
        with self._bench(tmp_path) as bench:
            writer, reader = bench.writer(), bench.reader()
            for envelope in sent:
                assert writer.put(envelope) == 1
                assert carried(reader.get()) == carried([envelope])

    def test_items_larger_than_any_buffer_arrive(self, tmp_path: Path) -> None:
        """Of a megabyte each."""
        sent = envelopes(1, "x", 3, padding=b"1" * (1 << 20))
        with self._bench(tmp_path, batch=2) as bench:
            writer, reader = bench.writer(), bench.reader()
            got: list[Envelope] = []
            for envelope in sent:
                writer.ask("put", [envelope])
                got += reader.get()
                assert writer.answer() == 1
            assert carried(got) == carried(sent)

    def test_a_call_moves_one_item_at_least_and_the_batch_and_the_limit_at_most(self, tmp_path: Path) -> None:
        """A writer is given more than a batch at times, a reader with a quota a lower limit."""
        with self._bench(tmp_path, batch=4) as bench:
            writer, reader = bench.writer(), bench.reader()
            waiting = envelopes(*range(9))
            while waiting:
                writer.ask("put", waiting)
                count = writer.answer()
                assert 1 <= count <= len(waiting)
                del waiting[:count]
            calls = [reader.get(2), reader.get(2)]
            while sum(map(len, calls)) < 9:
                calls.append(reader.get())
            assert all(1 <= len(call) <= (2 if number < 2 else 4) for number, call in enumerate(calls))
            assert ids(one for call in calls for one in call) == [(0, seq) for seq in range(9)]

    def test_the_end_comes_behind_every_item_to_every_reader_and_stays(self, tmp_path: Path) -> None:
        """Though a writer closes early, and another puts nothing at all."""
        with self._bench(tmp_path, writers=3) as bench:
            first, idle, last = (bench.writer(number) for number in range(3))
            readers = [bench.reader(8), bench.reader(9)]
            first.put(*envelopes(*range(5)))
            first.close()
            idle.close()
            last.put(*envelopes(*range(5), producer=2))
            last.ask("close")
            bench.queue.end()
            got = [one for reader in readers for one in reader.everything()]
            last.answer()
            assert sorted(ids(got)) == [(producer, seq) for producer in (0, 2) for seq in range(5)]
            assert [reader.get() for reader in readers] == [[], []]

    def test_items_keep_their_order(self, tmp_path: Path) -> None:
        """That of their writer; that in which they came, whoever put them, where the kind says so."""
        with self._bench(tmp_path, writers=2) as bench:
            writers, reader = [bench.writer(0), bench.writer(1)], bench.reader()
            put = [(producer, seq) for seq in range(8) for producer in (seq % 2, 1 - seq % 2)]
            for producer, seq in put:
                assert writers[producer].put(Envelope(producer, seq, seq)) == 1
            got = ids(reader.get()[0] for _ in put)
            for producer in (0, 1):
                assert [one for one in got if one[0] == producer] == [(producer, seq) for seq in range(8)]
            if self.kind.fifo:
                assert got == put

    def test_a_bound_is_kept(self, tmp_path: Path) -> None:
        """A put beyond it waits for a get, and then finds room."""
        self._needs_a_bound()
        with self._bench(tmp_path, maxsize=3) as bench:
            writer, reader = bench.writer(), bench.reader()
            assert writer.put(*envelopes(1, 2, 3)) == 3
            writer.ask("put", [Envelope(0, 3, 4)])
            assert not writer.has_answered(_NOT_YET_S)
            got = reader.get(1)
            assert writer.answer() == 1
            got += [reader.get(1)[0] for _ in range(3)]
            assert ids(got) == [(0, seq) for seq in range(4)]

    def test_a_put_that_waits_for_room_ends_when_told_to(self, tmp_path: Path) -> None:
        """And its item is not there."""
        self._needs_a_bound()
        with self._bench(tmp_path, maxsize=2) as bench:
            writer, reader = bench.writer(), bench.reader()
            assert writer.put(*envelopes(1, 2)) == 2
            writer.ask("put", [Envelope(0, 2, 3)])
            assert not writer.has_answered(_NOT_YET_S)
            assert writer.stop() == STOPPED
            assert ids(reader.get(1) + reader.get(1)) == [(0, 0), (0, 1)]
            reader.ask("get", 1)
            assert not reader.has_answered(_NOT_YET_S)

    def test_a_put_that_fills_a_queue_without_readers_ends_when_told_to(self, tmp_path: Path) -> None:
        """Whatever it is that is full, and though its item is half on its way."""
        with self._bench(tmp_path) as bench:
            writer = bench.writer()
            for seq in range(4):
                writer.ask("put", [Envelope(0, seq, "x", padding=b"1" * (1 << 20))])
                if not writer.has_answered(_NOT_YET_S):
                    break
                assert writer.answer() == 1
            else:
                writer.ask("close")
            assert writer.stop() in (STOPPED, 1, None)

    def test_a_get_that_waits_ends_when_told_to_and_takes_nothing_along(self, tmp_path: Path) -> None:
        """The next reader gets all that comes."""
        with self._bench(tmp_path) as bench:
            writer, told, other = bench.writer(), bench.reader(8), bench.reader(9)
            told.ask("get", 1)
            assert not told.has_answered(_NOT_YET_S)
            assert told.stop() == []
            writer.put(*envelopes(1, 2, 3))
            assert ids(other.get(1) + other.get(1) + other.get(1)) == [(0, 0), (0, 1), (0, 2)]

    def test_an_item_that_cannot_be_pickled_is_named_and_the_writer_goes_on(self, tmp_path: Path) -> None:
        """By the put of it, not later and somewhere else."""
        with self._bench(tmp_path) as bench:
            writer, reader = bench.writer(), bench.reader()
            assert writer.put(*envelopes(1, Unpicklable)) == (UNSENDABLE, 1)
            assert writer.put(Envelope(0, 2, 3)) == 1
            assert ids(reader.get(1) + reader.get(1)) == [(0, 0), (0, 2)]

    def test_an_item_that_cannot_be_unpickled_arrives_and_says_why(self, tmp_path: Path) -> None:
        """Its reader goes on with the next."""
        with self._bench(tmp_path) as bench:
            writer, reader = bench.writer(), bench.reader()
            writer.put(*envelopes(Unreadable, 2))
            got = reader.get(1) + reader.get(1)
            assert ids(got) == [(0, 0), (0, 1)]
            assert "ValueError: spoilt" in got[0].item

    def test_ends_travel_by_fork(self, tmp_path: Path) -> None:
        """Two writers, two readers, a bound."""
        self._travels(tmp_path, "fork")

    def test_ends_travel_by_forkserver(self, tmp_path: Path) -> None:
        """The same."""
        self._travels(tmp_path, "forkserver")

    def test_ends_travel_by_spawn(self, tmp_path: Path) -> None:
        """The same."""
        self._travels(tmp_path, "spawn")

    def _travels(self, folder: Path, method: str) -> None:
        maxsize = 0 if self.kind.largest_maxsize == 0 else 6
        with self._bench(folder, method, writers=2, maxsize=maxsize, batch=2) as bench:
            writers, readers = [bench.writer(0), bench.writer(1)], [bench.reader(8), bench.reader(9)]
            got: list[Envelope] = []
            for seq in range(6):
                for producer, writer in enumerate(writers):
                    assert writer.put(Envelope(producer, seq, seq)) == 1
                while len(got) < 2 * seq + 2:
                    got += readers[seq % 2].get()
            writers[0].close()
            writers[1].ask("close")
            bench.queue.end()
            assert [reader.everything() for reader in readers] == [[], []]
            assert sorted(ids(got)) == [(producer, seq) for producer in (0, 1) for seq in range(6)]

    def test_closed_it_leaves_nothing(self, tmp_path: Path) -> None:
        """No process, no descriptor, and no semaphore for the garbage collector, which may come at a bad moment."""
        self._used(tmp_path / "before")
        gc.collect()
        gc.disable()
        try:
            before = _inventory()
            self._used(tmp_path / "after")
            assert _inventory() == before
        finally:
            gc.enable()

    def _used(self, folder: Path) -> None:
        folder.mkdir()
        with self._bench(folder) as bench:
            bench.writer().put(*envelopes(1, "x"))
            bench.reader().get(1)

    def test_its_processes_die_with_a_killed_supervisor(self, tmp_path: Path) -> None:
        """Within two seconds, without being told."""
        context = multiprocessing.get_context("fork")
        told, tells = context.Pipe(duplex=False)
        supervisor = context.Process(target=makes_a_queue, args=(self.kind, tmp_path, tells))
        supervisor.start()
        try:
            assert told.poll(_GONE_WITHIN_S * 10)
            helpers = told.recv()
        finally:
            supervisor.kill()
            supervisor.join()
        deadline = time.monotonic() + _GONE_WITHIN_S
        while any(_runs(pid) for pid in helpers):
            assert time.monotonic() < deadline, "a process has outlived its supervisor"
            time.sleep(0.01)

    def test_what_the_dead_had_got_is_in_their_hand(self, tmp_path: Path) -> None:
        """What is left in the queue is not."""
        self._needs_repair()
        with self._bench(tmp_path, batch=2) as bench:
            queue = _repairable(bench)
            bench.writer().put(*envelopes(1, "x", 3))
            reader = bench.reader(8)
            got = reader.get(2)
            reader.kill()
            assert [parcel.key for parcel in queue.hand(8, 1)] == [(e.producer, e.seq, e.suffix) for e in got]
            assert queue.depth() == 3 - len(got)
            assert [parcel.key[1] for parcel in queue.drain()] == list(range(len(got), 3))
            assert queue.depth() == 0

    def test_what_the_dead_put_last_is_known(self, tmp_path: Path) -> None:
        """Who never put has begun nothing."""
        self._needs_repair()
        with self._bench(tmp_path, writers=2) as bench:
            queue = _repairable(bench)
            writer, idle = bench.writer(0), bench.writer(1)
            writer.put(*envelopes(1, "x"))
            writer.kill()
            idle.kill()
            assert [parcel.key for parcel in queue.begun(0, 1)] == [(0, 1, "")]
            assert queue.begun(1, 1) == []

    def test_what_the_dead_had_is_handed_out_again_as_it_was(self, tmp_path: Path) -> None:
        """But for the delivery, and for how many of its outputs are put."""
        self._needs_repair()
        sent = envelopes("x" * 100, padding=b"1" * 50, suffix=".0")
        with self._bench(tmp_path) as bench:
            queue = _repairable(bench)
            bench.writer().put(*sent)
            dead = bench.reader(8)
            dead.get()
            dead.kill()
            [parcel] = queue.hand(8, 1)
            assert queue.offer([queue.again(parcel, 2, 3)]) == 1
            [got] = bench.reader(9).get()
            assert (got.delivery, got.skip) == (2, 3)
            got.delivery = 1
            assert carried([got]) == carried(sent)

    def test_the_supervisor_keeps_the_bound_too_and_never_waits(self, tmp_path: Path) -> None:
        """What finds no room is offered again later."""
        self._needs_repair()
        self._needs_a_bound()
        with self._bench(tmp_path, maxsize=2) as bench:
            queue = _repairable(bench)
            writer = bench.writer()
            writer.put(*envelopes(1))
            dead = bench.reader(8)
            dead.get()
            writer.put(Envelope(0, 1, 2))
            dead.kill()
            again = [queue.again(parcel, delivery, 0) for parcel in queue.hand(8, 1) for delivery in (2, 3)]
            assert queue.offer(again) == 1
            assert queue.offer(again[1:]) == 0
            reader = bench.reader(9)
            reader.get(1)
            assert queue.offer(again[1:]) == 1
            assert ids(reader.get(1) + reader.get(1)) == [(0, 0), (0, 0)]


def _repairable(bench: Bench) -> RepairableQueue:
    assert isinstance(bench.queue, RepairableQueue)
    return bench.queue


def _inventory() -> tuple[int, int, int]:
    """Children, descriptors and semaphores of this process."""
    children = len(multiprocessing.active_children())
    descriptors = sum(1 for _ in Path("/dev/fd").iterdir())
    return children, descriptors, sum(isinstance(each, SemLock) for each in gc.get_objects())


def makes_a_queue(kind: Kind, folder: Path, tells: Connection[Any, Any]) -> None:
    """Be a supervisor that is going to be killed."""
    with Bench(kind, folder):
        tells.send([process.pid for process in multiprocessing.active_children()])
        time.sleep(600)


def _runs(pid: int) -> bool:
    """Whether there is a process of this number that is no zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return not Path("/proc/self").exists()
    return False
