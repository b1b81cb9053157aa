"""The SQL functions that formula expressions call; every connection has to know them.

They decode what a column holds, call the functions that validation rules use, and encode the result again.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from emulator.formula_functions import Value, arithmetic, call, plain_text, rounded
from emulator.wire import number_of, stored_number

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LIMIT = 2**63


def _decoded(letter: str, raw: str | int | None) -> Value:
    if raw is None:
        return None
    if letter == "n":
        return Decimal(raw)
    if letter == "b":
        return bool(raw)
    if letter == "d":
        return date.fromisoformat(str(raw))
    if letter == "m":
        return EPOCH + timedelta(milliseconds=int(raw))
    return str(raw)


def _encoded(value: Value) -> str | int | None:
    if value is None or isinstance(value, bool):
        return None if value is None else int(value)
    if isinstance(value, Decimal):
        return plain_text(value)
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(milliseconds=1)
    return value.isoformat() if isinstance(value, date) else value


def _fx_call(name: str, letters: str, *raw: str | int | None) -> str | int | None:
    try:
        return _encoded(call(name, [_decoded(kind, value) for kind, value in zip(letters, raw, strict=True)]))
    except ArithmeticError:
        return None  # `#Error!` in the page, null over the API


def _fx_sum(op: str, letters: str, left: str | int | None, right: str | int | None) -> str | int | None:
    try:
        return _encoded(arithmetic(op, _decoded(letters[0], left), _decoded(letters[1], right)))
    except ArithmeticError:
        return None


def _fx_text(scaled: int | float | None, scale: int) -> str | None:
    return None if scaled is None else plain_text(number_of(scaled, scale))


def _fx_scaled(text: str | None, scale: int) -> int | None:
    if text is None:
        return None
    number = int(rounded(Decimal(text), scale).scaleb(scale))
    return number if -LIMIT <= number < LIMIT else None


def _fx_stored(text: str | None, scale: int) -> int | float | None:
    if text is None:
        return None
    number = stored_number(Decimal(text), scale)
    return number if -LIMIT <= number < LIMIT else None


def _fx_compare(left: str | None, right: str | None) -> int | None:
    if left is None or right is None:
        return None
    return int(Decimal(left).compare(Decimal(right)))


def register(connection: sqlite3.Connection) -> None:
    """Teach a connection the functions that formula SQL calls."""
    connection.create_function("fx_call", -1, _fx_call, deterministic=True)
    connection.create_function("fx_sum", 4, _fx_sum, deterministic=True)
    connection.create_function("fx_text", 2, _fx_text, deterministic=True)
    connection.create_function("fx_scaled", 2, _fx_scaled, deterministic=True)
    connection.create_function("fx_stored", 2, _fx_stored, deterministic=True)
    connection.create_function("fx_compare", 2, _fx_compare, deterministic=True)
