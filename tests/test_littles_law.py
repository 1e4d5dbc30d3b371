"""Little's law, what is seen of a queue against its log: honest sampling passes, wrong measuring does not."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

import pytest
from clusters import Node, spread
from lines import again, born, died, done, end, get, leave, put, start
from logs import events_of
from running import execute

from runner.analysis.closing import close
from runner.analysis.ledger import Ledger
from runner.analysis.summary import figures
from runner.cli.tables import closing
from runner.log.depths import FEWEST, DepthSamples, DepthTally

if TYPE_CHECKING:
    from pathlib import Path

    from lines import Record

    from runner.analysis.littles_law import LittlesLaw

MS = 1_000_000
Sampler = Callable[[int], int]


class History:
    """One producer and one consumer with exponential times: their log, and the queue as it truly was.

    An item leaves the queue `late_ms` before its get returns; whether the log says how long gets take is `told`.
    """

    def __init__(
        self, seed: int, items: int = 300, work_ms: float = 8, *, late_ms: int = 0, told: bool = False
    ) -> None:
        random, items = Random(seed), 300  # noqa: S311
        self.puts: list[int] = []
        self.gets: list[int] = []
        lines: list[Record] = []
        t, free = 1 * MS, 0
        for seq in range(items):
            item = f"p-0:{seq}"
            start_ns = max(t, free)
            service = int(random.expovariate(1 / (work_ms * MS)))
            self.puts.append(t)
            self.gets.append(start_ns)
            logged = start_ns + late_ms * MS
            wait = late_ms * MS if told else 0
            free = logged + service
            lines += [put(t, item), get(logged, item, logged - t, wait), done(free, item, service)]
            t += int(random.expovariate(1 / (10 * MS))) + 1
        lines.sort(key=lambda line: int(line["t_ns"]))
        last = int(lines[-1]["t_ns"])
        self.end_ns = free
        ends = [leave(last, "p-0"), leave(last, "c-0"), end(last, put=items, got=items, done=items)]
        self.records = [*start(), *lines, *ends]

    def depth(self, t_ns: int) -> int:
        return bisect_right(self.puts, t_ns) - bisect_right(self.gets, t_ns)

    def seen(self, sampler: Sampler = lambda depth: depth, every_ns: int = 10 * MS) -> DepthSamples:
        tally, t_ns, phase = DepthTally(), 0, 0.3
        while t_ns < self.end_ns:
            tally.add(t_ns, sampler(self.depth(t_ns)))
            phase = (phase + 0.618034) % 1
            t_ns += int(every_ns * (0.5 + phase))
        return tally.samples


def law_of(records: list[Record], seen: DepthSamples) -> LittlesLaw | None:
    ledger = Ledger()
    ledger.feed(events_of(records))
    return figures(ledger, close(ledger), {"main": seen}).queues["main"].littles_law


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("work_ms", [3, 8, 12])
def test_true_samples_of_a_true_log_are_no_fault(seed: int, work_ms: float) -> None:
    history = History(seed, work_ms=work_ms)
    law = law_of(history.records, history.seen())
    assert law is not None
    assert not law.fault
    assert abs(law.sampled - law.by_log) <= law.half_width


def test_by_log_is_lambda_w() -> None:
    """Ten items a second, each for half a second in the queue: five, on average."""
    items = [(f"p-0:{seq}", seq * 100 * MS, (500 + seq * 100) * MS) for seq in range(100)]
    lines = [line for item, t, got in items for line in (put(t, item), get(got, item, got - t), done(got, item))]
    lines.sort(key=lambda line: int(line["t_ns"]))
    tally = DepthTally()
    for look in range(100):
        tally.add(1000 * MS + look * 37 * MS, 5)
    last = items[-1][2]
    law = law_of([*start(), *lines, leave(last, "p-0"), leave(last, "c-0"), end(last, put=100, got=100, done=100)],
                 tally.samples)  # fmt: skip
    assert law is not None
    assert (law.samples, law.sampled, law.fault) == (100, 5, False)
    assert law.by_log == pytest.approx(5, abs=0.01)


@pytest.mark.parametrize("sampler", [lambda _: 0, lambda depth: depth + 1, lambda depth: 2 * depth, lambda _: 10**6])
def test_a_wrong_sampler_is_found_out(sampler: Sampler) -> None:
    history = History(seed=1)
    law = law_of(history.records, history.seen(sampler))
    assert law is not None
    assert law.fault


@pytest.mark.parametrize("told", [False, True])
def test_a_wrong_log_is_found_out_but_for_what_it_leaves_open(told: bool) -> None:
    """Gets that return 6 ms after the item left the queue: 0.6 items, of which the log knows or does not."""
    history = History(seed=2, work_ms=3, late_ms=6, told=told)
    law = law_of(history.records, history.seen())
    assert law is not None
    assert law.by_log - law.sampled == pytest.approx(0.6, abs=0.2)
    assert law.open_below == pytest.approx(0.6 if told else 0, abs=0.1)
    assert law.fault is not told


@pytest.mark.parametrize("wrong_ms", [-3, 3])
def test_what_the_clocks_of_a_cluster_explain_is_no_fault(wrong_ms: int) -> None:
    """Both clocks are 3 ms wrong, so that the log says 0.6 items more or less, which is a fault of exact ones."""
    nodes = {"p": Node("a", -wrong_ms * MS, 3 * MS), "c": Node("b", wrong_ms * MS, 3 * MS)}
    history = History(seed=2, work_ms=8)
    history.records[0]["t_ns"] = -10 * MS
    law = law_of(spread(history.records, lambda worker, _: nodes[worker[0]]), history.seen())
    assert law is not None
    assert law.by_log - law.sampled == pytest.approx(wrong_ms / 5, abs=0.25)
    assert not law.fault
    assert law.open_above == pytest.approx(0.6, abs=0.1)


def test_few_samples_say_nothing() -> None:
    history = History(seed=1)
    seen = history.seen(lambda _: 10**6, every_ns=history.end_ns // (FEWEST - 10))
    assert 30 < seen.count < FEWEST
    assert law_of(history.records, seen) is None


def test_a_log_with_deaths_is_not_compared() -> None:
    """What the dead had taken and not logged is in no queue and in the log."""
    history = History(seed=1)
    seen = history.seen()
    lines = [
        put(10, "p-0:0"), get(20, "p-0:0", 10), *died(30, "c-0"), again(40, "p-0:0", "c-0"), born(50, "c-0"),
        get(60, "p-0:0", 50, delivery=2), done(70, "p-0:0", delivery=2), leave(80, "p-0"), leave(80, "c-0"),
        end(90, put=1, got=2, done=1, redelivered=1),
    ]  # fmt: skip
    assert law_of([*start(), *lines], seen) is None


def test_a_log_that_is_not_whole_is_not_compared() -> None:
    history = History(seed=1)
    assert law_of(history.records[:-1], history.seen()) is None


def test_a_fault_is_told_at_the_end_of_a_run() -> None:
    history = History(seed=1)
    for sampler, told in ((lambda depth: depth, 0), (lambda _: 500, 1)):
        ledger = Ledger()
        ledger.feed(events_of(history.records))
        summary = figures(ledger, close(ledger), {"main": history.seen(sampler)}).to_dict()
        texts = [part for part in closing(summary) if isinstance(part, str) and part.startswith("measuring fault: ")]
        assert len(texts) == told
        assert all("main held 500 items" in text for text in texts)


@pytest.mark.process
@pytest.mark.parametrize("engine", ["processes", "threads"])
def test_a_real_run_keeps_littles_law(engine: str, tmp_path: Path) -> None:
    """Its samples are stored, and they agree with its log."""
    ran = execute(
        "producers: {p: {items: 100, sleep: {distribution: exponential, mean: 0.008}}}\n"
        "consumers: {c: {sleep: {distribution: exponential, mean: 0.007}}}",
        tmp_path,
        engine=engine,
    )
    law = ran.result.summary["queues"]["main"]["littles_law"]
    assert (ran.result.run_dir / "depths.json").is_file() is (law is not None)
    assert law is None or not law["fault"], law


@pytest.mark.process
def test_a_kind_that_cannot_tell_its_depth_is_not_looked_at(tmp_path: Path) -> None:
    ran = execute(
        "queues: {main: {kind: multiprocessing.Queue}}\nproducers: {p: {items: 3}}\nconsumers: {c: {}}", tmp_path
    )
    assert ran.result.summary["queues"]["main"]["littles_law"] is None
    assert not (ran.result.run_dir / "depths.json").exists()
