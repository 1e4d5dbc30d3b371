"""What the trust page promises of the commands that look at a config or a run: they read, and do nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import runner

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
pythonpath: [code]
queues: {a: {}, b: {}}
producers:
  p: {to: a, items: {call: "stranger:items"}}
  q: {to: a, items: {file: rows.jsonl}, sleep: {distribution: trace, file: rows.jsonl}}
stages: {s: {from: a, to: b, call: "stranger:work"}}
consumers: {c: {from: b, call: {target: "stranger:Work", kwargs: {x: 1}}}}
faults: [{kill: c-0, after: {gets: 1}}]
"""

WATCHED = """
import json, os, sys, threading
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
PREFIXES = ("os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "subprocess.", "socket.", "pty.",
    "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
    "os.utime", "os.kill", "shutil.", "tempfile.", "ctypes.", "pickle.", "marshal.dumps")
seen = []
def watch(event, args):
    if event == "open":
        if "stranger" in str(args[0]):
            seen.append("user code " + str(args[0]))
        elif args[2] & WRITING and args[0] not in (os.devnull, "/proc/self/fd/1"):
            seen.append(f"open {args[0]}")
    elif event.startswith(PREFIXES):
        seen.append(f"{event} {args!r}")
def start(thread, start=threading.Thread.start):
    seen.append("thread")
    start(thread)
threading.Thread.start = start
sys.addaudithook(watch)
from runner.cli import main
code = main()
told = json.dumps([code, seen])
os.write(int(os.environ["TOLD"]), told.encode())
"""


def watched(*arguments: str, cwd: Path) -> tuple[int, list[str]]:
    """The exit code of a command, and what it did besides reading."""
    reads, writes = os.pipe()
    environ = {**os.environ, "TOLD": str(writes), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", WATCHED, *arguments]
    done = subprocess.run(command, cwd=cwd, env=environ, pass_fds=[writes], capture_output=True, text=True, check=False)
    os.close(writes)
    with os.fdopen(reads) as told:
        text = told.read()
    assert text, done.stderr
    code, seen = json.loads(text)
    return code, seen


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "stranger.py").write_text("open('ran', 'w')\n")
    (tmp_path / "rows.jsonl").write_text("1\n2\n")
    (tmp_path / "c.yaml").write_text(CONFIG)
    (tmp_path / "tame.yaml").write_text("producers: {p: {items: 3}}\nconsumers: {c: {}}\n")
    (tmp_path / "wrong.yaml").write_text(CONFIG + "warmup: 1s\nname: !!python/object/apply:os.getcwd []\n")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("validate c.yaml", 0),
        ("validate wrong.yaml", 2),
        ("plan c.yaml", 0),
        ("plan c.yaml --json", 0),
        ("plan c.yaml --graph", 0),
        ("config c.yaml --set seed=3", 0),
        ("schema", 0),
    ],
)
def test_looking_at_a_config_only_reads(folder: Path, command: str, code: int) -> None:
    before = sorted(folder.rglob("*"))
    assert watched(*command.split(), cwd=folder) == (code, [])
    assert sorted(folder.rglob("*")) == before


@pytest.mark.process
@pytest.mark.parametrize("command", ["show", "audit", "runs"])
def test_looking_at_a_run_only_reads(folder: Path, command: str) -> None:
    runner.run(runner.load(folder / "tame.yaml"), out=folder / "runs")
    before = sorted(folder.rglob("*"))
    assert watched(command, cwd=folder) == (0, [])
    assert sorted(folder.rglob("*")) == before


@pytest.mark.process
def test_the_watch_sees_what_a_run_does(folder: Path) -> None:
    """The control: under threads user code is imported into the very process that is watched, and a run is stored."""
    _, seen = watched("run", "c.yaml", "--engine", "threads", "--log", "none", cwd=folder)
    kinds = {line.split()[0] for line in seen}
    assert {"open", "user", "os.mkdir", "os.rename", "subprocess.Popen", "thread"} <= kinds
