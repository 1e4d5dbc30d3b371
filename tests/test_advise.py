"""The smallest size that meets a target: found, or said to be none; and what is no question."""

from __future__ import annotations

import json
from math import ceil, factorial, log, log2
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from running import config

import runner
from runner.analysis.limits import Share, limit
from runner.cli.app import execute
from runner.config.bounds import parse
from runner.config.load import loads
from runner.errors import Interrupted, UsageError
from runner.experiments.varying import varying

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runner.config.models import Config
    from runner.experiments.advise import Advice, Point

STEADY = "producers: {p: {items: 40, sleep: 1s}}\nconsumers: {c: {sleep: 3500ms}}"


def advise(text: str, target: str, vary: str, repeat: int = 5) -> Advice:
    return runner.advise(loads(text), target, vary, repeat=repeat)


class TestSearch:
    def test_the_smallest_value_that_meets_the_target_is_found(self) -> None:
        """An item a second, 3.5 s of work: with four workers nobody waits, with three the last waits 6 s."""
        found = advise(STEADY, "latency.max < 1ms", "consumers.c.count=1..64")
        assert (found.found, found.exit_code, found.limit) == (4, 0, None)
        assert found.sentence == "consumers.c.count = 4 is the smallest value that meets latency.max < 1ms"

    def test_bisecting_finds_what_scanning_finds(self) -> None:
        for last in (1, 2, 3, 4, 5, 7, 13):
            found = advise(STEADY, "latency.max < 1ms", f"consumers.c.count=1..{last}", 1)
            assert found.found == (4 if last >= 4 else None)
            assert found.simulations <= found.most == 1 + ceil(log2(last))

    def test_where_more_may_be_worse_every_value_is_looked_at(self) -> None:
        text = "queues: {main: {maxsize: 3}}\nproducers: {p: {items: 20}}\nconsumers: {c: {sleep: 1s}}"
        found = advise(text, "latency.max <= 3s", "queues.main.maxsize=8,1,2,0", 2)
        assert ([point.value for point in found.points], found.bisected) == ([1, 2, 8, 0], False)
        assert (found.found, found.simulations, found.most) == (1, 8, 8)
        assert [point.met for point in found.points] == [True, True, False, False]

    def test_a_value_whose_simulations_fail_does_not_meet_it(self) -> None:
        text = f"{STEADY}\non_death: {{policy: fail}}\nfaults: [{{kill: c-0, after: {{gets: 2}}}}]"
        found = advise(text, "latency.max < 99h", "consumers.c.count=1,2", 2)
        assert (found.found, [point.failed for point in found.points]) == (None, [2])

    def test_a_metric_without_samples_does_not_meet_it(self) -> None:
        found = advise(STEADY, "lateness.max < 1s", "consumers.c.count=1,2", 2)
        assert (found.found, found.points[0].samples, found.points[0].median) == (None, (None, None), None)

    def test_the_whole_interval_has_to_meet_it(self) -> None:
        text = STEADY.replace("3500ms", "{distribution: exponential, mean: 2s}")
        first = advise(text, "makespan_s < 1h", "consumers.c.count=2").points[0]
        assert first.median is not None
        assert first.low is not None
        assert first.high is not None
        assert first.low == min(s for s in first.samples if s) < first.median < first.high
        between = (first.median + first.high) / 2
        assert advise(text, f"makespan_s < {between!r}", "consumers.c.count=2").found is None
        assert advise(text, f"makespan_s <= {first.high!r}", "consumers.c.count=2").found == 2

    def test_repeat_r_has_the_seed_plus_r_and_every_value_the_same_draws(self) -> None:
        text = STEADY.replace("3500ms", "{distribution: exponential, mean: 2s}")
        both = advise(text, "service.mean < 1h", "consumers.c.count=1,2", 3)
        assert both.points[0].samples == both.points[1].samples
        later = runner.advise(loads(text, overrides={"seed": 1}), "service.mean < 1h", "consumers.c.count=1", repeat=2)
        assert later.points[0].samples == both.points[0].samples[1:]

    def test_who_watches_is_shown_each_value(self) -> None:
        seen: list[Point] = []
        found = runner.advise(loads(STEADY), "latency.max < 1ms", "consumers.c.count=1..8", repeat=1, watch=seen.append)
        assert sorted(seen, key=lambda point: point.value) == list(found.points)


