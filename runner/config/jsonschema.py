"""The config language as a JSON Schema, for editors that complete and check while one writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from runner.config.models import Config
from runner.config.scalars import SUBSTITUTED

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

_VARIABLE = {"type": "string", "pattern": SUBSTITUTED, "description": "a value taken from the environment"}


def schema() -> dict[str, Any]:
    """Draft 2020-12; generated from the models, so it can name no key that does not work."""
    described = Config.model_json_schema(schema_generator=_ForEditors)
    described["properties"]["extends"] = {
        "type": "string",
        "description": "a base config, relative to this file: maps merge, lists replace",
    }
    # A file that extends another may leave out what the other has.
    del described["required"]
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        **described,
        "title": "mprun config",
        "anyOf": [{"required": ["producers", "consumers"]}, {"required": ["extends"]}],
        "patternProperties": {"^x-": {"description": "ignored: notes and anchors"}},
    }


class _ForEditors(GenerateJsonSchema):
    """What may be written, before variables are filled in and what is left empty takes its default."""

    def field_title_should_be_set(self, _schema: Any) -> bool:
        return False

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        return {"anyOf": [super().int_schema(schema), _VARIABLE]}

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        return {"anyOf": [super().float_schema(schema), _VARIABLE]}

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        words = super().literal_schema(schema)
        return words if "const" in words else {"anyOf": [words, _VARIABLE]}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        described = super().default_schema(schema)
        return {key: value for key, value in described.items() if key != "default" or value not in (None, [])}

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        names = super().dict_schema(schema)
        return {**names, "additionalProperties": False} if "patternProperties" in names else names

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        keys = super().model_schema(schema)
        return {**keys, "title": schema["cls"].what, "type": "object" if "required" in keys else ["object", "null"]}
