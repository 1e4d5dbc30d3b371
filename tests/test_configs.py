"""The example configs: each says what it shows, is valid, and does what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

import runner
from runner.config.load import load, schema

CONFIGS = Path(__file__).parent.parent / "configs"
EXAMPLES = sorted(CONFIGS.glob("*.yaml"))
SCHEMA_LINE = "# yaml-language-server: $schema=mprun.schema.json"


def name(path: Path) -> str:
    return path.stem


def test_the_promised_examples_are_there() -> None:
    assert {path.stem for path in EXAMPLES} == set(SIMULATED)


@pytest.mark.parametrize("path", EXAMPLES, ids=name)
def test_opens_with_the_schema_and_what_it_shows(path: Path) -> None:
    first, second, *_ = path.read_text().splitlines()
    assert first == SCHEMA_LINE
    assert second.startswith("# ")
    assert f"mprun configs/{path.name}" in path.read_text()


@pytest.mark.parametrize("path", EXAMPLES, ids=name)
def test_is_valid_without_a_warning(path: Path) -> None:
    assert load(path).warnings == ()


def test_the_committed_schema_is_the_language() -> None:
    """Editors check against the very language that `load` accepts; `mprun schema` makes it again."""
    if json.loads((CONFIGS / "mprun.schema.json").read_text()) != schema():
        pytest.fail("outdated; run: mprun schema > configs/mprun.schema.json", pytrace=False)


def test_default_is_the_program_of_the_tutorial() -> None:
    sleep = {"distribution": "randint", "low": 1, "high": 5}
    assert yaml.safe_load((CONFIGS / "default.yaml").read_text()) == {
        "seed": 42,
        "producers": {"produce": {"count": 2, "items": {"start": 0, "stop": 10}, "sleep": sleep}},
        "consumers": {"consume": {"count": 2, "items": 10, "sleep": sleep}},
    }


SIMULATED = {
    "a-worker-dies": (1.871188258, 30, 0.5257476729032258, 18),
    "back-pressure": (4.164821827, 40, 0.555159640225, 5),
    "bursty-arrivals": (4.021028755, 200, 0.02795576156, 3),
    "default": (41.0, 20, 4.85, 5),
    "kinds-compared": (0.0, 6000, 0.0, 0),
    "order": (0.249446678, 12, 0.019855690083333332, 4),
    "pipeline": None,
    "poison-item": None,
    "processes-against-threads": (2.0, 200, 0.99, 198),
    "speed-up": (2.137838709, 200, 1.07591394562, 198),
    "starvation": (1.6, 32, 0.0, 0),
}
"""Makespan, items done, mean latency and largest depth, with two cores; None: it cannot be simulated."""


@pytest.mark.parametrize("path", EXAMPLES, ids=name)
def test_has_a_golden_simulated_outcome(path: Path) -> None:
    golden, config = SIMULATED[path.stem], load(path, {"cores": 2})
    if golden is None:
        with pytest.raises(runner.ConfigError, match="add model"):
            runner.simulate(config, store=False)
        return
    simulated = runner.simulate(config, store=False)
    summary = simulated.summary
    assert (simulated.exit_code, simulated.verdict.valid) == (0, True)
    depth = max(queue["max_depth"] for queue in summary["queues"].values())
    done = summary["items"]["done"]
    makespan_s, items, latency_s, most = golden
    assert (summary["makespan_s"], done, depth) == (makespan_s, items, most)
    assert summary["latency"]["mean"] == pytest.approx(latency_s)


def test_bursty_arrivals_wait_at_the_door_or_in_the_queue_and_closed_pacing_hides_it() -> None:
    """The table of docs/lessons/bursty-arrivals.md."""
    page = (CONFIGS.parent / "docs" / "lessons" / "bursty-arrivals.md").read_text()
    changes: dict[str, dict[str, object]] = {
        "room for three": {},
        "room for all": {"queues.shop.maxsize": 0},
        "closed pacing": {"producers.customers.pacing": "closed"},
    }
    for words, change in changes.items():
        summary = runner.simulate(load(CONFIGS / "bursty-arrivals.yaml", change), store=False).summary
        latency, late = summary["latency"]["mean"] * 1e3, summary["lateness"]["mean"]
        told = ["-", "-"] if late is None else [f"{late * 1e3:.3g} ms", f"{latency + late * 1e3:.1f} ms"]
        depth = summary["queues"]["shop"]["max_depth"]
        row = " | ".join([words, f"{latency:.1f} ms", *told, f"{summary['throughput']:.1f}", str(depth)])
        assert f"| {row} |" in page


FAILING = {"poison-item"}
"""Examples that end with exit code 1, and are to."""


@pytest.mark.process
@pytest.mark.parametrize("path", [path for path in EXAMPLES if path.stem not in FAILING], ids=name)
def test_runs_to_a_good_end(path: Path, tmp_path: Path) -> None:
    """Everything that is put is done, and the audit of the stored log agrees."""
    result = runner.run(runner.load(path, {"time_scale": 0.0}), out=tmp_path)
    items = result.summary["items"]
    assert result.exit_code == 0
    assert (items["lost"], items["duplicated"], items["left"]) == (0, 0, 0)
    assert result.summary["audit"]["valid"] is True


@pytest.mark.process
def test_default_moves_each_number_twice(tmp_path: Path) -> None:
    result = runner.run(runner.load(CONFIGS / "default.yaml", {"time_scale": 0.0}), out=tmp_path)
    events = [json.loads(line) for line in (result.run_dir / "events.jsonl").read_text().splitlines()]
    for kind in ("put", "get", "done"):
        items = sorted(event["item"] for event in events if event["event"] == kind)
        assert items == sorted([*range(10)] * 2), kind


@pytest.mark.process
def test_pipeline_counts_the_long_words(tmp_path: Path) -> None:
    """The 1:n stage and the filter leave exactly the words of five letters and more."""
    config = runner.load(CONFIGS / "pipeline.yaml", {"time_scale": 0.0})
    result = runner.run(config, out=tmp_path)
    raw = yaml.safe_load((CONFIGS / "pipeline.yaml").read_text())
    lines = raw["producers"]["read"]["items"]["values"]
    events = [json.loads(line) for line in (result.run_dir / "events.jsonl").read_text().splitlines()]
    counted = sorted(e["item"] for e in events if e["event"] == "done" and e["queue"] == "kept")
    assert counted == sorted(word for line in lines for word in line.lower().split() if len(word) >= 5)


@pytest.mark.process
def test_a_worker_dies_and_its_item_is_handed_out_again(tmp_path: Path) -> None:
    result = runner.run(runner.load(CONFIGS / "a-worker-dies.yaml", {"time_scale": 0.1}), out=tmp_path)
    events = [json.loads(line) for line in (result.run_dir / "events.jsonl").read_text().splitlines()]
    told = [event["event"] for event in events]
    assert [told.count(event) for event in ("fault", "worker.died", "worker.restart")] == [2, 1, 1]
    assert (result.summary["items"]["done"], result.summary["items"]["redelivered"]) == (30, 1)
    assert result.summary["workers"]["consume-0"]["incarnations"] == 2


@pytest.mark.parametrize("policy", ["restart", "continue"])
def test_a_worker_dies_cannot_be_told_to_use_a_lock_based_kind(policy: str) -> None:
    changes = {"queues.main.kind": "multiprocessing.Queue", "on_death.policy": policy}
    with pytest.raises(runner.ConfigError, match=f"{policy} cannot be kept with a lock-based kind"):
        runner.load(CONFIGS / "a-worker-dies.yaml", changes)


@pytest.mark.process
def test_a_poison_item_is_set_aside_after_three_deaths_and_all_others_are_done(tmp_path: Path) -> None:
    result = runner.run(runner.load(CONFIGS / "poison-item.yaml", {"time_scale": 0.0}), out=tmp_path)
    items = result.summary["items"]
    assert (result.exit_code, items["done"], items["failed"], items["lost"], items["left"]) == (1, 19, 1, 0, 0)
    events = list(result.events())
    told = [event["event"] for event in events]
    assert [told.count(event) for event in ("worker.died", "worker.restart", "redelivery")] == [3, 3, 2]
    [failed] = [event for event in events if event["event"] == "failed"]
    assert (failed["id"], failed["delivery"], failed["why"]) == ("cook-0:7", 3, "killed its worker 3 times")


@pytest.mark.process
def test_without_its_poison_it_ends_well(tmp_path: Path) -> None:
    """The control."""
    changes = {"time_scale": 0.0, "consumers.taste.call.kwargs.poison": 99}
    assert runner.run(runner.load(CONFIGS / "poison-item.yaml", changes), out=tmp_path).exit_code == 0


@pytest.mark.process
def test_a_batch_starves_the_other_consumers_and_none_does_not(tmp_path: Path) -> None:
    for batch, at_work in ((32, 1), (1, 4)):
        config = runner.load(CONFIGS / "starvation.yaml", {"time_scale": 0.2, "queues.main.batch": batch})
        workers = runner.run(config, out=tmp_path).summary["workers"]
        assert sum(worker["done"] > 0 for worker in workers.values()) == at_work


@pytest.mark.process
@pytest.mark.parametrize("kind", ["multiprocessing.Queue", "multiprocessing.SimpleQueue", "multiprocessing.Manager"])
def test_kinds_compared_ends_at_a_death_where_locks_are_shared(kind: str, tmp_path: Path) -> None:
    changes = {"queues.main.kind": kind, "faults": [{"kill": "consume-0", "after": {"gets": 100}}]}
    result = runner.run(runner.load(CONFIGS / "kinds-compared.yaml", changes), out=tmp_path)
    reason = list(result.events())[-1]["reason"]
    assert result.exit_code == 1
    assert f"{kind} cannot be repaired after a death, kind pipe can" in reason
