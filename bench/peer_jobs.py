"""The 2x2 job as each peer of mprun does it: two who make items, where the peer has such, and two who take them.

    python bench/peer_jobs.py PEER ITEMS [--work SECONDS] [--pause SECONDS] [--log FILE]

Run by bench/peers.py with the Python of an environment that has the peers. Prints {"makespan_s"} as JSON: from the
moment at which all workers are there to the last item's end. With `--work` each item takes so long, with `--pause` the
next one comes so much later; each item done is a line `ITEM PID` of the log.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORKERS = 2
WORK, LOG, PAUSE = "PEER_WORK", "PEER_LOG", "PEER_PAUSE"
FOREVER_S = 1e6


def work(item: int) -> None:
    """What is done with an item; settings come by the environment, as some peers import this anew."""
    seconds = float(os.environ.get(WORK, "0"))
    if seconds:
        time.sleep(seconds)
    path = os.environ.get(LOG)
    if path:
        log = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.write(log, f"{item} {os.getpid()}\n".encode())
        os.close(log)


def nothing(_item: int) -> None:
    """What is done with an item where only moving it is measured."""


def task() -> Callable[[int], None]:
    """What is to be done with each item."""
    return work if os.environ.get(LOG) else nothing


def made(items: range) -> Iterator[int]:
    """Items as they come."""
    pause = float(os.environ.get(PAUSE, "0"))
    for item in items:
        yield item
        if pause:
            time.sleep(pause)


class Standard:
    """`multiprocessing.Queue` as a plain script uses it."""

    def __init__(self, fork: Any) -> None:
        self._queue = fork.Queue()

    def put(self, items: list[int | None]) -> None:
        """Put them one by one."""
        for item in items:
            self._queue.put(item)

    def get(self, _most: int) -> list[int | None]:
        """Get one."""
        return [self._queue.get()]


class FasterFifo:
    """The queue of faster-fifo: a circular buffer in shared memory, with one lock, that can move many items at once."""

    def __init__(self, _fork: Any) -> None:
        import faster_fifo

        self._queue = faster_fifo.Queue(max_size_bytes=1 << 24)

    def put(self, items: list[int | None]) -> None:
        """Put them at once."""
        self._queue.put_many(items, timeout=FOREVER_S) if len(items) > 1 else self._queue.put(
            items[0], timeout=FOREVER_S
        )

    def get(self, most: int) -> list[int | None]:
        """Get what there is, up to so many."""
        if most == 1:
            return [self._queue.get(timeout=FOREVER_S)]
        found: list[int | None] = self._queue.get_many(max_messages_to_get=most, timeout=FOREVER_S)
        return found


def produce(queue: Standard | FasterFifo, batch: int, items: range) -> None:
    """A producer of its own: puts a batch when it is full, and the last."""
    pending: list[int | None] = []
    for item in made(items):
        pending.append(item)
        if len(pending) == batch:
            queue.put(pending)
            pending = []
    if pending:
        queue.put(pending)


def consume(queue: Standard | FasterFifo, batch: int) -> None:
    """A consumer of its own: gets until there is a None; what a batch holds for the others goes back."""
    do, ended = task(), 0
    while not ended:
        found = queue.get(batch)
        for item in found:
            if item is not None:
                do(item)
        ended = found.count(None)
    for _ in range(ended - 1):
        queue.put([None])


def by_queue(kind: Callable[[Any], Standard | FasterFifo], batch: int, items: int) -> float:
    """Two producers and two consumers on one queue, which ends with a None for each consumer."""
    fork = multiprocessing.get_context("fork")
    queue, gate, ends = kind(fork), fork.Barrier(2 * WORKERS + 1), fork.Array("q", WORKERS, lock=False)

    def feed(index: int) -> None:
        gate.wait()
        produce(queue, batch, range(index, items, WORKERS))

    def drain(index: int) -> None:
        gate.wait()
        consume(queue, batch)
        ends[index] = time.monotonic_ns()

    producers = [fork.Process(target=feed, args=(index,)) for index in range(WORKERS)]
    consumers = [fork.Process(target=drain, args=(index,)) for index in range(WORKERS)]
    for process in (*producers, *consumers):
        process.start()
    gate.wait()
    began = time.monotonic_ns()
    for process in producers:
        process.join()
    for _ in consumers:
        queue.put([None])
    for process in consumers:
        process.join()
    return float(max(ends) - began) / 1e9


def by_executor(chunk: int, items: int) -> float:
    """Two workers of a ProcessPoolExecutor; this process makes the items."""
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("fork")) as pool:
        list(pool.map(time.sleep, [0.1] * WORKERS))
        began = time.monotonic()
        for _ in pool.map(task(), made(range(items)), chunksize=chunk):
            pass
        return time.monotonic() - began


def by_mpire(chunk: int, items: int) -> float:
    """Two workers of mpire's WorkerPool; this process makes the items."""
    from mpire import WorkerPool

    with WorkerPool(n_jobs=WORKERS, start_method="fork", keep_alive=True) as pool:
        pool.map(time.sleep, [0.1] * WORKERS, chunk_size=1)
        began = time.monotonic()
        for _ in pool.imap_unordered(task(), made(range(items)), iterable_len=items, chunk_size=chunk):
            pass
        return time.monotonic() - began


def by_joblib(batch: int | str, items: int) -> float:
    """Two workers of joblib's default backend; this process makes the items."""
    from joblib import Parallel, delayed

    with Parallel(n_jobs=WORKERS, batch_size=batch) as pool:
        pool(delayed(time.sleep)(0.1) for _ in range(WORKERS))
        do, began = delayed(task()), time.monotonic()
        pool(do(item) for item in made(range(items)))
        return time.monotonic() - began


PEERS: dict[str, Callable[[int], float]] = {
    "plain script": lambda items: by_queue(Standard, 1, items),
    "faster-fifo": lambda items: by_queue(FasterFifo, 1, items),
    "faster-fifo, 64 at once": lambda items: by_queue(FasterFifo, 64, items),
    "ProcessPoolExecutor": lambda items: by_executor(1, items),
    "ProcessPoolExecutor, chunks of 64": lambda items: by_executor(64, items),
    "mpire, chunks of 1": lambda items: by_mpire(1, items),
    "mpire, chunks of 64": lambda items: by_mpire(64, items),
    "joblib": lambda items: by_joblib("auto", items),
    "joblib, batches of 64": lambda items: by_joblib(64, items),
}


def main() -> None:
    """Do the job a peer's way."""
    parser = argparse.ArgumentParser(description="the 2x2 job as each peer of mprun does it")
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("items", type=int)
    parser.add_argument("--work", type=float, default=0.0, help="seconds each item takes")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between items")
    parser.add_argument("--log", help="file that takes a line for each item done")
    chosen = parser.parse_args()
    os.environ |= {WORK: str(chosen.work), PAUSE: str(chosen.pause), **({LOG: chosen.log} if chosen.log else {})}
    print(json.dumps({"makespan_s": PEERS[chosen.peer](chosen.items)}))


if __name__ == "__main__":
    # Under their own name, so that worker processes that import this find the same functions.
    import peer_jobs

    peer_jobs.main()
