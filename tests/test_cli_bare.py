"""Whether what is typed behind `mprun` begins with a config."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runner.cli.bare import looks_like_file, with_command

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = {"run", "plan"}
OWN = {"--help", "-h", "--version"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["c.yaml"],
        ["dir/c", "--json"],
        ["c.YML"],
        ["c.json"],
        ["-"],
        ["./plan"],
        ["--seed", "7", "c.yaml"],
        ["-q", "c.yaml"],
        ["--set=seed=7", "-"],
        ["--", "-odd.yaml"],
        ["c.yaml", "--help"],
    ],
)
def test_a_config_or_an_option_of_run_in_front_means_run(arguments: list[str]) -> None:
    assert with_command(arguments, COMMANDS, OWN) == ["run", *arguments]


@pytest.mark.parametrize(
    "arguments", [[], ["run", "c.yaml"], ["plan"], ["nonsense"], ["--help"], ["-h"], ["--version=1", "c.yaml"]]
)
def test_all_else_stays_as_it_is(arguments: list[str]) -> None:
    assert with_command(arguments, COMMANDS, OWN) == arguments


def test_whatever_exists_is_a_file_but_a_command_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not looks_like_file("config")
    for name in ("config", "plan"):
        (tmp_path / name).touch()
    assert looks_like_file("config")
    assert with_command(["plan"], COMMANDS, OWN) == ["plan"]


@pytest.mark.parametrize("odd", ["", "\0", "a\0.txt", "x" * 10_000])
def test_no_text_is_too_odd(odd: str) -> None:
    assert not looks_like_file(odd)
