"""Files a config names: read once while it is loaded, so that planning needs no disk."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import msgspec

LONGEST_LINE = 64 << 20
MOST_VALUES = 10_000_000
_MOST_SECONDS = 1e8


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What planning needs to know of a file: its digest (hex) and its number of lines."""

    sha256: str
    lines: int


@dataclass(frozen=True, slots=True)
class TraceValues:
    """A trace file's times in seconds: by position or by item id, one of the two."""

    values: tuple[float, ...] | None
    by_id: dict[str, float] | None


class Files:
    """The JSON Lines files a config names, by absolute path."""

    def __init__(self) -> None:
        self.facts: dict[str, FileFacts] = {}
        self._traces: dict[str, TraceValues] = {}

    def rows(self, path: str) -> FileFacts:
        """Check that every line is a JSON value, and remember the file's facts.

        Raises:
            ValueError: The file cannot be read, or a line is no JSON value; a plain sentence.
        """
        if path not in self.facts:
            for _ in self._lines(path):
                pass
        return self.facts[path]

    def trace(self, path: str) -> TraceValues:
        """The times of a trace file.

        Raises:
            ValueError: The file cannot be read or is no trace; a plain sentence.
        """
        if path not in self._traces:
            self._traces[path] = _trace(path, self._lines(path))
        return self._traces[path]

    def _lines(self, path: str) -> Iterator[Any]:
        import hashlib

        import msgspec

        digest, count, decoder = hashlib.sha256(), 0, msgspec.json.Decoder()
        try:
            mode = Path(path).stat().st_mode
            if not stat.S_ISREG(mode):
                raise ValueError(f"{path} is {'a directory' if stat.S_ISDIR(mode) else 'no regular file'}")
            with Path(path).open("rb") as file:
                while line := file.readline(LONGEST_LINE + 1):
                    digest.update(line)
                    count += 1
                    yield _decode(decoder, line, path, count)
        except FileNotFoundError:
            raise ValueError(f"no such file: {path}") from None
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error.strerror}") from None
        self.facts[path] = FileFacts(digest.hexdigest(), count)


def _decode(decoder: msgspec.json.Decoder[Any], line: bytes, path: str, number: int) -> Any:
    import msgspec

    if len(line) > LONGEST_LINE:
        raise ValueError(f"{path}, line {number}: longer than {LONGEST_LINE >> 20}MiB")
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError(f"{path}, line {number}: no JSON value; wanted JSON Lines") from None


def _trace(path: str, lines: Iterator[Any]) -> TraceValues:
    values: list[float] = []
    by_id: dict[str, float] = {}
    for number, line in enumerate(lines, 1):
        match line:
            case {"id": str(item), "value": value} if _is_time(value) and not values:
                if item in by_id:
                    raise ValueError(f"{path}, line {number}: a second value for {item}")
                by_id[item] = float(value)
            case value if _is_time(value) and not by_id:
                values.append(float(value))
            case _:
                wanted = 'seconds (0 to 1e8), or {"id": …, "value": seconds} in every line'
                raise ValueError(f"{path}, line {number}: wanted {wanted}")
        if number > MOST_VALUES:
            raise ValueError(f"{path}: more than {MOST_VALUES:,} values")
    if not values and not by_id:
        raise ValueError(f"{path} is empty; a trace holds at least one value")
    return TraceValues(None, by_id) if by_id else TraceValues(tuple(values), None)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST_SECONDS
