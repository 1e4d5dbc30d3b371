"""The kind `multiprocessing.Queue`: the end is a token, seen by every reader after every item of every writer."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING, Any

import pytest
from running import execute, within

from runner.envelope import Envelope
from runner.planning.plan import QueuePlan
from runner.queues.contract import Stopped, UnsendableItem
from runner.queues.mp_queue import MpQueue, MpWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process


def made(folder: Path, maxsize: int = 0, batch: int = 1, writers: int = 1) -> MpQueue:
    plan = QueuePlan("q", "multiprocessing.Queue", maxsize, batch, None)
    return MpQueue(plan, multiprocessing.get_context("fork"), folder, writers)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[MpQueue]:
    one = made(tmp_path)
    yield one
    one.close()


def envelopes(*items: Any, **keys: Any) -> list[Envelope]:
    return [Envelope(producer=3, seq=seq, item=item, began=seq, **keys) for seq, item in enumerate(items)]


def elsewhere(writer: MpWriter, *items: int) -> None:
    """Put and close in a process of its own, as a queue that was closed is closed for its process's readers too."""

    def work() -> None:
        for envelope in envelopes(*items):
            writer.put([envelope])
        writer.close()

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == 0
    process.close()


def test_what_is_put_is_got_with_all_it_carries(queue: MpQueue) -> None:
    connector = queue.connector(0, 1, writes=True)
    writer, reader = connector.writer(lambda: False), connector.reader(lambda: False)
    with within(20):
        for sent in [*envelopes(1, True, None, 2**70, "x", [1]), *envelopes(1, suffix=".0", padding=b"1", delivery=2)]:
            assert writer.put([sent]) == 1
            [got] = reader.get(9)
            assert got == sent
            assert type(got.item) is type(sent.item)


def test_every_reader_sees_the_end_and_sees_it_again(queue: MpQueue) -> None:
    connector = queue.connector(0, 1, writes=True)
    writer = connector.writer(lambda: False)
    readers = [connector.reader(lambda: False) for _ in range(3)]
    with within(20):
        elsewhere(writer, 1)
        assert len(readers[0].get(5)) == 1
        for reader in readers:
            assert reader.get(5) == []
            assert reader.get(5) == []


def test_a_read_takes_what_is_there_up_to_batch_and_limit_and_never_the_token(tmp_path: Path) -> None:
    queue = made(tmp_path, batch=4)
    connector = queue.connector(0, 1, writes=True)
    writer, reader = connector.writer(lambda: False), connector.reader(lambda: False)
    with within(20):
        elsewhere(writer, *range(8))
        sizes = [len(reader.get(2)), len(reader.get(100))]
        while got := reader.get(100):
            sizes.append(len(got))
    assert sizes[0] <= 2
    assert max(sizes) <= 4
    assert sum(sizes) == 8
    queue.close()


def test_a_writer_that_waits_for_room_ends_when_told_to(tmp_path: Path) -> None:
    queue = made(tmp_path, maxsize=1)
    writer = queue.connector(0, 1, writes=True).writer(lambda: True)
    writer.put(envelopes(1))
    with within(5), pytest.raises(Stopped):
        writer.put(envelopes(2))
    queue.close()


def test_an_item_that_cannot_be_pickled_is_named(queue: MpQueue) -> None:
    """Not left to the feeder thread, which would print a traceback and lose it."""
    bad = envelopes(lambda: None)
    with pytest.raises(UnsendableItem) as caught:
        queue.connector(0, 1, writes=True).writer(lambda: False).put(bad)
    assert caught.value.envelope is bad[0]


@pytest.mark.parametrize("maxsize", [0, 1])
def test_the_token_comes_after_every_item_of_every_writer(maxsize: int, tmp_path: Path) -> None:
    """Writers of several groups that end at different times, more than they have readers."""
    ran = execute(
        f"""
start_method: fork
queues: {{main: {{kind: multiprocessing.Queue, maxsize: {maxsize}}}}}
producers: {{p: {{count: 4, items: 30}}, q: {{count: 2, items: 2, sleep: 10ms}}, none: {{items: {{values: []}}}}}}
consumers: {{c: {{count: 2}}, d: {{sleep: 100us}}}}
""",
        tmp_path,
    )
    ran.assert_ok()
    ran.assert_delivered()
    assert len(ran.of("done")) == 124
