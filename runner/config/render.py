"""A config as text and as canonical data: complete, in the language's order, every value in its one normal form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from yaml import CSafeDumper, Node, ScalarNode
from yaml import dump as dumped

from runner.config import kinds
from runner.config.yamlfile import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.config.models import Config

_WIDTH = 100
_DENSE = 20_000
"""From so many characters on, nobody reads it, and indentation might make the text too large to be loaded again."""
_GROUPS = ("producers", "stages", "consumers")
_NO_PART_OF_THE_EXPERIMENT = {
    "name", "description", "timeout", "engine", "start_method", "address", "engine_options", "pythonpath", "cores",
    "hang_after", "expect",
}  # fmt: skip


def to_yaml(config: Config, renamed: Mapping[str, str] | None = None) -> str:
    """The resolved config: every key that has a value, defaults included; loading it gives an equal config.

    Args:
        config: What to write.
        renamed: Absolute path of a file it names → the path to write instead (a stored run keeps copies).
    """
    data = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    data = {key: value for key, value in data.items() if value not in ([], {})}
    data = _with_files(data, lambda path: (renamed or {}).get(path, path))
    text: str = dumped(_laid_out(data, 0), Dumper=_Dumper, sort_keys=False, width=1 << 30, allow_unicode=True)
    return text


def canonical(config: Config) -> dict[str, Any]:
    """What makes the experiment, as JSON data: keys that differ from their default, files by their SHA-256.

    Two configs with the same canonical data put the same items, draw the same times and wire the same queues.
    """
    data = config.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=_NO_PART_OF_THE_EXPERIMENT)
    data = _with_files(data, lambda path: {"sha256": config.files[path].sha256})
    if data.get("queues") == {"main": {}}:
        del data["queues"]
    if any(not kinds.facts(queue.kind).repairable for queue in config.queues.values()):
        data.pop("on_death", None)  # it can only be fail
    for section in _GROUPS:
        for group in data.get(section, {}).values():
            group.pop("item_timeout", None)
    return data


def _with_files(data: dict[str, Any], name: Callable[[str], Any]) -> dict[str, Any]:
    for section in _GROUPS:
        for group in data.get(section, {}).values():
            call = group.get("call")
            for holder, key in ((group, "items"), (group, "sleep"), (group, "busy"), (call, "model")):
                value = holder.get(key) if isinstance(holder, dict) else None
                if isinstance(value, dict) and "file" in value:
                    holder[key] = {**value, "file": name(value["file"])}
    return data


class _Braces(dict[str, Any]):
    """A map to be written on one line."""


class _Brackets(list[Any]):
    """A list to be written on one line."""


def _laid_out(value: Any, depth: int) -> Any:
    """What stands below a group's keys or in a list is written on one line where it fits or is data rather than text.

    Every dollar is doubled, for one alone may start a variable.
    """
    match value:
        case dict():
            keys = {key: _laid_out(below, depth + 1) for key, below in value.items()}
            return _Braces(keys) if depth > 2 and _on_one_line(value) else keys
        case list():
            values = [_laid_out(below, depth + 2) for below in value]
            return _Brackets(values) if _on_one_line(value) else values
        case str():
            return value.replace("$", "$$")
    return value


def _on_one_line(value: Any) -> bool:
    return not _WIDTH < len(str(value)) < _DENSE


class _Dumper(CSafeDumper):
    """PyYAML's, which quotes what YAML 1.2 would read as anything but text; PyYAML itself thinks of YAML 1.1."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True

    def resolve(self, kind: type[Node], value: str, implicit: tuple[bool, bool]) -> str:
        if kind is not ScalarNode or not implicit[0]:
            return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]
        try:
            return _TAGS[type(resolve(value))]
        except ValueError:
            return _TAGS[int]


_TAGS = {
    kind: f"tag:yaml.org,2002:{name}"
    for kind, name in ((type(None), "null"), (bool, "bool"), (int, "int"), (float, "float"), (str, "str"))
}


def _float(dumper: _Dumper, value: float) -> Node:
    return dumper.represent_scalar(_TAGS[float], repr(value))


def _text(dumper: _Dumper, text: str) -> Node:
    # In single quotes, line breaks that YAML 1.1 knows and 1.2 does not would be folded.
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar(_TAGS[str], text, style)


def _braces(dumper: _Dumper, keys: _Braces) -> Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", keys, flow_style=True)


def _brackets(dumper: _Dumper, values: _Brackets) -> Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)


_Dumper.add_representer(float, _float)
_Dumper.add_representer(str, _text)
_Dumper.add_representer(_Braces, _braces)
_Dumper.add_representer(_Brackets, _brackets)
