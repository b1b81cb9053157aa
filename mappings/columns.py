"""Whole columns of text into canonical columns: by Arrow where it is exact, value by value where it is not.

A column that Arrow refuses is read value by value, so that exactly the bad rows are set aside.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from mappings import scalars
from mappings.canonical import ARROW, Kind
from mappings.model import Scalar, Source
from mappings.scalars import BadValue

_DAYS_BEFORE_1970 = date(1970, 1, 1).toordinal()
_KEPT = pa.decimal128(38, 6)
_FINE = pa.decimal128(38, 24)  # as many decimals as an org keeps, beside _WHOLE_DIGITS
_WHOLE_DIGITS = 14  # more than 64 bits of millionths can have


@dataclass
class Column:
    """A converted column; `bad` gives the reason code of each row that could not be read, `skip` the rows to drop."""

    array: pa.Array
    bad: dict[int, str] = field(default_factory=dict)
    skip: frozenset[int] = frozenset()


def text_array(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """One array of text: NUL removed, bytes that are no UTF-8 replaced, empty as null."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type):
        decoded = [None if v is None else v.decode("utf-8", "replace") for v in array.to_pylist()]
        array = pa.array(decoded, pa.string())
    if array.type != pa.string():
        array = pc.cast(array, pa.string())
    if b"\0" in _bytes(array):
        array = pc.replace_substring(array, "\0", "")
    lengths = pc.binary_length(array)
    if pc.min(lengths).as_py() == 0:
        array = pc.if_else(pc.equal(lengths, 0), pa.scalar(None, pa.string()), array)
    return array


def _bytes(array: pa.Array) -> bytes:
    """All its texts in one piece, and perhaps more than them: looked through at once, not row by row."""
    data = array.buffers()[2]
    return b"" if data is None else data.to_pybytes()


def convert(kind: Kind, source: Source, texts: pa.Array, zone: ZoneInfo) -> Column:
    """The canonical column of a kind from the texts of its source."""
    if source.plain:
        quick = _QUICK[kind](texts)
        if quick is not None:
            return Column(quick)
    return _by_value(texts, _pipeline(kind, source, zone), ARROW[kind])


def convert_attribute(source: Source, texts: pa.Array, zone: ZoneInfo, *, is_day: bool = False) -> Column:
    """An attribute as JSON text (`"West"`, `true`, `null`), never null itself. `is_day`: it has to begin with a day."""
    pipeline = _pipeline("text", source, zone)

    def as_json(text: str | None) -> str:
        fixed_flag = isinstance(source.const, bool) and source.as_ is None
        value = source.const if fixed_flag else pipeline(text)
        if is_day and value is not None:
            scalars.day(str(value)[:10])
        return json.dumps(value, ensure_ascii=False)

    return _by_value(texts, as_json, pa.string())


class Skip(Exception):
    """`other = "skip"`: the row counts as deleted."""


def _by_value(texts: pa.Array, convert_one: Callable[[str | None], Any], type_: pa.DataType) -> Column:
    """Each distinct text once; the codes of the bad ones are spread to their rows."""
    encoded = pc.dictionary_encode(texts, null_encoding="encode")
    results: list[Any] = []
    codes: dict[int, str] = {}
    skips: set[int] = set()
    for index, text in enumerate(encoded.dictionary.to_pylist()):
        try:
            results.append(convert_one(text))
        except BadValue as error:
            results.append(None)
            codes[index] = error.code
        except Skip:
            results.append(None)
            skips.add(index)
    array = pa.array(results, type_).take(encoded.indices)
    if not codes and not skips:
        return Column(array)
    rows = encoded.indices.to_pylist()
    bad = {row: codes[index] for row, index in enumerate(rows) if index in codes}
    return Column(array, bad, frozenset(row for row, index in enumerate(rows) if index in skips))


def _pipeline(kind: Kind, source: Source, zone: ZoneInfo) -> Callable[[str | None], Any]:
    """trim, case, values, default, then `as` and sign into the kind."""

    def run(text: str | None) -> Any:
        value: Scalar | None = text
        if isinstance(value, str) and source.trim:
            value = value.strip() or None
        if isinstance(value, str) and source.case is not None:
            value = value.lower() if source.case == "lower" else value.upper()
        if source.values is not None and isinstance(value, str):
            value = _translated(value, source)
        if value is None:
            value = source.default
        if value is None:
            return None
        return _typed(kind, value, source, zone)

    return run


def _translated(text: str, source: Source) -> Scalar:
    assert source.values is not None
    if text in source.values:
        return source.values[text]
    if source.other == "skip":
        raise Skip
    if source.other == "error":
        raise BadValue("no_rule")
    return source.other


def _typed(kind: Kind, value: Scalar, source: Source, zone: ZoneInfo) -> Any:
    if kind in ("amount", "quantity"):
        return scalars.millionths(_number(value, source))
    if kind == "rate":
        return scalars.plain_number(_above_zero(_number(value, source)))
    if kind == "bool":
        return value if isinstance(value, bool) else scalars.boolean(scalar_text(value))
    if kind == "id":
        return scalars.record_id(scalar_text(value))
    if kind == "day":
        return (
            scalars.day_in_zone(scalar_text(value), zone)
            if source.as_ == "date"
            else scalars.day(scalar_text(value))
        )
    if kind in ("moment", "stamp"):
        return scalars.moment(scalar_text(value))
    return _as_text(value, source, zone)


