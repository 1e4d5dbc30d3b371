"""What reading a log costs by its length: summary and audit of 10⁵, 10⁶ and 10⁷ events, without the FIFO check.

    python bench/analysis.py [--events N ...] [--rounds N] [--shape NAME ...]

Simulates a run for each length and stores its log, then lets a fresh process read it as `mprun show` and `mprun audit`
do, round by round, so that all lengths meet the same machine. It prints seconds of wall and of processor time, time per
event, and the most memory that the process held (Linux's VmHWM: getrusage counts what the parent held, too). A log of
10⁷ events takes 2.5 GB of disk and two minutes to make.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from main_job import machine

import runner
from runner.config.load import loads

SHAPES: Final = {
    "one queue": """
queues: {{main: {{maxsize: 1000}}}}
producers: {{p: {{count: 2, items: {per_producer}, sleep: {{distribution: exponential, mean: 1ms}}}}}}
consumers: {{c: {{count: 2, sleep: {{distribution: exponential, mean: 900us}}}}}}
""",
    "open, with a stage": """
queues: {{raw: {{maxsize: 1000}}, fine: {{maxsize: 1000}}}}
producers:
  p: {{count: 2, to: raw, items: {per_producer}, pacing: open, sleep: {{distribution: exponential, mean: 1ms}}}}
stages: {{s: {{count: 2, from: raw, to: fine, sleep: {{distribution: exponential, mean: 800us}}}}}}
consumers: {{c: {{count: 2, from: fine, sleep: {{distribution: exponential, mean: 900us}}}}}}
""",
}  # fmt: skip
EVENTS_PER_ITEM: Final = {"one queue": 3, "open, with a stage": 6}
READ: Final = """
import json, sys, time
from pathlib import Path
from runner.analysis.analyse import analyse
wall, cpu = time.perf_counter(), time.process_time()
summary, verdict = analyse(Path(sys.argv[1]))
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
(most,) = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
print(json.dumps(
    {"wall": wall, "cpu": cpu, "valid": verdict.valid, "done": summary.items.done, "mib": int(most) / 1024}
))
"""


def made(shape: str, events: int, folder: Path) -> tuple[Path, int]:
    """A log of about so many events, and how many it has."""
    per_producer = max(1, events // EVENTS_PER_ITEM[shape] // 2)
    result = runner.simulate(loads(SHAPES[shape].format(per_producer=per_producer)), folder)
    log = result.run_dir / "events.jsonl"
    with log.open("rb") as file:
        return log, sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def measured(log: Path) -> dict[str, Any]:
    """What one reading took, in a process of its own."""
    answer = subprocess.run([sys.executable, "-c", READ, str(log)], stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(answer.stdout)
    if found["valid"] is not True:
        raise SystemExit(f"{log}: the audit says {found['valid']}")
    return found


def measure(shape: str, lengths: list[int], rounds: int) -> None:
    """Print a line for each length."""
    with tempfile.TemporaryDirectory(prefix="mprun-analysis-") as folder:
        logs = [made(shape, length, Path(folder)) for length in lengths]
        samples: list[list[dict[str, Any]]] = [[] for _ in logs]
        for _ in range(rounds):
            for (log, _), sample in zip(logs, samples, strict=True):
                sample.append(measured(log))
    print(f"\n{shape:<20}{'events':>12}{'wall s':>22}{'CPU s':>22}{'µs CPU/event':>14}{'MiB':>8}{'B/item':>8}")
    least = min(each["mib"] for each in samples[0])
    for (_, count), sample in zip(logs, samples, strict=True):
        cpu, mib = statistics.median(each["cpu"] for each in sample), max(each["mib"] for each in sample)
        per_item = (mib - least) * 2**20 / sample[0]["done"]
        print(f"{'':<20}{count:>12,}{_told(sample, 'wall'):>22}{_told(sample, 'cpu'):>22}{cpu / count * 1e6:>14.2f}"
              f"{mib:>8,.0f}{per_item:>8.0f}", flush=True)  # fmt: skip


def _told(sample: list[dict[str, Any]], key: str) -> str:
    values = [each[key] for each in sample]
    return f"{statistics.median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


def main() -> None:
    """Measure and print, shape after shape."""
    parser = argparse.ArgumentParser(description="What summary and audit of a log cost by its length.")
    parser.add_argument("--events", type=int, nargs="+", default=[10**5, 10**6, 10**7], help="lengths of the logs")
    parser.add_argument("--rounds", type=int, default=3, help="readings of each (default 3)")
    parser.add_argument("--shape", choices=SHAPES, nargs="+", default=[*SHAPES], help="topologies (default: all)")
    arguments = parser.parse_args()
    print(machine(), flush=True)
    for shape in arguments.shape:
        measure(shape, arguments.events, arguments.rounds)


if __name__ == "__main__":
    main()
