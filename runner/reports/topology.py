"""The topology of a run as a picture: groups and queues from left to right."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.log.events import GroupFacts, QueueFacts, RunStart

_WIDE: Final = 190
_HIGH: Final = 58
_BETWEEN: Final = 60
_ABOVE: Final = 22
_MOST_LETTERS: Final = 22


class _Node(NamedTuple):
    x: int
    y: int
    kind: str
    title: str
    below: str


def picture(start: RunStart) -> str:
    """An SVG of groups (boxes) and queues (rounded), arrows in the direction that items go."""
    columns = _columns(start.queues, start.groups)
    nodes = _placed(start, columns)
    edges = _edges(start.groups)
    width = max(node.x for node in nodes.values()) + _WIDE + 10
    height = max(node.y for node in nodes.values()) + _HIGH + 10
    drawn = "\n".join(
        [*(_arrow(nodes[a], nodes[b]) for a, b in edges if a in nodes and b in nodes), *map(_box, nodes.values())]
    )
    return (
        f'<svg class="topology" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-labelledby="topology-title"><title id="topology-title">{escape(_told(start))}</title>'
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0 L10 5 L0 10 z" class="tip"/></marker></defs>\n{drawn}</svg>'
    )


def _edges(groups: Mapping[str, GroupFacts]) -> list[tuple[str, str]]:
    found = []
    for name, group in groups.items():
        if group.source is not None:
            found.append((f"queue {group.source}", f"group {name}"))
        if group.target is not None:
            found.append((f"group {name}", f"queue {group.target}"))
    return found


def _columns(queues: Mapping[str, QueueFacts], groups: Mapping[str, GroupFacts]) -> dict[str, int]:
    """How far to the right each stands: one further than whatever leads to it; a cycle, which no config has, ends."""
    edges = _edges(groups)
    columns = {f"queue {name}": 0 for name in queues} | {f"group {name}": 0 for name in groups}
    for _ in columns:
        moved = False
        for before, after in edges:
            if columns.get(after, 0) <= columns.get(before, 0) and after in columns:
                columns[after] = columns.get(before, 0) + 1
                moved = True
        if not moved:
            break
    return columns


def _placed(start: RunStart, columns: Mapping[str, int]) -> dict[str, _Node]:
    rows = dict.fromkeys(columns.values(), 0)
    highest = max((list(columns.values()).count(column) for column in rows), default=1)
    count = {column: list(columns.values()).count(column) for column in rows}
    nodes = {}
    for key, column in columns.items():
        kind, _, name = key.partition(" ")
        row = rows[column]
        rows[column] += 1
        y = 10 + int((row + (highest - count[column]) / 2) * (_HIGH + _ABOVE))
        title, below = _queue(name, start.queues[name]) if kind == "queue" else _group(name, start.groups[name])
        nodes[key] = _Node(10 + column * (_WIDE + _BETWEEN), y, kind, title, below)
    return nodes


def _queue(name: str, queue: QueueFacts) -> tuple[str, str]:
    bound = f"maxsize {queue.maxsize:,}" if queue.maxsize else "no maxsize"
    batch = f", batch {queue.batch}" if queue.batch > 1 else ""
    return name, f"{queue.kind}, {bound}{batch}"


def _group(name: str, group: GroupFacts) -> tuple[str, str]:
    planned = "" if group.planned is None else f", {group.planned:,} items"
    return f"{name} x {group.count:,}", f"{group.role}{'s' if group.count != 1 else ''}{planned}"


def _arrow(a: _Node, b: _Node) -> str:
    x, y, to_x, to_y = a.x + _WIDE, a.y + _HIGH // 2, b.x, b.y + _HIGH // 2
    bend = (to_x - x) // 2
    return (
        f'<path class="edge" marker-end="url(#tip)" d="M{x} {y} C{x + bend} {y} {to_x - bend} {to_y} {to_x} {to_y}"/>'
    )


def _box(node: _Node) -> str:
    round_by = _HIGH // 2 if node.kind == "queue" else 6
    middle = node.x + _WIDE // 2
    return (
        f'<g class="{node.kind}"><title>{escape(f"{node.title}: {node.below}")}</title>'
        f'<rect x="{node.x}" y="{node.y}" width="{_WIDE}" height="{_HIGH}" rx="{round_by}"/>'
        f'<text class="name" x="{middle}" y="{node.y + 25}">{escape(_short(node.title))}</text>'
        f'<text x="{middle}" y="{node.y + 44}">{escape(_short(node.below, _MOST_LETTERS + 6))}</text></g>'
    )


def _short(text: str, most: int = _MOST_LETTERS) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _told(start: RunStart) -> str:
    """The topology in words."""
    said = []
    for name, group in start.groups.items():
        way = " ".join(filter(None, [group.source and f"from {group.source}", group.target and f"to {group.target}"]))
        said.append(f"{name}, {group.count} of role {group.role}, {way}")
    return f"Topology: {'; '.join(said)}"
