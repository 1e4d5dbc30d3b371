"""A run without a finished event log is read from its journals, whatever is torn or missing in them."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from running import execute, until

import runner
from runner.cli.app import execute as command
from runner.envelope import Envelope
from runner.errors import LogError
from runner.log.events import Get, Put, Redelivery, RunEnd, RunStart, WorkerStart, read
from runner.log.journal import DONE, GET, PUT, Clock, JournalWriter
from runner.log.rundir import RunDir
from runner.log.salvage import INCOMPLETE, read_chunks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from runner.analysis.violations import Verdict
    from runner.log.events import Event

Capture = pytest.CaptureFixture[str]

CONFIG = """
engine: threads
queues: {a: {batch: 3}, b: {}}
producers: {p: {count: 2, items: 29, to: a}, q: {items: {values: [30, 20]}, to: a}}
stages: {s: {count: 2, from: a, to: b, call: "actions:copies"}}
consumers: {c: {count: 2, from: b}}
"""


def salvaged(store: Path) -> list[Event]:
    return [event for chunk in read_chunks(store / "journals") for event in chunk]


def assert_unknown(verdict: Verdict) -> None:
    assert (verdict.valid, verdict.reason, verdict.violations) == ("unknown", INCOMPLETE, ())


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of a run whose journals were kept beside its log."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunDir, "drop_journals", lambda _: None)
        yield execute(CONFIG, tmp_path_factory.mktemp("runs")).result.run_dir


@pytest.fixture
def store(kept: Path, tmp_path: Path) -> Path:
    """A copy of it, without its log: as if the supervisor had been killed before it wrote that."""
    copy = tmp_path / kept.name
    shutil.copytree(kept, copy)
    (copy / "events.jsonl").unlink()
    (copy / "summary.json").unlink()
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "status": "running"}))
    return copy


def by_instant(events: Iterable[Event]) -> list[Event]:
    return sorted(events, key=lambda event: (event.t_ns, str(event)))


def test_journals_say_what_the_log_would_have_said(kept: Path, store: Path) -> None:
    assert by_instant(salvaged(store)) == by_instant(read(kept / "events.jsonl"))


def test_what_is_read_is_in_order_and_begins_with_the_run(store: Path) -> None:
    events = salvaged(store)
    assert isinstance(events[0], RunStart)
    assert [event.t_ns for event in events] == sorted(event.t_ns for event in events)


def test_it_is_never_complete_even_with_its_end(store: Path) -> None:
    assert isinstance(salvaged(store)[-1], RunEnd)
    assert_unknown(runner.audit(store))


def test_nothing_is_written(store: Path) -> None:
    def content() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}

    before = content()
    runner.audit(store)
    assert command(["show", str(store)]) == 0
    assert content() == before


def test_a_finished_log_is_read_instead(kept: Path) -> None:
    assert runner.audit(kept).valid is True


@pytest.mark.parametrize("kept_bytes", [0, 1000])
def test_a_log_that_was_not_finished_is_not(kept: Path, store: Path, kept_bytes: int) -> None:
    (store / "events.jsonl").write_bytes((kept / "events.jsonl").read_bytes()[:kept_bytes])
    assert_unknown(runner.audit(store))


def test_a_supervisors_record_may_end_anywhere(store: Path) -> None:
    record = store / "journals" / "supervisor.jsonl"
    whole = record.read_bytes()
    for cut in range(0, len(whole), 11):
        record.write_bytes(whole[:cut])
        assert_unknown(runner.audit(store))


def test_a_line_of_it_may_be_torn_in_the_middle(store: Path) -> None:
    record = store / "journals" / "supervisor.jsonl"
    lines = record.read_bytes().split(b"\n")
    record.write_bytes(b"\n".join([*lines[:-2], lines[-2][:30] + lines[-2], b"[]", b"\xff", b'{"instant":"x"}']))
    assert_unknown(runner.audit(store))


def test_journals_may_end_anywhere(store: Path) -> None:
    for path in sorted((store / "journals").glob("*.journal")):
        whole = path.read_bytes()
        for cut in range(0, min(len(whole), 2000), 31):
            path.write_bytes(whole[:cut])
            assert_unknown(runner.audit(store))
        path.write_bytes(whole)


def test_any_file_may_be_missing(store: Path) -> None:
    for path in sorted((store / "journals").iterdir()):
        whole = path.read_bytes()
        path.unlink()
        assert_unknown(runner.audit(store))
        path.write_bytes(whole)


def test_other_files_in_the_folder_are_passed_over(store: Path) -> None:
    for name in ("x.journal", "p-0.journal", "stranger-0.1.journal", "p-0.x.journal", "a.0.payload"):
        (store / "journals" / name).write_bytes(b"\1" * 96)
    assert_unknown(runner.audit(store))


def test_a_folder_of_nothing_is_a_run_of_which_nothing_is_known(tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "journals").mkdir()
    assert_unknown(runner.audit(tmp_path))
    assert command(["audit", str(tmp_path)]) == 1
    out = capfd.readouterr().out.splitlines()
    assert out[0].startswith("attempted 0 · ")
    assert out[1:] == [f"{tmp_path}: unknown, 0 violations ({INCOMPLETE})"]


def test_a_contradiction_is_one_though_the_end_is_missing(store: Path) -> None:
    journals = store / "journals"
    shutil.copy(journals / "p-0.1.journal", journals / "p-1.1.journal")
    verdict = runner.audit(store)
    assert verdict.valid is False
    assert "put by p-1, whose items are p-1:<seq>" in {each.message for each in verdict.violations}


def test_journals_that_cannot_be_read_are_no_log(store: Path) -> None:
    record = store / "journals" / "supervisor.jsonl"
    record.unlink()
    record.mkdir()
    with pytest.raises(LogError, match="cannot be read"):
        runner.audit(store)


# --- journals written by hand

ZERO = 1_000_000


class Story:
    """A run's journals, written one event after the other at `ZERO + t_ns`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "journals"
        self.folder.mkdir()
        self.writers: dict[str, JournalWriter] = {}
        Clock(ZERO, 0).save(self.folder)
        queues = {"main": {"kind": "pipe", "maxsize": 0}}
        groups = {
            "p-x": {"role": "producer", "to": "main", "count": 1},
            "c": {"role": "consumer", "from": "main", "count": 2},
        }
        self.enter(-10, "run.start", schema=1, queues=queues, groups=groups)

    def enter(self, t_ns: int, event: str, **keys: Any) -> None:
        with (self.folder / "supervisor.jsonl").open("a") as file:
            file.write(json.dumps({"instant": ZERO + t_ns, "event": event, "level": "info", **keys}) + "\n")

    def log(
        self, journal: str, kind: int, t_ns: int, seq: int, first: int, second: int | None, delivery: int = 1
    ) -> None:
        if journal not in self.writers:
            self.writers[journal] = JournalWriter(self.folder / f"{journal}.journal")
        envelope = Envelope(producer=0, seq=seq, item=seq, suffix="", delivery=delivery)
        self.writers[journal].log(kind, envelope, ZERO + t_ns, first, second)

    def events(self) -> list[Event]:
        for writer in self.writers.values():
            writer.close()
        self.writers.clear()
        return [event for chunk in read_chunks(self.folder) for event in chunk]


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


