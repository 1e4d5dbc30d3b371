"""Paths that a config names: relative to the file in which they stand, which only the nodes know."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from runner.config.nodes import ListNode, MapNode, Node, Scalar

if TYPE_CHECKING:
    from collections.abc import Callable

_NAMING_FILES = {"producers": ("items", "sleep"), "stages": ("sleep", "busy"), "consumers": ("sleep", "busy")}


def rooted(root: MapNode) -> Node:
    """The config with every path of a file or folder absolute and normal."""
    node = _changed(root, "pythonpath", _folders)
    for section, keys in _NAMING_FILES.items():
        node = _changed(node, section, partial(_groups, keys=keys))
    return node


def _changed(node: Node, key: str, change: Callable[[Node], Node]) -> Node:
    if not isinstance(node, MapNode) or key not in node.entries:
        return node
    mark, below = node.entries[key]
    return node.replaced(key, mark, change(below))


def _folders(node: Node) -> Node:
    return ListNode(node.mark, tuple(map(_path, node.items))) if isinstance(node, ListNode) else node


def _groups(node: Node, keys: tuple[str, ...]) -> Node:
    if not isinstance(node, MapNode):
        return node
    return MapNode(node.mark, {name: (mark, _group(group, keys)) for name, (mark, group) in node.entries.items()})


def _group(node: Node, keys: tuple[str, ...]) -> Node:
    for key in keys:
        node = _changed(node, key, _file)
    return _changed(node, "call", lambda call: _changed(call, "model", _file))


def _file(node: Node) -> Node:
    return _changed(node, "file", _path)


def _path(node: Node) -> Node:
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value:
        return node
    return Scalar(node.mark, os.path.normpath(node.mark.folder / node.value))
