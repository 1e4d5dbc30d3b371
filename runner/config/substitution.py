"""`${VAR}` and `${VAR:-default}` in values, from the environment."""

from __future__ import annotations

import re
from operator import is_
from typing import TYPE_CHECKING

from runner.config.nodes import ENOUGH_PROBLEMS, ListNode, MapNode, Node, Scalar, Trail, below, did_you_mean, problem
from runner.config.yamlfile import MAX_CHARACTERS, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.errors import Problem

_DOLLAR = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}|(\{))")


class Substitution:
    """Fills variables in. A text with a variable is typed anew: `"${N}"` with N=4 is the number 4."""

    def __init__(self, environ: Mapping[str, str], problems: list[Problem]) -> None:
        self._environ, self._problems = environ, problems
        self._left = MAX_CHARACTERS

    def applied(self, node: Node, path: str) -> Node:
        """The tree at `path` with its variables filled in; the same object where there are none."""
        return self._applied(node, path, None)

    def _applied(self, node: Node, path: str, trail: Trail) -> Node:
        match node:
            case Scalar(value=str(text)) if "$" in text and len(self._problems) < ENOUGH_PROBLEMS:
                return self._filled(node, text, below(path, trail))
            case ListNode(mark=mark, items=items):
                filled = tuple([self._applied(item, path, (trail, i)) for i, item in enumerate(items)])
                return node if all(map(is_, filled, items)) else ListNode(mark, filled)
            case MapNode(mark=mark, entries=entries):
                changed = {key: (at, self._applied(value, path, (trail, key))) for key, (at, value) in entries.items()}
                same = all(changed[key][1] is entries[key][1] for key in entries)
                return node if same else MapNode(mark, changed)
        return node

    def _filled(self, node: Scalar, text: str, path: str) -> Node:
        variables = False
        wrong: list[str] = []

        def value(match: re.Match[str]) -> str:
            nonlocal variables
            dollar, name, default, brace = match.groups()
            if dollar:
                return "$"
            if brace:
                wrong.append("wanted ${NAME} or ${NAME:-default}; $$ is a dollar")
                return ""
            variables = True
            found = self._environ.get(name, "")
            if not found and default is None and name not in self._environ:
                hint = did_you_mean(name, self._environ)
                wrong.append(f"the variable {name} is not set{hint or ';'} set it, or write ${{{name}:-default}}")
            if not found.isascii() and any("\ud800" <= character <= "\udfff" for character in found):
                wrong.append(f"the variable {name} holds bytes that are no UTF-8")
                return ""
            return found or default or ""

        filled = _DOLLAR.sub(value, text)
        self._left -= len(filled)
        if self._left < 0:
            wrong.append(f"more than {MAX_CHARACTERS:,} characters with variables filled in")
            filled, self._left = "", 0
        try:
            typed = resolve(filled) if variables else filled
        except ValueError as error:
            wrong.append(str(error))
        if wrong:
            self._problems.append(problem(node.mark, path, wrong[0]))
            return Scalar(node.mark, None)
        return Scalar(node.mark, typed)
