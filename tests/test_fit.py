"""A log made into a config: simulated again, the recorded times give the recorded instants, or the same law."""

from __future__ import annotations

import json
from statistics import fmean
from typing import TYPE_CHECKING, Any

import pytest

import runner
from runner.cli.app import execute
from runner.config.load import load, loads
from runner.errors import LogError, UsageError
from runner.experiments.fit import BINS, fit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXPONENTIAL = "{distribution: exponential, mean: 10ms}"
CONFIGS = {
    "default": "producers: {p: {count: 2, items: 10, sleep: {distribution: randint, low: 1, high: 5}}}\n"
    "consumers: {c: {count: 2, items: 10, sleep: {distribution: randint, low: 1, high: 5}}}\n",
    "scaled": f"time_scale: 0.37\nproducers: {{p: {{items: 50, sleep: {EXPONENTIAL}}}}}\n"
    f"consumers: {{c: {{sleep: {EXPONENTIAL}}}}}\n",
    "bounded, in batches": f"queues: {{q: {{maxsize: 4, batch: 3}}}}\nproducers: {{p: {{count: 3, items: 40}}}}\n"
    f"consumers: {{c: {{count: 2, sleep: {EXPONENTIAL}}}}}\n",
    "a stage and busy": "cores: 1\nqueues: {a: {maxsize: 2}, b: {}}\n"
    f"producers: {{p: {{to: a, items: {{start: 0, stop: 40, share: split}}, count: 2, sleep: {EXPONENTIAL}}}}}\n"
    "stages: {s: {from: a, to: b, count: 2, busy: 8ms}}\nconsumers: {c: {from: b, sleep: 1ms}}\n",
    "user code": "producers: {p: {items: 30, sleep: 1ms}}\n"
    f'consumers: {{c: {{count: 2, call: {{target: "nowhere:work", model: {EXPONENTIAL}}}}}}}\n',
    "open pacing": "queues: {q: {maxsize: 2}}\n"
    f"producers: {{p: {{count: 2, items: 40, pacing: open, sleep: {EXPONENTIAL}}}}}\n"
    f"consumers: {{c: {{sleep: {EXPONENTIAL}}}}}\n",
    "ended by the clock": f"duration: 1s\nproducers: {{p: {{count: 2, sleep: {EXPONENTIAL}}}}}\n"
    f"consumers: {{c: {{count: 2, sleep: {EXPONENTIAL}}}}}\n",
}


