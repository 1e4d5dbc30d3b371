"""What `mprun plan` says in theory."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rich.console import Console

from runner.cli import theory
from runner.cli.plan import document
from runner.cli.tables import drawn
from runner.config.load import loads as config_of
from runner.engines.prediction import predicted
from runner.planning.resolve import plan as resolved

EXPONENTIAL = "{{distribution: exponential, mean: {}}}"


def config(pause: str, work: str, **queue: Any) -> str:
    return f"""
        queues: {{main: {json.dumps(queue)}}}
        producers: {{p: {{items: 1000000, sleep: {pause}}}}}
        consumers: {{c: {{sleep: {work}}}}}
    """


def shown(text: str) -> str:
    return drawn(theory.parts(theory.theory(resolved(config_of(text)))), Console(width=200, no_color=True))


def test_a_model_is_a_row_of_figures_and_a_line_with_its_source() -> None:
    text = shown(config(EXPONENTIAL.format("1ms"), EXPONENTIAL.format("0.8ms")))
    row, source = [line for line in text.splitlines() if line.startswith("main")]
    assert row.split() == ["main", "M/M/1", "1,000", "80", "%", "3.20", "3.20", "ms", "3.20", "ms", "4.00", "ms"]
    assert source == "main: M/M/1 (Kleinrock, Queueing Systems I, 1975, ch. 3); holds exactly in the steady state"


def test_an_approximation_says_why() -> None:
    text = shown(config("{distribution: uniform, low: 1, high: 3}", "1"))
    assert "ch. 5); approximately: from the first two moments" in text


def test_without_a_model_there_is_a_reason_and_no_table() -> None:
    assert shown(config("0", "0")) == "main: no theory: neither pauses nor work: the machine decides how fast it is\n"


def test_an_unbounded_queue_that_grows_is_warned_of() -> None:
    text = shown(config("1", "2", kind="multiprocessing.Queue"))
    assert "main: warning: load 2, not below 1: " in text
    assert text.count("grows ") >= 4


def test_json_is_plain_and_has_null_for_what_grows() -> None:
    loaded = config_of(config("1", "2", kind="multiprocessing.Queue"))
    plan = document(resolved(loaded), predicted(loaded))
    found = json.loads(json.dumps(plan["theory"], allow_nan=False))["main"]
    assert list(found) == ["model", "source", "exact", "why", "warnings", "load", "figures"]
    assert (found["load"], found["figures"]["throughput"], found["figures"]["wait_s"]) == (2, 0.5, None)


def test_what_is_too_much_to_be_simulated_is_predicted_by_theory() -> None:
    """M/M/1 at load 1/2: as long in the queue as in service."""
    found = predicted(config_of(config(EXPONENTIAL.format("20ms"), EXPONENTIAL.format("10ms"))))
    assert (found.by, found.status, found.max_depth) == ("theory", None, {})
    assert found.duration_s == pytest.approx(20_000)
    assert found.throughput == pytest.approx(50)
    assert found.latency_s == pytest.approx(0.010)
    assert found.utilization == {"c": pytest.approx(0.5)}


def test_where_theory_says_nothing_there_is_a_reason() -> None:
    found = predicted(config_of(config("0", "0")))
    assert (found.by, found.duration_s) == (None, None)
    assert "no theory for main: " in (found.why or "")
