"""A real run and its simulation item by item: the same id on both sides."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.analysis.course import Course


@dataclass(slots=True)
class Passage:
    """An item's way through one queue on one side; ns, None where it did not get so far.

    Attributes:
        worker: Who got it.
        wait_put, wait_get: How long its put and its get took.
        latency: From put began to get returned.
        service, planned: Of the work on it.
    """

    worker: str | None = None
    wait_put: int | None = None
    wait_get: int | None = None
    latency: int | None = None
    service: int | None = None
    planned: int | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """An item in one queue, on both sides; None where it did not come there."""

    queue: str
    id: str
    simulated: Passage | None
    real: Passage | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One kind of time over all items that have it on both sides; ns, None where there are none.

    Attributes:
        count: So many items.
        simulated, real: Means.
        largest: The difference, real less simulated, that is the farthest from 0.
        at: The id of that item.
    """

    count: int
    simulated: float | None = None
    real: float | None = None
    largest: int | None = None
    at: str | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether the draws are the same: `planned_ns` of every item that a worker of the same group did on both sides.

    Attributes:
        same: So many items have the same.
        different: These have not, which never happens where both are of the same plan.
        other_group: So many were done by another group, whose draws are its own.
        only_simulated: Items (of a queue) that came there on the simulated side only.
        only_real: The same for the real side.
    """

    same: int
    different: tuple[str, ...]
    other_group: int
    only_simulated: int
    only_real: int


def pairs(simulated: Course, real: Course) -> tuple[Pair, ...]:
    """Every item of every queue, in the order of the simulation; then what only the real run has."""
    ours, theirs = _passages(simulated), _passages(real)
    return tuple(Pair(*key, ours.get(key), theirs.get(key)) for key in dict.fromkeys([*ours, *theirs]))


def _passages(course: Course) -> dict[tuple[str, str], Passage]:
    found: dict[tuple[str, str], Passage] = defaultdict(Passage)
    for operation in course.operations:
        passage = found[operation.queue, operation.item]
        match operation.kind:
            case "put":
                passage.wait_put = operation.wait
            case "get":
                passage.worker = operation.worker
                passage.wait_get, passage.latency = operation.wait, operation.figure
            case _:
                passage.service, passage.planned = operation.figure, operation.planned
    return dict(found)


def difference(found: Sequence[Pair], key: str) -> Difference:
    """Compare one attribute of a passage over all pairs that have it on both sides."""
    both = [
        (ours, theirs, pair.id)
        for pair in found
        if (ours := getattr(pair.simulated, key, None)) is not None
        and (theirs := getattr(pair.real, key, None)) is not None
    ]
    if not both:
        return Difference(0)
    ours, theirs, at = max(both, key=lambda each: abs(each[1] - each[0]))
    count = len(both)
    return Difference(count, sum(b[0] for b in both) / count, sum(b[1] for b in both) / count, theirs - ours, at)


def agreement(found: Sequence[Pair]) -> Agreement:
    """Whether both sides were planned the same, item by item."""
    same = other_group = 0
    different: list[str] = []
    for pair in found:
        ours, theirs = pair.simulated, pair.real
        if ours is None or theirs is None or ours.service is None or theirs.service is None:
            continue
        if _group(ours) != _group(theirs):
            other_group += 1
        elif ours.planned == theirs.planned:
            same += 1
        else:
            different.append(pair.id)
    return Agreement(
        same=same,
        different=tuple(different),
        other_group=other_group,
        only_simulated=sum(pair.real is None for pair in found),
        only_real=sum(pair.simulated is None for pair in found),
    )


def _group(passage: Passage) -> str:
    return (passage.worker or "").rpartition("-")[0]
