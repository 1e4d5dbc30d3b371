"""The simulation against hand-written SimPy models, and its time and memory as items become more.

    PYTHONPATH=tests python bench/simulation.py [--rounds N] [--items N] [--most N] [--into PAGE]

The models are those of tests/simpy_oracle.py, fed with the same draws. In every round all programs take turns, each in
a process of its own, in an order that rotates:

- `draws`      the draws of all items alone, as the engine makes them;
- `engine`     the engine alone: every put, get and done is told, and nobody listens;
- `no log`     `runner.simulate(store=False)`: audit and summary, nothing on disk;
- `log`        `runner.simulate`: the event log written, too;
- `SimPy`      the model, and nobody listens to what it tells;
- `SimPy, noting` the model, and every instant is noted, as the oracle does.

Measured is CPU time from the config to the result, which says most on a machine that does other things, too. A ratio is
of one round, in items per second: above 1 ours is faster. Then the time of an item and the largest memory are measured
from 10⁴ items to `--most`, without a log. `--into` puts all that was printed between the marks of a page.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runner.planning.plan import Plan

MIX = {"distribution": "exponential", "mean": 0.01}, {"distribution": "exponential", "mean": 0.009}
MODELS: dict[str, tuple[Any, Any]] = {"exponential times": MIX, "constant times": (0.01, 0.009)}
PROGRAMS = ("draws", "engine", "no log", "log", "SimPy", "SimPy, noting")
COMPARED = (
    ("engine", "SimPy"), ("no log", "SimPy"), ("no log", "SimPy, noting"), ("log", "SimPy"), ("log", "SimPy, noting"),
)  # fmt: skip
WORKERS = 4
BEGIN, END = "<!-- speed: by bench/simulation.py -->\n", "<!-- end -->"


def text(model: str, items: int) -> str:
    """A config: producers and consumers at a bounded queue."""
    pause, service = MODELS[model]
    return json.dumps(
        {
            "queues": {"main": {"maxsize": 100}},
            "producers": {"p": {"count": WORKERS, "items": items // WORKERS, "sleep": pause}},
            "consumers": {"c": {"count": WORKERS, "sleep": service}},
        }
    )


def perform(program: str, model: str, items: int) -> dict[str, float]:
    """Run one program in this process; seconds of CPU, and the memory that it came to need, in MiB."""
    _run(program, model, 10 * WORKERS)  # imports what there is to import
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    _run(program, model, items)
    took = time.process_time() - began
    return {"seconds": took, "mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}


def _run(program: str, model: str, items: int) -> None:
    import runner
    from runner.config.load import loads
    from runner.config.simulable import simulable
    from runner.planning.resolve import plan

    config = loads(text(model, items))
    match program:
        case "draws":
            _draw(plan(simulable(config)))
        case "engine":
            from runner.engines.simulation import Simulation, run

            run(Simulation(plan(simulable(config)), None), lambda _: None)
        case "no log":
            _check(runner.simulate(config, store=False).summary, items)
        case "log":
            with tempfile.TemporaryDirectory() as folder:
                _check(runner.simulate(config, folder).summary, items)
        case _:
            import simpy_oracle

            if program == "SimPy":
                simpy_oracle.Model(plan(simulable(config)), lambda *_: None).run()
            else:
                simpy_oracle.instants(plan(simulable(config)))


def _draw(plan: Plan) -> None:
    """All pauses and services, a block of a producer's items at a time."""
    from runner.planning.draws import Block

    (source, sink), origins = plan.groups, plan.origins
    if not isinstance(source.items, range) or sink.service is None:
        raise TypeError("the models are of whole numbers that are worked on")
    for producer in range(source.count):
        for begin in range(0, len(source.items), 64):
            block = Block(origins.prefix(producer), range(len(source.items))[begin : begin + 64])
            source.pause.block(block)
            sink.service.block(block)


def _check(summary: Mapping[str, Any], items: int) -> None:
    if summary["items"]["done"] != items or summary["audit"]["valid"] is not True:
        raise SystemExit(f"another job was done: {summary['items']}, {summary['audit']}")


def measure(program: str, model: str, items: int) -> dict[str, float]:
    """Run one program in a process of its own."""
    command = [sys.executable, __file__, "--perform", program, model, str(items)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def spread(values: list[float], digits: int) -> str:
    """Median and extremes."""
    return f"{statistics.median(values):,.{digits}f} [{min(values):,.{digits}f}, {max(values):,.{digits}f}]"


def compare(model: str, items: int, rounds: int) -> Iterator[str]:
    """All programs in turns; yields what there is to tell."""
    rates: dict[str, list[float]] = {program: [] for program in PROGRAMS}
    for turn in range(rounds):
        first = turn % len(PROGRAMS)
        for program in PROGRAMS[first:] + PROGRAMS[:first]:
            rates[program].append(items / measure(program, model, items)["seconds"])
    yield ""
    yield (f"{model}, {WORKERS} producers, {WORKERS} consumers, maxsize 100, {items:,} items, {rounds} rounds")
    for program, values in rates.items():
        yield (f"  {program:28}{spread(values, 0)} items/s")
    for ours, theirs in COMPARED:
        ratios = [a / b for a, b in zip(rates[ours], rates[theirs], strict=True)]
        yield (f"  {f'{ours} / {theirs}':28}{spread(ratios, 2)}")


def scale(most: int) -> Iterator[str]:
    """Time and memory of an item, as they become more."""
    yield ""
    yield "without a log, exponential times"
    items = 10_000
    while items <= most:
        found = [measure("no log", "exponential times", items) for _ in range(max(1, min(9, 1_000_000 // items)))]
        times = spread([each["seconds"] / items * 1e6 for each in found], 2)
        yield f"  {items:>12,} items  {times} µs an item  {found[0]['mib']:.1f} MiB more than before"
        items *= 10


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The simulation against SimPy, and its growth.")
    parser.add_argument("--perform", nargs=3, metavar=("PROGRAM", "MODEL", "ITEMS"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--into", type=Path)
    parser.add_argument("--most", type=int, default=10_000_000)
    options = parser.parse_args()
    if options.perform:
        print(json.dumps(perform(options.perform[0], options.perform[1], int(options.perform[2]))))
        return
    lines = []
    for line in tell(options):
        print(line, flush=True)
        lines.append(line)
    if options.into is not None:
        before, mark, rest = options.into.read_text(encoding="utf-8").partition(BEGIN)
        text = f"{before}{mark}\n```text\n{chr(10).join(lines)}\n```\n{END}{rest.partition(END)[2]}"
        options.into.write_text(text, encoding="utf-8")


def tell(options: argparse.Namespace) -> Iterator[str]:
    """Measure; yields the report line by line."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    yield f"{len(os.sched_getaffinity(0))} cores, {model}, Linux {platform.release()}, load {os.getloadavg()[0]:.1f}"
    yield f"{platform.python_implementation()} {platform.python_version()}; python {' '.join(sys.argv)}"
    for name in MODELS:
        yield from compare(name, options.items, options.rounds)
    if options.most:
        yield from scale(options.most)


if __name__ == "__main__":
    main()
