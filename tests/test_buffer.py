"""What a journal in memory gives away, put together, is a journal."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from running import within

from runner.envelope import PACKED, Envelope
from runner.log.buffer import JournalBuffer
from runner.log.journal import DONE, GET, NO_SECOND, PUT, RAW, JournalWriter, Record, records_of

if TYPE_CHECKING:
    from pathlib import Path

items = st.one_of(
    st.integers(), st.text(max_size=300), st.none(), st.lists(st.integers(), max_size=30), st.just("x" * 200)
)
entries = st.lists(
    st.tuples(
        st.sampled_from([PUT, GET, DONE, RAW]), items, st.sampled_from(["", ".0", ".12.3"]), st.booleans(),
        st.booleans(),
    ),
    max_size=60,
)  # fmt: skip


def enter(journal: JournalWriter, entry: tuple[Any, ...], instant: int) -> None:
    kind, item, suffix, second, _ = entry
    if kind == RAW:
        journal.raw(instant, {"event": "error", "why": item})
    else:
        envelope = Envelope(1, 7, item, suffix=suffix)
        journal.log(kind, envelope, instant, 20, 30 if second else None)


def pieces(folder: Path, name: str, *taken: bytes) -> list[Record]:
    path = folder / name
    path.write_bytes(b"".join(taken))
    records = list(records_of(path))
    path.unlink()
    return records


@given(written=entries, times=st.sampled_from([1, 2, 60]), shift=st.integers(-(2**40), 2**40))
def test_it_is_what_a_journal_in_a_file_would_be(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[Any, ...]], times: int, shift: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    buffer, taken = JournalBuffer(shift), []
    (folder / "file").unlink(missing_ok=True)
    writer = JournalWriter(folder / "file")
    for instant, entry in enumerate(written * times):
        enter(buffer, entry, instant)
        enter(writer, entry, instant + shift)
        if entry[4]:
            taken.append(buffer.take())
    writer.close()
    assert buffer.has_more == bool(last := buffer.take())
    assert pieces(folder, "pieces", *taken, last) == list(records_of(folder / "file"))
    assert not buffer.has_more
    assert buffer.take() == b""


def test_every_piece_is_of_whole_records(tmp_path: Path) -> None:
    buffer = JournalBuffer()
    for instant in range(1500):
        enter(buffer, (PUT, "x" * (instant % 200), ".1", True, True), instant)
        [record] = pieces(tmp_path, "piece", buffer.take())
        assert record[0] == instant


def test_a_window_is_used_to_its_end(tmp_path: Path) -> None:
    """A number that finds no room left is a number all the same in the next window."""
    buffer = JournalBuffer()
    for instant in range(5000):
        buffer.log(PUT, Envelope(0, instant, instant), instant, 0, None)
    records = pieces(tmp_path, "journal", buffer.take())
    assert records == [(n, 0, 0, n, n, 0, 1, NO_SECOND, PUT) for n in range(5000)]


@pytest.mark.parametrize("size", [1, 47, 48, 49, 48 * 1023, 48 * 1024, 48 * 1024 + 1, 1 << 17, 1 << 22])
def test_a_tail_may_be_longer_than_a_window(size: int, tmp_path: Path) -> None:
    buffer = JournalBuffer(100)
    buffer.log(PUT, Envelope(0, 0, 0), 1, 0, None)
    buffer.raw(2, {"event": "error", "traceback": "t" * size})
    buffer.log(PUT, Envelope(0, 1, 1), 3, 0, None)
    first, second, third = pieces(tmp_path, "journal", buffer.take())
    assert (first[0], second[0], third[0]) == (101, 102, 103)
    assert len(json.loads(second[4])["traceback"]) == size


def test_whoever_takes_meanwhile_misses_nothing(tmp_path: Path) -> None:
    """One thread logs, two others take: each piece is whole, and together they are all."""
    buffer, count = JournalBuffer(), 60_000
    taken: list[bytes] = []
    lock, over = threading.Lock(), threading.Event()

    def take() -> None:
        while not over.is_set():
            with lock:
                taken.append(buffer.take())

    threads = [threading.Thread(target=take) for _ in range(2)]
    with within(60):
        for thread in threads:
            thread.start()
        for n in range(count):
            buffer.log(PUT, Envelope(0, n, n if n % 7 else "x" * (n % 300)), n, 0, None)
        over.set()
        for thread in threads:
            thread.join()
    taken.append(buffer.take())
    assert len([piece for piece in taken if piece]) > 5
    assert [record[0] for record in pieces(tmp_path, "journal", *taken)] == list(range(count))


def test_what_is_packed_is_translated_by_whoever_packs_it(tmp_path: Path) -> None:
    """Only the instant of the operation is of this node's clock."""
    packed = PACKED.pack(1, 2, 0, 3, 1_050, 7) + PACKED.pack(1, 1, 0, 4, 1_060, 8)
    buffer = JournalBuffer(1000)
    buffer.log_packed(PUT, packed, 80, 20)
    buffer.log_packed(GET, packed, 90, 5)
    assert pieces(tmp_path, "journal", buffer.take()) == [
        (1080, 20, 0, 3, 7, 1, 2, NO_SECOND, PUT), (1080, 20, 0, 4, 8, 1, 1, NO_SECOND, PUT),
        (1090, 5, 40, 3, 7, 1, 2, 0, GET), (1090, 5, 30, 4, 8, 1, 1, 0, GET),
    ]  # fmt: skip
