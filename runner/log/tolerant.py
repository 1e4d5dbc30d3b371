"""A log read as far as it can be: what is wrong with it is noted with its line, and the rest is read on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from runner.errors import LogError
from runner.log.events import SCHEMA, RunEnd, RunStart, Torn, blocks, decode, start_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runner.log.events import Event

_MOST: Final = 20
"""Troubles that are kept in words; of the others there is a number."""


@dataclass(slots=True)
class Troubles:
    """What is wrong with a log.

    Attributes:
        count: How many things are wrong with lines of it.
        told: The first of them in words, with the number of the line.
        ending: That it is not whole, in words.
    """

    count: int = 0
    told: list[str] = field(default_factory=list)
    ending: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Note one more line."""
        self.count += 1
        if len(self.told) < _MOST:
            self.told.append(text)

    def of_lines(self) -> list[str]:
        """What is known of lines, in words."""
        more = self.count - len(self.told)
        return [*self.told, f"and {more:,} more"] if more else [*self.told]

    def lines(self) -> list[str]:
        """All that is known, in words."""
        return [*self.of_lines(), *self.ending]


def read_chunks(
    path: Path, troubles: Troubles, grows: Callable[[], bool] | None = None, *, headless: bool = False
) -> Iterator[list[Event]]:
    """Yield the events of an `events.jsonl` in lists, in constant memory, one for each line.

    `Broken` stands for a line that is no event, `Torn` for a last one without its end.

    Args:
        path: The log.
        troubles: Where it is noted: lines that are no event, another schema, no `run.start` or `run.end`, a torn end.
        grows: Asked at the end of the file whether there may be more to read now.
        headless: Whether a log that does not begin with a `run.start` is read, too.

    Raises:
        LogError: The file cannot be read, is empty, or does not begin with a `run.start`.
    """
    line, last_ns, complete, torn = 0, 0, False, 0
    for block in blocks(path, grows):
        end = block.rfind(b"\n") + 1
        events, broken = decode(block[:end], last_ns)
        for place, each in broken.items():
            troubles.add(f"line {line + place + 1}: is no event, left out: {each.problem}")
        if line == 0:
            first = next(iter(events), None) if headless else start_of(path, events)
            _check_first(first, troubles)
        line += len(events)
        if events:
            complete, last_ns = isinstance(events[-1], RunEnd), events[-1].t_ns
            yield events
        torn = len(block) - end
    if line == 0 and not headless:
        raise LogError(f"{path}: is no mprun event log: it is empty")
    if torn:
        troubles.ending.append(f"line {line + 1}: torn: the log breaks off in it")
        yield [Torn(t_ns=last_ns, length=torn)]
    if not complete:
        troubles.ending.append("incomplete: there is no run.end, or not at the end")


def _check_first(first: Event | None, troubles: Troubles) -> None:
    if not isinstance(first, RunStart):
        troubles.add("line 1: no run.start")
    elif (told := foreign(first)) is not None:
        troubles.add(told)


def foreign(start: RunStart) -> str | None:
    """That a log is of another schema than this mprun knows, in words; None where it is of the same."""
    if start.schema == SCHEMA:
        return None
    return f"line 1: log schema {start.schema}, read as {SCHEMA}, which this mprun knows"