def _above_zero(rate: Decimal) -> Decimal:
    """What amounts are divided by."""
    if rate <= 0:
        raise BadValue("not_above_zero")
    return rate


def _as_text(value: Scalar, source: Source, zone: ZoneInfo) -> str | bool:
    """Text columns and attributes; attributes may also be booleans."""
    if source.as_ == "bool" and not isinstance(value, bool):
        return scalars.boolean(scalar_text(value))
    if source.as_ in ("decimal", "percent"):
        return scalars.plain_number(_number(value, source))
    if source.as_ == "date":
        return date.fromordinal(scalars.day_in_zone(scalar_text(value), zone)).isoformat()
    if source.as_ == "datetime":
        return scalars.iso_moment(scalars.moment(scalar_text(value)))
    if isinstance(value, bool):
        return value
    return scalars.clean_text(scalar_text(value))


def _number(value: Scalar, source: Source) -> Decimal:
    if isinstance(value, bool):
        raise BadValue("not_a_number")
    number = value if isinstance(value, Decimal) else scalars.decimal(value)
    if source.as_ == "percent":
        sign, digits, exponent = number.as_tuple()
        number = Decimal((sign, digits, int(exponent) - 2))  # exact, whatever the context's precision
    if source.sign == "reverse":
        return number.copy_negate()
    if source.sign == "positive":
        return number.copy_abs()
    if source.sign == "negative":
        return number.copy_abs().copy_negate()
    return number


def scalar_text(value: Scalar) -> str:
    if isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else scalars.plain_number(value)


# ── by Arrow: None when the column has a value that Arrow cannot read exactly ────────────────────────────


def _quick_id(texts: pa.Array) -> pa.Array | None:
    lengths = pc.min_max(pc.binary_length(texts)).as_py()
    if lengths["min"] is None:
        return texts  # nothing but nulls
    if lengths != {"min": 18, "max": 18}:
        return None
    sound = _bytes(texts).isalnum() or pc.all(pc.ascii_is_alnum(texts)).as_py()
    return texts if sound else None


def _quick_text(texts: pa.Array) -> pa.Array | None:
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    if longest <= scalars.TEXT_CAP:
        return texts
    return pc.utf8_slice_codeunits(texts, 0, scalars.TEXT_CAP)


def _quick_bool(texts: pa.Array) -> pa.Array | None:
    return _cast(texts, pa.bool_())


def _quick_millionths(texts: pa.Array) -> pa.Array | None:
    if not _is_within_digits(texts):
        return None
    kept = _cast(texts, _KEPT)
    if kept is None:
        kept = _rounded(texts)
    if kept is None:
        return None
    # The same 128 bits read as whole numbers are the millionths: exact, and the cast refuses what 64 bits cannot hold.
    buffers = kept.buffers()
    whole = pa.Array.from_buffers(pa.decimal128(38, 0), len(kept), buffers, offset=kept.offset)
    return _cast(whole, pa.int64())


def _is_within_digits(texts: pa.Array) -> bool:
    """Whether no number has more than _WHOLE_DIGITS: Arrow does not notice that larger ones run over its 128 bits.

    The float only says how large the largest is; no value is made of it.
    """
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    written = _bytes(texts)
    if longest <= _WHOLE_DIGITS and b"E" not in written and b"e" not in written:
        return True
    numbers = _cast(texts, pa.float64())
    if numbers is None:
        return False
    largest = pc.max(pc.abs(numbers)).as_py()
    return largest is None or largest < 10**_WHOLE_DIGITS


def _rounded(texts: pa.Array) -> pa.Array | None:
    """To the millionth, half away from zero, as `scalars.millionths` does."""
    fine = _cast(texts, _FINE)
    if fine is None:
        return None
    try:
        return pc.cast(pc.round(fine, 6, round_mode="half_towards_infinity"), _KEPT)
    except pa.ArrowInvalid:
        return None


def _quick_day(texts: pa.Array) -> pa.Array | None:
    days = _cast(texts, pa.date32())
    if days is None:
        return None
    return pc.add(days.cast(pa.int32()), pa.scalar(_DAYS_BEFORE_1970, pa.int32()))


def _quick_moment(texts: pa.Array) -> pa.Array | None:
    moments = _cast(texts, pa.timestamp("us", "UTC"))
    return None if moments is None else moments.cast(pa.int64())


def _cast(array: pa.Array, type_: pa.DataType) -> pa.Array | None:
    try:
        return pc.cast(array, type_)
    except pa.ArrowInvalid:
        return None


_QUICK: dict[Kind, Callable[[pa.Array], pa.Array | None]] = {
    "id": _quick_id,
    "text": _quick_text,
    "bool": _quick_bool,
    "amount": _quick_millionths,
    "quantity": _quick_millionths,
    "rate": lambda texts: None,  # exact text, a handful of rows: value by value
    "day": _quick_day,
    "moment": _quick_moment,
    "stamp": _quick_moment,
}
