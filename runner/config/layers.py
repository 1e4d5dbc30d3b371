"""What lies over a config file: the bases it extends below, the overrides of a command line or caller above."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.config import yamlfile
from runner.config.nodes import ListNode, MapNode, Mark, Node, Scalar, did_you_mean, join, problem
from runner.config.yamlfile import MAX_DEPTH, MAX_DIGITS, MAX_NODES
from runner.errors import ConfigError, Problem

if TYPE_CHECKING:
    from runner.config.substitution import Substitution

MOST_BASES = 16
_IRREGULAR = "no regular file; wanted a config file"
SECTIONS = ("queues", "producers", "stages", "consumers")


class Overrides(dict[str, Any]):
    """Dotted path → value, with the name under which its problems are reported."""

    def __init__(self, values: Mapping[str, Any], source: str) -> None:
        super().__init__(values)
        self.source = source


def merged(base: MapNode, over: MapNode) -> MapNode:
    """`over` on top of `base`: maps merge, all else replaces."""
    entries = dict(base.entries)
    for key, (mark, node) in over.entries.items():
        below = base.get(key)
        if isinstance(below, MapNode) and isinstance(node, MapNode):
            entries[key] = (mark, merged(below, node))
        else:
            entries[key] = (mark, node)
    return MapNode(over.mark, entries)


def extended(root: MapNode, substitution: Substitution, problems: list[Problem], chain: tuple[str, ...]) -> MapNode:
    """The config with the bases it extends below it.

    Args:
        root: A file's map, without its notes.
        substitution: Fills `${VAR}` in.
        problems: Where problems go that leave something to read on.
        chain: The real paths of the files on the way here, the outermost first.
    """
    entry = root.entries.get("extends")
    if entry is None:
        return root
    rest = MapNode(root.mark, {key: value for key, value in root.entries.items() if key != "extends"})
    node = substitution.applied(entry[1], "extends")
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value or "\0" in node.value:
        problems.append(problem(node.mark, "extends", "wanted the path of a base config, one file"))
        return rest
    path = os.path.normpath(node.mark.folder / node.value)
    real = os.path.realpath(path)
    if real in chain:
        names = " -> ".join(Path(name).name for name in (*chain[chain.index(real) :], real))
        problems.append(problem(node.mark, "extends", f"a config cannot extend itself: {names}"))
    elif len(chain) > MOST_BASES:
        problems.append(problem(node.mark, "extends", f"more than {MOST_BASES} bases upon each other"))
    else:
        named = os.path.normpath(Path(node.mark.source).parent / node.value)
        try:
            base = read_map(read_text(path, regular=True), named, Path(path).parent, problems)
        except OSError as error:
            problems.append(problem(node.mark, "extends", f"{path}: {reason(error)}"))
        else:
            return merged(extended(base, substitution, problems, (*chain, real)), rest)
    return rest


def read_text(path: str | Path, *, regular: bool = False) -> bytes:
    """The file's bytes, and not many more than a config may have.

    Args:
        path: Of the file.
        regular: Whether it must be a regular file: opening a pipe that somebody else names might wait for ever.
    """
    mode = Path(path).stat().st_mode if regular else stat.S_IFREG
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a directory says so itself
        raise OSError(errno.EINVAL, _IRREGULAR)
    with Path(path).open("rb") as file:
        return file.read(yamlfile.MAX_BYTES + 1)


def reason(error: OSError) -> str:
    """Why a file cannot be read."""
    match error:
        case FileNotFoundError():
            return "no such file"
        case IsADirectoryError():
            return "a directory; wanted a config file"
        case PermissionError():
            return "cannot be read: permission denied"
        case OSError(strerror=text) if text == _IRREGULAR:
            return _IRREGULAR
        case _:
            return f"cannot be read: {error.strerror or error}"


def read_map(data: bytes | str, source: str, folder: Path, problems: list[Problem]) -> MapNode:
    """A file's map, without the notes (`x-…`) at its top.

    Raises:
        ConfigError: It is no YAML, or no map.
    """
    origin = Mark(source, folder)
    if isinstance(data, bytes):
        if len(data) > yamlfile.MAX_BYTES:
            raise ConfigError(problem(origin, "", f"larger than {yamlfile.MAX_BYTES:,} bytes"))
        data = _decoded(data, origin)
    root, found = yamlfile.parse(data, source, folder)
    problems += found
    if not isinstance(root, MapNode):
        what = "a list" if isinstance(root, ListNode) else "a single value"
        raise ConfigError(*problems, problem(root.mark, "", f"{what} at the top; wanted keys such as producers: …"))
    return MapNode(root.mark, {key: value for key, value in root.entries.items() if not key.startswith("x-")})


def _decoded(data: bytes, origin: Mark) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        message = f"the byte 0x{data[error.start]:02X} is no UTF-8; is this a text file?"
        raise ConfigError(problem(origin._replace(line=line, column=column), "", message)) from None


def overridden(root: MapNode, overrides: Mapping[str, Any] | None, problems: list[Problem]) -> MapNode:
    """The config with the overrides on top, in their order."""
    if not overrides:
        return root
    mark = Mark(getattr(overrides, "source", "overrides"), Path.cwd())
    for path, value in overrides.items():
        keys = keys_of(path)
        if not all(keys):
            problems.append(problem(mark, path, "wanted a dotted path such as producers.produce.count"))
        elif keys[0] == "extends":
            problems.append(problem(mark, path, "cannot be overridden; write it in a file"))
        else:
            try:
                root = placed(root, keys, node_of(value, mark, path), mark)
            except ConfigError as error:
                problems += error.problems
    return root


def keys_of(path: str) -> list[str]:
    """The keys on the way to a value; below `expect` there is one, the path of a metric."""
    first, _, rest = path.partition(".")
    return ["expect", rest] if first == "expect" and rest else path.split(".")


def placed(root: MapNode, keys: list[str], value: Node, mark: Mark, path: str = "") -> MapNode:
    """The map with a value at the end of a way of keys; what is missing on the way is made.

    Args:
        root: The map.
        keys: The way, one at least.
        value: What is to stand there.
        mark: Where that is written.
        path: Of the map in the config.

    Raises:
        ConfigError: There is something on the way that has no keys, or nobody of that name.
    """
    key, *rest = keys
    path = join(path, key)
    entry = root.entries.get(key)
    if not rest:
        return root.replaced(key, mark if entry is None else entry[0], value)
    below = MapNode(mark, {}) if entry is None else entry[1]
    if isinstance(below, Scalar) and below.value is None:
        below = MapNode(below.mark, {})
    if not isinstance(below, MapNode):
        raise ConfigError(problem(mark, path, f"holds no keys, so {rest[0]} cannot be set; set {path} as a whole"))
    if path in SECTIONS and len(rest) > 1 and below.entries and rest[0] not in below.entries:
        hint = did_you_mean(rest[0], below.entries) or ";"
        message = f"not there{hint} allowed: {', '.join(below.entries)}, or a new one set as a whole"
        raise ConfigError(problem(mark, join(path, rest[0]), message))
    return root.replaced(key, mark if entry is None else entry[0], placed(below, rest, value, mark, path))


def node_of(value: Any, mark: Mark, path: str) -> Node:
    """Plain data as a tree that was written at one place; raises ConfigError for what YAML cannot hold."""
    left = MAX_NODES

    def convert(value: Any, path: str, depth: int) -> Node:
        nonlocal left
        left -= 1
        if left < 0 or depth > MAX_DEPTH:
            raise ConfigError(problem(mark, path, f"more than {MAX_NODES:,} values, or {MAX_DEPTH} levels"))
        match value:
            case int() if abs(value) >= 10 ** (MAX_DIGITS - 1):
                raise ConfigError(problem(mark, path, f"a number of {MAX_DIGITS} digits or more"))
            case None | bool() | int() | float():
                return Scalar(mark, value)
            case str() | os.PathLike():
                return Scalar(mark, _text(os.fspath(value), mark, path))
            case Mapping():
                if not all(isinstance(key, str) for key in value):
                    raise ConfigError(problem(mark, path, "a key is text"))
                return MapNode(
                    mark, {key: (mark, convert(item, join(path, key), depth + 1)) for key, item in value.items()}
                )
            case Sequence() if not isinstance(value, bytes | bytearray):
                return ListNode(mark, tuple(convert(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(value)))
        raise ConfigError(problem(mark, path, f"wanted what YAML can hold, not a {type(value).__name__}"))

    return convert(value, path, 0)


def _text(text: str | bytes, mark: Mark, path: str) -> str:
    if not isinstance(text, str) or any("\ud800" <= c <= "\udfff" for c in text):
        raise ConfigError(problem(mark, path, "wanted text that UTF-8 can hold"))
    return text
