"""Items that were put and never done: found in the journals after the workers are gone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from runner.log.journal import GET, PUT, RAW, records_of, suffix_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runner.log.journal import Record
    from runner.log.merge import Owner

_Key: TypeAlias = tuple[str | None, int, int, str]


@dataclass(frozen=True, slots=True)
class Leftover:
    """An item that is not done.

    Attributes:
        queue: The queue it was put into.
        id: Who it is.
        delivery: Of its last get, or 1.
        worker: Who got it and did not finish it; None: it never left the queue.
    """

    queue: str
    id: str
    delivery: int
    worker: str | None


@dataclass(frozen=True, slots=True)
class Leavings:
    """What a run left behind.

    Attributes:
        items: Put and not done, in no order of time.
        errors: What workers reported of user code, each as its `error` event, with the instant, in order of time.
    """

    items: list[Leftover]
    errors: list[tuple[int, dict[str, Any]]]


def leavings(
    owners: Sequence[Owner], prefix: Callable[[int], str], recovered: Iterable[tuple[str, tuple[int, int, str]]] = ()
) -> Leavings:
    """Read all journals for what is left.

    Args:
        owners: Of the journals.
        prefix: Gives `produce-0:` for a producer's index in the plan.
        recovered: Puts that stand in no journal: queue, and producer, seq, suffix of the item.
    """
    balance: dict[_Key, int] = {(queue, *key): 1 for queue, key in recovered}
    holder: dict[_Key, tuple[str, int]] = {}
    errors: list[tuple[int, dict[str, Any]]] = []
    for owner in owners:
        for record in records_of(owner.journal):
            kind = record[8]
            if kind == RAW:
                event = json.loads(record[4])
                if event["event"] == "error":
                    errors.append((record[0], event))
                continue
            key = _key(owner.target if kind == PUT else owner.source, record)
            if kind == GET:
                if record[6] >= holder.get(key, ("", 0))[1]:
                    holder[key] = (owner.worker, record[6])
                continue
            count = balance.pop(key, 0) + (1 if kind == PUT else -1)
            if count:
                balance[key] = count
    return Leavings(
        [_leftover(key, holder, prefix) for key, count in balance.items() if count > 0],
        sorted(errors, key=itemgetter(0)),
    )


def _leftover(key: _Key, holder: dict[_Key, tuple[str, int]], prefix: Callable[[int], str]) -> Leftover:
    queue, producer, seq, suffix = key
    worker, delivery = holder.get(key, (None, 1))
    return Leftover(str(queue), f"{prefix(producer)}{seq}{suffix}", delivery, worker)


def _key(queue: str | None, record: Record) -> _Key:
    return queue, record[5], record[3], suffix_of(record)
