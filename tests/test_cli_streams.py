"""Writing to a reader that is slow, gone, or was never there."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from runner.cli.streams import Outlet, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Pipe:
    """Both ends of a pipe; an end that was closed is None."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()

    def close_read(self) -> None:
        os.close(self.read)
        self.read = -1

    def close(self) -> None:
        for end in (self.read, self.write):
            if end >= 0:
                os.close(end)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def test_what_is_offered_arrives_in_order(pipe: Pipe) -> None:
    outlet = Outlet(pipe.write)
    outlet.offer(b"one ")
    outlet.offer(b"two")
    assert outlet.flush()
    outlet.close()
    assert os.read(pipe.read, 100) == b"one two"


def test_a_full_pipe_blocks_nobody_and_loses_nothing(pipe: Pipe) -> None:
    outlet = Outlet(pipe.write)
    data = bytes(range(256)) * 1000
    outlet.offer(data)
    assert not outlet.flush()
    assert not outlet.closed
    received = b""
    while not outlet.flush():
        received += os.read(pipe.read, 10_000)
    outlet.close()
    os.close(pipe.write)
    pipe.write = -1
    while piece := os.read(pipe.read, 100_000):
        received += piece
    assert received == data


def test_the_given_descriptor_stays_a_blocking_one(pipe: Pipe) -> None:
    Outlet(pipe.write).close()
    assert os.get_blocking(pipe.write)


def test_draining_waits_for_a_slow_reader(pipe: Pipe) -> None:
    outlet = Outlet(pipe.write)
    outlet.offer(bytes(300_000))
    received: list[int] = []

    def read() -> None:
        while sum(received) < 300_000:
            received.append(len(os.read(pipe.read, 1000)))

    reader = threading.Thread(target=read)
    reader.start()
    outlet.drain()
    reader.join(10)
    outlet.close()
    assert sum(received) == 300_000


@pytest.mark.parametrize("while_waiting", [False, True])
def test_a_reader_that_is_gone_ends_the_writing_quietly(pipe: Pipe, while_waiting: bool) -> None:
    outlet = Outlet(pipe.write)
    if while_waiting:
        outlet.offer(bytes(300_000))
        assert not outlet.flush()
    pipe.close_read()
    outlet.offer(b"more")
    outlet.drain()
    assert outlet.closed
    outlet.offer(b"and more")
    assert outlet.flush()
    outlet.close()


def test_a_file_is_written_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with path.open("wb", buffering=0) as file:
        file.write(b"before ")
        outlet = Outlet(file.fileno())
        outlet.offer(b"after")
        outlet.drain()
        outlet.close()
    assert path.read_bytes() == b"before after"


def test_a_closed_stderr_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = (tmp_path / "err").open("w")
    file.close()
    monkeypatch.setattr("sys.stderr", file)
    say("nobody hears this")
