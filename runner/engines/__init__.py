"""The engines: a registry of one dict, from the name in the config to where the engine is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from runner.engines.contract import Engine

ENGINES: Final = {
    "processes": "runner.engines.processes",
    "threads": "runner.engines.threads",
    "ray": "runner.engines.ray",
}
"""Name in the config → the module whose `run` is the engine."""


def engine(name: str) -> Engine:
    """The engine of this name, imported only now; raises KeyError."""
    found: Engine = import_module(ENGINES[name]).run
    return found
