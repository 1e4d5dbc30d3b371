"""The run directory: made once, never overwritten, complete whatever happens to the run."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner.errors import ConfigError, LogError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG: Final = "config.yaml"
MANIFEST: Final = "manifest.json"
EVENTS: Final = "events.jsonl"
SUMMARY: Final = "summary.json"
DEPTHS: Final = "depths.json"
JOURNALS: Final = "journals"
LATEST: Final = "latest"
SWEEP: Final = "sweep.json"
"""The manifest of a sweep, in whose folder there is none of a run."""

_LONGEST_NAME: Final = 100
"""Bytes of a run's name in its folder's, which may have 255."""

_LONGEST_END: Final = 1 << 20
"""Bytes that a log's last line may have."""


class RunDir:
    """One run's folder and what lies in it.

    Attributes:
        path: The folder, absolute.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        """The run's name: its folder's."""
        return self.path.name

    @property
    def events(self) -> Path:
        """The event log."""
        return self.path / EVENTS

    @property
    def journals(self) -> Path:
        """Where the workers write while the run goes on."""
        return self.path / JOURNALS

    @property
    def log(self) -> Path:
        """The event log; while the run goes on, and where its supervisor was killed, the folder of the journals.

        Raises:
            LogError: There is neither.
        """
        if self.journals.is_dir() and not _is_finished(self.events):
            return self.journals
        if self.events.exists():
            return self.events
        raise LogError(f"{self.path}: has neither {EVENTS} nor {JOURNALS}; is it a run directory?")

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())

    @property
    def journals_size(self) -> int:
        """Bytes of all journals."""
        return sum(path.stat().st_size for path in self.journals.glob("*.journal"))

    def manifest(self) -> dict[str, Any]:
        """What ran, where, with what; raises LogError where there is none."""
        return self._json(MANIFEST)

    @property
    def has_summary(self) -> bool:
        """Whether the figures are stored."""
        return (self.path / SUMMARY).is_file()

    def summary(self) -> dict[str, Any]:
        """The stored figures; raises LogError where there are none."""
        return self._json(SUMMARY)

    def _json(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise LogError(f"{self.path}: has no {name}; is it a run directory, and has the run ended?") from None
        except (OSError, ValueError) as error:
            raise LogError(f"{self.path / name}: cannot be read: {error}") from error
        if not isinstance(content, dict):
            raise LogError(f"{self.path / name}: is no JSON object; is it mprun's?")
        return content

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a file whole or not at all."""
        self.write(name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def write(self, name: str, text: str) -> None:
        """Write a file whole or not at all."""
        new = self.path / f".{name}.new"
        # What is no Unicode in the name of a file or folder (PEP 383) is written as JSON escapes it.
        try:
            new.write_text(text, encoding="utf-8", errors="backslashreplace")
            new.replace(self.path / name)
        except OSError:
            new.unlink(missing_ok=True)
            raise

    def write_in_place(self, name: str, content: Mapping[str, Any]) -> None:
        """Write over a file that is there: on a full disk the room it has is all the room there is."""
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        with (self.path / name).open("r+", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.truncate()

    def copy_inputs(self, files: Mapping[str, str]) -> None:
        """Copy the files a config names to where the stored config looks for them."""
        for source, target in files.items():
            copy = self.path / target
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, copy)

    def discard(self) -> None:
        """Remove the folder of a run that was never started, and point `latest` back."""
        shutil.rmtree(self.path, ignore_errors=True)
        point_latest_back(self.path.parent)

    def drop_journals(self) -> None:
        """Remove what the log has replaced."""
        shutil.rmtree(self.journals, ignore_errors=True)


def _is_finished(log: Path) -> bool:
    """Whether an event log ends with `run.end`."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LONGEST_END))
            last = file.read()
    except OSError:
        return False
    return last.endswith(b"\n") and last[:-1].rpartition(b"\n")[2].startswith(b'{"event":"run.end"')


def create(out: Path, name: str) -> RunDir:
    """Make a new run directory under `out`, with its journals folder, and point `latest` at it.

    Raises:
        ConfigError: It cannot be made or written to; nothing has been started.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    try:
        out.mkdir(parents=True, exist_ok=True)
        path = _fresh(out, f"{stamp}-{plain_name(name)}")
        (path / JOURNALS).mkdir()
        _point_latest(out, path.name)
    except OSError as error:
        problem = f"cannot be written: {error.strerror}: {error.filename}; choose another folder with --out"
        raise ConfigError(Problem(str(out), None, None, "", problem)) from error
    return RunDir(path.resolve())


def plain_name(name: str) -> str:
    """A name as part of a folder's: letters, digits, `.`, `_` and `-`, and not too long."""
    plain = "".join(c if c.isalnum() or c in "._-" else "-" for c in name) or "run"
    return plain.encode()[:_LONGEST_NAME].decode(errors="ignore")


def _fresh(out: Path, stem: str) -> Path:
    while True:
        path = out / f"{stem}-{secrets.token_hex(2)}"
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            return path


def _point_latest(out: Path, name: str) -> None:
    """Replace the link in one step: two runs may start at once."""
    link = out / f".{LATEST}-{secrets.token_hex(4)}"
    link.symlink_to(name)
    try:
        link.replace(out / LATEST)
    except OSError:
        link.unlink()
        raise


def point_latest_back(out: Path) -> None:
    """Let `latest` name the newest run there is, after runs were removed; without one there is no link either."""
    rest = all_runs(out)
    if rest:
        _point_latest(out, rest[-1].name)
    else:
        (out / LATEST).unlink(missing_ok=True)


def find(run: str | None, out: Path) -> RunDir:
    """The run directory somebody names: a path, a name under `out`, or None for the latest.

    Raises:
        LogError: There is none.
    """
    if run is None:
        latest = out / LATEST
        if not latest.is_dir():
            raise LogError(f"there is no run in {out}: name one, or where runs are with --out")
        return RunDir(latest.resolve())
    for path in (Path(run), out / run):
        if path.is_dir():
            return RunDir(path.resolve())
    raise LogError(f"{run}: no such run directory, neither here nor in {out}")


def is_sweep(folder: Path) -> bool:
    """Whether a folder is one of a sweep."""
    return (folder / SWEEP).is_file()


def all_runs(out: Path) -> list[RunDir]:
    """Every run directory under `out`, oldest first."""
    if not out.is_dir():
        return []
    found = (path for path in out.iterdir() if not path.is_symlink() and (path / MANIFEST).is_file())
    return [RunDir(path) for path in sorted(found)]


def sha256_of(path: Path) -> str:
    """Digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
