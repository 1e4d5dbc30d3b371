"""What one step at the bottleneck brings: asked of a simulation and told in a sentence, or not told."""

from __future__ import annotations

import pytest

import runner
from runner.config.load import loads
from runner.experiments.remedy import MOST_ITEMS, Remedy, remedy

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
        "with consumers.use.count 3 instead of 2 a simulation predicts no more items/s than without (1,000)"
    )


@pytest.mark.parametrize(
    "text",
    [
        "producers: {make: {items: 10}}\nconsumers: {use: {}}",
        "producers: {make: {items: 100, sleep: 10ms}}\nconsumers: {use: {sleep: 10ms}}",
        "producers: {make: {items: 100, sleep: 10ms}}\nconsumers: {use: {items: 100, sleep: 20ms}}",
        f"producers: {{make: {{items: {MOST_ITEMS + 1}}}}}\nconsumers: {{use: {{sleep: 1ms}}}}",
    ],
    ids=["nothing limits", "balanced", "quotas above what is put", "too many items"],
)
def test_nothing_is_promised_where_nothing_is_known(text: str) -> None:
    assert asked(text) is None
