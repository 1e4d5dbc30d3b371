"""What a simulation predicts for a run whose bottleneck is widened by one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from runner.analysis.bottleneck import Queue, Side, Times, bottleneck
from runner.config.load import load, loads, to_yaml
from runner.engines.prediction import predicted
from runner.errors import ConfigError
from runner.log.events import GroupFacts
from runner.planning.resolve import plan as resolved

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runner.analysis.bottleneck import Bottleneck
    from runner.config.models import Config

MOST_ITEMS: Final = 20_000
"""Beyond so many items put, nobody waits for two simulations to see a run's figures."""
_SECTIONS: Final = ("producers", "stages", "consumers")


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change of one number, and what it does to the throughput.

    Attributes:
        path: Of the number in the config, as `--set` takes it.
        before: The number in the config.
        after: What it is changed to.
        throughput: Items done per second, simulated with `before`.
        improved: The same with `after`.
        why: Why it does nothing, where that is known.
    """

    path: str
    before: int
    after: int
    throughput: float
    improved: float
    why: str | None = None

    @property
    def sentence(self) -> str:
        """The same in words."""
        gain = self.improved / self.throughput - 1
        told = f"with {self.path} {self.after} instead of {self.before} a simulation predicts"
        if abs(gain) < 0.005:
            why = f": {self.why}" if self.why else ""
            return f"{told} no more items/s than without ({_figure(self.throughput)}){why}"
        return f"{told} {_figure(self.improved)} items/s instead of {_figure(self.throughput)} ({100 * gain:+.0f} %)"


def found_in(summary: Mapping[str, Any], config: Config) -> Bottleneck | None:
    """The bottleneck of a stored run, from the content of its summary.json and its config."""
    plan = resolved(config)
    groups = {
        group.name: GroupFacts(role=group.role, count=group.count, source=group.source, target=group.target)
        for group in plan.groups
    }
    return bottleneck(
        groups,
        {name: msgspec.convert(figures, Times) for name, figures in summary["workers"].items()},
        {name: Queue(queue.maxsize, summary["queues"][name]["max_depth"]) for name, queue in config.queues.items()},
        summary["makespan_s"] - config.warmup,
        [name for name, producer in config.producers.items() if producer.pacing == "open"],
    )


def sentence(summary: Mapping[str, Any], config: Path) -> str | None:
    """What `remedy` says, of a stored run; None, too, where another version stored it, or its files are gone.

    Args:
        summary: The content of summary.json.
        config: The stored config.
    """
    try:
        found = remedy(summary, load(config))
    except (ConfigError, KeyError, msgspec.ValidationError):
        return None
    return found.sentence if found else None


def remedy(summary: Mapping[str, Any], config: Config) -> Remedy | None:
    """Simulate a run with one more worker in the group that limits, or twice the room in the queue that does.

    None where no group or queue limits (the arrivals of open pacing are nobody's fault), the run cannot be simulated,
    put more than `MOST_ITEMS` items, or would not be a valid one with that change.
    """
    if summary["bottleneck"] is None or summary["items"]["put"] > MOST_ITEMS:
        return None
    found = found_in(summary, config)
    if found is None or found.side not in (Side.GROUP, Side.QUEUE):
        return None
    name = found.names[0]
    if found.side is Side.QUEUE:
        path, before = f"queues.{name}.maxsize", config.queues[name].maxsize
        after = 2 * before
    else:
        section = next(each for each in _SECTIONS if name in getattr(config, each))
        path, before = f"{section}.{name}.count", getattr(config, section)[name].count
        after = before + 1
    try:
        changed = loads(to_yaml(config), source=config.name, overrides={path: after})
    except ConfigError:  # such as quotas that are now above what is put
        return None
    now, then = predicted(config), predicted(changed)
    if not (now.by == then.by == "simulation" and now.throughput and then.throughput):
        return None
    why = _crowding(config, name, before) if found.side is Side.GROUP else None
    return Remedy(path, before, after, now.throughput, then.throughput, why)


def _crowding(config: Config, name: str, workers: int) -> str | None:
    """That a group burns CPU on all cores there are; None where it does not."""
    group = config.consumers.get(name) or config.stages.get(name)
    if group is None or group.busy is None:
        return None
    if config.engine == "threads":
        return "all of them burn CPU, and Python runs one thread at a time"
    cores = resolved(config).cores
    if workers < cores:
        return None
    return f"all of them burn CPU, and there {'is 1 core' if cores == 1 else f'are {cores} cores'}"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
