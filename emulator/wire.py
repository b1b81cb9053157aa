"""One field's value: JSON or CSV in, SQLite in the middle, JSON or CSV out.

Numbers are scaled integers inside and text outside. What an API wrote with more decimals than its field has is kept as
Salesforce keeps it, with all its digits as a double: a fraction of the field's last decimal.
Sources: Salesforce help 000387302, "Number field stores more decimal places than defined"; REST API Developer Guide, "Primitive data types"; Bulk API 2.0 guide, "Valid Date Format in Records";
`Double.toString` of the Java platform for how amounts of 1e7 and more are written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from emulator.errors import ApiError, RecordError
from emulator.ids import to_18
from emulator.jsontext import Number
from emulator.schema import ID_TYPES, NUMBER_TYPES, Field

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
NOWHERE = "[line:1, column:1]"
"""Stands for the position of a wrong value until somebody who has the request body fills it in."""
_WIDE = Context(prec=60)
_DATETIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:?\d{2})\Z",
    re.ASCII,
)
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:T00:00:00(?:\.0+)?(?:Z|[+-]00:?00))?\Z", re.ASCII)
_TIME = re.compile(r"(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,3}))?Z?\Z", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\s*\Z", re.ASCII)


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970 UTC of an aware datetime."""
    return (moment - EPOCH) // MILLISECOND


def moment(ms: int) -> datetime:
    return EPOCH + ms * MILLISECOND


# -- in ----------------------------------------------------------------------------------------------------


def encode(field: Field, value: Any, *, bulk: bool = False) -> Any:
    """The database value of a JSON (or, with `bulk`, CSV text) value.

    Raises `ApiError` `JSON_PARSER_ERROR` for a JSON value of the wrong type, because Salesforce refuses the
    whole request then; `RecordError` for a value that only spoils its record.
    """
    if value is None or value == "":
        return None
    if isinstance(value, dict | list):
        raise _wrong_type(field, value, bulk)
    encoder: Callable[[Field, Any, bool], Any] = _ENCODERS.get(field.type, _text)
    return encoder(field, value, bulk)


_TOKENS: dict[type, str] = {
    dict: "START_OBJECT",
    list: "START_ARRAY",
    str: "VALUE_STRING",
    int: "VALUE_NUMBER_INT",
}


def _wrong_type(field: Field, value: Any, bulk: bool) -> ApiError | RecordError:
    shown = jsonish(value)
    if bulk:
        return RecordError(
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            f"{field.label}: value not of required type: {shown}",
            (field.name,),
        )
    token = _TOKENS.get(type(value), "VALUE_NUMBER_FLOAT")
    if isinstance(value, bool):
        token = f"VALUE_{shown.upper()}"
    tail = "" if isinstance(value, dict | list) else f" value {shown}"
    return ApiError(
        400,
        "JSON_PARSER_ERROR",
        f"Cannot deserialize instance of {field.type} from {token}{tail}"
        f" or request may be missing a required field at {NOWHERE}",
    )


