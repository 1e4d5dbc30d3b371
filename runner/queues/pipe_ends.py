"""The ends of a pipe that workers hold: a writer that never blocks in the kernel, a reader that reads into its hand."""

from __future__ import annotations

import io
import os
import select
from typing import TYPE_CHECKING, Final

from runner.envelope import Batch, Envelope, packed
from runner.queues.contract import Stopped, end_reads
from runner.queues.tickets import FILED, SIZE, TICKET, record_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.queues.gate import Gate, Waker
    from runner.queues.inflight import InFlight
    from runner.queues.tickets import PayloadFile, PayloadFiles

AT_ONCE: Final = select.PIPE_BUF // SIZE
"""Tickets of one write: what the kernel writes whole or not at all."""

_BEYOND: Final = 1 << 63
_pack_into: Final = TICKET.pack_into
_unpack_from: Final = TICKET.unpack_from
_unpack_all: Final = TICKET.iter_unpack
_FLAGS: Final = 6
"""Where in a ticket its two bytes of flags are."""
_write: Final = os.write
_LOOK_UP_AFTER_MS: Final = 50
"""How often a writer that waits for room looks whether it was told to stop."""


class PipeWriter:
    """Puts tickets; a payload file is there once an item needed it.

    Attributes:
        descriptors: What a child of this process must not keep open.
    """

    def __init__(
        self, end: int, begun_here: InFlight, payload: PayloadFile, gate: Gate | None, stopped: Callable[[], bool]
    ) -> None:
        self._end = end
        self._begun = begun_here
        self._words = begun_here.words
        self._tickets = begun_here.tickets
        self._one = begun_here.tickets[:SIZE]
        self._payload = payload
        self._gate = gate
        self._stopped = stopped
        self._places: dict[int, bytes] = {}
        self._poll = select.poll()
        self._poll.register(end, select.POLLOUT)
        self._polls_first = os.get_blocking(end)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a child of this process must not keep open."""
        return (self._end,)

    def put(self, envelopes: list[Envelope]) -> int:
        """See `Writer.put`: one write, of what fits it."""
        if self._gate is not None:
            return self._put_through(self._gate, envelopes)
        if len(envelopes) > 1:
            content = self._content(envelopes, self._ticket)
            count = len(content) // SIZE
            self._begin(content)
            self._write(count, self._tickets[: count * SIZE])
            return count
        # `_begin`, `_ticket` and `_write` in one, for an item a write is where speed counts most.
        envelope = envelopes[0]
        item = envelope.item
        self._words[0] = 0
        if item.__class__ is not int or envelope.suffix or envelope.padding or not -_BEYOND <= item < _BEYOND:
            self._one[:] = self._ticket(envelope)
        else:
            _pack_into(self._tickets, 0, envelope.producer, envelope.delivery, 0, envelope.seq, envelope.began, item)
        if self._polls_first:
            self._wait_for_room()
        self._words[0] = 1
        try:
            _write(self._end, self._one)
        except (BlockingIOError, BrokenPipeError):
            self._words[0] = 0
            self._write(1, self._one)
        return 1

    def _content(self, envelopes: list[Envelope], ticket: Callable[[Envelope], bytes]) -> bytes:
        """The tickets of as many items as one write takes."""
        small = packed(envelopes[:AT_ONCE])
        if small is None:
            return b"".join([ticket(envelope) for envelope in envelopes[:AT_ONCE]])
        if isinstance(envelopes, Batch):
            envelopes.packed = small
        return small

    def _begin(self, tickets: bytes) -> None:
        self._words[0] = 0
        self._tickets[: len(tickets)] = tickets

    def _write(self, count: int, tickets: memoryview) -> None:
        """Write what is laid out, once there is room for it; begun from then on."""
        if self._polls_first:
            self._wait_for_room()
        while True:
            self._words[0] = count
            try:
                os.write(self._end, tickets)
            except BlockingIOError:
                self._words[0] = 0
            except BrokenPipeError:
                self._words[0] = 0
                raise Stopped from None
            else:
                return
            self._wait_for_room()

    def _wait_for_room(self) -> None:
        while not self._poll.poll(_LOOK_UP_AFTER_MS):
            if self._stopped():
                raise Stopped

    def _put_through(self, gate: Gate, envelopes: list[Envelope]) -> int:
        content = self._content(envelopes, self._offered)
        with gate as room:
            count = min(len(content) // SIZE, room)
            self._begin(content[: count * SIZE])
            self._write(count, self._tickets[: count * SIZE])
        for envelope in envelopes[:count]:
            self._places.pop(id(envelope), None)
        return count

    def _offered(self, envelope: Envelope) -> bytes:
        """The ticket of what may find no room and be offered again, and must not fill the disk each time."""
        ticket = self._ticket(envelope, self._places.get(id(envelope)))
        if TICKET.unpack(ticket)[2] & FILED:
            self._places[id(envelope)] = ticket
        return ticket

    def _ticket(self, envelope: Envelope, before: bytes | None = None) -> bytes:
        item = envelope.item
        if item.__class__ is int and not envelope.suffix and not envelope.padding and -_BEYOND <= item < _BEYOND:
            return TICKET.pack(envelope.producer, envelope.delivery, 0, envelope.seq, envelope.began, item)
        if before is not None:
            writer, delivery, flags, length, _, offset = TICKET.unpack(before)
            return TICKET.pack(writer, delivery, flags, length, envelope.began, offset)
        return self._payload.ticket(record_of(envelope), envelope.delivery, envelope.began)

    def cut(self) -> None:
        """Nothing to do: a put looks by itself whether to stop."""

    def close(self) -> None:
        """Close the write end."""
        os.close(self._end)


class PipeReader:
    """Gets tickets, and items from the payload files of whoever wrote them."""

    def __init__(self, end: int, batch: int, in_hand: InFlight, files: PayloadFiles, waker: Waker | None) -> None:
        self._end = end
        self._batch = batch
        self._hand = in_hand
        self._words = in_hand.words
        self._tickets = in_hand.tickets
        self._into = in_hand.tickets[: SIZE * batch]
        self._read_into = io.FileIO(end, "rb", closefd=False).readinto
        self._files = files
        self._waker = waker
        self._got = 1

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a child of this process must not keep open."""
        return (self._end,)

    def get(self, limit: int) -> list[Envelope]:
        """See `Reader.get`: one read, into the hand."""
        self._words[1] = 0  # first, as what follows is no single store, and who is killed in it has an empty hand
        if self._got > 1:
            self._tickets[: self._got * SIZE] = bytes(self._got * SIZE)
        size: int = self._read_into(self._into if limit >= self._batch else self._tickets[: SIZE * limit])
        if self._waker is not None:
            self._waker.room()
        if size == SIZE:
            self._got = 1
            who, delivery, flags, seq, began, item = _unpack_from(self._tickets)
            if not flags:
                return [Envelope(who, seq, item, delivery, began)]
        self._got = size // SIZE
        read = bytes(self._tickets[:size])
        if not (read[_FLAGS::SIZE] + read[_FLAGS + 1 :: SIZE]).strip(b"\0"):
            small = [
                Envelope(who, seq, item, delivery, began) for who, delivery, _, seq, began, item in _unpack_all(read)
            ]
            return Batch(small, read)
        return [
            Envelope(who, seq, item, delivery, began)
            if not flags
            else self._files.envelope(who, delivery, flags, seq, began, item)
            for who, delivery, flags, seq, began, item in _unpack_all(read)
        ]

    def cut(self) -> None:
        """See `ProcessReader.cut`."""
        end_reads(self._end)
