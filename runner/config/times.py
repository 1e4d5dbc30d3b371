"""How long something takes: a duration, or a distribution."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic.json_schema import JsonSchemaValue

from runner.config.forms import Forms
from runner.config.keys import Keys
from runner.config.nodes import choices
from runner.config.refusals import refuse_below, told, unknown_choice
from runner.config.scalars import DURATION_SCHEMA
from runner.config.written_laws import LAWS, ConstantTime, DistributionConfig


def constant(seconds: float) -> DistributionConfig:
    """Always so many seconds; not validated, so that a default costs nothing."""
    return ConstantTime.model_construct(distribution="constant", value=seconds)


def _whole(value: Any) -> dict[str, Any] | None:
    is_number_or_text = isinstance(value, int | float | str) and not isinstance(value, bool)
    return {"distribution": "constant", "value": value} if is_number_or_text else None


def _model(whole: dict[str, Any]) -> type[Keys]:
    name = whole.get("distribution")
    if "distribution" not in whole:
        refuse_below((("distribution",), told(f"missing; {choices(LAWS)}")))
    if not isinstance(name, str) or name not in LAWS:
        refuse_below((("distribution",), unknown_choice("distribution", tuple(LAWS))))
    return LAWS[name]


def _described(schema: Callable[[type[Keys]], JsonSchemaValue]) -> JsonSchemaValue:
    laws = [{**schema(law), "title": name} for name, law in LAWS.items()]
    return {"anyOf": [DURATION_SCHEMA, {"type": "object", "oneOf": laws}]}


Time = Annotated[
    DistributionConfig,
    Forms(
        wanted="a duration, or a map such as {distribution: exponential, mean: 10ms}",
        whole=_whole,
        model=_model,
        described=_described,
    ),
]
