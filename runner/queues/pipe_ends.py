"""The ends of a pipe that workers hold: a writer that never blocks in the kernel, a reader that reads into its hand."""

from __future__ import annotations

import io
import os
import select
from typing import TYPE_CHECKING, Final

from runner.envelope import HEADED, Batch, Envelope, head, packed
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
_pack_into: Final = HEADED.pack_into
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
            return self.put_numbers(self._content(envelopes, self._ticket))
        envelope = envelopes[0]
        item = envelope.item
        if item.__class__ is int and not envelope.suffix and not envelope.padding and -_BEYOND <= item < _BEYOND:
            self.put_number(head(envelope.producer, envelope.delivery), envelope.seq, envelope.began, item)
        else:
            self._begin(self._ticket(envelope))
            self._write(1, self._one)
        return 1

    @property
    def takes_numbers(self) -> bool:
        """See `NumberWriter.takes_numbers`."""
        return self._gate is None

    def put_number(self, head: int, seq: int, began: int, item: int) -> None:
        """See `NumberWriter.put_number`."""
        # `_begin`, `_ticket` and `_write` in one, for an item a write is where speed counts most.
        self._words[0] = 0
        _pack_into(self._tickets, 0, head, seq, began, item)
        if self._polls_first:
            self._wait_for_room()
        self._words[0] = 1
        try:
            _write(self._end, self._one)
        except (BlockingIOError, BrokenPipeError):
            self._words[0] = 0
            self._write(1, self._one)

    def put_numbers(self, tickets: bytes) -> int:
        """See `NumberWriter.put_numbers`."""
        tickets = tickets[: AT_ONCE * SIZE]
        count = len(tickets) // SIZE
        self._begin(tickets)
        self._write(count, self._tickets[: count * SIZE])
        return count

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
    """Gets tickets, and items from the payload files of whoever wrote them.

    Attributes:
        tickets: The hand, into which is read.
    """

    def __init__(self, end: int, batch: int, in_hand: InFlight, files: PayloadFiles, waker: Waker | None) -> None:
        self._end = end
        self._batch = batch
        self._hand = in_hand
        self._words = in_hand.words
        self.tickets = in_hand.tickets
        self._into = in_hand.tickets[: SIZE * batch]
        self._read_into = io.FileIO(end, "rb", closefd=False).readinto
        self._files = files
        self._waker = waker
        self._got = 1

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a child of this process must not keep open."""
        return (self._end,)

    def read(self, limit: int) -> int:
        """See `NumberReader.read`."""
        self._words[1] = 0  # first, as what follows is no single store, and who is killed in it has an empty hand
        if self._got > 1:
            self.tickets[: self._got * SIZE] = bytes(self._got * SIZE)
        size: int = self._read_into(self._into if limit >= self._batch else self.tickets[: SIZE * limit])
        if self._waker is not None:
            self._waker.room()
        self._got = size // SIZE
        return size

    def get(self, limit: int) -> list[Envelope]:
        """See `Reader.get`: one read, into the hand."""
        size = self.read(limit)
        if size == SIZE:
            who, delivery, flags, seq, began, item = _unpack_from(self.tickets)
            if not flags:
                return [Envelope(who, seq, item, delivery, began)]
        read = bytes(self.tickets[:size])
        return Batch(self.envelopes(read), read) if self.only_numbers(read) else self.envelopes(read)

    def only_numbers(self, tickets: bytes) -> bool:
        """See `NumberReader.only_numbers`."""
        return not (tickets[_FLAGS::SIZE] + tickets[_FLAGS + 1 :: SIZE]).strip(b"\0")

    def envelopes(self, tickets: bytes) -> list[Envelope]:
        """See `NumberReader.envelopes`."""
        return [
            Envelope(who, seq, item, delivery, began)
            if not flags
            else self._files.envelope(who, delivery, flags, seq, began, item)
            for who, delivery, flags, seq, began, item in _unpack_all(tickets)
        ]

    def cut(self) -> None:
        """See `ProcessReader.cut`."""
        end_reads(self._end)
