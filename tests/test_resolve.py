"""Config to plan: pure; what the digests count, and what they do not."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING, Any

import pytest

import runner
from runner.config.load import loads
from runner.planning.plan import (
    Act,
    DeathPolicy,
    ErrorPolicy,
    Fault,
    FileItems,
    OnDeath,
    OnError,
    UserCode,
)
from runner.planning.resolve import PIPE_CAPACITY, digest, plan, summary_of, usable_cores

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
producers: {p: {count: 2, items: 5, sleep: 0.5}}
consumers: {c: {count: 2, items: 3, busy: {distribution: exponential, mean: 0.1}}}
"""


def planned_digest(text: str = TEXT, **overrides: Any) -> str:
    return plan(loads(text, overrides=overrides)).plan_digest


def test_equal_configs_give_equal_plans() -> None:
    one, other = plan(loads(TEXT)), plan(loads(TEXT))
    assert (one.plan_digest, one.config_digest, one.stored_config) == (
        other.plan_digest, other.config_digest, other.stored_config,
    )  # fmt: skip


@pytest.mark.parametrize(
    "overrides",
    [
        {"name": "other"},
        {"description": "words"},
        {"engine": "threads"},
        {"start_method": "spawn"},
        {"timeout": "5m"},
        {"time_scale": 1.0},
        {"producers.p.sleep": "500ms"},
        {"producers.p.items": {"start": 0, "stop": 5}},
        {"queues.main": {"kind": "pipe", "batch": 1}},
        {"on_death": {"policy": "restart", "max_restarts": 3}},
        {"on_death": {"max_restarts": 3}},
        {"on_error": {"policy": "fail"}},
        {"on_error": {"policy": "fail", "retries": 7}},
        {"hang_after": "5s"},
        {"producers.p.item_timeout": "5s", "consumers.c.item_timeout": "6s"},
        {"faults": []},
    ],
    ids=str,
)
def test_the_plan_digest_leaves_out_what_makes_no_other_experiment(overrides: dict[str, Any]) -> None:
    assert planned_digest(**overrides) == planned_digest()


@pytest.mark.parametrize(
    "overrides",
    [
        {"seed": 1},
        {"time_scale": 0.5},
        {"producers.p.count": 3},
        {"producers.p.sleep": "501ms"},
        {"consumers.c.items": 2},
        {"queues.main": {"batch": 2}},
        {"queues.main": {"kind": "multiprocessing.Queue"}},
        {"on_death": {"policy": "fail"}},
        {"on_death": {"policy": "continue"}},
        {"on_death": {"max_restarts": 0}},
        {"on_error": {"policy": "skip"}},
        {"on_error": {"policy": "retry"}},
        {"faults": [{"kill": "c-0", "after": {"gets": 1}}]},
    ],
    ids=str,
)
def test_the_plan_digest_counts_what_does(overrides: dict[str, Any]) -> None:
    assert planned_digest(**overrides) != planned_digest()


@pytest.mark.parametrize("on_death", [{}, {"policy": "fail"}, {"policy": "fail", "max_restarts": 9}], ids=str)
def test_writing_down_the_default_of_a_lock_based_kind_makes_no_other_experiment(on_death: dict[str, Any]) -> None:
    text = f"queues: {{main: {{kind: multiprocessing.Queue}}}}\n{TEXT}"
    assert planned_digest(text, on_death=on_death) == planned_digest(text)


def test_retries_and_the_places_of_faults_make_other_experiments() -> None:
    faults = [
        [{act: worker, "after": {counter: n}, **({"for": lasts} if act == "pause" else {})}]
        for act, worker, counter, n, lasts in [
            ("kill", "c-0", "gets", 1, 0),
            ("raise", "c-0", "gets", 1, 0),
            ("pause", "c-0", "gets", 1, 1),
            ("pause", "c-0", "gets", 1, 2),
            ("kill", "c-1", "gets", 1, 0),
            ("kill", "c-0", "gets", 2, 0),
            ("kill", "p-0", "puts", 1, 0),
        ]
    ]
    digests = [planned_digest(faults=each) for each in faults]
    digests += [planned_digest(on_error={"policy": "retry", "retries": retries}) for retries in (1, 2, 3)]
    assert len(set(digests)) == len(digests)
    assert planned_digest(on_error={"policy": "retry"}) == planned_digest(on_error={"policy": "retry", "retries": 3})
    assert planned_digest(faults=[{"pause": "c-0", "after": {"gets": 1}, "for": "1000ms"}]) == digests[2]


