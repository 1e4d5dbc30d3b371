"""Which model is chosen for a config, and that its figures are those of the draws of the config."""

from __future__ import annotations

from collections import deque
from heapq import heapify, heapreplace
from math import inf, sqrt
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.analysis.network import Theory, theories
from runner.analysis.streams import Stream, departures, joined
from runner.config.load import loads as config_of
from runner.planning.resolve import plan as resolved
from runner.planning.stations import Feed, Station, Times, stations

if TYPE_CHECKING:
    from runner.planning.plan import Plan

UNIFORM = "{distribution: uniform, low: 0, high: 2}"


def exponential(mean: float) -> str:
    return f"{{distribution: exponential, mean: {mean}}}"


def plan_of(
    pause: str | float, work: str | float, *, producers: int = 1, consumers: int = 1, maxsize: int = 0,
    items: int = 10_000_000, seed: int = 0, kind: str = "pipe",
) -> Plan:  # fmt: skip
    return resolved(
        config_of(f"""
            seed: {seed}
            queues: {{main: {{kind: {kind}, maxsize: {maxsize}}}}}
            producers: {{p: {{count: {producers}, items: {items}, sleep: {pause}}}}}
            consumers: {{c: {{count: {consumers}, sleep: {work}}}}}
        """)
    )


def theory_of(plan: Plan) -> Theory:
    (found,) = theories(stations(plan))
    return found


@pytest.mark.parametrize(
    ("plan", "model", "exact"),
    [
        (plan_of(exponential(1), exponential(0.8)), "M/M/1", True),
        (plan_of(exponential(4), exponential(0.8), producers=4), "M/M/1", True),
        (plan_of(exponential(1), exponential(2.4), consumers=3), "M/M/3", True),
        (plan_of(exponential(1), 0.8), "M/D/1", True),
        (plan_of(exponential(1), "{distribution: lognormal, mean: 0.5, cv: 2}"), "M/G/1", True),
        (plan_of(exponential(1), 1.6, consumers=2), "M/D/2, Allen-Cunneen", False),
        (plan_of(UNIFORM, exponential(0.8)), "G/M/1, Allen-Cunneen", False),
        (plan_of(1, 0.8), "D/D/1", True),
        (plan_of(exponential(1), exponential(0.8), maxsize=10), "M/M/1/12, 1 blocking producer", True),
        (plan_of(exponential(1), exponential(0.8), maxsize=10, producers=3), "M/M/1/14, 3 blocking producers", True),
        (plan_of(exponential(1), exponential(0.5), maxsize=1000), "M/M/1", True),
        (plan_of(0, exponential(1), consumers=2, maxsize=10), "G/M/2, always full", True),
        (plan_of(UNIFORM, 3, maxsize=100), "G/D/1, always full", False),
        (plan_of(exponential(1), 0), "G/D/c, no work", True),
        (plan_of(exponential(1), 2, kind="multiprocessing.Queue"), "none: grows", True),
        (plan_of(exponential(1), exponential(0.99), items=50_000), "M/M/1", False),
    ],
)
def test_the_model_is_that_of_the_config(plan: Plan, model: str, exact: bool) -> None:
    found = theory_of(plan)
    assert (found.model, found.exact) == (model, exact)
    assert found.exact is not bool(found.why)
    assert bool(found.warnings) is (found.load is not None and found.load >= 1)


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (plan_of(0, 0), "neither pauses nor work: the machine decides how fast it is"),
        (plan_of("{distribution: pareto, alpha: 1, minimum: 1}", 1), "the mean of a time is infinite"),
        (plan_of("{distribution: pareto, alpha: 2, minimum: 1}", 1), "the variance of a pause is infinite"),
        (
            plan_of(9, "{distribution: pareto, alpha: 2, minimum: 1}"),
            "the variance of the work is infinite: the mean wait grows with the length of the run",
        ),
        (
            plan_of(2, 0.5, producers=2),
            "producers with constant pauses stay in step: their items come in bursts, which no formula here covers",
        ),
        (
            plan_of(UNIFORM, 0.9, maxsize=2),
            "a bound that blocks producers now and then has a formula only for exponential pauses, alike, and work",
        ),
        (
            plan_of(exponential(1), 2, items=1000),
            "1,000 items do not fill a queue of 32,768 for long: there is no steady state to speak of",
        ),
    ],
)
def test_where_nothing_honest_can_be_said_the_reason_is(plan: Plan, why: str) -> None:
    found = theory_of(plan)
    assert (found.model, found.source, found.figures, found.exact, found.why) == (None, None, None, False, (why,))


def test_a_load_of_one_is_warned_of() -> None:
    bounded, unbounded = (
        theory_of(plan_of(exponential(1), 2, kind="multiprocessing.Queue", maxsize=size)) for size in (100, 0)
    )
    (warning,) = bounded.warnings
    assert warning == (
        "load 2, not below 1: its readers cannot do all that would come; once it is full, who puts is held back"
    )
    assert unbounded.figures is not None
    assert unbounded.figures.in_queue == inf
    assert "has no steady state" in unbounded.warnings[0]


PIPELINE = """
    queues: {{a: {{}}, b: {{maxsize: {maxsize}}}}}
    producers: {{p: {{to: a, items: 9000000, sleep: {pause}}}}}
    stages: {{s: {{from: a, to: b, sleep: {work}}}}}
    consumers: {{c: {{from: b, sleep: 0.7}}}}
"""


def pipeline(pause: str, work: str | float, maxsize: int = 0) -> list[Theory]:
    return theories(stations(resolved(config_of(PIPELINE.format(pause=pause, work=work, maxsize=maxsize)))))


