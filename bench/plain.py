"""The plain script mprun is measured against: producers and consumers on one multiprocessing.Queue, no log.

    python bench/plain.py PRODUCERS CONSUMERS ITEMS

What a beginner's script does and no more: start method fork, an unbounded queue, each consumer takes its
share of the items. All workers wait at a barrier, which is the zero of time; the last get ends the makespan.
Prints one JSON document {"items", "makespan_s"} to stderr.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.queues import Queue

    Worker = Callable[["Queue[int]", str, int], None]


def produce(queue: Queue[int], _name: str, items: int) -> None:
    """Puts 0 … items - 1."""
    for item in range(items):
        queue.put(item)


def consume(queue: Queue[int], _name: str, items: int) -> None:
    """Gets that many items."""
    for _ in range(items):
        queue.get()


def shares(items: int, workers: int) -> list[int]:
    """`items` dealt out to `workers` as evenly as may be."""
    return [items // workers + (index < items % workers) for index in range(workers)]


def measure(produce: Worker, consume: Worker, arguments: list[str]) -> None:
    """Runs the topology that the command line asks for and prints its makespan."""
    producers, consumers, items = map(int, arguments)
    fork = multiprocessing.get_context("fork")
    queue: Queue[int] = fork.Queue()
    gate = fork.Barrier(producers + consumers + 1)
    ends = fork.Array("q", consumers, lock=False)

    def feed(index: int, share: int) -> None:
        gate.wait()
        produce(queue, f"produce-{index}", share)

    def drain(index: int, share: int) -> None:
        gate.wait()
        consume(queue, f"consume-{index}", share)
        ends[index] = time.monotonic_ns()

    workers = [fork.Process(target=feed, args=each) for each in enumerate(shares(items, producers))]
    workers += [fork.Process(target=drain, args=each) for each in enumerate(shares(items, consumers))]
    for worker in workers:
        worker.start()
    gate.wait()
    began = time.monotonic_ns()
    for worker in workers:
        worker.join()
    print(json.dumps({"items": items, "makespan_s": (max(ends) - began) / 1e9}), file=sys.stderr)


if __name__ == "__main__":
    measure(produce, consume, sys.argv[1:])
