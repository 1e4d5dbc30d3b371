"""How items flow from queue to queue: the order of the queues, how many items are put into each, and at what rate."""

from __future__ import annotations

from collections import defaultdict
from math import inf
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from runner.config.models import CallItems, FileItems, RangeItems, ValuesItems

_Amount = TypeVar("_Amount", int, float)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.config.files import FileFacts
    from runner.config.models import Config, ConsumerConfig, ProducerConfig, StageConfig


class Order(NamedTuple):
    """The queues, upstream first, or the stages of a cycle, one of them first."""

    queues: list[str]
    cycle: list[str]


def writers(config: Config) -> dict[str, list[str]]:
    """The groups that put into each queue."""
    ends = [(group.to, name) for name, group in config.producers.items()]
    return _grouped(ends + [(group.to, name) for name, group in config.stages.items()])


def readers(config: Config) -> dict[str, list[str]]:
    """The groups that get from each queue."""
    ends = [(group.from_, name) for name, group in config.stages.items()]
    return _grouped(ends + [(group.from_, name) for name, group in config.consumers.items()])


def _grouped(ends: list[tuple[str, str]]) -> dict[str, list[str]]:
    groups = defaultdict(list)
    for queue, name in ends:
        groups[queue].append(name)
    return dict(groups)


def order(config: Config) -> Order:
    """Sort the queues so that every stage leads from an earlier to a later one."""
    below = defaultdict(list)
    above = dict.fromkeys(config.queues, 0)
    for name, stage in config.stages.items():
        below[stage.from_].append(name)
        above[stage.to] += 1
    queues = [name for name, stages in above.items() if not stages]
    for queue in queues:
        for name in below[queue]:
            to = config.stages[name].to
            above[to] -= 1
            if not above[to]:
                queues.append(to)
    return Order(queues, [] if len(queues) == len(above) else _cycle(config, set(queues)))


def _cycle(config: Config, sorted_: set[str]) -> list[str]:
    into = {stage.to: name for name, stage in config.stages.items() if stage.from_ not in sorted_}
    queue = next(queue for queue in config.queues if queue not in sorted_)
    walked: dict[str, str] = {}
    while queue not in walked:
        walked[queue] = into[queue]
        queue = config.stages[into[queue]].from_
    stages = [into[queue]]
    while (upstream := config.stages[stages[-1]].from_) != queue:
        stages.append(into[upstream])
    return stages[::-1]


def length(group: ProducerConfig, files: Mapping[str, FileFacts]) -> int | None:
    """How many items a group of producers puts; None where that is not known beforehand."""
    match group.items:
        case RangeItems() as items:
            each = items.length
        case ValuesItems(values=values):
            each = len(values)
        case FileItems(file=file):
            each = files[file].lines
        case CallItems() | None:
            return None
    return each if group.items.share == "split" else each * group.count


def put_totals(config: Config, queues: list[str]) -> dict[str, int | None]:
    """How many items are put into each queue, at most; None where that is not known beforehand.

    A stage without user code passes items one to one. Where several groups read a queue, who gets how many is chance.
    """
    totals: dict[str, int | None] = dict.fromkeys(queues, 0)
    read = readers(config)
    for producer in config.producers.values():
        totals[producer.to] = _sum(totals[producer.to], length(producer, config.files))
    stages = _stages_by_source(config)
    for queue in queues:
        for stage in stages[queue]:
            passed = totals[queue] if stage.call is None and len(read[queue]) == 1 else None
            totals[stage.to] = _sum(totals[stage.to], passed)
    return totals


def saturated(config: Config, queues: list[str]) -> dict[str, float]:
    """The queues whose load is 1 or more, with that load: arrivals per second over what the readers can do.

    Producers are taken as never blocked, and each group's mean service as what all its workers need; where user code
    or several reading groups leave a rate unknown, the queues below it are not judged.
    """
    rates: dict[str, float | None] = dict.fromkeys(queues, 0.0)
    for producer in config.producers.values():
        rates[producer.to] = _sum(rates[producer.to], _rate(producer.count, producer.sleep.law().mean()))
    stages = _stages_by_source(config)
    groups: dict[str, list[StageConfig | ConsumerConfig]] = defaultdict(list)
    for stage in config.stages.values():
        groups[stage.from_].append(stage)
    for consumer in config.consumers.values():
        groups[consumer.from_].append(consumer)
    loads: dict[str, float] = {}
    for queue in queues:
        arriving = rates[queue]
        capacity: float | None = 0.0
        for group in groups[queue]:
            capacity = _sum(capacity, _capacity(group))
        if arriving is not None and capacity is not None and capacity < inf and arriving >= capacity:
            loads[queue] = arriving / capacity if capacity else inf
        for stage in stages[queue]:
            known = arriving is not None and capacity is not None and len(groups[queue]) == 1
            passed = min(arriving, capacity) if known and arriving is not None and capacity is not None else None
            rates[stage.to] = _sum(rates[stage.to], passed)
    return loads


def _capacity(group: StageConfig | ConsumerConfig) -> float | None:
    if group.call is not None:
        return None
    law = group.sleep or group.busy
    return inf if law is None else _rate(group.count, law.law().mean())


def _rate(count: int, mean: float) -> float:
    return count / mean if mean else inf


def _stages_by_source(config: Config) -> dict[str, list[StageConfig]]:
    stages: dict[str, list[StageConfig]] = defaultdict(list)
    for stage in config.stages.values():
        stages[stage.from_].append(stage)
    return stages


def _sum(a: _Amount | None, b: _Amount | None) -> _Amount | None:
    return None if a is None or b is None else a + b
