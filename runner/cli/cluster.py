"""What `mprun plan` says of a cluster: where workers and queues are placed, what they need, how far ahead they ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from runner.planning.placement import Placement
    from runner.planning.plan import Plan


def document(plan: Plan) -> dict[str, Any]:
    """`engine_options` resolved, as JSON data; null is a queue's broker on the node the run is started on."""
    cluster = plan.cluster
    return {
        "groups": {
            group.name: {
                **_needs(placed := cluster.group(group.name)),
                "placement": _layout(placed),
                "prefetch": cluster.prefetch(group.name),
            }
            for group in plan.groups
        },
        "queues": {
            queue.name: None if (own := cluster.queue(queue.name)) is None else _needs(own) for queue in plan.queues
        },
    }


def drawn(plan: Plan) -> Table:
    """The same as a table; what all workers of a group need together is what the cluster must have."""
    from runner.cli.tables import table
    from runner.figures import NONE, number

    rows = []
    for group in plan.groups:
        placed = plan.cluster.group(group.name)
        ahead = number(plan.cluster.prefetch(group.name)) if group.source else NONE
        rows.append([group.name, _layout(placed), *_per_actor(placed), ahead])
    for queue in plan.queues:
        own = plan.cluster.queue(queue.name)
        rows.append([queue.name, "here" if own is None else "anywhere", *_per_actor(own), NONE])
    return table(["on Ray", "placed", "resources of each", "CPUs of each", "prefetch"], rows, texts=3)


def _needs(placed: Placement) -> dict[str, Any]:
    return {"num_cpus": placed.num_cpus, "resources": dict(placed.resources)}


def _layout(placed: Placement) -> str:
    return "spread" if placed.spread else "packed"


def _per_actor(placed: Placement | None) -> tuple[str, str]:
    """Resources and CPUs of one actor."""
    from runner.figures import NONE

    if placed is None:
        return NONE, NONE
    resources = ", ".join(f"{name} {amount:g}" for name, amount in placed.resources)
    return resources or NONE, f"{placed.num_cpus:g}"
