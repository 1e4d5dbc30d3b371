"""Where a cluster is and who is placed where, as the config says it, and what becomes of that in the plan."""

from __future__ import annotations

import json
import pickle
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runner
from runner.cli.app import execute
from runner.cli.show import essentials
from runner.config.cluster import EngineOptions
from runner.config.load import canonical, loads, schema, to_yaml
from runner.errors import ConfigError
from runner.experiments.sweep_plan import experiment
from runner.planning.placement import ClusterPlan, Placement
from runner.planning.plan import Role

if TYPE_CHECKING:
    from pathlib import Path

    from runner.config.models import Config

TAIL = """
queues: {a: {}, b: {}}
producers: {p: {items: 10, to: a}}
stages: {s: {from: a, to: b}}
consumers: {c: {from: b, busy: 1ms}}
"""
EVERYTHING = """
num_cpus: 0.5
resources: {disk: 1, "accelerator_type:A100": 0.001}
placement: packed
prefetch: 4
groups:
  p: {resources: {}}
  s: {num_cpus: 0, placement: spread}
  c: {num_cpus: 2, resources: {net: 3}, prefetch: 0}
queues:
  a: {num_cpus: 1}
  b: {}
"""


def options(text: str) -> Config:
    return loads(f"engine_options: {{{text}}}{TAIL}")


def everything(**keys: Any) -> Config:
    indented = EVERYTHING.replace("\n", "\n  ")
    return loads(f"engine: ray\naddress: ray://head:10001\nengine_options:{indented}{TAIL}", **keys)


def cluster(text: str) -> ClusterPlan:
    return runner.plan(options(text)).cluster


class TestAddress:
    @pytest.mark.parametrize(
        "address",
        [
            "auto",
            "local",
            "ray://head:10001",
            "ray://10.0.0.1:1",
            "ray://[::1]:65535",
            "head:6379",
            "10.0.0.1:6379",
            "[fe80::1]:6379",
            "gpu-1.example_net.com:80",
        ],
    )
    def test_is_kept_as_it_is_written(self, address: str) -> None:
        config = loads(f'address: "{address}"{TAIL}')
        assert (config.address, runner.plan(config).address) == (address, address)
        assert loads(to_yaml(config)) == config
        assert re.search(schema()["properties"]["address"]["pattern"], address)

    @pytest.mark.parametrize(
        "address",
        [
            "", " ", "AUTO", "ray", "ray://", "ray://auto", "ray://head", "head", "head:", ":6379", "head:port",
            "head:6379 ", "head :6379", "http://head:6379", "ray://head:6379/x", "ray://u:p@head:6379", "-head:6379",
            "head:-1", "::1:6379", "head:123456", "h\u00e9ad:6379", "head:\uff16379", "head:6379\n", "[head]:6379",
        ],
    )  # fmt: skip
    def test_is_nothing_else(self, address: str) -> None:
        with pytest.raises(ConfigError, match=re.escape("allowed: auto, local, ray://host:port, host:port")):
            loads(TAIL, overrides={"address": address})
        assert not re.fullmatch(schema()["properties"]["address"]["pattern"], address)

    @pytest.mark.parametrize("port", ["0", "00", "65536", "99999"])
    @pytest.mark.parametrize("scheme", ["", "ray://"])
    def test_has_a_port_that_there_is(self, scheme: str, port: str) -> None:
        with pytest.raises(ConfigError, match=f"address: no such port: {port}; wanted a port from 1 to 65,535"):
            loads(f"address: {scheme}head:{port}{TAIL}")

    def test_may_come_from_the_environment(self) -> None:
        text = f'address: "${{HEAD:-auto}}"{TAIL}'
        assert loads(text, environ={}).address == "auto"
        assert loads(text, environ={"HEAD": "head:6379"}).address == "head:6379"


