"""A journal gives back what was written, in order, and never a part of a record."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from running import within

from runner.envelope import Envelope, head, packed
from runner.log.journal import (
    DONE,
    GET,
    GET_DONE,
    ITEM_BYTES,
    NO_SECOND,
    PUT,
    RAW,
    Clock,
    JournalReader,
    JournalWriter,
    Record,
    item_members,
    mark,
)

if TYPE_CHECKING:
    from pathlib import Path

SLOT = 48


def envelope(item: Any, *, producer: int = 1, seq: int = 7, suffix: str = "", delivery: int = 1) -> Envelope:
    return Envelope(producer=producer, seq=seq, item=item, suffix=suffix, delivery=delivery)


def read_all(path: Path, slots: int = 1000) -> list[Record]:
    reader = JournalReader(path)
    try:
        records: list[Record] = []
        while more := reader.read(slots):
            records += more
        return records
    finally:
        reader.close()


def shown(record: Record) -> tuple[str, Any]:
    """Suffix and item of a record, as the log will show them."""
    if record[4].__class__ is int:
        return "", record[4]
    suffix, _, members = record[4].partition(b"\0")
    return suffix.decode(), json.loads(b"{" + members + b"}")["item"]


def test_a_record_holds_every_figure(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "j")
    writer.log(PUT, envelope(5, producer=3, seq=9, delivery=2), 1000, 20, None)
    writer.log(GET, envelope(-(2**63)), 1001, 21, 22)
    writer.log(DONE, envelope(2**63 - 1), 1002, 23, 0)
    writer.raw(1003, {"event": "error", "why": "é"})
    writer.close()
    first, second, third, fourth = read_all(tmp_path / "j")
    assert first == (1000, 20, 0, 9, 5, 3, 2, NO_SECOND, PUT)
    assert second == (1001, 21, 22, 7, -(2**63), 1, 1, 0, GET)
    assert third == (1002, 23, 0, 7, 2**63 - 1, 1, 1, 0, DONE)
    assert (fourth[0], fourth[8], json.loads(fourth[4])) == (1003, RAW, {"event": "error", "why": "é"})


items = st.one_of(st.integers(), st.text(max_size=400), st.none(), st.booleans(), st.lists(st.integers(), max_size=30))
entries = st.lists(
    st.tuples(st.sampled_from([PUT, GET, DONE]), items, st.sampled_from(["", ".0", ".12.3"]), st.booleans()),
    max_size=60,
)


@given(written=entries, times=st.integers(1, 20), slots=st.integers(1, 40))
def test_what_is_read_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[int, Any, str, bool]], times: int, slots: int
) -> None:
    """Over several windows, with pads between them, whatever the size of a read."""
    path = tmp_path_factory.mktemp("journal") / "j"
    writer = JournalWriter(path)
    expected = []
    for instant, (kind, item, suffix, null) in enumerate(written * times):
        writer.log(kind, envelope(item, suffix=suffix), instant, 1, None if null else 2)
        text = json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()
        value = item if len(text) <= ITEM_BYTES else text[:ITEM_BYTES].decode(errors="replace")
        expected.append((instant, kind, suffix, value, null))
    writer.close()
    found = [(r[0], r[8], *shown(r), bool(r[7] & NO_SECOND)) for r in read_all(path, slots)]
    assert found == expected


@pytest.mark.parametrize("size", [100, 12_000, 12_288, 30_000, 1_500_000])
def test_a_tail_may_be_larger_than_a_window_and_than_a_read(size: int, tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "j")
    for instant in range(3):
        writer.log(PUT, envelope(instant), instant, 0, None)
        writer.raw(instant, {"event": "error", "traceback": "x" * size})
    writer.close()
    records = read_all(tmp_path / "j", 4)
    assert [record[8] for record in records] == [PUT, RAW] * 3
    assert all(len(json.loads(record[4])["traceback"]) == size for record in records[1::2])


def written(path: Path) -> list[Record]:
    """A journal of some records of every sort; gives what a reader sees of it."""
    writer = JournalWriter(path)
    for instant in range(4):
        writer.log(PUT, envelope(instant), instant, 0, None)
        writer.log(GET, envelope("text" * 20, suffix=".1"), instant, 0, 1)
    writer.log_packed(PUT, many(3), 9, 0)
    writer.log(DONE, envelope(4), 9, 0, 1)
    writer.log_number(mark(GET_DONE, head(1, 1)), 10, 3, 4, 5, 6)
    writer.log_packed(GET_DONE, many(2), 11, 0)
    writer.log(DONE, envelope(4), 12, 0, 1)
    writer.close()
    return read_all(path)


def many(count: int) -> bytes:
    content = packed([envelope(item) for item in range(count)])
    assert content is not None
    return content


@pytest.mark.parametrize("slots", [1, 7, 1000])
def test_the_items_of_one_write_or_read_come_out_one_by_one(slots: int, tmp_path: Path) -> None:
    """As if each had been logged by itself, through pads and windows; only all of them are there, or none is."""
    single, together = JournalWriter(tmp_path / "single"), JournalWriter(tmp_path / "together")
    for instant in range(200):
        batch = [
            envelope(7 - item, seq=item, producer=item % 5, delivery=1 + item % 2) for item in range(instant % 129)
        ]
        for one in batch:
            one.began = instant - one.seq
            single.log(PUT, one, instant, 5, None)
        for one in batch:
            single.log(GET, one, instant, 6, one.seq)
        content = packed(batch)
        assert content is not None
        for one in batch:
            single.log(GET, one, instant, 7, one.seq)
        for one in batch:
            single.log(DONE, one, instant, 0, 0)
        for kind, wait in ((PUT, 5), (GET, 6), (GET_DONE, 7)) if batch else ():
            together.log_packed(kind, content, instant, wait)
        for writer in (single, together):
            writer.log(DONE, envelope("text" if instant % 3 else instant), instant, 0, 0)
    single.close()
    together.close()
    assert read_all(tmp_path / "together", slots) == read_all(tmp_path / "single")


NUMBERS = st.integers(-(2**63), 2**63 - 1)


@given(
    written=st.lists(
        st.tuples(st.sampled_from([PUT, GET, DONE]), NUMBERS, NUMBERS, NUMBERS, st.integers(0, 2**63 - 1), NUMBERS),
        max_size=600,
    ),
    producer=st.integers(0, 2**32 - 1),
    delivery=st.integers(1, 2**16 - 1),
    flags=st.sampled_from([0, NO_SECOND]),
)
def test_a_number_is_logged_as_its_envelope_would_be(
    tmp_path_factory: pytest.TempPathFactory,
    written: list[tuple[int, int, int, int, int, int]],
    producer: int,
    delivery: int,
    flags: int,
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    one, other = JournalWriter(folder / "one"), JournalWriter(folder / "other")
    for kind, instant, first, second, seq, item in written:
        null = bool(flags)
        one.log_number(mark(kind, head(producer, delivery), flags), instant, first, 0 if null else second, seq, item)
        known = envelope(item, producer=producer, seq=seq, delivery=delivery)
        other.log(kind, known, instant, first, None if null else second)
    one.close()
    other.close()
    assert (folder / "one").read_bytes() == (folder / "other").read_bytes()


def test_a_get_and_its_done_are_one_record_and_come_out_as_two(tmp_path: Path) -> None:
    """Work that is nothing is done at the instant at which the item is got, in no time, as it was planned."""
    writer = JournalWriter(tmp_path / "j")
    writer.log_number(mark(GET_DONE, head(3, 2)), 1000, 20, 30, 9, -5)
    writer.close()
    assert read_all(tmp_path / "j") == [(1000, 20, 30, 9, -5, 3, 2, 0, GET), (1000, 0, 0, 9, -5, 3, 2, 0, DONE)]
    reader = JournalReader(tmp_path / "j")
    assert reader.read_joined(10) == [(1000, 20, 30, 9, -5, 3, 2, 0, GET_DONE)]
    reader.close()


def test_a_file_cut_at_any_byte_gives_a_prefix(tmp_path: Path) -> None:
    """As a copy that was broken off may be."""
    complete = written(tmp_path / "j")
    torn = [9, 10, 13, 15, 16, 17]  # records, of the three of one write, of a get with its done, of two such
    data = (tmp_path / "j").read_bytes().rstrip(b"\0")
    with within(30):
        for length in range(len(data)):
            (tmp_path / "cut").write_bytes(data[:length])
            for slots in (1, 1000):
                found = read_all(tmp_path / "cut", slots)
                assert found == complete[: len(found)]
                assert len(found) < len(complete)
                assert len(found) not in torn


def test_a_record_without_its_kind_is_not_there_yet(tmp_path: Path) -> None:
    complete = written(tmp_path / "j")
    data = bytearray((tmp_path / "j").read_bytes())
    place = 0
    for count, record in enumerate(complete[:8]):
        torn = bytearray(data)
        torn[place + SLOT - 1] = 0
        (tmp_path / "torn").write_bytes(torn)
        assert read_all(tmp_path / "torn") == complete[:count]
        place += SLOT * (1 if record[4].__class__ is int else 1 - -len(record[4]) // SLOT)


def test_a_reader_that_follows_sees_every_record_once_and_whole(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "j")
    total = 30_000

    def write() -> None:
        for instant in range(total):
            item: Any = instant if instant % 3 else "x" * (instant % 100)
            writer.log(PUT, envelope(item, suffix="" if instant % 5 else ".0"), instant, 0, None)

    thread = threading.Thread(target=write)
    reader = JournalReader(tmp_path / "j")
    thread.start()
    seen: list[Record] = []
    with within(60):
        while len(seen) < total:
            seen += reader.read(64)
    thread.join()
    writer.close()
    assert reader.read(64) == []
    reader.close()
    assert [record[0] for record in seen] == list(range(total))
    assert all(shown(r)[1] == (r[0] if r[0] % 3 else "x" * (r[0] % 100)) for r in seen)


def test_a_journal_belongs_to_one_incarnation(tmp_path: Path) -> None:
    JournalWriter(tmp_path / "j").close()
    with pytest.raises(FileExistsError):
        JournalWriter(tmp_path / "j")


def test_the_clock_comes_back(tmp_path: Path) -> None:
    Clock(123, 456).save(tmp_path)
    assert Clock.load(tmp_path) == Clock(123, 456)
    with pytest.raises(OSError, match="clock"):
        Clock.load(tmp_path / "nowhere")


class Broken:
    """A class whose text cannot be had."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")


