"""The live display: right figures, in any terminal, and never at the run's cost."""

from __future__ import annotations

import os
import re
import termios
from dataclasses import replace
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len
from screens import CLEARED, Emulated, run_on

from runner.cli.display import Display
from runner.cli.live import Live
from runner.cli.meter import WINDOW_NS, Level, Meter, Reading, Row
from runner.cli.progress import Progress
from runner.cli.screen import Look, lines, sparkline
from runner.cli.streams import Outlet
from runner.config.load import loads
from runner.engines.board import BLOCKED, DONES, GETS, PUTS, STATE, Board, State
from runner.engines.contract import LiveRun
from runner.log.chronicle import Chronicle
from runner.planning.resolve import plan as resolved

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECOND = 1_000_000_000
TEXT = """
name: example
queues: {a: {maxsize: 10}, b: {}}
producers: {make: {count: 2, items: 100, to: a}}
stages: {pass: {from: a, to: b}}
consumers: {take: {from: b}}
"""
RICH = Look(colors=True, unicode=True)
POOR = Look(colors=False, unicode=False)


class Staged:
    """A run whose board the test writes, with a clock of its own."""

    def __init__(self, folder: Path, text: str = TEXT) -> None:
        plan = resolved(loads(text))
        self.board = Board(folder / "board", plan.size, create=True)
        self.chronicle = Chronicle(folder)
        self.depths: dict[str, int | None] = {"a": None, "b": None}
        tell = {name: lambda name=name: self.depths[name] for name in self.depths}
        self.live = LiveRun(plan, folder, self.board, self.chronicle, tell)
        self.zero = monotonic_ns()

    def open_gate(self) -> None:
        self.board.zero = self.zero

    def set(self, worker: int, **words: int) -> None:
        names = {"puts": PUTS, "gets": GETS, "dones": DONES, "blocked": BLOCKED, "state": STATE}
        for name, value in words.items():
            self.board.words[self.board.slot(worker).base + names[name]] = value

    def close(self) -> None:
        self.chronicle.close()
        self.board.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Staged]:
    staged = Staged(tmp_path)
    yield staged
    staged.close()


@pytest.fixture
def terminal() -> Iterator[Emulated]:
    emulated = Emulated(80, 24)
    yield emulated
    emulated.close()


def read(meter: Meter, run: Staged, seconds: float) -> Reading:
    return meter.read(run.zero + round(seconds * SECOND))


def row(reading: Reading, name: str) -> Row:
    return next(row for row in reading.rows if row.name == name)


