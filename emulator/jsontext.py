"""JSON as Salesforce reads and writes it: numbers keep their digits, floats never touch an amount.

Reading gives `int` and `Decimal`; writing takes `Number`, whose text goes out as it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

from emulator.errors import ApiError


class Number(str):
    """A JSON number by its text (`9.9213206E7`)."""

    __slots__ = ()


def _unknown_constant(text: str) -> Any:
    raise ValueError(f"Unexpected token {text}")


def loads(body: bytes | str) -> Any:
    """Parse, with `Decimal` for every number that has a point or an exponent."""
    try:
        text = body.decode("utf-8-sig") if isinstance(body, bytes) else body
        return json.loads(text, parse_float=Decimal, parse_constant=_unknown_constant)
    except json.JSONDecodeError as problem:
        raise ApiError(
            400, "JSON_PARSER_ERROR", f"{problem.msg} at [line:{problem.lineno}, column:{problem.colno}]"
        ) from problem
    except (ValueError, UnicodeDecodeError, RecursionError) as problem:
        raise ApiError(400, "JSON_PARSER_ERROR", f"{problem} at [line:1, column:1]") from problem


def position(body: bytes, name: str, value: Any) -> str:
    """Where a field has that value in a request: `[line:3, column:17]`, the first place if there are several."""
    text = body.decode("utf-8", "replace")
    shown = dumps(value) if not isinstance(value, dict | list) else ""
    found = re.search(rf'"{re.escape(name)}"\s*:\s*{re.escape(shown)}', text, re.IGNORECASE)
    end = found.end() - len(shown) if found else 0
    line = text.count("\n", 0, end) + 1
    return f"[line:{line}, column:{end - (text.rfind(chr(10), 0, end) + 1) + 1}]"


def dumps(data: Any) -> str:
    """Compact JSON text; UTF-8 characters stay as they are."""
    parts: list[str] = []
    _write(data, parts.append)
    return "".join(parts)


def _write(data: Any, put: Any) -> None:
    if type(data) is str:  # most values are
        put(encode_basestring(data))
    elif data is None:
        put("null")
    elif data is True:
        put("true")
    elif data is False:
        put("false")
    elif isinstance(data, Number):
        put(data)
    elif isinstance(data, str):
        put(encode_basestring(data))
    elif isinstance(data, int):
        put(int.__repr__(data))
    elif isinstance(data, Mapping):
        put("{")
        first = True
        for key, value in data.items():
            put(encode_basestring(key) if first else "," + encode_basestring(key))
            put(":")
            _write(value, put)
            first = False
        put("}")
    elif isinstance(data, list | tuple):
        put("[")
        for index, value in enumerate(data):
            if index:
                put(",")
            _write(value, put)
        put("]")
    elif isinstance(data, Decimal):
        put(format(data, "f"))
    else:
        raise TypeError(f"cannot write {type(data).__name__} as JSON")