def test_what_leaves_mm1_is_poisson_again() -> None:
    """Burke's theorem: so the second queue is M/D/1, exactly."""
    assert [(each.model, each.exact) for each in pipeline(exponential(1), exponential(0.5))] == [
        ("M/M/1", True),
        ("M/D/1", True),
    ]


def test_what_leaves_other_stages_is_approximated() -> None:
    first, second = pipeline(exponential(1), 0.5)
    assert (first.model, second.model) == ("M/D/1", "G/D/1, Allen-Cunneen")
    assert "what comes from stages" in second.why[0]


def test_an_overloaded_stage_passes_on_what_it_can() -> None:
    first, second = pipeline(exponential(1), 2)
    assert (first.model, second.model) == ("G/D/1, always full", "D/D/1")
    assert second.load == pytest.approx(0.35)


def test_a_bound_behind_a_stage_leaves_nothing_to_say_of_either() -> None:
    first, second = pipeline(exponential(1), exponential(0.5), maxsize=2)
    assert first.why == ("its stage may have to wait for room in b, which no formula here covers",)
    assert second.why == ("its bound keeps stages waiting, which no formula here covers",)
    assert (first.model, second.model, first.figures) == (None, None, None)


def test_below_user_code_nothing_is_known() -> None:
    found = theories(
        stations(
            resolved(
                config_of("""
                    queues: {a: {}, b: {}, z: {}}
                    producers: {p: {to: a, items: 9}}
                    stages: {s: {from: a, to: b, call: 'json:loads'}, t: {from: b, to: z}}
                    consumers: {c: {from: z}}
                """)
            )
        )
    )
    assert [each.why for each in found] == [
        ("nobody knows how long s calls json:loads",),
        ("nobody knows what s gives",),
        ("what its stages put is not known",),
    ]


@given(st.integers(1, 40), st.floats(0.05, 0.95), st.floats(0.01, 9))
def test_streams_stay_poisson_and_many_streams_become_so(count: int, load: float, scv: float) -> None:
    work = Times(load, 1.0, memoryless=True)

    def station(*feeds: Feed) -> Station:
        return Station("q", feeds, (), 1, work, None, None, (), None)

    poisson = station(Feed(count, Times(count, 1.0, memoryless=True)))
    assert joined(poisson, []) == Stream(pytest.approx(1.0), 1.0, poisson=True)  # type: ignore[arg-type]
    assert departures(poisson, joined(poisson, []), load) == joined(poisson, [])
    one, many = (joined(station(Feed(n, Times(n, scv, memoryless=False))), []) for n in (1, 10**4))
    assert one.scv == pytest.approx(scv)
    assert abs(many.scv - 1) <= abs(scv - 1) / (1 + 4 * (1 - load) ** 2 * 9_999) + 1e-6


def latency_and_makespan(plan: Plan, items: int, room: int) -> tuple[float, float]:
    """Mean latency and end of one producer's items, by a recursion over the very draws of the plan.

    A put returns when it began, or when the item `room` before it has been got; an item is got when a consumer is free.
    """
    producer, consumer = plan.groups
    assert consumer.service is not None
    free = [0] * consumer.count
    heapify(free)
    got: deque[int] = deque([0] * room, maxlen=room)
    began = total = 0
    for seq in range(items):
        returned = max(began, got[0])
        start = max(returned, free[0])
        heapreplace(free, start + consumer.service(f"p-0:{seq}", seq))
        got.append(start)
        total += start - began
        began = returned + producer.pause(f"p-0:{seq}", seq)
    return total / items / 1e9, max(free) / 1e9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pause", "work", "consumers", "maxsize"),
    [
        (exponential(1), exponential(0.5), 1, 0),
        (exponential(1), exponential(0.8), 1, 0),
        (exponential(1), exponential(2.1), 3, 0),
        (exponential(1), "0.8", 1, 0),
        (exponential(1), "{distribution: lognormal, mean: 0.5, cv: 1.5}", 1, 0),
        (exponential(1), exponential(1.2), 1, 10),
        (exponential(1), exponential(0.9), 1, 3),
    ],
)
def test_exact_models_agree_with_the_draws(pause: str, work: str, consumers: int, maxsize: int) -> None:
    """Within 3.5 standard errors over 16 seeds."""
    latencies, throughputs, items = [], [], 8_000
    for seed in range(16):
        plan = plan_of(pause, work, consumers=consumers, maxsize=maxsize, seed=seed)
        latency, makespan = latency_and_makespan(plan, items, maxsize or items)
        latencies.append(latency)
        throughputs.append(items / makespan)
    found = theory_of(plan)
    assert found.exact
    assert found.figures is not None
    for sample, expected in ((latencies, found.figures.latency_s), (throughputs, found.figures.throughput)):
        assert abs(fmean(sample) - (expected or 0)) < 3.5 * stdev(sample) / sqrt(len(sample))


@pytest.mark.parametrize(
    ("pause", "work", "consumers"),
    [
        (UNIFORM, exponential(0.8), 1),
        ("{distribution: erlang, k: 4, mean: 1}", "{distribution: uniform, low: 0, high: 3.2}", 2),
        (exponential(1), "{distribution: erlang, k: 2, mean: 2.4}", 3),
    ],
)
def test_allen_cunneen_is_near(pause: str, work: str, consumers: int) -> None:
    """It says a quarter too much where what comes is more regular than Poisson."""
    plan = plan_of(pause, work, consumers=consumers)
    found = theory_of(plan).figures
    assert found is not None
    assert found.latency_s == pytest.approx(latency_and_makespan(plan, 40_000, 40_000)[0], rel=0.3)
