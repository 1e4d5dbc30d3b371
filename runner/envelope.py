"""The item on its way through a queue, with who it is and when its put began."""

from __future__ import annotations

import struct
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKED: Final = struct.Struct("<IHHqqq")
"""A whole number of 64 bits with who it is, in tickets and journals: producer, delivery, 0, seq, began, item."""
HEADED: Final = struct.Struct("<Qqqq")
"""The same bytes, of which the first three numbers are read as one: see `head`."""
HEADS_END: Final = 1 << 48
"""Above every `head`: from here on the third number is not 0, and the rest means something else."""

_BEYOND: Final = 1 << 63


class Envelope(msgspec.Struct, gc=False):
    """One item in a queue or in a worker's hand.

    Attributes:
        producer: Index of the producer's worker in the plan; with `seq` and `suffix` it is the item's id.
        seq: Position of the item in its producer's range, from 0.
        item: What travels; any picklable object.
        delivery: 1, and one more each time the item is handed out again.
        began: Instant the item's first put into the present queue began, in ns of the monotonic clock.
        suffix: `.0.1` where stages made several items of one, else empty.
        padding: The configured `payload`, carried along and never looked at.
        fragment: The item as the log shows it, once rendered (see `runner.log.journal`).
        skip: Of what a stage makes of it, so many were put before the worker that had it died.
    """

    producer: int
    seq: int
    item: Any
    delivery: int = 1
    began: int = 0
    suffix: str = ""
    padding: bytes = b""
    fragment: bytes | None = None
    skip: int = 0


class Batch(list[Envelope]):
    """Items of one write or read that queue and journal need not pack each for itself.

    Attributes:
        packed: The first of them, or all, as `packed` gives them; None: nobody has packed them, or they cannot be.
    """

    __slots__ = ("packed",)

    def __init__(self, envelopes: Sequence[Envelope], content: bytes | None = None) -> None:
        super().__init__(envelopes)
        self.packed = content


def packed(envelopes: Sequence[Envelope]) -> bytes | None:
    """Whole numbers, each as PACKED; None where one is anything else, or bears a suffix or a padding."""
    fields: list[int] = []
    for one in envelopes:
        item = one.item
        if item.__class__ is not int or one.suffix or one.padding or not -_BEYOND <= item < _BEYOND:
            return None
        fields += (one.producer, one.delivery, 0, one.seq, one.began, item)
    return _structs(len(envelopes)).pack(*fields)


def head(producer: int, delivery: int) -> int:
    """The first number of `HEADED`: whose item it is, and the how-manieth delivery."""
    return producer | delivery << 32


def packed_numbers(head: int, seqs: range, items: range, began: int) -> bytes:
    """Whole numbers of 64 bits, each as PACKED; faster than `packed`, as nobody makes an envelope for any of them.

    Args:
        head: Of all of them.
        seqs: Of each.
        items: As many; they must fit 64 bits.
        began: Of all of them.
    """
    fields = [head, 0, began, 0] * len(seqs)
    fields[1::4], fields[3::4] = seqs, items
    return _headed(len(seqs)).pack(*fields)


@cache
def _headed(count: int) -> struct.Struct:
    return struct.Struct("<" + count * HEADED.format[1:])


@cache
def _structs(count: int) -> struct.Struct:
    return struct.Struct("<" + count * PACKED.format[1:])
