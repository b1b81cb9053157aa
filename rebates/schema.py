"""The JSON Schema of a program file, for editors; made from the same table of keys that the reader uses."""

from __future__ import annotations

from typing import Any

from rebates.conditions import FORMS, SIDES
from rebates.keys import PERIODS, SECTIONS, Key

_NUMBER = {
    "anyOf": [
        {"type": "string", "pattern": r"^\s*[+-]?[0-9_]*\.?[0-9]+([eE][+-]?[0-9]+)?\s*$"},
        {"type": "integer"},
    ]
}
_RATE = {"anyOf": [{"type": "string", "pattern": r"^\s*[+-]?[0-9_]*\.?[0-9]+\s*%?\s*$"}, {"type": "integer"}]}
_VALUE = {"type": ["string", "integer", "boolean"]}
_VALUES = {"anyOf": [_VALUE, {"type": "array", "items": _VALUE, "minItems": 1}]}


def json_schema() -> dict[str, Any]:
    """Draft 2020-12."""
    sections = {name: _section(name) for name in SECTIONS if name != "program"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rebate program",
        **_section("program"),
        "$defs": {**sections, "test": _test(), "fields": _fields()},
    }


def _section(name: str) -> dict[str, Any]:
    keys = SECTIONS[name]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {key.name: {"description": key.doc, **_key(key)} for key in keys},
        "required": [key.name for key in keys if key.required],
    }


def _key(key: Key) -> dict[str, Any]:
    reference = {"$ref": f"#/$defs/{key.of}"}
    forms: dict[str, dict[str, Any]] = {
        "text": {"type": "string", "minLength": 1},
        "money": _NUMBER,
        "rate": _RATE,
        "end": _RATE,
        "within": _RATE,
        "threshold": {"anyOf": [*_RATE["anyOf"], {"type": "object", "additionalProperties": _RATE}]},
        "choice": {"enum": list(key.choices)},
        "choices": {"type": "array", "items": {"enum": list(key.choices)}},
        "date": {"type": "string", "format": "date"},
        "whole": {"type": "integer"},
        "wholes": {"type": "array", "items": {"type": "integer"}},
        "bool": {"type": "boolean"},
        "texts": {"type": "array", "items": {"type": "string"}},
        "filter": {"$ref": "#/$defs/fields"} if key.name in ("members", "when") else _sides(),
        "table": reference,
        "tables": {"anyOf": [{"type": "array", "items": reference}, {"type": "object"}]},
        "named": {"type": "object", "additionalProperties": reference},
        "amounts": {"type": "object", "additionalProperties": _NUMBER},
        "stacking": {"anyOf": [{"enum": ["parallel", "exclusive", "sequential"]}, reference]},
        "accounts": {"type": "object", "additionalProperties": {"type": "string"}},
        "baseline": {
            "anyOf": [
                {"enum": list(key.choices)},
                *_NUMBER["anyOf"],
                {"type": "object", "additionalProperties": _NUMBER},
            ]
        },
        "period": {
            "anyOf": [{"enum": list(PERIODS)}, {"type": "string", "pattern": "^[0-9]{1,3} (week|month)s?$"}]
        },
    }
    return forms[key.kind]


def _sides() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {side: {"$ref": "#/$defs/fields"} for side in SIDES},
    }


def _fields() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": {"anyOf": [*_VALUES["anyOf"], {"$ref": "#/$defs/test"}]},
    }


def _test() -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": dict.fromkeys(FORMS, _VALUES)}
