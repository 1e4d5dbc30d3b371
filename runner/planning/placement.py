"""Where on a cluster a run's workers and queues are placed, and how far ahead its readers ask: the engine `ray`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.config.cluster import EngineOptions, GroupOptions
    from runner.config.models import Config


@dataclass(frozen=True, slots=True)
class Placement:
    """What an actor needs of its node, and how those of one group are laid out.

    Attributes:
        num_cpus: CPUs that are set aside for each; 0: none.
        resources: Of each custom resource, so much is set aside for each; in the order of the config.
        spread: Whether they go over all nodes; otherwise on as few as have room. Means nothing for a single one.
    """

    num_cpus: float = 0.0
    resources: tuple[tuple[str, float], ...] = ()
    spread: bool = True


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """All that `engine_options` says, resolved.

    Attributes:
        groups: Group → the placement of its workers; every group of the plan.
        queues: Queue → the placement of its broker; only those of which something is said.
        ahead: Group → items that each of its workers asks for ahead of the one in work; only those above 0.
    """

    groups: Mapping[str, Placement] = field(default_factory=dict)
    queues: Mapping[str, Placement] = field(default_factory=dict)
    ahead: Mapping[str, int] = field(default_factory=dict)

    def group(self, name: str) -> Placement:
        """Where the workers of a group are placed; raises KeyError."""
        return self.groups[name]

    def queue(self, name: str) -> Placement | None:
        """Where the broker of a queue is placed; None: on the node the run was started on."""
        return self.queues.get(name)

    def prefetch(self, name: str) -> int:
        """So many items each worker of a group asks for ahead; 0 for producers."""
        return self.ahead.get(name, 0)


def cluster_plan(config: Config) -> ClusterPlan:
    """Resolve `engine_options`: what a group says wins, key by key, over what is said of all."""
    names = (*config.producers, *config.stages, *config.consumers)
    options = config.engine_options
    if options is None:
        return ClusterPlan(groups=dict.fromkeys(names, Placement()))
    ahead = {name: _prefetch(options, options.groups.get(name)) for name in (*config.stages, *config.consumers)}
    return ClusterPlan(
        groups={name: _placement(options, options.groups.get(name)) for name in names},
        queues={
            name: Placement(queue.num_cpus or 0.0, tuple((queue.resources or {}).items()))
            for name, queue in options.queues.items()
            if queue.num_cpus is not None or queue.resources is not None
        },
        ahead={name: items for name, items in ahead.items() if items},
    )


def _placement(options: EngineOptions, own: GroupOptions | None) -> Placement:
    num_cpus, resources, placement = options.num_cpus, options.resources, options.placement
    if own is not None:
        num_cpus = num_cpus if own.num_cpus is None else own.num_cpus
        resources = resources if own.resources is None else own.resources
        placement = own.placement or placement
    return Placement(num_cpus, tuple(resources.items()), placement == "spread")


def _prefetch(options: EngineOptions, own: GroupOptions | None) -> int:
    return options.prefetch if own is None or own.prefetch is None else own.prefetch
