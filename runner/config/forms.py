"""Values with several forms, of which only the one that is written is built.

A pydantic union would build every member, at 2 ms each, and name it in the path of an error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from runner.config.keys import Keys
from runner.config.refusals import refused


@dataclass(frozen=True, slots=True)
class Forms:
    """Annotation: a map that one of several models reads, or a single value that stands for such a map.

    Attributes:
        wanted: What may stand there, to finish the sentence `wanted …`.
        whole: The map that a single value stands for; None if it stands for none.
        model: The model of a map; raises PydanticCustomError or ValidationError where there is none.
        described: The JSON Schema, given those of single models.
    """

    wanted: str
    whole: Callable[[Any], dict[str, Any] | None]
    model: Callable[[dict[str, Any]], type[Keys]]
    described: Callable[[Callable[[type[Keys]], JsonSchemaValue]], JsonSchemaValue]

    def chosen(self, value: Any) -> tuple[type[Keys], dict[str, Any]]:
        """The model that reads a value, and the map it reads.

        Raises:
            PydanticCustomError: There is no such form.
        """
        whole = value if isinstance(value, dict) else self.whole(value)
        if whole is None:
            raise refused(self.wanted)
        return self.model(whole), whole

    def _read(self, value: Any, info: ValidationInfo) -> Keys:
        if isinstance(value, Keys):
            return value
        model, whole = self.chosen(value)
        return model.model_validate(whole, context=info.context)

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        def schema(model: type[Keys]) -> JsonSchemaValue:
            model.model_rebuild()
            return handler(model.__pydantic_core_schema__)

        return self.described(schema)
