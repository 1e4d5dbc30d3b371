"""The log of a run made into that of a cluster: its workers are on nodes whose clocks are wrong."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lines import Record


@dataclass(frozen=True)
class Node:
    """Where workers are; ns.

    Attributes:
        name: Of the node.
        wrong: What its instants show too much, once they are translated into the driver's clock.
        uncertainty: By how much that may be, as its workers say.
    """

    name: str
    wrong: int = 0
    uncertainty: int = 0


DRIVER = Node("driver")


def spread(log: Sequence[Record], node_of: Callable[[str, int], Node]) -> list[Record]:
    """The log as a cluster would have written it, in the order of its wrong instants.

    Args:
        log: By one clock.
        node_of: Where an incarnation of a worker is.
    """
    began: dict[tuple[str, str], int] = {}
    for record, node in _located(log, node_of):
        if record["event"] == "put":
            began.setdefault((record["queue"], record["id"]), node.wrong)
    told = [_told(record, node, began) for record, node in _located(log, node_of)]
    told[1:] = sorted(told[1:], key=lambda record: (record["event"] == "run.end", record["t_ns"]))
    told[-1]["t_ns"] = max(record["t_ns"] for record in told)
    return told


def _located(log: Sequence[Record], node_of: Callable[[str, int], Node]) -> list[tuple[Record, Node]]:
    """Each line with the node it is from, or, if the supervisor tells it of a worker, on which that is."""
    incarnations: dict[str, int] = defaultdict(lambda: 1)
    located = []
    for record in log:
        worker = record.get("worker")
        if record["event"] == "worker.start":
            incarnations[record["worker"]] = record["incarnation"]
        located.append((record, DRIVER if worker is None else node_of(worker, incarnations[worker])))
    return located


def _told(record: Record, node: Node, began: dict[tuple[str, str], int]) -> Record:
    event = record["event"]
    if event == "worker.start":
        return record | {"node": node.name, "clock_offset_ns": 5, "clock_uncertainty_ns": node.uncertainty}
    if event not in ("put", "get", "done"):
        return dict(record)
    if record.get("recovered"):
        # The supervisor logs it by its own clock; when it began it has from the dead.
        return record | {"wait_ns": record["wait_ns"] - node.wrong}
    moved = record | {"t_ns": record["t_ns"] + node.wrong}
    if event == "get":
        moved["latency_ns"] += node.wrong - began.get((record["queue"], record["id"]), node.wrong)
    return moved
