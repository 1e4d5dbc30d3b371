"""What queueing theory says of the steady state, and what the simulation does on average.

For each model many seeds are simulated. A simulation begins with an empty queue, theory does not know a beginning: the
first items are left out, a tenth of all, which at a load of 0.9 is 26 relaxation times of the long form (Odoni and
Roth, *Operations Research* 31, 1983: 1 / (μ (1 - √load)²), in which what is left of a beginning falls to 1/e). Every
item behind them counts, in the order of arrival, so that no end is cut off either. The mean over the seeds has to be
within three of its standard errors of the formula, and must not be within those of another model's.

`MPRUN_THEORY=1` (`make theory`) takes 30 seeds of 10⁵ items; by default it is a small part of that.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from dataclasses import dataclass
from math import factorial, sqrt
from typing import TYPE_CHECKING, Any

import pytest

from runner.config.load import loads
from runner.config.simulable import simulable
from runner.engines.simulation import Simulation, run
from runner.log.journal import DONE, GET
from runner.planning.resolve import plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.log.sequence import Record

LONG = bool(os.environ.get("MPRUN_THEORY"))
SEEDS = range(1, 31 if LONG else 13)
ITEMS = 100_000 if LONG else 3_000
WARM = ITEMS // 10
SERVICE_S = 0.01
OTHER = 11 if LONG else 9
"""Places of another M/M/1/N, which that many items can tell from the right one."""


def mm1_wait(load: float) -> float:
    """Kleinrock, *Queueing Systems I*, 1975, ch. 3."""
    return SERVICE_S * load / (1 - load)


def md1_wait(load: float) -> float:
    """Pollaczek-Khinchine with a constant service; Kleinrock, ch. 5."""
    return mm1_wait(load) / 2


def mmc_wait(load: float, servers: int) -> float:
    """Erlang C, as the sums of the textbook have it; Kleinrock, ch. 3."""
    erlangs = load * servers
    last = erlangs**servers / factorial(servers) / (1 - load)
    waits = last / (sum(erlangs**k / factorial(k) for k in range(servers)) + last)
    return waits * SERVICE_S / (servers - erlangs)


def mm1n_throughput(load: float, places: int) -> float:
    """1 - P(empty) of M/M/1/N, per mean service; Kleinrock, ch. 3."""
    return (1 - 1 / sum(load**k for k in range(places + 1))) / SERVICE_S


@dataclass(frozen=True, slots=True)
class Model:
    """A config in one line: so many consumers, so much load, what a service is like, and what is measured."""

    load: float
    servers: int = 1
    law: str = "exponential"
    maxsize: int = 0

    def text(self, seed: int) -> str:
        pause = {"distribution": "exponential", "mean": SERVICE_S / self.load / self.servers}
        service: Any = SERVICE_S if self.law == "constant" else {"distribution": self.law, "mean": SERVICE_S}
        return json.dumps(
            {
                "seed": seed,
                "queues": {"main": {"maxsize": self.maxsize}},
                "producers": {"p": {"items": WARM + ITEMS, "sleep": pause}},
                "consumers": {"c": {"count": self.servers, "sleep": service}},
            }
        )

    def records(self, seed: int, take: Callable[[list[Record]], None]) -> None:
        outcome = run(Simulation(plan(simulable(loads(self.text(seed)))), None), take)
        assert outcome.reason is None

    def wait(self, seed: int) -> float:
        """The mean time in the queue, in seconds."""
        total = count = 0

        def take(records: list[Record]) -> None:
            nonlocal total, count
            for kind, _, _, what, _, latency in records:
                if kind == GET and what.seq >= WARM:
                    total += latency or 0
                    count += 1

        self.records(seed, take)
        assert count == ITEMS
        return total / count / 1e9

    def throughput(self, seed: int) -> float:
        """Items done per second, once the first are."""
        instants: list[int] = []

        def take(records: list[Record]) -> None:
            instants.extend(at for kind, at, *_ in records if kind == DONE)

        self.records(seed, take)
        return ITEMS / (instants[-1] - instants[WARM - 1]) * 1e9


CASES = {
    "M/M/1 at 0.5": (Model(0.5), Model.wait, mm1_wait(0.5), md1_wait(0.5)),
    "M/M/1 at 0.8": (Model(0.8), Model.wait, mm1_wait(0.8), md1_wait(0.8)),
    "M/M/1 at 0.9": (Model(0.9), Model.wait, mm1_wait(0.9), md1_wait(0.9)),
    "M/M/3 at 0.8": (Model(0.8, servers=3), Model.wait, mmc_wait(0.8, 3), mm1_wait(0.8)),
    "M/D/1 at 0.8": (Model(0.8, law="constant"), Model.wait, md1_wait(0.8), mm1_wait(0.8)),
    "M/M/1, maxsize 10, at 0.9": (
        Model(0.9, maxsize=10), Model.throughput, mm1n_throughput(0.9, 12), mm1n_throughput(0.9, OTHER),
    ),
    "M/M/1, maxsize 10, at 1.2": (
        Model(1.2, maxsize=10), Model.throughput, mm1n_throughput(1.2, 12), mm1n_throughput(1.2, OTHER),
    ),
}  # fmt: skip
"""Name: model, what is measured, what it has to be, and what another formula says, which it must not be."""


@pytest.mark.parametrize("name", CASES)
def test_the_mean_is_within_three_standard_errors_of_theory(name: str) -> None:
    model, measured, theory, other = CASES[name]
    values = [measured(model, seed) for seed in SEEDS]
    mean, error = statistics.mean(values), statistics.stdev(values) / sqrt(len(values))
    off, far = (mean - theory) / error, (mean - other) / error
    sys.stdout.write(f"\n{name}: {mean:.6g}, theory {theory:.6g}, {off:+.2f} standard errors of {error:.3g}\n")
    assert abs(off) <= 3
    assert abs(far) > 3
