"""A worker's journal: its puts, gets and dones as binary records in a file of its own.

    worker --pack_into--> mapped window of  journals/<worker>-<incarnation>.bin
                                  | page cache: outlives a SIGKILL of the worker
    reader <--pread, unpack-------+

**The writer** is one worker incarnation, the only one ever to write the file. A record is one slot of 48
bytes; its last byte, the kind, is stored last, so a slot counts once its kind is not 0 and no commit word is
needed. What does not fit a slot (an item that is no small integer, an id made by a stage) lies in a tail, the
slots behind it, stored first; so do the whole numbers of
one write or read, all behind one slot. Space is allocated before it is mapped, so a full disk is an
`OSError` here and not a SIGBUS.

**The reader** may follow while the writer writes. It sees a prefix of the records and never a part of one.

Instants are ns of the monotonic clock; `Clock` says where in it a run begins and what the wall clock said.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import struct
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from runner.envelope import PACKED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from runner.envelope import Envelope

PUT: Final = 1
GET: Final = 2
DONE: Final = 3
RAW: Final = 4
_PAD: Final = 5
GET_DONE: Final = 6
"""A get and the done of the same item at the same instant, as one record: its work is nothing, and planned so."""
FIGURES: Final = {
    PUT: ("put", ("wait_ns", "late_ns")),
    GET: ("get", ("wait_ns", "latency_ns")),
    DONE: ("done", ("service_ns", "planned_ns")),
}
"""The event of each kind of record, and the names of its two figures."""

_TAIL: Final = 1
_MANY: Final = 4
"""Flag beside `_TAIL`: the tail is many items, each as `PACKED`; the slot is one of every one of them."""
NO_SECOND: Final = 2
"""Flag: the second figure (late_ns of a put, planned_ns of a done) is null."""

_NOT_HOT: Final = re.compile(b"[^%b]" % bytes((PUT, GET, DONE, GET_DONE)))
_WITH_TAIL: Final = re.compile(b"[^%b]" % bytes((0, NO_SECOND)))

ITEM_BYTES: Final = 256
"""An item's JSON beyond this many bytes is cut in the log."""

_SLOT: Final = struct.Struct("<qqqqqIHBB")
_SIZE: Final = _SLOT.size
_NUMBER: Final = struct.Struct("<qqqqqQ")
"""The same bytes, of which the last four numbers are stored as one: see `mark`."""
_pack_into: Final = _SLOT.pack_into
_pack_number_into: Final = _NUMBER.pack_into
_WINDOW: Final = 12288
"""Smallest number of bytes that is whole slots and whole pages."""
_LARGEST_WINDOW: Final = 96 * _WINDOW
_READ_AT_ONCE: Final = 1 << 14

Record: TypeAlias = tuple[int, int, int, int, Any, int, int, int, int]
"""(instant, first figure, second figure, seq, item, producer, delivery, flags, kind); an item that is no
small integer comes as the bytes of its tail: suffix, NUL, JSON members. RAW has only instant and tail; GET_DONE has the
figures of its get."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Where a run's time begins.

    Attributes:
        zero_ns: Monotonic clock when the start gate opened.
        wall_ns: Wall clock (ns since 1970-01-01 UTC) at the same instant.
    """

    zero_ns: int
    wall_ns: int

    def save(self, folder: Path) -> None:
        """Keep the clock beside the journals, for readers that come after the supervisor's death."""
        (folder / "clock.json").write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, folder: Path) -> Clock:
        """Read the clock that `save` kept; raises OSError or ValueError where there is none."""
        return cls(**json.loads((folder / "clock.json").read_text()))


