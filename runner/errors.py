"""What can go wrong before or outside a run, and the exit code each means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class ExitCode(IntEnum):
    """Exit codes of the command line; a signal exits with 128 + its number."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNMET = 3
    INTERNAL = 70
    SIGHUP = 129
    SIGINT = 130
    SIGTERM = 143


def strongest(codes: Iterable[int]) -> int:
    """Of several exit codes the one that counts: 70, a signal, 1 (and 2, of what could not start), 3, 0."""
    return max(codes, key=_strength, default=ExitCode.OK)


def _strength(code: int) -> int:
    order = (ExitCode.OK, ExitCode.UNMET, ExitCode.USAGE, ExitCode.FAILED)
    if code == ExitCode.INTERNAL:
        return len(order) + 1
    return order.index(ExitCode(code)) if code in order else len(order)


class MprunError(Exception):
    """A failure the user is told about in one line each, without a traceback."""

    exit_code: ExitCode = ExitCode.INTERNAL


class UsageError(MprunError):
    """The command line or a call asks for something that cannot be; nothing was started."""

    exit_code = ExitCode.USAGE


class LogError(MprunError):
    """There is no event log where one was expected, or it cannot be read as one."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a config; as text it is one line, whatever stands in the config.

    Attributes:
        source: The file as the user named it, `<stdin>`, `--set`, `--out`, …
        line: Line in `source`, from 1; None where there is no text to point at.
        column: Column in that line, from 1; None likewise.
        path: Dotted path of the key (`producers.produce.count`); empty for the whole file.
        message: What is wrong and what is allowed.
    """

    source: str
    line: int | None
    column: int | None
    path: str
    message: str

    def __str__(self) -> str:
        position = "" if self.line is None else f":{self.line}:{self.column}"
        path = f"{self.path}: " if self.path else ""
        line = f"{self.source}{position}: {path}{self.message}"
        # Names and paths come from configs: they may hold line breaks, and what a terminal takes for orders.
        return line if line.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


class ConfigError(UsageError):
    """A config cannot be run; holds every problem found, in the order of the file."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Interrupted(MprunError):  # noqa: N818 - what was, not what is wrong
    """A signal ended what several simulations or runs were to answer."""

    def __init__(self, exit_code: int, reason: str) -> None:
        super().__init__(reason)
        self.exit_code = ExitCode(exit_code)


class StoreError(MprunError):
    """The run directory can no longer be written to."""

    exit_code = ExitCode.FAILED
