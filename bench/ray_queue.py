"""What the queue of the engine `ray` costs, beside `ray.util.queue`, on a Ray of this machine.

    python bench/ray_queue.py [--rounds N] [--batches 1 10 100 1000] [--most N] [--page FILE]

**Throughput.** Two producers and two consumers, without work on the items; mprun and `ray.util.queue` take turns on the
same cluster, with as many items and batches of the same size, from the moment all workers may begin to the last item
done. mprun logs three events an item besides, and an item is gone only when done; the other side logs nothing.
`ray.util.queue.Queue` has no blocking get of a batch: its consumers ask (`get_nowait_batch`) and sleep for a
millisecond where there is no whole batch; with batches of one they block (`get`). Nor has it a blocking put of one
(`put_nowait_batch`): its queue has no bound, and mprun's neither.

**One operation.** One producer that pauses for 2 ms after each item, one consumer that works for 3 ms on each, so that
there always is an item to get; how long a put and a get last in the worker. Beside it, an empty call of a Ray actor.

**Prefetch.** The job of the throughput without batches; the same with consumers that work for 1 ms on each; and 1,000
items for two consumers, of which one works for 1 ms on an item and the other for 20 ms.

**Start.** From `run.start` to the opening of the gate, on a cluster that is there.

**Memory.** RssAnon of the process `mprun`, of the broker and of the largest worker while the run goes on, looked at ten
times a second: the largest. `afterwards`: of `mprun` while it merges, audits and stores the log.

All but the memory is measured `--rounds` times, in turns; printed are medians and, in brackets, the extremes.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from footprint import largest
from main_job import machine
from ray.util.queue import Empty, Queue

import runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

PRODUCERS = CONSUMERS = 2
ASKED_AGAIN_AFTER_S = 0.001
PAUSE_S, WORK_S = 0.002, 0.003
OPERATIONS = 500
AHEAD = (0, 16, 256)
MAXSIZE = 16_000
BEGIN, END = "<!-- figures: by bench/ray_queue.py -->", "<!-- end -->"


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

    def timed(self, what: str, target: Any) -> list[float]:
        """How long operations last, in seconds: `put` and `get` of a queue, `call` of an actor."""
        operations: dict[str, Callable[[], Any]] = {
            "put": lambda: target.put(0),
            "get": lambda: target.get(),
            "call": lambda: ray.get(target.ready.remote()),
        }
        durations = []
        for _ in range(OPERATIONS):
            began = time.perf_counter()
            operations[what]()
            durations.append(time.perf_counter() - began)
            time.sleep(WORK_S if what == "get" else PAUSE_S)
        return durations


def peers(count: int) -> list[Any]:
    """So many actors that have started."""
    peer = ray.remote(num_cpus=0)(Peer)
    found = [peer.remote() for _ in range(count)]
    ray.get([each.ready.remote() for each in found])
    return found


def with_ray_queue(items: int, batch: int) -> float:
    """Seconds that `ray.util.queue` takes."""
    queue = Queue(actor_options={"num_cpus": 0})
    staff = peers(PRODUCERS + CONSUMERS)
    share = items // PRODUCERS
    began = time.monotonic()
    work = [peer.put.remote(queue, share, batch) for peer in staff[:PRODUCERS]]
    work += [peer.get.remote(queue, share, batch) for peer in staff[PRODUCERS:]]
    ray.get(work)
    took = time.monotonic() - began
    dismiss(queue, staff)
    return took


def dismiss(queue: Any, staff: Iterable[Any]) -> None:
    """Leave nothing on the cluster."""
    queue.shutdown(force=True)
    for peer in staff:
        ray.kill(peer)


def job(items: int, batch: int = 1, prefetch: int = 0, maxsize: int = 0, work: str = "0s") -> str:
    """The config of two producers and two consumers."""
    return f"""
