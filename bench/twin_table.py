"""The table of docs/explanation/twins.md: each example config for real, beside its simulation.

    python bench/twin_table.py [--runs N] [--shuffles N] [--output FILE] [CONFIG…]

Every config of which the simulation takes at least a second is run five times, at a time scale at which it lasts ten
seconds at most; the runs of all configs take turns. The median makespan has to be within 2 % (where workers are `busy`:
5 %) of the simulated one, the median of the mean latencies within 5 % or 2 ms. Where something is simultaneous, or
several producers block on one bounded queue, a real run may decide otherwise than the simulation, and the range of 20
simulations takes its place, in which turns at one instant, and producers who wait for room, are put in order by chance.

Exits with 1 where a config is beyond its bounds.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import runner
from runner.analysis.course import Course
from runner.config.simulable import foretold, obstacles
from runner.engines.simulated import simulated
from runner.experiments.twin import typed
from runner.planning.plan import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.config.models import Config
    from runner.engines.simulated import Simulated

CONFIGS = Path(__file__).parent.parent / "configs"
SHORTEST_S: Final = 1.0
LONGEST_S: Final = 10.0
MAKESPAN, BUSY, LATENCY, LATENCY_S = 0.02, 0.05, 0.05, 0.002


@dataclass(frozen=True, slots=True)
class Range:
    """From the least to the most of what simulations say, in seconds."""

    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> Range:
        """Of these."""
        return cls(min(values), max(values))

    def has(self, value: float, share: float, seconds: float = 0.0) -> bool:
        """Whether a value is within, or at most a share of the nearer end beyond, or so many seconds."""
        below, above = max(share * self.least, seconds), max(share * self.most, seconds)
        return self.least - below <= value <= self.most + above

    def __str__(self) -> str:
        if self.least == self.most:
            return f"{self.least:.4g}"
        return f"{self.least:.4g} to {self.most:.4g}"


class Subject:
    """A config, its simulations, and its real runs so far."""

    def __init__(self, path: Path, shuffles: int) -> None:
        self.path = path
        self.why_not: str | None = None
        self.makespans: list[float] = []
        self.latencies: list[float] = []
        self.scale = 1.0
        config = runner.load(path)
        obstacle = next(obstacles(config), None)
        if obstacle is not None:
            self.why_not = f"{obstacle[0]} {obstacle[1]}"
            return
        makespan = self._simulated(config).summary["makespan_s"]
        if makespan < SHORTEST_S:
            self.why_not = f"its simulation takes {makespan:.3g} s only"
            return
        self.scale = min(1.0, LONGEST_S / makespan)
        self.config = runner.load(path, {"time_scale": config.time_scale * self.scale})
        once = self._simulated(self.config)
        self.busy = any(group.busy for group in runner.plan(foretold(self.config)).groups)
        self.tied = Course(typed(once.events())).simultaneous()[0] > 0 or self._is_contended(once)
        ties: list[int | None] = [None, *range(shuffles)] if self.tied else [None]
        summaries = [self._simulated(self.config, each).summary for each in ties]
        self.makespan = Range.of([summary["makespan_s"] for summary in summaries])
        self.latency = Range.of([summary["latency"]["mean"] for summary in summaries])

    def _simulated(self, config: Config, ties: int | None = None) -> Simulated:
        return simulated(runner.plan(foretold(config)), ties=ties)

    def _is_contended(self, once: Simulated) -> bool:
        """Whether several producers block on one queue."""
        for queue in runner.plan(self.config).queues:
            writers = [group for group in runner.plan(self.config).writers(queue.name) if group.role is Role.PRODUCER]
            names = [f"{group.name}-{place}" for group in writers for place in range(group.count)]
            if sum(once.summary["workers"][name]["wait_s"] > 0 for name in names) > 1:
                return True
        return False

    def run(self, out: str) -> None:
        """Run it once for real."""
        summary = runner.run(self.config, out).summary
        self.makespans.append(summary["makespan_s"])
        self.latencies.append(summary["latency"]["mean"])

    @property
    def share(self) -> float:
        """By which the makespan may differ."""
        return BUSY if self.busy else MAKESPAN

    @property
    def holds(self) -> bool:
        """Whether the medians are where they have to be."""
        makespan, latency = statistics.median(self.makespans), statistics.median(self.latencies)
        return self.makespan.has(makespan, self.share) and self.latency.has(latency, LATENCY, LATENCY_S)

    def row(self) -> str:
        """A line of the table."""
        makespan, latency = statistics.median(self.makespans), statistics.median(self.latencies)
        cells = [
            f"`{self.path.name}`", f"{self.scale:.3g}", "range" if self.tied else "one", str(self.makespan),
            f"{makespan:.4g} ({min(self.makespans):.4g} to {max(self.makespans):.4g})",
            _beyond(self.makespan, makespan), f"{self.share:.0%}", str(self.latency), f"{latency:.4g}",
            _beyond(self.latency, latency), "yes" if self.holds else "**no**",
        ]  # fmt: skip
        return f"| {' | '.join(cells)} |"


def _beyond(simulated: Range, real: float) -> str:
    """How far a real figure lies outside, in percent of the nearer end."""
    end = min(max(real, simulated.least), simulated.most)
    return f"{(real - end) / end:+.2%}" if end else f"{1e3 * (real - end):+.2f} ms"


def page(subjects: list[Subject], runs: int, shuffles: int, load: float) -> Iterator[str]:
    """The page, as Markdown."""
    compared = [subject for subject in subjects if subject.why_not is None]
    yield "# Example configs and their simulations"
    yield ""
    yield f"Written by `make twins`: {runs} real runs of each example, with the medians and, in brackets, the extremes,"
    yield f"beside its simulation. Where something is simultaneous, or several producers block on one queue, {shuffles}"
    yield "more simulations decide ties by chance, and the range of all stands there. Seconds; `off` is what lies"
    yield "outside, and `may be` what the bar is; a mean latency may be off by 5 % or 2 ms. Where gaps come from is"
    yield "told on the page on [the twin](twin.md)."
    yield ""
    yield (
        "| config | time scale | simulations | simulated makespan | real | off | may be | simulated mean latency "
        "| real | off | holds |"
    )
    yield "|" + "---|" * 11
    yield from (subject.row() for subject in compared)
    yield ""
    for subject in subjects:
        if subject.why_not is not None:
            yield f"Not compared: `{subject.path.name}`; {subject.why_not}."
    yield ""
    cpus = len(os.sched_getaffinity(0))
    yield (
        f"Measured with {cpus} CPUs, of which other programs wanted {load:.1f} before the start, Linux "
        f"{platform.release()}, Python {platform.python_version()}."
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Example configs for real and simulated.")
    parser.add_argument("configs", nargs="*", type=Path, default=sorted(CONFIGS.glob("*.yaml")))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--shuffles", type=int, default=20)
    parser.add_argument("--output", type=Path)
    options: Any = parser.parse_args()
    load = os.getloadavg()[0]
    subjects = [Subject(path, options.shuffles) for path in options.configs]
    compared = [subject for subject in subjects if subject.why_not is None]
    with tempfile.TemporaryDirectory() as out:
        for number in range(options.runs):
            for subject in compared:
                subject.run(out)
                print(f"{number + 1}: {subject.path.name}: {subject.makespans[-1]:.4f} s", file=sys.stderr)
    text = "\n".join(page(subjects, options.runs, options.shuffles, load)) + "\n"
    if options.output is None:
        print(text, end="")
    else:
        options.output.write_text(text)
    sys.exit(not all(subject.holds for subject in compared))


if __name__ == "__main__":
    main()
