"""The config language as a JSON Schema, for editors that complete and check while one writes."""

from __future__ import annotations

from typing import Any

from runner.config.models import CONFIG


def schema() -> dict[str, Any]:
    """Draft 2020-12; generated from the models, so it can name no key that does not work."""
    described = CONFIG.schema()
    described["properties"]["extends"] = {
        "type": "string",
        "description": "a base config, relative to this file: maps merge, lists replace",
    }
    # A file that extends another may leave out what the other has.
    del described["required"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mprun config",
        **described,
        "anyOf": [{"required": ["producers", "consumers"]}, {"required": ["extends"]}],
        "patternProperties": {"^x-": {"description": "ignored: notes and anchors"}},
    }
