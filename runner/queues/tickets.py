"""Tickets, which name items in a pipe, and the payload files that hold what does not fit a ticket.

    ticket   producer, delivery, 0,            seq,    began, item          a small integer travels in the ticket
    ticket   writer,   delivery, filed | file, length, began, offset        everything else lies in a payload file
    record   producer, skip, seq, three lengths, tail, pickled item, padding

Every incarnation of a writer appends to a payload file of its own, so that at most its last record is torn. Who holds
a ticket reads the record; nobody but a worker unpickles an item, since that may import user code.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final

from runner.envelope import PACKED, Envelope
from runner.log.journal import tail_of
from runner.queues.contract import Parcel, pickled, unpickled

if TYPE_CHECKING:
    from pathlib import Path

TICKET: Final = PACKED
SIZE: Final = TICKET.size
FILED: Final = 1
"""Flag of a ticket whose item lies in a payload file; the incarnation of its writer stands in the bits above."""

_RECORD: Final = struct.Struct("<IIqIII")
_PAYLOAD_FILES_OPEN: Final = 256


def payload_path(folder: Path, writer: int, incarnation: int) -> Path:
    """Where an incarnation of the worker with this index in the plan files items away."""
    return folder / f"payload-{writer}.{incarnation}.bin"


def record_of(envelope: Envelope) -> list[bytes]:
    """An item as a payload file holds it, in parts; raises `UnsendableItem`."""
    content = pickled(envelope)
    tail = tail_of(envelope)
    head = _RECORD.pack(envelope.producer, envelope.skip, envelope.seq, len(tail), len(content), len(envelope.padding))
    return [head, tail, content, envelope.padding]


class PayloadFile:
    """One writer's own append-only file."""

    def __init__(self, path: Path, writer: int, incarnation: int) -> None:
        self._path = path
        self._file = -1
        self._offset = 0
        self._writer = writer
        self._flags = FILED | incarnation << 1

    def ticket(self, parts: list[bytes], delivery: int, began: int) -> bytes:
        """File a record away and give its ticket; raises OSError when the disk is full."""
        if self._file < 0:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            self._offset = os.fstat(self._file).st_size
        length = sum(map(len, parts))
        written = os.writev(self._file, parts)
        if written < length:
            rest = memoryview(b"".join(parts))[written:]
            while rest:
                rest = rest[os.write(self._file, rest) :]
        ticket = TICKET.pack(self._writer, delivery, self._flags, length, began, self._offset)
        self._offset += length
        return ticket

    def close(self) -> None:
        """Close the file, where there is one."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class PayloadFiles:
    """Everybody's payload files, for whoever reads tickets."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[tuple[int, int], int] = {}

    def _record(self, writer: int, flags: int, length: int, offset: int) -> bytes:
        key = (writer, flags >> 1)
        file = self._files.get(key)
        if file is None:
            if len(self._files) >= _PAYLOAD_FILES_OPEN:
                os.close(self._files.pop(next(iter(self._files))))
            file = self._files[key] = os.open(payload_path(self._folder, *key), os.O_RDONLY | os.O_CLOEXEC)
        return os.pread(file, length, offset)

    def envelope(self, writer: int, delivery: int, flags: int, length: int, began: int, offset: int) -> Envelope:
        """The item of a ticket with the flag FILED, whose fields these are."""
        record = self._record(writer, flags, length, offset)
        producer, skip, seq, tail_size, pickled_size, _ = _RECORD.unpack_from(record)
        start = _RECORD.size
        tail = record[start : start + tail_size]
        middle = start + tail_size
        behind = middle + pickled_size
        item = unpickled(memoryview(record)[middle:behind])
        suffix = tail.partition(b"\0")[0].decode()
        return Envelope(producer, seq, item, delivery, began, suffix, record[behind:], tail, skip)

    def parcel(self, ticket: bytes) -> Parcel:
        """Who travels with a ticket, without a look at the item itself."""
        who, delivery, flags, seq, began, item = TICKET.unpack(ticket)
        if not flags & FILED:
            return Parcel(who, seq, "", delivery, began, 0, b'"item":%d' % item, ticket)
        record = self._record(who, flags, seq, item)
        producer, skip, seq, tail_size, _, _ = _RECORD.unpack_from(record)
        suffix, _, members = record[_RECORD.size : _RECORD.size + tail_size].partition(b"\0")
        return Parcel(producer, seq, suffix.decode(), delivery, began, skip, members, ticket)

    def again(self, parcel: Parcel, delivery: int, skip: int, file: PayloadFile) -> bytes:
        """The ticket for one more delivery of a parcel, of whose outputs a stage has put `skip` already.

        Where that number changes, the record is copied into `file`.
        """
        who, _, flags, seq, began, item = TICKET.unpack(parcel.content)
        if skip == parcel.skip:
            return TICKET.pack(who, delivery, flags, seq, began, item)
        if not flags & FILED:
            return file.ticket(record_of(Envelope(who, seq, item, skip=skip)), delivery, began)
        record = self._record(who, flags, seq, item)
        producer, _, *rest = _RECORD.unpack_from(record)
        return file.ticket([_RECORD.pack(producer, skip, *rest), record[_RECORD.size :]], delivery, began)

    def close(self) -> None:
        """Close all files."""
        while self._files:
            os.close(self._files.popitem()[1])
