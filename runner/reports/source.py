"""Where a stored run is read from, and where what is made of it goes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.errors import LogError, UsageError
from runner.log import salvage, tolerant
from runner.log.rundir import MANIFEST, RunDir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.log.events import Event


@dataclass(frozen=True, slots=True)
class Source:
    """A run that can be read.

    Attributes:
        log: Its `events.jsonl`, or the folder of its journals.
        folder: What is made of it goes here.
        stored: Its run directory; None for a log that lies by itself.
        complaints: What was wrong with its lines, filled while the log is read.
    """

    log: Path
    folder: Path
    stored: RunDir | None
    complaints: list[str]

    def chunks(self) -> Iterator[list[Event]]:
        """The events in the order of the log, in lists; of a line that is no event there is a complaint.

        Raises:
            LogError: It cannot be read, or is no event log.
        """
        if self.log.is_dir():
            found = salvage.read_chunks(self.log)
            if (first := next(found, None)) is None:
                raise LogError(f"{self.log}: says nothing yet of how the run began")
            yield first
            yield from found
            return
        troubles = tolerant.Troubles()
        try:
            yield from tolerant.read_chunks(self.log, troubles)
        finally:
            self.complaints.extend(f"{self.log}: {trouble}" for trouble in troubles.of_lines())


def source(run: str | Path) -> Source:
    """The source that a run directory or an `events.jsonl` is.

    Raises:
        LogError: There is no event log.
    """
    path = Path(run)
    if path.is_dir():
        stored = RunDir(path.resolve())
        return Source(stored.log, stored.path, stored, [])
    if not path.is_file():
        raise LogError(f"{run}: no such run directory or event log")
    log = path.resolve()
    stored = RunDir(log.parent)
    belongs = log == stored.events and (log.parent / MANIFEST).is_file()
    return Source(log, log.parent, stored if belongs else None, [])


@contextlib.contextmanager
def whole_or_not_at_all(file: Path) -> Iterator[Path]:
    """A path to write to, which becomes `file` at the end, unless anything goes wrong before.

    Raises:
        UsageError: It cannot be written there.
    """
    new = file.with_name(f".{file.name}.new")
    try:
        yield new
        new.replace(file)
    except OSError as error:
        remedy = "choose another file with -o"
        raise UsageError(f"{file}: cannot be written: {error.strerror or error}; {remedy}") from error
    finally:
        with contextlib.suppress(OSError):
            new.unlink()
