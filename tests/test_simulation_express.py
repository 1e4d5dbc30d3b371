"""The express calendar tells what the steps' interpreter tells: the same records, in the same chunks.

`MPRUN_EXPRESS=2000` compares so many random configs; by default it is some hundreds.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.config.load import load, loads
from runner.config.simulable import simulable
from runner.engines import simulation_crew, simulation_express, simulation_worker
from runner.engines.simulation import Simulation, run
from runner.engines.simulation_crew import Crew
from runner.engines.simulation_express import ExpressCalendar, is_plain
from runner.log.sequence import SequenceLines
from runner.planning.resolve import plan as resolved

if TYPE_CHECKING:
    from runner.planning.plan import Plan

EXAMPLES = int(os.environ.get("MPRUN_EXPRESS") or 300)
UNSIMULATED = {"pipeline", "poison-item"}  # user code without a model
CONFIGS = [p for p in sorted((Path(__file__).parent.parent / "configs").glob("*.yaml")) if p.stem not in UNSIMULATED]
PLAIN = "producers: {p: {items: 9, sleep: 1s}}\nconsumers: {c: {sleep: 1s}}"

Drawn = dict[str, Any]

TIMES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([0, 0.001, 0.002]),
    st.sampled_from([0.0005, 0.002]).map(lambda mean: {"distribution": "exponential", "mean": mean}),
    st.just({"distribution": "uniform", "low": 0, "high": 0.003}),
    st.just({"distribution": "randint", "low": "0ms", "high": "2ms"}),
    st.just({"distribution": "normal", "mean": 0.001, "sd": 0.002}),
    st.just({"distribution": "gamma", "shape": 0.5, "mean": 0.002, "min": 0.0001}),
)
COUNTS = st.integers(1, 3)


@st.composite
def producer(draw: st.DrawFn) -> Drawn:
    values = st.lists(st.sampled_from(["a", 7, [1]]), min_size=1, max_size=4)
    listed = st.fixed_dictionaries({"values": values, "share": st.sampled_from(["each", "split"])})
    items = {"stop": draw(st.integers(0, 30)), "share": draw(st.sampled_from(["each", "split"]))}
    return {"count": draw(COUNTS), "items": draw(st.just(items) | listed), "sleep": draw(TIMES)}


@st.composite
def consumer(draw: st.DrawFn) -> Drawn:
    work: Drawn = draw(
        st.one_of(
            TIMES.map(lambda time: {"sleep": time}),
            TIMES.map(lambda time: {"call": {"target": "no:where", "model": time}}),
            st.just({}),
        )
    )
    return {"count": draw(COUNTS), **work}


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A plain plan: producers, one queue, consumers; with ties, quotas, bounds, and times of 0."""
    config: Drawn = {
        "seed": draw(st.integers(0, 99)),
        "time_scale": draw(st.sampled_from([1, 1, 1, 0.5, 0])),
        "queues": {"q": {"maxsize": draw(st.sampled_from([0, 1, 2, 7]))}},
        "producers": {f"p{k}": draw(producer()) for k in range(draw(COUNTS))},
        "consumers": {f"c{k}": draw(consumer()) for k in range(draw(st.integers(1, 2)))},
    }
    if draw(st.integers(0, 3)) == 0:
        config["duration"] = draw(st.sampled_from([0.001, 0.003, 0.02]))
    elif draw(st.integers(0, 2)) == 0:
        taken = sum(group["count"] for group in config["consumers"].values())
        quota = sum(map(_items, config["producers"].values())) // taken
        if quota:
            config["consumers"]["c0"]["items"] = draw(st.integers(1, quota))
            if "c1" in config["consumers"]:
                config["consumers"]["c1"]["items"] = draw(st.integers(1, quota))
    return resolved(simulable(loads(json.dumps(config))))


def _items(group: Drawn) -> int:
    items = group["items"]
    count: int = 1 if items["share"] == "split" else group["count"]
    return count * (len(items["values"]) if "values" in items else int(items["stop"]))


class Interrupting:
    """Stands in for signals: one comes at the look of this number."""

    def __init__(self, look: int) -> None:
        self._left = look

    def fresh(self) -> list[int]:
        self._left -= 1
        return [signal.SIGINT] if self._left == 0 else []


def told(plan: Plan, interrupted_at: int | None = None) -> list[bytes]:
    """What a simulation tells, chunk by chunk."""
    lines = SequenceLines(plan.origins.prefix)
    chunks: list[bytes] = []
    signals: Any = None if interrupted_at is None else Interrupting(interrupted_at)
    run(Simulation(plan, "run", signals), lambda records: chunks.append(lines(records)))
    return chunks


