"""JSON read by a model's rules into plain dicts, in less than half the time that making the models takes.

For what is read by the thousand. The rules are the model's own, taken from the schema that pydantic built for it, but
for what a model does as a whole once its fields are read (``model_validator``): that is left to the dicts' reader.
"""

from __future__ import annotations

from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import CoreSchema, SchemaValidator


def reader(model: type[BaseModel]) -> SchemaValidator:
    """Reads as ``model.model_validate_json`` does, with a dict for every model. A missing field has its default.

    >>> class Point(BaseModel):
    ...     x: int
    ...     y: int = 0
    >>> reader(Point).validate_json('{"x": 1, "z": 2}')
    {'x': 1, 'y': 0}
    """
    return SchemaValidator(cast("CoreSchema", _plain(model.__pydantic_core_schema__)))


def _plain(schema: object) -> object:
    """A schema, or a part of one, with dicts for models."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    return _of(schema) if isinstance(schema, dict) else schema


def _of(schema: dict[str, Any]) -> object:
    kind = schema.get("type")
    if kind in {"definitions", "definition-ref"}:  # a model that two fields share, or that contains itself
        raise NotImplementedError("A model of shared parts can't be read into dicts.")
    if kind == "model" or (kind == "function-after" and schema["schema"]["type"] == "model"):
        return _plain(schema["schema"])
    if kind == "model-fields":
        return {"type": "typed-dict", "fields": {name: _field(field) for name, field in schema["fields"].items()}}
    plain = {name: _plain(part) for name, part in schema.items()}
    make = schema.get("default_factory")
    if isinstance(make, type) and issubclass(make, BaseModel):
        plain["default_factory"] = lambda: make().model_dump()
    return plain


def _field(field: dict[str, Any]) -> dict[str, object]:
    schema = field["schema"]
    return {"type": "typed-dict-field", "schema": _plain(schema), "required": schema["type"] != "default"}