class TestOptions:
    def test_by_default_workers_are_spread_and_need_nothing(self) -> None:
        plan = runner.plan(loads(TAIL))
        assert plan.address == "auto"
        assert {name: plan.cluster.group(name) for name in "psc"} == dict.fromkeys(
            "psc", Placement(0.0, (), spread=True)
        )
        assert [plan.cluster.queue(name) for name in "ab"] == [None, None]
        assert [plan.cluster.prefetch(name) for name in "psc"] == [0, 0, 0]

    @pytest.mark.parametrize(
        "text", ["", "groups: , queues: ", "num_cpus: 0, groups: {c: , s: {}}, queues: {a: , b: {}}"]
    )
    def test_what_is_left_empty_says_nothing(self, text: str) -> None:
        assert cluster(text) == runner.plan(loads(TAIL)).cluster
        assert loads(f"engine_options:{TAIL}").engine_options is None

    def test_of_a_group_win_over_those_of_all_key_by_key(self) -> None:
        made = runner.plan(everything()).cluster
        assert {name: made.group(name) for name in "psc"} == {
            "p": Placement(0.5, (), spread=False),
            "s": Placement(0.0, (("disk", 1.0), ("accelerator_type:A100", 0.001)), spread=True),
            "c": Placement(2.0, (("net", 3.0),), spread=False),
        }

    def test_producers_ask_for_nothing_ahead(self) -> None:
        made = runner.plan(everything()).cluster
        assert {name: made.prefetch(name) for name in "psc"} == {"p": 0, "s": 4, "c": 0}
        assert cluster("groups: {c: {prefetch: 100000}}").prefetch("c") == 100_000

    def test_a_broker_is_placed_only_where_something_is_said_of_it(self) -> None:
        """What holds for the workers of all groups does not move the brokers."""
        made = runner.plan(everything()).cluster
        assert (made.queue("a"), made.queue("b")) == (Placement(1.0, ()), None)
        assert cluster("queues: {a: {num_cpus: 0}}").queue("a") == Placement(0.0, ())
        assert cluster("queues: {a: {resources: {disk: 2}}}").queue("a") == Placement(0.0, (("disk", 2.0),))

    def test_the_queue_that_nobody_declared_has_options_too(self) -> None:
        text = "engine_options: {queues: {main: {num_cpus: 1}}}\nproducers: {p: {items: 1}}\nconsumers: {c: {}}"
        assert runner.plan(loads(text)).cluster.queue("main") == Placement(1.0, ())

    def test_a_group_that_is_not_there_is_an_error(self) -> None:
        with pytest.raises(KeyError):
            cluster("").group("d")

    def test_the_least_and_the_most(self) -> None:
        made = cluster("num_cpus: 0.0001, resources: {x: 0.0001, y: 1000000}, prefetch: 100000")
        assert made.group("s") == Placement(0.0001, (("x", 0.0001), ("y", 1e6)))
        many = ", ".join(f"r{number}: 1" for number in range(101))
        with pytest.raises(ConfigError, match=r"engine_options\.resources: 101 resources; at most 100"):
            options(f"resources: {{{many}}}")
        with pytest.raises(ConfigError, match=r"engine_options\.groups: 1,001 names; at most 1,000"):
            options(f"groups: {{{', '.join(f'g{number}: ' for number in range(1001))}}}")

    def test_of_many_names_that_are_not_there_twenty_are_told(self) -> None:
        with pytest.raises(ConfigError) as caught:
            options(f"groups: {{{', '.join(f'g{number}: ' for number in range(900))}}}")
        assert len(caught.value.problems) == 20
        assert str(caught.value.problems[-1]).endswith("allowed: p, s, c (and more like it)")

    def test_can_be_set_one_by_one(self) -> None:
        changes = {"engine_options.groups.c.num_cpus": 3, "engine_options.placement": "packed"}
        made = runner.plan(loads(TAIL, overrides=changes)).cluster
        assert [made.group(name) for name in "pc"] == [Placement(0, spread=False), Placement(3.0, spread=False)]

    @pytest.mark.parametrize("policy", ["restart", "continue"])
    def test_kinds_bind_no_actor_and_restart_beside_locks_is_refused_all_the_same(self, policy: str) -> None:
        text = f"engine: ray\n{TAIL.replace('a: {}', 'a: {kind: multiprocessing.Queue}')}"
        assert runner.plan(loads(text)).on_death.policy == "fail"
        with pytest.raises(ConfigError, match=f"{policy} cannot be kept with a lock-based kind"):
            loads(f"on_death: {{policy: {policy}}}\n{text}")

    def test_beside_another_engine_they_bind_nothing_and_are_kept(self) -> None:
        plans = [runner.plan(everything(overrides={"engine": engine})) for engine in ("threads", "simulation", "ray")]
        assert len({(plan.address, repr(plan.cluster)) for plan in plans}) == 1


class TestStored:
    def test_the_stored_config_has_them_whole(self) -> None:
        config = everything()
        stored = runner.plan(config).stored_config
        assert (
            "engine: ray\nstart_method: forkserver\naddress: ray://head:10001\nengine_options:\n  num_cpus: 0.5\n"
            in stored
        )
        assert loads(stored) == config
        assert runner.plan(loads(stored)).cluster == runner.plan(config).cluster

    def test_a_config_without_options_stays_without(self) -> None:
        assert "engine_options" not in to_yaml(loads(TAIL))

    def test_they_make_no_other_experiment(self) -> None:
        digests = {
            runner.plan(loads(f"{keys}{TAIL}")).plan_digest
            for keys in (
                "",
                "engine: ray",
                "address: local",
                "address: head:6379",
                "engine_options: {}",
                "engine_options: {num_cpus: 1, groups: {c: {placement: packed}}, queues: {a: {num_cpus: 1}}}",
            )
        }
        assert len(digests) == 1
        assert canonical(everything()) == canonical(loads(TAIL))

    def test_and_other_rows_of_a_sweep(self) -> None:
        plain, placed = experiment(loads(TAIL)), experiment(everything())
        assert {"address", "engine_options"} & set(plain) == set()
        assert (placed["address"], placed["engine_options"]["prefetch"]) == ("ray://head:10001", 4)

    def test_a_plan_of_them_can_be_pickled(self) -> None:
        plan = runner.plan(everything())
        assert pickle.loads(pickle.dumps(plan)).cluster == plan.cluster  # noqa: S301 - our own


