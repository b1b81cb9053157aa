"""JSON as Salesforce reads and writes it: numbers keep their digits, floats never touch an amount.

Reading gives `int` and `Decimal`; writing takes `Number`, whose text goes out as it stands, and `Raw`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from emulator.errors import ApiError

Raw = orjson.Fragment  # JSON that is written already: goes out as it stands
DIGITS_MAX = 18  # of an integer that every reader and writer takes; longer ones keep their digits as decimals


class Number(str):
    """A JSON number by its text (`9.9213206E7`)."""

    __slots__ = ()


def _unknown_constant(text: str) -> Any:
    raise ValueError(f"Unexpected token {text}")


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= DIGITS_MAX else Decimal(text)


def loads(body: bytes | str) -> Any:
    """Parse, with `Decimal` for every number that has a point or an exponent."""
    try:
        text = body.decode("utf-8-sig") if isinstance(body, bytes) else body
        return json.loads(text, parse_float=Decimal, parse_int=_integer, parse_constant=_unknown_constant)
    except json.JSONDecodeError as problem:
        raise ApiError(
            400, "JSON_PARSER_ERROR", f"{problem.msg} at [line:{problem.lineno}, column:{problem.colno}]"
        ) from problem
    except (ValueError, UnicodeDecodeError, RecursionError) as problem:
        raise ApiError(400, "JSON_PARSER_ERROR", f"{problem} at [line:1, column:1]") from problem


def position(body: bytes, name: str, value: Any) -> str:
    """Where a field has that value in a request: `[line:3, column:17]`, the first place if there are several."""
    text = body.decode("utf-8", "replace")
    shown = dumps(value).decode() if not isinstance(value, dict | list) else ""
    found = re.search(rf'"{re.escape(name)}"\s*:\s*{re.escape(shown)}', text, re.IGNORECASE)
    end = found.end() - len(shown) if found else 0
    line = text.count("\n", 0, end) + 1
    return f"[line:{line}, column:{end - (text.rfind(chr(10), 0, end) + 1) + 1}]"


def dumps(data: Any) -> bytes:
    """Compact JSON in UTF-8."""
    return orjson.dumps(data, default=_plain, option=orjson.OPT_PASSTHROUGH_SUBCLASS)


def _plain(value: Any) -> Any:
    """What the library does not know: numbers by their text, and what behaves like a type that it knows."""
    if isinstance(value, Number):
        return Raw(str.__str__(value))
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Decimal):
        return Raw(format(value, "f"))
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | tuple):
        return list(value)
    raise TypeError(f"cannot write {type(value).__name__} as JSON")