def jsonish(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text(field: Field, value: Any, bulk: bool) -> str | None:
    if not isinstance(value, str):
        raise _wrong_type(field, value, bulk)
    text = value.strip()
    if field.type == "multipicklist":
        text = ";".join(part.strip() for part in text.split(";") if part.strip())
    if not text:
        return None
    if field.length and len(text) > field.length and field.type != "reference":
        shown = text if len(text) <= 1000 else text[:1000]
        raise RecordError(
            "STRING_TOO_LONG",
            f"{field.label}: data value too large: {shown} (max length={field.length})",
            (field.name,),
        )
    return text


def _boolean(field: Field, value: Any, bulk: bool) -> int:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value.strip().lower() in ("true", "false", *(("1", "0") if bulk else ())):
        return int(value.strip().lower() in ("true", "1"))
    raise _wrong_type(field, value, bulk)


def decimal_of(value: Any) -> Decimal | None:
    """An exact number from an int, a Decimal or text; None when it is none (or is NaN, or infinite)."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | Decimal):
        number = Decimal(value)
        return number if number.is_finite() else None
    if isinstance(value, str) and _NUMBER.match(value):
        try:
            return Decimal(value.strip())
        except InvalidOperation:
            return None
    return None


def _number(field: Field, value: Any, bulk: bool) -> int | float:
    number = decimal_of(value)
    if number is None:
        raise _wrong_type(field, value, bulk)
    return scaled(field, number)


def scaled(field: Field, number: Decimal) -> int | float:
    """The number counted in 10**-scale, or `NUMBER_OUTSIDE_VALID_RANGE`."""
    whole_digits = (field.precision or 18) - field.scale
    if number and number.adjusted() >= whole_digits:
        raise RecordError(
            "NUMBER_OUTSIDE_VALID_RANGE",
            f"{field.label}: value outside of valid range on numeric field: {plain_number(number)}",
            (field.name,),
        )
    return stored_number(number, field.scale)


def stored_number(number: Decimal, scale: int) -> int | float:
    """How a column of that scale keeps it: an integer, or a double where it has more decimals."""
    exact = number.scaleb(scale, _WIDE)
    if exact == exact.to_integral_value():
        return int(exact)
    double = float(exact)
    return int(double) if double.is_integer() else double


def number_of(stored: int | float, scale: int) -> Decimal:
    """What a column of that scale means, to the digits that a double has."""
    return (Decimal(repr(stored)) if isinstance(stored, float) else Decimal(stored)).scaleb(-scale, _WIDE)


def plain_number(number: Decimal) -> str:
    scale = max(0, -int(number.as_tuple().exponent))
    return double_text(int(number.scaleb(scale, _WIDE)), scale)


def _integer(field: Field, value: Any, bulk: bool) -> int:
    number = decimal_of(value)
    if number is None or number != number.to_integral_value():
        raise _wrong_type(field, value, bulk)
    if abs(number) >= 2**31 or (field.digits and number.adjusted() >= field.digits):
        raise RecordError(
            "NUMBER_OUTSIDE_VALID_RANGE",
            f"{field.label}: value outside of valid range on numeric field: {int(number)}",
            (field.name,),
        )
    return int(number)


def _date(field: Field, value: Any, bulk: bool) -> str:
    found = _DATE.match(value.strip()) if isinstance(value, str) else None
    if found:
        try:
            return date.fromisoformat(found[1]).isoformat()
        except ValueError:
            pass
    raise _wrong_type(field, value, bulk)


def parse_datetime(text: str) -> int | None:
    """Milliseconds of `2026-01-31T00:00:00[.000](Z|+01:00|+0100)`, or None."""
    found = _DATETIME.match(text)
    if not found:
        return None
    day, hour, minute, second, fraction, zone = found.groups()
    try:
        base = datetime.fromisoformat(f"{day}T{hour}:{minute}:{second}+00:00")
    except ValueError:
        return None
    ms = milliseconds(base) + int((fraction or "0").ljust(3, "0")[:3])
    if zone != "Z":
        minutes = int(zone[1:3]) * 60 + int(zone[-2:])
        ms -= (minutes if zone[0] == "+" else -minutes) * 60_000
    return ms


def _datetime(field: Field, value: Any, bulk: bool) -> int:
    text = value.strip() if isinstance(value, str) else ""
    ms = parse_datetime(text)
    if ms is None and bulk and _DATE.match(text):
        ms = parse_datetime(f"{text[:10]}T00:00:00Z")
    if ms is None:
        raise _wrong_type(field, value, bulk)
    return ms


def _time(field: Field, value: Any, bulk: bool) -> str:
    found = _TIME.match(value) if isinstance(value, str) else None
    if not found or int(found[1]) > 23 or int(found[2]) > 59 or int(found[3]) > 59:
        raise _wrong_type(field, value, bulk)
    return f"{found[1]}:{found[2]}:{found[3]}.{(found[4] or '0').ljust(3, '0')}Z"


def _id(field: Field, value: Any, bulk: bool) -> str:
    if not isinstance(value, str):
        raise _wrong_type(field, value, bulk)
    found = to_18(value.strip())
    if found is None:
        raise RecordError(
            "MALFORMED_ID", f"{field.label}: id value of incorrect type: {value}", (field.name,)
        )
    return found


_ENCODERS: dict[str, Callable[[Field, Any, bool], Any]] = {
    "boolean": _boolean,
    "int": _integer,
    "double": _number,
    "currency": _number,
    "percent": _number,
    "date": _date,
    "datetime": _datetime,
    "time": _time,
    "id": _id,
    "reference": _id,
}


# -- out ---------------------------------------------------------------------------------------------------


def double_text(unscaled: int | float, scale: int) -> str:
    """`unscaled / 10**scale` the way Java writes a double: `100.0`, `0.25`, `9.9213206E7`, `5.0E-4`."""
    if isinstance(unscaled, float):
        return plain_number(number_of(unscaled, scale))
    if unscaled == 0:
        return "0.0"
    sign, digits = ("-", str(-unscaled)) if unscaled < 0 else ("", str(unscaled))
    exponent = len(digits) - 1 - scale
    if -3 <= exponent < 7:
        if scale == 0:
            return f"{sign}{digits}.0"
        digits = digits.rjust(scale + 1, "0")
        fraction = digits[len(digits) - scale :].rstrip("0")
        return f"{sign}{digits[: len(digits) - scale]}.{fraction or '0'}"
    return f"{sign}{digits[0]}.{digits[1:].rstrip('0') or '0'}E{exponent}"


def datetime_text(ms: int, suffix: str = "+0000") -> str:
    return (EPOCH + ms * MILLISECOND).isoformat(timespec="milliseconds")[:23] + suffix


def rest_value(field: Field, value: Any) -> Any:
    """A database value as REST JSON: numbers as `Number` text, datetimes with `+0000`."""
    if value is None:
        return None
    kind = field.type
    if kind == "boolean":
        return bool(value)
    if kind == "int":
        return int(value)
    if kind in NUMBER_TYPES:
        return Number(double_text(value, field.scale))
    if kind == "datetime":
        return datetime_text(value)
    return value


def bulk_value(field: Field, value: Any) -> str:
    """A database value as a Bulk API cell: null is empty, datetimes end in `Z`."""
    if value is None:
        return ""
    kind = field.type
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "int":
        return str(value)
    if kind in NUMBER_TYPES:
        return double_text(value, field.scale)
    if kind == "datetime":
        return datetime_text(value, "Z")
    return str(value)


def is_id(field: Field) -> bool:
    return field.type in ID_TYPES
