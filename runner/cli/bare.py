"""The bare form: `mprun CONFIG` for `mprun run CONFIG`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_SUFFIXES = (".yaml", ".yml", ".json")


def with_command(arguments: list[str], commands: Collection[str], own: Collection[str]) -> list[str]:
    """The arguments with `run` in front where they name no command but begin with a config or an option of `run`.

    A name that is both a command and a file is the command; `./plan` is the file.

    Args:
        arguments: Behind `mprun`.
        commands: The names of all commands.
        own: The options of `mprun` itself, such as `--help`.
    """
    if not arguments:
        return arguments
    first = arguments[0]
    if first.startswith("-") and first != "-":
        is_own = first.partition("=")[0] in own
        return arguments if is_own else ["run", *arguments]
    if first not in commands and looks_like_file(first):
        return ["run", *arguments]
    return arguments


def looks_like_file(argument: str) -> bool:
    """Whether an argument can only be meant as a config."""
    is_named_so = argument == "-" or os.sep in argument or argument.lower().endswith(_SUFFIXES)
    return is_named_so or os.path.exists(argument)  # noqa: PTH110 - never raises, whatever the text
