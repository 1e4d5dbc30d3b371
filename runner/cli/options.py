"""Arguments and options that several commands share, and what the ones of `run` mean as overrides."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

if TYPE_CHECKING:
    from runner.config.models import Config


class EngineName(StrEnum):
    """What can execute a plan."""

    PROCESSES = "processes"
    THREADS = "threads"
    SIMULATION = "simulation"
    RAY = "ray"


ConfigFile: TypeAlias = Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file; - is standard input.")]
RunName: TypeAlias = Annotated[
    str | None,
    typer.Argument(metavar="RUN", show_default=False, help="A run directory or its name; the latest by default."),
]
Logged: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        show_default=False,
        help="A run directory, its name, or an events.jsonl; the latest by default.",
    ),
]
Settings: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=YAML",
        show_default=False,
        help="Set a key of the config, such as producers.produce.count=4. Repeatable.",
    ),
]
Seed: TypeAlias = Annotated[
    int | None, typer.Option(min=0, metavar="N", show_default=False, help="The seed of all random draws.")
]
TimeScale: TypeAlias = Annotated[
    float | None,
    typer.Option(min=0, metavar="X", show_default=False, help="Multiply every sleep and busy time."),
]
EngineOption: TypeAlias = Annotated[
    EngineName | None,
    typer.Option("--engine", show_default=False, help="What executes the plan; ray needs mprun[ray]."),
]
Out: TypeAlias = Annotated[str, typer.Option("--out", "-o", metavar="DIR", help="The parent of run directories.")]
Runs: TypeAlias = Annotated[str, typer.Option("--out", metavar="DIR", help="The parent of run directories.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
JunitFile: TypeAlias = Annotated[
    str | None,
    typer.Option("--junit", metavar="FILE", show_default=False, help="Write what was expected and met as JUnit XML."),
]


def logged(run: str | None, out: str) -> Path:
    """The run directory, or the log, that somebody names; raises LogError where there is none."""
    from runner.log.rundir import find

    return Path(run) if run is not None and Path(run).is_file() else find(run, Path(out)).path


def overrides(
    settings: list[str] | None, seed: int | None, time_scale: float | None, engine: EngineName | None
) -> dict[str, Any]:
    """Dotted path → value, as the options say; --seed and its like win over --set.

    Raises:
        ConfigError: A --set that is none.
    """
    from runner.config.load import parse_set

    chosen = parse_set(settings or [])
    options = {"seed": seed, "time_scale": time_scale, "engine": engine and engine.value}
    chosen.update({key: value for key, value in options.items() if value is not None})
    return chosen


def load_config(source: str, chosen: dict[str, Any], *, quiet: bool = False) -> Config:
    """Load a config and pass its warnings on to stderr; raises ConfigError."""
    from runner.cli.streams import say
    from runner.config.load import load

    config = load(source, chosen)
    for warning in () if quiet else config.warnings:
        say(f"warning: {warning}")
    return config
