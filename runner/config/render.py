"""A config as text and as canonical data: complete, in the language's order, every value in its one normal form."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from runner.config.models import CONFIG, Config
from runner.config.yamlfile import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./+-]*(?::[A-Za-z0-9_./+-]+)*")
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF)
_ESCAPES = {**{code: f"\\u{code:04x}" for code in _CONTROLS}, 9: "\\t", 10: "\\n", 34: '\\"', 92: "\\\\"}
_WIDTH = 100


def to_yaml(config: Config, renamed: Mapping[str, str] | None = None) -> str:
    """The resolved config: every key that has a value, defaults included; loading it gives an equal config.

    Args:
        config: What to write.
        renamed: Absolute path of a file it names → the path to write instead (a stored run keeps copies).
    """
    data = _with_files(CONFIG.plain(config), lambda path: (renamed or {}).get(path, path))
    return "".join(f"{_key(key)}:{_block(value, 0)}" for key, value in data.items())


def canonical(config: Config) -> dict[str, Any]:
    """What makes the experiment, as JSON data: keys that differ from their default, files by their SHA-256.

    Two configs with the same canonical data put the same items, draw the same times and wire the same queues.
    """
    data = _with_files(CONFIG.identity(config), lambda path: {"sha256": config.files[path].sha256})
    if data.get("queues") == {"main": {}}:
        del data["queues"]
    return data


def _with_files(data: dict[str, Any], name: Any) -> dict[str, Any]:
    for section in ("producers", "stages", "consumers"):
        for group in data.get(section, {}).values():
            for key in ("items", "sleep", "busy"):
                value = group.get(key)
                if isinstance(value, dict) and "file" in value:
                    group[key] = {**value, "file": name(value["file"])}
    return data


def _block(value: Any, depth: int) -> str:
    flow = _flow(value)
    if not isinstance(value, dict) or not value or (depth > 1 and len(flow) <= _WIDTH) or depth > 4:
        return f" {flow}\n"
    indent = "  " * (depth + 1)
    return "\n" + "".join(f"{indent}{_key(key)}:{_block(below, depth + 1)}" for key, below in value.items())


def _flow(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{_key(key)}: {_flow(below)}" for key, below in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_flow, value)) + "]"
        case str():
            return _text(value.replace("$", "$$"))
        case _:
            return json.dumps(value)


def _key(text: str) -> str:
    return _text(text)


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and len(text) <= _WIDTH and isinstance(resolve(text), str):
        return text
    return f'"{text.translate(_ESCAPES)}"'
