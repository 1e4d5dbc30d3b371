"""YAML in, a validated config out: read, extend, override, substitute, wire, read as data, check.

Every step but the first works on nodes that know where they were written, so that all problems of all files are told
at once, each with its position.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import ValidationError

from runner.config import yamlfile
from runner.config.aims import check_aims
from runner.config.checks import check
from runner.config.cluster_names import check_cluster_names
from runner.config.expectations import check_expectations
from runner.config.files import Files
from runner.config.layers import Overrides, extended, overridden, read_map, read_text, reason
from runner.config.models import Config, Found
from runner.config.nodes import ENOUGH_PROBLEMS, MapNode, Mark, Scalar, plain, problem
from runner.config.paths import rooted
from runner.config.problems import problems_of
from runner.config.render import canonical, to_yaml
from runner.config.substitution import Substitution
from runner.config.wiring import wired
from runner.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["canonical", "load", "loads", "parse_set", "schema", "to_yaml"]


@dataclass(frozen=True, slots=True)
class Source:
    """A config file as it was found.

    Attributes:
        data: Its content.
        name: As problems name it.
        stem: Of the name it has where it bears none.
        folder: What relative paths in it start from.
        chain: Its real path; empty where it is no file.
    """

    data: bytes | str
    name: str
    stem: str
    folder: Path
    chain: tuple[str, ...] = ()

    def read(self, problems: list[Problem]) -> MapNode:
        """Its map, without its notes; raises ConfigError where it is none."""
        return read_map(self.data, self.name, self.folder, problems)


def load(
    source: str | Path, overrides: Mapping[str, Any] | None = None, *, environ: Mapping[str, str] | None = None
) -> Config:
    """Read, compose and check a config file.

    Args:
        source: The file; `-` is standard input.
        overrides: Dotted path → value, applied after `extends`: `{"producers.produce.count": 4}`. A value of None
            stands for the key's default. Relative paths in values start from the working directory.
        environ: Where `${VAR}` comes from; the process's environment by default.

    Raises:
        ConfigError: The file cannot be read, or the config is wrong; all problems at once, in the files' order.
    """
    return _loaded(opened(source), overrides, environ)


def opened(source: str | Path) -> Source:
    """A config file's bytes; `-` is standard input. Raises ConfigError where it cannot be read."""
    if str(source) == "-":
        return Source(sys.stdin.buffer.read(yamlfile.MAX_BYTES + 1), "<stdin>", "stdin", Path.cwd())
    path = Path(source)
    try:
        data = read_text(path)
    except OSError as error:
        raise ConfigError(Problem(str(source), None, None, "", reason(error))) from None
    except ValueError as error:
        raise ConfigError(Problem(repr(str(source)), None, None, "", str(error))) from None
    return Source(data, str(source), path.stem, Path(os.path.abspath(path)).parent, (os.path.realpath(path),))  # noqa: PTH100


def loads(
    text: str | bytes,
    *,
    source: str = "<text>",
    folder: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Like `load`, for a text; relative paths in it start from `folder`, by default the working directory."""
    return _loaded(Source(text, source, "text", folder or Path.cwd()), overrides, environ)


def parse_set(arguments: Sequence[str]) -> dict[str, Any]:
    """The overrides of `--set PATH=YAML` arguments; a later one wins.

    Raises:
        ConfigError: An argument without `=`, or a value that is no YAML; with source `--set`.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for argument in arguments:
        path, equals, text = argument.partition("=")
        if not equals or not path:
            wanted = "wanted PATH=YAML, such as producers.produce.count=4"
            problems.append(Problem("--set", None, None, "", f"{wanted}, not {argument!r}"))
            continue
        try:
            values[path] = _value(text)
        except ConfigError as error:
            problems += [Problem("--set", None, None, path, found.message) for found in error.problems]
    if problems:
        raise ConfigError(*problems)
    return Overrides(values, "--set")


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the config language, for editors."""
    from runner.config.jsonschema import schema as described

    return described()


def _value(text: str) -> Any:
    if not text.strip():
        return text or None
    root, problems = yamlfile.parse(text, "--set", Path.cwd())
    if problems:
        raise ConfigError(*problems)
    return plain(root)


def _loaded(source: Source, overrides: Mapping[str, Any] | None, environ: Mapping[str, str] | None) -> Config:
    problems: list[Problem] = []
    substitution = Substitution(os.environ if environ is None else environ, problems)
    root = extended(source.read(problems), substitution, problems, source.chain)
    return validated(overridden(root, overrides, problems), source.stem, substitution, problems)


def validated(root: MapNode, stem: str, substitution: Substitution, problems: list[Problem]) -> Config:
    """The config that a tree holds, its bases below it and its overrides in it.

    Args:
        root: The tree.
        stem: Of the name it has where it bears none.
        substitution: Fills `${VAR}` in.
        problems: What is known to be wrong already.

    Raises:
        ConfigError: It is wrong; all problems at once.
    """
    filled = substitution.applied(root, "")
    assert isinstance(filled, MapNode)  # noqa: S101 - a map stays a map
    mark = root.mark._replace(line=None, column=None)
    if not filled.has("name"):
        filled = filled.replaced("name", mark, Scalar(mark, _name(stem)))
    files = Files()
    check_aims(filled, problems)
    whole = wired(filled, problems)
    check_cluster_names(whole, problems)
    check_expectations(whole, problems)
    config = _config(whole, files, problems)
    findings = None if config is None else check(config, filled)
    problems += findings.errors if findings is not None else []
    if problems or config is None or findings is None:
        raise ConfigError(*in_order(problems, mark.source))
    return config.with_found(Found(tuple(findings.warnings), files.facts))


def _config(root: MapNode, files: Files, problems: list[Problem]) -> Config | None:
    try:
        config = Config.model_validate(plain(rooted(root)), context=files)
    except ValidationError as error:
        told = {(known.source, known.line, known.column, known.path) for known in problems}
        found = problems_of(error, Config, root)
        problems += [p for p in found if (p.source, p.line, p.column, p.path) not in told]
        return None
    return None if problems else config.with_found(Found(files=files.facts))


def in_order(problems: Iterable[Problem], main: str) -> list[Problem]:
    """Each problem once, those of the main file first, in the order of lines; not more than anybody reads."""
    order = {main: 0}
    for found in problems:
        order.setdefault(found.source, len(order))
    ordered = sorted(problems, key=lambda p: (order[p.source], p.line or 0, p.column or 0))
    unique = list(dict.fromkeys(ordered))
    if len(unique) > ENOUGH_PROBLEMS:
        return [*unique[:ENOUGH_PROBLEMS], problem(Mark(main, Path()), "", "and more problems")]
    return unique


def _name(stem: str) -> str:
    text = "".join(c for c in stem if c.isprintable())[:100]
    return text if text.strip() else "config"
