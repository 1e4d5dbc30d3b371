"""What the machine refuses: room on the disk, a store to write to, descriptors, the standard streams.

The run stops, or is not started, and says why in a line; what was written stays readable.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from running import ENDURANCE, START_METHODS, USER_CODE, finished, trials

import runner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

ENGINES = [*START_METHODS, "threads"]
CONFIG = """
pythonpath: [{user_code}]
queues: {{a: {{maxsize: 50}}, b: {{batch: 8}}}}
producers: {{p: {{count: 2, items: 3000, to: a, payload: 300}}}}
stages: {{s: {{from: a, to: b, call: "actions:tenfold"}}}}
consumers: {{c: {{count: 2, from: b}}}}
"""
SMALL, MIDDLE, LARGE = (8, 16, 40), (64, 100, 180, 300), (1000, 4000, 11000)
"""KiB: too small for the files of a start, for a run's beginning, for its end."""
SIZES = [*SMALL, *MIDDLE, *LARGE]


def written(folder: Path, engine: str) -> Path:
    key = "engine: threads" if engine == "threads" else f"start_method: {engine}"
    path = folder / "config.yaml"
    path.write_text(f"{key}\n{CONFIG.format(user_code=USER_CODE)}")
    return path


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small file system of its own, where this user may mount one."""
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a file system that is full soon; RLIMIT_FSIZE stands in for it elsewhere")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"root may not mount a file system here: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S607 - beside mount; also fails if a file is open


def assert_readable(store: Path) -> None:
    """Audit and show tell what is there, without a complaint about it."""
    verdict = runner.audit(store)
    assert not verdict.violations
    for command in ("audit", "show"):
        _, out, err = finished("-m", "runner", command, store)
        assert "Traceback" not in out + err


def assert_said(code: int, err: str, store: Path) -> None:
    """The run has failed for lack of room, in the words of the command and of the store."""
    assert code == 1, err
    assert "Traceback" not in err
    assert "internal error" not in err
    assert err.splitlines()[-1].startswith(f"mprun: {store}: ")
    assert "make room there, or choose another folder with --out" in err
    with contextlib.suppress(FileNotFoundError):
        manifest = json.loads((store / "manifest.json").read_text())
        assert manifest["status"] == "failed"
        assert manifest["exit_code"] == 1


# Threads need no files for payloads, and so find room at last.
CELLS = [(size, engine) for size in SIZES for engine in ENGINES if (size, engine) != (SIZES[-1], "threads")]


@pytest.mark.parametrize(("size", "engine"), CELLS if ENDURANCE else CELLS[::9])
def test_a_full_disk_ends_a_run_with_its_reason(size: int, engine: str, tmp_path: Path) -> None:
    """Nobody stores into a mapped page that is not there, which would be a SIGBUS."""
    config = written(tmp_path, engine)
    with mounted(tmp_path / "disk", f"size={size}k") as disk:
        code, _, err = finished("-m", "runner", config, "-q", "--log", "none", "-o", disk / "runs")
        store = (disk / "runs" / "latest").resolve()
        assert_said(code, err, store)
        assert "No space left on device" in err
        assert_readable(store)


def test_a_disk_with_room_is_not_full(tmp_path: Path) -> None:
    """The control."""
    config = written(tmp_path, "fork")
    with mounted(tmp_path / "disk", "size=40m") as disk:
        code, _, err = finished("-m", "runner", config, "-q", "--log", "none", "-o", disk / "runs")
        assert (code, err) == (0, "")


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
from runner.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize("kib", [8, 20, 100, 600] if ENDURANCE else [100])
@pytest.mark.parametrize("engine", ENGINES if ENDURANCE else ["fork", "threads"])
def test_a_limit_of_file_sizes_does_likewise(kib: int, engine: str, tmp_path: Path) -> None:
    """Journals, payloads or the log are not to grow any more; the signal is not for us."""
    config = written(tmp_path, engine)
    code, _, err = finished("-c", LIMITED, str(1024 * kib), config, "-q", "--log", "none", cwd=tmp_path)
    store = (tmp_path / "runs" / "latest").resolve()
    assert code == 1, err
    assert "Traceback" not in err
    assert "File too large" in err or "is the disk full?" in err
    assert_readable(store)


def test_a_read_only_store_is_said_before_anything_is_started(tmp_path: Path) -> None:
    config = written(tmp_path, "fork")
    with mounted(tmp_path / "disk", "ro,size=1m") as disk:
        code, out, err = finished("-m", "runner", config, "-o", disk / "runs")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "cannot be written: Read-only file system" in err
    assert "choose another folder with --out" in err


def test_a_store_that_is_no_folder_is_said_likewise(tmp_path: Path) -> None:
    """Also for root, whom no permission keeps out."""
    config = written(tmp_path, "fork")
    (tmp_path / "runs").touch()
    code, out, err = finished("-m", "runner", config, cwd=tmp_path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "cannot be written" in err


DESCRIPTORS = """
import resource, sys
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
from runner.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize("engine", ENGINES if ENDURANCE else ["fork", "threads"])
def test_as_many_descriptors_as_were_asked_for_are_enough(engine: str, tmp_path: Path) -> None:
    """With payload files of many workers and of many incarnations, deaths and replacements."""
    key = "engine: threads" if engine == "threads" else f"start_method: {engine}"
    kills = [f"{{kill: c-0, after: {{gets: {7 * k}}}}}" for k in range(1, trials(4, 9))]
    kills += [f"{{kill: p-{k}, after: {{puts: 3}}}}" for k in range(0, 16, trials(8, 4))]
    path = tmp_path / "config.yaml"
    path.write_text(
        f"{key}\non_death: {{policy: restart, max_restarts: 20}}\nqueues: {{a: {{maxsize: 3}}, b: {{}}}}\n"
        "producers: {p: {count: 16, items: 8, to: a, payload: 100}}\nstages: {s: {count: 2, from: a, to: b}}\n"
        f"consumers: {{c: {{count: 2, from: b, sleep: 0.1ms}}}}\nfaults: [{', '.join(kills)}]"
    )
    code, _, err = finished("-c", DESCRIPTORS, "20", path, "-q", "--log", "none", cwd=tmp_path)
    assert code == 2
    needed = err.partition("workers need ")[2].split()[0]
    code, _, err = finished("-c", DESCRIPTORS, needed, path, "-q", "--log", "none", cwd=tmp_path)
    assert (code, err) == (0, "")


CLOSED = """
import os, sys
import runner
for descriptor in {closed}:
    os.close(descriptor)
    setattr(sys, ("stdin", "stdout", "stderr")[descriptor], None)
result = runner.run(runner.load(sys.argv[1]), sys.argv[2] + "/runs")
with open(sys.argv[2] + "/result", "w") as file:
    print(result.exit_code, result.verdict.valid, file=file)
"""


@pytest.mark.parametrize(
    ("engine", "closed"),
    [*((engine, (0, 1, 2)) for engine in ENGINES), *(("fork", (one,)) for one in (0, 1, 2))],
)
def test_closed_standard_streams_do_not_become_those_of_a_run(
    engine: str, closed: tuple[int, ...], tmp_path: Path
) -> None:
    """Started by a program that has closed them; what the run opens would get their numbers."""
    config = written(tmp_path, engine)
    config.write_text(config.read_text().replace("3000", "30").replace("tenfold", "speak"))
    code, _, _ = finished("-c", CLOSED.format(closed=closed), config, tmp_path)
    assert code == 0
    assert (tmp_path / "result").read_text() == "0 True\n"
