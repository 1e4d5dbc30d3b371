"""The oracle of the chaos trials finds fault with logs in which something is wrong, and with no good one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from chaos.fates import Wrong
from chaos.oracle import judge
from chaos.trial import Kill, Trial

import runner
from runner.config.load import loads

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Log = list[dict[str, Any]]

pytestmark = pytest.mark.process

TRIAL = Trial(
    "judged",
    topology="chain",
    items=8,
    slow=False,
    kills=(Kill("run", 0, 1),),
    more={"faults": [{"kill": "c-0", "after": {"gets": 2}}]},
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Log:
    """The log of a run in which a consumer was killed with an item in hand."""
    folder = tmp_path_factory.mktemp("judged")
    result = runner.run(loads(json.dumps(TRIAL.config()), folder=folder), folder, command_line=["test"])
    assert result.exit_code == 0
    return list(result.events())


def verdict(events: Log, folder: Path, exit_code: int = 0, killed: int = 1) -> set[Wrong]:
    path = folder / "events.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return {fault.wrong for fault in judge(TRIAL, path, exit_code, killed)}


def first(events: Log, **keys: Any) -> int:
    return next(n for n, event in enumerate(events) if all(event.get(key) == value for key, value in keys.items()))


def without(**keys: Any) -> Callable[[Log], Log]:
    def change(events: Log) -> Log:
        at = first(events, **keys)
        return [*events[:at], *events[at + 1 :]]

    return change


def doubled(**keys: Any) -> Callable[[Log], Log]:
    def change(events: Log) -> Log:
        at = first(events, **keys)
        return [*events[:at], events[at], *events[at:]]

    return change


def altered(what: dict[str, Any], **keys: Any) -> Callable[[Log], Log]:
    def change(events: Log) -> Log:
        at = first(events, **keys)
        return [*events[:at], events[at] | what, *events[at + 1 :]]

    return change


def told_lost(events: Log) -> Log:
    at = first(events, event="done", queue="b")
    lost = {key: events[at][key] for key in ("t_ns", "queue", "id", "delivery", "worker")}
    return [*events[:at], {**lost, "event": "lost", "why": "somehow"}, *events[at + 1 :]]


def test_a_good_log_is_good(good: Log, tmp_path: Path) -> None:
    assert verdict(good, tmp_path) == set()


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        pytest.param(without(event="done", queue="a"), Wrong.LOST, id="an item without a fate"),
        pytest.param(told_lost, Wrong.LOST, id="an item told to be lost"),
        pytest.param(without(event="put", queue="b"), Wrong.RECORD, id="a get without a put"),
        pytest.param(without(event="redelivery"), Wrong.RECORD, id="a second get without a redelivery"),
        pytest.param(without(event="get", queue="b"), Wrong.RECORD, id="a done without a get"),
        pytest.param(doubled(event="put"), Wrong.DUPLICATE, id="a put twice"),
        pytest.param(doubled(event="get"), Wrong.DUPLICATE, id="a get twice"),
        pytest.param(doubled(event="done"), Wrong.DUPLICATE, id="a done twice"),
        pytest.param(doubled(event="redelivery"), Wrong.DUPLICATE, id="a redelivery twice"),
        pytest.param(altered({"item": 77}, event="get", queue="a"), Wrong.RECORD, id="another item"),
        pytest.param(altered({"worker": "c-9"}, event="done", queue="b"), Wrong.RECORD, id="done by another"),
        pytest.param(altered({"id": "p-0:99"}, event="put"), Wrong.RECORD, id="an item nobody planned"),
        pytest.param(without(event="worker.exit"), Wrong.RECORD, id="a worker without an end"),
        pytest.param(without(event="worker.restart"), Wrong.RECORD, id="a replacement without notice"),
        pytest.param(altered({"why": "of itself"}, event="worker.died"), Wrong.RECORD, id="a death nobody caused"),
        pytest.param(altered({"status": "failed"}, event="run.end"), Wrong.EXIT_CODE, id="another status"),
        pytest.param(without(event="run.end"), Wrong.UNREADABLE, id="no end"),
        pytest.param(altered({"t_ns": 1 << 60}, event="put"), Wrong.UNREADABLE, id="not in the order of time"),
    ],
)
def test_whatever_is_wrong_is_found(change: Callable[[Log], Log], wrong: Wrong, good: Log, tmp_path: Path) -> None:
    assert wrong in verdict(change(good), tmp_path)


def test_exit_code_and_deaths_must_be_those_that_were(good: Log, tmp_path: Path) -> None:
    assert verdict(good, tmp_path, exit_code=1) == {Wrong.EXIT_CODE}
    assert verdict(good, tmp_path, killed=0) == {Wrong.RECORD}


def test_a_log_that_breaks_off_is_unreadable(good: Log, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in good)[:-1])
    assert {fault.wrong for fault in judge(TRIAL, path, 0, 1)} == {Wrong.UNREADABLE}
