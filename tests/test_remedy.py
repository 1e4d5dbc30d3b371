"""What one step at the bottleneck brings: asked of a simulation and told in a sentence, or not told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import runner
from runner.config.load import loads
from runner.remedy import MOST_ITEMS, Remedy, found_in, remedy, sentence

if TYPE_CHECKING:
    from pathlib import Path

SLOW_CONSUMERS = """
producers: {make: {items: 100, sleep: 10ms}}
consumers: {use: {sleep: 20ms}}
"""


def asked(text: str) -> Remedy | None:
    config = loads(text)
    return remedy(runner.simulate(config, store=False).summary, config)


def test_one_more_worker_where_a_group_limits() -> None:
    """100 items of 20 ms take 2 s; two workers are as quick as the producer, whose last put is at 0.99 s."""
    found = asked(SLOW_CONSUMERS)
    assert found is not None
    assert (found.path, found.before, found.after) == ("consumers.use.count", 1, 2)
    assert found.throughput == pytest.approx(50.0)
    assert found.improved == pytest.approx(100 / 1.01)
    assert found.sentence == (
        "with consumers.use.count 2 instead of 1 a simulation predicts 99 items/s instead of 50 (+98 %)"
    )


def test_twice_the_room_where_a_queue_limits() -> None:
    law = "{distribution: hyperexponential, means: [1ms, 50ms], weights: [8, 2]}"
    found = asked(f"""
queues: {{main: {{maxsize: 1}}}}
producers: {{make: {{items: 500, sleep: {law}}}}}
consumers: {{use: {{sleep: {law}}}}}
""")
    assert found is not None
    assert (found.path, found.before, found.after) == ("queues.main.maxsize", 1, 2)
    assert found.improved > found.throughput


def test_a_step_that_brings_nothing_is_called_that() -> None:
    found = asked("""
cores: 1
producers: {make: {items: 100}}
consumers: {use: {count: 2, busy: 1ms}}
""")
    assert found is not None
    assert found.sentence == (
        "with consumers.use.count 3 instead of 2 a simulation predicts no more items/s than without (1,000): "
        "all of them burn CPU, and there is 1 core"
    )


@pytest.mark.parametrize(
    "text",
    [
        "producers: {make: {items: 10}}\nconsumers: {use: {}}",
        "producers: {make: {items: 100, sleep: 10ms}}\nconsumers: {use: {sleep: 10ms}}",
        "producers: {make: {items: 100, sleep: 10ms}}\nconsumers: {use: {items: 100, sleep: 20ms}}",
        f"producers: {{make: {{items: {MOST_ITEMS + 1}}}}}\nconsumers: {{use: {{sleep: 1ms}}}}",
        "producers: {make: {items: 100, sleep: 10ms, pacing: open}}\nconsumers: {use: {sleep: 2ms}}",
    ],
    ids=["nothing limits", "balanced", "quotas above what is put", "too many items", "arrivals limit"],
)
def test_nothing_is_promised_where_nothing_is_known(text: str) -> None:
    assert asked(text) is None


def test_the_bottleneck_is_that_of_the_summary_also_behind_a_warm_up() -> None:
    """Shares are of the window, whose length is not in the summary."""
    config = loads("""
warmup: 700ms
producers: {make: {items: 300, sleep: {distribution: uniform, low: 9ms, high: 11ms}, pacing: open}}
consumers: {use: {sleep: 2ms}}
""")
    summary = runner.simulate(config, store=False).summary
    found = found_in(summary, config)
    assert found is not None
    assert found.sentence == summary["bottleneck"]
    assert found.sentence.startswith("limited by the arrivals of make: pausing ")


def test_of_a_stored_run_that_is_not_understood_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(SLOW_CONSUMERS)
    summary = runner.simulate(loads(SLOW_CONSUMERS), store=False).summary
    assert (sentence(summary, tmp_path / "config.yaml") or "").startswith("with consumers.use.count 2 instead of 1 ")
    assert sentence({"bottleneck": "limited by use"}, tmp_path / "config.yaml") is None
    assert sentence(summary, tmp_path / "nothing.yaml") is None
