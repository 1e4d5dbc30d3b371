"""Reading the event log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lines import done, end, get, line, put, start
from logs import text_of

from runner.errors import LogError
from runner.log.events import Done, Get, Other, Put, RunEnd, RunStart, Torn, read, records

if TYPE_CHECKING:
    from pathlib import Path

LOG = [*start(), put(10, "p-0:0", 4), get(12, "p-0:0", 6, 3), done(20, "p-0:0", 8), end(30, put=1)]


def stored(folder: Path, text: str | bytes) -> Path:
    path = folder / "events.jsonl"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_every_line_becomes_its_record(tmp_path: Path) -> None:
    events = list(read(stored(tmp_path, text_of(LOG))))
    assert isinstance(events[0], RunStart)
    assert events[0].queues["main"].capacity == 99
    assert events[0].groups["p"].target == "main"
    assert events[0].groups["c"].source == "main"
    assert events[3] == Put(t_ns=10, worker="p-0", queue="main", id="p-0:0", wait_ns=4)
    assert events[4] == Get(t_ns=12, worker="c-0", queue="main", id="p-0:0", wait_ns=3, latency_ns=6)
    assert events[5] == Done(t_ns=20, worker="c-0", queue="main", id="p-0:0", service_ns=8, planned_ns=0)
    assert events[6] == RunEnd(t_ns=30, status="completed", totals={"put": 1})


def test_an_event_of_a_kind_yet_to_come_is_passed_through(tmp_path: Path) -> None:
    path = stored(tmp_path, text_of([*LOG[:-1], line("checkpoint", 25, extra=1), LOG[-1]]))
    assert list(read(path))[-2:] == [
        Other(event="checkpoint", t_ns=25),
        RunEnd(t_ns=30, status="completed", totals={"put": 1}),
    ]


def test_records_gives_every_key_of_every_line(tmp_path: Path) -> None:
    assert list(records(stored(tmp_path, text_of(LOG)))) == LOG


def test_logs_longer_than_a_chunk_come_whole_and_in_order(tmp_path: Path) -> None:
    many = [put(k, f"p-0:{k}") | {"item": "x" * (k % 300)} for k in range(5000)]
    events = list(read(stored(tmp_path, text_of([*start(), *many]))))
    assert [event.t_ns for event in events[3:]] == list(range(5000))


def test_a_torn_last_line_ends_the_stream_with_a_mark(tmp_path: Path) -> None:
    text = text_of(LOG)
    whole = text[: text.rindex('{"event":"run.end"')]
    for cut in range(len(whole) + 1, len(text)):
        events = list(read(stored(tmp_path, text[:cut])))
        assert events[-1] == Torn(t_ns=20, length=cut - len(whole))
        assert len(events) == len(LOG)


BROKEN: dict[str, tuple[str | bytes, str]] = {
    "no JSON": ("{oops}\n", r":5: is no event: "),
    "no object": ("[1]\n", r":5: is no event: "),
    "a blank line": ("\n", r":5: is no event: "),
    "two records on a line": (text_of([put(1, "p-0:1")])[:-1] + text_of([put(1, "p-0:2")]), r":5: is no event: "),
    "a record on two lines": (text_of([put(1, "p-0:1")]).replace(",", ",\n", 1), r":5: is no event: "),
    "a key missing": ('{"event":"put","t_ns":1}\n', r":5: is no event: .*missing required field `worker`"),
    "another type": (text_of([put(1, "p-0:1", wait_ns="2")]), r":5: is no event: Expected `int`, got `str`.*wait_ns"),
    "a number beyond 64 bits": (text_of([put(10**30, "p-0:1")]), r":5: is no event: "),
    "no instant": ('{"event":"checkpoint"}\n', r":5: is no event: .*t_ns"),
    "bytes that are no UTF-8": (b'{"event":"put","t_ns":1,"worker":"\xff"}\n', r":5: is no event: "),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_line_that_is_no_event_is_named_after_the_events_before_it(tmp_path: Path, case: str) -> None:
    bad, message = BROKEN[case]
    bad = bad if isinstance(bad, bytes) else bad.encode()
    path = stored(tmp_path, text_of(LOG[:4]).encode() + bad + text_of(LOG[4:]).encode())
    events = read(path)
    assert [next(events).t_ns for _ in range(4)] == [-1000, -500, -500, 10]
    with pytest.raises(LogError, match=message):
        next(events)


NO_LOG: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is no mprun event log: it is empty"),
    "prose": ("hello\nworld\n", "is no mprun event log: line 1: "),
    "one word": ("hello", "is no mprun event log: line 1: it has no end"),
    "binary": (b"\x00\xff\n\x00", "is no mprun event log: line 1: "),
    "another JSON Lines file": ('{"a":1}\n', "is no mprun event log: line 1: "),
    "a log without its head": (text_of(LOG[1:]), "is no mprun event log: it does not begin with run.start"),
    "a newer schema": (text_of(start(schema=2)), "is of log schema 2, this mprun reads 1; a newer mprun wrote it"),
    "an impossible schema": (text_of(start(schema=0)), "is of log schema 0, this mprun reads 1"),
}


@pytest.mark.parametrize("case", NO_LOG)
def test_what_is_no_event_log_is_said_in_one_line(tmp_path: Path, case: str) -> None:
    text, message = NO_LOG[case]
    with pytest.raises(LogError, match=message) as caught:
        list(read(stored(tmp_path, text)))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "events.jsonl"))


def test_a_directory_and_a_missing_file_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(LogError, match="cannot be read: "):
            list(read(path))
