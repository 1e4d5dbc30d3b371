"""What stdout and stderr get while a run goes on and at its end: everything once, and never at the run's cost."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from time import monotonic_ns, time_ns
from typing import TYPE_CHECKING

import pytest

from runner.cli import live
from runner.cli.live import Live, LogStream
from runner.cli.pretty import Pretty
from runner.cli.progress import Progress, line
from runner.cli.streams import Outlet
from runner.config.load import loads
from runner.engines.board import Board, State
from runner.engines.closing import write_log
from runner.engines.contract import LiveRun, Outcome, Status
from runner.envelope import Envelope
from runner.log.chronicle import Chronicle
from runner.log.journal import GET, PUT, Clock, JournalWriter
from runner.planning.resolve import plan as resolved

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECOND = 1_000_000_000
TEXT = "{producers: {make: {items: 1000}}, consumers: {take: {}}}"


class FakeRun:
    """A run whose journals the test writes itself; its gate opened ten seconds ago."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan = resolved(loads(TEXT))
        self.board = Board(folder / "board", 2, create=True)
        self.chronicle = Chronicle(folder)
        self.clock = Clock(monotonic_ns() - 10 * SECOND, time_ns() - 10 * SECOND)
        self.journals = [JournalWriter(folder / f"{name}.1.journal") for name in ("make-0", "take-0")]
        self.live = LiveRun(self.plan, folder, self.board, self.chronicle)

    def open_gate(self) -> None:
        self.clock.save(self.folder)
        self.board.zero = self.clock.zero_ns

    def put(self, seq: int, second: float) -> None:
        self._log(0, PUT, seq, second)

    def get(self, seq: int, second: float) -> None:
        self._log(1, GET, seq, second)

    def _log(self, worker: int, kind: int, seq: int, second: float) -> None:
        instant = self.clock.zero_ns + int(second * SECOND)
        self.journals[worker].log(kind, Envelope(0, seq, seq), instant, 1, 2)

    def write_log(self) -> list[str]:
        path = self.folder / "events.jsonl"
        outcome = Outcome(Status.COMPLETED, None, None, self.clock, balanced=True)
        write_log(self.plan, self.folder, self.chronicle, outcome, path)
        return path.read_text().splitlines(keepends=True)

    def close(self) -> None:
        for journal in self.journals:
            journal.close()
        self.chronicle.close()
        self.board.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[FakeRun]:
    fake = FakeRun(tmp_path)
    yield fake
    fake.close()


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    """Stands for stdout: descriptor OUT writes into this file."""
    path = tmp_path / "out"
    with path.open("wb", buffering=0) as file:
        os.dup2(file.fileno(), OUT)
        yield path
        os.close(OUT)


