"""mprun: producer/consumer topologies from a YAML file, run for real, logged, audited, repeatable.

The names below are resolved when they are first used: `import runner` loads nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.api import Result, audit, plan, run, simulate
    from runner.config.load import load
    from runner.errors import ConfigError
    from runner.experiments.advise import Advice, advise
    from runner.experiments.fit import Fitted, fit
    from runner.experiments.rerun import Rerun, rerun
    from runner.experiments.twin import Twin, twin

__all__ = [
    "Advice",
    "ConfigError",
    "Fitted",
    "Rerun",
    "Result",
    "Twin",
    "__version__",
    "advise",
    "audit",
    "fit",
    "load",
    "plan",
    "rerun",
    "run",
    "simulate",
    "twin",
]

__version__ = "0.1.0"

_HOMES = {
    "Advice": "runner.experiments.advise",
    "advise": "runner.experiments.advise",
    "ConfigError": "runner.errors",
    "Result": "runner.api",
    "Fitted": "runner.experiments.fit",
    "fit": "runner.experiments.fit",
    "audit": "runner.api",
    "load": "runner.config.load",
    "plan": "runner.api",
    "Rerun": "runner.experiments.rerun",
    "rerun": "runner.experiments.rerun",
    "run": "runner.api",
    "simulate": "runner.api",
    "Twin": "runner.experiments.twin",
    "twin": "runner.experiments.twin",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
