"""The verdict in words: scenarios whose bottleneck is known from how they are made, each named right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
import simulations

from runner.analysis.bottleneck import Bottleneck, Queue, Side, Times, bottleneck
from runner.log.events import GroupFacts

if TYPE_CHECKING:
    from pathlib import Path

    from runner.engines.simulated import Simulated

LIMITED_BY_CONSUMERS = """
producers: {make: {count: 2, items: 200, sleep: {distribution: exponential, mean: 10ms}}}
consumers: {use: {count: 1, sleep: {distribution: exponential, mean: 20ms}}}
"""
SCENARIOS = {
    "slow consumers behind an unbounded queue": (LIMITED_BY_CONSUMERS, Side.GROUP, ("use",)),
    "slow consumers behind a bounded queue": (
        "queues: {q: {maxsize: 10}}" + LIMITED_BY_CONSUMERS, Side.GROUP, ("use",),
    ),
    "slow producers": (
        """
producers: {make: {count: 1, items: 200, sleep: {distribution: exponential, mean: 20ms}}}
consumers: {use: {count: 2, sleep: {distribution: exponential, mean: 10ms}}}
""", Side.GROUP, ("make",),
    ),
    "a slow stage in the middle": (
        """
queues: {raw: {maxsize: 20}, fine: {maxsize: 20}}
producers: {make: {to: raw, items: 300, sleep: {distribution: uniform, low: 4ms, high: 6ms}}}
stages: {refine: {from: raw, to: fine, sleep: {distribution: uniform, low: 8ms, high: 12ms}}}
consumers: {use: {from: fine, sleep: {distribution: uniform, low: 2ms, high: 6ms}}}
""", Side.GROUP, ("refine",),
    ),
    "a slow end behind a quick stage": (
        """
queues: {raw: {maxsize: 20}, fine: {maxsize: 20}}
producers: {make: {to: raw, items: 300, sleep: 5ms}}
stages: {refine: {from: raw, to: fine, sleep: 1ms}}
consumers: {use: {from: fine, sleep: {distribution: exponential, mean: 10ms}}}
""", Side.GROUP, ("use",),
    ),
    "enough workers for work that is longer": (
        """
producers: {make: {items: 400, sleep: {distribution: exponential, mean: 10ms}}}
consumers: {use: {count: 8, sleep: {distribution: exponential, mean: 40ms}}}
""", Side.GROUP, ("make",),
    ),
    "work that burns more than the cores there are": (
        """
cores: 2
producers: {make: {items: 200, sleep: 5ms}}
consumers: {use: {count: 4, busy: 20ms}}
""", Side.GROUP, ("use",),
    ),
    "one of two groups of consumers": (
        """
queues: {left: {maxsize: 5}, right: {maxsize: 5}}
producers:
  a: {to: left, items: 200, sleep: 10ms}
  b: {to: right, items: 100, sleep: 10ms}
consumers:
  quick: {from: left, sleep: 2ms}
  slow: {from: right, sleep: 40ms}
""", Side.GROUP, ("slow",),
    ),
    "both sides alike": (
        """
producers: {make: {count: 2, items: 300, sleep: {distribution: uniform, low: 9ms, high: 11ms}}}
consumers: {use: {count: 2, sleep: {distribution: uniform, low: 9ms, high: 11ms}}}
""", Side.BALANCED, ("make", "use"),
    ),
    "a whole pipeline in step": (
        """
queues: {raw: {maxsize: 50}, fine: {maxsize: 50}}
producers: {make: {to: raw, items: 500, sleep: {distribution: exponential, mean: 10ms}}}
stages: {refine: {from: raw, to: fine, count: 2, sleep: {distribution: exponential, mean: 20ms}}}
consumers: {use: {from: fine, count: 3, sleep: {distribution: exponential, mean: 29ms}}}
""", Side.BALANCED, ("make", "refine", "use"),
    ),
    "irregular sides and no room between them": (
        """
queues: {main: {maxsize: 1}}
producers: {make: {items: 500, sleep: {distribution: hyperexponential, means: [1ms, 50ms], weights: [8, 2]}}}
consumers: {use: {sleep: {distribution: hyperexponential, means: [1ms, 50ms], weights: [8, 2]}}}
""", Side.QUEUE, ("main",),
    ),
    "all items at one worker": (
        """
queues: {main: {batch: 64}}
producers: {make: {items: 64, sleep: 0}}
consumers: {use: {count: 4, sleep: 10ms}}
""", Side.WORKER, ("use-0",),
    ),
    "an end that waits for one long item": (
        """
producers: {make: {items: 12, sleep: 1ms}}
consumers: {use: {count: 12, sleep: {distribution: trace, file: FILE}}}
""", Side.WORKER, ("use-3",),
    ),
    "a short run in which somebody must be the last": (
        """
