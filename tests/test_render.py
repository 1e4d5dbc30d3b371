"""Every line of the log has the keys of its kind, in their order, and is JSON; or it is for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from runner.envelope import Envelope
from runner.log.events import Event, RunStart, read
from runner.log.journal import DONE, GET, PUT, Clock, JournalReader, JournalWriter
from runner.log.merge import Owner
from runner.log.render import Renderer, json_processors, pretty_processors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECOND = 1_000_000_000
WALL = 1_700_000_000 * SECOND + 999_999_000
CLOCK = Clock(zero_ns=5 * SECOND, wall_ns=WALL)
COMMON = ["event", "level", "timestamp", "t_ns"]


def prefix(producer: int) -> str:
    return f"p-{producer}:"


def journalled(folder: Path, write: Callable[[JournalWriter], None], renderer: Renderer) -> list[str]:
    """The lines of what `write` puts into the journal of stage `s-0`, from queue `a` to queue `b`."""
    writer = JournalWriter(folder / "j")
    write(writer)
    writer.close()
    reader = JournalReader(folder / "j")
    lines = renderer.lines(Owner("s-0", "a", "b", folder / "j"))(reader.read(10_000))
    reader.close()
    return [line for _, line in lines]


def as_json(folder: Path, write: Callable[[JournalWriter], None]) -> list[dict[str, Any]]:
    lines = journalled(folder, write, Renderer(CLOCK, prefix, json_processors()))
    assert all(line.endswith("}\n") and line.count("\n") == 1 for line in lines)
    return [json.loads(line) for line in lines]


def test_a_put_a_get_and_a_done_have_their_keys_in_order(tmp_path: Path) -> None:
    def write(writer: JournalWriter) -> None:
        envelope = Envelope(producer=2, seq=3, item=7, delivery=2)
        writer.log(PUT, envelope, 5 * SECOND, 10, None)
        writer.log(GET, envelope, 5 * SECOND + 1000, 11, 12)
        writer.log(DONE, envelope, 6 * SECOND, 13, 14)

    put, get, done = as_json(tmp_path, write)
    rest = {"id": "p-2:3", "item": 7}
    assert put == {
        "event": "put", "level": "info", "timestamp": "2023-11-14T22:13:20.999999Z", "t_ns": 0,
        "worker": "s-0", "queue": "b", **rest, "wait_ns": 10, "late_ns": None, "delivery": 2,
    }  # fmt: skip
    assert get == {
        "event": "get", "level": "info", "timestamp": "2023-11-14T22:13:21.000000Z", "t_ns": 1000,
        "worker": "s-0", "queue": "a", **rest, "wait_ns": 11, "latency_ns": 12, "delivery": 2,
    }  # fmt: skip
    assert done == {
        "event": "done", "level": "info", "timestamp": "2023-11-14T22:13:21.999999Z", "t_ns": SECOND,
        "worker": "s-0", "queue": "a", **rest, "service_ns": 13, "planned_ns": 14, "delivery": 2,
    }  # fmt: skip
    assert list(put) == [*COMMON, "worker", "queue", "id", "item", "wait_ns", "late_ns", "delivery"]
    assert list(get) == [*COMMON, "worker", "queue", "id", "item", "wait_ns", "latency_ns", "delivery"]
    assert list(done) == [*COMMON, "worker", "queue", "id", "item", "service_ns", "planned_ns", "delivery"]


def test_items_of_all_sorts_and_suffixes_between_whole_numbers(tmp_path: Path) -> None:
    """Whole numbers are rendered many at a time, all else one by one: both ways agree."""
    values: list[Any] = [1, "100% %s @@id@@", None, 2, 2**80, -3, {"k": "%d"}, "x" * 300]

    def write(writer: JournalWriter) -> None:
        for seq, item in enumerate(values * 3):
            suffix = ".4" if seq % 2 else ""
            writer.log(DONE, Envelope(producer=0, seq=seq, item=item, suffix=suffix), SECOND * seq // 3, 0, None)

    lines = as_json(tmp_path, write)
    assert [line["id"] for line in lines] == [f"p-0:{seq}{'.4' if seq % 2 else ''}" for seq in range(24)]
    cut = '"' + "x" * 255
    assert [line["item"] for line in lines] == [*values[:-1], cut] * 3
    assert [line.get("item_bytes") for line in lines] == [*[None] * 7, 302] * 3
    assert [line["t_ns"] for line in lines] == [SECOND * seq // 3 - 5 * SECOND for seq in range(24)]
    instants = [line["timestamp"] for line in lines]
    assert instants == sorted(instants)


def test_what_a_worker_reports_bears_its_name(tmp_path: Path) -> None:
    def write(writer: JournalWriter) -> None:
        writer.raw(5 * SECOND, {"event": "error", "level": "error", "worker": "s-0", "why": "é % \\ud800"})

    [error] = as_json(tmp_path, write)
    assert (error["event"], error["level"], error["worker"], error["why"]) == ("error", "error", "s-0", "é % \\ud800")
    assert list(error)[:4] == COMMON


def test_an_entry_of_the_supervisor_keeps_its_keys_in_order() -> None:
    renderer = Renderer(CLOCK, prefix, json_processors())
    line = renderer.entry(4 * SECOND, {"event": "worker.exit", "level": "warning", "worker": "ä-0", "exit_code": None})
    assert line == (
        '{"event":"worker.exit","level":"warning","timestamp":"2023-11-14T22:13:19.999999Z","t_ns":-1000000000,'
        '"worker":"ä-0","exit_code":null}\n'
    )


def test_the_lines_are_what_the_log_reader_understands(tmp_path: Path) -> None:
    renderer = Renderer(CLOCK, prefix, json_processors())
    start = {"event": "run.start", "level": "info", "schema": 1, "queues": {}, "groups": {}}

    def write(writer: JournalWriter) -> None:
        for item in (1, "text"):
            writer.log(PUT, Envelope(producer=0, seq=0, item=item), 6 * SECOND, 1, None)

    text = renderer.entry(0, start) + "".join(journalled(tmp_path, write, renderer))
    (tmp_path / "events.jsonl").write_text(text)
    events: list[Event] = list(read(tmp_path / "events.jsonl"))
    assert isinstance(events[0], RunStart)
    assert [msgspec.to_builtins(event)["id"] for event in events[1:]] == ["p-0:0", "p-0:0"]


@pytest.mark.parametrize("colors", [False, True])
def test_pretty_lines_show_the_same_for_people(colors: bool, tmp_path: Path) -> None:
    def write(writer: JournalWriter) -> None:
        writer.log(PUT, Envelope(producer=0, seq=1, item=5), 5 * SECOND, 10, None)
        writer.log(GET, Envelope(producer=0, seq=1, item="100%"), 5 * SECOND, 10, 20)

    put, get = journalled(tmp_path, write, Renderer(CLOCK, prefix, pretty_processors(colors=colors)))
    assert ("\x1b[" in put) is colors
    assert "p-0:1" in put
    assert "None" in put
    assert '"100%"' in get
    assert "@@" not in put + get
