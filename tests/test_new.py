"""`mprun new`: what it writes is a config that runs, and is worth reading."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import runner
from runner.cli.app import execute
from runner.config.draft import Draft, text
from runner.config.load import loads

if TYPE_CHECKING:
    from pathlib import Path

FLAGS = [
    [],
    ["--producers", "3", "--consumers", "4", "--maxsize", "100", "--batch", "8", "--seed", "7"],
    ["--stages", "2", "--call", "shop:price", "--service", "{distribution: gamma, shape: 2, mean: 3ms}"],
    ["--duration", "2s", "--busy", "--engine", "threads"],
    ["--kind", "multiprocessing.Queue", "--start-method", "spawn", "--items", "5", "--sleep", "0"],
]


@pytest.mark.parametrize("flags", FLAGS)
def test_it_is_a_config(flags: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert execute(["new", *flags]) == 0
    written, said = capfd.readouterr()
    assert bool(loads(written).warnings) == said.startswith("warning: ")


@pytest.mark.parametrize("flags", FLAGS)
def test_each_line_that_may_be_brought_to_life_can_be(flags: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    execute(["new", *flags])
    written = capfd.readouterr().out
    optional = re.findall(r"^# [a-z_]+: .*$", written, flags=re.MULTILINE)
    assert len(optional) >= 3
    for line in optional:
        loads(written.replace(line, line.removeprefix("# ")))


def test_the_numbers_are_those_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    execute(["new", "--producers", "2", "--stages", "3", "--consumers", "4", "--maxsize", "9", "--items", "6"])
    plan = runner.plan(loads(capfd.readouterr().out))
    assert [(group.name, group.count, group.planned) for group in plan.groups] == [
        ("produce", 2, 12), ("work", 3, None), ("consume", 4, None)
    ]  # fmt: skip
    assert [queue.maxsize for queue in plan.queues] == [9, 9]


def test_the_defaults_of_the_command_are_those_of_a_draft(capfd: pytest.CaptureFixture[str]) -> None:
    execute(["new"])
    assert capfd.readouterr().out == text(Draft("FILE"))


def test_it_runs_as_it_is(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "first.yaml"
    assert execute(["new", "--items", "3", "--sleep", "1ms", "-o", str(path)]) == 0
    assert f"next: mprun plan {path}" in capfd.readouterr().err
    summary = runner.simulate(runner.load(path), store=False).summary
    assert (summary["status"], summary["items"]["done"]) == ("ok", 6)


def test_it_overwrites_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("mine")
    assert execute(["new", "-o", str(path)]) == 2
    assert "exists; choose another name" in capfd.readouterr().err
    assert path.read_text() == "mine"
    assert execute(["new", "-o", str(tmp_path / "nowhere" / "x.yaml")]) == 2


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--sleep", "soon"], "producers.produce.sleep: wanted seconds"),
        (["--kind", "pip"], "the text 'pip', did you mean pipe?"),
        (["--sleep", "1, items: 5"], "is not one YAML value"),
        (["--service", "1}\nx: {"], "is not one YAML value"),
        (["--call", 'x", y: "z'], "is not one YAML value"),
        (["--call", "nothing"], "consumers.consume.call"),
        (["--maxsize", "100000"], "queues.main.maxsize"),
        (["--producers", "0"], "producers"),
    ],
)
def test_what_makes_no_config_is_refused_by_its_key(
    flags: list[str], said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.yaml"
    assert execute(["new", *flags, "-o", str(path)]) == 2
    assert said in capfd.readouterr().err
    assert not path.exists()
