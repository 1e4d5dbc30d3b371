"""Two producers and two consumers on a Ray of this machine: through mprun's brokers, and through `ray.util.queue`.

    python bench/ray_queue.py [--rounds N] [--batches 1 10 100 1000] [--seconds S]

Both run in turns on the same cluster, with the same number of items and batches of the same size. What is timed is from
the moment all workers may begin to the last item done. mprun logs three events an item besides, and an item is gone
only when done; the other side logs nothing. `ray.util.queue.Queue` has no blocking get of a batch: its consumers ask
(`get_nowait_batch`) and sleep for a millisecond where there is no whole batch; with batches of one they block (`get`).
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import ray
from ray.util.queue import Empty, Queue

import runner

PRODUCERS = CONSUMERS = 2
ASKED_AGAIN_AFTER_S = 0.001


class Peer:
    """A producer or consumer of the other side."""

    def ready(self) -> None:
        """It is there."""

    def put(self, queue: Any, items: int, batch: int) -> None:
        """Put numbers, so many at a time."""
        if batch == 1:
            for item in range(items):
                queue.put(item)
        else:
            for start in range(0, items, batch):
                queue.put_nowait_batch(range(start, min(start + batch, items)))

    def get(self, queue: Any, items: int, batch: int) -> None:
        """Get so many."""
        if batch == 1:
            for _ in range(items):
                queue.get()
        while batch > 1 and items > 0:
            try:
                items -= len(queue.get_nowait_batch(min(batch, items)))
            except Empty:
                time.sleep(ASKED_AGAIN_AFTER_S)


def with_ray_queue(items: int, batch: int) -> float:
    """Seconds that `ray.util.queue` takes."""
    queue = Queue(actor_options={"num_cpus": 0})
    peers = [ray.remote(num_cpus=0)(Peer).remote() for _ in range(PRODUCERS + CONSUMERS)]
    ray.get([peer.ready.remote() for peer in peers])
    share = items // PRODUCERS
    began = time.monotonic()
    work = [peer.put.remote(queue, share, batch) for peer in peers[:PRODUCERS]]
    work += [peer.get.remote(queue, share, batch) for peer in peers[PRODUCERS:]]
    ray.get(work)
    took = time.monotonic() - began
    queue.shutdown(force=True)
    for peer in peers:
        ray.kill(peer)
    return took


def with_mprun(items: int, batch: int, prefetch: int = 0) -> float:
    """Seconds from the gate to the last item done."""
    text = f"""
engine: ray
engine_options: {{prefetch: {prefetch}}}
queues: {{main: {{batch: {batch}}}}}
producers: {{produce: {{count: {PRODUCERS}, items: {items // PRODUCERS}}}}}
consumers: {{consume: {{count: {CONSUMERS}}}}}
"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "job.yaml")
        path.write_text(text)
        result = runner.run(runner.load(path), out=folder)
        if result.exit_code or not result.verdict.valid:
            raise SystemExit(f"mprun: {result.reason}")
        return float(result.summary["makespan_s"])


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--items", type=int, default=0, help="of each; default: by the batch")
    arguments = parser.parse_args()
    ray.init(address="local", include_dashboard=False, logging_level=logging.ERROR, object_store_memory=100 << 20)
    print("batch   items    mprun items/s     ray.util.queue items/s     ratio")
    for batch in arguments.batches:
        items = arguments.items or {1: 4_000, 10: 40_000}.get(batch, 200_000)
        ours, theirs = [], []
        for _ in range(arguments.rounds):
            ours.append(items / with_mprun(items, batch))
            theirs.append(items / with_ray_queue(items, batch))
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        print(f"{batch:5} {items:7} {told(ours):>22} {told(theirs):>22} {told(ratios, '.2f'):>22}", flush=True)
    ray.shutdown()


def told(values: list[float], form: str = ",.0f") -> str:
    """The median with the extremes."""
    return f"{statistics.median(values):{form}} [{min(values):{form}}, {max(values):{form}}]"


if __name__ == "__main__":
    main()
