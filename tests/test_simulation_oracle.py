"""An independent oracle: hand-written SimPy models say the same of every put, get and done, to the nanosecond.

Random configs with bounds, several groups, stages, quotas and batches, whose times come from continuous laws, so that
nothing but the start is simultaneous. `MPRUN_ORACLE=5000` compares so many; by default it is 200.
"""

from __future__ import annotations

import json
import os
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import simpy_oracle

from runner.config.load import loads
from runner.config.simulable import simulable
from runner.engines.simulation import Simulation, run
from runner.log.journal import DONE, GET, PUT
from runner.planning.resolve import plan as resolved

if TYPE_CHECKING:
    from simpy_oracle import Instants

    from runner.log.sequence import Record
    from runner.planning.plan import Plan

CONFIGS = int(os.environ.get("MPRUN_ORACLE") or 200)
_NAMES = {PUT: "put", GET: "get", DONE: "done"}


def law(random: Random) -> dict[str, Any]:
    """A continuous law of some milliseconds, which is never 0."""
    mean = random.choice([0.001, 0.003])
    return random.choice(
        [
            {"distribution": "exponential", "mean": mean, "min": 1e-6},
            {"distribution": "uniform", "low": mean / 2, "high": 2 * mean},
            {"distribution": "lognormal", "mean": mean, "cv": 1.5, "min": 1e-6},
            {"distribution": "erlang", "k": 2, "mean": mean, "min": 1e-6},
        ]
    )


def config(number: int) -> dict[str, Any]:
    """The random config of this number: a chain of up to three queues, with more producers and consumers beside it."""
    random = Random(number)  # noqa: S311 - repeatable
    names = [f"q{place}" for place in range(random.randint(1, 3))]
    queues = {name: {"maxsize": random.choice([0, 1, 2, 3, 7]), "batch": random.choice([1, 1, 3])} for name in names}
    producers: dict[str, Any] = {
        f"p{k}": {
            "to": names[0] if k == 0 else random.choice(names),
            "count": random.randint(1, 3),
            "items": {"stop": random.randint(1, 25), "share": random.choice(["each", "split"])},
            "sleep": law(random),
        }
        for k in range(random.randint(1, 3))
    }
    stages: dict[str, Any] = {
        f"s{place}": {"count": random.randint(1, 3), "from": name, "to": names[place + 1], "sleep": law(random)}
        for place, name in enumerate(names[:-1])
    }
    consumers: dict[str, Any] = {
        f"c{k}": {"count": random.randint(1, 3), "from": names[-1], "sleep": law(random)}
        for k in range(random.randint(1, 2))
    }
    for place, name in enumerate(names[:-1]):
        if random.random() < 0.2:
            consumers[f"d{place}"] = {"from": name, "sleep": law(random)}
    if len(consumers) == 1 and random.random() < 0.5:
        group = consumers["c0"]
        put = sum(_items(each) for each in producers.values())
        if put >= group["count"]:
            group["items"] = random.randint(1, put // group["count"])
    if random.random() < 0.3:  # one who never pauses, and so fills batches, at a queue where no start can be a tie
        producers = {"p0": {"to": names[0], "items": random.randint(5, 60)}}
        (stages or consumers)[next(iter(stages or consumers))]["count"] = 1
        consumers = {"c0": {key: value for key, value in consumers["c0"].items() if key != "items"}}
    for name, queue in queues.items():
        writers = [group for group in (*producers.values(), *stages.values()) if group["to"] == name]
        if sum(group.get("count", 1) for group in writers) > 1 and queue["batch"] > 1:
            queue["maxsize"] = 0  # one read would make room for several writers at one instant: a tie
    return {"seed": number, "queues": queues, "producers": producers, "stages": stages, "consumers": consumers}


def _items(group: dict[str, Any]) -> int:
    return int(group["items"]["stop"]) * (1 if group["items"]["share"] == "split" else group["count"])


def planned(number: int) -> Plan:
    return resolved(simulable(loads(json.dumps(config(number)))))


def ours(plan: Plan) -> Instants:
    """When every put, get and done returns, and whose it was, as the engine has it."""
    found: Instants = {}

    def take(records: list[Record]) -> None:
        for kind, at, who, what, _, _ in records:
            if kind in _NAMES:
                queue = who.target if kind == PUT else who.source
                found[_NAMES[kind], queue, who.plan.item_id(what)] = at, who.name

    run(Simulation(plan, None), take)
    return found


def differences(mine: Instants, theirs: Instants) -> list[str]:
    """What is not the same: of one side only, at another instant (by more than 1 ns), of another worker."""
    return [
        f"{' '.join(key)}: simulation {mine.get(key)}, oracle {theirs.get(key)}"
        for key in sorted(mine.keys() | theirs.keys())
        if key not in mine
        or key not in theirs
        or abs(mine[key][0] - theirs[key][0]) > 1
        or mine[key][1] != theirs[key][1]
    ]


def test_simpy_says_the_same_of_every_put_get_and_done() -> None:
    compared = 0
    for number in range(CONFIGS):
        plan = planned(number)
        mine = ours(plan)
        found = differences(mine, simpy_oracle.instants(plan))
        if found:
            pytest.fail("\n".join([json.dumps(config(number)), *found[:20]]), pytrace=False)
        compared += len(mine)
    assert compared > 100 * CONFIGS


@pytest.mark.parametrize("off_by", [-1, 1])
def test_an_oracle_that_counts_wrongly_is_seen(off_by: int) -> None:
    """The control: of bounds that are off by one most configs show it."""
    seen = 0
    tried = range(30)
    for number in tried:
        plan = planned(number)
        bounds = [queue.maxsize for queue in plan.queues]
        if off_by < 0 and 1 in bounds:  # a store of no room does not exist in SimPy
            continue
        seen += bool(differences(ours(plan), simpy_oracle.instants(plan, off_by)))
    assert seen >= 5
