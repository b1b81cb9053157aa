"""Query replies to pages: nested JSON records become string columns named by the SOQL paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from connector.errors import Transient
from connector.hosts import check_path
from connector.port import Page

Record = Mapping[str, Any]


def page_of(reply: Any, columns: Sequence[str], sobject: str | None = None) -> Page:
    """One query reply, decoded with numbers as text. Raises Transient when it is not a query reply."""
    if not isinstance(reply, dict) or not isinstance(reply.get("records"), list) or "done" not in reply:
        raise Transient("NOT_A_PAGE", sobject=sobject, detail="the reply is not a page of a query")
    records = reply["records"]
    arrays = [pa.array(_column(records, path, sobject), type=pa.string()) for path in columns]
    table = pa.Table.from_arrays(arrays, names=list(columns))
    locator = reply.get("nextRecordsUrl")
    more = reply["done"] is not True
    if more and (not isinstance(locator, str) or locator in {"", "null"}):
        raise Transient(
            "NO_LOCATOR", sobject=sobject, detail="more rows wait, but the reply does not say where"
        )
    total = reply.get("totalSize")
    return Page(table, int(total) if total is not None else None, check_path(str(locator)) if more else None)


def _column(records: Sequence[Record], path: str, sobject: str | None) -> list[str | None]:
    read = _reader(path.split("."))
    try:
        return [read(record) for record in records]
    except (KeyError, TypeError, AttributeError):
        raise Transient("FIELD_NOT_IN_REPLY", sobject=sobject, detail=path) from None


def _reader(parts: list[str]) -> Callable[[Record], str | None]:
    if len(parts) == 1:
        name = parts[0]
        return lambda record: _text(record[name] if name in record else _in_any_case(record, name))

    def nested(record: Record) -> str | None:
        value: Any = record
        for part in parts:
            if value is None:
                return None  # no parent, so no field of it
            value = value[part] if part in value else _in_any_case(value, part)
        return _text(value)

    return nested


def _in_any_case(record: Record, name: str) -> Any:
    """SOQL knows no letter case; replies spell names as the org does. KeyError when it is not there at all."""
    return record[next((key for key in record if key.lower() == name.lower()), name)]


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return _clean(value) if value else value
    if isinstance(value, bool):
        return "true" if value else "false"
    raise TypeError("a compound value")


def _clean(value: str) -> str:
    """NUL is dropped (PostgreSQL refuses it); half a surrogate pair becomes U+FFFD (UTF-8 cannot carry it)."""
    if value.isascii() and "\0" not in value:
        return value
    return value.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
