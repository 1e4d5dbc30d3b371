"""`mprun config`."""

from __future__ import annotations

from runner.cli.options import ConfigFile, EngineOption, Seed, Settings, TimeScale, load_config, overrides
from runner.cli.streams import put_out


def config(
    config: ConfigFile,
    settings: Settings = None,
    seed: Seed = None,
    time_scale: TimeScale = None,
    engine: EngineOption = None,
) -> None:
    """Print the resolved config: bases merged, variables filled in, options applied.

    The output is a config again, and the same experiment.

      mprun config configs/default.yaml --set consumers.consume.count=4 > four.yaml
    """
    from runner.config.load import to_yaml

    put_out(to_yaml(load_config(config, overrides(settings, seed, time_scale, engine))))
