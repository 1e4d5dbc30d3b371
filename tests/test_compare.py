"""Stored runs compared: by the API and as `mprun compare` shows it."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from running import execute, finished

if TYPE_CHECKING:
    from pathlib import Path

import runner
from runner.config.load import loads
from runner.errors import LogError, UsageError

TEXT = """
name: served
queues: {main: {maxsize: 5}}
producers: {p: {items: 400, sleep: {distribution: exponential, mean: 10ms}}}
consumers: {c: {count: 2, sleep: {distribution: exponential, mean: 20ms}}}
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Four simulations: one, the same, another seed, a slower service."""
    folder = tmp_path_factory.mktemp("stored") / "runs"

    def simulated(**overrides: Any) -> Path:
        found = runner.simulate(loads(TEXT, overrides={k.replace("__", "."): v for k, v in overrides.items()}), folder)
        assert found.exit_code == 0
        return found.run_dir

    return {
        "first": simulated(seed=1),
        "again": simulated(seed=1),
        "seed": simulated(seed=2),
        "slow": simulated(seed=1, consumers__c__sleep__mean="22ms"),
    }


def figure(found: runner.Compared, metric: str, place: int = 0) -> Any:
    (mine,) = [each for each in found.comparisons[place].figures if each.metric == metric]
    return mine


def test_two_seeds_of_one_config_do_not_differ(stored: dict[str, Path]) -> None:
    found = runner.compare(stored["first"], stored["seed"])
    (comparison,) = found.comparisons
    assert "no difference that these runs can show" in comparison.sentence
    assert not comparison.differing
    assert not comparison.draws.paired
    assert [(each.what, each.then, each.now) for each in comparison.config] == [("seed", 1, 2)]
    assert comparison.circumstances == ()
    assert found.family > 10


def test_a_slower_service_shows_with_one_seed(stored: dict[str, Path]) -> None:
    (comparison,) = runner.compare(stored["first"], stored["slow"]).comparisons
    service = figure(runner.compare(stored["first"], stored["slow"]), "service.mean")
    assert service.relative_low <= 0.1 <= service.relative_high
    assert service.relative_high - service.relative_low < 0.001
    assert service.differs
    assert service.pairs == 400
    assert "service.mean +10 % (+10 to +10)" in comparison.sentence
    assert [(each.what, each.then, each.now) for each in comparison.config] == [
        ("consumers.c.sleep.mean", 0.02, 0.022)
    ]  # fmt: skip


def test_a_run_is_as_its_repetition(stored: dict[str, Path]) -> None:
    (comparison,) = runner.compare(stored["first"], stored["again"]).comparisons
    assert {each.difference for each in comparison.figures} == {0}
    assert not comparison.differing
    assert not comparison.config


def test_each_is_compared_with_the_first_and_judged_with_the_others(stored: dict[str, Path]) -> None:
    alone = runner.compare(stored["first"], stored["slow"])
    found = runner.compare(stored["first"], stored["seed"], stored["slow"])
    assert [each.other.seed for each in found.comparisons] == [2, 1]
    assert {each.first.log for each in found.comparisons} == {stored["first"] / "events.jsonl"}
    assert found.family > alone.family
    assert figure(found, "service.mean", 1).p == figure(alone, "service.mean").p


def test_runs_are_named_by_folder_name_log_or_result(stored: dict[str, Path], tmp_path: Path) -> None:
    one, two = stored["first"], stored["seed"]
    wanted = runner.compare(one, two).to_dict()["comparisons"][0]["figures"]
    named: list[tuple[str | Path, str | Path]] = [(one.name, two.name), (one / "events.jsonl", two), (one, "latest")]
    for names in named:
        found = runner.compare(*names, out=one.parent)
        assert found.comparisons[0].first.log.parent.resolve() == one
    assert (
        runner.compare(one.name, two / "events.jsonl", out=one.parent).to_dict()["comparisons"][0]["figures"] == wanted
    )


def test_the_same_name_twice_is_told_apart(stored: dict[str, Path]) -> None:
    comparison = runner.compare(stored["first"], stored["first"]).comparisons[0]
    assert comparison.first.name != comparison.other.name


def test_a_log_without_config_is_compared_by_what_it_says(stored: dict[str, Path], tmp_path: Path) -> None:
    log = shutil.copy(stored["seed"] / "events.jsonl", tmp_path / "copied.jsonl")
    (comparison,) = runner.compare(stored["first"], log).comparisons
    assert [(each.what, each.then, each.now) for each in comparison.config] == [("seed", 1, 2)]
    assert comparison.circumstances is None
    assert any("no config is stored beside" in note and "copied.jsonl" in note for note in comparison.notes)
    assert any("no manifest" in note for note in comparison.notes)


def test_what_is_wrong_with_a_log_is_said_and_the_rest_compared(stored: dict[str, Path], tmp_path: Path) -> None:
    broken = tmp_path / stored["first"].name
    shutil.copytree(stored["first"], broken)
    lines = (broken / "events.jsonl").read_text().splitlines()
    lines[0] = lines[0].replace('"schema":1', '"schema":2')
    lines[20] = "{"
    (broken / "events.jsonl").write_text("\n".join(lines[:-1]) + '\n{"event"')
    (comparison,) = runner.compare(stored["seed"], broken).comparisons
    told = "\n".join(comparison.notes)
    assert "line 1: log schema 2" in told
    assert "line 21: is no event" in told
    assert f"line {len(lines)}: torn" in told
    assert comparison.other.status == "incomplete"
    assert sum(comparison.other.counts[key] for key in ("put", "done")) >= 798
    assert "makespan" in str(figure(runner.compare(stored["seed"], broken), "makespan_s"))


def test_manifests_that_differ_are_told(stored: dict[str, Path], tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(stored["first"], moved)
    manifest = json.loads((moved / "manifest.json").read_text())
    manifest["host"], manifest["versions"]["python"] = "elsewhere", "3.99"
    (moved / "manifest.json").write_text(json.dumps(manifest))
    found = runner.compare(stored["first"], moved).comparisons[0].circumstances
    assert found is not None
    assert [(each.what, each.now) for each in found] == [("versions.python", "3.99"), ("host", "elsewhere")]


def test_short_runs_claim_nothing(tmp_path: Path) -> None:
    text = "producers: {p: {items: 5}}\nconsumers: {c: {sleep: 5ms}}"
    one, two = (runner.simulate(loads(text, overrides={"seed": seed}), tmp_path) for seed in (1, 2))
    (comparison,) = runner.compare(one, two).comparisons
    assert "too short to tell a difference from chance" in comparison.sentence
    assert {each.why for each in comparison.figures} == {"too few independent samples", "one value for each run"}


@pytest.mark.process
def test_a_real_run_and_its_simulation_are_compared_item_by_item(tmp_path: Path) -> None:
    service = "{distribution: uniform, low: 0, high: 2ms}"
    text = f"producers: {{p: {{items: 150, sleep: 1ms}}}}\nconsumers: {{c: {{count: 2, sleep: {service}}}}}"
    real = execute(text, tmp_path)
    simulated = runner.simulate(loads(text), tmp_path / "runs")
    found = runner.compare(simulated, real.result)
    (comparison,) = found.comparisons
    assert (comparison.draws.same, comparison.draws.different, comparison.draws.paired) == (150, 0, True)
    latency = figure(found, "latency.mean")
    assert (latency.pairs, latency.first) == (150, 0)
    assert latency.difference > 0
    assert {each.what for each in comparison.config} >= {"engine"}


@pytest.mark.parametrize("count", [0, 1, 101])
def test_it_takes_two(count: int) -> None:
    with pytest.raises(UsageError, match="2 to 100 runs"):
        runner.compare(*["latest"] * count)


def test_what_is_no_run_is_said(tmp_path: Path, stored: dict[str, Path]) -> None:
    with pytest.raises(LogError, match="no such run directory"):
        runner.compare(stored["first"], tmp_path / "none")
    nothing = tmp_path / "events.jsonl"
    nothing.write_text("")
    with pytest.raises(LogError, match="there is no event in it"):
        runner.compare(stored["first"], nothing)


def test_the_command_shows_all_of_it(stored: dict[str, Path]) -> None:
    one, two = stored["first"].name, stored["slow"].name
    code, out, err = finished("-m", "runner", "compare", one, two, "--out", stored["first"].parent)
    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "consumers.c.sleep.mean 0.02 0.022" in lines
    assert "circumstances: alike" in lines
    assert any(line.startswith("service.mean") and line.endswith("+10.0 +10.0 +10.0 yes") for line in lines)
    assert any(line.startswith("latency.max") and line.endswith("? one value for each run") for line in lines)
    assert "figures differ by more than chance" in " ".join(lines)


def test_the_commands_json_is_the_apis(stored: dict[str, Path]) -> None:
    one, two = stored["first"], stored["slow"]
    code, out, _ = finished("-m", "runner", "compare", one, two, "--json")
    assert code == 0
    assert json.loads(out) == json.loads(json.dumps(runner.compare(one, two).to_dict()))


def test_the_command_says_what_is_missing(stored: dict[str, Path]) -> None:
    code, _, err = finished("-m", "runner", "compare", stored["first"])
    assert code == 2
    assert err == "mprun: compare: wanted 2 to 100 runs, not 1; name them\n"
    code, _, err = finished("-m", "runner", "compare", stored["first"], f"none{os.sep}")
    assert code == 2
    assert "no such run directory" in err