@pytest.mark.parametrize(
    ("kind", "written", "policy"),
    [
        ("pipe", "", DeathPolicy(OnDeath.RESTART, 3)),
        ("pipe", "on_death:", DeathPolicy(OnDeath.RESTART, 3)),
        ("pipe", "on_death: {max_restarts: 0}", DeathPolicy(OnDeath.RESTART, 0)),
        ("pipe", "on_death: {policy: fail, max_restarts: 5}", DeathPolicy(OnDeath.FAIL, 0)),
        ("pipe", "on_death: {policy: continue}", DeathPolicy(OnDeath.CONTINUE, 0)),
        ("multiprocessing.Queue", "", DeathPolicy(OnDeath.FAIL, 0)),
        ("multiprocessing.Queue", "on_death: {policy: , max_restarts: 5}", DeathPolicy(OnDeath.FAIL, 0)),
        ("multiprocessing.Queue", "on_death: {policy: fail}", DeathPolicy(OnDeath.FAIL, 0)),
    ],
)
@pytest.mark.parametrize("engine", ["processes", "threads", "ray"])
def test_deaths_are_repaired_unless_a_kind_is_lock_based(
    engine: str, kind: str, written: str, policy: DeathPolicy
) -> None:
    text = f"engine: {engine}\nqueues: {{main: {{kind: {kind}}}}}\n{written}\n{TEXT}"
    assert plan(loads(text)).on_death == policy


@pytest.mark.parametrize(
    ("written", "policy"),
    [
        ("", ErrorPolicy(OnError.FAIL, 0)),
        ("on_error: {retries: 5}", ErrorPolicy(OnError.FAIL, 0)),
        ("on_error: {policy: skip}", ErrorPolicy(OnError.SKIP, 0)),
        ("on_error: {policy: retry}", ErrorPolicy(OnError.RETRY, 3)),
        ("on_error: {policy: retry, retries: 1}", ErrorPolicy(OnError.RETRY, 1)),
    ],
)
def test_every_group_knows_what_errors_lead_to(written: str, policy: ErrorPolicy) -> None:
    assert [group.on_error for group in plan(loads(f"{written}\n{TEXT}")).groups] == [policy, policy]


def test_time_limits_are_never_scaled() -> None:
    text = f"time_scale: 0.25\nhang_after: 90ms\n{TEXT}"
    made = plan(loads(text, overrides={"consumers.c.item_timeout": "2s"}))
    assert (made.hang_after_ns, [group.item_timeout_ns for group in made.groups]) == (90_000_000, [None, 2 * 10**9])
    assert plan(loads(TEXT)).hang_after_ns == 60 * 10**9


def test_each_group_has_the_faults_of_its_workers_with_pauses_scaled() -> None:
    faults = """
faults:
  - {kill: a-1-0, after: {gets: 3}}
  - {pause: a-1, after: {puts: 5}, for: 2s}
  - {raise: s-0, after: {puts: 1}}
  - {pause: a-0, after: {puts: 5}, for: 0.5}
"""
    text = """
time_scale: 0.5
queues: {x: {}, y: {}}
producers: {a: {count: 2, to: x, items: 9}}
stages: {s: {from: x, to: y}}
consumers: {a-1: {from: y}}
"""
    made = plan(loads(faults + text))
    assert [group.faults for group in made.groups] == [
        (Fault(Act.PAUSE, "a-1", "puts", 5, 10**9), Fault(Act.PAUSE, "a-0", "puts", 5, 250_000_000)),
        (Fault(Act.RAISE, "s-0", "puts", 1),),
        (Fault(Act.KILL, "a-1-0", "gets", 3),),
    ]
    assert [(w.name, len(w.faults)) for w in made.workers()] == [("a-0", 1), ("a-1", 1), ("s-0", 1), ("a-1-0", 1)]
    again = loads(made.stored_config)
    assert again == loads(faults + text, overrides={"name": again.name})
    assert plan(again).stored_config == made.stored_config


def test_a_digest_is_of_canonical_json() -> None:
    expected = hashlib.sha256('{"a":[1,"é"],"b":null}'.encode()).hexdigest()
    assert digest({"b": None, "a": [1, "é"]}) == expected


def test_the_config_digest_is_of_the_stored_config() -> None:
    made = plan(loads(TEXT))
    assert made.config_digest == hashlib.sha256(made.stored_config.encode()).hexdigest()


def test_a_named_file_counts_by_its_content_and_is_kept_under_its_name(tmp_path: Path) -> None:
    text = "producers: {p: {items: {file: FILE}}}\nconsumers: {c: {}}"
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rows.jsonl").write_text("1\n2\n")
    plans = [plan(loads(text.replace("FILE", f"{tmp_path}/{folder}/rows.jsonl"))) for folder in ("a", "b")]
    assert plans[0].plan_digest == plans[1].plan_digest
    assert plans[0].files == {f"{tmp_path}/a/rows.jsonl": "inputs/rows.jsonl"}
    assert plans[0].groups[0].items == FileItems(f"{tmp_path}/a/rows.jsonl", 2)
    assert plans[0].groups[0].planned == 2
    (tmp_path / "b" / "rows.jsonl").write_text("1\n3\n")
    assert plan(loads(text.replace("FILE", f"{tmp_path}/b/rows.jsonl"))).plan_digest != plans[0].plan_digest


