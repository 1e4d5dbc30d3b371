"""Where two runs, or two configs, are not alike: by the paths of what is stored of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_WHERE: Final = ("versions", "implementation", "host", "cpu", "kernel", "machine", "git", "engine", "start_method")
"""What of a manifest says where and with what a run ran."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Something that is not as it was: its path in the manifest, and both values."""

    what: str
    then: Any
    now: Any


def drifts(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Drift]:
    """In what two manifests differ, of what says where and with what a run ran."""
    then, now = ({key: manifest.get(key) for key in _WHERE} for manifest in (then, now))
    return unlike(then, now)


def unlike(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Drift]:
    """In what two trees of plain data differ; what one of them has not is None there. Lists are compared as wholes."""
    sides = [_flat(data) for data in (then, now)]
    keys = dict.fromkeys([*sides[0], *sides[1]])
    return [Drift(key, *values) for key in keys if (values := [side.get(key) for side in sides])[0] != values[1]]


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