def item_members(item: object) -> bytes:
    """The JSON members that show an item in the log: `"item":…`, and `"item_bytes":…` where it was cut."""
    try:
        text = json.dumps(item, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except BaseException:  # what the user's classes raise there
        text = json.dumps(_shown(item)).encode()
    if len(text) <= ITEM_BYTES:
        return b'"item":' + text
    cut = text[:ITEM_BYTES].decode(errors="replace")
    return b'"item":%b,"item_bytes":%d' % (json.dumps(cut, ensure_ascii=False).encode(), len(text))


def _shown(item: object) -> str:
    """An item's repr, or its type where even that fails: a user's class may raise anything."""
    with suppress(BaseException):
        return repr(item).encode(errors="backslashreplace").decode()
    return f"<{type(item).__qualname__} object>"


def tail_of(envelope: Envelope) -> bytes:
    """What a record's tail says of an item, rendered once: the suffix of its id, NUL, the JSON members that show it."""
    tail = envelope.fragment
    if tail is None:
        tail = envelope.fragment = envelope.suffix.encode() + b"\0" + item_members(envelope.item)
    return tail


def mark(kind: int, head: int, flags: int = 0) -> int:
    """What a record of a whole number ends with, for `JournalWriter.log_number`: its last eight bytes as one number.

    Args:
        kind: PUT, GET, DONE or GET_DONE.
        head: As `runner.envelope.head` gives it: whose item it is, and which delivery.
        flags: 0 or NO_SECOND.
    """
    return head | flags << 48 | kind << 56


def allocate(file: int, start: int, size: int) -> None:
    """Make room in a file that is to be mapped; raises OSError where a store into the map would be a SIGBUS."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, start, size)
    else:
        os.ftruncate(file, start + size)


class JournalWriter:
    """Appends records; every method may raise OSError when the disk is full."""

    __slots__ = ("_base", "_fd", "_limit", "_map", "_position")

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        self._base = self._limit = self._position = 0
        self._map = self._mapped(_WINDOW)

    def _mapped(self, size: int) -> mmap.mmap:
        allocate(self._fd, self._base, size)
        self._limit = size
        self._position = 0
        return mmap.mmap(self._fd, size, offset=self._base)

    def log(self, kind: int, envelope: Envelope, instant: int, first: int, second: int | None) -> None:
        """Append one put, get or done.

        Args:
            kind: PUT, GET or DONE.
            envelope: The item it is about.
            instant: When the operation returned, ns of the monotonic clock.
            first: wait_ns of a put or get, service_ns of a done.
            second: late_ns, latency_ns or planned_ns; None is null in the log.
        """
        flags = 0
        if second is None:
            flags, second = NO_SECOND, 0
        item = envelope.item
        if item.__class__ is int and not envelope.suffix:
            position = self._position
            if position == self._limit:
                self._next_window(_SIZE)
                position = self._position
            try:
                _pack_into(
                    self._map, position, instant, first, second, envelope.seq, item,
                    envelope.producer, envelope.delivery, flags, kind,
                )  # fmt: skip
            except struct.error:
                pass  # more than 64 bits: it takes the way of all other items
            else:
                self._position = position + _SIZE
                return
        tail = tail_of(envelope)
        self._log_tail(
            tail,
            (instant, first, second, envelope.seq, len(tail),
             envelope.producer, envelope.delivery, flags | _TAIL, kind),
        )  # fmt: skip

    def log_number(self, mark: int, instant: int, first: int, second: int, seq: int, item: int) -> None:
        """Append one record of a whole number of 64 bits: what `log` does, for half the price.

        Args:
            mark: As the function `mark` gives it.
            instant: When the operation returned, ns of the monotonic clock.
            first: See `log`.
            second: See `log`; 0 where `mark` has NO_SECOND.
            seq: Of the item.
            item: The number.
        """
        position = self._position
        if position == self._limit:
            self._next_window(_SIZE)
            position = self._position
        _pack_number_into(self._map, position, instant, first, second, seq, item, mark)
        self._position = position + _SIZE

    def log_packed(self, kind: int, items: bytes, instant: int, wait: int) -> None:
        """Append the puts of one write or the gets of one read, for hardly more than one costs by itself.

        Args:
            kind: PUT, whose late_ns is null, or GET or GET_DONE, whose latency_ns counts from the beginning of the
                item's put.
            items: What they are about, each as `PACKED`.
            instant: When the operation returned, ns of the monotonic clock.
            wait: wait_ns of all of them.
        """
        self._log_tail(items, (instant, wait, 0, 0, len(items), 0, 0, _TAIL | _MANY, kind))

    def raw(self, instant: int, event: Mapping[str, Any]) -> None:
        """Append an event of any other kind, as JSON."""
        tail = json.dumps(event).encode()
        self._log_tail(tail, (instant, 0, 0, 0, len(tail), 0, 0, _TAIL, RAW))

    def _log_tail(self, tail: bytes, slot: Record) -> None:
        size = _SIZE * (1 + _slots(len(tail)))
        if self._position + size > self._limit:
            self._next_window(size)
        start = self._position + _SIZE
        self._map[start : start + len(tail)] = tail
        _SLOT.pack_into(self._map, self._position, *slot)
        self._position += size

    def _next_window(self, needed: int) -> None:
        unused = (self._limit - self._position) // _SIZE
        if unused:
            _SLOT.pack_into(self._map, self._position, 0, 0, 0, 0, unused - 1, 0, 0, 0, _PAD)
        self._base += self._limit
        size = max(min(2 * self._limit, _LARGEST_WINDOW), -(-needed // _WINDOW) * _WINDOW)
        self._map.close()
        self._map = self._mapped(size)

    def close(self) -> None:
        """Unmap and close the file."""
        self._map.close()
        os.close(self._fd)


class JournalReader:
    """Reads the records of one journal in order, also while it is being written."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._offset = 0

    def read(self, slots: int) -> list[Record]:
        """The next records, of at most some `slots`, one an event; empty where there are no more (yet)."""
        return apart(self.read_joined(slots))

    def read_joined(self, slots: int) -> list[Record]:
        """As `read`, but a get and its done may be one record, GET_DONE."""
        data = os.pread(self._fd, slots * _SIZE, self._offset)
        records, used = _parse(data[: len(data) // _SIZE * _SIZE])
        while not records and used:
            self._offset += used
            data = os.pread(self._fd, slots * _SIZE, self._offset)
            records, used = _parse(data[: len(data) // _SIZE * _SIZE])
        if not records and len(data) == slots * _SIZE and data[_SIZE - 1]:
            return self.read_joined(slots * 4)  # its tail may go on behind what was read
        self._offset += used
        return records

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def records_of(path: Path) -> Iterator[Record]:
    """All records of a journal whose writer is gone, in order; none where it never was."""
    try:
        reader = JournalReader(path)
    except FileNotFoundError:
        return
    try:
        while records := reader.read(_READ_AT_ONCE):
            yield from records
    finally:
        reader.close()


def apart(records: Sequence[Record]) -> list[Record]:
    """The records with a get and a done in the place of each GET_DONE; those of a batch never are one."""
    found: list[Record] = []
    for record in records:
        if record[8] == GET_DONE:
            found += ((*record[:8], GET), _done_with(record))
        else:
            found.append(record)
    return found


def suffix_of(record: Record) -> str:
    """What stages added to the id of a record's item."""
    return "" if record[4].__class__ is int else record[4].partition(b"\0")[0].decode()


def _parse(data: bytes) -> tuple[list[Record], int]:
    """The complete records at the head of `data`, and the bytes they take: more than it holds after a pad."""
    slots: list[Record] = list(_SLOT.iter_unpack(data))
    kinds, flags = data[_SIZE - 1 :: _SIZE], data[_SIZE - 2 :: _SIZE]
    records: list[Record] = []
    index = 0
    while index < len(slots):
        plain = min(_end(_NOT_HOT, kinds, index), _end(_WITH_TAIL, flags, index))
        records += slots[index:plain]
        index = plain
        if index == len(slots) or not kinds[index]:
            break
        length = slots[index][4]
        if kinds[index] == _PAD:
            index += 1 + length
            continue
        start, behind = (index + 1) * _SIZE, index + 1 + _slots(length)
        if behind > len(slots):
            break
        records += _behind(slots[index], data[start : start + length])
        index = behind
    return records, index * _SIZE


def _end(what: re.Pattern[bytes], column: bytes, start: int) -> int:
    """Where in a column such a byte comes next; its end where none does."""
    found = what.search(column, start)
    return len(column) if found is None else found.start()


def _behind(slot: Record, tail: bytes) -> list[Record]:
    """The records of a slot and its tail: one, or many that have all but the item in common, gets before dones."""
    instant, wait, *_, flags, kind = slot
    if not flags & _MANY:
        return [(*slot[:4], tail, *slot[5:])]
    if kind == PUT:
        return [
            (instant, wait, 0, seq, item, producer, delivery, NO_SECOND, kind)
            for producer, delivery, _, seq, _, item in PACKED.iter_unpack(tail)
        ]
    gets: list[Record] = [
        (instant, wait, instant - began, seq, item, producer, delivery, 0, GET)
        for producer, delivery, _, seq, began, item in PACKED.iter_unpack(tail)
    ]
    return gets if kind == GET else gets + [_done_with(get) for get in gets]


def _done_with(get: Record) -> Record:
    """The done of an item that is got without work to do: at the same instant, in no time, as planned."""
    return (get[0], 0, 0, *get[3:8], DONE)


def _slots(length: int) -> int:
    return -(-length // _SIZE)
