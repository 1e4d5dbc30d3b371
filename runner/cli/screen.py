"""A reading of a run as lines for a terminal: pure, for any size of it; no line is ever broader than asked for.

What there is no room for is left out in this order: workers, then groups and queues from the end, told by a last line;
of columns the bar first, the name never.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runner.cli import figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.cli.meter import Level, Reading, Row

_GAP: Final = 2
_LONGEST_NAME: Final = 28
_SHORTEST_BAR, _BROADEST_BAR = 6, 40
_SHORTEST_SPARKLINE, _LONGEST_SPARKLINE = 8, 100
_BOLD, _DIM, _RED, _CYAN, _YELLOW, _PLAIN = "1", "2", "31", "36", "33", ""
_LOWEST_TOP: Final = 7
"""A queue without a bound that never holds more than a few items is not to look full."""
_MUCH_BLOCKED: Final = 0.5


@dataclass(frozen=True, slots=True)
class Look:
    """What the terminal can show.

    Attributes:
        colors: Whether escape sequences for bold, dim and colours are used.
        unicode: Whether it shows block characters; otherwise ASCII.
    """

    colors: bool
    unicode: bool

    @property
    def levels(self) -> str:
        """Nine characters from empty to full, for sparklines."""
        return " ▁▂▃▄▅▆▇█" if self.unicode else " .:-=+*%#"

    @property
    def filling(self) -> str:
        """Nine characters from empty to full, for the end of a bar."""
        return " ▏▎▍▌▋▊▉█" if self.unicode else "        #"

    @property
    def cut(self) -> str:
        """Stands for what is cut off."""
        return "…" if self.unicode else "~"


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of a table; of those that do not fit, the one with the lowest rank is left out first."""

    title: str
    cells: list[tuple[str, str]]
    rank: int
    right: bool = True

    @property
    def width(self) -> int:
        return max(len(self.title), *(len(text) for text, _ in self.cells))


def lines(reading: Reading, width: int, height: int, look: Look) -> list[str]:
    """The lines that show a reading, the first of them empty where there is room for that.

    Args:
        reading: What is shown.
        width: Columns that may be used, from 1.
        height: Lines that may be used, from 1.
        look: What the terminal can show.
    """
    title = _painted(_title(reading, look), width, look)
    if height < 4 or not reading.rows:
        return [title] if height < 2 else ["", title]
    rows, levels, rest = _chosen(reading, height - 3)
    shown = ["", title, *_table(_groups(rows, width, look), width, look)]
    if levels:
        shown += _table(_queues(levels, reading, width, look), width, look)
    if rest:
        shown.append(_painted([(rest, _DIM)], width, look))
    return shown[:height]


def _title(reading: Reading, look: Look) -> list[tuple[str, str]]:
    name = "".join(c if c.isprintable() else "?" for c in reading.name)
    if not look.unicode:
        name = name.encode("ascii", "replace").decode()
    parts = [(name, _BOLD), (f"  {_stand(reading)}", _PLAIN)]
    if reading.deaths:
        parts.append((f"  {reading.deaths:,} died", _RED))
    return parts


def _stand(reading: Reading) -> str:
    if reading.seconds is None:
        return f"starting: {reading.ready:,} of {reading.workers:,} workers are ready"
    if reading.ended == reading.workers:
        return f"ended after {_roughly(reading.seconds)}, the log is being written"
    workers = f"{reading.workers:,} workers" + (f", {reading.ended:,} of them ended" if reading.ended else "")
    if reading.left_s is None:
        return f"{_roughly(reading.seconds)}, {workers}"
    return f"{_roughly(reading.seconds)}, ends in about {_roughly(reading.left_s)}, {workers}"