OUT = 199


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow this machine is, a turn gives out all there is."""
    monkeypatch.setattr(live, "_TICK_S", 60)


def given_out(out: Path) -> list[str]:
    return out.read_text().splitlines(keepends=True)


def follow(stream: LogStream, run: FakeRun) -> None:
    """One turn, without the rest that bounds the share of time spent."""
    stream._next = 0
    stream.follow(run.live)


class TestLogStream:
    def test_nothing_is_given_out_before_the_gate_opens(self, run: FakeRun, out: Path) -> None:
        stream = LogStream(Outlet(OUT), pretty=False)
        run.put(0, 1)
        follow(stream, run)
        assert given_out(out) == []
        run.open_gate()
        follow(stream, run)
        assert len(given_out(out)) == 1
        run.write_log()
        stream.finish(run.folder / "events.jsonl")

    def test_what_happened_is_given_out_at_once_and_the_rest_at_the_end(self, run: FakeRun, out: Path) -> None:
        stream = LogStream(Outlet(OUT), pretty=False)
        run.open_gate()
        run.put(0, 1)
        run.get(0, 2)
        follow(stream, run)
        before = given_out(out)
        assert [json.loads(line)["event"] for line in before] == ["put", "get"]
        run.put(1, 3)
        events = run.write_log()
        stream.finish(run.folder / "events.jsonl")
        assert given_out(out) == events
        assert events[:2] == before

    def test_an_event_journalled_late_is_given_out_late_and_none_twice(self, run: FakeRun, out: Path) -> None:
        stream = LogStream(Outlet(OUT), pretty=False)
        run.open_gate()
        for seq in range(3):
            run.put(seq, 2 + seq)
        follow(stream, run)
        run.get(0, 1)
        run.get(1, 9)
        events = run.write_log()
        assert json.loads(events[0])["event"] == "get"
        stream.finish(run.folder / "events.jsonl")
        assert sorted(given_out(out)) == sorted(events)

    def test_a_run_too_quick_to_be_seen_is_given_out_in_full(self, run: FakeRun, out: Path) -> None:
        stream = LogStream(Outlet(OUT), pretty=False)
        run.open_gate()
        for seq in range(1000):
            run.put(seq, 1 + seq / 1000)
        events = run.write_log()
        stream.finish(run.folder / "events.jsonl")
        assert given_out(out) == events

    def test_pretty_lines_are_as_many_and_in_the_same_order(self, run: FakeRun, out: Path) -> None:
        stream = LogStream(Outlet(OUT), pretty=True)
        run.open_gate()
        for seq in range(1000):
            run.put(seq, 1 + seq / 1000)
            if seq == 500:
                follow(stream, run)
        events = run.write_log()
        stream.finish(run.folder / "events.jsonl")
        assert given_out(out) == list(map(Pretty(colors=False).line, events))

    def test_a_turn_is_bounded_however_much_there_is(
        self, run: FakeRun, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live, "_TICK_S", 0)
        stream = LogStream(Outlet(OUT), pretty=False)
        run.open_gate()
        for seq in range(1000):
            run.put(seq, 1 + seq / 1000)
        follow(stream, run)
        assert 0 < len(given_out(out)) <= live._SLOTS
        events = run.write_log()
        stream.finish(run.folder / "events.jsonl")
        assert given_out(out) == events

    def test_with_very_many_workers_the_log_comes_at_the_end(
        self, run: FakeRun, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live, "_MOST_WORKERS", 1)
        stream = LogStream(Outlet(OUT), pretty=False)
        run.open_gate()
        run.put(0, 1)
        follow(stream, run)
        stream.follow(run.live)
        assert given_out(out) == []
        events = run.write_log()
        stream.finish(run.folder / "events.jsonl")
        assert given_out(out) == events

    def test_the_pause_after_a_turn_bounds_the_share_of_time(self, run: FakeRun, out: Path) -> None:
        stream = LogStream(Outlet(OUT), pretty=False)
        run.open_gate()
        run.put(0, 1)
        stream.follow(run.live)
        stream._next += 3600
        run.put(1, 2)
        stream.follow(run.live)
        assert len(given_out(out)) == 1
        events = run.write_log()
        stream.finish(run.folder / "events.jsonl")
        assert given_out(out) == events

    def test_a_full_pipe_holds_the_log_back_and_not_the_run(self, run: FakeRun) -> None:
        read, write = os.pipe()
        stream = LogStream(Outlet(write), pretty=False)
        run.open_gate()
        for seq in range(1000):
            run.put(seq, 1 + seq / 1000)
        for _ in range(20):
            follow(stream, run)
        given = len(stream._given)
        assert 0 < given < 1000
        os.close(read)
        follow(stream, run)
        assert len(stream._given) == given
        stream.finish(run.folder / "never read")
        os.close(write)


class TestLive:
    def test_a_display_that_breaks_is_put_off_until_the_end(
        self, run: FakeRun, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live, "Outlet", lambda _: Outlet(OUT))
        watch = Live("json", quiet=True)
        run.open_gate()
        (run.folder / "clock.json").write_text("{}")
        for _ in range(3):
            watch.tick(run.live)
        assert given_out(out) == []
        run.put(0, 1)
        events = run.write_log()
        watch.finish(run.folder / "events.jsonl")
        assert given_out(out) == events

    def test_none_and_quiet_write_nothing(self, run: FakeRun, capfd: pytest.CaptureFixture[str]) -> None:
        watch = Live("none", quiet=True)
        run.open_gate()
        watch.tick(run.live)
        watch.tick(run.live)
        watch.finish(run.folder / "events.jsonl")
        assert capfd.readouterr() == ("", "")


class TestPretty:
    @pytest.mark.parametrize("colors", [False, True])
    def test_a_template_gives_what_structlog_gives(self, colors: bool) -> None:
        first, second = (
            json.dumps(
                {
                    "event": "done",
                    "level": "info",
                    "timestamp": "2026-01-01T00:00:00.000000Z",
                    "t_ns": seq,
                    "id": f"p-0:{seq}",
                    "item": item,
                    "service_ns": seq,
                    "planned_ns": None,
                }
            )
            for seq, item in ((1, "50%"), (2, {"a": ["%s", 1.5]}))
        )
        pretty = Pretty(colors=colors)
        assert pretty.line(first) == Pretty(colors=colors).line(first)
        assert pretty.line(second) == Pretty(colors=colors).line(second)
        if not colors:
            assert pretty.line(second) == (
                "2026-01-01T00:00:00.000000Z [info     ] done         "
                'id=p-0:2 item={"a": ["%s", 1.5]} service_ns=2 planned_ns=null\n'
            )

    def test_one_event_is_one_line(self) -> None:
        event = {"event": "error", "level": "error", "timestamp": "now", "t_ns": 1, "why": "Traceback:\n  x\n", "e": ""}
        assert Pretty(colors=False).line(json.dumps(event)).count("\n") == 1


class TestProgress:
    def test_before_the_gate_it_counts_the_ready(self, run: FakeRun) -> None:
        run.board.slot(1).state = State.READY
        assert line(run.plan, run.board, 0) == "starting: 1 of 2 workers are ready"

    def test_then_it_counts_items_by_role(self, run: FakeRun) -> None:
        run.open_gate()
        words = run.board.words
        words[run.board.slot(0).base + 1] = 500
        words[run.board.slot(1).base + 3] = 250
        text = line(run.plan, run.board, run.board.zero + 10 * SECOND)
        assert text == "10.0 s: put 500/1,000, done 250/1,000, 25.0 done/s"

    def test_what_is_not_planned_is_not_shown_as_a_share(self, run: FakeRun) -> None:
        run.open_gate()
        producer, consumer = run.plan.groups
        endless = replace(run.plan, groups=(replace(producer, planned=None), consumer))
        assert "put 0, done 0, " in line(endless, run.board, run.board.zero + SECOND)

    def test_a_line_is_shown_when_it_is_due(self, run: FakeRun, out: Path) -> None:
        progress = Progress(Outlet(OUT))
        progress.show(run.live)
        progress._next = 0
        progress.show(run.live)
        progress.show(run.live)
        progress.close()
        assert out.read_bytes().decode() == "starting: 0 of 2 workers are ready\n"
