"""Which items a producer puts: a range, values, the lines of a file, or what user code yields."""

# ruff: noqa: D102, RUF009 - what a method of a kind does, `Kind` says; `key` makes a dataclass field

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from runner.config.calls import Call, CallConfig
from runner.config.jsonvalues import JsonList
from runner.config.kinds import Choice, Kind, Natural, PathTo, Whole
from runner.config.nodes import MapNode, Scalar, Spot
from runner.config.records import Record, key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.errors import Problem

Share: TypeAlias = Literal["each", "split"]

MOST_ITEMS = 1_000_000_000

_INT64 = 1 << 63
_SHARE = "each: every worker of the group walks all items; split: worker k of n takes positions k, k+n, …"


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeItems:
    """Whole numbers as `range(start, stop, step)`."""

    start: int = key(Whole(-_INT64, _INT64 - 1), "first number", default=0)
    stop: int = key(Whole(-_INT64, _INT64 - 1), "the numbers end before this one")
    step: int = key(Whole(-_INT64, _INT64 - 1), "from one number to the next; not 0", default=1)
    share: Share = key(Choice("each", "split"), _SHARE, default="each")

    @property
    def length(self) -> int:
        """How many items the whole range has."""
        distance = self.stop - self.start
        return max(0, -(-distance // self.step))


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuesItems:
    """Values written in the config."""

    values: list[Any] = key(JsonList(), "the items themselves, any JSON values")
    share: Share = key(Choice("each", "split"), _SHARE, default="each")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileItems:
    """The lines of a JSON Lines file; the path is absolute."""

    file: str = key(PathTo("file"), "a JSON Lines file, relative to the config; each line an item")
    share: Share = key(Choice("each", "split"), _SHARE, default="each")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallItems:
    """What a user's function returns or a generator yields; how many is not known beforehand."""

    call: CallConfig = key(Call(), "user code that returns an iterable of items")
    share: Share = key(Choice("each", "split"), _SHARE, default="each")

    @property
    def target(self) -> str:
        """`package.module:function`."""
        return self.call.target

    @property
    def kwargs(self) -> dict[str, Any]:
        """Its keyword arguments."""
        return self.call.kwargs


ItemsConfig: TypeAlias = RangeItems | ValuesItems | FileItems | CallItems


def _moving(items: RangeItems, spot: Spot) -> Iterator[Problem]:
    if items.step == 0:
        yield spot.below("step").problem("0 never reaches the end; wanted any other whole number")


class Items(Kind):
    """Which items a producer puts: a number, or one of four maps, told apart by their keys."""

    forms = MappingProxyType(
        {
            "values": Record(ValuesItems, "items by their values"),
            "file": Record(FileItems, "items from a file"),
            "call": Record(CallItems, "items from user code"),
            "stop": Record(RangeItems, "items as a range", check=_moving),
        }
    )
    wanted = "a whole number of items, or a map: {start, stop, step}, {values: […]}, {file: …} or {call: …}"

    def read(self, spot: Spot) -> ItemsConfig:
        match spot.node:
            case MapNode(entries=entries):
                form = next((name for name in self.forms if name in entries), "stop")
                return self._read(spot, form)
            case Scalar(value=int(count)) if not isinstance(count, bool):
                return RangeItems(stop=Whole(0, MOST_ITEMS).read(spot))
        raise self.refused(spot)

    def _read(self, spot: Spot, form: str) -> ItemsConfig:
        items: ItemsConfig = self.forms[form].read(spot)
        if isinstance(items, FileItems):
            try:
                spot.files.rows(items.file)
            except ValueError as error:
                raise spot.below("file").wrong(str(error)) from None
        return items

    def plain(self, value: Any) -> Any:
        return self._form(value).plain(value)

    def identity(self, value: Any) -> Any:
        return self._form(value).identity(value)

    def _form(self, value: ItemsConfig) -> Record:
        return next(form for form in self.forms.values() if form.cls is type(value))

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [Natural().schema(), *(form.schema() for form in self.forms.values())]}
