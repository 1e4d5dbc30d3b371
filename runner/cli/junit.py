"""What was expected and what came of it as JUnit XML, which continuous integration reads.

    a run:    testsuites > testsuite (the run) > testcase (the run itself), testcase (a bound) …
    a sweep:  testsuites > testsuite (a cell's repeat) > the same, for each cell and repeat

A bound that is not met is a `failure`; a run that failed is an `error` of the case `run`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner.errors import ExitCode, MprunError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from xml.etree.ElementTree import Element

_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 can hold in no way (its production `Char`)."""
_NOT_ERRORS: Final = ("ok", "unmet")


class JunitError(MprunError):
    """The file could not be written, though it seemed so before the run."""

    exit_code = ExitCode.FAILED


@dataclass(frozen=True, slots=True)
class Suite:
    """One run as a test suite.

    Attributes:
        name: Of the suite.
        status: As in a summary.
        reason: Why it is not ok; None where it is, or nobody said.
        wall_s: How long it took.
        started: When, in ISO 8601; None: unknown.
        expectations: As a summary holds them.
        properties: What else is worth telling.
    """

    name: str
    status: str
    reason: str | None
    wall_s: float | None
    started: str | None
    expectations: Sequence[Mapping[str, Any]]
    properties: Mapping[str, Any] = field(default_factory=dict)


def check(path: str | None) -> None:
    """Empty the file before anything runs: no older one is taken for this run's; raises UsageError where it cannot."""
    if path is None:
        return
    where = Path(path)
    if where.is_dir():
        raise UsageError(f"--junit: {path} is a directory; wanted a file")
    try:
        with where.open("wb"):
            pass
    except (OSError, ValueError) as error:
        raise UsageError(f"--junit: {path!r} cannot be written: {_why(error)}") from None


def write(path: str, name: str, suites: Iterable[Suite]) -> None:
    """Write the file whole; raises JunitError where that fails."""
    from xml.etree.ElementTree import tostring

    document = rendered(name, suites)
    try:
        Path(path).write_bytes(tostring(document, encoding="utf-8", xml_declaration=True) + b"\n")
    except OSError as error:
        raise JunitError(f"--junit: {path}: {_why(error)}") from error


def rendered(name: str, suites: Iterable[Suite]) -> Element:
    """The document's root."""
    from xml.etree.ElementTree import Element, indent

    root = Element("testsuites", {"name": _text(name)})
    totals = {"tests": 0, "failures": 0, "errors": 0}
    time = 0.0
    for suite in suites:
        root.append(_suite(suite))
        time += suite.wall_s or 0.0
        for key, count in _counts(suite).items():
            totals[key] += count
    root.attrib |= {**{key: str(count) for key, count in totals.items()}, "time": _seconds(time)}
    indent(root)
    return root


def _counts(suite: Suite) -> dict[str, int]:
    return {
        "tests": 1 + len(suite.expectations),
        "failures": sum(not each["met"] for each in suite.expectations),
        "errors": int(suite.status not in _NOT_ERRORS),
    }


def _suite(suite: Suite) -> Element:
    from xml.etree.ElementTree import Element, SubElement

    counts = {key: str(count) for key, count in _counts(suite).items()}
    made = Element("testsuite", {"name": _text(suite.name), **counts, "skipped": "0", "time": _seconds(suite.wall_s)})
    if suite.started is not None:
        made.set("timestamp", suite.started.partition("+")[0].partition(".")[0])
    if suite.properties:
        properties = SubElement(made, "properties")
        for key, value in suite.properties.items():
            SubElement(properties, "property", {"name": _text(key), "value": _text(str(value))})
    case = {"classname": _text(suite.name), "time": "0"}
    run = SubElement(made, "testcase", {**case, "name": "run", "time": _seconds(suite.wall_s)})
    if suite.status not in _NOT_ERRORS:
        SubElement(run, "error", {"type": suite.status, "message": _text(suite.reason or suite.status)})
    for each in suite.expectations:
        bound = SubElement(made, "testcase", {**case, "name": _text(f"{each['metric']} {each['bound']}")})
        if not each["met"]:
            SubElement(bound, "failure", {"type": "unmet", "message": _text(_missed(each))})
    return made


def _missed(expectation: Mapping[str, Any]) -> str:
    measured = expectation["measured"]
    return "no samples" if measured is None else f"measured {measured:.6g}"


def _seconds(value: float | None) -> str:
    return f"{value or 0.0:.6f}"


def _text(text: str) -> str:
    """The text as XML can hold it; what it cannot is written as Python would escape it."""
    return _NO_XML.sub(lambda found: repr(found[0])[1:-1], text)


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
