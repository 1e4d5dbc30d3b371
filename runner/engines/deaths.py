"""What comes of a death, by `on_death`; and of a queue whose readers are all gone. The same in every engine."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol, TypeVar

from runner.planning.plan import OnDeath

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runner.engines.board import Slot
    from runner.planning.plan import DeathPolicy, WorkerPlan


class Answer(Enum):
    """What comes of the death of a worker."""

    STOP = "the run ends"
    REPLACE = "another incarnation takes its place"
    LEAVE = "nobody takes its place"


def answer(policy: DeathPolicy, incarnation: int, *, closed: bool) -> tuple[Answer, str]:
    """What comes of the death of this incarnation, and what is added to the reason where the run ends.

    Args:
        policy: The plan's.
        incarnation: From 1.
        closed: Whether all its puts are behind it, and perhaps the end of the stream: then nothing is left to do.
    """
    if policy.policy is OnDeath.FAIL:
        return Answer.STOP, ""
    if policy.policy is OnDeath.CONTINUE or closed:
        return Answer.LEAVE, ""
    if incarnation > policy.max_restarts:
        return Answer.STOP, policy.used_up
    return Answer.REPLACE, ""


class Known(Protocol):
    """A worker as its supervisor knows it."""

    worker: WorkerPlan
    slot: Slot
    alive: bool
    died: bool
    replaced: bool


AnyKnown = TypeVar("AnyKnown", bound=Known)


def bereft(everybody: Iterable[AnyKnown], queue: str) -> tuple[list[AnyKnown], list[AnyKnown]] | None:
    """Of a queue from which nobody gets any more: its readers that died, and who still puts there; else None."""
    current = [each for each in everybody if not each.replaced]
    readers = [each for each in current if each.worker.group.source == queue]
    if any(each.alive for each in readers):
        return None
    writing = [each for each in current if each.alive and each.worker.group.target == queue and not each.slot.closed]
    return [each for each in readers if each.died], writing
