"""User code that a config names."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer
from pydantic.json_schema import JsonSchemaValue

from runner.config.forms import Forms
from runner.config.keys import Keys
from runner.config.scalars import TARGET_SCHEMA, JsonMap, Target


class CallConfig(Keys):
    """User code: a function or class, imported in workers only."""

    what: ClassVar[str] = "target and kwargs"

    target: Target = Field(description="package.module:function; imported in workers only")
    kwargs: JsonMap = Field({}, description="keyword arguments for the function or class")

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> Any:
        return handler(self) if self.kwargs else self.target


def _described(schema: Callable[[type[Keys]], JsonSchemaValue]) -> JsonSchemaValue:
    return {"anyOf": [TARGET_SCHEMA, schema(CallConfig)]}


Call = Annotated[
    CallConfig,
    Forms(
        wanted="package.module:function, or a map with target and kwargs",
        whole=lambda value: {"target": value} if isinstance(value, str) else None,
        model=lambda _whole: CallConfig,
        described=_described,
    ),
]
