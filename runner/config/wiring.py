"""Which queue each group puts into and gets from, and which policy fits the queues: filled in where left out.

What is written is checked; so is what keys of a group mean together, because models say nothing of it while one of them
is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.config import kinds
from runner.config.models import WORK
from runner.config.nodes import MapNode, Node, Scalar, choices, describe, is_nothing, join, problem, unknown
from runner.config.scalars import MOST_NAMES

if TYPE_CHECKING:
    from runner.errors import Problem

_ENDS = {"producers": ("to",), "stages": ("from", "to"), "consumers": ("from",)}
_ENDINGS = ("duration", "stop_when")
_REPAIRING = ("restart", "continue")


def wired(root: MapNode, problems: list[Problem]) -> MapNode:
    """The config with its queues written out, `to` and `from` in every group, and `on_death` where it must be `fail`.

    Works on whatever stands there, so that a wrong queue name is told together with all other problems.
    """
    queues = root.get("queues")
    if queues is None or is_nothing(queues) or queues == MapNode(queues.mark, {}):
        mark = root.mark
        queues = MapNode(mark, {"main": (mark, MapNode(mark, {}))})
        root = root.replaced("queues", mark, queues)
    names = list(queues.entries) if isinstance(queues, MapNode) else []
    if len(names) > MOST_NAMES:
        return root
    taken: dict[str, str] = {}
    for section, ends in _ENDS.items():
        groups = root.get(section)
        if not isinstance(groups, MapNode) or len(groups.entries) > MOST_NAMES:
            continue
        changed = dict(groups.entries)
        for name, (mark, node) in groups.entries.items():
            path = join(section, name)
            if name in taken:
                message = f"the name is taken by {taken[name]}; no two groups share a name"
                problems.append(problem(mark, path, message))
            taken.setdefault(name, path)
            changed[name] = (mark, _group(node, ends, names, path, problems))
            if section != "producers":
                _check_work(node, path, problems)
        root = root.replaced(section, root.entries[section][0], MapNode(groups.mark, changed))
    _check_endless(root, problems)
    return _policy(root, problems)


def _group(node: Node, ends: tuple[str, ...], names: list[str], path: str, problems: list[Problem]) -> Node:
    group = MapNode(node.mark, {}) if is_nothing(node) else node
    if not isinstance(group, MapNode) or not names:
        return node
    for end in ends:
        at = group.get(end)
        if at is None or is_nothing(at):
            if len(names) == 1:
                group = group.replaced(end, group.mark, Scalar(group.mark, names[0]))
            else:
                message = f"missing, for there are several queues; {choices(names)}"
                problems.append(problem(group.mark, join(path, end), message))
        elif isinstance(at, Scalar) and isinstance(at.value, str) and at.value not in names:
            message = unknown(f"no such queue: {describe(at)}", at.value, names)
            problems.append(problem(at.mark, join(path, end), message))
    return group


def _policy(root: MapNode, problems: list[Problem]) -> MapNode:
    locked = _locked(root.get("queues"))
    if locked is None:
        return root
    node = root.get("on_death")
    if node is None or is_nothing(node):
        node = MapNode(root.mark, {})
    if not isinstance(node, MapNode):
        return root
    policy = node.get("policy")
    if isinstance(policy, Scalar) and policy.value in _REPAIRING:
        queue, kind = locked
        at = f"{join('queues', queue)} ({kind})"
        why = (
            f"a lock-based kind: who dies may leave {at} locked for ever"
            if kind in kinds.LOCK_BASED
            else f"a kind that cannot be repaired: nobody can tell what a dead worker had of {at}"
        )
        message = f"{policy.value} cannot be kept with {why}; write fail, or make its kind pipe"
        problems.append(problem(policy.mark, "on_death.policy", message))
    if policy is not None and not is_nothing(policy):
        return root
    fail = node.replaced("policy", node.mark, Scalar(node.mark, "fail"))
    return root.replaced("on_death", root.entries["on_death"][0] if "on_death" in root.entries else root.mark, fail)


def _locked(queues: Node | None) -> tuple[str, str] | None:
    """The first queue whose kind cannot be repaired after a death, and the kind."""
    for name, (_, queue) in queues.entries.items() if isinstance(queues, MapNode) else ():
        kind = queue.get("kind") if isinstance(queue, MapNode) else None
        if isinstance(kind, Scalar) and isinstance(kind.value, str) and not _is_repairable(kind.value):
            return name, kind.value
    return None


def _is_repairable(kind: str) -> bool:
    """Whether a kind can be repaired; of one that is not there another problem tells."""
    try:
        return kinds.facts(kind).repairable
    except (kinds.NoSuchKindError, kinds.UnusableKindError):
        return True


def _check_work(node: Node, path: str, problems: list[Problem]) -> None:
    there = [key for key in node.entries if key in WORK and node.has(key)] if isinstance(node, MapNode) else []
    if isinstance(node, MapNode) and len(there) > 1:
        named = ", ".join(key for key in WORK if key in there)
        message = f"{named} stand together; at most one of {', '.join(WORK)}"
        problems.append(problem(node.entries[there[1]][0], join(path, there[1]), message))


def _check_endless(root: MapNode, problems: list[Problem]) -> None:
    producers = root.get("producers")
    if any(map(root.has, _ENDINGS)) or not isinstance(producers, MapNode) or len(producers.entries) > MOST_NAMES:
        return
    for name, (_, node) in producers.entries.items():
        if (isinstance(node, MapNode) and not node.has("items")) or is_nothing(node):
            message = (
                "missing; wanted: how many or which items, or duration or stop_when at the top for an endless producer"
            )
            problems.append(problem(node.mark, f"{join('producers', name)}.items", message))
