"""What is expected of a run's figures: that there are such metrics, and that what stands there is a bound on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.config.bounds import BoundError, kind_of, parse_comparison
from runner.config.models import MOST_EXPECTED, MOST_WORKERS
from runner.config.nodes import MapNode, Scalar, join, problem
from runner.config.scalars import MOST_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runner.errors import Problem

_SECTIONS = ("producers", "stages", "consumers")


def check_expectations(root: MapNode, problems: list[Problem]) -> None:
    """Tell of every metric that a run of this config does not have, and of everything that is no bound on its metric.

    Works on whatever stands there, so that it is told together with all other problems.

    Args:
        root: The config, its queues and groups written out.
        problems: Where problems go.
    """
    expected = root.get("expect")
    if not isinstance(expected, MapNode) or len(expected.entries) > MOST_EXPECTED:
        return
    names = _names(root)
    for path, (mark, node) in expected.entries.items():
        at = join("expect", path)
        try:
            kind_of(path, names)
        except BoundError as error:
            problems.append(problem(mark, at, str(error)))
            continue
        if isinstance(node, Scalar) and isinstance(node.value, str):  # anything else its model refuses
            try:
                parse_comparison(path, node.value)
            except BoundError as error:
                problems.append(problem(node.mark, at, str(error).removeprefix(f"{path}: ")))


def _names(root: MapNode) -> Mapping[str, Iterable[str]] | None:
    """The names of queues and workers; None where nobody can know them, because something is wrong there."""
    queues = root.get("queues")
    sections = [node for section in _SECTIONS if (node := root.get(section)) is not None]
    if not isinstance(queues, MapNode) or len(queues.entries) > MOST_NAMES:
        return None
    workers: list[str] = []
    for section in sections:
        if not isinstance(section, MapNode) or len(section.entries) > MOST_NAMES:
            return None
        for name, (_, group) in section.entries.items():
            count = group.get("count") if isinstance(group, MapNode) else None
            size = count.value if isinstance(count, Scalar) and count.value is not None else 1
            if isinstance(size, bool) or not isinstance(size, int) or len(workers) + size > MOST_WORKERS:
                return None
            workers += [f"{name}-{index}" for index in range(size)]
    return {"queues": list(queues.entries), "workers": workers}
