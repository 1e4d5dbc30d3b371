"""The base of a sweep: found, composed, and each cell's settings put into it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.config.layers import extended, keys_of, merged, placed, read_text, reason
from runner.config.load import Source, validated
from runner.config.nodes import ListNode, MapNode, Node, Scalar, problem
from runner.config.substitution import Substitution
from runner.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.config.combinations import Settings
    from runner.config.models import Config


@dataclass(frozen=True, slots=True)
class Base:
    """A base config, from which every cell is made.

    Attributes:
        root: As a tree, its bases below it.
        stem: Of the name it has where it bears none.
        environ: Where `${VAR}` comes from.
    """

    root: MapNode
    stem: str
    environ: Mapping[str, str]

    def cell(self, settings: Settings, problems: list[Problem]) -> Config:
        """The config with these settings; raises ConfigError."""
        root = self.root
        for path in sorted(settings, key=lambda path: path.count(".")):  # a whole group before what is set in it
            mark, value = settings[path]
            keys = keys_of(path)
            if not all(keys) or keys[0] == "extends":
                message = "wanted the dotted path of a key, such as consumers.consume.count; not extends"
                problems.append(problem(mark, path, message))
                continue
            try:
                root = placed(root, keys, _escaped(value), mark)
            except ConfigError as error:
                problems += error.problems
        return validated(root, self.stem, Substitution(self.environ, problems), problems)


def base_of(
    root: MapNode,
    written: MapNode,
    stem: str,
    chain: tuple[str, ...],
    substitution: Substitution,
    problems: list[Problem],
) -> tuple[MapNode | None, str]:
    """The base config as a tree with what it extends, and the stem of its name."""
    node = written.get("base")
    match node:
        case MapNode(mark=mark, entries=entries):
            noted = MapNode(mark, {key: value for key, value in entries.items() if not key.startswith("x-")})
            return extended(noted, substitution, problems, chain), stem
        case Scalar(value=str(text)) if text and "\0" not in text:
            path = os.path.normpath(node.mark.folder / text)
            named = os.path.normpath(Path(node.mark.source).parent / text)
            try:
                file = Source(read_text(path, regular=True), named, Path(path).stem, Path(path).parent)
            except OSError as error:
                problems.append(problem(node.mark, "base", f"{path}: {reason(error)}"))
                return None, stem
            real = (os.path.realpath(path),)
            return extended(file.read(problems), substitution, problems, real), file.stem
        case None:
            return None, stem
    if root.has("base"):
        problems.append(problem(node.mark, "base", "wanted the path of a config, or a config"))
    return None, stem


def set_for_all(base: MapNode, written: MapNode) -> MapNode:
    """The base with the engine of the sweep, and what it expects of every cell."""
    if written.has("engine"):
        mark, node = written.entries["engine"]
        base = base.replaced("engine", mark, node)
    expected = written.get("expect")
    if isinstance(expected, MapNode):
        over = MapNode(base.mark, {"expect": (written.entries["expect"][0], _escaped_map(expected))})
        base = merged(base, over)
    return base


def _escaped(node: Node) -> Node:
    """The tree with every dollar doubled: its variables are filled in, and will be looked for once more."""
    match node:
        case Scalar(mark=mark, value=str(text)) if "$" in text:
            return Scalar(mark, text.replace("$", "$$"))
        case ListNode(mark=mark, items=items):
            return ListNode(mark, tuple(map(_escaped, items)))
        case MapNode():
            return _escaped_map(node)
    return node


def _escaped_map(node: MapNode) -> MapNode:
    return MapNode(node.mark, {key: (mark, _escaped(value)) for key, (mark, value) in node.entries.items()})
