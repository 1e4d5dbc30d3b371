"""Kinds of queue by their names: mprun's own, those of installed packages, and what is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from running import START_METHODS, config, execute

import runner
from runner.config import kinds
from runner.config.load import schema
from runner.queues import KINDS, kind_of
from runner.queues.contract import Repairable
from runner.testing.queue_contract import QueueContract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.process

PACKAGE = Path(__file__).parent / "kindpackage"
SPOOL = "queues: {main: {kind: spool}}\nproducers: {p: {count: 2, items: 9}}\nconsumers: {c: {count: 2}}\n"


@pytest.fixture
def installs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Makes the packages of a folder as good as installed, until the test's end."""
    before = set(sys.modules)
    monkeypatch.setattr(kinds, "_loaded", {})
    yield monkeypatch.syspath_prepend
    for name in set(sys.modules) - before:
        if "mprun_" in name or name == "made_up":
            del sys.modules[name]


@pytest.fixture
def installed(installs: Callable[[Path], None]) -> None:
    installs(PACKAGE)


def made_up(folder: Path, source: str, *points: str, package: str = "made-up") -> Path:
    """A package with these entry points."""
    (folder / "made_up.py").write_text(source)
    info = folder / f"{package}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
    (info / "entry_points.txt").write_text("\n".join([f"[{kinds.GROUP}]", *points, ""]))
    return folder


def problem_with(text: str, folder: Path) -> str:
    with pytest.raises(runner.ConfigError) as caught:
        config(text, folder)
    [problem] = caught.value.problems
    return str(problem).partition(": ")[2]


@pytest.mark.parametrize("name", kinds.BUILT_IN)
def test_what_the_config_knows_of_a_kind_is_what_its_class_says(name: str) -> None:
    kind = kind_of(name)
    assert kinds.what_is_wrong(kind) is None
    assert kinds.BUILT_IN[name] == kinds.KindFacts(kind.fifo, kind.repairable, kind.largest_maxsize)
    assert name in KINDS


def test_what_repairs_is_what_the_contract_names() -> None:
    methods = {name for name in vars(Repairable) if not name.startswith("_")}
    assert set(kinds.REPAIRS) == methods - {"depth"}


@pytest.mark.parametrize("method", START_METHODS)
def test_a_kind_of_a_package_runs_by_its_name(method: str, installed: None, tmp_path: Path) -> None:
    ran = execute(f"start_method: {method}\n{SPOOL}", tmp_path)
    ran.assert_ok()
    ran.assert_delivered()
    assert len(ran.of("done")) == 18
    facts = {"kind": "spool", "maxsize": 0, "batch": 1, "capacity": None, "fifo": False}
    assert ran.events[0]["queues"] == {"main": facts}


def test_it_is_a_word_of_the_language(installed: None, tmp_path: Path) -> None:
    """In the plan, in the stored config, in the schema; under other engines it does not bind."""
    assert [queue.kind for queue in runner.plan(config(SPOOL, tmp_path)).queues] == ["spool"]
    assert '"spool"' in str(schema()).replace("'", '"')
    ran = execute(f"engine: threads\n{SPOOL}", tmp_path)
    ran.assert_ok()
    again = runner.load(ran.result.run_dir / "config.yaml")
    assert runner.plan(again).plan_digest == ran.events[0]["plan_digest"]


def test_without_its_package_the_log_can_be_audited_all_the_same(
    installs: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.syspath_prepend(PACKAGE)
        ran = execute(f"start_method: fork\n{SPOOL}", tmp_path)
    kinds._loaded.clear()
    assert "spool" not in kinds.names()
    assert runner.audit(ran.result.run_dir).valid is True


def test_a_death_ends_its_run_and_names_the_kind(installed: None, tmp_path: Path) -> None:
    ran = execute(f"start_method: fork\n{SPOOL}faults: [{{kill: c-0, after: {{gets: 2}}}}]", tmp_path)
    assert ran.result.exit_code == 1
    assert "spool cannot be repaired after a death, kind pipe can" in ran.end["reason"]
    assert {event["why"].partition(" was")[0] for event in ran.of("lost")} == {"in hand when c-0"}
    ran.assert_accounted()


def test_a_kind_that_says_it_is_repairable_is_repaired(installs: Callable[[Path], None], tmp_path: Path) -> None:
    source = "from runner.queues.pipe import PipeQueue\nclass Good(PipeQueue): largest_maxsize = 7\n"
    installs(made_up(tmp_path, source, "good = made_up:Good"))
    text = SPOOL.replace("{kind: spool}", "{kind: good, maxsize: 7}") + "on_death: {policy: restart}\n"
    ran = execute(f"start_method: fork\n{text}faults: [{{kill: c-0, after: {{gets: 2}}}}]", tmp_path)
    ran.assert_ok()
    assert ran.result.summary["items"]["redelivered"] == 1
    assert ran.events[0]["queues"]["main"]["fifo"] is True
    assert "8 is too large; at most 7 for kind good" in problem_with(text.replace("7", "8"), tmp_path)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("{kind: spol}", "no such kind of queue: the text 'spol', did you mean spool? allowed: pipe, "),
        ("{kind: spool, maxsize: 3}", "3 is too large; kind spool keeps no bound"),
        (
            "{kind: spool}}\non_death: {policy: restart",
            "cannot be kept with a kind that cannot be repaired: nobody can tell what a dead worker had of queues",
        ),
    ],
)
def test_what_it_cannot_is_refused(keys: str, said: str, installed: None, tmp_path: Path) -> None:
    assert said in problem_with(SPOOL.replace("{kind: spool}", keys), tmp_path)


