"""Actors, nodes and brokers are killed in mid-run: it ends by itself, and says what has become of every item.

`make chaos-ray` makes 20 trials of each kind; MPRUN_CHAOS_RAY says how many, MPRUN_CHAOS_SEED repeats them.
"""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from running import Ran, execute, until
from sharedray import NEEDS_RAY

import runner

if TYPE_CHECKING:
    import random
    from collections import Counter
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sharedray import SharedCluster

    from runner.engines.contract import LiveRun

pytestmark = [pytest.mark.ray, pytest.mark.process, pytest.mark.slow, NEEDS_RAY]

TRIALS = int(os.environ.get("MPRUN_CHAOS_RAY") or 2)
ITEMS = 60


@pytest.fixture(autouse=True)
def whole_again(cluster: SharedCluster) -> Iterator[None]:
    """Nothing of the run stays, and the next test finds three nodes."""
    yield
    cluster.mend()
    until(lambda: not cluster.actors(), 20)


@dataclass
class Assassin:
    """Watches a run, and strikes once so many items are done.

    Attributes:
        after: Items done.
        strike: What it then does, in a thread of its own; it is told who has which pid.
    """

    after: int
    strike: Callable[[dict[str, int]], None]
    thread: threading.Thread | None = None

    def tick(self, live: LiveRun) -> None:
        if self.thread is None and live.board.zero and live.board.done(live.plan) >= self.after:
            pids = {event["worker"]: event["pid"] for event in self._events(live) if event["event"] == "worker.start"}
            self.thread = threading.Thread(target=self.strike, args=(pids,))
            self.thread.start()

    def _events(self, live: LiveRun) -> list[dict[str, Any]]:
        import json

        lines = (live.folder / "supervisor.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def join(self) -> None:
        assert self.thread is not None, "it never came to that"
        self.thread.join()


def shape(chance: random.Random) -> tuple[str, dict[str, Any]]:
    """A chain of one to three queues, drawn at random, in which every worker lives for a second or so."""
    stages = chance.choice((0, 1, 2))
    names = ["q0", "q1", "q2"][: stages + 1]
    queues = {name: {"maxsize": chance.choice((0, 1, 3, 10)), "batch": chance.choice((1, 1, 4))} for name in names}
    sleep = {"distribution": "uniform", "low": 0, "high": 0.03}
    config: dict[str, Any] = {
        "queues": queues,
        "producers": {"p": {"count": 2, "items": ITEMS // 2, "to": "q0", "sleep": sleep}},
        "stages": {f"s{k}": {"count": 2, "from": f"q{k}", "to": f"q{k + 1}", "sleep": sleep} for k in range(stages)},
        "consumers": {"c": {"count": 2, "from": names[-1], "sleep": sleep}},
        "engine_options": {"prefetch": chance.choice((0, 0, 1, 5))},
    }
    return f"engine: ray\nseed: {chance.randrange(1000)}", {key: value for key, value in config.items() if value}


def tried(config: tuple[str, dict[str, Any]], assassin: Assassin, folder: Path) -> Ran:
    text, keys = config
    ran = execute(f"{text}\n{_yaml(keys)}", folder, watch=assassin, seconds=90)
    assassin.join()
    return ran


def _yaml(keys: dict[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(keys))


def assert_survived(ran: Ran, config: object) -> None:
    """Nothing is lost or done twice, and what was handed out again says so."""
    about = (config, ran.result.reason, ran.result.run_dir)
    assert ran.result.exit_code == 0, about
    assert runner.audit(ran.result.run_dir).valid is True, (runner.audit(ran.result.run_dir), about)
    ran.assert_accounted()
    items = ran.result.summary["items"]
    assert (items["done"], items["lost"], items["left"]) == (ITEMS, 0, 0), about
    last = list(ran.events[0]["queues"])[-1]
    done = [event["id"] for event in ran.of("done") if event["queue"] == last]
    assert len(set(done)) == len(done) == ITEMS, about
    for event in ran.of("redelivery"):
        assert event["delivery"] >= 2, event
        assert event["from"] in {died["worker"] for died in ran.of("worker.died")}


@pytest.mark.parametrize("trial", range(TRIALS))
@pytest.mark.parametrize("who", ["c-0", "p-1", "s0-1"])
def test_an_actor_is_killed(who: str, trial: int, tmp_path: Path, chaos: random.Random, tally: Counter[str]) -> None:
    config = shape(chaos)
    while who.startswith("s") and "stages" not in config[1]:
        config = shape(chaos)
    assassin = Assassin(chaos.randrange(0, ITEMS // 3), lambda pids: os.kill(pids[who], signal.SIGKILL))
    ran = tried(config, assassin, tmp_path)
    assert_survived(ran, config)
    assert [event["worker"] for event in ran.of("worker.died")] == [who]
    tally["actors of Ray killed"] += 1
    tally["items handed out again after that"] += len(ran.of("redelivery"))


@pytest.mark.parametrize("trial", range(TRIALS))
def test_a_node_is_killed(
    trial: int, cluster: SharedCluster, tmp_path: Path, chaos: random.Random, tally: Counter[str]
) -> None:
    """Brokers are on the driver's node, workers on two others; whoever was on the dead one goes on elsewhere."""
    config = shape(chaos)
    config[1]["engine_options"]["resources"] = {"movable": 1}
    whose = chaos.choice(("c-0", "p-1"))
    after = chaos.randrange(0, ITEMS // 3)
    assassin = Assassin(after, lambda pids: cluster.kill(cluster.node_of(pids[whose])))
    ran = tried(config, assassin, tmp_path)
    assert_survived(ran, config)
    assert ran.of("worker.died"), "the control: somebody was there"
    assert {event["why"].split(" with its node")[0][-4:] for event in ran.of("worker.died")} == {"died"}
    tally["nodes of Ray killed"] += 1
    tally["workers that died with them"] += len(ran.of("worker.died"))


@pytest.mark.parametrize("what", ["actor", "node"])
def test_a_broker_is_killed(what: str, cluster: SharedCluster, tmp_path: Path) -> None:
    """The run ends with exit 1, names the broker, counts what was in the queue as lost, and claims nothing else."""
    text = """
engine: ray
queues: {a: {maxsize: 10}, b: {}}
producers: {p: {count: 2, items: 100, to: a}}
stages: {s: {from: a, to: b, sleep: 20ms}}
consumers: {c: {from: b}}
engine_options: {queues: {a: {resources: {left: 1}}}, groups: {p: {resources: {head: 1}}, s: {resources: {head: 1}},
  c: {resources: {head: 1}}}}
"""

    def strike(_: dict[str, int]) -> None:
        if what == "node":
            cluster.kill("left")
            return
        [pid] = [pid for pid, command in cluster.actors() if "Broker" in command and cluster.node_of(pid) == "left"]
        os.kill(pid, signal.SIGKILL)

    ran = execute(text, tmp_path, watch=(assassin := Assassin(10, strike)), seconds=60)
    assassin.join()
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed"), ran.end
    assert "broker of queue a" in ran.end["reason"]
    assert ran.result.verdict.valid is not True or not ran.of("lost")
    ran.assert_accounted()
    assert ran.of("lost")
    assert {event["queue"] for event in ran.of("lost")} == {"a"}
    items = ran.result.summary["items"]
    assert items["done"] >= 10
    assert items["lost"] == len(ran.of("lost"))
    assert runner.audit(ran.result.run_dir).valid is ran.result.verdict.valid


def test_a_broker_dies_together_with_its_writers(cluster: SharedCluster, tmp_path: Path) -> None:
    """What they had put and not yet told of, whoever got it bears witness to: nothing was got that was never put."""
    text = """
engine: ray
producers: {p: {count: 2, items: 400, sleep: 2ms}}
consumers: {c: {count: 2}}
engine_options: {queues: {main: {resources: {left: 1}}}, groups: {p: {resources: {left: 1}}, c: {resources: {head: 1}}}}
"""
    ran = execute(text, tmp_path, watch=(assassin := Assassin(30, lambda _: cluster.kill("left"))), seconds=60)
    assassin.join()
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed"), ran.end
    verdict = runner.audit(ran.result.run_dir)
    assert not verdict.counts.unexpected, verdict
    assert {event["id"] for event in ran.of("get")} <= {event["id"] for event in ran.of("put")}


def test_a_replacement_that_finds_no_place_does_not_keep_the_run(
    cluster: SharedCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it needs was on the node that is gone; others would go on for ever."""
    from runner.engines import ray_launch

    monkeypatch.setattr(ray_launch, "_PLACED_WITHIN_S", 6.0)
    text = """
engine: ray
producers: {p: {sleep: 10ms}}
consumers: {c: {}}
duration: 1h
engine_options: {groups: {c: {resources: {left: 1}}, p: {resources: {head: 1}}}}
"""
    ran = execute(text, tmp_path, watch=(assassin := Assassin(10, lambda _: cluster.kill("left"))), seconds=60)
    assassin.join()
    assert (ran.result.exit_code, ran.end["status"]) == (1, "failed"), ran.end
    assert "c-0 found no place within 6 s: needs 0 CPU, 1 left" in ran.end["reason"]
    assert runner.audit(ran.result.run_dir).valid is True
    ran.assert_accounted()