def instants(events: Iterator[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Every put, get and done: when, who, which."""
    return [
        (event["t_ns"], event["event"], event["worker"], event["id"])
        for event in events
        if event["event"] in ("put", "get", "done")
    ]


def stored(text: str, folder: Path) -> runner.Result:
    return runner.simulate(loads(text), folder / "runs")


@pytest.mark.parametrize("text", CONFIGS.values(), ids=CONFIGS)
def test_a_simulated_log_fitted_and_simulated_again_gives_the_same_instants(text: str, tmp_path: Path) -> None:
    original = stored(text, tmp_path)
    fit(original.run_dir, tmp_path / "fitted.yaml")
    again = runner.simulate(load(tmp_path / "fitted.yaml"), store=False)
    assert instants(again.events()) == instants(original.events())


@pytest.mark.parametrize("text", [CONFIGS[name] for name in CONFIGS if name != "ended by the clock"])
def test_so_does_a_log_without_its_config(text: str, tmp_path: Path) -> None:
    """`run.start` tells queues, groups and quotas, the events how many items there were and who shared them."""
    original = stored(text, tmp_path)
    fit(original.run_dir / "events.jsonl", tmp_path / "fitted.yaml")
    again = runner.simulate(load(tmp_path / "fitted.yaml"), store=False)
    assert instants(again.events()) == instants(original.events())


def test_deaths_and_pauses_on_purpose_are_kept_and_scaled(tmp_path: Path) -> None:
    text = CONFIGS["scaled"] + "faults: [{kill: c-0, after: {gets: 5}}, {pause: p-0, after: {puts: 9}, for: 1s}]\n"
    original = stored(text, tmp_path)
    fit(original.run_dir, tmp_path / "fitted.yaml")
    again = runner.simulate(load(tmp_path / "fitted.yaml"), store=False)
    assert again.summary["items"]["redelivered"] == original.summary["items"]["redelivered"] == 1
    assert again.summary["makespan_s"] == pytest.approx(original.summary["makespan_s"], rel=0.05)


def test_open_pacing_is_recorded_from_due_to_due_across_deaths_and_pauses(tmp_path: Path) -> None:
    faults = "faults: [{kill: p-1, after: {puts: 9}}, {pause: p-0, after: {puts: 5}, for: 90ms}]\n"
    text = CONFIGS["open pacing"] + faults
    original = stored(text, tmp_path)
    fit(original.run_dir, tmp_path / "fitted.yaml")
    again = runner.simulate(load(tmp_path / "fitted.yaml"), store=False)
    assert instants(again.events()) == instants(original.events())


def test_the_empirical_law_gives_nearly_the_same_latency(tmp_path: Path) -> None:
    """Means over five seeds of 3,000 items each; more distinct values than `BINS` are put together, their mean kept."""
    text = f"""
producers: {{p: {{items: 3000, sleep: {EXPONENTIAL}}}}}
consumers: {{c: {{count: 2, sleep: {EXPONENTIAL}}}}}
"""
    original = stored(text, tmp_path)
    fit(original.run_dir, tmp_path / "fitted.yaml", "empirical")
    assert len(load(tmp_path / "fitted.yaml").consumers["c"].model_dump()["sleep"]["values"]) == BINS

    def latency(text: str) -> float:
        configs = (loads(text, overrides={"seed": seed}) for seed in range(5))
        return fmean(float(runner.simulate(each, store=False).summary["latency"]["mean"]) for each in configs)

    assert latency((tmp_path / "fitted.yaml").read_text()) == pytest.approx(latency(text), rel=0.05)


def test_what_cannot_be_said_without_user_code_is_noted(tmp_path: Path) -> None:
    """A stage that makes two of one: written as a log, since only real code does that."""
    head = {
        "event": "run.start", "t_ns": 0, "schema": 1, "run": "r", "name": "n", "seed": 1,
        "queues": {"a": {"kind": "pipe", "maxsize": 0}, "b": {"kind": "pipe", "maxsize": 0}},
        "groups": {
            "p": {"role": "producer", "to": "a", "count": 1, "planned": 1},
            "s": {"role": "stage", "from": "a", "to": "b", "count": 1},
            "c": {"role": "consumer", "from": "b", "count": 1},
        },
    }  # fmt: skip
    put = {"event": "put", "t_ns": 1, "worker": "p-0", "queue": "a", "id": "p-0:0", "wait_ns": 0}
    rows: list[dict[str, Any]] = [head, put, {**put, "event": "get", "worker": "s-0", "latency_ns": 0}]
    rows += [{**put, "t_ns": 5, "worker": "s-0", "queue": "b", "id": f"p-0:0.{k}"} for k in (0, 1)]
    rows.append({"event": "done", "t_ns": 5, "worker": "s-0", "queue": "a", "id": "p-0:0", "service_ns": 4})
    for k in (0, 1):
        about = {"t_ns": 9 + 3 * k, "worker": "c-0", "queue": "b", "id": f"p-0:0.{k}"}
        rows.append({**about, "event": "get", "wait_ns": 1, "latency_ns": 4})
        rows.append({**about, "event": "done", "t_ns": 11 + 4 * k, "service_ns": 2 + k})
    log = tmp_path / "events.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    notes = fit(log, tmp_path / "fitted.yaml").notes
    assert any(note.startswith("s: put 2 items of 1; without its code") for note in notes)
    assert any(note.startswith("c: gets items that a stage made") for note in notes)
    assert runner.simulate(load(tmp_path / "fitted.yaml"), store=False).exit_code == 0


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    run = stored(CONFIGS["default"], tmp_path).run_dir
    fit(run, tmp_path / "fitted.yaml")
    before = (tmp_path / "fitted.yaml").read_text()
    with pytest.raises(UsageError, match="is there already"):
        fit(run, tmp_path / "fitted.yaml", "empirical")
    assert (tmp_path / "fitted.yaml").read_text() == before


def test_wrong_input_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = stored(CONFIGS["default"], tmp_path).run_dir
    with pytest.raises(UsageError, match="wanted trace or empirical"):
        fit(run, tmp_path / "f.yaml", "exact")
    (tmp_path / "no.jsonl").write_text("{}\n")
    with pytest.raises(LogError):
        fit(tmp_path / "no.jsonl", tmp_path / "f.yaml")
    assert execute(["fit", str(tmp_path / "nothing")]) == 2
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_the_command_names_what_it_wrote(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = stored(CONFIGS["default"], tmp_path).run_dir
    assert execute(["fit", str(run), "-o", str(tmp_path / "f.yaml")]) == 0
    written = capfd.readouterr().out.split()
    assert written == [str(tmp_path / name) for name in ("f.yaml", "f.p.jsonl", "f.c.jsonl")]
    assert execute(["simulate", written[0], "--out", str(tmp_path / "runs"), "-q"]) == 0
