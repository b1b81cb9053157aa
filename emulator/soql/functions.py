"""SOQL functions as SQL: aggregates, parts of dates, labels.

Sums, minima and maxima are exact where numbers are scaled integers in the table, else those of doubles. An average is worked out from
the exact sum and count with 17 significant digits.
Source: SOQL and SOSL Reference, "Aggregate Functions", "Date Functions".
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from functools import cache
from zoneinfo import ZoneInfo

from emulator.errors import ApiError
from emulator.schema import NUMBER_TYPES
from emulator.soql.columns import Column, Tables, result_field
from emulator.soql.refusals import malformed
from emulator.soql.tree import Call, Expression, Path
from emulator.wire import number_of, plain_number

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DOUBLE = Context(prec=17)

AGGREGATES = {"COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX"}
DATE_PARTS = {
    "CALENDAR_MONTH", "CALENDAR_QUARTER", "CALENDAR_YEAR", "DAY_IN_MONTH", "DAY_IN_WEEK", "DAY_IN_YEAR",
    "FISCAL_MONTH", "FISCAL_QUARTER", "FISCAL_YEAR", "HOUR_IN_DAY", "WEEK_IN_MONTH", "WEEK_IN_YEAR",
}  # fmt: skip
OUTPUT = {"TOLABEL", "CONVERTCURRENCY", "FORMAT"}
AVERAGE = "average"


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _local(value: int | str, zone: str) -> datetime:
    if isinstance(value, int):
        return (EPOCH + timedelta(milliseconds=value)).astimezone(_zone(zone))
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


def date_part(part: str, value: int | str | None, zone: str, fiscal_start: int) -> int | None:
    """One part of a date (`yyyy-mm-dd`) or datetime (milliseconds), as seen in a time zone."""
    if value is None:
        return None
    moment = _local(value, zone)
    fiscal_month = (moment.month - fiscal_start) % 12 + 1
    match part:
        case "CALENDAR_MONTH":
            return moment.month
        case "CALENDAR_QUARTER":
            return (moment.month + 2) // 3
        case "CALENDAR_YEAR":
            return moment.year
        case "DAY_IN_MONTH":
            return moment.day
        case "DAY_IN_WEEK":  # 1 is Sunday
            return moment.isoweekday() % 7 + 1
        case "DAY_IN_YEAR":
            return moment.timetuple().tm_yday
        case "FISCAL_MONTH":
            return fiscal_month
        case "FISCAL_QUARTER":
            return (fiscal_month + 2) // 3
        case "FISCAL_YEAR":  # named after the year it ends in
            return moment.year + (1 if fiscal_start > 1 and moment.month >= fiscal_start else 0)
        case "HOUR_IN_DAY":
            return moment.hour
        case "WEEK_IN_MONTH":  # the first week goes from the first through the seventh
            return (moment.day + 6) // 7
        case _:  # WEEK_IN_YEAR: the first week goes from January 1 through January 7
            return (moment.timetuple().tm_yday + 6) // 7


def day_only(value: int | str | None, zone: str) -> str | None:
    return None if value is None else _local(value, zone).date().isoformat()


def average(total: int | float | None, count: int, scale: int) -> str | None:
    """total / count / 10**scale as Salesforce would write the double."""
    if total is None or not count:
        return None
    quotient = DOUBLE.divide(number_of(total, scale), Decimal(count))
    return plain_number(quotient.normalize(DOUBLE))


def contains(pattern: str, value: str | None) -> int | None:
    """LIKE for patterns beyond ASCII, where SQLite's own minds the case."""
    if value is None:
        return None
    return int(_like(pattern)(value))


@cache
def _like(pattern: str) -> Callable[[str], bool]:
    out: list[str] = []
    chars = iter(pattern.casefold())
    for char in chars:
        if char == "\\":
            out.append(re.escape(next(chars, "\\")))
        else:
            out.append({"%": ".*", "_": "."}.get(char, re.escape(char)))
    compiled = re.compile("".join(out), re.DOTALL)
    return lambda value: compiled.fullmatch(value.casefold()) is not None


def folded(value: str | None) -> str | None:
    return None if value is None else value.casefold()


def register(connection: sqlite3.Connection) -> None:
    """Teach a connection the functions that compiled statements call."""
    connection.create_function("soql_part", 4, date_part, deterministic=True)
    connection.create_function("soql_day", 2, day_only, deterministic=True)
    connection.create_function("soql_average", 3, average, deterministic=True)
    connection.create_function("soql_like", 2, contains, deterministic=True)
    connection.create_function("soql_fold", 1, folded, deterministic=True)


