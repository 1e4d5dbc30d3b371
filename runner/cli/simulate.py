"""`mprun simulate`: a run in virtual time."""

from __future__ import annotations

from runner.cli.options import (
    AsJson,
    ConfigFile,
    EngineName,
    JunitFile,
    Out,
    Seed,
    Settings,
    TimeScale,
)
from runner.cli.run import LogFormat, LogOption, Quiet, run


def simulate(
    config: ConfigFile,
    settings: Settings = None,
    seed: Seed = None,
    time_scale: TimeScale = None,
    out: Out = "runs",
    log: LogOption = LogFormat.NONE,
    as_json: AsJson = False,
    quiet: Quiet = False,
    junit: JunitFile = None,
) -> int:
    """Run a config in virtual time: the same items and draws, in a moment; stored like any run.

    The same as mprun run --engine simulation --log none. Operations on queues take no time, user code takes what its
    model says and is not called.

      mprun simulate configs/default.yaml
      mprun simulate configs/speed-up.yaml --set cores=8 --set consumers.crunch.count=8
      mprun simulate configs/default.yaml --json | jq .makespan_s
    """
    return run(config, settings, seed, time_scale, EngineName.SIMULATION, out, log, as_json, quiet, junit)
