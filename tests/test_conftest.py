"""The watchdog that every test runs under sees what it is there to see."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import conftest
import pytest


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conftest, "GRACE_S", 0.0)


def pids(*, orphans_too: bool) -> set[int]:
    return {process.pid for process in conftest.leftovers(orphans_too=orphans_too)}


def test_sees_a_running_child_and_no_ended_one() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert child.pid in pids(orphans_too=False)
    child.communicate()
    assert child.pid not in pids(orphans_too=False)


def test_sees_an_orphan_by_the_mark_in_its_environment() -> None:
    script = "import subprocess; print(subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL).pid)"
    orphan = int(subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True).stdout)
    left = [process for process in conftest.leftovers(orphans_too=True) if process.pid == orphan]
    conftest.kill(left)
    assert [process.pid for process in left] == [orphan]


def test_chaos_depends_on_the_seed_and_the_test_alone(chaos: random.Random) -> None:
    name = os.environ["PYTEST_CURRENT_TEST"].split(" ")[0]
    twin = random.Random(f"{conftest.CHAOS_SEED} {name}")  # noqa: S311 - repeatable, not secret
    assert chaos.random() == twin.random()
