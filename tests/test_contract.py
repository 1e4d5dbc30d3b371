"""One suite for every engine, start method and kind of queue: what goes in comes out, once, and the log proves it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from running import KINDS, START_METHODS, Ran, config, execute

import runner

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process


class Way(NamedTuple):
    """One way to execute a plan, and the queues' settings."""

    engine: str
    start_method: str
    kind: str
    batch: int
    maxsize: int

    def __str__(self) -> str:
        how = f"{self.start_method}-{self.kind}" if self.engine == "processes" else self.engine
        return f"{how}-batch{self.batch}-maxsize{self.maxsize}"

    @property
    def keys(self) -> str:
        return f"engine: {self.engine}\nstart_method: {self.start_method}\n"

    @property
    def queue(self) -> str:
        return f"{{kind: {self.kind}, batch: {self.batch}, maxsize: {self.maxsize}}}"


def settings(method: str, kind: str) -> list[tuple[int, int]]:
    """Batch and maxsize. Spawning a worker takes a second or so, and kinds without batches have less to show."""
    if kind in ("multiprocessing.SimpleQueue", "multiprocessing.Manager"):
        return [(1, 0), (8, 3)] if method == "fork" else []
    return [(8, 3)] if method == "spawn" else [(1, 0), (8, 3), (1, 3)]


REAL_WAYS = [
    *(Way("threads", "fork", "pipe", *setting) for setting in ((1, 0), (8, 3))),
    *(
        Way("processes", method, kind, *setting)
        for method in START_METHODS
        for kind in KINDS
        for setting in settings(method, kind)
    ),
]
WAYS = [*REAL_WAYS, *(Way("simulation", "fork", "pipe", *setting) for setting in ((1, 0), (8, 3), (1, 3)))]
MORE_WAYS = [
    Way("processes", method, kind, 8, 3)
    for method in ("forkserver", "spawn")
    for kind in KINDS
    if not settings(method, kind)
]
every_way = pytest.mark.parametrize("way", WAYS, ids=str)
every_way_with_user_code = pytest.mark.parametrize("way", REAL_WAYS, ids=str)


def expected(producers: int, items: int) -> Counter[tuple[str, str]]:
    return Counter((f"p-{k}:{seq}", repr(seq)) for k in range(producers) for seq in range(items))


@pytest.mark.parametrize(
    ("way", "producers", "consumers"),
    [*((way, *counts) for way in WAYS for counts in ((1, 1), (3, 2))), *((way, 3, 2) for way in MORE_WAYS)],
    ids=str,
)
def test_delivers_every_item_once(way: Way, producers: int, consumers: int, tmp_path: Path) -> None:
    ran = execute(
        f"{way.keys}queues: {{main: {way.queue}}}\n"
        f"producers: {{p: {{count: {producers}, items: 20}}}}\nconsumers: {{c: {{count: {consumers}}}}}",
        tmp_path,
    )
    ran.assert_ok()
    assert ran.moved("put") == expected(producers, 20)
    ran.assert_delivered()
    assert [event["exit_code"] for event in ran.of("worker.exit")] == [0] * (producers + consumers)


@every_way_with_user_code
def test_delivers_through_stages_that_pass_on_multiply_and_filter(way: Way, tmp_path: Path) -> None:
    queues = ", ".join(f"{name}: {way.queue}" for name in ("raw", "tens", "copies"))
    ran = execute(
        f"""{way.keys}
queues: {{{queues}}}
producers: {{p: {{count: 2, items: 7, to: raw}}}}
stages:
  tenfold: {{count: 2, from: raw, to: tens, call: "actions:tenfold"}}
  copy: {{from: tens, to: copies, call: "actions:copies"}}
consumers: {{c: {{count: 2, from: copies}}}}
""",
        tmp_path,
    )
    ran.assert_ok()
    assert ran.moved("put", "raw") == expected(2, 7)
    assert ran.moved("put", "tens") == Counter((f"p-{k}:{i}", repr(10 * i)) for k in range(2) for i in range(7))
    copied = Counter((f"p-{k}:{i}.{n}", repr(10 * i)) for k in range(2) for i in range(7) for n in range(i % 3))
    assert ran.moved("put", "copies") == copied
    for queue in ("raw", "tens", "copies"):
        ran.assert_delivered(queue)


MP_QUEUE: dict[str, Any] = {"queues.main": {"kind": "multiprocessing.Queue"}}