def test_owners_and_ids_derive_from_names_and_run_start(story: Story) -> None:
    story.enter(-5, "worker.start", worker="p-x-0", incarnation=1)
    story.enter(-5, "worker.start", worker="c-1", incarnation=1)
    story.log("p-x-0.1", PUT, 10, 3, 2, None)
    story.log("c-1.1", GET, 9, 3, 1, 1)
    assert story.events()[3:] == [
        Get(t_ns=9, worker="c-1", queue="main", id="p-x-0:3", wait_ns=1, latency_ns=1),
        Put(t_ns=10, worker="p-x-0", queue="main", id="p-x-0:3", wait_ns=2, late_ns=None),
    ]


def test_a_start_that_was_not_entered_shows_in_the_journal(story: Story) -> None:
    story.log("c-1.2", DONE, 9, 3, 1, 1)
    assert story.events()[1] == WorkerStart(t_ns=9, worker="c-1", incarnation=2)


def test_without_a_clock_all_was_before_the_gate(story: Story) -> None:
    (story.folder / "clock.json").unlink()
    story.enter(-5, "worker.start", worker="p-x-0")
    assert [event.t_ns for event in story.events()] == [-5, 0]


def test_the_dead_and_what_was_recovered_of_them_are_read(story: Story, tmp_path: Path) -> None:
    for worker in ("p-x-0", "c-0", "c-1"):
        story.enter(-5, "worker.start", worker=worker, incarnation=1)
    story.log("c-0.1", GET, 12, 0, 2, 2)
    for worker in ("p-x-0", "c-0"):
        story.enter(13, "worker.died", worker=worker, incarnation=1, why="killed by SIGKILL", signal=9)
        story.enter(13, "worker.exit", worker=worker, incarnation=1, signal=9)
    again = {"queue": "main", "id": "p-x-0:0", "item": 0, "delivery": 2, "from": "c-0", "wait_ns": 1}
    story.enter(15, "redelivery", **again)
    story.log("c-1.1", GET, 16, 0, 1, 6, delivery=2)
    late = {"worker": "p-x-0", "queue": "main", "id": "p-x-0:0", "item": 0, "wait_ns": 20, "delivery": 1}
    story.enter(30, "put", recovered=True, **late)
    events = story.events()
    assert [type(event) for event in events[-3:]] == [Redelivery, Get, Put]
    assert_unknown(runner.audit(tmp_path))


def test_what_comes_after_a_later_entry_is_left_for_next_time(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on while it is read: an entry made meanwhile could be what explains later records."""
    from runner.log import salvage

    story.log("p-x-0.1", PUT, 10, 0, 0, None)
    story.log("p-x-0.1", PUT, 20, 1, 0, None)
    journal = salvage._journal

    def slow(*arguments: Any) -> Any:
        story.enter(15, "worker.died", worker="c-0")
        return journal(*arguments)

    monkeypatch.setattr(salvage, "_journal", slow)
    assert [event.t_ns for event in story.events()] == [-10, 10, 10]


# --- a run whose supervisor was killed

KILLED = """
from runner.config.load import loads
import runner
config = loads('''
engine: threads
producers: {p: {count: 2, items: 100000, sleep: 1ms}}
consumers: {c: {count: 2}}
''')
runner.run(config, "OUT")
"""


@pytest.mark.process
@pytest.mark.parametrize("after", [0.0, 0.3])
def test_a_run_whose_supervisor_was_killed_is_incomplete(tmp_path: Path, after: float, capfd: Capture) -> None:
    runs = tmp_path / "runs"
    program = subprocess.Popen([sys.executable, "-c", KILLED.replace("OUT", str(runs))])
    try:
        until(lambda: list(runs.glob("2*/journals")))
        time.sleep(after)
    finally:
        program.send_signal(signal.SIGKILL)
        program.wait()
    (store,) = runs.glob("2*")
    assert_unknown(runner.audit(store))
    assert command(["audit", str(store)]) == 1
    if (store / "manifest.json").exists():
        assert command(["show", str(store)]) == 0
        assert "so far" in capfd.readouterr().out
