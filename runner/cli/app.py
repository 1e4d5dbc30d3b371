"""The commands of `mprun` put together, and the one boundary at which errors become messages and exit codes."""

from __future__ import annotations

import difflib
import inspect
import re
import textwrap
import traceback
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from runner.cli.advise import advise
from runner.cli.audit import audit
from runner.cli.bare import with_command
from runner.cli.compare import compare
from runner.cli.config import config
from runner.cli.doctor import doctor
from runner.cli.fit import fit
from runner.cli.new import new
from runner.cli.plan import plan
from runner.cli.prune import prune
from runner.cli.report import report
from runner.cli.rerun import rerun
from runner.cli.run import run
from runner.cli.runs import runs
from runner.cli.schema import schema
from runner.cli.show import show
from runner.cli.simulate import simulate
from runner.cli.streams import say
from runner.cli.sweep import sweep
from runner.cli.trace import trace
from runner.cli.twin import twin
from runner.cli.validate import validate
from runner.errors import ConfigError, ExitCode, MprunError

if TYPE_CHECKING:
    from collections.abc import Callable

_COMMANDS = (
    run,
    simulate,
    validate,
    plan,
    config,
    schema,
    show,
    runs,
    audit,
    compare,
    report,
    trace,
    rerun,
    fit,
    prune,
    twin,
    advise,
    sweep,
    new,
    doctor,
)


class Commands(TyperGroup):
    """The group of all commands, to which a config alone means `run`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` in front of a config that stands where a command should."""
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        return super().parse_args(ctx, with_command(args, self.commands, own))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command, or say which one is near."""
        if args[0] not in self.commands and not ctx.resilient_parsing:
            near = difflib.get_close_matches(args[0], self.commands, n=1)
            hint = f", did you mean {near[0]!r}?" if near else " (and no such file)"
            ctx.fail(f"no such command {args[0]!r}{hint}")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="mprun",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        from runner import __version__

        typer.echo(f"mprun {__version__}")
        raise typer.Exit


def _help(command: Callable[..., object]) -> str:
    """A command's docstring as its help; the examples and whatever else is indented stay as they are written."""
    paragraphs = (inspect.getdoc(command) or "").split("\n\n")
    return "\n\n".join(
        _kept(text) if text.startswith("mprun ") or "\n  " in f"\n{text}" else text for text in paragraphs
    )


def _in_short(command: Callable[..., object]) -> str:
    """The first words of a command's docstring, up to where they make sense alone: what fits a line of the list."""
    return re.split(r"[.:;,] |\.$", (inspect.getdoc(command) or "").replace("\n", " "), maxsplit=1)[0]


def _kept(paragraph: str) -> str:
    # A docstring of which all but the first line is indented loses the indentation.
    indent = "  " if paragraph.startswith("mprun ") else ""
    return "\b\n" + textwrap.indent(paragraph, indent)


def _main(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Run producer/consumer topologies from a YAML file as real processes, log every put and get, check the log.

      mprun configs/default.yaml                    run a config (short for `mprun run …`)
      mprun configs/default.yaml --time-scale 0.1   ten times faster
      mprun plan configs/default.yaml               what would run
      mprun show                                    the latest run again
      mprun new -o first.yaml                       a config to begin with
      mprun doctor                                  what this machine gives a run

    Exit codes:
      0    ok
      1    the run failed: items lost, a worker died, user code failed, timed out, audit not valid
      2    usage or config: nothing was started
      3    a bound of expect was not met
      70   internal error
      129, 130, 143   ended by SIGHUP, SIGINT (Ctrl-C), SIGTERM
    """


app.callback(help=_help(_main))(_main)
for _command in _COMMANDS:
    app.command(help=_help(_command), short_help=_in_short(_command))(_command)


def execute(arguments: list[str]) -> int:
    """Run the command that the arguments name; returns the exit code, whatever happens."""
    try:
        return get_command(app).main(arguments, prog_name="mprun", standalone_mode=False) or 0
    except ConfigError as error:
        say(str(error))
        return error.exit_code
    except MprunError as error:
        say(f"mprun: {error}")
        return error.exit_code
    except typer.TyperException as error:
        say(_told(error) if arguments else error.format_message())
        return error.exit_code
    except Exception:
        say(f"{traceback.format_exc()}mprun: internal error, please report it with the lines above")
        return ExitCode.INTERNAL


def _told(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "mprun"
    return f"mprun: {error.format_message()}\nTry '{path} --help' for help."