def test_a_signal_ends_the_search_with_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a simulation says that a signal ended."""
    ended = SimpleNamespace(exit_code=143, reason="interrupted by SIGTERM", summary={})
    monkeypatch.setattr("runner.api.simulate", lambda *_, **__: ended)
    with pytest.raises(Interrupted, match="interrupted by SIGTERM") as caught:
        advise(STEADY, "latency.max < 1ms", "consumers.c.count=1..4")
    assert caught.value.exit_code == 143


def test_threads_have_one_core_for_all_who_are_busy() -> None:
    text = "cores: 4\nproducers: {p: {items: 4}}\nconsumers: {c: {busy: 1s}}"
    assert advise(text, "makespan_s <= 1s", "consumers.c.count=1..4", 1).found == 4
    assert advise(f"engine: threads\n{text}", "makespan_s <= 1s", "consumers.c.count=1..4", 1).found is None


class TestMonotony:
    @pytest.mark.parametrize(
        ("target", "vary", "bisects"),
        [
            ("latency.p99 < 1s", "consumers.c.count=1,2", True),
            ("throughput >= 1", "consumers.c.count=1,2", True),
            ("throughput <= 1", "consumers.c.count=1,2", False),
            ("latency.p99 > 1s", "consumers.c.count=1,2", False),
            ("latency.count < 1", "consumers.c.count=1,2", False),
            ("workers.c-0.utilization < 1", "consumers.c.count=1,2", False),
            ("makespan_s < 1s", "producers.p.count=1,2", False),
            ("makespan_s < 1s", "queues.main.maxsize=1,2", False),
        ],
    )
    def test_it_is_assumed_for_more_workers_and_what_they_make_better(
        self, target: str, vary: str, bisects: bool
    ) -> None:
        found = loads(STEADY)
        assert varying(vary, found).is_monotone(found, parse(target)) is bisects

    @pytest.mark.parametrize(
        "text",
        [
            "producers: {p: {items: 4}}\nconsumers: {c: {busy: 1s}}",
            "producers: {p: {items: 4}}\nconsumers: {c: {items: 1, sleep: 1s}}",
            (
                "{queues: {a: {}, b: {}}, producers: {p: {items: 4, to: a}}, stages: {s: {from: a, to: b}},"
                " consumers: {c: {from: b, sleep: 1s}}}"
            ),
        ],
    )
    def test_it_is_not_with_busy_workers_quotas_and_the_latency_of_several_queues(self, text: str) -> None:
        found = loads(text)
        assert not varying("consumers.c.count=1,2", found).is_monotone(found, parse("latency.p99 < 1s"))


POISSON = """
    producers: {{p: {{count: 4, items: 600, sleep: {{distribution: exponential, mean: 40ms}}}}}}
    consumers: {{c: {{sleep: {{distribution: exponential, mean: {mean}}}}}}}"""
RATE = 100.0


def erlang_c(workers: int, erlangs: float) -> float:
    """Probability that an item waits in M/M/c (A. K. Erlang 1917)."""
    last = erlangs**workers / factorial(workers) * workers / (workers - erlangs)
    return last / (sum(erlangs**k / factorial(k) for k in range(workers)) + last)


def mean_wait(workers: int, service: float) -> float:
    if workers <= RATE * service:
        return float("inf")
    return erlang_c(workers, RATE * service) / (workers / service - RATE)


def wait_quantile(workers: int, service: float, share: float) -> float:
    """P(W > t) = C exp(-(c mu - lambda) t)."""
    if workers <= RATE * service:
        return float("inf")
    return max(0.0, log(erlang_c(workers, RATE * service) / (1 - share)) / (workers / service - RATE))


def blocking_throughput(maxsize: int) -> float:
    """M/M/1/N at rho = 1, where a blocked producer is the place N = maxsize + 2."""
    places = maxsize + 2
    return RATE * places / (places + 1)


@pytest.mark.slow
class TestKnownOptima:
    """Between two neighbours the target is their geometric mean, so chance of some percent does not matter."""

    @pytest.mark.parametrize(
        ("service", "metric", "known", "optimum"),
        [
            (0.025, "latency.mean", lambda c: mean_wait(c, 0.025), 4),
            (0.025, "latency.p99", lambda c: wait_quantile(c, 0.025, 0.99), 4),
            (0.025, "latency.p90", lambda c: wait_quantile(c, 0.025, 0.9), 5),
            (0.08, "latency.mean", lambda c: mean_wait(c, 0.08), 10),
        ],
    )
    def test_erlang_c(self, service: float, metric: str, known: Callable[[int], float], optimum: int) -> None:
        target = (known(optimum - 1) * max(known(optimum), 1e-6)) ** 0.5
        assert min(c for c in range(1, 65) if known(c) < target) == optimum
        found = advise(POISSON.format(mean=service), f"{metric} < {target:.6f}", "consumers.c.count=1..64")
        assert found.found == optimum, found

    def test_a_queue_in_front_of_a_blocked_producer(self) -> None:
        text = """
            producers: {p: {items: 3000, sleep: {distribution: exponential, mean: 10ms}}}
            consumers: {c: {sleep: {distribution: exponential, mean: 10ms}}}"""
        target = (blocking_throughput(1) * blocking_throughput(4)) ** 0.5
        found = advise(text, f"throughput >= {target:.3f}", "queues.main.maxsize=1,4,16,64")
        assert found.found == 4, found

    def test_a_load_that_cannot_be_met(self) -> None:
        found = advise(POISSON.format(mean=0.025), "latency.mean < 1s", "consumers.c.count=1..2")
        assert (found.found, found.exit_code) == (None, 1)
        assert found.limit is not None
        assert (found.limit.side, found.limit.group) == ("group", "c")


class TestLimit:
    def test_the_producers(self) -> None:
        found = advise(STEADY, "throughput > 2", "consumers.c.count=1..16", 2)
        assert found.limit is not None
        assert found.limit.side == "producers"
        assert found.sentence.startswith(
            "no value of consumers.c.count meets throughput > 2; at 16 the producers limit"
        )

    def test_another_stage(self) -> None:
        text = """
            queues: {a: {}, b: {}}
            producers: {p: {items: 30, to: a}}
            stages: {s: {from: a, to: b, sleep: 1s}}
            consumers: {c: {from: b, sleep: 100ms}}"""
        found = advise(text, "throughput > 2", "consumers.c.count=1..8", 2)
        assert found.limit is not None
        assert (found.limit.side, found.limit.group) == ("other", "s")

    def test_nobody(self) -> None:
        shares = {"p": Share("producer", 0.0, 0.1), "c": Share("consumer", 0.5, 0.5)}
        assert limit(shares, "c", "sojourn.max").side == "nobody"
        assert limit(shares, "c", "throughput").side == "producers"


@pytest.mark.parametrize(
    ("target", "vary", "repeat", "message"),
    [
        ("latency.p98 < 1s", "consumers.c.count=1..4", 5, "--target: no such metric: latency.p98, did you mean p9"),
        ("latency.p99", "consumers.c.count=1..4", 5, "--target: latency.p99: wanted a metric, a comparison"),
        ("queues.mian.max_depth < 1", "consumers.c.count=1..4", 5, "--target: no such metric: queues.mian, did you"),
        ("wall_s < 1", "consumers.c.count=1..4", 5, "--target: wall_s is what simulating takes"),
        ("latency.p99 < 1s", "consumers.c.count", 5, "--vary: wanted PATH=VALUES"),
        ("latency.p99 < 1s", "consumers.c.count=", 5, "--vary: wanted values such as 1..64 or 1,2,4, not ''"),
        ("latency.p99 < 1s", "consumers.c.count=4..1", 5, "--vary: the range 4..1 is empty"),
        ("latency.p99 < 1s", "consumers.c.count=1,x", 5, "--vary: wanted values such as"),
        ("latency.p99 < 1s", "consumers.c.count=1..9999999999", 5, "--vary: 9,999,999,999 is larger than"),
        ("latency.p99 < 1s", "consumers.d.count=1..4", 5, "--vary: no such key: consumers.d; allowed: c"),
        ("latency.p99 < 1s", "consumer.c.count=1..4", 5, "--vary: no such section: consumer, did you mean consumers?"),
        ("latency.p99 < 1s", "consumers.c.sleep=1..4", 5, "--vary: consumers.c.sleep cannot be varied; of consumers"),
        ("latency.p99 < 1s", "queues.main.maxsize=1..1000", 5, "--vary: 5,000 simulations, more than 2,000"),
        ("latency.p99 < 1s", "consumers.c.count=1..4", 0, "--repeat: wanted 1 to 1,000, not 0"),
        ("latency.p99 < 1s", "consumers.c.count=0..4", 5, "--vary: consumers.c.count: "),
    ],
)
def test_what_is_no_question_is_refused_in_one_line(target: str, vary: str, repeat: int, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        advise(STEADY, target, vary, repeat)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_config_keeps_its_files_and_user_code(tmp_path: Path) -> None:
    """The config is written and read again for each value."""
    (tmp_path / "rows.jsonl").write_text("1\n2\n3\n")
    text = "producers: {p: {items: {file: rows.jsonl}}}\nconsumers: {c: {call: {target: 'a:b', model: 1s}}}"
    found = runner.advise(config(text, tmp_path), "makespan_s <= 1s", "consumers.c.count=1..4", repeat=1)
    assert found.found == 3


class TestCommand:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "steady.yaml").write_text(STEADY)
        return loads(STEADY)

    def test_it_draws_the_curve_and_says_the_answer(self, capfd: pytest.CaptureFixture[str]) -> None:
        question = ["--target", "latency.max<1ms", "--vary", "consumers.c.count=1..8"]
        assert execute(["advise", "steady.yaml", *question]) == 0
        out, err = capfd.readouterr()
        assert "consumers.c.count = 4 is the smallest value that meets latency.max < 1ms" in out
        assert "20 simulations of at most 20" in " ".join(out.split())
        assert "93.8 %" in out
        assert "consumers.c.count = 8 meets the target" in err

    def test_json_has_every_point(self, capfd: pytest.CaptureFixture[str]) -> None:
        question = ["--target", "throughput > 9", "--vary", "consumers.c.count=1..8", "--repeat", "2", "--json"]
        assert execute(["advise", "steady.yaml", *question]) == 1
        document = json.loads(capfd.readouterr().out)
        assert (document["found"], document["limit"]["side"]) == (None, "producers")
        assert [point["value"] for point in document["points"]] == [8]
        assert document["points"][0]["shares"]["c"]["role"] == "consumer"

    @pytest.mark.parametrize(
        "arguments", [[], ["--target", "latency.p99 < 1s"], ["--target", "nothing", "--vary", "consumers.c.count=1"]]
    )
    def test_wrong_usage_exits_with_2(self, arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
        assert execute(["advise", "steady.yaml", *arguments]) == 2
        assert capfd.readouterr().out == ""