def is_aggregate(expression: Expression) -> bool:
    return isinstance(expression, Call) and expression.name.upper() in AGGREGATES


def column_of(tables: Tables, expression: Expression) -> Column:
    """The column an expression means. Raises MALFORMED_QUERY or INVALID_FIELD."""
    if isinstance(expression, Path):
        return tables.column(expression)
    name = expression.name.upper()
    if name in AGGREGATES:
        return _aggregate(tables, expression, name)
    if name in DATE_PARTS or name == "DAY_ONLY":
        return _date_function(tables, expression, name)
    if name in OUTPUT:
        return _output(tables, expression, name)
    raise malformed(tables.statement, expression.at, f"unexpected token: '{expression.name}'")


def _single(tables: Tables, call: Call) -> Expression:
    if len(call.args) != 1:
        raise malformed(tables.statement, call.at, f"{call.name} takes one field")
    return call.args[0]


def _aggregate(tables: Tables, call: Call, name: str) -> Column:
    inner = _single(tables, call)
    if is_aggregate(inner):
        raise malformed(tables.statement, inner.at, f"unexpected token: '{inner.name}'")  # type: ignore[union-attr]
    column = column_of(tables, inner)
    tables.refuse_compound(column, inner.at, "aggregated")
    own = column.field
    numeric = own.type in NUMBER_TYPES
    if name in ("COUNT", "COUNT_DISTINCT"):
        if own.type == "textarea" and not own.filterable:
            raise _no_aggregate(tables, call, column)
        collation = " COLLATE NOCASE" if _folds(column) else ""
        sql = f"COUNT({'DISTINCT ' if name == 'COUNT_DISTINCT' else ''}{column.sql}{collation})"
        return Column(sql, result_field("int"), "", aggregate=True)
    if name in ("SUM", "AVG") and not numeric:
        raise _no_aggregate(tables, call, column)
    if name in ("MIN", "MAX") and (own.type in ("boolean", "multipicklist") or not own.aggregatable):
        raise _no_aggregate(tables, call, column)
    if name == "AVG":
        return Column(
            f"soql_average(SUM({column.sql}), COUNT({column.sql}), {own.scale})",
            result_field("double"),
            "",
            aggregate=True,
            average_of=column,
        )
    return Column(f"{name}({column.sql})", own, "", aggregate=True)


def _folds(column: Column) -> bool:
    return (
        column.type in ("string", "picklist", "email", "phone", "url", "textarea")
        and not column.field.case_sensitive
    )


def _no_aggregate(tables: Tables, call: Call, column: Column) -> ApiError:
    message = f"field {column.name} does not support aggregate operator {call.name.upper()}"
    return malformed(tables.statement, call.at, message)


def _date_function(tables: Tables, call: Call, name: str) -> Column:
    inner = _single(tables, call)
    zone = "UTC"
    if isinstance(inner, Call) and inner.name.upper() == "CONVERTTIMEZONE":
        zone = str(tables.environment.calendar.time_zone)
        inner = _single(tables, inner)
    column = column_of(tables, inner)
    allowed = ("datetime",) if name in ("HOUR_IN_DAY", "DAY_ONLY") else ("date", "datetime")
    if column.type not in allowed or column.aggregate:
        raise malformed(
            tables.statement, call.at, f"field {column.name} does not support function {call.name.upper()}"
        )
    if name == "DAY_ONLY":
        return Column(f"soql_day({column.sql}, '{zone}')", result_field("date"), "")
    fiscal = tables.environment.calendar.fiscal_start_month
    return Column(f"soql_part('{name}', {column.sql}, '{zone}', {fiscal})", result_field("int"), "")


def _output(tables: Tables, call: Call, name: str) -> Column:
    inner = _single(tables, call)
    if name == "FORMAT":
        raise malformed(
            tables.statement, call.at, "FORMAT is not supported by this org: it formats by locale"
        )
    column = column_of(tables, inner)
    if name == "CONVERTCURRENCY":
        if tables.environment.schema.sobject("CurrencyType"):  # rather refused than not converted
            raise malformed(tables.statement, call.at, "convertCurrency is not supported by this org")
        # in a single-currency org the amount is in the user's currency already
        if column.type != "currency":
            raise malformed(
                tables.statement, call.at, f"field {column.name} does not support convertCurrency"
            )
        return column
    if not column.field.picklist_values:
        return column
    cases = " ".join(
        f"WHEN {_text(each.value)} THEN {_text(each.label)}" for each in column.field.picklist_values
    )
    return Column(f"CASE {column.sql} {cases} ELSE {column.sql} END", column.field, column.name)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
