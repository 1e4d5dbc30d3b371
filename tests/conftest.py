"""What holds for every test: it leaves no process behind, and what is random can be repeated.

A process counts as left behind while it runs and is a descendant of this one, or bears this session's mark
in its environment (an orphan that was handed to init). multiprocessing's own two servants, the fork server
and the resource tracker, live until the session ends. So does the cluster of the engine `ray`, once a test
has asked for it; such tests come last, as what they load into this process is to be in no worker that is
forked. Left-overs are killed, so that the next test is not blamed for them.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from sharedray import SharedCluster

MARK_NAME, MARK = "MPRUN_TEST_SESSION", f"{os.getpid()}-{time.monotonic_ns()}"
GRACE_S = 3.0
SERVANTS = ("multiprocessing.forkserver", "multiprocessing.resource_tracker")
IN_CI = os.environ.get("CI", "") not in ("", "0", "false")
CHAOS_SEED = int(os.environ.get("MPRUN_CHAOS_SEED") or (0 if IN_CI else time.time_ns() % 1_000_000))

hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.register_profile("here", deadline=None, print_blob=True)
hypothesis.settings.load_profile("ci" if IN_CI else "here")


SHARED: list[Callable[[], set[int]]] = []
"""Each tells the roots of processes that tests share until the session ends."""
TALLY: Counter[str] = Counter()
"""What was tried how often, for the end of the session."""


class Leftover(NamedTuple):
    """A process that should be gone."""

    pid: int
    command: str


pytest.register_assert_rewrite("runner.testing")


def pytest_configure() -> None:
    os.environ[MARK_NAME] = MARK
    # Started in the background or by nohup, what the tests start would inherit to ignore what they send.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_report_header() -> list[str]:
    profile = "ci (derandomized)" if IN_CI else "here (random; CI=1 for the derandomized one)"
    return [
        f"hypothesis profile: {profile}",
        f"chaos seed: MPRUN_CHAOS_SEED={CHAOS_SEED} repeats this session",
    ]


@pytest.fixture
def chaos(request: pytest.FixtureRequest) -> random.Random:
    """Random choices of a test, a function of the session's chaos seed and of the test's name."""
    return random.Random(f"{CHAOS_SEED} {request.node.nodeid}")  # noqa: S311 - repeatable, not secret


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without the plotting library's megabytes, where their texts are read and nobody draws."""
    from runner.reports import library

    monkeypatch.setattr(library, "script", lambda: "")


@pytest.fixture(scope="session")
def tally() -> Counter[str]:
    """Counts what a session tries, in words; told at its end."""
    return TALLY


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for what, count in sorted(TALLY.items()):
        terminalreporter.write_line(f"{count:6} {what}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("ray") is not None)


@pytest.fixture(scope="session")
def cluster() -> Iterator[SharedCluster]:
    """Three nodes of Ray on this machine, to which this process is connected."""
    from sharedray import connected_cluster

    with connected_cluster() as cluster:
        SHARED.append(lambda: cluster.roots)
        try:
            yield cluster
        finally:
            SHARED.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    yield
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # the command line's last act in a process of its own
        signal.signal(signal.SIGINT, signal.default_int_handler)
    orphans_too = item.get_closest_marker("process") is not None
    if left := leftovers(orphans_too=orphans_too):
        kill(left)
        pytest.fail("left running: " + "; ".join(f"{pid} {command}" for pid, command in left), pytrace=False)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if left := leftovers(orphans_too=True):
        kill(left)
        print(f"\nleft running at the end of the session: {left}")  # noqa: T201 - no test is there to fail any more
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def leftovers(*, orphans_too: bool) -> list[Leftover]:
    """The processes still there after a grace period for those that are just ending."""
    deadline = time.monotonic() + GRACE_S
    while True:
        multiprocessing.active_children()  # reaps those that ended
        left = [*descendants(os.getpid()), *(orphans() if orphans_too else ())]
        if not left or time.monotonic() > deadline:
            return sorted(set(left))
        time.sleep(0.01)


def descendants(pid: int) -> Iterator[Leftover]:
    shared = shared_roots() if pid == os.getpid() else set()
    for child in children(pid):
        if child in shared:
            continue
        if is_running(child) and not (pid == os.getpid() and is_servant(child)):
            yield Leftover(child, command_of(child))
        yield from descendants(child)


def shared_roots() -> set[int]:
    return {pid for roots in SHARED for pid in roots()}


def shared_processes() -> set[int]:
    roots = shared_roots()
    return roots | {each.pid for root in roots for each in descendants(root)}


def orphans() -> Iterator[Leftover]:
    """Running processes with this session's mark, whoever their parent is now."""
    mark = f"{MARK_NAME}={MARK}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        with contextlib.suppress(OSError):
            marked = pid != os.getpid() and mark in (folder / "environ").read_bytes()
            if marked and is_running(pid) and not (pid in children(os.getpid()) and is_servant(pid)):
                found.append(Leftover(pid, command_of(pid)))
    shared = shared_processes()  # afterwards: it has those that have just been started
    yield from (each for each in found if each.pid not in shared)


def children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):  # it may end while we look
        for task in Path(f"/proc/{pid}/task").glob("*"):
            with contextlib.suppress(OSError):
                found.extend(map(int, (task / "children").read_text().split()))
    return found


def is_running(pid: int) -> bool:
    """Neither gone nor a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def is_servant(pid: int) -> bool:
    command = command_of(pid)
    return any(servant in command for servant in SERVANTS)


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def kill(left: list[Leftover]) -> None:
    for process in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
