"""`stop_when`: an endless run ends once its throughput is steady, under every engine, with nothing left over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import simulations
from running import execute

import runner
from runner.config.load import loads
from runner.engines.steady import Steadiness
from runner.planning.plan import SteadyRule

if TYPE_CHECKING:
    from pathlib import Path

S = 1_000_000_000
RULE = SteadyRule(within=0.01, over_ns=S)
ENDLESS = """
seed: 3
stop_when: {metric: throughput, within: 5%, over: 200ms}
producers: {p: {count: 2, sleep: {distribution: exponential, mean: 4ms}}}
consumers: {c: {count: 2, sleep: {distribution: exponential, mean: 3ms}}}
"""


def reached(done_at: list[int], rule: SteadyRule = RULE, begins_ns: int = 0) -> float | None:
    """When, in seconds, looks every 20 ms first find the run steady that has so many items done by then."""
    steadiness = Steadiness(rule, begins_ns)
    for number, done in enumerate(done_at):
        if steadiness.look(number * S // 50, done):
            return number / 50
    return None


def test_an_even_run_is_steady_as_soon_as_it_was_watched_for_long_enough() -> None:
    """The first look that has anything to say is at 0.02 s; one second later all since were alike."""
    assert reached([2 * number for number in range(200)]) == 1.02


def test_a_run_that_changes_is_not_steady() -> None:
    """Twice as fast from the fifth second on: the mean goes on rising, and is steady as it rises slowly enough."""
    done = [number if number < 250 else 250 + 2 * (number - 250) for number in range(3000)]
    assert reached(done[200:250]) is None
    found = reached(done, SteadyRule(0.01, 5 * S))
    assert found is not None
    assert found > 10


def test_with_few_items_nothing_is_called_steady() -> None:
    assert reached([0] * 1000) is None
    assert reached([9] * 1000) is None


def test_items_of_the_warm_up_do_not_count() -> None:
    """1,000 items in the first second, then two a look: even from there on."""
    done = [1000 + 2 * max(0, number - 50) for number in range(200)]
    assert reached(done) is None
    assert reached(done, begins_ns=S) == 2.02


def test_it_is_told_once() -> None:
    steadiness = Steadiness(RULE)
    told = [steadiness.look(number * S // 50, 2 * number) for number in range(200)]
    assert sum(told) == 1


def test_a_simulation_ends_when_it_is_steady_and_works_off_what_was_put() -> None:
    gone = simulations.simulate(ENDLESS)
    assert (gone.code, gone.end["status"]) == (0, "completed")
    steady = gone.of("steady")
    assert len(steady) == 1
    assert steady[0]["value"] == pytest.approx(500, rel=0.2)
    assert (steady[0]["metric"], steady[0]["within"], steady[0]["over_s"]) == ("throughput", 0.05, 0.2)
    late = [event for event in gone.of("put") if event["t_ns"] > steady[0]["t_ns"]]
    assert len(late) <= 2, "each producer puts the item whose turn is next, and no further one"
    totals = gone.end["totals"]
    assert totals["put"] == totals["done"] > 50
    assert gone.audited().valid is True


def test_what_never_settles_goes_on_to_its_end() -> None:
    """A deadlock is still seen: looking on is no progress."""
    gone = simulations.simulate(ENDLESS.replace("5%", "0.0001%") + "duration: 1s\n")
    assert gone.of("steady") == []
    assert gone.end["status"] == "completed"


@pytest.mark.process
@pytest.mark.parametrize(
    "engine",
    ["engine: threads", "start_method: fork", "start_method: fork\nqueues: {q: {kind: multiprocessing.Queue}}"],
)
def test_real_runs_end_likewise(engine: str, tmp_path: Path) -> None:
    ran = execute(f"{engine}\n{ENDLESS}", tmp_path)
    ran.assert_ok()
    assert len(ran.of("steady")) == 1
    ran.assert_delivered("q" if "queues" in engine else "main")


def test_it_makes_another_experiment() -> None:
    with_rule, without = loads(ENDLESS), loads(ENDLESS.replace("stop_when:", "duration: 1s\nx-rule:"))
    assert runner.plan(with_rule).plan_digest != runner.plan(without).plan_digest


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{metric: latency.p99, within: 1%, over: 10s}", "stop_when.metric"),
        ("{metric: throughput, within: 0%, over: 10s}", "stop_when.within: wanted a share such as 1%"),
        ("{metric: throughput, within: 2, over: 10s}", "stop_when.within: wanted a share such as 1%"),
        ("{metric: throughput, within: 1%, over: 0s}", "stop_when.over"),
        ("{metric: throughput, within: 1%}", "stop_when.over: missing"),
        ("steady", "stop_when: wanted a map"),
    ],
)
def test_wrong_rules_are_refused_at_their_place(rule: str, message: str) -> None:
    with pytest.raises(runner.ConfigError) as caught:
        loads(f"stop_when: {rule}\nproducers: {{p: {{}}}}\nconsumers: {{c: {{}}}}\n")
    assert message in str(caught.value)
    assert "<text>:1:" in str(caught.value)
