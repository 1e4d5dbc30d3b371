"""What `mprun plan` expects of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import runner
from runner.config.load import loads
from runner.engines import prediction
from runner.engines.prediction import predicted

if TYPE_CHECKING:
    import pytest

    from runner.engines.prediction import Prediction


def of(text: str) -> Prediction:
    return predicted(loads(text))


SMALL = "producers: {p: {items: 4, sleep: 1s}}\nconsumers: {c: {count: 2, sleep: 2s}}"


def test_a_small_plan_is_simulated() -> None:
    found = of(SMALL)
    assert (found.by, found.status, found.duration_s) == ("simulation", "ok", 5.0)
    assert (found.throughput, found.latency_s) == (4 / 5, 0.0)
    assert (found.utilization, found.max_depth) == ({"c": 0.8}, {"main": 0})


def test_it_is_what_the_simulation_says() -> None:
    config = loads("producers: {p: {items: 50}}\nconsumers: {c: {sleep: {distribution: exponential, mean: 1s}}}")
    summary = runner.simulate(config, store=False).summary
    found = predicted(config)
    assert (found.duration_s, found.latency_s) == (summary["makespan_s"], summary["latency"]["mean"])
    assert found.max_depth == {"main": summary["queues"]["main"]["max_depth"]}


def test_the_last_pause_counts() -> None:
    assert of("producers: {p: {items: 1, sleep: 9s}}\nconsumers: {c: {}}").duration_s == 9.0


def test_a_bad_end_is_predicted_too() -> None:
    assert of(f"{SMALL}\non_death: {{policy: fail}}\nfaults: [{{kill: c-0, after: {{gets: 1}}}}]").status == "failed"


def test_user_code_without_a_model_is_not_predicted() -> None:
    found = of("producers: {p: {items: 4}}\nconsumers: {c: {call: 'a:b'}}")
    assert found.by is None
    assert found.why is not None
    assert found.why.startswith("consumers.c.call cannot be simulated")


def test_what_is_too_large_is_not_simulated_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction, "MOST_ITEMS", 50)
    lasting = of("duration: 1h\nproducers: {p: {sleep: 1s}}\nconsumers: {c: {}}")
    assert (lasting.by, lasting.duration_s) == ("theory", 3600.0)
    found = of("producers: {p: {items: 51}}\nconsumers: {c: {}}")
    assert (found.by, found.duration_s) == (None, None)
    assert found.why is not None
    assert found.why.startswith("more than 50 items")


def test_threads_share_one_processor() -> None:
    text = "cores: 2\nproducers: {p: {items: 4}}\nconsumers: {c: {count: 2, busy: 1s}}\nengine: "
    assert [of(text + engine).duration_s for engine in ("processes", "threads")] == [2.0, 4.0]


def test_a_timeout_of_the_wall_clock_means_nothing_here() -> None:
    assert of(f"{SMALL}\ntimeout: 1ms").status == "ok"
