"""Units of time and of size, as they are written behind a number."""

from __future__ import annotations

import re
from decimal import Decimal

_UNITS = {"us": Decimal("0.000001"), "ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}
DURATION = re.compile(r"(\d{1,18}(?:\.\d{1,18})?|\.\d{1,18})(us|ms|s|m|h)")
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)(B|KB|MB|GB|KiB|MiB|GiB)")


def parse_duration(text: str) -> float | None:
    """Seconds in a text such as `250us`; None if it is no duration with a unit. Exact: `0.1ms` is the float 0.0001."""
    if (match := DURATION.fullmatch(text)) is None:
        return None
    return float(Decimal(match[1]) * _UNITS[match[2]])


def split_duration(text: str) -> tuple[str, str] | None:
    """Number and unit of a text such as `250us`."""
    match = DURATION.fullmatch(text)
    return None if match is None else (match[1], match[2])


def unit_seconds(unit: str) -> float:
    """Seconds in a unit: us, ms, s, m or h."""
    return float(_UNITS[unit])


def parse_size(text: str) -> int | None:
    """Bytes in a text such as `4KiB`; None if it is none, or no whole number of bytes."""
    if (match := SIZE.fullmatch(text)) is None:
        return None
    size = Decimal(match[1]) * _BYTES[match[2]]
    return int(size) if size == size.to_integral_value() else None