def interpreted(plan: Plan, interrupted_at: int | None = None) -> list[bytes]:
    """The same by the interpreter of steps, whatever the plan."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation_crew, "is_plain", lambda _: False)
        assert not isinstance(Crew(plan).calendar, ExpressCalendar)
        return told(plan, interrupted_at)


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(plans())
def test_plain_plans_are_told_as_by_the_interpreter(plan: Plan) -> None:
    assert isinstance(Crew(plan).calendar, ExpressCalendar)
    assert told(plan) == interpreted(plan)


@settings(max_examples=EXAMPLES // 5, suppress_health_check=list(HealthCheck))
@given(plans(), st.integers(1, 40), st.sampled_from([1, 2, 5, 16]), st.sampled_from([3, 20, 1 << 16]))
def test_so_they_are_in_rounds_of_any_length_and_wherever_they_are_stopped(
    plan: Plan, look: int, turns: int, longest: int
) -> None:
    """A turn here is a turn there: after each the crew's objects say the same, and leftovers are found in them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runner.engines.simulation._TURNS", turns)
        patch.setattr(simulation_worker, "LONGEST_TURN", longest)
        patch.setattr(simulation_express, "LONGEST_TURN", longest)
        assert told(plan, look) == interpreted(plan, look)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_examples_are_told_as_by_the_interpreter(path: Path) -> None:
    plan = resolved(simulable(load(path)))
    assert told(plan) == interpreted(plan)


def test_a_long_one_is_told_as_by_the_interpreter() -> None:
    """Over many blocks of draws and rounds of turns."""
    text = """
    queues: {main: {maxsize: 20}}
    producers: {p: {count: 3, items: 5000, sleep: {distribution: exponential, mean: 3ms}}}
    consumers: {c: {count: 4, sleep: {distribution: exponential, mean: 4ms}}}
    """
    plan = resolved(simulable(loads(text)))
    assert is_plain(plan)
    assert told(plan) == interpreted(plan)


@pytest.mark.parametrize(
    "change",
    [
        ("p: {items: 9,", "p: {pacing: open, items: 9,"),
        ("producers:", "queues: {main: {batch: 3}}\nproducers:"),
        ("c: {sleep: 1s}", "c: {busy: 1s}"),
        ("c: {sleep: 1s}", "c: {item_timeout: 3s, sleep: 1s}"),
        ("c: {sleep: 1s}", "c: {sleep: {distribution: trace, file: trace}}"),
        ("c: {sleep: 1s}", "c: {sleep: {distribution: trace, file: trace, min: 1s}}"),
        ("consumers:", "faults: [{kill: c-0, after: {gets: 1}}]\nconsumers:"),
        ("p: {items: 9,", "p: {items: null,"),
        ("consumers: {c:", "queues: {a: {}, b: {}}\nstages: {s: {from: a, to: b}}\nconsumers: {c:"),
    ],
)
def test_what_is_not_plain_is_interpreted(change: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "trace").write_text("0.1\n0.2\n")
    text = PLAIN.replace(*change)
    if "stages" in text:
        text = text.replace("p: {", "p: {to: a, ").replace("c: {", "c: {from: b, ")
    if "items: null" in text:
        text = text.replace("items: null,", "") + "\nduration: 5s"
    plan = resolved(simulable(loads(text, folder=tmp_path)))
    assert not is_plain(plan)
    assert not isinstance(Crew(plan).calendar, ExpressCalendar)


def test_ties_that_chance_decides_are_interpreted() -> None:
    plan = resolved(simulable(loads(PLAIN)))
    assert isinstance(Crew(plan).calendar, ExpressCalendar)
    assert not isinstance(Crew(plan, 7).calendar, ExpressCalendar)


def test_a_calendar_that_errs_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: writers who are let in have their turn too late, and it shows."""
    text = "queues: {q: {maxsize: 1}}\nproducers: {p: {count: 3, items: 5}}\nconsumers: {c: {sleep: 1s}}"
    plan = resolved(simulable(loads(text)))
    right = interpreted(plan)

    def late(self: ExpressCalendar) -> None:
        for instant, place in self._let_in:
            self.wake(self._crew.actors[place], instant + 1)
        self._let_in.clear()

    assert told(plan) == right
    monkeypatch.setattr(ExpressCalendar, "_wake_let_in", late)
    assert told(plan) != right
