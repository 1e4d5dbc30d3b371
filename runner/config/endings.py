"""What ends a run before its items do, as the config says it."""

import re
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le
from pydantic import BeforeValidator, Field, WithJsonSchema

from runner.config.keys import Keys
from runner.config.refusals import Wanted
from runner.config.scalars import SUBSTITUTED, DurationAbove0

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,9})?|\.\d{1,9})\s?%")
_LEAST, _MOST = 1e-6, 1.0


def _share(value: Any) -> Any:
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    return value if match is None else float(match[1]) / 100


Share = Annotated[
    float,
    Ge(_LEAST),
    Le(_MOST),
    BeforeValidator(_share),
    Wanted("a share such as 1% or 0.01, from 0.0001% to 100%"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": _LEAST, "maximum": _MOST},
                {"type": "string", "pattern": rf"^({_PERCENT.pattern})$|{SUBSTITUTED}"},
            ]
        }
    ),
]


class SteadyConfig(Keys):
    """The steady state at which producers stop."""

    what: ClassVar[str] = "when a run is steady"

    metric: Literal["throughput"] = Field(description="what must be steady: items done per second since the warm-up")
    within: Share = Field(description="it may differ so much from what it is now")
    over: DurationAbove0 = Field(description="for so long")
