"""The figures of the lessons that depend on the machine: processes against threads, and the kinds of queue compared.

    python bench/lessons.py [--rounds 5] [--only threads|kinds]

Runs the lessons' own configs, all ways in turn, as often as there are rounds, and prints the tables of
docs/lessons/processes-against-threads.md and docs/lessons/kinds-compared.md: median, least and most makespan.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import runner
from runner.config.kinds import BUILT_IN

CONFIGS: Final = Path(__file__).parent.parent / "configs"


class Way(NamedTuple):
    """A row: what it is called, and what is changed in the lesson's config for it."""

    label: str
    changes: dict[str, Any]


THREADS: Final = [
    Way(f"{engine} | {count}", {"engine": engine, "consumers.crunch.count": count})
    for engine in ("processes", "threads")
    for count in (1, 2)
]
KINDS: Final = [Way(f"`{kind}`", {"queues.main.kind": kind}) for kind in BUILT_IN]


def measured(config: str, ways: list[Way], rounds: int) -> list[list[float]]:
    """For each way its makespans in seconds; the ways take turns."""
    found: list[list[float]] = [[] for _ in ways]
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for way, makespans in zip(ways, found, strict=True):
                result = runner.run(runner.load(CONFIGS / f"{config}.yaml", way.changes), folder)
                if result.exit_code:
                    raise SystemExit(f"{way.label}: {result.summary['status']}")
                makespans.append(result.summary["makespan_s"])
    return found


def threads(rounds: int) -> str:
    """The table of processes against threads; speed-up is that of two consumers over one."""
    found = measured("processes-against-threads", THREADS, rounds)
    lines = ["| engine | consumers | makespan | least to most | speed-up |", "|---|---|---|---|---|"]
    for number, (way, makespans) in enumerate(zip(THREADS, found, strict=True)):
        gain = f"{median(found[number - 1]) / median(makespans):.2f}" if number % 2 else ""
        lines.append(f"| {way.label} | {_spread(makespans)} | {gain} |")
    return "\n".join(lines)


def kinds(rounds: int) -> str:
    """The table of the kinds of queue."""
    found = measured("kinds-compared", KINDS, rounds)
    items = 6000
    lines = ["| kind | makespan | least to most | items a second |", "|---|---|---|---|"]
    for way, makespans in zip(KINDS, found, strict=True):
        lines.append(f"| {way.label} | {_spread(makespans)} | {items / median(makespans):,.0f} |")
    return "\n".join(lines)


def _spread(makespans: list[float]) -> str:
    return f"{median(makespans):.2f} s | {min(makespans):.2f} to {max(makespans):.2f} s"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The figures of the lessons that depend on the machine")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["threads", "kinds"])
    asked = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{cores} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}, ", end="")
    print(f"{asked.rounds} rounds\n")
    for name, table in (("threads", threads), ("kinds", kinds)):
        if asked.only in (None, name):
            print(table(asked.rounds), end="\n\n")


if __name__ == "__main__":
    main()
