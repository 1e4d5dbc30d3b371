"""How often the intervals of a comparison contain the truth: many pairs of simulations, each with seeds of its own.

    PYTHONPATH=tests python -m repetitions [REPETITIONS] [ITEMS]        (`make coverage`)

The truth is known where a law says it (the mean of a service, how fast a saturated group works); elsewhere it is the
mean of all repetitions.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Final

from runner.analysis.comparison import draws, figures
from runner.analysis.contrast import decided
from runner.analysis.reading import Numbers, Reading
from runner.config.load import loads
from runner.config.simulable import simulable
from runner.engines.simulation import Simulation
from runner.log.sequence import SequenceEvents
from runner.planning.resolve import plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.analysis.contrast import Contrast

SLOWER: Final = 1.1


@dataclass(frozen=True, slots=True)
class Scene:
    """A config and what its service is; `bound` is the queue's maxsize."""

    service_ms: float
    bound: int = 0

    def text(self, items: int, factor: float) -> str:
        """Of the config, with the service so many times as long."""
        service = self.service_ms * factor
        return (
            f"queues: {{main: {{maxsize: {self.bound}}}}}\n"
            f"producers: {{p: {{items: {items}, sleep: {{distribution: exponential, mean: 10ms}}}}}}\n"
            f"consumers: {{c: {{count: 2, sleep: {{distribution: exponential, mean: {service}ms}}}}}}\n"
        )


SCENES: Final = {"load 0.7": Scene(14), "overloaded": Scene(30), "bounded": Scene(20, bound=5)}


def read(scene: Scene, items: int, factor: float, seed: int, numbers: Numbers) -> Reading:
    """A simulation, read."""
    planned = plan(simulable(loads(scene.text(items, factor), overrides={"seed": seed})))
    reading, events = Reading(numbers), SequenceEvents(planned.origins.prefix)
    for chunk in Simulation(planned, None).chunks():
        reading.feed(events(chunk))
    return reading


def compared(scene: Scene, items: int, factor: float, repetition: int, *, one_seed: bool) -> list[Contrast]:
    """A simulation against one with a slower service, with another seed or the same."""
    numbers = Numbers()
    seed = 2 * repetition
    first = read(scene, items, 1, seed, numbers)
    other = read(scene, items, factor, seed if one_seed else seed + 1, numbers)
    return decided(figures(first, other, draws(first, other)))


def covered(found: Sequence[Sequence[Contrast]], metric: str, truth: float | None = None) -> tuple[int, int]:
    """In how many repetitions the interval of a metric contains the truth, and in how many there is one."""
    mine = [
        each for repetition in found for each in repetition if each.metric == metric and each.difference is not None
    ]
    if truth is None:
        truth = fmean(each.difference or 0.0 for each in mine)
    known = [(each.low, each.high) for each in mine if each.low is not None and each.high is not None]
    return sum(low <= truth <= high for low, high in known), len(known)


def relatively_covered(found: Sequence[Sequence[Contrast]], metric: str, truth: float) -> int:
    """In how many repetitions the relative interval of a metric contains the truth."""
    ends = [(e.relative_low, e.relative_high) for repetition in found for e in repetition if e.metric == metric]
    return sum(low <= truth <= high for low, high in ends if low is not None and high is not None)


def main(repetitions: int = 100, items: int = 2000) -> None:
    """Print, for each scene, how often each figure's interval contains the truth."""
    for name, scene in SCENES.items():
        for one_seed in (False, True):
            found = [compared(scene, items, SLOWER, each, one_seed=one_seed) for each in range(repetitions)]
            sys.stdout.write(f"\n{name}, service 10 % slower, {'one seed' if one_seed else 'two seeds'}\n")
            service = scene.service_ms / 1000 * (SLOWER - 1)
            for metric in dict.fromkeys(each.metric for repetition in found for each in repetition):
                inside, known = covered(found, metric, service if metric == "service.mean" else None)
                differs = sum(each.differs for repetition in found for each in repetition if each.metric == metric)
                if known:
                    sys.stdout.write(f"  {metric:26} covers {inside:3} of {known:3}   said to differ {differs:3}\n")
            sys.stdout.flush()
        wrong = sum(any(e.differs for e in compared(scene, items, 1, r, one_seed=False)) for r in range(repetitions))
        sys.stdout.write(f"{name}, the same config, two seeds: a difference is said in {wrong} of {repetitions}\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