producers: {make: {items: 5}}
consumers: {use: {count: 2, sleep: 10ms}}
""", Side.GROUP, ("use",),
    ),
    "customers who come when they come": (
        """
producers: {make: {items: 300, pacing: open, sleep: {distribution: exponential, mean: 10ms}}}
consumers: {use: {sleep: {distribution: exponential, mean: 6ms}}}
""", Side.ARRIVALS, ("make",),
    ),
    "customers who come in bursts, into a small shop": (
        """
queues: {shop: {maxsize: 3}}
producers:
  make: {items: 200, pacing: open, sleep: {distribution: hyperexponential, means: [3ms, 83ms], weights: [4, 1]}}
consumers: {use: {sleep: {distribution: exponential, mean: 11.4ms}}}
""", Side.ARRIVALS, ("make",),
    ),
    "more customers than can be served": (
        """
producers: {make: {items: 300, pacing: open, sleep: {distribution: exponential, mean: 10ms}}}
consumers: {use: {sleep: {distribution: exponential, mean: 15ms}}}
""", Side.GROUP, ("use",),
    ),
    "an end while the queue still grows": (
        """
producers: {make: {items: 200, sleep: 10ms}}
consumers: {use: {items: 100, sleep: 20ms}}
""", Side.GROUP, ("use",),
    ),
    "a beginning that is left out": (
        """
warmup: 700ms
producers: {make: {items: 300, sleep: 10ms}}
consumers: {use: {sleep: {distribution: trace, file: FALLING}}}
""", Side.GROUP, ("make",),
    ),
}  # fmt: skip


def found_in(simulated: Simulated) -> Bottleneck | None:
    """The verdict, from what is stored of a run."""
    start = next(iter(simulated.events()))
    summary = simulated.summary
    return bottleneck(
        {name: msgspec.convert(facts, GroupFacts) for name, facts in start["groups"].items()},
        {name: msgspec.convert(figures, Times) for name, figures in summary["workers"].items()},
        {
            name: Queue(facts["maxsize"], summary["queues"][name]["max_depth"])
            for name, facts in start["queues"].items()
        },
        summary["makespan_s"] - start.get("warmup_ns", 0) / 1e9,
        {each["worker"].rpartition("-")[0] for each in simulated.events() if each.get("late_ns") is not None},
    )


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_limits_is_named(scenario: str, tmp_path: Path) -> None:
    text, side, names = SCENARIOS[scenario]
    trace = tmp_path / "services.jsonl"
    trace.write_text("\n".join("1.0" if number == 3 else "0.01" for number in range(12)))
    falling = tmp_path / "falling.jsonl"
    falling.write_text("\n".join("0.06" if number < 6 else "0.005" for number in range(300)))
    simulated = simulations.simulate(text.replace("FILE", str(trace)).replace("FALLING", str(falling))).simulated
    found = found_in(simulated)
    assert found is not None
    assert (found.side, found.names) == (side, names)
    assert simulated.summary["bottleneck"] == found.sentence


def test_words_and_figures() -> None:
    """The sentence says who, how busy, and whom that holds up."""
    text, _, _ = SCENARIOS["a slow stage in the middle"]
    assert simulations.simulate(text).simulated.summary["bottleneck"] == (
        "limited by refine: busy 100 %, make blocked 1.34 s of 3.04 s, use waiting 1.83 s of 3.04 s"
    )
    assert simulations.simulate(LIMITED_BY_CONSUMERS).simulated.summary["bottleneck"] == (
        "limited by use: busy 100 %, queue main grew to 299 items"
    )


def test_no_verdict_where_nothing_takes_time_or_nothing_is_done() -> None:
    nothing = "producers: {make: {items: 10}}\nconsumers: {use: {}}"
    assert simulations.simulate(nothing).simulated.summary["bottleneck"] is None
    never = "producers: {make: {items: 10, sleep: 1s}}\nconsumers: {use: {sleep: 2s}}\non_death: {policy: fail}"
    summary = simulations.simulate(f"{never}\nfaults: [{{kill: use-0, after: {{gets: 1}}}}]").simulated.summary
    assert (summary["items"]["done"], summary["bottleneck"]) == (0, None)


def test_nobody_is_named_where_nobody_is_busy() -> None:
    """One long item here, one there, one after the other: no group works for half of the time."""
    text = """
queues: {a: {}, b: {}, c: {}}
producers: {make: {to: a, items: 1}}
stages:
  one: {from: a, to: b, sleep: 1s}
  two: {from: b, to: c, sleep: 1s}
consumers: {use: {from: c, sleep: 1s}}
"""
    found = found_in(simulations.simulate(text).simulated)
    assert found is not None
    assert (found.side, found.names) == (Side.NOBODY, ())
    assert found.sentence.startswith("no side limits: the busiest, one, is busy 33 %; ")
