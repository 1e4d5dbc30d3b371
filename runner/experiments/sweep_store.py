"""A sweep's folder: what it is to run, and one row for each run that has ended.

    sweep.json    the manifest: axes, cells, repeats, where and when; written before the first run
    sweep.jsonl   a row for each run, appended as it ends; each with a check that chains it to the one before
    sweep.csv     the same as a table, made again from the rows whenever the sweep ends or goes on
    runs/         the run directories, where runs are stored

Whoever is killed leaves a torn last line at most, which is cut. A lock, which the kernel drops with its holder, keeps
two processes from running one sweep at once.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from runner.errors import LogError, StoreError, UsageError
from runner.experiments.drifts import drifts
from runner.experiments.sweep_figures import SweepFigures
from runner.experiments.sweep_plan import Slot
from runner.experiments.sweep_rows import ROWS, Row, Rows, as_csv, columns, fields, line_of
from runner.log.rundir import SWEEP as MANIFEST
from runner.log.rundir import RunDir, plain_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.experiments.sweep_plan import SweepPlan

TABLE: Final = "sweep.csv"
RUNS: Final = "runs"
LOCK: Final = ".lock"
SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class StoredSweep:
    """What a sweep's folder holds.

    Attributes:
        folder: Where it is.
        manifest: The content of sweep.json.
        rows: Of the runs that have ended, in the order of their ends.
        faults: What is not as mprun left it, a sentence each.
    """

    folder: Path
    manifest: Mapping[str, Any]
    rows: tuple[Row, ...]
    faults: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of the sweep's runs, those that have not ended included."""
        return len(self.manifest["cells"]) * int(self.manifest["repeat"])

    @property
    def figures(self) -> SweepFigures:
        """What its rows say, in medians and intervals."""
        return SweepFigures(self.manifest["axes"], [cell["settings"] for cell in self.manifest["cells"]], self.rows)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data, ready for JSON."""
        known = {key: self.manifest[key] for key in ("name", "digest", "axes")}
        return {
            "folder": str(self.folder),
            **known,
            "cells": [cell["settings"] for cell in self.manifest["cells"]],
            "size": self.size,
            "finished": len(self.rows) == self.size,
            "faults": list(self.faults),
            "rows": [row.to_dict() for row in sorted(self.rows, key=lambda row: row.slot)],
        }


def folder_name(plan: SweepPlan) -> str:
    """`<name>-<8 hex of its digest>`."""
    return f"{plain_name(plan.name)}-{plan.digest[:8]}"


def read_sweep(folder: str | Path) -> StoredSweep:
    """Read a sweep's folder, whether the sweep goes on or not.

    Raises:
        LogError: It is none, or cannot be read.
    """
    path = Path(folder)
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        digest, *_ = manifest["digest"], manifest["name"], manifest["axes"]
        settings = [cell["settings"] for cell in manifest["cells"]]
    except FileNotFoundError:
        raise LogError(f"{path}: has no {MANIFEST}; is it the folder of a sweep?") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LogError(f"{path / MANIFEST}: cannot be read: {error!r}") from error
    rows = Rows(digest, [Slot(c, r) for c in range(len(settings)) for r in range(manifest["repeat"])])
    with contextlib.suppress(FileNotFoundError):
        rows.take((path / ROWS).read_bytes())
    return StoredSweep(path, manifest, tuple(rows.rows), (*_faults(manifest), *rows.faults))


def _faults(manifest: Mapping[str, Any]) -> list[str]:
    return [] if manifest.get("check") == _check_of(manifest) else [f"{MANIFEST} was changed by hand"]


def _check_of(manifest: Mapping[str, Any]) -> str:
    text = json.dumps({key: value for key, value in manifest.items() if key != "check"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class SweepDir:
    """The folder of a sweep that is run, locked; a context manager.

    Attributes:
        path: The folder.
        rows: Of the runs that have ended.
        faults: What was not as mprun left it.
        drifts: What is not as it was when the rows that are there were begun, such as versions or the host.
    """

    def __init__(self, out: Path, plan: SweepPlan, facts: Mapping[str, Any], *, fresh: bool) -> None:
        self.path = (out / folder_name(plan)).absolute()
        self.rows: list[Row] = []
        self._axes = plan.axes
        self._file = self._lock = -1
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self.path)
            if fresh:
                _emptied(self.path)
            if not (self.path / MANIFEST).is_file():
                self._write_manifest(plan, facts)
            stored = read_sweep(self.path).manifest
            self.faults = (*_faults(stored), *self._open(plan))
            self.drifts = tuple(drifts(stored, facts)) if self.rows else ()
            self.write_table()
        except OSError as error:
            self.close()
            problem = f"{self.path}: {error.strerror or error}"
            raise UsageError(f"{problem}; choose another folder with --out") from error
        except BaseException:
            self.close()
            raise

    def _write_manifest(self, plan: SweepPlan, facts: Mapping[str, Any]) -> None:
        content: dict[str, Any] = {
            "schema": SCHEMA,
            "name": plan.name,
            "description": plan.description,
            "digest": plan.digest,
            "axes": list(plan.axes),
            "repeat": plan.repeat,
            "order": plan.order,
            "cells": [{"settings": dict(cell.settings), "experiment": dict(cell.experiment)} for cell in plan.cells],
            **facts,
        }
        content = json.loads(json.dumps(content))
        RunDir(self.path).write_json(MANIFEST, {**content, "check": _check_of(content)})

    def _open(self, plan: SweepPlan) -> list[str]:
        """Read the rows there are, cut a torn last line off, and get ready to append; returns what is wrong there."""
        self._file = os.open(self.path / ROWS, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        found = Rows(plan.digest, plan.slots())
        with open(self._file, "rb", closefd=False) as file:
            found.take(file.read())
        os.ftruncate(self._file, found.size)
        self.rows, self._last = found.rows, found.last
        return found.faults

    def append(self, row: Row) -> None:
        """Store a row; raises StoreError."""
        line, check = line_of(row, self._last)
        try:
            self._write(line)
            self._last = check
            self.rows.append(row)
            self._append_to_table(row)
        except OSError as error:
            remedy = "make room there, then start the sweep again: it goes on"
            raise StoreError(f"{self.path}: {error.strerror or error}; {remedy}") from error

    def _write(self, line: bytes) -> None:
        """Write a whole line or nothing of it."""
        end = os.fstat(self._file).st_size
        if os.write(self._file, line) != len(line):
            os.ftruncate(self._file, end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write_table(self) -> None:
        """Write sweep.csv anew, ordered by cell and repeat; raises OSError."""
        rows = sorted(self.rows, key=lambda row: row.slot)
        self._columns = columns(self._axes, rows)
        RunDir(self.path).write(TABLE, as_csv([self._columns, *(fields(row, self._columns) for row in rows)]))

    def _append_to_table(self, row: Row) -> None:
        if set(row.metrics) - set(self._columns):
            self.write_table()
            return
        with (self.path / TABLE).open("a", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.write(as_csv([fields(row, self._columns)]))

    def close(self) -> None:
        """Let go of the files and of the lock."""
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _locked(folder: Path) -> int:
    """A descriptor that holds the folder's lock; raises UsageError where somebody else has it."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise UsageError(f"{folder}: this sweep goes on in another process") from None
    return descriptor


def _emptied(folder: Path) -> None:
    for name in (ROWS, TABLE, MANIFEST):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / RUNS, ignore_errors=True)
