"""Laws of the simulation, over random valid configs: exact FIFO and bounds, nothing lost, the same again.

`MPRUN_SIMULATIONS=1000` goes through so many; by default it is some dozens.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulations import simulate

from runner.config.load import loads
from runner.planning.resolve import plan

if TYPE_CHECKING:
    from simulations import Gone

EXAMPLES = int(os.environ.get("MPRUN_SIMULATIONS") or 50)

Drawn = dict[str, Any]

TIMES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([0, 0.001, 0.002]),
    st.sampled_from([0.0005, 0.002]).map(lambda mean: {"distribution": "exponential", "mean": mean}),
    st.just({"distribution": "uniform", "low": 0, "high": 0.003}),
    st.just({"distribution": "randint", "low": "1ms", "high": "3ms"}),
)
WORK: st.SearchStrategy[Drawn] = st.one_of(
    st.just({}),
    TIMES.map(lambda time: {"sleep": time}),
    TIMES.map(lambda time: {"busy": time}),
    TIMES.map(lambda time: {"call": {"target": "no:where", "model": time}}),
)
COUNTS = st.integers(1, 3)


@st.composite
def configs(draw: st.DrawFn) -> Drawn:
    """A chain of up to three queues, with any number of producers and readers at each of them."""
    length = draw(st.integers(1, 3))
    queues = [f"q{place}" for place in range(length)]
    config: Drawn = {
        "seed": draw(st.integers(0, 5)),
        "cores": draw(st.integers(1, 3)),
        "queues": {name: draw(queue()) for name in queues},
        "producers": {f"p{k}": draw(producer(queues)) for k in range(draw(st.integers(1, 2)))},
        "stages": {},
        "consumers": {},
    }
    config["producers"]["p0"]["to"] = queues[0]
    for place, name in enumerate(queues[:-1]):
        config["stages"][f"s{place}"] = {"count": draw(COUNTS), "from": name, "to": queues[place + 1], **draw(WORK)}
        if draw(st.integers(0, 4)) == 0:
            config["consumers"][f"d{place}"] = {"from": name, **draw(WORK)}
    config["consumers"]["c"] = {"count": draw(COUNTS), "from": queues[-1], **draw(WORK)}
    if not config["consumers"].keys() - {"c"}:
        put = sum(_items(group) for group in config["producers"].values())
        quota = draw(st.none() | st.integers(1, 8))
        if quota is not None and quota * config["consumers"]["c"]["count"] <= put:
            config["consumers"]["c"]["items"] = quota
    config["on_death"] = {"policy": draw(st.sampled_from(["restart", "continue", "fail"]))}
    config["on_error"] = {"policy": draw(st.sampled_from(["fail", "skip", "retry"]))}
    config["faults"] = draw(st.lists(faults(config), max_size=2))
    if draw(st.integers(0, 3)) == 0 and not any("items" in group for group in config["consumers"].values()):
        config["duration"] = draw(st.sampled_from([0.001, 0.02]))
    return config


def _items(group: Drawn) -> int:
    count: int = 1 if group["items"]["share"] == "split" else group["count"]
    return int(group["items"]["stop"]) * count


@st.composite
def queue(draw: st.DrawFn) -> Drawn:
    return {"maxsize": draw(st.sampled_from([0, 1, 2, 5])), "batch": draw(st.sampled_from([1, 1, 3]))}


@st.composite
def producer(draw: st.DrawFn, queues: list[str]) -> Drawn:
    items = {"stop": draw(st.integers(0, 12)), "share": draw(st.sampled_from(["each", "split"]))}
    return {"to": draw(st.sampled_from(queues)), "count": draw(COUNTS), "items": items, "sleep": draw(TIMES)}


@st.composite
def faults(draw: st.DrawFn, config: Drawn) -> Drawn:
    section = draw(st.sampled_from([name for name in ("producers", "stages", "consumers") if config[name]]))
    group = draw(st.sampled_from(sorted(config[section])))
    act = draw(st.sampled_from(["kill", "kill", "pause", "raise"]))
    counter = {"producers": "puts", "consumers": "gets"}.get(section) or draw(st.sampled_from(["puts", "gets"]))
    worker = f"{group}-{draw(st.integers(0, config[section][group].get('count', 1) - 1))}"
    fault = {act: worker, "after": {counter: draw(st.integers(1, 6))}}
    return {**fault, "for": 0.004} if act == "pause" else fault


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(configs())
def test_every_simulation_keeps_its_promises(config: Drawn) -> None:
    text = repr(config).replace("'", '"').replace("None", "null")
    gone = simulate(text)
    verdict = gone.audited()
    assert (verdict.valid, verdict.violations) == (True, ())
    assert gone.simulated.verdict.count == 0
    assert gone.end["status"] in {"completed", "failed"}
    assert not gone.of("hang")
    if gone.end["status"] == "failed":
        assert config["faults"], gone.end
    assert_queues_are_exact(gone)
    assert_items_are_conserved(gone)
    assert_draws_are_those_of_the_plan(gone, text)
    assert simulate(text).events == gone.events


def assert_queues_are_exact(gone: Gone) -> None:
    """Line by line: what is got is what has been there longest, and never is there more than there may be."""
    start = gone.events[0]
    inside: dict[str, deque[tuple[str, int]]] = defaultdict(deque)
    clock = 0
    for event in gone.events:
        assert event["t_ns"] >= clock
        clock = event["t_ns"]
        match event["event"]:
            case "put" | "redelivery":
                held = inside[event["queue"]]
                held.append((event["id"], event["delivery"]))
                facts = start["queues"][event["queue"]]
                assert len(held) <= facts["capacity"]
            case "get":
                assert inside[event["queue"]].popleft() == (event["id"], event["delivery"])


def assert_items_are_conserved(gone: Gone) -> None:
    """Whatever was put is done or its fate is told, once."""
    for name in gone.events[0]["queues"]:
        ends = Counter(e["id"] for e in gone.of("done", "left", "failed", "lost") if e["queue"] == name)
        puts = Counter(e["id"] for e in gone.of("put") if e["queue"] == name)
        assert ends == puts
        assert set(puts.values()) <= {1}
    assert not gone.of("lost")


def assert_draws_are_those_of_the_plan(gone: Gone, text: str) -> None:
    """A service takes what was drawn for the item, or longer where processors are shared."""
    groups = {group.name: group for group in plan(loads(text)).groups}
    for event in gone.of("done"):
        group = groups[event["worker"].rpartition("-")[0]]
        seq = int(event["id"].partition(":")[2])
        assert event["planned_ns"] == (0 if group.service is None else group.service(event["id"], seq))
        assert event["service_ns"] == event["planned_ns"] or (group.busy and event["service_ns"] > event["planned_ns"])
