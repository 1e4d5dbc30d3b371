"""Whom a fault strikes: that there is such a worker, and that it does what the fault counts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from runner.config.faults import ACTS, MOST_FAULTS
from runner.config.models import MOST_WORKERS
from runner.config.nodes import ListNode, MapNode, Node, Scalar, choices, describe, is_nothing, nearest, problem
from runner.config.refusals import MOST_ALIKE
from runner.config.scalars import MOST_NAMES

if TYPE_CHECKING:
    from runner.errors import Problem

_NEVER = {"producers": ("gets", "a producer gets nothing"), "consumers": ("puts", "a consumer puts nothing")}
_LONGEST_INDEX = len(str(MOST_WORKERS))


class _Group(NamedTuple):
    section: str
    workers: int | None
    """None: nobody can know, for the count is wrong."""


def check_aims(root: MapNode, problems: list[Problem]) -> None:
    """Tell of every fault that strikes nobody, or counts what its worker never does.

    Works on whatever stands there, so that it is told together with all other problems.
    """
    faults, groups = root.get("faults"), _groups(root)
    if not isinstance(faults, ListNode) or len(faults.items) > MOST_FAULTS or not groups:
        return
    found: list[Problem] = []
    for index, fault in enumerate(faults.items):
        if isinstance(fault, MapNode):
            _check(fault, f"faults[{index}]", groups, found)
        if len(found) > MOST_ALIKE:
            found = found[:MOST_ALIKE]
            found[-1] = replace(found[-1], message=f"{found[-1].message} (and more like it)")
            break
    problems += found


def _groups(root: MapNode) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    for section in ("producers", "stages", "consumers"):
        node = root.get(section)
        if isinstance(node, MapNode) and len(node.entries) <= MOST_NAMES:
            groups |= {name: _Group(section, _count(group)) for name, (_, group) in node.entries.items()}
    return groups


def _count(group: Node) -> int | None:
    count = group.get("count") if isinstance(group, MapNode) else None
    match count:
        case Scalar(value=bool()):
            return None
        case Scalar(value=int(value)):
            return value
    return 1 if count is None or is_nothing(count) else None


def _check(fault: MapNode, path: str, groups: dict[str, _Group], problems: list[Problem]) -> None:
    for act in ACTS:
        node = fault.get(act)
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            continue
        name, _, index = node.value.rpartition("-")
        group = groups.get(name)
        if group is None or not _is_index(index) or (group.workers is not None and int(index) >= group.workers):
            problems.append(problem(node.mark, f"{path}.{act}", _nobody(node, groups)))
        else:
            _check_counter(fault.get("after"), f"{path}.after", node.value, group, problems)


def _check_counter(after: Node | None, path: str, worker: str, group: _Group, problems: list[Problem]) -> None:
    counter, why = _NEVER.get(group.section, ("", ""))
    if isinstance(after, MapNode) and after.has(counter):
        message = f"{worker} never does that: {why}; count its {'puts' if counter == 'gets' else 'gets'}"
        problems.append(problem(after.entries[counter][0], f"{path}.{counter}", message))


def _is_index(text: str) -> bool:
    return text.isdecimal() and text.isascii() and len(text) <= _LONGEST_INDEX and str(int(text)) == text


def _nobody(node: Scalar, groups: dict[str, _Group]) -> str:
    word = str(node.value)
    name = word.rpartition("-")[0]
    if name in groups:
        return f"no such worker: {describe(node)}; {choices([_workers(name, groups[name])])}"
    meant = _meant(word, groups)
    hint = ";" if meant is None else f", did you mean {meant}?"
    return f"no such worker: {describe(node)}{hint} {choices(_workers(*each) for each in groups.items())}"


def _meant(word: str, groups: dict[str, _Group]) -> str | None:
    """A worker of the group that is named, or of one whose name is near."""
    name, _, index = word.rpartition("-")
    if not _is_index(index):
        name, index = word, "0"
    near = name if name in groups else nearest(name, groups)
    if near is None:
        return None
    workers = groups[near].workers
    return f"{near}-{index if workers is None else min(int(index), max(workers, 1) - 1)}"


def _workers(name: str, group: _Group) -> str:
    """The names of a group's workers: `cook-0 … cook-2`."""
    return f"{name}-0" if group.workers is None or group.workers <= 1 else f"{name}-0 … {name}-{group.workers - 1}"
