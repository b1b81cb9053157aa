"""Payloads as text: canonical JSON, amounts as the Decimals they are, and the hash by which equal ones are known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from json.encoder import encode_basestring as _text
from typing import Any


def payload_hash(payload: Mapping[str, Any]) -> str:
    """Of the canonical JSON, so that equal fields in another order or spelling of a number are equal."""
    return digest(dump(payload))


def dump(payload: Mapping[str, Any]) -> str:
    """Canonical JSON. A float is refused: it would be an amount that nobody can trust."""
    return "{" + ",".join([f"{_text(name)}:{_value(name, payload[name])}" for name in sorted(payload)]) + "}"


def _value(name: str, value: Any) -> str:
    """What a first load writes a million times is said by its exact type; the encoder knows the rest."""
    kind = type(value)
    if value is None:
        return "null"
    if kind is str:
        return _text(value)
    if kind is Decimal:
        return f'{{"decimal":"{value.normalize():f}"}}'
    if isinstance(value, float):
        raise TypeError(f"{name} is a float: amounts are Decimal")
    return _ENCODER.encode(value)


def digest(text: str) -> str:
    """The hash of a payload that is text already."""
    return hashlib.sha256(text.encode()).hexdigest()


def load(text: str) -> dict[str, Any]:
    """A payload back; amounts come back as the Decimals they were."""
    loaded: dict[str, Any] = json.loads(text, object_hook=_decimal)
    return loaded


def _exact(value: object) -> object:
    if isinstance(value, Decimal):
        # Not a JSON number: a float on the way back would change the amount.
        return {"decimal": format(value.normalize(), "f")}
    raise TypeError(f"{type(value).__name__} does not belong into a payload")


# One for all: `json.dumps` with options makes a new one for every payload.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_exact)


def _decimal(value: dict[str, Any]) -> Any:
    return Decimal(value["decimal"]) if value.keys() == {"decimal"} else value
