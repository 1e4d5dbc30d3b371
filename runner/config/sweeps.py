"""Sweep files: one config many times, with other values; every cell's config is checked before anything runs.

    sweep file --base--> a config as a tree --with a cell's settings--> validated --> Config, one for each cell
        +-- matrix, zip, include, exclude --> settings of the cells --+

All of it works on nodes that know where they were written, so that what is wrong in a cell is told where it stands.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import ValidationError

from runner.config import yamlfile
from runner.config.combinations import Settings, cells, table
from runner.config.layers import node_of, overridden
from runner.config.load import in_order, opened
from runner.config.nodes import ENOUGH_PROBLEMS, ListNode, MapNode, Mark, Node, Scalar, plain, problem
from runner.config.problems import problems_of
from runner.config.substitution import Substitution
from runner.config.sweep_base import Base, base_of, set_for_all
from runner.config.sweep_models import SweepConfig
from runner.errors import ConfigError, Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runner.config.models import Config

MOST_UNASKED = 10_000
"""More cells are not begun unless somebody says that they are meant."""
_HERE = "<sweep>"


@dataclass(frozen=True, slots=True)
class SweepCell:
    """One combination.

    Attributes:
        settings: Dotted path → value, in which it differs from the base.
        config: What results.
    """

    settings: Mapping[str, Any]
    config: Config


@dataclass(frozen=True, slots=True)
class SweepFile:
    """A sweep as it was written, its cells checked.

    Attributes:
        name: Of its folder.
        description: What is to be learnt.
        axes: The paths that vary, in the order of the file.
        cells: All combinations.
        repeat: Runs of each.
        order: `shuffled` or `declared`.
        warnings: What is allowed and probably not meant.
    """

    name: str
    description: str | None
    axes: tuple[str, ...]
    cells: tuple[SweepCell, ...]
    repeat: int
    order: str
    warnings: tuple[Problem, ...]


def load_sweep(
    source: str | Path | Mapping[str, Any],
    *,
    vary: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    many: bool = False,
    environ: Mapping[str, str] | None = None,
) -> SweepFile:
    """Read a sweep file, or a config and what varies in it, and check every cell.

    Args:
        source: The sweep file, or what it would hold; with `vary` a config file. `-` is standard input.
        vary: Dotted path → list of values, or a text such as `1,2,4` or `1..64`.
        options: Keys of the sweep that win over the file's, such as `repeat`.
        overrides: Of the base, as in `load`.
        many: Whether more than 10,000 cells are meant.
        environ: Where `${VAR}` comes from; the process's environment by default.

    Raises:
        ConfigError: It cannot be read, or it or one of its cells is wrong; all problems at once.
        UsageError: There are too many cells to be begun unasked.
    """
    problems: list[Problem] = []
    environ = os.environ if environ is None else environ
    root, stem, chain = _root(source, vary, problems)
    for key, value in (options or {}).items():
        mark = Mark(f"--{key}", Path.cwd())
        root = root.replaced(key, mark, node_of(value, mark, key))
    written = _substituted(root, Substitution(environ, problems))
    sweep = _checked(written, problems)
    base, base_stem = base_of(root, written, stem, chain, Substitution(environ, problems), problems)
    if base is None:
        raise ConfigError(*in_order(problems, root.mark.source))
    base = overridden(set_for_all(base, written), overrides, problems)
    warnings: list[Problem] = []
    made = _cells(written, problems, warnings)
    if len(made) > MOST_UNASKED and not many:
        raise UsageError(f"{len(made):,} cells, more than {MOST_UNASKED:,}; say --yes (many=True) if that is meant")
    return _with_cells(sweep, stem, Base(base, base_stem, environ), made, problems, warnings, root.mark.source)


def _cells(written: MapNode, problems: list[Problem], warnings: list[Problem]) -> list[Settings]:
    """The settings of all cells; none where something is wrong with them. Where nothing varies there is one cell."""
    wrong: list[Problem] = []
    found = table(written, wrong)
    made = [] if wrong else cells(found, wrong, warnings)
    problems += wrong
    if made or wrong:
        return made
    if found.matrix or found.zipped:
        problems.append(problem(written.mark, "exclude", "leaves out every combination"))
        return []
    return [{}]


def _with_cells(
    sweep: SweepConfig | None,
    stem: str,
    base: Base,
    made: Sequence[Settings],
    problems: list[Problem],
    warnings: list[Problem],
    main: str,
) -> SweepFile:
    """The sweep with every cell's config; what is wrong in some cells only is told with the first of them."""
    found: list[SweepCell] = []
    wrong: dict[Problem, list[Settings]] = {}
    for settings in made:
        try:
            config = base.cell(settings, [])
        except ConfigError as error:
            for each in error.problems:
                wrong.setdefault(each, []).append(settings)
            if len(wrong) >= ENOUGH_PROBLEMS:
                break
        else:
            found.append(SweepCell({path: plain(each.value) for path, each in settings.items()}, config))
            warnings += config.warnings
    problems += [each if len(where) == len(made) else _where(each, where) for each, where in wrong.items()]
    if problems or sweep is None:
        raise ConfigError(*in_order(problems, main))
    axes = dict.fromkeys(path for cell in found for path in cell.settings)
    return SweepFile(
        name=sweep.name or stem,
        description=sweep.description,
        axes=tuple(axes),
        cells=tuple(found),
        repeat=sweep.repeat,
        order=sweep.order,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _where(found: Problem, where: list[Settings]) -> Problem:
    """The problem with the cell it is told of, where that is not plain from its position."""
    marks = [mark for setting in where[0].values() for mark in (setting.mark, *_marks(setting.value))]
    if (found.source, found.line, found.column) in [(mark.source, mark.line, mark.column) for mark in marks]:
        return found
    told = ", ".join(f"{path}={plain(setting.value)}" for path, setting in where[0].items())
    more = f" and {len(where) - 1} more cells" if len(where) > 1 else ""
    return replace(found, message=f"{found.message} (with {told}{more})")


def _marks(node: Node) -> Iterator[Mark]:
    yield node.mark
    match node:
        case ListNode(items=items):
            for item in items:
                yield from _marks(item)
        case MapNode(entries=entries):
            for mark, below in entries.values():
                yield mark
                yield from _marks(below)


def _root(
    source: str | Path | Mapping[str, Any], vary: Mapping[str, Any] | None, problems: list[Problem]
) -> tuple[MapNode, str, tuple[str, ...]]:
    """The sweep as a tree, the stem of its name, and the real path of a base that is in the file itself."""
    mark = Mark(_HERE, Path.cwd())
    if not isinstance(source, str | Path):
        node = node_of(source, mark, "")
        assert isinstance(node, MapNode)  # noqa: S101 - a mapping becomes a map
        return node, "sweep", ()
    file = opened(source)
    root = file.read(problems)
    if vary is None:
        if root.has("producers") and not root.has("base"):
            message = f"a config, and no sweep file: say what varies with --vary, or write base: {file.name} in one"
            raise ConfigError(problem(mark._replace(source=file.name), "", message))
        return root, file.stem, ()
    if root.has("base"):
        message = "a sweep file already; write what varies under matrix, or leave --vary away"
        raise ConfigError(problem(mark._replace(source=file.name), "", message))
    at = Mark("--vary", Path.cwd())
    matrix = MapNode(at, {path: (at, _varied(values, at, path, problems)) for path, values in vary.items()})
    return MapNode(root.mark, {"base": (root.mark, root), "matrix": (at, matrix)}), file.stem, file.chain


def _varied(values: Any, mark: Mark, path: str, problems: list[Problem]) -> Node:
    if not isinstance(values, str):
        return node_of(values, mark, path)
    try:
        root, found = yamlfile.parse(f"[{values}]", mark.source, mark.folder)
    except ConfigError as error:
        found = list(error.problems)
        root = ListNode(mark, (Scalar(mark, None),))
    problems += [Problem(mark.source, None, None, path, each.message) for each in found]
    return _at(root, mark)


def _at(node: Node, mark: Mark) -> Node:
    """The tree as if all of it stood at one place."""
    match node:
        case Scalar(value=value):
            return Scalar(mark, value)
        case ListNode(items=items):
            return ListNode(mark, tuple(_at(item, mark) for item in items))
        case MapNode(entries=entries):
            return MapNode(mark, {key: (mark, _at(value, mark)) for key, (_, value) in entries.items()})


def _substituted(root: MapNode, substitution: Substitution) -> MapNode:
    """The sweep with its variables filled in, but for those of a base that is written in it."""
    filled = {
        key: (mark, value if key == "base" and isinstance(value, MapNode) else substitution.applied(value, key))
        for key, (mark, value) in root.entries.items()
    }
    return MapNode(root.mark, filled)


def _checked(root: MapNode, problems: list[Problem]) -> SweepConfig | None:
    try:
        return SweepConfig.model_validate(plain(root))
    except ValidationError as error:
        problems += problems_of(error, SweepConfig, root)
        return None