class TestMeter:
    def test_before_the_gate_opens_it_counts_the_ready(self, run: Staged) -> None:
        run.set(1, state=State.READY)
        reading = read(Meter(run.live), run, 0)
        assert (reading.seconds, reading.ready, reading.workers, reading.rows) == (None, 1, 4, ())

    def test_done_and_total_of_groups_and_workers(self, run: Staged) -> None:
        run.open_gate()
        run.set(0, puts=40)
        run.set(1, puts=20)
        run.set(2, gets=30, puts=29, dones=28)
        run.set(3, gets=25, dones=24)
        reading = read(Meter(run.live), run, 2)
        figures = {row.name: (row.done, row.total, row.rate) for row in reading.rows}
        assert figures == {
            "make": (60, 200, 30.0), "make-0": (40, 100, 20.0), "make-1": (20, 100, 10.0),
            "pass": (28, 200, 14.0), "take": (24, 200, 12.0),
        }  # fmt: skip

    def test_the_end_is_that_of_the_slowest_queue(self, run: Staged) -> None:
        run.open_gate()
        run.set(2, gets=100, dones=100)
        run.set(3, gets=50, dones=50)
        assert read(Meter(run.live), run, 10).left_s == pytest.approx((200 - 50) / 5)

    def test_an_end_nobody_can_tell_is_not_told(self, run: Staged) -> None:
        run.open_gate()
        assert read(Meter(run.live), run, 10).left_s is None

    def test_the_end_of_an_endless_run_is_its_duration(self, tmp_path: Path) -> None:
        (tmp_path / "endless").mkdir()
        endless = Staged(tmp_path / "endless", "{duration: 30, producers: {p: {}}, consumers: {c: {}}}")
        endless.depths["main"] = 0
        endless.open_gate()
        reading = read(Meter(endless.live), endless, 10)
        assert (reading.left_s, row(reading, "c").total) == (20, None)
        endless.close()

    def test_rates_are_those_of_the_last_seconds(self, run: Staged) -> None:
        """A run that was quick at first and stands now has the rate 0."""
        run.open_gate()
        meter = Meter(run.live)
        run.set(0, puts=50)
        for second in range(1, 30):
            reading = read(meter, run, second)
        assert row(reading, "make-0").rate == 0
        assert reading.look_s == pytest.approx(1)
        assert len(meter._looks) <= WINDOW_NS // SECOND + 1

    def test_time_blocked_is_what_the_board_counts(self, run: Staged) -> None:
        run.open_gate()
        meter = Meter(run.live)
        run.set(0, puts=5, blocked=SECOND // 2, state=State.SLEEPING)
        run.set(1, puts=5, blocked=0, state=State.SLEEPING)
        reading = read(meter, run, 2)
        shares = [row(reading, name).blocked for name in ("make-0", "make-1", "make")]
        assert shares == [0.25, 0.0, 0.125]

    def test_a_wait_that_has_not_ended_counts_too(self, run: Staged) -> None:
        run.open_gate()
        meter = Meter(run.live)
        run.set(3, gets=7, dones=7, state=State.GETTING)
        for second in (1, 2, 3, 4):
            reading = read(meter, run, second)
        assert row(reading, "take").blocked == pytest.approx(3 / 4)
        run.set(3, gets=8, blocked=3 * SECOND + SECOND // 2, state=State.BUSY)
        assert row(read(meter, run, 5), "take").blocked == pytest.approx(3.5 / 5)

    def test_the_ended_are_not_blocked(self, run: Staged) -> None:
        run.open_gate()
        run.set(3, state=State.FINISHED)
        reading = read(Meter(run.live), run, 1)
        assert (row(reading, "take").blocked, reading.ended) == (None, 1)

    def test_depths_are_the_queues_own_or_by_the_counters(self, run: Staged) -> None:
        run.open_gate()
        run.depths["a"] = 7
        run.set(2, puts=5)
        run.set(3, gets=3)
        meter = Meter(run.live)
        first = read(meter, run, 1)
        run.depths["a"] = 2
        second = read(meter, run, 2)
        assert [(level.name, level.depth, level.most) for level in first.levels] == [("a", 7, 7), ("b", 2, 2)]
        assert [(level.depth, level.most, list(level.past)) for level in second.levels] == [
            (2, 7, [7, 2]), (2, 2, [2, 2])
        ]  # fmt: skip

    def test_deaths_are_counted_once(self, run: Staged) -> None:
        meter = Meter(run.live)
        run.chronicle.add("worker.died", worker="make-0")
        assert [read(meter, run, second).deaths for second in (1, 2)] == [1, 1]

    def test_beyond_sixteen_workers_there_are_groups_only(self, tmp_path: Path) -> None:
        (tmp_path / "many").mkdir()
        many = Staged(tmp_path / "many", "{producers: {p: {count: 9, items: 9}}, consumers: {c: {count: 8}}}")
        many.depths["main"] = 0
        many.open_gate()
        assert [row.name for row in read(Meter(many.live), many, 1).rows] == ["p", "c"]
        many.close()


def reading(groups: int, queues: int, **changed: Any) -> Reading:
    """With names and figures as long as they get."""
    rows = []
    for number in range(groups):
        name = f"group_{number}_" + "x" * (number * 7)
        rows.append(Row(name, True, 2, 10**9 - 1, 10**9, 123_456.7, 0.8, None))
        rows += [Row(f"{name}-{k}", False, 1, 5 * 10**8, None, 0.0, None, State.PREPARING) for k in range(2)]
    levels = [Level(f"queue_{n}_" + "y" * (n * 7), 32_768, 32_768, 10 * n, range(n * 100)) for n in range(queues)]
    whole = Reading("名前\x1b[2J name", 4000, 12, 3, 86_399.0, 7199.0, 2, tuple(rows), tuple(levels), 0.3)
    return replace(whole, **changed)


def plain(line: str) -> str:
    return re.sub(r"\x1b\[\d+m", "", line)


class TestScreen:
    @pytest.mark.parametrize("look", [RICH, POOR])
    def test_no_size_of_a_terminal_is_too_small(self, look: Look) -> None:
        """Whatever there is to show, no line is too broad, and there are not too many."""
        for width in (*range(1, 30), 79, 199):
            for height in (1, 2, 3, 4, 5, 9, 23, 60):
                for groups, queues in ((0, 0), (1, 1), (6, 3), (3, 64)):
                    shown = lines(reading(groups, queues), width, height, look)
                    assert 1 <= len(shown) <= height
                    assert max(map(cell_len, map(plain, shown))) <= width, shown

    def test_a_broad_terminal_shows_every_column(self) -> None:
        shown = lines(reading(1, 2), 199, 40, POOR)
        assert shown[2].split() == ["group", "workers", "done", "of", "rate", "blocked", "doing"]
        assert "124" not in shown[3]
        assert shown[3].split() == ["group_0_", "2", "999,999,999", "1,000,000,000", "#" * 39, "99", "%", "123,457/s",
                                    "80", "%"]  # fmt: skip
        assert shown[4].split() == ["group_0_-0", "500,000,000", "0/s", "-", "preparing"]
        assert shown[6].split()[:4] == ["queue", "depth", "of", "most"]

    def test_what_does_not_fit_is_told(self) -> None:
        shown = lines(reading(2, 64), 79, 12, POOR)
        assert len(shown) == 12
        assert shown[-1].startswith("59 more queues, the deepest queue_5_")

    def test_escape_sequences_in_a_name_are_not_obeyed(self) -> None:
        assert "\x1b" not in "".join(lines(reading(1, 1), 79, 24, POOR))

    def test_a_sparkline_reaches_from_nothing_to_the_bound(self) -> None:
        assert sparkline(Level("q", 0, 0, 70, [0, 1, 10, 35, 70]), 9, RICH) == "▁▂▂▅█"
        assert sparkline(Level("q", 0, 0, 0, [0, 1, 7]), 2, RICH) == "▂█"
        assert sparkline(Level("q", 0, 0, 0, [0, 100, 50]), 9, POOR) == ".#+"


@pytest.fixture
def display(terminal: Emulated, monkeypatch: pytest.MonkeyPatch) -> Display:
    monkeypatch.delenv("NO_COLOR", raising=False)
    made = Display(Outlet(terminal.slave), terminal.slave)
    made._look = RICH
    return made


def draw(display: Display, run: Staged) -> None:
    display._next = 0
    display.show(run.live)


class TestDisplay:
    def test_each_frame_takes_the_place_of_the_one_before(
        self, run: Staged, terminal: Emulated, display: Display
    ) -> None:
        terminal.feed(b"$ mprun\r\n")
        draw(display, run)
        assert terminal.look() == ["$ mprun", "example  starting: 0 of 4 workers are ready"]
        run.open_gate()
        for done in (10, 20):
            run.set(3, gets=done, dones=done)
            draw(display, run)
        shown = terminal.look()
        assert len(shown) == 11
        assert shown[7].split()[:3] == ["take", "1", "20"]
        assert (terminal.screen.cursor.y, terminal.screen.cursor.x) == (1, 0)
        display.close()
        assert terminal.look() == ["$ mprun"]
        assert not terminal.screen.cursor.hidden

    def test_what_others_write_is_kept(self, run: Staged, terminal: Emulated, display: Display) -> None:
        run.open_gate()
        for line in (b"one\r\n", b"two\r\n", b"^C"):
            draw(display, run)
            terminal.look()
            terminal.feed(line)
        draw(display, run)
        display.close()
        assert terminal.look() == ["one", "two"]

    @pytest.mark.parametrize("size", [(200, 50), (40, 24), (80, 6), (12, 3), (1, 1)])
    def test_a_terminal_may_change_its_size(
        self, size: tuple[int, int], run: Staged, terminal: Emulated, display: Display
    ) -> None:
        run.open_gate()
        draw(display, run)
        terminal.look()
        terminal.resize(*size)
        for _ in range(3):
            draw(display, run)
        shown = terminal.look()
        assert terminal.screen.wrapped == 0
        assert len(shown) <= max(1, size[1] - 1)
        display.close()
        assert len(terminal.look()) <= 1

    def test_without_a_size_it_is_taken_for_a_usual_one(
        self, run: Staged, terminal: Emulated, display: Display
    ) -> None:
        termios.tcsetwinsize(terminal.slave, (0, 0))
        run.open_gate()
        draw(display, run)
        assert len(terminal.look()) == 10
        display.close()

    def test_a_terminal_that_does_not_read_costs_frames_only(
        self, run: Staged, terminal: Emulated, display: Display
    ) -> None:
        run.open_gate()
        for _ in range(200):
            draw(display, run)
        assert terminal.look()
        draw(display, run)
        terminal.look()
        assert terminal.screen.wrapped == 0
        display.close()

    def test_a_terminal_that_is_gone_is_no_error(self, run: Staged, terminal: Emulated, display: Display) -> None:
        os.close(terminal.master)
        run.open_gate()
        for _ in range(3):
            draw(display, run)
        display.close()

    def test_pauses_between_frames_bound_its_share_of_time(
        self, run: Staged, terminal: Emulated, display: Display
    ) -> None:
        draw(display, run)
        terminal.look()
        before = len(terminal.written)
        display._next += 3600
        display.show(run.live)
        terminal.look()
        assert len(terminal.written) == before
        display.close()

    @pytest.mark.parametrize(("term", "kind"), [("xterm", Display), ("dumb", Progress), ("", Progress)])
    def test_a_dumb_terminal_gets_plain_lines(self, term: str, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TERM", term)
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
        assert isinstance(Live("none", quiet=False)._progress, kind)


CONFIG = """
name: seen
producers: {make: {count: PRODUCERS, items: 40, sleep: 20ms}}
consumers: {take: {count: CONSUMERS, sleep: 1ms}}
"""


@pytest.mark.process
@pytest.mark.parametrize(
    ("columns", "producers", "consumers", "engine", "environment"),
    [
        (80, 2, 2, "processes", {}),
        (200, 2, 2, "threads", {"NO_COLOR": "1"}),
        (80, 20, 20, "threads", {"PYTHONIOENCODING": "ascii"}),
    ],
)
def test_a_run_on_a_terminal(
    columns: int, producers: int, consumers: int, engine: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """No line is wrapped, the last frame has the final figures, and at the end nothing is left of the display."""
    text = CONFIG.replace("PRODUCERS", str(producers)).replace("CONSUMERS", str(consumers))
    (tmp_path / "seen.yaml").write_text(f"engine: {engine}\n{text}")
    terminal = Emulated(columns, 24)
    assert run_on(terminal, tmp_path, "seen.yaml", "--log", "none", **environment) == 0
    frames, cleared, closing = terminal.written.rpartition(CLEARED)
    terminal.feed(frames)
    shown = "\n".join(terminal.screen.lines_shown)
    total = 40 * producers
    assert re.search(rf"make +{producers} +{total} +{total} .*100 %", shown), shown
    assert re.search(rf"take +{consumers} +{total} +{total} .*100 %", shown), shown
    assert re.search(r"main +0 ", shown), shown
    assert "the log is being written" in shown
    assert terminal.screen.colored != ("NO_COLOR" in environment)
    assert frames.count(b"\x1b[J") >= 2
    assert terminal.screen.wrapped == 0
    terminal.feed(cleared + closing)
    assert not terminal.screen.cursor.hidden
    assert terminal.screen.cursor.x == 0
    assert "group" not in terminal.screen.lines_shown[0]
    assert "-seen-" in "".join(terminal.screen.lines_shown[-3:])
    terminal.close()


@pytest.mark.process
def test_a_dumb_terminal_gets_no_escape_sequence(tmp_path: Path) -> None:
    (tmp_path / "seen.yaml").write_text(
        "engine: threads\nproducers: {make: {items: 1, sleep: 2.2}}\nconsumers: {take: {}}\n"
    )
    terminal = Emulated(80, 24)
    assert run_on(terminal, tmp_path, "seen.yaml", "--log", "none", TERM="dumb") == 0
    assert b"put 1/1, done 1/1" in terminal.written
    assert b"\x1b" not in terminal.written
    terminal.close()
