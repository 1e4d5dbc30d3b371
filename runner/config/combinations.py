"""Which cells a sweep has: every combination of a matrix, lists that go together, what is left out and what is added.

    matrix: each value of one with each of the others      zip: the first of each list, the second, …
       +----------- every row with every row ----------------+
                        |-- exclude: what is like this is left out
                        |-- include: keys added to what they fit, or a cell of their own
                      cells

`include` and `exclude` mean what they mean in the matrices of GitHub Actions.
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from runner.config.nodes import ListNode, MapNode, Mark, Node, Scalar, describe, plain, problem, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from runner.errors import Problem

MOST_CELLS = 100_000
"""More combinations are not even put together."""
_RANGE = re.compile(r"(\d{1,10})\.\.(\d{1,10})")


class Setting(NamedTuple):
    """One value of a path: where the path was written, and the value."""

    mark: Mark
    value: Node


Settings: TypeAlias = "dict[str, Setting]"
"""What makes a cell: dotted path → setting."""


class Axis(NamedTuple):
    """A path and the values it takes."""

    mark: Mark
    values: tuple[Node, ...]


class Table(NamedTuple):
    """A sweep's combinations as they are written, ranges unfolded."""

    matrix: Mapping[str, Axis]
    zipped: Mapping[str, Axis]
    include: tuple[tuple[Mark, Settings], ...]
    exclude: tuple[tuple[Mark, Settings], ...]


def table(root: MapNode, problems: list[Problem]) -> Table:
    """Read `matrix`, `zip`, `include` and `exclude`.

    Args:
        root: The sweep, its keys of the right kinds.
        problems: Where problems go.
    """
    matrix, zipped = (_axes(root.get(key), key, problems) for key in ("matrix", "zip"))
    problems += [
        problem(axis.mark, f"zip.{path}", "stands in matrix, too; a path has one list of values")
        for path, axis in zipped.items()
        if path in matrix
    ]
    lengths = {path: len(axis.values) for path, axis in zipped.items()}
    for path, length in lengths.items():
        first, wanted = next(iter(lengths.items()))
        if length != wanted:
            message = f"{length:,} values, and {first} has {wanted:,}; lists that go together are equally long"
            problems.append(problem(zipped[path].mark, f"zip.{path}", message))
    include, exclude = (tuple(_maps(root.get(key), key, problems)) for key in ("include", "exclude"))
    names = [*matrix, *zipped]
    problems += [
        problem(setting.mark, f"exclude.{path}", unknown("not in matrix or zip", path, names))
        for _, settings in exclude
        for path, setting in settings.items()
        if path not in names
    ]
    return Table(matrix, zipped, include, exclude)


def cells(found: Table, problems: list[Problem], warnings: list[Problem]) -> list[Settings]:
    """Every cell, in the order in which they are written; the last axis changes first.

    Args:
        found: What was read without a problem.
        problems: Where a problem goes; then there is no cell.
        warnings: Where it is told what leaves nothing out.
    """
    size = max(1, min((len(axis.values) for axis in found.zipped.values()), default=1))
    for axis in found.matrix.values():
        size *= len(axis.values)
    if size > MOST_CELLS:
        mark = next(iter({**found.matrix, **found.zipped}.values())).mark
        problems.append(problem(mark, "matrix", f"{size:,} combinations; at most {MOST_CELLS:,}"))
        return []
    made = list(_products(found))
    kept = [cell for cell in made if not any(_has(cell, settings) for _, settings in found.exclude)]
    for mark, settings in found.exclude:
        if not any(_has(cell, settings) for cell in made):
            warnings.append(problem(mark, "exclude", "no combination is like this, so it leaves nothing out"))
    own = [*found.matrix, *found.zipped]
    alone: list[Settings] = []
    for _, settings in found.include:
        fitting = [cell for cell in kept if all(_same(cell[path], settings[path]) for path in own if path in settings)]
        for cell in fitting if own else ():
            cell |= settings
        if not own or not fitting:
            alone.append(settings)
    unique = {repr(sorted((path, plain(each.value)) for path, each in cell.items())): cell for cell in [*kept, *alone]}
    return list(unique.values())


def _products(found: Table) -> Iterator[Settings]:
    """The combinations of matrix and zip; none where neither is there."""
    if not found.matrix and not found.zipped:
        return
    axes = [[(path, Setting(axis.mark, value)) for value in axis.values] for path, axis in found.matrix.items()]
    rows = zip(*([(p, Setting(a.mark, v)) for v in a.values] for p, a in found.zipped.items()), strict=True)
    together = list(rows) if found.zipped else [()]
    for combination in product(*axes, together):
        *single, joint = combination
        yield dict([*single, *joint])


def unfolded(node: Node) -> Iterable[Node]:
    """A value, or the numbers of a range such as `1..64`, both ends included; nothing where it is too long or empty."""
    ends = _RANGE.fullmatch(node.value) if isinstance(node, Scalar) and isinstance(node.value, str) else None
    if ends is None:
        return [node]
    low, high = int(ends[1]), int(ends[2])
    return [Scalar(node.mark, value) for value in range(low, high + 1)] if high - low < MOST_CELLS else []


def _axes(node: Node | None, key: str, problems: list[Problem]) -> dict[str, Axis]:
    if not isinstance(node, MapNode):
        return {}
    return {
        path: Axis(mark, tuple(_values(below, f"{key}.{path}", problems)))
        for path, (mark, below) in node.entries.items()
    }


def _values(node: Node, path: str, problems: list[Problem]) -> list[Node]:
    if not isinstance(node, ListNode) and [*unfolded(node)] == [node]:
        wanted = "wanted a list of values, or a range such as 1..8"
        problems.append(problem(node.mark, path, f"{wanted}, not {describe(node)}"))
        return []
    values: dict[str, Node] = {}
    for item in node.items if isinstance(node, ListNode) else [node]:
        found = [*unfolded(item)]
        if not found:
            rule = f"an empty range, or one of more than {MOST_CELLS:,} numbers; wanted the smaller number first"
            problems.append(problem(item.mark, path, f"{describe(item)}: {rule}"))
        twice = [value for value in found if values.setdefault(repr(plain(value)), value) is not value]
        problems += [problem(value.mark, path, f"{describe(value)} stands there twice") for value in twice]
    if not values and not problems:
        problems.append(problem(node.mark, path, "no values; wanted one at least"))
    return list(values.values())


def _maps(node: Node | None, key: str, problems: list[Problem]) -> Iterator[tuple[Mark, Settings]]:
    """The maps of `include` or `exclude`; one with a range stands for as many."""
    for place, item in enumerate(node.items) if isinstance(node, ListNode) else ():
        entries = item.entries if isinstance(item, MapNode) else {}
        if not entries:
            problems.append(problem(item.mark, f"{key}[{place}]", "empty; wanted a map from paths to values"))
            continue
        sides = [[(path, Setting(mark, each)) for each in unfolded(value)] for path, (mark, value) in entries.items()]
        size = 1
        for side in sides:
            size *= len(side)
        if not 0 < size <= MOST_CELLS:
            rule = f"an empty range, or more than {MOST_CELLS:,} combinations"
            problems.append(problem(item.mark, f"{key}[{place}]", rule))
            continue
        yield from ((item.mark, dict(combination)) for combination in product(*sides))


def _has(cell: Settings, settings: Settings) -> bool:
    return all(path in cell and _same(cell[path], setting) for path, setting in settings.items())


def _same(one: Setting, other: Setting) -> bool:
    return repr(plain(one.value)) == repr(plain(other.value))
