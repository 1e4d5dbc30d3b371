"""Analysing ahead gives what analysing afterwards gives, however the log grows and whatever becomes of the process."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest
from logs import Topology, legal_log, text_of

from runner.analysis.ahead import Ahead
from runner.analysis.analyse import analyse
from runner.errors import LogError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process


def good_log(items: int) -> bytes:
    return text_of(legal_log(Topology(items=items))).encode()


def written(path: Path, text: bytes, pieces: int) -> None:
    """Append a text in pieces that end anywhere."""
    size = -(-len(text) // pieces)
    with path.open("ab", buffering=0) as file:
        for start in range(0, len(text), size):
            file.write(text[start : start + size])


@pytest.mark.parametrize("pieces", [1, 7, 400])
def test_a_log_that_grows_gives_the_same_figures(pieces: int, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.touch()
    with Ahead(path, worth_it=True) as ahead:
        written(path, good_log(200), pieces)
        found = ahead.result()
    assert found == analyse(path)
    assert found[1].valid is True


def test_where_the_process_dies_this_one_analyses(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(good_log(5))
    with Ahead(path, worth_it=True) as ahead:
        if ahead._child:
            os.kill(ahead._child, signal.SIGKILL)
        assert ahead.result() == analyse(path)


def test_no_process_is_forked_beside_other_threads(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(good_log(5))
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    try:
        with Ahead(path, worth_it=True) as ahead:
            assert not ahead._child
            assert ahead.result() == analyse(path)
    finally:
        go.set()
        thread.join()


def test_what_is_no_log_is_said_by_this_process(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"nothing\n")
    with Ahead(path, worth_it=True) as ahead, pytest.raises(LogError, match="is no mprun event log"):
        ahead.result()
