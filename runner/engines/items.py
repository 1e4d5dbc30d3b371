"""A producer's items, from wherever the plan says they come."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.engines.usercode import UserCodeError
from runner.planning.plan import FileItems, Role, UserCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from runner.planning.plan import WorkerPlan


def items(
    worker: WorkerPlan, guarded: Callable[[UserCode], Iterator[Any]], after: int = -1
) -> Iterator[tuple[int, Any]]:
    """(seq, item) of everything the worker is to put; nothing for a worker that is no producer.

    Args:
        worker: Whose items.
        guarded: Gives the items of user code, so that the engine knows when user code runs.
        after: The last seq that was put before, by a former incarnation; -1: none.
    """
    group = worker.group
    if group.role is not Role.PRODUCER:
        return iter(())
    first, stride = _steps(worker, after)
    match group.items:
        case None:
            return ((seq, seq) for seq in itertools.count(first, stride))
        case range() | tuple() as known:
            return zip(range(first, len(known), stride), known[first::stride], strict=True)
        case FileItems() as file:
            return _every(_lines(Path(file.path)), first, stride)
        case UserCode() as code:
            return _every(guarded(code), first, stride)


def numbers(worker: WorkerPlan, after: int = -1) -> tuple[range, range] | None:
    """(seqs, items) of a producer whose items are the whole numbers of a range; None for any other.

    They are what `items` gives, known without being gone through, and of 64 bits, as a config allows no others.
    """
    group = worker.group
    if group.role is not Role.PRODUCER or not isinstance(group.items, range):
        return None
    first, stride = _steps(worker, after)
    return range(first, len(group.items), stride), group.items[first::stride]


def _steps(worker: WorkerPlan, after: int) -> tuple[int, int]:
    """Seq of the first item that is to be put, and from one to the next."""
    first, stride = (worker.position, worker.group.count) if worker.group.split else (0, 1)
    return (after + stride if after >= 0 else first), stride


def until_told(found: Iterator[tuple[int, Any]], told: Callable[[], bool]) -> Iterator[tuple[int, Any]]:
    """The items up to where the producer is told to begin no further one."""
    for pair in found:
        if told():
            return
        yield pair


def _every(found: Iterable[Any], first: int, stride: int) -> Iterator[tuple[int, Any]]:
    return itertools.islice(enumerate(found), first, None, stride)


def _lines(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise UserCodeError("items", f"{path}:{number}: no JSON: {error}") from error
