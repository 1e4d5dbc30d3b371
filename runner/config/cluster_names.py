"""What `engine_options` names: that there are such groups and queues, and resources that can be asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.config.cluster import MOST_RESOURCES
from runner.config.nodes import MapNode, join, problem, quoted, unknown
from runner.config.refusals import MOST_ALIKE
from runner.config.scalars import MOST_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.config.nodes import Mark, Node
    from runner.errors import Problem

_SECTIONS: Final = ("producers", "stages", "consumers")
_OPTIONS: Final = "engine_options"
_LONGEST_RESOURCE: Final = 100
_COUNTED_BY_RAY: Final = {
    "CPU": "write num_cpus instead",
    **dict.fromkeys(
        ("GPU", "memory", "object_store_memory"),
        "give the nodes that have it a resource of another name, and ask for that",
    ),
}


def check_cluster_names(root: MapNode, problems: list[Problem]) -> None:
    """Tell of every name below `engine_options` that names nothing, and of producers that are to ask ahead.

    Works on whatever stands there, so that it is told together with all other problems; the queues are written out.
    """
    options = root.get(_OPTIONS)
    if not isinstance(options, MapNode):
        return
    groups = {name: section for section in _SECTIONS for name in _names(root.get(section))}
    _check_names(options, "groups", "group", list(groups), problems)
    _check_names(options, "queues", "queue", _names(root.get("queues")), problems)
    for name, mark in _written(options, "groups", "prefetch"):
        if groups.get(name) == "producers":
            message = "a producer gets nothing, so it asks for nothing ahead; remove it"
            problems.append(problem(mark, f"{join(f'{_OPTIONS}.groups', name)}.prefetch", message))
    _check_resources(options, _OPTIONS, problems)
    for section in ("groups", "queues"):
        for name in _names(options.get(section)):
            _check_resources(_child(_child(options, section), name), join(f"{_OPTIONS}.{section}", name), problems)


def _names(node: Node | None) -> list[str]:
    """The keys of a map; none where it is no map, or one of too many."""
    return list(node.entries) if isinstance(node, MapNode) and len(node.entries) <= MOST_NAMES else []


def _child(node: Node | None, key: str) -> Node | None:
    return node.get(key) if isinstance(node, MapNode) else None


def _written(options: MapNode, section: str, key: str) -> Iterator[tuple[str, Mark]]:
    """Under which names of a section the key has a value, and where the key stands."""
    for name in _names(options.get(section)):
        node = _child(options.get(section), name)
        if isinstance(node, MapNode) and node.has(key):
            yield name, node.entries[key][0]


def _check_names(options: MapNode, section: str, what: str, known: list[str], problems: list[Problem]) -> None:
    if not known:  # which is told where they stand
        return
    node = options.get(section)
    wrong = [name for name in _names(node) if name not in known]
    for count, name in enumerate(wrong[:MOST_ALIKE], 1):
        assert isinstance(node, MapNode)  # noqa: S101 - it has names
        more = " (and more like it)" if count == MOST_ALIKE < len(wrong) else ""
        message = unknown(f"no such {what}: {quoted(name)}", name, known)
        problems.append(problem(node.entries[name][0], join(f"{_OPTIONS}.{section}", name), f"{message}{more}"))


def _check_resources(options: Node | None, path: str, problems: list[Problem]) -> None:
    resources = _child(options, "resources")
    if not isinstance(resources, MapNode) or len(resources.entries) > MOST_RESOURCES:
        return
    for name, (mark, _) in resources.entries.items():
        if why := _why_no_resource(name):
            problems.append(problem(mark, join(f"{path}.resources", name), why))


def _why_no_resource(name: str) -> str | None:
    if remedy := _COUNTED_BY_RAY.get(name):
        return f"Ray counts that by itself, and not among resources; {remedy}"
    if not (name.strip() and name.isprintable() and len(name) <= _LONGEST_RESOURCE):
        return f"no name of a resource; wanted one line of at most {_LONGEST_RESOURCE} characters"
    return None
