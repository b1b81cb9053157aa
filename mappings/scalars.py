"""One text of the org into one canonical value, exactly, or a BadValue that says why not.

These are the rules; `columns` does the same for whole columns at once and comes here for what it cannot.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

MICRO = 1_000_000
INT64_MAX = 2**63 - 1
_MOST_DIGITS = 60  # before or after the point, of a number kept as text
TEXT_CAP = 4_000  # characters of a text column that are kept

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?(?:\d\d)?)", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

REASONS = {
    "missing": "is empty, and a value is required",
    "not_an_id": "is not a record id",
    "not_a_number": "is not a number",
    "too_many_decimals": f"has more than {_MOST_DIGITS} decimals, which would be lost",
    "too_large": "is too large a number",
    "not_above_zero": "is not above zero",
    "not_a_date": "is not a date",
    "not_a_moment": "is not a date-time",
    "not_a_bool": "is neither true nor false",
    "no_rule": "has a value for which `values` has no rule",
    "other_currency": "is another currency than its order's, in which it would be counted",
    "not_computable": "cannot be computed by `expr`: a text where a number is needed, or a division by zero",
}


class BadValue(ValueError):
    """A value that cannot be read; `code` is a key of REASONS. The value itself is never in it."""

    def __init__(self, code: str) -> None:
        super().__init__(REASONS[code])
        self.code = code


def record_id(text: str) -> str:
    """18 characters; those of 15 get their suffix. Raises BadValue."""
    if not (text.isascii() and text.isalnum() and len(text) in (15, 18)):
        raise BadValue("not_an_id")
    return text if len(text) == 18 else text + id_suffix(text)


def id_suffix(id15: str) -> str:
    """The three characters that make a case-sensitive 15-character id safe where case is lost."""
    suffix = ""
    for start in (0, 5, 10):
        bits = sum(1 << i for i, char in enumerate(id15[start : start + 5]) if "A" <= char <= "Z")
        suffix += _SUFFIX[bits]
    return suffix


def decimal(text: str) -> Decimal:
    """Plain or Java scientific notation (`9.9213206E7`). Raises BadValue; NaN and infinities are no numbers."""
    if not _NUMBER.fullmatch(text):
        raise BadValue("not_a_number")
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise BadValue("not_a_number") from error


def millionths(value: Decimal) -> int:
    """The value in millionths; finer ones are rounded, half away from zero. Raises BadValue.

    An org keeps what its API wrote with all its digits, whatever decimals its field shows, and a formula's result may end in
    the tail of a double: decision 0104.
    """
    if not value.is_finite():
        raise BadValue("not_a_number")
    if value.adjusted() > 13:  # 10**14 * 10**6 is past 64 bits
        raise BadValue("too_large")
    if value.is_zero() or value.adjusted() < -7:  # under half a millionth
        return 0
    numerator, denominator = value.as_integer_ratio()
    size = (2 * abs(numerator) * MICRO + denominator) // (2 * denominator)
    if size > INT64_MAX:
        raise BadValue("too_large")
    return -size if value.is_signed() else size


def plain_number(value: Decimal) -> str:
    """Exact text without exponent and trailing zeros. Raises BadValue for what would be pages of digits."""
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise BadValue("not_a_number")
    if value.adjusted() > _MOST_DIGITS:
        raise BadValue("too_large")
    if exponent < -_MOST_DIGITS:
        raise BadValue("too_many_decimals")
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered in ("true", "1"):
        return True
    if lowered in ("false", "0"):
        return False
    raise BadValue("not_a_bool")


def day(text: str) -> int:
    """The ordinal of an ISO day (of a date-time: of its UTC day). Raises BadValue."""
    match = _DAY.fullmatch(text)
    if match is None:
        raise BadValue("not_a_date")
    try:
        return date(int(match[1]), int(match[2]), int(match[3])).toordinal()
    except ValueError as error:
        raise BadValue("not_a_date") from error


def moment(text: str) -> int:
    """Microseconds since 1970 UTC of `2026-09-24T03:26:07.000+0000` (REST) or `…Z` (Bulk). Raises BadValue."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise BadValue("not_a_moment")
    ymd, hour, minute, second, fraction, zone = match.groups()
    try:
        local = datetime.combine(date.fromisoformat(ymd), datetime.min.time(), tzinfo=UTC)
        clock = (int(hour), int(minute), int(second or 0))
        if clock[0] > 23 or clock[1] > 59 or clock[2] > 59:
            raise BadValue("not_a_moment")
        local += timedelta(hours=clock[0], minutes=clock[1], seconds=clock[2])
        local += timedelta(microseconds=int((fraction or "0").ljust(6, "0")[:6]))
        utc = local - _offset(zone)
    except (ValueError, OverflowError) as error:
        raise BadValue("not_a_moment") from error
    return (utc - _EPOCH) // timedelta(microseconds=1)


def _offset(zone: str) -> timedelta:
    if zone == "Z":
        return timedelta(0)
    digits = zone[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -offset if zone[0] == "-" else offset


def day_in_zone(text: str, zone: ZoneInfo) -> int:
    """The ordinal of the day that it was in the zone; a plain day is taken as it is. Raises BadValue."""
    if _DAY.fullmatch(text):
        return day(text)
    micros = moment(text)
    try:
        return (_EPOCH + timedelta(microseconds=micros)).astimezone(zone).toordinal()
    except OverflowError as error:
        raise BadValue("not_a_date") from error


def iso_moment(micros: int) -> str:
    """`2026-09-24T03:26:07Z`, with the fraction when there is one."""
    return (_EPOCH + timedelta(microseconds=micros)).isoformat().replace("+00:00", "Z")


def clean_text(text: str) -> str:
    """Without NUL, lone surrogates replaced, cut to TEXT_CAP: text that every database and every wire takes."""
    text = text.replace("\0", "")
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text[:TEXT_CAP]


def shown(kind: str, value: object) -> str:
    """A canonical value as people write it: millionths as an amount, ordinals as days."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        if kind in ("amount", "quantity"):
            return plain_number(Decimal(value).scaleb(-6))
        if kind == "day":
            return date.fromordinal(value).isoformat()
        if kind in ("moment", "stamp"):
            return iso_moment(value)
    return str(value)
