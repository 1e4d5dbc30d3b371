"""An item as a broker holds it: bytes it never looks into, which the supervisor can read and address anew.

    worker: envelope --sealed--> bytes --[broker]--> bytes --opened--> envelope
    supervisor:                                      bytes --parcel--> Parcel --readdressed--> Parcel

On the way, instants are of the supervisor's clock; a worker stamps by the clock of its node.
"""

from __future__ import annotations

from typing import Final

import msgspec

from runner.envelope import Envelope
from runner.log.journal import item_members, tail_of
from runner.queues.contract import Parcel, pickled, unpickled

_LONGEST: Final = 1 << 63
"""What fits 64 bits."""


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


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Letter).decode


def sealed(envelope: Envelope, shift: int) -> bytes:
    """What to send.

    Args:
        envelope: The item, whose put began by the clock of this node.
        shift: The supervisor's clock minus this node's, in ns.

    Raises:
        UnsendableItem: It cannot be pickled.
    """
    item = envelope.item
    began = envelope.began + shift
    if item.__class__ is int and -_LONGEST <= item < _LONGEST:
        return _encode(
            _Letter(envelope.producer, envelope.seq, envelope.delivery, began, item, envelope.suffix, envelope.padding)
        )
    members = tail_of(envelope).partition(b"\0")[2]
    return _encode(
        _Letter(
            envelope.producer, envelope.seq, envelope.delivery, began, pickled(envelope), envelope.suffix,
            envelope.padding, 0, members,
        )
    )  # fmt: skip


def opened(data: bytes, shift: int) -> Envelope:
    """The envelope that was sent; an item that cannot be unpickled is an `UnreadableItem`."""
    letter = _decode(data)
    item, fragment = letter.item, None
    if item.__class__ is bytes:
        item = unpickled(item)
        fragment = letter.suffix.encode() + b"\0" + letter.members
    return Envelope(
        letter.producer, letter.seq, item, letter.delivery, letter.began - shift, letter.suffix, letter.padding,
        fragment, letter.skip,
    )  # fmt: skip


def parcel(data: bytes) -> Parcel:
    """The item as the supervisor handles it."""
    letter = _decode(data)
    members = letter.members if isinstance(letter.item, bytes) else item_members(letter.item)
    return Parcel(letter.producer, letter.seq, letter.suffix, letter.delivery, letter.began, letter.skip, members, data)


def readdressed(of: Parcel, delivery: int, skip: int) -> Parcel:
    """The same item for one more delivery, of whose outputs a stage has put `skip`."""
    letter = _decode(of.content)
    letter.delivery, letter.skip = delivery, skip
    return parcel(_encode(letter))