class TestSchema:
    def test_names_every_key(self) -> None:
        described = schema()
        options = described["properties"]["engine_options"]
        assert list(options["properties"]) == EngineOptions.names()
        assert options["additionalProperties"] is False
        assert set(described["$defs"]["QueueOptions"]["properties"]) == {"num_cpus", "resources"}
        assert set(described["$defs"]["GroupOptions"]["properties"]) == {
            "num_cpus", "resources", "placement", "prefetch"
        }  # fmt: skip
        assert described["properties"]["engine"]["anyOf"][0]["enum"] == ["processes", "threads", "simulation", "ray"]


class TestShown:
    @pytest.fixture
    def file(self, tmp_path: Path) -> str:
        path = tmp_path / "c.yaml"
        path.write_text(to_yaml(everything()))
        return str(path)

    def test_plan_says_where_everybody_is_placed(self, file: str, capfd: pytest.CaptureFixture[str]) -> None:
        assert execute(["plan", file]) == 0
        out = capfd.readouterr().out
        assert "3 workers, seed 0, ray (ray://head:10001)\n" in out
        lines = [re.split(r"\s{2,}", line.strip()) for line in out.partition("on Ray")[2].splitlines()[2:7]]
        assert lines == [
            ["p", "packed", "-", "0.5", "-"],
            ["s", "spread", "disk 1, accelerator_type:A100 0.001", "0", "4"],
            ["c", "packed", "net 3", "2", "0"],
            ["a", "anywhere", "-", "1", "-"],
            ["b", "here", "-", "-", "-"],
        ]

    @pytest.mark.parametrize(
        ("engine", "shown"),
        [("processes", "processes (forkserver)"), ("threads", "threads"), ("simulation", "simulation")],
    )
    def test_plan_says_nothing_of_it_for_another_engine(
        self, engine: str, shown: str, file: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert execute(["plan", file, "--engine", engine]) == 0
        out = capfd.readouterr().out
        assert f"seed 0, {shown}\n" in out
        assert "on Ray" not in out

    @pytest.mark.parametrize(("engine", "shown"), [("processes", "processes (fork)"), ("ray", "ray")])
    def test_show_names_the_start_method_where_it_binds(self, engine: str, shown: str) -> None:
        facts = {"cpu": {"model": "m", "usable": 1, "cores": 1}, "git": None, "versions": {"mprun": "1", "python": "3"}}
        names = ("run", "started", "status", "plan_digest", "kernel", "host")
        manifest: dict[str, Any] = {**dict.fromkeys(names, "x"), **facts, "command_line": [], "overrides": {}}
        lines = essentials({**manifest, "engine": engine, "start_method": "fork"}).splitlines()
        assert f"engine     {shown}" in lines

    def test_plan_gives_it_as_json(self, file: str, capfd: pytest.CaptureFixture[str]) -> None:
        assert execute(["plan", file, "--json"]) == 0
        document = json.loads(capfd.readouterr().out)
        assert document["address"] == "ray://head:10001"
        assert document["cluster"]["queues"] == {"a": {"num_cpus": 1.0, "resources": {}}, "b": None}
        assert document["cluster"]["groups"]["c"] == {
            "num_cpus": 2.0, "resources": {"net": 3.0}, "placement": "packed", "prefetch": 0
        }  # fmt: skip

    def test_what_new_writes_for_ray_is_a_config(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert execute(["new", "--engine", "ray"]) == 0
        assert loads(capfd.readouterr().out).engine == "ray"


amounts = st.floats(0.0001, 1e6)
COUNTED_BY_RAY = {"CPU", "GPU", "memory", "object_store_memory"}
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(
    lambda name: name.strip() and name.isprintable() and name not in COUNTED_BY_RAY
)
resources = st.dictionaries(names, amounts, max_size=3)
of_queue = st.fixed_dictionaries({}, optional={"num_cpus": st.just(0) | amounts, "resources": resources})
of_group = st.fixed_dictionaries(
    {},
    optional={
        "num_cpus": st.just(0) | amounts,
        "resources": resources,
        "placement": st.sampled_from(["spread", "packed"]),
        "prefetch": st.integers(0, 100_000),
    },
)


@given(of_group, of_group, of_queue)
def test_what_is_said_comes_back_from_yaml_and_stands_in_the_plan(
    whole: dict[str, Any], own: dict[str, Any], queue: dict[str, Any]
) -> None:
    """A model of the merge: a map of the group's keys upon that of the whole."""
    config = loads(TAIL, overrides={"engine_options": {**whole, "groups": {"c": own}, "queues": {"a": queue}}})
    assert loads(to_yaml(config)) == config
    plan = runner.plan(config)
    for group in plan.groups:
        said = {"num_cpus": 0.0, "resources": {}, "placement": "spread", "prefetch": 0, **whole}
        said |= own if group.name == "c" else {}
        wanted = Placement(float(said["num_cpus"]), tuple(said["resources"].items()), said["placement"] == "spread")
        assert plan.cluster.group(group.name) == wanted
        assert plan.cluster.prefetch(group.name) == (0 if group.role is Role.PRODUCER else said["prefetch"])
    assert (plan.cluster.queue("a") is None) == (not queue)
