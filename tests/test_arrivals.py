"""Journals that arrive in pieces are written once, whatever arrives twice."""

from __future__ import annotations

import errno
import os
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.log.arrivals import Arrivals

if TYPE_CHECKING:
    from pathlib import Path

DATA = bytes(range(256)) * 3


@settings(max_examples=30)
@given(cuts=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 400)), max_size=20), last=st.integers(0, len(DATA)))
def test_pieces_may_overlap(tmp_path_factory: pytest.TempPathFactory, cuts: list[tuple[int, int]], last: int) -> None:
    """Each begins at or before the end of what is there, and is of the same journal."""
    folder = tmp_path_factory.mktemp("arrivals")
    there = 0
    with closing(Arrivals(folder)) as arrivals:
        for back, length in cuts:
            start = max(0, there - back)
            arrivals.write("c-0", 1, start, DATA[start : start + length])
            there = max(there, min(len(DATA), start + length))
        arrivals.write("c-0", 1, 0, DATA[:last])
    assert (folder / "c-0.1.journal").read_bytes() == DATA[: max(there, last)]


def test_each_incarnation_has_its_own(tmp_path: Path) -> None:
    with closing(Arrivals(tmp_path)) as arrivals:
        arrivals.write("c-0", 1, 0, b"one")
        arrivals.write("c-0", 2, 0, b"two")
        arrivals.write("c-1", 1, 0, b"other")
        arrivals.write("c-0", 1, 3, b"!")
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert found == {"c-0.1.journal": b"one!", "c-0.2.journal": b"two", "c-1.1.journal": b"other"}


def test_a_hole_is_no_journal(tmp_path: Path) -> None:
    with closing(Arrivals(tmp_path)) as arrivals, pytest.raises(AssertionError, match="nobody has records 0 to 5"):
        arrivals.write("c-0", 1, 5, b"x")


def test_a_full_disk_is_said_and_nothing_is_taken_for_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = [2]

    def write(file: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = min(room[0], len(data))
        room[0] -= count
        return real(file, data[:count])

    real = os.write
    with closing(Arrivals(tmp_path)) as arrivals:
        monkeypatch.setattr(os, "write", write)
        with pytest.raises(OSError, match="No space left"):
            arrivals.write("c-0", 1, 0, b"abc")
        room[0] = 100
        arrivals.write("c-0", 1, 0, b"abcd")
    assert (tmp_path / "c-0.1.journal").read_bytes() == b"abcd"
