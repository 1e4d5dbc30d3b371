"""`mprun new`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from runner.cli.options import EngineName
from runner.cli.streams import put_out, say
from runner.errors import ConfigError, UsageError


class StartMethod(StrEnum):
    """How the engine processes starts a worker."""

    FORK = "fork"
    FORKSERVER = "forkserver"
    SPAWN = "spawn"


def new(
    producers: Annotated[int, typer.Option(min=1, metavar="N", help="Number of producers.")] = 2,
    stages: Annotated[int, typer.Option(min=0, metavar="N", help="Number of stage workers between.")] = 0,
    consumers: Annotated[int, typer.Option(min=1, metavar="N", help="Number of consumers.")] = 2,
    items: Annotated[
        int | None, typer.Option(min=1, metavar="N", show_default="100", help="Items each producer puts.")
    ] = None,
    duration: Annotated[
        str | None, typer.Option(metavar="TIME", show_default=False, help="Produce so long; endless without --items.")
    ] = None,
    sleep: Annotated[
        str, typer.Option(metavar="TIME", help="A producer's pause after each put, a time or a law.")
    ] = "10ms",
    service: Annotated[str, typer.Option(metavar="TIME", help="Work on one item, a time or a law.")] = "10ms",
    busy: Annotated[bool, typer.Option("--busy", help="That work burns CPU instead of idling.")] = False,
    call: Annotated[
        str | None, typer.Option(metavar="MODULE:FUNCTION", show_default=False, help="Your function does the work.")
    ] = None,
    kind: Annotated[str, typer.Option(help="Kind of the queues.")] = "pipe",
    maxsize: Annotated[int, typer.Option(min=0, metavar="N", help="Items a queue holds at most; 0: no bound.")] = 0,
    batch: Annotated[int, typer.Option(min=1, metavar="N", help="Items in one write or read at most.")] = 1,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="The seed of all random draws.")] = 0,
    engine: Annotated[EngineName, typer.Option(help="What executes it.")] = EngineName.PROCESSES,
    start_method: Annotated[StartMethod, typer.Option(help="How a process is started.")] = StartMethod.FORKSERVER,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", show_default=False, help="Where to; stdout without it."),
    ] = None,
) -> None:
    """Write a config from a few numbers, with comments that say what each key does and what else there is.

    The result is checked before it is written; a file that exists is not touched. TIME is 250us, 10ms, 1.5s, or a law
    such as '{distribution: exponential, mean: 10ms}'. With --stages there are two queues, and the stages do the --call.

      mprun new > first.yaml
      mprun new --producers 2 --consumers 4 --maxsize 100 -o bounded.yaml
      mprun new --stages 3 --call shop:price --sleep '{distribution: exponential, mean: 5ms}' -o shop.yaml
    """
    from runner.config.draft import Draft, text

    draft = Draft(
        file=output or "FILE", producers=producers, stages=stages, consumers=consumers,
        items=100 if items is None and duration is None else items, duration=duration, pause=sleep, service=service,
        busy=busy, call=call, kind=kind, maxsize=maxsize, batch=batch, seed=seed, engine=engine.value,
        start_method=start_method.value,
    )  # fmt: skip
    _refuse_pieces(duration, sleep, service, kind, f'"{call}"')
    written = text(draft)
    _check(written)
    if output is None:
        put_out(written)
    else:
        _write(output, written)


def _refuse_pieces(*values: str | None) -> None:
    """Each value is to stay in its place: it must be one YAML value, also between brackets."""
    import yaml

    for value in values:
        if value is None:
            continue
        try:
            alone = len(yaml.safe_load(f"[{value}]")) == 1 and value.isprintable()
        except yaml.YAMLError:
            alone = False
        if not alone:
            raise UsageError(
                f"{value!r} is not one YAML value, such as 10ms or {{distribution: exponential, mean: 10ms}}"
            )


def _check(written: str) -> None:
    """Load what would be written; of what is wrong with it only the key tells whoever has not seen it."""
    from runner.config.load import loads

    try:
        for warning in loads(written).warnings:
            say(f"warning: {warning.path}: {warning.message}")
    except ConfigError as error:
        raise UsageError("\nmprun: ".join(f"{each.path}: {each.message}" for each in error.problems)) from error


def _write(path: str, written: str) -> None:
    try:
        with open(path, "x", encoding="utf-8") as file:  # noqa: PTH123 - whatever the text, as given
            file.write(written)
    except FileExistsError as error:
        raise UsageError(f"{path} exists; choose another name, or remove it first") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    say(f"{path} written; next: mprun plan {path}")
