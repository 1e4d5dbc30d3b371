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
    from runner.experiments.compare import Compared, compare
    from runner.experiments.fit import Fitted, fit
    from runner.experiments.relation import events
    from runner.experiments.rerun import Rerun, rerun
    from runner.experiments.stored import StoredRun, stored_runs
    from runner.experiments.sweep import Sweep, sweep
    from runner.experiments.sweep_figures import SweepFigures
    from runner.experiments.sweep_store import StoredSweep, read_sweep
    from runner.experiments.twin import Twin, twin
    from runner.reports.comparison import write_comparison
    from runner.reports.report import report
    from runner.reports.trace import trace

__all__ = [
    "Advice",
    "Compared",
    "ConfigError",
    "Fitted",
    "Rerun",
    "Result",
    "StoredRun",
    "StoredSweep",
    "Sweep",
    "SweepFigures",
    "Twin",
    "__version__",
    "advise",
    "audit",
    "compare",
    "events",
    "fit",
    "load",
    "plan",
    "read_sweep",
    "report",
    "rerun",
    "run",
    "simulate",
    "stored_runs",
    "sweep",
    "trace",
    "twin",
    "write_comparison",
]

__version__ = "0.1.0"

_HOMES = {
    "Advice": "runner.experiments.advise",
    "advise": "runner.experiments.advise",
    "Compared": "runner.experiments.compare",
    "compare": "runner.experiments.compare",
    "ConfigError": "runner.errors",
    "events": "runner.experiments.relation",
    "Result": "runner.api",
    "Fitted": "runner.experiments.fit",
    "fit": "runner.experiments.fit",
    "audit": "runner.api",
    "load": "runner.config.load",
    "plan": "runner.api",
    "report": "runner.reports.report",
    "Rerun": "runner.experiments.rerun",
    "rerun": "runner.experiments.rerun",
    "run": "runner.api",
    "simulate": "runner.api",
    "StoredRun": "runner.experiments.stored",
    "stored_runs": "runner.experiments.stored",
    "StoredSweep": "runner.experiments.sweep_store",
    "read_sweep": "runner.experiments.sweep_store",
    "SweepFigures": "runner.experiments.sweep_figures",
    "write_comparison": "runner.reports.comparison",
    "Sweep": "runner.experiments.sweep",
    "sweep": "runner.experiments.sweep",
    "trace": "runner.reports.trace",
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
