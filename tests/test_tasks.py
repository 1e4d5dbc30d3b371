"""Limits of processes and threads: found where Linux keeps them, refused before anything starts."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import pytest
from running import config

import runner
from runner.engines import limits, tasks
from runner.engines.tasks import TaskLimit
from runner.planning.resolve import PIPE_CAPACITY, pipe_capacity

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = "producers: {p: {count: 3, items: 1}}\nconsumers: {c: {}}\n"


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A file system with a system of 200 tasks, in whose control group /a/b there are 90 of at most 100."""
    files = {
        "proc/self/cgroup": "0::/a/b\n",
        "proc/loadavg": "0.0 0.0 0.0 3/200 4711\n",
        "proc/sys/kernel/threads-max": "1000\n",
        "proc/sys/kernel/pid_max": "32768\n",
        "sys/fs/cgroup/a/b/pids.max": "100\n",
        "sys/fs/cgroup/a/b/pids.current": "90\n",
        "sys/fs/cgroup/a/pids.max": "max\n",
        "sys/fs/cgroup/a/pids.current": "95\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_limits_are_found_where_linux_keeps_them(system: Path) -> None:
    found = {limit.name: limit.room for limit in tasks.limits(1, system)}
    assert found == {
        "pids.max of the control group /sys/fs/cgroup/a/b": 10,
        "kernel.threads-max": 800,
        "kernel.pid_max": 32_568,
    }


def test_the_older_control_groups_are_read_too(system: Path) -> None:
    (system / "proc/self/cgroup").write_text("4:memory:/m\n3:pids:/x\n")
    group = system / "sys/fs/cgroup/pids/x"
    group.mkdir(parents=True)
    (group / "pids.max").write_text("7\n")
    (group / "pids.current").write_text("7\n")
    assert next(tasks.limits(1, system)).room == 0


def test_no_such_files_are_no_limits(tmp_path: Path) -> None:
    assert list(tasks.limits(1, tmp_path)) == []


def test_an_ordinary_users_tasks_are_counted_where_they_matter(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("resource.getrlimit", lambda _: (50, 100))
    monkeypatch.setattr("os.getuid", (system / "proc").stat().st_uid.__int__)
    for pid, threads in ((17, 1), (18, 5)):
        for thread in range(threads):
            (system / f"proc/{pid}/task/{thread}").mkdir(parents=True)
    limit = next(tasks.limits(26, system))
    assert (limit.name, limit.most, limit.used) == ("this user's limit of processes", 100, 6)
    assert limit.remedy(96) == "raise it (ulimit -Hu 102)"
    assert "user" not in next(tasks.limits(25, system)).name


@pytest.mark.parametrize("engine", ["processes", "threads"])
def test_too_low_a_limit_is_said_before_the_start(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the number needed, and nothing is left behind."""
    low = TaskLimit("pids.max", 100, 97, "raise it to {}")
    monkeypatch.setattr(tasks, "limits", lambda _: iter([low]))
    with pytest.raises(runner.ConfigError, match=r"need [47] processes or threads more, pids.max is 100 and 97 "
                       r"are taken: raise it to 10[14]"):  # fmt: skip
        runner.run(config(f"engine: {engine}\n{CONFIG}", tmp_path), tmp_path / "runs")
    assert not [*(tmp_path / "runs").glob("*-*")]


def test_too_few_descriptors_are_said_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (64, 90))
    plan = runner.plan(config(CONFIG, tmp_path))
    with pytest.raises(runner.ConfigError, match=r"4 workers need 96 open files, the limit is 90"):
        limits.provide_descriptors(plan, 6)


def test_the_soft_limit_of_descriptors_is_raised_as_far_as_needed(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (90, before[1]))
    try:
        limits.provide_descriptors(runner.plan(config(CONFIG, tmp_path)), 6)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (96, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    ("pipes", "each"), [(1, PIPE_CAPACITY), (32, PIPE_CAPACITY), (33, PIPE_CAPACITY // 2), (64, PIPE_CAPACITY // 2),
                        (65, PIPE_CAPACITY // 4), (512, 2048), (10_000, 2048)]
)  # fmt: skip
def test_many_pipes_share_half_of_what_an_ordinary_user_gets(pipes: int, each: int) -> None:
    assert pipe_capacity(pipes) == each
    assert pipes * each <= 32 * PIPE_CAPACITY or each == 2048
