"""Items that were put and never done: found in the journals after the workers are gone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from runner.log.journal import GET, PUT, RAW, JournalReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runner.log.journal import Record
    from runner.log.merge import Owner

_SLOTS: Final = 1 << 14
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


def leavings(owners: Sequence[Owner], prefix: Callable[[int], str]) -> Leavings:
    """Read all journals for what is left.

    Args:
        owners: Of the journals.
        prefix: Gives `produce-0:` for a producer's index in the plan.
    """
    balance: dict[_Key, int] = {}
    holder: dict[_Key, tuple[str, int]] = {}
    errors: list[tuple[int, dict[str, Any]]] = []
    for owner in owners:
        for record in _records(owner):
            kind = record[8]
            if kind == RAW:
                errors.append((record[0], json.loads(record[4])))
                continue
            key = _key(owner.target if kind == PUT else owner.source, record)
            if kind == GET:
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


def _records(owner: Owner) -> Iterator[Record]:
    try:
        reader = JournalReader(owner.journal)
    except FileNotFoundError:
        return
    try:
        while records := reader.read(_SLOTS):
            yield from records
    finally:
        reader.close()


def _key(queue: str | None, record: Record) -> _Key:
    suffix = "" if record[4].__class__ is int else record[4].partition(b"\0")[0].decode()
    return queue, record[5], record[3], suffix
