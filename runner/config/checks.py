"""What no single key can tell: whether the groups and queues make a topology that can run, and whether totals fit.

Asked only of a config whose keys are all right: a misspelt `count` would make a quota look wrong that is not.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from runner.config.flow import length, order, put_totals, readers, saturated, writers
from runner.config.items import MOST_ITEMS
from runner.config.models import MOST_WORKERS
from runner.config.nodes import MapNode, Node, locate, problem
from runner.config.simulable import SIMULATION, obstacles

if TYPE_CHECKING:
    from runner.config.models import Config
    from runner.errors import Problem

MOST_PROCESSES = 4_000
MOST_SHOWN = 10
MOST_IN_A_WRITE = 128
"""Items that one write or read between processes carries; elsewhere no system call stands behind it."""
_ENGINES_OF_PROCESSES = ("processes", "ray")


@dataclass(slots=True)
class Findings:
    """What a check found in a config whose keys are each right."""

    root: Node
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def wrong(self, path: str, message: str) -> None:
        """The config cannot run."""
        self.errors.append(problem(locate(self.root, path), path, message))

    def doubtful(self, path: str, message: str) -> None:
        """The config can run, and is probably not meant so."""
        self.warnings.append(problem(locate(self.root, path), path, message))


def check(config: Config, root: Node) -> Findings:
    """Everything between keys that is wrong or doubtful; `root` is where the config was read from."""
    found = Findings(root)
    _check_counts(config, found)
    _check_warmup(config, found)
    _check_sizes(config, found)
    _check_batches(config, found)
    _check_ends(config, found)
    for path, message in obstacles(config) if config.engine == SIMULATION else ():
        found.wrong(path, message)
    ordered = order(config)
    if ordered.cycle:
        stage = ordered.cycle[0]
        queues = [config.stages[stage].from_, *(config.stages[name].to for name in ordered.cycle)]
        path = " -> ".join(queues if len(queues) <= MOST_SHOWN else [*queues[: MOST_SHOWN - 2], "…", queues[-1]])
        found.wrong(f"stages.{stage}", f"a cycle, so no end of the stream could pass: {path}; break it")
    elif not found.errors:
        _check_quotas(config, found, put_totals(config, ordered.queues))
        _check_load(config, found, ordered.queues)
    return found


def _check_counts(config: Config, found: Findings) -> None:
    for key, policies in (("on_death", config.on_death), ("on_error", config.on_error)):
        policy, count = policies.counted
        written = found.root.get(key) if isinstance(found.root, MapNode) else None
        if policies.policy != policy and isinstance(written, MapNode) and written.has(count):
            message = f"means nothing beside policy {policies.policy}; it counts for {policy} alone"
            found.doubtful(f"{key}.{count}", message)


def _check_batches(config: Config, found: Findings) -> None:
    for name, queue in config.queues.items() if config.engine == "processes" else ():
        if queue.batch > MOST_IN_A_WRITE:
            message = f"{queue.batch:,} is too large; at most {MOST_IN_A_WRITE} with engine processes"
            found.wrong(f"queues.{name}.batch", message)


def _check_warmup(config: Config, found: Findings) -> None:
    for key, tell in (("duration", found.wrong), ("timeout", found.doubtful)):
        seconds = getattr(config, key)
        if config.warmup and seconds is not None and config.warmup >= seconds:
            tell("warmup", f"{config.warmup:g} s leave nothing of {key}, {seconds:g} s, for the statistics; shorten it")


def _check_sizes(config: Config, found: Findings) -> None:
    counts = {
        **{f"producers.{name}": group.count for name, group in config.producers.items()},
        **{f"stages.{name}": group.count for name, group in config.stages.items()},
        **{f"consumers.{name}": group.count for name, group in config.consumers.items()},
    }
    workers = sum(counts.values())
    if workers > MOST_WORKERS:
        found.wrong(f"{max(counts, key=counts.__getitem__)}.count", f"{workers:,} workers; at most {MOST_WORKERS:,}")
    elif workers > MOST_PROCESSES and config.engine in _ENGINES_OF_PROCESSES:
        rule = f"at most {MOST_PROCESSES:,}, or {MOST_WORKERS:,} with engine threads or simulation"
        found.wrong(f"{max(counts, key=counts.__getitem__)}.count", f"{workers:,} worker processes; {rule}")
    lengths = {name: length(group, config.files) or 0 for name, group in config.producers.items()}
    items = sum(lengths.values())
    if items > MOST_ITEMS:
        most = max(lengths, key=lengths.__getitem__)
        found.wrong(f"producers.{most}.items", f"{items:,} items in all; at most {MOST_ITEMS:,}")


def _check_ends(config: Config, found: Findings) -> None:
    filled, read = writers(config), readers(config)
    for name in config.queues:
        if name not in filled:
            found.wrong(f"queues.{name}", "nobody puts into this queue; give it a producer or a stage, or remove it")
        if name not in read:
            found.wrong(f"queues.{name}", "nobody gets from this queue; give it a consumer or a stage, or remove it")


def _check_quotas(config: Config, found: Findings, totals: dict[str, int | None]) -> None:
    groups = defaultdict(list)
    for name, group in config.consumers.items():
        groups[group.from_].append(name)
    others = {stage.from_ for stage in config.stages.values()}
    for queue, names in groups.items():
        put = totals[queue]
        quotas = [config.consumers[name].items for name in names]
        wanted = sum(config.consumers[name].count * (config.consumers[name].items or 0) for name in names)
        last = names[-1]
        if put is None or not any(quotas):
            continue
        if wanted > put:
            at = next(name for name in reversed(names) if config.consumers[name].items)
            found.wrong(f"consumers.{at}.items", f"{_quota(config, names)}, but the plan puts {put:,} into {queue}")
        elif wanted < put and all(quotas) and queue not in others and not _is_cut(config):
            message = f"{_quota(config, names)}, but the plan puts {put:,} into {queue}: {put - wanted:,} are left over"
            found.doubtful(f"consumers.{last}.items", message)


def _is_cut(config: Config) -> bool:
    """Whether producers may end before their items do."""
    return config.duration is not None or config.stop_when is not None


def _quota(config: Config, names: list[str]) -> str:
    groups = {name: config.consumers[name] for name in names if config.consumers[name].items}
    terms = [f"{group.count:,} x {group.items:,}" for group in groups.values()]
    total = sum(group.count * (group.items or 0) for group in groups.values())
    who = f"{', '.join(groups)} take" if len(groups) > 1 else "its workers take"
    return f"{who} {' + '.join(terms)} = {total:,} items"


def _check_load(config: Config, found: Findings, queues: list[str]) -> None:
    if not any(group.items is None or group.pacing == "open" for group in config.producers.values()):
        return
    for queue, load in saturated(config, queues).items():
        shown = "without bound" if load == inf else f"{load:.3g}"
        what = "the queue only grows, or blocks and puts come too late"
        message = f"the load is {shown}: more arrives than its readers can do, so {what}"
        found.doubtful(f"queues.{queue}", message)