@every_way
def test_producers_and_stages_without_items_end_the_stream(way: Way, tmp_path: Path) -> None:
    queues = ", ".join(f"{name}: {way.queue}" for name in ("raw", "made"))
    ran = execute(
        f"""{way.keys}
queues: {{{queues}}}
producers: {{none: {{items: {{values: []}}, to: raw}}, p: {{count: 3, items: {{stop: 2, share: split}}, to: made}}}}
stages: {{s: {{from: raw, to: made}}}}
consumers: {{c: {{count: 2, from: made}}}}
""",
        tmp_path,
    )
    ran.assert_ok()
    assert len(ran.of("done")) == 2


@every_way
def test_delivers_through_stages_that_pass_on(way: Way, tmp_path: Path) -> None:
    queues = ", ".join(f"{name}: {way.queue}" for name in ("raw", "fine"))
    ran = execute(
        f"{way.keys}queues: {{{queues}}}\nproducers: {{p: {{count: 2, items: 7, to: raw}}}}\n"
        "stages: {s: {count: 2, from: raw, to: fine, sleep: 1us}}\nconsumers: {c: {count: 2, from: fine}}",
        tmp_path,
    )
    ran.assert_ok()
    assert ran.moved("put", "raw") == expected(2, 7)
    for queue in ("raw", "fine"):
        ran.assert_delivered(queue)


LAWS = """
seed: 11
time_scale: 0.001
producers: {p: {count: 2, items: 8, sleep: {distribution: exponential, mean: 0.01}}}
consumers: {c: {sleep: {distribution: gamma, shape: 2.5, mean: 0.1}}}
"""


def test_the_same_config_has_one_plan_digest_whatever_executes_it(tmp_path: Path) -> None:
    digests = {
        runner.plan(config(LAWS, tmp_path, engine=engine, start_method=method)).plan_digest
        for engine in ("processes", "threads", "simulation")
        for method in START_METHODS
    }
    assert len(digests) == 1
    assert runner.plan(config(LAWS, tmp_path, seed=12)).plan_digest not in digests


def test_an_item_has_the_same_planned_time_with_1_to_5_consumers_on_every_engine(tmp_path: Path) -> None:
    runs = [
        *(
            execute(LAWS.replace("c: {", f"c: {{count: {count}, "), tmp_path, start_method="fork")
            for count in range(1, 6)
        ),
        execute(LAWS, tmp_path, engine="threads"),
        execute(LAWS, tmp_path, engine="simulation"),
        execute(LAWS, tmp_path, start_method="forkserver"),
        execute(LAWS, tmp_path, start_method="spawn", **MP_QUEUE),
    ]
    planned = [ran.planned() for ran in runs]
    assert len(planned[0]) == 16
    assert len(set(planned[0].values())) == 16
    assert all(other == planned[0] for other in planned)


def test_a_call_is_planned_to_last_what_its_model_says_on_every_engine(tmp_path: Path) -> None:
    law = "{distribution: exponential, mean: 1ms}"
    text = f"producers: {{p: {{items: 9}}}}\nconsumers: {{c: {{call: {{target: 'actions:tenfold', model: {law}}}}}}}"
    runs = [execute(text, tmp_path, engine=engine) for engine in ("processes", "threads", "simulation")]
    planned = [ran.planned() for ran in runs]
    assert len(set(planned[0].values())) == 9
    assert planned[0] == planned[1] == planned[2]
    assert all(event["service_ns"] == event["planned_ns"] for event in runs[2].of("done"))


def test_the_stored_config_repeats_the_run(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"a": 1}\n"b"\n3\n')
    text = LAWS.replace("items: 8", "items: {file: rows.jsonl, share: split}")
    first = execute(text, tmp_path, start_method="fork")
    again = execute_stored(first, tmp_path)
    assert again.events[0]["plan_digest"] == first.events[0]["plan_digest"]
    assert again.events[0]["config_digest"] == first.result.summary["config_digest"]
    assert again.planned() == first.planned()
    assert again.moved("put") == first.moved("put")


def execute_stored(ran: Ran, folder: Path) -> Ran:
    result = runner.run(runner.load(ran.result.run_dir / "config.yaml"), folder / "again")
    return Ran(result, list(result.events()))


@pytest.mark.parametrize("engine", ["processes", "threads", "simulation"])
def test_a_quota_takes_so_many_and_names_the_rest_left(engine: str, tmp_path: Path) -> None:
    ran = execute(
        "start_method: fork\nproducers: {p: {count: 2, items: 10}}\nconsumers: {c: {count: 2, items: 3}}",
        tmp_path,
        engine=engine,
    )
    ran.assert_ok()
    assert len(ran.of("done")) == 6
    assert Counter(event["worker"] for event in ran.of("done")) == {"c-0": 3, "c-1": 3}
    ran.assert_accounted()
