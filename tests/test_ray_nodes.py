# ruff: noqa: E402 - what is imported below imports Ray, which may not be installed
"""The clocks of nodes: measured by asking, exact on the same machine, wider where they have drifted."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import pytest

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'mprun[ray]'")

from runner.engines.ray_nodes import Nodes
from runner.engines.ray_worker import About, boot
from runner.log.chronicle import Chronicle

if TYPE_CHECKING:
    from pathlib import Path

MS = 1_000_000


@dataclass
class Actor:
    """An actor on a node whose clock is ahead by so much."""

    ahead_ns: int

    @property
    def clock(self) -> Any:
        return self

    def remote(self) -> int:
        return monotonic_ns() + self.ahead_ns


@pytest.fixture(autouse=True)
def answers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "get", lambda answer, **_: answer)


def about(kernel: str) -> About:
    return About(1, "n", "10.0.0.1", kernel)


def test_a_clock_of_another_machine_is_off_by_what_it_says_give_or_take_the_way() -> None:
    offset = Nodes().offset(about("another"), Actor(7 * MS))
    assert abs(offset.offset_ns - 7 * MS) <= offset.uncertainty_ns
    assert 0 < offset.uncertainty_ns < MS


def test_the_clock_of_this_machine_is_exact_and_never_asked_again() -> None:
    nodes = Nodes()
    offset = nodes.offset(about(boot()), Actor(0))
    assert (offset.offset_ns, offset.uncertainty_ns) == (0, 0)
    nodes.look_again({"n": Actor(9 * MS)})
    assert not list(nodes.wider())


def test_a_time_namespace_of_its_own_is_told_from_this_machines_clock() -> None:
    assert Nodes().offset(about(boot()), Actor(3_600_000 * MS)).offset_ns > 3_599_999 * MS


def test_what_has_drifted_makes_the_uncertainty_cover_both_measurements() -> None:
    nodes = Nodes()
    nodes.offset(about("another"), Actor(7 * MS))
    nodes.look_again({"n": Actor(12 * MS), "unknown": Actor(0)})
    [(node, uncertainty)] = nodes.wider()
    assert node == "n"
    assert 5 * MS <= uncertainty + MS < 7 * MS
    told = nodes.about["n"]
    assert told["clock_uncertainty_at_the_end_ns"] == uncertainty
    assert abs(told["clock_drift_ns"] - 5 * MS) < MS


def test_the_chronicle_is_amended_for_the_log_and_not_on_disk(tmp_path: Path) -> None:
    chronicle = Chronicle(tmp_path)
    for node in "ab":
        chronicle.add("worker.start", worker=f"w-{node}", node=node, clock_uncertainty_ns=1)
    chronicle.amend("worker.start", "node", "b", clock_uncertainty_ns=5)
    chronicle.close()
    assert [entry["clock_uncertainty_ns"] for _, entry in chronicle.entries] == [1, 5]
    assert '"clock_uncertainty_ns": 5' not in (tmp_path / "supervisor.jsonl").read_text()
