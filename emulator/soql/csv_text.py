"""A row as one line of Bulk API CSV, written by SQLite itself.

Every value is quoted and null is empty; what a cell looks like is `wire.bulk_value`'s business, and a test holds the
two together. Writing the line in SQL is what makes a job stream several hundred thousand rows a second.
Source: Bulk API 2.0 guide, "Get Results for a Query Job".
"""

from __future__ import annotations

import sqlite3

from emulator.schema import NUMBER_TYPES
from emulator.soql.columns import Column
from emulator.wire import double_text

CELLS_AT_ONCE = 100  # SQLite takes 127 arguments
EXACT_DIGITS = 11  # SQLite writes a quotient of so many digits as the decimal that it is; it promises 15
PLAIN_DIGITS = 7  # Double.toString writes 1.0E7 and more with an exponent, as it does less than 0.001


def cell(column: Column) -> str:
    """SQL of one value's text, unquoted; never NULL."""
    sql, kind = column.sql, column.type
    if kind == "boolean":
        return f"CASE {sql} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE '' END"
    if kind == "int":
        return f"COALESCE({sql}, '')"
    if kind == "datetime":
        return f"COALESCE(strftime('%Y-%m-%dT%H:%M:%fZ', {sql} / 1000.0, 'unixepoch'), '')"
    if kind in NUMBER_TYPES:
        return _number(sql, column.field.scale, once=column.field.calculated)
    if kind in ("id", "reference", "date", "time"):
        return f"COALESCE({sql}, '')"
    return f"""replace(COALESCE({sql}, ''), '"', '""')"""


def _number(sql: str, scale: int, *, once: bool) -> str:
    if once or scale + PLAIN_DIGITS > EXACT_DIGITS:  # a formula: worked out one time only
        return f"COALESCE(soql_double({sql}, {scale}), '')"
    small = f" AND (abs({sql}) >= {10 ** (scale - 3)} OR {sql} = 0)" if scale > 3 else ""
    return (
        f"CASE WHEN {sql} IS NULL THEN '' WHEN typeof({sql}) = 'integer' AND abs({sql}) < {10 ** (PLAIN_DIGITS + scale)}{small}"
        f" THEN {sql} / {10**scale}.0 ELSE soql_double({sql}, {scale}) END"
    )


def line(columns: list[Column], delimiter: str, ending: str) -> str:
    """SQL of the whole line, its ending included."""
    parts = [columns[at : at + CELLS_AT_ONCE] for at in range(0, len(columns), CELLS_AT_ONCE)]
    shapes = [delimiter.join(['"%s"'] * len(part)) for part in parts]
    ends = [*[delimiter] * (len(parts) - 1), ending]
    return " || ".join(
        f"printf({_text(shape + end)}, {', '.join(map(cell, part))})"
        for part, shape, end in zip(parts, shapes, ends, strict=True)
    )


def _text(value: str) -> str:
    """An SQL literal; line ends by their code, so that the statement stays on one line."""
    quoted = "'" + value.replace("'", "''") + "'"
    for char in "\r\n":
        quoted = quoted.replace(char, f"' || char({ord(char)}) || '")
    return quoted


def _double(unscaled: int | float | None, scale: int) -> str | None:
    return None if unscaled is None else double_text(unscaled, scale)


def register(connection: sqlite3.Connection) -> None:
    """Teach a connection what the lines call."""
    connection.create_function("soql_double", 2, _double, deterministic=True)
