"""The FIFO between threads keeps order and bound, and nobody waits at it for ever."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from running import within

from runner.envelope import Envelope
from runner.planning.plan import QueuePlan
from runner.queues.contract import Stopped
from runner.queues.fifo import Fifo, FifoEnd


def fifo(maxsize: int = 0, batch: int = 1, writers: int = 1) -> Fifo:
    return Fifo(QueuePlan("q", "pipe", maxsize, batch, None), writers)


def end(of: Fifo) -> FifoEnd:
    return FifoEnd(of, lambda: False)


def envelopes(*items: Any) -> list[Envelope]:
    return [Envelope(producer=0, seq=seq, item=item) for seq, item in enumerate(items)]


def test_items_come_in_order_up_to_batch_and_limit() -> None:
    queue = end(fifo(batch=3))
    assert queue.put(envelopes(*range(7))) == 7
    sizes = [[one.item for one in queue.get(limit)] for limit in (2, 100, 100)]
    assert sizes == [[0, 1], [2, 3, 4], [5, 6]]


def test_the_bound_is_exact() -> None:
    queue = end(fifo(maxsize=3))
    assert queue.put(envelopes(*range(9))) == 3
    queue.get(1)
    assert queue.put(envelopes(*range(9))) == 1


def test_the_end_is_seen_when_every_writer_has_closed_and_all_is_got() -> None:
    shared = fifo(writers=2)
    queue = end(shared)
    queue.put(envelopes(1))
    queue.close()
    queue.close()
    assert len(queue.get(1)) == 1
    assert queue.get(1) == []


@pytest.mark.parametrize("operation", ["put", "get"])
def test_who_waits_ends_when_told_to(operation: str) -> None:
    shared = fifo(maxsize=1)
    told = threading.Event()
    queue = FifoEnd(shared, told.is_set)
    ended: list[type[BaseException]] = []

    def wait() -> None:
        try:
            queue.put(envelopes(2)) if operation == "put" else queue.get(1)
        except Stopped as error:
            ended.append(type(error))

    if operation == "put":
        queue.put(envelopes(1))
    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    told.set()
    shared.wake()
    with within(10):
        for thread in threads:
            thread.join()
    assert ended == [Stopped] * 3


@pytest.mark.parametrize("maxsize", [0, 1, 5])
@pytest.mark.parametrize("batch", [1, 4])
def test_many_threads_move_every_item_once(maxsize: int, batch: int) -> None:
    shared = fifo(maxsize, batch, writers=4)
    got: list[tuple[int, int]] = []

    def write(producer: int) -> None:
        queue = end(shared)
        waiting = [Envelope(producer=producer, seq=seq, item=seq) for seq in range(500)]
        while waiting:
            del waiting[: queue.put(waiting[:batch])]
        queue.close()

    def read() -> None:
        queue = end(shared)
        while taken := queue.get(100):
            got.extend((one.producer, one.seq) for one in taken)

    threads = [threading.Thread(target=write, args=(k,)) for k in range(4)]
    threads += [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    with within(60):
        for thread in threads:
            thread.join()
    assert sorted(got) == [(producer, seq) for producer in range(4) for seq in range(500)]