def test_files_of_one_name_are_kept_apart_and_keep_their_names_when_run_again(tmp_path: Path) -> None:
    text = "producers: {p: {to: main, items: {file: a/rows}}, q: {to: main, items: {file: b/rows}}}\nconsumers: {c: {}}"
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rows").write_text("1\n")
    made = plan(loads(text, folder=tmp_path))
    assert sorted(made.files.values()) == ["inputs/2-rows", "inputs/rows"]
    (tmp_path / "inputs").mkdir()
    for source, copy in made.files.items():
        shutil.copy(source, tmp_path / copy)
    (tmp_path / "config.yaml").write_text(made.stored_config)
    again = plan(runner.load(tmp_path / "config.yaml"))
    assert (again.stored_config, again.plan_digest) == (made.stored_config, made.plan_digest)


@pytest.mark.parametrize(
    ("queue", "capacity"),
    [
        ("{}", PIPE_CAPACITY),
        ("{maxsize: 7}", 7),
        ("{kind: multiprocessing.Queue}", None),
        ("{kind: multiprocessing.Queue, maxsize: 7}", 7),
    ],
)
def test_a_queues_capacity_is_its_bound_or_what_the_kind_holds(queue: str, capacity: int | None) -> None:
    made = plan(loads(f"queues: {{main: {queue}}}\n{TEXT}"))
    assert made.queues[0].capacity == capacity


def test_items_become_what_a_worker_can_be_handed() -> None:
    def source(items: str) -> object:
        return plan(loads(f"producers: {{p: {{items: {items}}}}}\nconsumers: {{c: {{}}}}")).groups[0].items

    assert source("{start: 3, stop: -3, step: -2}") == range(3, -3, -2)
    assert source("{values: [1, x, null]}") == (1, "x", None)
    assert source('{call: "m:f"}') == UserCode("m:f", {})
    endless = plan(loads("duration: 1\nproducers: {p: {}}\nconsumers: {c: {}}")).groups[0]
    assert (endless.items, endless.planned, endless.duration_ns) == (None, None, 10**9)


@pytest.mark.parametrize(("share", "planned"), [("each", 15), ("split", 5)])
def test_a_group_plans_all_items_a_worker_or_shares_them(share: str, planned: int) -> None:
    text = f"producers: {{p: {{count: 3, items: {{stop: 5, share: {share}}}}}}}\nconsumers: {{c: {{}}}}"
    group = plan(loads(text)).groups[0]
    assert (group.split, group.planned) == (share == "split", planned)


def test_run_start_shows_queues_and_groups() -> None:
    assert summary_of(plan(loads(TEXT))) == {
        "queues": {"main": {"kind": "pipe", "maxsize": 0, "batch": 1, "capacity": PIPE_CAPACITY}},
        "groups": {
            "p": {"role": "producer", "from": None, "to": "main", "count": 2, "planned": 10},
            "c": {"role": "consumer", "from": "main", "to": None, "count": 2, "planned": 6},
        },
    }


class TestSimulation:
    BUSY = "producers: {p: {items: 5}}\nconsumers: {c: {busy: 1ms}}"

    def test_cores_are_those_of_the_machine_unless_named(self) -> None:
        assert plan(loads(self.BUSY)).cores == usable_cores()
        assert plan(loads(f"cores: 7\n{self.BUSY}")).cores == 7

    def test_cores_are_stored_where_a_simulation_depends_on_them(self) -> None:
        stored = {engine: plan(loads(f"engine: {engine}\n{self.BUSY}")).stored_config for engine in ENGINES}
        assert [engine for engine, text in stored.items() if f"cores: {usable_cores()}\n" in text] == ["simulation"]
        assert "cores" not in plan(loads(f"engine: simulation\n{self.BUSY.replace('busy', 'sleep')}")).stored_config

    def test_a_model_is_the_service_of_user_code(self, tmp_path: Path) -> None:
        (tmp_path / "times").write_text("0.25\n0.5\n")
        text = "{target: 'a:b', model: {distribution: trace, file: times}}"
        config = loads(f"producers: {{p: {{items: 2}}}}\nconsumers: {{c: {{call: {text}}}}}", folder=tmp_path)
        made = plan(config)
        service = made.groups[1].service
        assert service is not None
        assert [service(f"p-0:{seq}", seq) for seq in range(2)] == [250_000_000, 500_000_000]
        assert made.groups[1].call == UserCode("a:b", {})
        assert made.files == {str(tmp_path / "times"): "inputs/times"}
        assert "file: inputs/times" in made.stored_config


ENGINES = ("processes", "threads", "simulation", "ray")
