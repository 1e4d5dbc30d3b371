"""Logs with something wrong in them: it is said where, and all else is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from logs import Topology, legal_log, text_of

from runner.errors import LogError
from runner.log.events import Broken, Put, Torn, read
from runner.log.tolerant import Troubles, read_chunks

if TYPE_CHECKING:
    from pathlib import Path

    from runner.log.events import Event

LINES = text_of(legal_log(Topology(items=30, seed=1))).splitlines()


def tried(path: Path, lines: list[str], end: str = "\n") -> tuple[list[Event], list[str]]:
    path.write_text("\n".join(lines) + end)
    troubles = Troubles()
    found = [event for chunk in read_chunks(path, troubles, headless=True) for event in chunk]
    assert len(found) == len(lines)
    return [event for event in found if not isinstance(event, Broken | Torn)], troubles.lines()


def test_a_whole_log_is_read_as_ever(tmp_path: Path) -> None:
    found, troubles = tried(tmp_path / "events.jsonl", LINES)
    assert found == list(read(tmp_path / "events.jsonl"))
    assert troubles == []


def test_broken_lines_are_named_and_left_out(tmp_path: Path) -> None:
    whole, _ = tried(tmp_path / "events.jsonl", LINES)
    lines = [*LINES]
    lines[9], lines[19] = "{broken", '{"event":"put","t_ns":"soon"}'
    found, troubles = tried(tmp_path / "events.jsonl", lines)
    assert [trouble.partition(":")[0] for trouble in troubles] == ["line 10", "line 20"]
    assert found == [event for place, event in enumerate(whole) if place not in (9, 19)]


def test_for_a_broken_line_there_is_something_in_its_place(tmp_path: Path) -> None:
    """With the instant of the line before, in whatever block it stands; so lines can be counted."""
    path = tmp_path / "events.jsonl"
    put = next(line for line in LINES if '"event":"put"' in line.replace(" ", ""))
    lines = [LINES[0], *[put] * 6000, LINES[-1]]
    assert len("\n".join(lines)) > 1 << 19
    places = (1, 2, 3, 1500, 4999, 6000)
    for place in places:
        lines[place] = '{"event":"put"}'
    path.write_text("\n".join(lines) + "\n")
    troubles = Troubles()
    found = [event for chunk in read_chunks(path, troubles) for event in chunk]
    broken = {place: event for place, event in enumerate(found) if isinstance(event, Broken)}
    assert tuple(broken) == places
    assert [line.split(": ")[0] for line in troubles.lines()] == [f"line {place + 1}" for place in places]
    before = next(event for event in found if isinstance(event, Put)).t_ns
    assert [event.t_ns for event in broken.values()] == [found[0].t_ns] * 3 + [before] * 3


@pytest.mark.parametrize("text", ["", "nonsense\n", '{"event":"run.end","t_ns":0,"status":"completed"}\n', LINES[0]])
def test_what_does_not_begin_like_a_log_is_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(text)
    with pytest.raises(LogError, match="is no mprun event log"):
        list(read_chunks(path, Troubles()))


def test_a_broken_first_line_is_two_troubles(tmp_path: Path) -> None:
    found, troubles = tried(tmp_path / "events.jsonl", ["nonsense", *LINES[1:]])
    assert len(found) == len(LINES) - 1
    assert [trouble.partition(":")[0] for trouble in troubles] == ["line 1", "line 1"]
    assert troubles[1] == "line 1: no run.start"


def test_another_schema_is_said_and_read(tmp_path: Path) -> None:
    first = LINES[0].replace('"schema":1', '"schema":7').replace('"schema": 1', '"schema":7')
    found, troubles = tried(tmp_path / "events.jsonl", [first, *LINES[1:]])
    assert len(found) == len(LINES)
    assert troubles == ["line 1: log schema 7, read as 1, which this mprun knows"]


def test_a_log_that_breaks_off_is_said_to_be_incomplete(tmp_path: Path) -> None:
    found, troubles = tried(tmp_path / "events.jsonl", [*LINES[:20], '{"event":"pu'], end="")
    assert len(found) == 20
    assert troubles == [
        "line 21: torn: the log breaks off in it", "incomplete: there is no run.end, or not at the end"
    ]  # fmt: skip
    assert tried(tmp_path / "events.jsonl", LINES[:-1])[1] == ["incomplete: there is no run.end, or not at the end"]


def test_of_many_troubles_some_are_told_and_the_rest_counted(tmp_path: Path) -> None:
    _, troubles = tried(tmp_path / "events.jsonl", [LINES[0], *["x"] * 500, LINES[-1]])
    assert len(troubles) == 21
    assert troubles[-1] == "and 480 more"


def test_lines_are_numbered_across_the_pieces_a_log_is_read_in(tmp_path: Path) -> None:
    many = [LINES[0], *[LINES[1]] * 6000, "x", LINES[-1]]
    assert len("\n".join(many)) > 1 << 19
    assert tried(tmp_path / "events.jsonl", many)[1][0].startswith("line 6002: ")


def test_a_log_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LogError):
        list(read_chunks(tmp_path / "none", Troubles()))
