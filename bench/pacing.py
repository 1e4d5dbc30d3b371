"""How punctual open pacing is: lateness of puts at fixed instants, and what a consumer that is too slow makes of it.

    python bench/pacing.py [--rate 1000] [--seconds 10] [--repeats 3]

Three runs take turns in every round:

- `punctual`  a consumer without work: what is late is the machine's and mprun's doing;
- `bounded`   a consumer that needs twice as long as items take to come, `maxsize: 10`: lateness grows;
- `unbounded` the same without a bound: depth grows, and nothing is late.

`drift` compares the mean lateness of the last tenth of the puts with that of the first: a schedule that is kept has
none. `due` says whether each item was due, by the log, just when its draws say.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import runner
from runner.planning.pacing import due_ns

NS = 1e9
RUNS = {"punctual": ("", 0), "bounded": ("maxsize: 10", 2), "unbounded": ("", 2)}


def measure(name: str, rate: int, seconds: float, folder: Path) -> dict[str, Any]:
    """One run's figures."""
    queue, slower = RUNS[name]
    text = (
        f"name: {name}\nqueues: {{main: {{{queue}}}}}\n"
        f"producers: {{arrive: {{items: {round(rate * seconds)}, pacing: open, sleep: {1 / rate}}}}}\n"
        f"consumers: {{serve: {{sleep: {slower / rate}}}}}\n"
    )
    path = folder / f"{name}.yaml"
    path.write_text(text)
    config = runner.load(path)
    result = runner.run(config, out=folder)
    worker = next(iter(runner.plan(config).workers()))
    puts = [event for event in result.events() if event["event"] == "put"]
    late = [put["late_ns"] / NS for put in puts]
    due = {put["t_ns"] - put["wait_ns"] - put["late_ns"] - due_ns(worker, place) for place, put in enumerate(puts)}
    tenth = len(late) // 10
    summary = result.summary
    return {
        "mean_late_s": summary["lateness"]["mean"],
        "p99_late_s": summary["lateness"]["p99"],
        "drift_s": statistics.fmean(late[-tenth:]) - statistics.fmean(late[:tenth]),
        "due": due == {0},
        "depth": summary["queues"]["main"]["max_depth"],
        "exit_code": result.exit_code,
    }


def main() -> None:
    """Measure and print medians, with the extremes in brackets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=1000, help="puts per second")
    parser.add_argument("--seconds", type=float, default=10, help="of arrivals")
    parser.add_argument("--repeats", type=int, default=3, help="rounds")
    chosen = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in RUNS}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(chosen.repeats):
            for name in RUNS:
                found[name].append(measure(name, chosen.rate, chosen.seconds, Path(folder)))
    for name, runs in found.items():
        if not all(run["due"] and run["exit_code"] == 0 for run in runs):
            sys.exit(f"{name}: not as planned: {json.dumps(runs)}")
        told = [
            f"{key} {_spread([run[key] * 1e3 for run in runs])} ms" for key in ("mean_late_s", "p99_late_s", "drift_s")
        ]
        print(f"{name:10} {', '.join(told)}, max depth {_spread([run['depth'] for run in runs])}, due as drawn")


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.3f} [{min(values):.3f} … {max(values):.3f}]"


if __name__ == "__main__":
    main()
