"""Which items a producer puts: a range, values, the lines of a file, or what user code yields."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, Field
from pydantic.json_schema import JsonSchemaValue

from runner.config.calls import Call
from runner.config.forms import Forms
from runner.config.keys import Keys
from runner.config.refusals import refused, told
from runner.config.scalars import Int64, JsonList, RowsFile

MOST_ITEMS = 1_000_000_000

Share: TypeAlias = Literal["each", "split"]

_SHARE = "each: every worker of the group walks all items; split: worker k of n takes positions k, k+n, …"


def _moving(step: int) -> int:
    if step == 0:
        raise told("0 never reaches the end; wanted any other whole number")
    return step


class RangeItems(Keys):
    """Whole numbers as `range(start, stop, step)`."""

    what: ClassVar[str] = "items as a range"

    start: Int64 = Field(0, description="first number")
    stop: Int64 = Field(description="the numbers end before this one")
    step: Annotated[Int64, AfterValidator(_moving)] = Field(1, description="from one number to the next; not 0")
    share: Share = Field("each", description=_SHARE)

    @property
    def length(self) -> int:
        """How many items the whole range has."""
        distance = self.stop - self.start
        return max(0, -(-distance // self.step))


class ValuesItems(Keys):
    """Values written in the config."""

    what: ClassVar[str] = "items by their values"

    values: JsonList = Field(description="the items themselves, any JSON values")
    share: Share = Field("each", description=_SHARE)


class FileItems(Keys):
    """The lines of a JSON Lines file; the path is absolute."""

    what: ClassVar[str] = "items from a file"

    file: RowsFile = Field(description="a JSON Lines file, relative to the config; each line an item")
    share: Share = Field("each", description=_SHARE)


class CallItems(Keys):
    """What a user's function returns or a generator yields; how many is not known beforehand."""

    what: ClassVar[str] = "items from user code"

    call: Call = Field(description="user code that returns an iterable of items")
    share: Share = Field("each", description=_SHARE)

    @property
    def target(self) -> str:
        """`package.module:function`."""
        return self.call.target

    @property
    def kwargs(self) -> dict[str, Any]:
        """Its keyword arguments."""
        return self.call.kwargs


ItemsConfig: TypeAlias = RangeItems | ValuesItems | FileItems | CallItems

_FORMS: dict[str, type[Keys]] = {"values": ValuesItems, "file": FileItems, "call": CallItems, "stop": RangeItems}


def _whole(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    if not 0 <= value <= MOST_ITEMS:
        raise refused(f"a whole number from 0 to {MOST_ITEMS:,}")
    return {"stop": value}


def _model(whole: dict[str, Any]) -> type[Keys]:
    return next((model for key, model in _FORMS.items() if key in whole), RangeItems)


def _described(schema: Callable[[type[Keys]], JsonSchemaValue]) -> JsonSchemaValue:
    number = {"type": "integer", "minimum": 0, "maximum": MOST_ITEMS}
    return {"anyOf": [number, {"type": "string", "pattern": r"\$\{"}, *map(schema, _FORMS.values())]}


Items = Annotated[
    ItemsConfig,
    Forms(
        wanted="a whole number of items, or a map: {start, stop, step}, {values: […]}, {file: …} or {call: …}",
        whole=_whole,
        model=_model,
        described=_described,
    ),
]
