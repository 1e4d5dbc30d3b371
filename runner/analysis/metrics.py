"""The figures of two runs, one after the other, as contrasts; they are defined as those of summary.json are."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from functools import partial
from itertools import compress, pairwise
from operator import sub
from typing import TYPE_CHECKING, Final

from runner.analysis.accounts import PRODUCER
from runner.analysis.batches import Sample, batches
from runner.analysis.contrast import Contrast, Figure, contrasted, plainly
from runner.analysis.depth import areas, depths
from runner.analysis.warmup import Warmup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runner.analysis.reading import Reading, Rows

_NS: Final = 1e9
SHARES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
MEASURES: Final = ("latency", "wait_put", "wait_get", "service", "lateness", "sojourn")
_ONE_VALUE: Final = "one value for each run"
_SAME_ITEMS: Final = 0.9
"""Share of the items that both runs must have, for those to stand for all."""


class Series:
    """One kind of duration of one run, in the order of its log.

    Attributes:
        items: The number of the item that each one is of.
        ns: Durations.
    """

    def __init__(self, items: Sequence[int], ns: Sequence[int]) -> None:
        self.items = items
        self.ns = ns


def contrasts(first: Reading, other: Reading, *, paired: bool) -> Iterator[Contrast]:
    """Every figure that at least one of two runs has.

    Args:
        first: What is compared with.
        other: What is compared.
        paired: Whether the same items were drawn the same, so that they may be compared with themselves.
    """
    yield from _paces(first, other, paired=paired)
    for measure in MEASURES:
        yield from _durations(measure, series(first, measure), series(other, measure), paired=paired)
    queues = dict.fromkeys([*first.gets.names, *other.gets.names])
    for queue in queues:
        if len(queues) > 1:
            own, its = (_part(run.gets, "latency", queue, run.since_ns) for run in (first, other))
            yield from _durations(f"queues.{queue}.latency", own, its, paired=paired)
        yield from _depths(queue, first, other, paired=paired)
    groups = dict.fromkeys([*first.working, *other.working])
    for group in groups:
        if len(groups) > 1:
            own, its = (_part(run.dones, "service", group, run.since_ns) for run in (first, other))
            yield from _durations(f"groups.{group}.service", own, its, paired=paired)
        used = [_utilization(run, group, _windows(first, other)) for run in (first, other)]
        if any(each.value is not None for each in used):
            yield contrasted(f"groups.{group}.utilization", "share", used[0], used[1], paired=paired)


def series(run: Reading, measure: str) -> Series:
    """All durations of one kind in a run."""
    match measure:
        case "latency" | "wait_get":
            return _since(run.gets, measure, run.since_ns)
        case "wait_put":
            return _since(run.puts, measure, run.since_ns)
        case "service":
            return _since(run.dones, measure, run.since_ns)
        case "lateness":
            return Series(*run.lateness)
        case _:
            return Series(*run.sojourns())


def _since(rows: Rows, figure: str, since_ns: int) -> Series:
    first = rows.first(since_ns)
    return (
        Series(rows.items[first:], rows.figures[figure][first:]) if first else Series(rows.items, rows.figures[figure])
    )


def paired_up(first: Series, other: Series) -> tuple[list[int], list[int]]:
    """The durations of the items that both have, in the order of the first; of each item the first duration."""
    places = [-1] * (1 + max(max(first.items, default=0), max(other.items, default=0)))
    for place in range(len(other.items) - 1, -1, -1):
        places[other.items[place]] = place
    ours, theirs = [], []
    for item, ns in zip(first.items, first.ns, strict=True):
        if (place := places[item]) >= 0:
            ours.append(ns)
            theirs.append(other.ns[place])
            places[item] = -1
    return ours, theirs


def _part(rows: Rows, figure: str, part: str, since_ns: int) -> Series:
    first, place = rows.first(since_ns), rows.names.get(part)
    chosen = [each == place for each in rows.parts[first:]]
    return Series([*compress(rows.items[first:], chosen)], [*compress(rows.figures[figure][first:], chosen)])


def _durations(metric: str, first: Series, other: Series, *, paired: bool) -> Iterator[Contrast]:
    """Mean, percentiles and maximum of one kind of duration, if there is any."""
    if not len(first.ns) and not len(other.ns):
        return
    own, its = whole = Sample(first.ns), Sample(other.ns)
    pairs = None
    if paired:
        ours, theirs = paired_up(first, other)
        if len(ours) >= _SAME_ITEMS * max(len(own), len(its)):
            own, its, pairs = Sample(ours), Sample(theirs), len(ours)
    figures: dict[str, Callable[[Sample], Figure]] = {"mean": _mean}
    figures |= {name: partial(_percentile, share=share) for name, share in SHARES.items()}
    for name, figure in figures.items():
        found = contrasted(
            f"{metric}.{name}", "s", figure(own), figure(its), paired=pairs is not None, level=name != "mean"
        )
        values = [figure(sample) for sample in whole]
        yield replace(
            found, first=values[0].value, other=values[1].value, samples=(len(whole[0]), len(whole[1])), pairs=pairs
        )
    most = [Figure(max(sample.ns) / _NS if len(sample) else None, (), len(sample)) for sample in whole]
    yield plainly(f"{metric}.max", "s", most[0], most[1], _ONE_VALUE)


def _mean(sample: Sample) -> Figure:
    return _seconds(sample.mean(), sample.of_mean(), len(sample))


def _percentile(sample: Sample, share: float) -> Figure:
    return _seconds(sample.percentile(share), sample.of_percentile(share), len(sample))


def _seconds(ns: float | None, deviations: Sequence[float], samples: int) -> Figure:
    return Figure(None if ns is None else ns / _NS, [each / _NS for each in deviations], samples)


def _paces(first: Reading, other: Reading, *, paired: bool) -> Iterator[Contrast]:
    """Makespan and throughput, from how many items were done in each of equal stretches of time."""
    into = _windows(first, other)
    rates = [_rate(run, into) for run in (first, other)]
    spans = [_span(run, rate) for run, rate in zip((first, other), rates, strict=True)]
    yield (
        contrasted("makespan_s", "s", spans[0], spans[1], paired=paired)
        if all(map(_is_fixed, (first, other)))
        else plainly("makespan_s", "s", spans[0], spans[1], f"{_ONE_VALUE}: how many items are done is not fixed")
    )
    yield contrasted("throughput", "items/s", rates[0], rates[1], paired=paired)


def _windows(first: Reading, other: Reading) -> int:
    return batches(min(len(run.finished[0]) for run in (first, other)))


def _window_ns(run: Reading) -> int:
    """From the end of the warm-up to the last put, get or done."""
    return max(0, run.last_ns - run.since_ns)


def _edges(run: Reading, into: int) -> list[int]:
    return [run.since_ns + _window_ns(run) * place // into for place in range(into + 1)]


def _rate(run: Reading, into: int) -> Figure:
    done, window = len(run.finished[0]), _window_ns(run)
    if not window:
        return Figure(None)
    rate = done * _NS / window
    if not into:
        return Figure(rate, (), done)
    ended, edges = sorted(run.finished[2]), _edges(run, into)
    passed = [0, *(bisect_right(ended, edge) for edge in edges[1:])]
    lengths = [*map(sub, edges[1:], edges)]
    return Figure(
        rate, [(b - a) * _NS / length - rate for (a, b), length in zip(pairwise(passed), lengths, strict=True)], done
    )  # fmt: skip


def _span(run: Reading, rate: Figure) -> Figure:
    """The makespan; where the number of items is fixed, it is that over the throughput."""
    span = max(0, run.last_ns) / _NS
    factor = -_window_ns(run) / _NS / rate.value if rate.value else 0.0
    return Figure(span, [factor * each for each in rate.deviations], rate.samples)


def _is_fixed(run: Reading) -> bool:
    """Whether it was known beforehand how many items would be done: all that were planned, and no time ended it."""
    if run.start is None or run.status != "completed":
        return False
    planned = [group.planned for group in run.start.groups.values() if group.role == PRODUCER]
    return None not in planned and sum(filter(None, planned)) == run.counts["put"]


def _utilization(run: Reading, group: str, into: int) -> Figure:
    """Share of the makespan that the group's workers worked, on average."""
    count = run.working.get(group, 0)
    worked, ended = run.dones.of(group, run.dones.figures["service"]), run.dones.of(group, run.dones.ended)
    if not count or not _window_ns(run):
        return Figure(None)
    return _level(run, sorted(map(sub, ended, worked)), sorted(ended), into, count)


