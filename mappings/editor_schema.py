"""A JSON Schema of mapping files, for editors that complete and check TOML as one types."""

from __future__ import annotations

from typing import Any, get_args

from mappings.canonical import ENTITIES
from mappings.model import As, Sign
from mappings.push_table import MAX_PLACES, ONCE_PER, TARGETS, WHEN
from mappings.rounding import BY_CURRENCY
from mappings.vocabulary import EVENTS, PATHS, READS

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_SCALAR = {"type": ["string", "boolean", "integer"]}
_PATH = {"type": "string", "pattern": r"^[A-Za-z]\w*(\.[A-Za-z]\w*)*$"}
_ONE_OF_PULL = ("field", "first", "const", "expr")
_ONE_OF_PUSH = ("from", "const", "text")


def mapping_schema() -> dict[str, Any]:
    """The schema as a JSON object."""
    top = {
        "schema": {"const": 1, "description": "Version of this format."},
        "time_zone": {"type": "string", "description": 'Where `as = "date"` takes the day of a date-time.'},
        "timezone": {"type": "string", "description": "The same as time_zone."},
        "currency": {"enum": ["record", "corporate"]},
        "namespace": {"type": "string", "description": "Put before the custom names of [push]."},
        "pull": _object({name: _entity(name) for name in ENTITIES}),
        "push": _object({name: _target(name) for name in TARGETS}),
    }
    overrides = {"type": "object", "additionalProperties": {"type": "object"}}
    return {
        "$schema": _DRAFT,
        "title": "Rebate Sync mapping",
        "description": "Left is what is written, right is where it comes from.",
        **_object({**top, "org": overrides}),
    }


def _entity(name: str) -> dict[str, Any]:
    entity = ENTITIES[name]
    fields: dict[str, Any] = {
        "type": "object",
        "properties": {f.name: _source() | ({"description": f.doc} if f.doc else {}) for f in entity.fields},
        "additionalProperties": _source() if entity.has_attributes else False,
    }
    return _object(
        {
            "object": {"type": "string"},
            "where": {"type": "string", "description": "A SOQL condition."},
            "deleted": {"enum": ["keep", "ignore"]},
            "refresh": {"enum": ["changed", "daily"]},
            "fields": fields,
        },
        required=("object", "fields"),
    )


def _source() -> dict[str, Any]:
    settings = {
        "field": _PATH,
        "first": {"type": "array", "items": _PATH, "minItems": 1},
        "const": _SCALAR,
        "expr": {"type": "string"},
        "values": {"type": "object", "additionalProperties": _SCALAR, "minProperties": 1},
        "other": _SCALAR,
        "default": _SCALAR,
        "as": {"enum": list(get_args(As))},
        "trim": {"type": "boolean"},
        "case": {"enum": ["lower", "upper"]},
        "sign": {"enum": list(get_args(Sign))},
    }
    return {"oneOf": [_PATH, _object(settings) | _exactly_one(_ONE_OF_PULL)]}


def _target(name: str) -> dict[str, Any]:
    target = TARGETS[name]
    settings: dict[str, Any] = {"when": {"enum": list(WHEN)}}
    required = ["fields"]
    if target.object:
        settings |= {"object": {"type": "string"}, "match": {"type": "string"}}
        required += ["object", *(["match"] if target.match_required else [])]
    else:
        settings["type"] = {"type": "string"}
        required.append("type")
    if target.events:
        settings["on"] = {"type": "array", "items": {"enum": list(EVENTS)}, "minItems": 1}
        settings["once_per"] = {"enum": list(ONCE_PER)}
        required.append("on")
    if target.closes:
        settings["closed_status"] = {"type": "string"}
    if target.reads:
        settings["reads"] = _object({name: {"type": "string"} for name in READS})
    settings["fields"] = {"type": "object", "additionalProperties": _value()}
    return _object(settings, required=tuple(required))


def _value() -> dict[str, Any]:
    settings = {
        "from": {"enum": list(PATHS)},
        "const": _SCALAR,
        "text": {"type": "string"},
        "values": {"type": "object", "additionalProperties": _SCALAR, "minProperties": 1},
        "as": {"enum": list(get_args(As))},
        "round": {
            "anyOf": [{"const": BY_CURRENCY}, {"type": "integer", "minimum": 0, "maximum": MAX_PLACES}]
        },
        "clear": {"type": "boolean"},
    }
    return {"oneOf": [{"enum": list(PATHS)}, _object(settings) | _exactly_one(_ONE_OF_PUSH)]}


def _object(properties: dict[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": list(required)} if required else {})


def _exactly_one(names: tuple[str, ...]) -> dict[str, Any]:
    return {"oneOf": [{"required": [name]} for name in names]}
