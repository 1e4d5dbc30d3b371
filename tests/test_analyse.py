"""Logs that are whole, and logs with something wrong in them, to figures and verdict."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING

import pytest
from logs import Topology, legal_log, text_of
from mishaps import log_of, mishap

from runner.analysis.analyse import analyse
from runner.cli.app import execute
from runner.errors import LogError

if TYPE_CHECKING:
    from pathlib import Path

    from runner.analysis.summary import Summary
    from runner.analysis.violations import Verdict

LOG = legal_log(Topology(items=30, seed=1))
LINES = text_of(LOG).splitlines()


def line_of(event: str, nth: int = 0) -> int:
    """Place of the n-th line of this kind."""
    return [place for place, record in enumerate(LOG) if record["event"] == event][nth]


def analysed(path: Path, lines: list[str], end: str = "\n") -> tuple[Summary, Verdict]:
    path.write_text("\n".join(lines) + end)
    return analyse(path, fifo=True)


def told(verdict: Verdict) -> list[tuple[str, tuple[int, ...]]]:
    return [(str(each.kind), each.lines) for each in verdict.violations]


def test_a_broken_line_is_named_and_nothing_is_accused_for_it(tmp_path: Path) -> None:
    """What is missing in it is not lost, nor do totals or bounds tell."""
    whole, _ = analysed(tmp_path / "log", LINES)
    for event in ("put", "done"):
        place = line_of(event, 5)
        summary, verdict = analysed(tmp_path / "log", [*LINES[:place], '{"event":"pu', *LINES[place + 1 :]])
        assert (verdict.valid, told(verdict)) == (False, [("unexpected", (place + 1,))])
        assert verdict.violations[0].message.startswith("is no event: ")
        assert verdict.reason == f"line {place + 1} is no event, so that something may be missing"
        assert getattr(summary.items, event) == getattr(whole.items, event) - 1
        assert (summary.items.lost, summary.makespan_s) == (0, whole.makespan_s)


def test_lines_behind_a_broken_one_keep_their_numbers(tmp_path: Path) -> None:
    again = line_of("done", 7)
    lines = [*LINES[:3], "oops", *LINES[3 : again + 1], LINES[again], *LINES[again + 1 :]]
    _, verdict = analysed(tmp_path / "log", lines)
    assert told(verdict)[:2] == [("unexpected", (4,)), ("duplicated", (again + 3,))]


@pytest.mark.parametrize("seed", range(40))
def test_any_lines_may_be_cut_off(seed: int, tmp_path: Path) -> None:
    """In logs of deaths, faults and stages, too: each is named, and nothing that is not there is called lost."""
    random = Random(seed)  # noqa: S311 - repeatable
    records = log_of(mishap(seed))
    lines = text_of(records).splitlines()
    cut = sorted(random.sample(range(1, len(lines)), min(len(lines) - 1, random.choice([1, 2, 9]))))
    for place in cut:
        lines[place] = lines[place][: random.randrange(len(lines[place]))]
    summary, verdict = analysed(tmp_path / "log", lines)
    named = [each.lines[0] - 1 for each in verdict.violations if each.message.startswith("is no event")]
    assert (verdict.valid, named) == (False, cut)
    assert summary.items.lost <= sum(record["event"] == "lost" for record in records)


def test_many_broken_lines_are_counted(tmp_path: Path) -> None:
    _, verdict = analysed(tmp_path / "log", [*LINES[:9], *["x"] * 1200, *LINES[9:]])
    assert (verdict.valid, verdict.count, len(verdict.violations)) == (False, 1200, 1000)


def test_another_schema_is_read_and_never_called_valid(tmp_path: Path) -> None:
    whole, _ = analysed(tmp_path / "log", LINES)
    first = LINES[0].replace('"schema":1', '"schema":7').replace('"schema": 1', '"schema":7')
    assert first != LINES[0]
    summary, verdict = analysed(tmp_path / "log", [first, *LINES[1:]])
    assert (verdict.valid, verdict.count) == ("unknown", 0)
    assert verdict.reason == "line 1: log schema 7, read as 1, which this mprun knows"
    assert (summary.items, summary.latency) == (whole.items, whole.latency)


def test_a_log_without_an_end_has_all_that_is_there(tmp_path: Path) -> None:
    summary, verdict = analysed(tmp_path / "log", LINES[:-1])
    assert (summary.status, verdict.valid, verdict.reason) == ("failed", "unknown", "incomplete: there is no run.end")
    assert summary.items.done == sum(record["event"] == "done" for record in LOG)
    _, verdict = analysed(tmp_path / "log", [*LINES[:20], '{"event":"pu'], end="")
    assert (verdict.valid, verdict.reason) == (
        "unknown",
        "incomplete: the last line is torn",
    )


@pytest.mark.parametrize("text", ["", "# a text\n", "{}\n", LINES[-1] + "\n", LINES[0]])
def test_what_is_no_log_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(text)
    with pytest.raises(LogError, match="is no mprun event log"):
        analyse(tmp_path / "log")


def test_the_commands_say_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`audit` on stdout, with exit code 1; `show` beside the figures, on stderr."""
    run = tmp_path / "runs" / "20260101T000000Z-r-0000"
    run.mkdir(parents=True)
    (run / "manifest.json").write_text("{}")
    log = run / "events.jsonl"
    log.write_text("\n".join([*LINES[:9], "oops", *LINES[9:]]) + "\n")
    assert execute(["audit", str(log)]) == 1
    out = capfd.readouterr().out
    assert "unexpected: is no event: " in out
    assert "[line 10]\n" in out
    assert f"{log}: not valid, 1 violation (line 10 is no event, so that something may be missing)\n" in out
    assert execute(["show", str(run), "--json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["items"]["done"] == sum(record["event"] == "done" for record in LOG)
    assert f"{log}: line 10 is no event" in err
    assert "unexpected: is no event" in err
    log.write_text("nothing\n")
    assert execute(["audit", str(log)]) == 2
