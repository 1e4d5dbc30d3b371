"""What travels through the standard library's queues: a tuple of plain values, so that no queue runs user code."""

from __future__ import annotations

from typing import TypeAlias

from runner.envelope import Envelope
from runner.queues.contract import pickled, unpickled

Content: TypeAlias = tuple[int, int, str, bytes, int, int, int | bytes, bool]
"""Producer, seq, suffix, padding, delivery, instant of its first put, item, and whether the item is pickled."""


def packed(envelope: Envelope) -> Content:
    """What to send for an envelope; raises `UnsendableItem`."""
    item, is_pickled = envelope.item, False
    if item.__class__ is not int:
        item, is_pickled = pickled(envelope), True
    return (
        envelope.producer, envelope.seq, envelope.suffix, envelope.padding,
        envelope.delivery, envelope.began, item, is_pickled,
    )  # fmt: skip


def opened(content: Content) -> Envelope:
    """The envelope that was sent."""
    producer, seq, suffix, padding, delivery, began, item, is_pickled = content
    if isinstance(item, bytes) and is_pickled:
        item = unpickled(item)
    return Envelope(producer, seq, item, delivery, began, suffix, padding)
