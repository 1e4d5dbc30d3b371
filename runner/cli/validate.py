"""`mprun validate`."""

from __future__ import annotations

from typing import Annotated

import typer

from runner.cli.streams import put_out, say
from runner.errors import ConfigError, ExitCode


def validate(
    configs: Annotated[list[str], typer.Argument(metavar="CONFIG", help="YAML files; - is standard input.")],
) -> int:
    """Check configs and tell every problem of every file, each with its line and column.

    Starts nothing and imports no user code. Exits with 2 if any file is wrong.

      mprun validate configs/*.yaml
    """
    from runner.cli.options import load_config

    code = ExitCode.OK
    for source in configs:
        try:
            load_config(source, {})
        except ConfigError as error:
            say(str(error))
            code = error.exit_code
        else:
            put_out(f"{source}: ok\n")
    return code