def _roughly(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 600 else figures.duration(seconds)


def _chosen(reading: Reading, height: int) -> tuple[Sequence[Row], Sequence[Level], str]:
    """The rows and queues for which there is room, and what is said of the others; two lines are headings."""
    groups = [row for row in reading.rows if row.is_group]
    levels = reading.levels
    if len(reading.rows) + 1 + len(levels) <= height:
        return reading.rows, levels, ""
    if len(groups) + 1 + len(levels) <= height:
        return groups, levels, ""
    room = height - 2  # the second heading, and the line that tells of the rest
    first = max(1, min(len(groups), room - min(len(levels), room // 2)))
    second = max(0, room - first)
    return groups[:first], levels[:second], _untold(groups[first:], levels[second:])


def _untold(groups: Sequence[Row], levels: Sequence[Level]) -> str:
    told = [f"{len(groups):,} more groups"] if groups else []
    if levels:
        deepest = max(levels, key=lambda level: level.depth)
        told.append(f"{len(levels):,} more queues, the deepest {deepest.name} with {deepest.depth:,}")
    return " and ".join(told)


def _groups(rows: Sequence[Row], width: int, look: Look) -> list[_Column]:
    def column(title: str, texts: list[str], rank: int, *, right: bool = True) -> _Column:
        return _Column(title, [(t, _PLAIN if r.is_group else _DIM) for t, r in zip(texts, rows, strict=True)], rank,
                       right)  # fmt: skip

    names = [_named(row.name if row.is_group else f"  {row.name}", look) for row in rows]
    blocked = [(f"{figures.share(row.blocked):>7}", _heat(row)) for row in rows]
    columns = [
        column("group", names, 9, right=False),
        column("workers", [f"{row.workers:,}" if row.is_group else "" for row in rows], 3),
        column("done", [f"{row.done:,}" for row in rows], 8),
        column("of", ["" if row.total is None else f"{row.total:,}" for row in rows], 7),
        column("", [_part(row) for row in rows], 4),
        column(
            "rate", [f"{figures.number(row.rate) if row.rate is not None else figures.NONE:>7}/s" for row in rows], 6
        ),
        _Column("blocked", blocked, 5),
    ]
    if any(row.state is not None for row in rows):
        columns.append(column("doing", [f"{_doing(row):8}" for row in rows], 2, right=False))
    room = width - sum(column.width + _GAP for column in columns)
    if room < _SHORTEST_BAR:
        return columns
    bars = [(_bar(row, min(room, _BROADEST_BAR), look), _CYAN if row.is_group else _DIM) for row in rows]
    columns.insert(4, _Column("", bars, 1, right=False))
    return columns  # fmt: skip


def _doing(row: Row) -> str:
    return "" if row.state is None else row.state.name.lower()


def _heat(row: Row) -> str:
    if row.blocked is not None and row.blocked >= _MUCH_BLOCKED:
        return _YELLOW
    return _PLAIN if row.is_group else _DIM


def _part(row: Row) -> str:
    return f"{100 * row.done // row.total:3} %" if row.total else " " * 5


def _bar(row: Row, width: int, look: Look) -> str:
    if not row.total:
        return " " * width
    full, rest = divmod(int(8 * width * min(1.0, row.done / row.total)), 8)
    return f"{look.filling[8] * full}{look.filling[rest] if full < width else ''}".ljust(width)


def _queues(levels: Sequence[Level], reading: Reading, width: int, look: Look) -> list[_Column]:
    plain = [
        _Column("queue", [(_named(level.name, look), _PLAIN) for level in levels], 9, right=False),
        _Column("depth", [(f"{level.depth:>7,}", _PLAIN) for level in levels], 8),
        _Column("of", [(f"{level.maxsize:,}" if level.maxsize else "", _PLAIN) for level in levels], 6),
        _Column("most", [(f"{level.most:>7,}", _PLAIN) for level in levels], 7),
    ]
    room = min(_LONGEST_SPARKLINE, width - sum(column.width + _GAP for column in plain))
    if room < _SHORTEST_SPARKLINE:
        return plain
    marks = [(sparkline(level, room, look).rjust(room), _CYAN) for level in levels]
    seen = min(room, max(len(level.past) for level in levels)) * reading.look_s
    return [*plain, _Column(f"depth over the last {_roughly(seen)}"[:room], marks, 1)]


def sparkline(level: Level, width: int, look: Look) -> str:
    """The last `width` depths of a queue, a character each; the highest stands for its bound, or for the most shown."""
    past = list(level.past)[-width:]
    top = level.maxsize or max([_LOWEST_TOP, *past])
    steps = look.levels
    return "".join(steps[min(8, 1 + (depth * 7 + top - 1) // top)] for depth in past)


def _named(name: str, look: Look) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}{look.cut}"


def _table(columns: list[_Column], width: int, look: Look) -> list[str]:
    """Heading and rows of as many columns as fit."""
    while len(columns) > 1 and sum(column.width + _GAP for column in columns) - _GAP > width:
        columns = [column for column in columns if column.rank > min(other.rank for other in columns)]
    heading = [(column.title, _DIM) for column in columns]
    return [
        _painted(_spaced(cells, columns), width, look)
        for cells in (heading, *zip(*(column.cells for column in columns), strict=True))
    ]


def _spaced(cells: Sequence[tuple[str, str]], columns: Sequence[_Column]) -> list[tuple[str, str]]:
    spaced: list[tuple[str, str]] = []
    for (text, style), column in zip(cells, columns, strict=True):
        spaced += [(text.rjust(column.width) if column.right else text.ljust(column.width), style)]
        spaced += [(" " * _GAP, _PLAIN)]
    return spaced[:-1]


def _painted(parts: Sequence[tuple[str, str]], width: int, look: Look) -> str:
    """Texts one behind the other, cut to `width` cells, each in its style."""
    from rich.cells import cell_len, set_cell_size

    line = ""
    for text, style in parts:
        cut = text if cell_len(text) <= width else set_cell_size(text, width)
        width -= cell_len(cut)
        if cut:
            line += f"\x1b[{style}m{cut}\x1b[0m" if style and look.colors else cut
    return line.rstrip(" ")
