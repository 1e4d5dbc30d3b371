"""Maps with known keys: what all models of the config language share."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator


class Keys(BaseModel):
    """A map with known keys, each checked strictly: no text is taken for a number.

    A key that is there without a value stands for its default, and a map whose keys all have defaults may be left
    empty. Models are built when they are first needed (`defer_build`): most configs need two of fourteen distributions.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, defer_build=True, allow_inf_nan=False, arbitrary_types_allowed=True
    )

    what: ClassVar[str] = "keys"
    """What the map describes, for messages: `a queue`."""
    besides: ClassVar[tuple[str, ...]] = ()
    """Keys that are dealt with before validation, for messages."""

    @classmethod
    def names(cls) -> list[str]:
        """The keys as the language writes them, in its order."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, value: Any) -> Any:
        if value is None:
            return {}
        if not isinstance(value, dict) or None not in value.values():
            return value
        with_default = {field.alias or name for name, field in cls.model_fields.items() if not field.is_required()}
        return {key: below for key, below in value.items() if below is not None or key not in with_default}
