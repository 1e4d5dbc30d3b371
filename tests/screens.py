"""Terminals for tests: a pseudo-terminal, and an emulator that shows what was written to it."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import termios
from typing import TYPE_CHECKING, Any

import pyte
from running import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CLEARED = b"\r\x1b[J"
"""What a display ends with."""


class Screen(pyte.Screen):
    """Counts what a display must not do: write beyond the last column."""

    wrapped = 0

    def draw(self, data: str) -> None:
        for character in data:
            self.wrapped += self.cursor.x >= self.columns
            super().draw(character)

    @property
    def lines_shown(self) -> list[str]:
        return [line.rstrip() for line in self.display if line.strip()]

    @property
    def colored(self) -> bool:
        cells = (cell for line in self.buffer.values() for cell in line.values())
        return any(cell.fg != "default" or cell.bold for cell in cells)


class Emulated:
    """A pseudo-terminal of a size, and the screen of whoever looks at it.

    Attributes:
        screen: What is to be seen.
        written: All bytes written so far.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self.master, self.slave = pty.openpty()
        self.written = b""
        self.screen = Screen(columns, rows)
        self._stream: Any = pyte.ByteStream(self.screen)
        os.set_blocking(self.master, False)
        self.resize(columns, rows)

    def resize(self, columns: int, rows: int) -> None:
        termios.tcsetwinsize(self.slave, (rows, columns))
        self.screen.resize(rows, columns)

    def feed(self, data: bytes) -> None:
        """Show this, as if somebody had written it."""
        self._stream.feed(data)

    def look(self) -> list[str]:
        """Show what has been written; the lines that are not empty."""
        with contextlib.suppress(BlockingIOError, OSError):
            while data := os.read(self.master, 65536):
                self.written += data
                self.feed(data)
        return self.screen.lines_shown

    def close(self) -> None:
        for end in (self.master, self.slave):
            with contextlib.suppress(OSError):
                os.close(end)


def run_on(terminal: Emulated, folder: Path, *arguments: str, **environment: str) -> int:
    """Run the command with the terminal as its stderr, and a file as its stdout; returns its exit code.

    What it writes is collected and not yet shown.
    """
    os.set_blocking(terminal.master, True)
    with (folder / "stdout").open("wb") as stdout:
        process = subprocess.Popen(
            [sys.executable, "-m", "runner", *arguments], cwd=folder, stdout=stdout, stderr=terminal.slave,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", **environment},
        )  # fmt: skip
    os.close(terminal.slave)
    with contextlib.suppress(OSError):  # once nobody has the other end
        while data := os.read(terminal.master, 65536):
            terminal.written += data
    return process.wait(60)
