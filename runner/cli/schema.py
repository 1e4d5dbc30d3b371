"""`mprun schema`."""

from __future__ import annotations

import json

from runner.cli.streams import put_out


def schema() -> None:
    """Print the JSON Schema of the config language, for editors.

    mprun schema > configs/mprun.schema.json
    """
    from runner.config.load import schema as described

    put_out(json.dumps(described(), indent=2, ensure_ascii=False) + "\n")
