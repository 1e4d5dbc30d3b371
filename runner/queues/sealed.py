"""An item as a broker holds it: bytes it never looks into, which the supervisor can read and address anew.

    worker: envelopes --sealed--> bytes --[broker]--> bytes --opened--> envelopes
    supervisor:                                       bytes --parcel--> Parcel --readdressed--> Parcel

A plain whole number is `PACKED`, of fixed size; whatever else is a letter in MessagePack, never of that size. On the
way, instants are of the supervisor's clock; a worker stamps by the clock of its node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from runner.envelope import PACKED, Batch, Envelope, packed
from runner.log.journal import item_members, tail_of
from runner.queues.contract import Parcel, pickled, unpickled

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIZE: Final = PACKED.size
_BEYOND: Final = 1 << 63


class _Letter(msgspec.Struct, array_like=True, gc=False):
    """The content; `item` is a whole number, or bytes that are pickled, which `members` shows in the log."""

    producer: int
    seq: int
    delivery: int
    began: int
    item: int | bytes
    suffix: str = ""
    padding: bytes = b""
    skip: int = 0
    members: bytes = b""
    filler: bytes = b""


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Letter).decode


def sealed(envelopes: list[Envelope], shift: int) -> list[bytes]:
    """What to send, a ticket for each; where they are a `Batch`, it is told how it is packed.

    Args:
        envelopes: The items, whose puts began by the clock of this node; from now on by the supervisor's.
        shift: The supervisor's clock minus this node's, in ns.

    Raises:
        UnsendableItem: One cannot be pickled.
    """
    if shift:
        for envelope in envelopes:
            envelope.began += shift
    content = packed(envelopes)
    if content is None:
        return [_letter(envelope) for envelope in envelopes]
    if envelopes.__class__ is Batch:
        envelopes.packed = content
    return [content[start : start + _SIZE] for start in range(0, len(content), _SIZE)]


def _letter(envelope: Envelope) -> bytes:
    item, members = envelope.item, b""
    if item.__class__ is not int or not -_BEYOND <= item < _BEYOND:
        members = tail_of(envelope).partition(b"\0")[2]
        item = pickled(envelope)
    return _encoded(
        _Letter(
            envelope.producer, envelope.seq, envelope.delivery, envelope.began, item, envelope.suffix,
            envelope.padding, envelope.skip, members,
        )
    )  # fmt: skip


def _encoded(letter: _Letter) -> bytes:
    data = _encode(letter)
    if len(data) == _SIZE:
        letter.filler = b"\0"
        data = _encode(letter)
    return data


def opened(tickets: Sequence[bytes], shift: int) -> list[Envelope]:
    """The envelopes that were sent; an item that cannot be unpickled is an `UnreadableItem`."""
    if all(len(ticket) == _SIZE for ticket in tickets):
        content = b"".join(tickets)
        unpacked = PACKED.iter_unpack(content)
        return Batch(
            [Envelope(who, seq, item, again, at - shift) for who, again, _, seq, at, item in unpacked], content
        )
    return [_opened(ticket, shift) for ticket in tickets]


def _opened(ticket: bytes, shift: int) -> Envelope:
    letter = _read(ticket)
    item, fragment = letter.item, None
    if isinstance(item, bytes):
        item = unpickled(item)
        fragment = letter.suffix.encode() + b"\0" + letter.members
    return Envelope(
        letter.producer, letter.seq, item, letter.delivery, letter.began - shift, letter.suffix, letter.padding,
        fragment, letter.skip,
    )  # fmt: skip


def _read(ticket: bytes) -> _Letter:
    if len(ticket) == _SIZE:
        producer, delivery, _, seq, began, item = PACKED.unpack(ticket)
        return _Letter(producer, seq, delivery, began, item)
    return _decode(ticket)


def parcel(ticket: bytes) -> Parcel:
    """The item as the supervisor handles it."""
    letter = _read(ticket)
    members = letter.members if isinstance(letter.item, bytes) else item_members(letter.item)
    return Parcel(
        letter.producer, letter.seq, letter.suffix, letter.delivery, letter.began, letter.skip, members, ticket
    )


def readdressed(of: Parcel, delivery: int, skip: int) -> Parcel:
    """The same item for one more delivery, of whose outputs a stage has put `skip`."""
    letter = _read(of.content)
    letter.delivery, letter.skip = delivery, skip
    return parcel(_encoded(letter))
