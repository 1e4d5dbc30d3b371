"""The item on its way through a queue, with who it is and when its put began."""

from __future__ import annotations

from typing import Any

import msgspec


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
