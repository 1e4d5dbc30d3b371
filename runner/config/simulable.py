"""What keeps a config from being simulated: user code, of which nobody knows how long it takes or what it gives."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from runner.config.items import CallItems
from runner.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.config.models import Config

SIMULATION: Final = "simulation"
"""The engine's name."""


def obstacles(config: Config) -> Iterator[tuple[str, str]]:
    """The path and the problem of everything that cannot be simulated."""
    for name, producer in config.producers.items():
        if isinstance(producer.items, CallItems):
            message = "user code gives these items, and a simulation runs none; write them as values, a range or a file"
            yield f"producers.{name}.items.call", f"cannot be simulated: {message}"
    stages = ((f"stages.{name}", stage.call) for name, stage in config.stages.items())
    consumers = ((f"consumers.{name}", consumer.call) for name, consumer in config.consumers.items())
    for path, call in chain(stages, consumers):
        if call is not None and call.model is None:
            remedy = f"add model, such as {{target: {call.target}, model: {{distribution: exponential, mean: 10ms}}}}"
            yield f"{path}.call", f"cannot be simulated: nobody knows how long user code takes; {remedy}"


def simulable(config: Config) -> Config:
    """The same config for the engine `simulation`.

    Raises:
        ConfigError: It cannot be simulated; where it was written is not known any more.
    """
    problems = [Problem(config.name, None, None, path, message) for path, message in obstacles(config)]
    if problems:
        raise ConfigError(*problems)
    return config.model_copy(update={"engine": SIMULATION})


def foretold(config: Config) -> Config:
    """The same config as a simulation best foretells its engine.

    To its end, whatever the wall clock says and whatever is expected of it; and `threads` with one core for all, as
    Python runs one thread at a time.

    Raises:
        ConfigError: It cannot be simulated.
    """
    cores = {"cores": 1} if config.engine == "threads" else {}
    return simulable(config).model_copy(update={"timeout": None, "expect": {}, **cores})