GOOD = "class Good:\n    fifo, repairable = True, False\n"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemError('no\\nway')", "SystemError: no\\nway"),
        ("Other = 1", "has no attribute 'Good'"),
        ("Good = 1", "it cannot be called"),
        ("class Good: fifo = True", "its attribute repairable is to be True or False"),
        ("class Good: fifo, repairable = 1, False", "its attribute fifo is to be True or False"),
        (f"{GOOD}    largest_maxsize = -1", "largest_maxsize is to be None or a whole number of 0 or more"),
        (GOOD.replace("False", "True"), "it says that it is repairable, and has no begun, hand, again, offer, drain"),
    ],
)
def test_what_is_registered_and_no_kind_is_told_with_its_origin(
    source: str, said: str, installs: Callable[[Path], None], tmp_path: Path
) -> None:
    installs(made_up(tmp_path, source, "good = made_up:Good"))
    told = problem_with(SPOOL.replace("spool", "good"), tmp_path)
    assert "queues.main.kind: the kind 'good' " in told
    assert "made_up:Good of made-up" in told
    assert said in told


def test_a_name_that_two_packages_register_is_refused(installs: Callable[[Path], None], tmp_path: Path) -> None:
    made_up(tmp_path, GOOD, "good = made_up:Good")
    made_up(tmp_path, GOOD, "good = made_up:Better", package="better")
    installs(tmp_path)
    told = problem_with(SPOOL.replace("spool", "good"), tmp_path)
    assert "is registered more than once: " in told
    assert "made_up:Better of better" in told


def test_mpruns_own_kinds_stay_its_own(installs: Callable[[Path], None], tmp_path: Path) -> None:
    installs(made_up(tmp_path, "raise SystemError", "pipe = made_up:Good"))
    assert kinds.names() == tuple(kinds.BUILT_IN)
    assert kind_of("pipe").__name__ == "PipeQueue"  # type: ignore[attr-defined]
    assert config(SPOOL.replace("spool", "pipe"), tmp_path).warnings == ()


class TestSpool(QueueContract):
    """The kind of a package keeps the contract, as its author would see to it."""

    @pytest.fixture(autouse=True)
    def _installed(self, installed: None) -> None:  # noqa: ARG002 - a fixture
        type(self).kind = kinds.registered("spool")


FLAWS: dict[str, tuple[str, str, Callable[..., Any]]] = {
    "loses the payload": (
        "test_items_arrive_with_all_they_carry",
        "SpoolWriter.put",
        lambda put, self, sent: put(self, [replace(one, padding=b"") for one in sent]),
    ),
    "says that it put more": (
        "test_a_call_moves_one_item_at_least_and_the_batch_and_the_limit_at_most",
        "SpoolWriter.put",
        lambda put, self, sent: put(self, sent) + len(sent),
    ),
    "never ends": (
        "test_the_end_comes_behind_every_item_to_every_reader_and_stays",
        "SpoolWriter.close",
        lambda _close, _self: None,
    ),
    "ends before it has begun": (
        "test_a_get_that_waits_ends_when_told_to_and_takes_nothing_along",
        "SpoolReader.get",
        lambda _get, _self, _limit: [],
    ),
    "cannot be cut": (
        "test_a_get_that_waits_ends_when_told_to_and_takes_nothing_along",
        "SpoolReader.cut",
        lambda _cut, _self: None,
    ),
    "leaves its folder open": (
        "test_closed_it_leaves_nothing",
        "SpoolQueue.close",
        lambda _close, self: os.open(self.folder, os.O_RDONLY),
    ),
}
"""What may be wrong with a kind: the test that tells, the method that is spoilt, and how."""


@pytest.mark.parametrize("flaw", FLAWS)
def test_the_contract_tells_a_broken_kind(
    flaw: str, installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the suite turns red; of the unspoilt kind it is green (see above)."""
    test, method, spoilt = FLAWS[flaw]
    kind = kinds.registered("spool")
    owner = getattr(sys.modules[kind.__module__], method.partition(".")[0])
    whole = getattr(owner, method.partition(".")[2])
    monkeypatch.setattr(owner, method.partition(".")[2], lambda *given: spoilt(whole, *given))
    monkeypatch.setattr("runner.testing.ends.WITHIN_S", 1.0)
    monkeypatch.setattr(QueueContract, "kind", kind, raising=False)
    with pytest.raises(AssertionError):
        getattr(QueueContract(), test)(tmp_path)


def test_a_kind_that_keeps_no_bound_and_says_it_does_is_told(
    installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = kinds.registered("spool")
    monkeypatch.setattr(kind, "largest_maxsize", None)
    monkeypatch.setattr(QueueContract, "kind", kind, raising=False)
    with pytest.raises(AssertionError):
        QueueContract().test_a_bound_is_kept(tmp_path)
