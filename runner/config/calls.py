"""User code that a config names, and how long the simulation takes it to last."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer
from pydantic.json_schema import JsonSchemaValue

from runner.config.forms import Forms
from runner.config.keys import Keys
from runner.config.scalars import TARGET_SCHEMA, JsonMap, Target
from runner.config.times import Time


class CallConfig(Keys):
    """User code: a function or class, imported in workers only."""

    what: ClassVar[str] = "target and kwargs"

    target: Target = Field(description="package.module:function; imported in workers only")
    kwargs: JsonMap = Field({}, description="keyword arguments for the function or class")

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> Any:
        written = handler(self)
        return written if written.get("kwargs") or written.get("model") else self.target


class WorkConfig(CallConfig):
    """User code that works on items."""

    what: ClassVar[str] = "target, kwargs and model"

    model: Time | None = Field(None, description="so long it lasts in a simulation, which does not call it")


def _forms(model: type[CallConfig], keys: str) -> Forms:
    def described(schema: Callable[[type[Keys]], JsonSchemaValue]) -> JsonSchemaValue:
        return {"anyOf": [TARGET_SCHEMA, schema(model)]}

    return Forms(
        wanted=f"package.module:function, or a map with {keys}",
        whole=lambda value: {"target": value} if isinstance(value, str) else None,
        model=lambda _whole: model,
        described=described,
    )


Call = Annotated[CallConfig, _forms(CallConfig, "target and kwargs")]
"""User code that gives items."""

Work = Annotated[WorkConfig, _forms(WorkConfig, "target, kwargs and model")]
"""User code that works on items."""