engine: ray
engine_options: {{prefetch: {prefetch}}}
queues: {{main: {{batch: {batch}, maxsize: {maxsize}}}}}
producers: {{produce: {{count: {PRODUCERS}, items: {items // PRODUCERS}}}}}
consumers: {{consume: {{count: {CONSUMERS}, sleep: {work}}}}}
"""


def summary_of(text: str) -> dict[str, Any]:
    """Run a config; its summary, and under `start_s` how long it took until the gate opened."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "job.yaml")
        path.write_text(text)
        result = runner.run(runner.load(path), out=folder)
        if result.exit_code or not result.verdict.valid:
            raise SystemExit(f"mprun: {result.reason}")
        with (result.run_dir / "events.jsonl").open() as events:
            start = -json.loads(events.readline())["t_ns"] / 1e9
        return {**result.summary, "start_s": start}


def throughput(batches: Sequence[int], rounds: int) -> str:
    """Items a second, beside `ray.util.queue`."""
    lines = ["| batch | items | mprun, items/s | `ray.util.queue`, items/s | ratio |", "|---|---|---|---|---|"]
    for batch in batches:
        items = {1: 4_000, 10: 40_000}.get(batch, 200_000)
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(items / summary_of(job(items, batch))["makespan_s"])
            theirs.append(items / with_ray_queue(items, batch))
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        lines.append(f"| {batch:,} | {items:,} | {told(ours)} | {told(theirs)} | {told(ratios, '.2f')} |")
    return "\n".join(lines)


def one_operation(rounds: int) -> str:
    """Medians of single operations, in microseconds."""
    text = f"""
engine: ray
producers: {{produce: {{items: {OPERATIONS}, sleep: {PAUSE_S}}}}}
consumers: {{consume: {{sleep: {WORK_S}}}}}
"""
    durations: dict[str, list[float]] = {}
    for _ in range(rounds):
        summary = summary_of(text)
        queue, staff = Queue(actor_options={"num_cpus": 0}), peers(3)
        puts, gets = ray.get([staff[0].timed.remote("put", queue), staff[1].timed.remote("get", queue)])
        calls = ray.get(staff[0].timed.remote("call", staff[2]))
        dismiss(queue, staff)
        measured = {
            "mprun: put": summary["wait_put"]["p50"],
            "mprun: get": summary["wait_get"]["p50"],
            "`ray.util.queue`: `put`": statistics.median(puts),
            "`ray.util.queue`: `get`": statistics.median(gets),
            "empty call of a Ray actor": statistics.median(calls),
        }
        for name, seconds in measured.items():
            durations.setdefault(name, []).append(seconds * 1e6)
    return "\n".join(
        [
            "| one operation | median / µs |",
            "|---|---|",
            *(f"| {name} | {told(us)} |" for name, us in durations.items()),
        ]
    )


def prefetch(rounds: int) -> str:
    """What it gains where all are alike, and costs where they are not."""
    jobs: dict[str, Callable[[int], str]] = {
        "no work, items/s": lambda ahead: job(8_000, prefetch=ahead),
        "1 ms of work, items/s": lambda ahead: job(4_000, prefetch=ahead, work="1ms"),
        "one quick and one slow consumer, items/s": _unequal,
    }
    rates: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for name, text in jobs.items():
            for ahead in AHEAD:
                rates.setdefault((name, ahead), []).append(summary_of(text(ahead))["throughput"])
    lines = [f"| prefetch | {' | '.join(jobs)} |", "|---" * (len(jobs) + 1) + "|"]
    lines += [f"| {ahead} | {' | '.join(told(rates[name, ahead]) for name in jobs)} |" for ahead in AHEAD]
    return "\n".join(lines)


def _unequal(ahead: int) -> str:
    return f"""
engine: ray
engine_options: {{prefetch: {ahead}}}
producers: {{produce: {{items: 1000}}}}
consumers: {{quick: {{sleep: 1ms}}, slow: {{sleep: 20ms}}}}
"""


def starts(rounds: int) -> str:
    """How long it takes until all workers are there, and how long for each one more."""
    few, many = 4, 24
    took: dict[int, list[float]] = {few: [], many: []}
    for _ in range(rounds):
        for count in took:
            text = f"""
engine: ray
producers: {{produce: {{count: {count // 2}, items: 1}}}}
consumers: {{consume: {{count: {count // 2}}}}}
"""
            took[count].append(summary_of(text)["start_s"])
    each = [(b - a) / (many - few) for a, b in zip(took[few], took[many], strict=True)]
    return (
        "| | s |\n|---|---|\n"
        f"| {few} workers | {told(took[few], '.2f')} |\n| {many} workers | {told(took[many], '.2f')} |\n"
        f"| each one more | {told(each, '.2f')} |"
    )


def memory(most: int) -> str:
    """RssAnon in MiB by number of items."""
    lines = ["| items | `mprun` | broker | worker | `mprun` afterwards |", "|---|---|---|---|---|"]
    items = 100_000
    while items <= most:
        text = f"address: local\n{job(items, batch=100, maxsize=MAXSIZE)}"
        lines.append(f"| {items:,} | {' | '.join(f'{size:.0f}' for size in largest(text))} |")
        items *= 10
    return "\n".join(lines)


def told(values: list[float], form: str = ",.0f") -> str:
    """The median with the extremes."""
    return f"{statistics.median(values):{form}} [{min(values):{form}}, {max(values):{form}}]"


def measured(chosen: argparse.Namespace) -> Iterator[str]:
    """All tables, with where they come from."""
    yield f"```text\n{machine()}\nRay {ray.__version__}\n```"
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    ray.init(address="local", include_dashboard=False, object_store_memory=100 << 20, **quiet)
    yield f"Throughput, {chosen.rounds} rounds:"
    yield throughput(chosen.batches, chosen.rounds)
    yield "One operation:"
    yield one_operation(chosen.rounds)
    yield "Prefetch:"
    yield prefetch(chosen.rounds)
    yield "Until the gate opens:"
    yield starts(chosen.rounds)
    ray.shutdown()
    yield "Memory (RssAnon, MiB), batches of 100:"
    yield memory(chosen.most)


def main() -> None:
    """Measure, print, and put it into the page that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--most", type=int, default=1_000_000, help="items of the largest run of which memory is told")
    parser.add_argument("--page", type=Path, help="takes the result between its figures marks")
    chosen = parser.parse_args()
    parts = []
    for part in measured(chosen):
        print(part, end="\n\n", flush=True)
        parts.append(part)
    if chosen.page:
        found = "\n\n".join(parts)
        head, _, rest = chosen.page.read_text().partition(BEGIN)
        chosen.page.write_text(f"{head}{BEGIN}\n\n{found}\n\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
