"""The topology of a plan as a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.planning.plan import Plan


def mermaid(plan: Plan) -> str:
    """The topology as a Mermaid flowchart: queues are stadiums, groups boxes."""
    queues = {queue.name: f"q{number}" for number, queue in enumerate(plan.queues)}
    lines = ["flowchart LR"]
    for queue in plan.queues:
        bound = f"maxsize {queue.maxsize}" if queue.maxsize else "no maxsize"
        lines.append(f'  {queues[queue.name]}(["{queue.name}<br/>{queue.kind}, {bound}"])')
    for number, group in enumerate(plan.groups):
        lines.append(f'  g{number}["{group.name} x {group.count}<br/>{group.role}"]')
        if group.source is not None:
            lines.append(f"  {queues[group.source]} --> g{number}")
        if group.target is not None:
            lines.append(f"  g{number} --> {queues[group.target]}")
    return "\n".join(lines) + "\n"
