"""Payloads as text: canonical JSON, amounts as the Decimals they are, and the hash by which equal ones are known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson


def payload_hash(payload: Mapping[str, Any]) -> str:
    """Of the canonical JSON, so that equal fields in another order or spelling of a number are equal."""
    return digest(dump(payload))


def dump(payload: Mapping[str, Any]) -> str:
    """Canonical JSON. A float is refused: it would be an amount that nobody can trust."""
    if float in map(type, payload.values()):
        name = next(name for name, value in payload.items() if type(value) is float)
        raise TypeError(f"{name} is a float: amounts are Decimal")
    return orjson.dumps(payload, default=_exact, option=_CANONICAL).decode()


# What the library would write its own way is ours to refuse.
_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


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


def _decimal(value: dict[str, Any]) -> Any:
    return Decimal(value["decimal"]) if value.keys() == {"decimal"} else value
