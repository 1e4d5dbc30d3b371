"""What theory gets to know of a plan."""

from __future__ import annotations

from math import inf

import pytest

from runner.config.load import loads as config_of
from runner.planning.resolve import PIPE_CAPACITY
from runner.planning.resolve import plan as resolved
from runner.planning.stations import Feed, Station, Times, stations, times

EXPONENTIAL = "{distribution: exponential, mean: 2}"


def only(text: str) -> Station:
    (station,) = stations(resolved(config_of(text)))
    return station


def pause(law: str, time_scale: float = 1) -> Times:
    station = only(
        f"{{time_scale: {time_scale}, producers: {{p: {{items: 9, sleep: {law}}}}}, consumers: {{c: {{}}}}}}"
    )
    return station.feeds[0].pause


def test_a_queue_with_its_producers_and_consumers() -> None:
    found = only(f"""
        time_scale: 0.5
        producers: {{p: {{count: 3, items: 10, sleep: {EXPONENTIAL}}}}}
        consumers: {{c: {{count: 4, sleep: {{distribution: uniform, low: 1, high: 3}}}}}}
    """)
    work = Times(1.0, pytest.approx(1 / 12), memoryless=False)  # type: ignore[arg-type]
    feed = Feed(3, Times(1.0, 1.0, memoryless=True))
    assert found == Station("main", (feed,), (), 4, work, PIPE_CAPACITY, 30, (), None)


@pytest.mark.parametrize(
    "law",
    [
        EXPONENTIAL,
        "{distribution: exponential, rate: 0.5}",
        "{distribution: erlang, k: 1, mean: 2}",
        "{distribution: gamma, shape: 1, mean: 2}",
        "{distribution: weibull, shape: 1, scale: 2}",
    ],
)
def test_the_exponential_law_under_all_its_names(law: str) -> None:
    assert pause(law) == Times(2.0, pytest.approx(1.0), memoryless=True)  # type: ignore[arg-type]
    assert pause(law, time_scale=0) == Times(0.0, 0.0, memoryless=False)


def test_other_laws_are_their_two_moments() -> None:
    assert pause("{distribution: lognormal, mean: 2, cv: 3}").scv == pytest.approx(9)
    assert pause("{distribution: exponential, mean: 2, max: 4}").memoryless is False
    assert pause("{distribution: pareto, alpha: 1.5, minimum: 1}").scv == inf
    assert pause("{distribution: pareto, alpha: 1, minimum: 1}") == Times(inf, 0.0, memoryless=False)
    assert pause("2") == Times(2.0, 0.0, memoryless=False)
    assert times(None) == Times(0.0, 0.0, memoryless=False)


def test_a_declared_bound_is_the_room() -> None:
    text = "queues: {{main: {{kind: {}, maxsize: {}}}}}\nproducers: {{p: {{items: 9}}}}\nconsumers: {{c: {{}}}}"
    kinds = [(kind, size) for kind in ("pipe", "multiprocessing.Queue") for size in (7, 0)]
    rooms = [only(text.format(kind, size)).room for kind, size in kinds]
    assert rooms == [7, PIPE_CAPACITY, 7, None]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "{producers: {p: {items: 9}}, consumers: {c: {call: 'json:loads'}}}",
            "nobody knows how long c calls json:loads",
        ),
        (
            "{producers: {p: {items: 9}}, consumers: {c: {sleep: 1}, d: {sleep: 2}}}",
            "c and d work at different speeds, who gets what is chance",
        ),
        (
            "{queues: {main: {batch: 8}}, producers: {p: {items: 9}}, consumers: {c: {}}}",
            "who gets takes up to 8 items at once, which wait in hand",
        ),
        (
            "{producers: {p: {items: {call: 'itertools:count'}}}, consumers: {c: {}}}",
            "nobody knows when p's user code gives its items",
        ),
    ],
)
def test_what_nobody_knows_is_said(text: str, why: str) -> None:
    assert only(text).unknown == why


def test_groups_that_work_alike_are_one() -> None:
    found = only("{producers: {p: {items: 9}}, consumers: {c: {count: 2, sleep: 1}, d: {sleep: 1}}}")
    assert (found.servers, found.unknown) == (3, None)


def test_stages_bring_what_their_queue_has() -> None:
    text = """
        queues: {{a: {{}}, b: {{}}}}
        producers: {{p: {{to: a, items: 9}}}}
        stages: {{s: {{from: a, to: b{work}}}}}
        consumers: {{c: {{from: b}}{other}}}
    """
    found = [
        stations(resolved(config_of(text.format(work=work, other=other))))[1]
        for work, other in (("", ""), (", call: 'json:loads'", ""), ("", ", d: {from: a}"))
    ]
    assert [station.upstream for station in found] == [("a",)] * 3
    assert [station.feeds for station in found] == [()] * 3
    assert [station.unknown for station in found] == [
        None,
        "nobody knows what s gives",
        "how much of a goes to s is chance",
    ]


def test_what_no_formula_knows_of_is_a_caveat() -> None:
    found = only("""
        producers: {p: {items: 10, sleep: 1}, q: {items: 10, sleep: 2}}
        consumers: {c: {busy: 1}}
        faults: [{pause: c-0, after: {gets: 3}, for: 2s}]
    """)
    assert found.caveats == (
        "some producers end before others; it holds while all produce",
        "c burns CPU; it holds while every worker has a processor",
        "the faults of c are left out",
    )
