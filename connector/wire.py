"""JSON at the wire, exact in both directions: no number passes through a float."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, NoReturn

from connector.limits import JSON_NUMBER_DIGITS

Numbers = Literal["decimal", "text"]

_SCALAR = json.JSONEncoder(ensure_ascii=False)  # `json.dumps` would make one for every value


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def decode(body: bytes, numbers: Numbers = "decimal") -> Any:
    """A reply's body. `text` keeps every number as the characters that came (`"9.9213206E7"`).

    Raises ValueError for anything that is not JSON in UTF-8: NaN and Infinity, HTML, half a document.
    """
    text = body.decode("utf-8-sig")
    if numbers == "text":
        return json.loads(text, parse_float=str, parse_int=str, parse_constant=_no_constant)
    return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)


def is_exact(value: Decimal) -> bool:
    """Whether the API, which reads JSON numbers as doubles, keeps every digit of this one."""
    return value.is_finite() and len(value.normalize().as_tuple().digits) <= JSON_NUMBER_DIGITS


def plain(value: Decimal) -> str:
    """A decimal in plain digits, without exponent: what CSV and JSON carry."""
    if not value.is_finite():
        raise ValueError("not a number")
    return format(value, "f")


def encode(value: object) -> bytes:
    """A request's body. Decimals become plain JSON numbers. Floats are refused: no amount may be one."""
    parts: list[str] = []
    _write(value, parts)
    return "".join(parts).encode("utf-8")


def _write(value: object, parts: list[str]) -> None:
    match value:
        case None | bool() | str() | int():
            parts.append(_SCALAR.encode(value))
        case Decimal():
            parts.append(plain(value))
        case float():
            kind = "a float" if math.isfinite(value) else "not a number"
            raise TypeError(f"{kind} must not be sent; use Decimal")
        case bytes() | bytearray():
            raise TypeError("bytes cannot be sent as JSON")
        case Mapping():
            parts.append("{")
            for index, (key, item) in enumerate(value.items()):
                parts.append(("," if index else "") + _SCALAR.encode(str(key)) + ":")
                _write(item, parts)
            parts.append("}")
        case Sequence():
            parts.append("[")
            for index, item in enumerate(value):
                if index:
                    parts.append(",")
                _write(item, parts)
            parts.append("]")
        case _:
            raise TypeError(f"{type(value).__name__} cannot be sent as JSON")
