"""Whole numbers of a unit of time: the ends of `randint`."""

from typing import Annotated, Any, NamedTuple

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from runner.config.law import LONGEST
from runner.config.refusals import Wanted, refused
from runner.config.scalars import SUBSTITUTED
from runner.config.units import split_duration, unit_seconds

_WANTED = "a whole number of one unit (such as 3, 10ms)"


class Units(NamedTuple):
    """A whole number of a unit of time: one end of `randint`."""

    number: int
    unit: str

    @classmethod
    def read(cls, value: Any) -> "Units":
        """As the config writes it: `3` (seconds), `10ms`."""
        if isinstance(value, Units):
            return value
        number, unit = (split_duration(value) or ("", "s")) if isinstance(value, str) else (str(value), "s")
        if not number.isdecimal() or int(number) * unit_seconds(unit) > LONGEST:
            raise refused(_WANTED)
        return cls(int(number), unit)

    def written(self) -> int | str:
        """The other way round."""
        return self.number if self.unit == "s" else f"{self.number}{self.unit}"

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(cls.written)
        return core_schema.no_info_plain_validator_function(cls.read, serialization=written)

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        text = {"type": "string", "pattern": rf"^\d+(us|ms|s|m|h)$|{SUBSTITUTED}"}
        return {"anyOf": [{"type": "integer", "minimum": 0}, text]}


Count = Annotated[Units, Wanted(_WANTED)]