def _depths(queue: str, first: Reading, other: Reading, *, paired: bool) -> Iterator[Contrast]:
    into = _windows(first, other)
    means = [_mean_depth(run, queue, into) for run in (first, other)]
    yield contrasted(f"queues.{queue}.mean_depth", "items", means[0], means[1], paired=paired)
    most = [_max_depth(run, queue) for run in (first, other)]
    yield plainly(f"queues.{queue}.max_depth", "items", most[0], most[1], _ONE_VALUE)


def _mean_depth(run: Reading, queue: str, into: int) -> Figure:
    came, left = run.passages(queue)
    return _level(run, came, left, into, 1) if _window_ns(run) and came else Figure(None)


def _max_depth(run: Reading, queue: str) -> Figure:
    came, _ = run.passages(queue)
    began = run.gets.of(queue, map(sub, run.gets.ended, run.gets.figures["wait_get"]))
    if not came:
        return Figure(None)
    most = Warmup(run.since_ns).deepest(came, began) if run.since_ns else max(depths(came, began), default=0)
    return Figure(float(most), (), len(came))


def _level(run: Reading, came: Sequence[int], left: Sequence[int], into: int, share: int) -> Figure:
    """How much is there on average over time, for each of `share`; and how far from that in each window."""
    edges = _edges(run, into or 1)
    inside = [*map(sub, areas(came, edges), areas(left, edges))]
    level = (inside[-1] - inside[0]) / _window_ns(run)
    lengths = map(sub, edges[1:], edges)
    deviations = [((b - a) / length - level) / share for (a, b), length in zip(pairwise(inside), lengths, strict=True)]
    return Figure(level / share, deviations if into else (), len(left))