class Surrogate:
    """A class whose text cannot be written."""

    def __repr__(self) -> str:
        return "\ud800"


class BrokenDict(dict[str, int]):
    """What passes for a map and is none."""

    def items(self) -> Any:
        raise RuntimeError("no items")


def recursive() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


def deep() -> list[Any]:
    made: list[Any] = []
    for _ in range(100_000):
        made = [made]
    return made


@pytest.mark.parametrize(
    ("item", "value"),
    [
        (None, None),
        (True, True),
        (2**70, 2**70),
        (0.5, 0.5),
        ('é\n"', 'é\n"'),
        ([1, {"k": [None]}], [1, {"k": [None]}]),
        (float("nan"), "nan"),
        ([float("inf")], "[inf]"),
        (b"\xff", "b'\\xff'"),
        ({1, 2}, "{1, 2}"),
        ("\ud800", "'\\ud800'"),
        (Broken(), "<Broken object>"),
        (recursive(), "[[...]]"),
    ],
)
def test_an_item_is_logged_as_its_json_value_or_its_repr(item: object, value: object) -> None:
    assert json.loads(b"{" + item_members(item) + b"}") == {"item": value}


@pytest.mark.parametrize("item", [Surrogate(), BrokenDict(a=1), deep(), 10**5000], ids=lambda item: type(item).__name__)
def test_no_item_is_too_odd_to_be_logged(item: object) -> None:
    members = item_members(item)
    assert isinstance(json.loads(b"{" + members + b"}")["item"], str)
    assert msgspec.json.decode(b"{" + members + b"}")  # which reads no lone surrogate, escaped or not


@given(st.text(min_size=ITEM_BYTES - 10, max_size=ITEM_BYTES + 10))
def test_more_than_256_bytes_are_cut_and_counted(text: str) -> None:
    whole = json.dumps(text, ensure_ascii=False).encode()
    found = json.loads(b"{" + item_members(text) + b"}")
    if len(whole) <= ITEM_BYTES:
        assert found == {"item": text}
    else:
        assert found == {"item": whole[:ITEM_BYTES].decode(errors="replace"), "item_bytes": len(whole)}
