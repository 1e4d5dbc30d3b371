"""The main benchmark: the main job by mprun, and by plain scripts on multiprocessing.Queue.

    python bench/main_job.py [--pairs N] [--items N] [--topologies 1x1 2x2 4x4] [--skip-structlog]

No sleeps, so that nothing but moving and logging costs. Four programs take turns within every round, in an
order that rotates from round to round, so that whatever else the machine does hits all of them alike:

- `plain`            bench/plain.py: logs nothing;
- `plain+structlog`  bench/plain_structlog.py: a JSON line for each put and each get;
- `mprun`            three events per item, merged, audited and stored; queue kind pipe, no batches;
- `mprun batch 64`   the same with batches of up to 64.

A ratio compares the two programs of one round in items per second: above 1, mprun is faster. `makespan` is
from the common start of the workers to the last get (plain) or done (mprun), both measured inside; `wall` is
the whole command, start of Python, merging and auditing included. Printed are the medians and, in brackets,
the extremes.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

BENCH = Path(__file__).parent
PACKAGES = ("mprun", "msgspec", "structlog", "pydantic")
PLAIN, STRUCTLOG, MPRUN, BATCHED = "plain", "plain+structlog", "mprun", "mprun batch 64"


@dataclass(frozen=True, slots=True)
class Topology:
    """So many producers and consumers on one queue."""

    producers: int
    consumers: int

    @classmethod
    def parse(cls, text: str) -> Topology:
        """Reads `2x2`."""
        producers, consumers = map(int, text.split("x"))
        return cls(producers, consumers)

    def __str__(self) -> str:
        return f"{self.producers}x{self.consumers}"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One execution of one program; both in seconds."""

    makespan: float
    wall: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A line of the result: how many times as fast `program` is as `reference`, by the given clock."""

    program: str
    reference: str
    clock: str


COMPARISONS = (
    Comparison(MPRUN, PLAIN, "makespan"),
    Comparison(BATCHED, PLAIN, "makespan"),
    Comparison(MPRUN, PLAIN, "wall"),
    Comparison(BATCHED, PLAIN, "wall"),
    Comparison(MPRUN, STRUCTLOG, "makespan"),
    Comparison(MPRUN, STRUCTLOG, "wall"),
)


def run_plain(script: str, topology: Topology, items: int, folder: Path) -> Measurement:
    """Runs one of the plain scripts, its lines into a file."""
    command = [
        sys.executable,
        str(BENCH / script),
        str(topology.producers),
        str(topology.consumers),
        str(items),
    ]
    began = time.perf_counter()
    with (folder / "log.jsonl").open("wb") as log:
        process = subprocess.run(command, stdout=log, stderr=subprocess.PIPE, check=True)
    wall = time.perf_counter() - began
    return Measurement(json.loads(process.stderr)["makespan_s"], wall)


def run_mprun(batch: int, topology: Topology, items: int, folder: Path) -> Measurement:
    """Runs the mprun command on a config of its own; each producer puts as many items as in the scripts."""
    config = folder / "bench.yaml"
    config.write_text(
        f"queues: {{main: {{batch: {batch}}}}}\n"
        f"producers: {{produce: {{count: {topology.producers}, items: {items // topology.producers}}}}}\n"
        f"consumers: {{consume: {{count: {topology.consumers}}}}}\n"
    )
    mprun = str(Path(sys.executable).with_name("mprun"))
    command = [mprun, str(config), "--log", "none", "-q", "-o", str(folder)]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - began
    summary = json.loads((folder / "latest" / "summary.json").read_text())
    if summary["items"]["done"] != items or summary["audit"]["valid"] is not True:
        raise SystemExit(f"mprun did another job: {summary['items']}, {summary['audit']}")
    return Measurement(summary["makespan_s"], wall)


def measure(program: str, topology: Topology, items: int) -> Measurement:
    """Runs one program once, in a folder that is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="mprun-bench-"))
    try:
        match program:
            case "plain":
                return run_plain("plain.py", topology, items, folder)
            case "plain+structlog":
                return run_plain("plain_structlog.py", topology, items, folder)
            case "mprun":
                return run_mprun(1, topology, items, folder)
            case _:
                return run_mprun(64, topology, items, folder)
    finally:
        shutil.rmtree(folder)


def rounds(topology: Topology, items: int, pairs: int, programs: list[str]) -> dict[str, list[Measurement]]:
    """Every program `pairs` times, interleaved; the k-th measurements of all are of one round."""
    results: dict[str, list[Measurement]] = {program: [] for program in programs}
    for turn in range(pairs):
        first = turn % len(programs)
        for program in programs[first:] + programs[:first]:
            results[program].append(measure(program, topology, items))
    return results


def spread(values: list[float], digits: int) -> str:
    """Median and extremes."""
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def render(topology: Topology, items: int, results: dict[str, list[Measurement]]) -> str:
    """The absolute figures and the ratios of one topology."""
    lines = [f"{topology}, {items} items", f"  {'':18}{'makespan / s':26}{'wall / s':26}items/s by makespan"]
    for program, measured in results.items():
        makespans = [each.makespan for each in measured]
        walls = [each.wall for each in measured]
        rate = items / statistics.median(makespans)
        lines.append(f"  {program:18}{spread(makespans, 3):26}{spread(walls, 3):26}{rate:,.0f}")
    for each in [one for one in COMPARISONS if one.reference in results]:
        pairs = zip(results[each.reference], results[each.program], strict=True)
        ratios = [getattr(theirs, each.clock) / getattr(ours, each.clock) for theirs, ours in pairs]
        lines.append(f"  {f'{each.program} / {each.reference}, {each.clock}':42}{spread(ratios, 2)}")
    return "\n".join(lines)


def machine() -> str:
    """Where and with what it was measured."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return (
        f"{len(os.sched_getaffinity(0))} cores, {model}, Linux {platform.release()},"
        f" load {os.getloadavg()[0]:.1f} before the start\n"
        f"{platform.python_implementation()} {platform.python_version()}, {packages}\n"
        f"command: {' '.join(['python', *sys.argv])}"
    )


def main() -> None:
    """Measures and prints, topology after topology."""
    parser = argparse.ArgumentParser(description="mprun against plain scripts on multiprocessing.Queue")
    parser.add_argument("--pairs", type=int, default=7, help="rounds per topology (default 7)")
    parser.add_argument(
        "--items",
        type=int,
        default=100_000,
        help="items in all, a multiple of the producers (default 100000)",
    )
    parser.add_argument("--topologies", nargs="+", type=Topology.parse, metavar="PxC")
    parser.add_argument(
        "--skip-structlog", action="store_true", help="leave out the script that logs, which takes ten times as long"
    )
    arguments = parser.parse_args()
    programs = [PLAIN, MPRUN, BATCHED, *([] if arguments.skip_structlog else [STRUCTLOG])]
    print(machine(), flush=True)
    for topology in arguments.topologies or [Topology(count, count) for count in (1, 2, 4)]:
        results = rounds(topology, arguments.items, arguments.pairs, programs)
        print(f"\n{render(topology, arguments.items, results)}", flush=True)


if __name__ == "__main__":
    main()
