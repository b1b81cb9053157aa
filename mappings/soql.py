"""SOQL for the pull of one entity. Every literal is quoted by type; nothing is pasted in but the mapping's own text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from mappings.model import PullEntity

# A GET address longer than this is refused with 414 or 431, and the query has no POST form.
URI_LIMIT = 16_384
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Window:
    """Half-open stretch of SystemModstamp, `[since, until)`; None is without bound. Aware datetimes."""

    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        for bound in (self.since, self.until):
            if bound is not None and bound.tzinfo is None:
                raise ValueError("a window has aware datetimes")
        if self.since is not None and self.until is not None and self.since > self.until:
            raise ValueError("a window cannot end before it starts")


def select(
    entity: PullEntity,
    *,
    window: Window | None = None,
    after: tuple[datetime | int, str] | None = None,
    id_in: Sequence[str] = (),
    id_field: str = "Id",
    limit: int | None = None,
    order: bool = True,
    columns: Sequence[str] | None = None,
) -> str:
    """The query for an entity's rows.

    `after` is the (SystemModstamp, Id) of the last row that was read; the stamp as datetime or microseconds.
    `id_in` narrows to records whose `id_field` is one of these. `order=False` is for bulk queries, which Salesforce
    cuts into chunks only when there is no ORDER BY. `columns` replaces the mapped paths (ids for a reconciliation).
    """
    conditions: list[str] = []
    if entity.where:
        conditions.append(f"({entity.where.strip()})")
    if entity.deleted == "ignore":
        conditions.append("IsDeleted = false")
    if window is not None and window.since is not None:
        conditions.append(f"SystemModstamp >= {moment(window.since)}")
    if window is not None and window.until is not None:
        conditions.append(f"SystemModstamp < {moment(window.until)}")
    if after is not None:
        stamp, last = moment(after[0]), record_id(after[1])
        conditions.append(f"((SystemModstamp = {stamp} AND Id > {last}) OR SystemModstamp > {stamp})")
    if id_in:
        conditions.append(f"{_name(id_field)} IN ({','.join(record_id(value) for value in id_in)})")
    query = f"SELECT {', '.join(columns or entity.paths)} FROM {_name(entity.object)}"
    if conditions:
        query += " WHERE " + " AND ".join(conditions)
    if order:
        query += " ORDER BY SystemModstamp, Id"
    if limit is not None:
        query += f" LIMIT {int(limit)}"
    return query


def count(entity: PullEntity, window: Window | None = None) -> str:
    """`SELECT COUNT() …` of the same rows: decides between pages and bulk."""
    return select(entity, window=window, order=False, columns=("COUNT()",))


def moment(value: datetime | int) -> str:
    """A datetime literal in UTC, to the millisecond below (what Salesforce keeps)."""
    if isinstance(value, bool):
        raise TypeError("a moment is a datetime or microseconds")
    if isinstance(value, int):
        value = _EPOCH + timedelta(microseconds=value)
    if value.tzinfo is None:
        raise ValueError("a moment is an aware datetime")
    utc = value.astimezone(UTC)
    return f"{utc.year:04}-{utc:%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03}Z"


def text(value: str) -> str:
    """A string literal; whatever is in it stays inside."""
    out = []
    for char in value:
        if char in "\\'":
            out.append("\\" + char)
        elif char in _CONTROL:
            out.append(_CONTROL[char])
        elif ord(char) < 0x20 or 0xD800 <= ord(char) <= 0xDFFF:
            out.append(f"\\u{ord(char):04x}")
        else:
            out.append(char)
    return "'" + "".join(out) + "'"


_CONTROL = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def record_id(value: str) -> str:
    """A record id literal. Raises ValueError for anything that is not one."""
    if not _ID.fullmatch(value):
        raise ValueError("not a record id")
    return f"'{value}'"


def uri_length(soql: str, instance_url: str = "", api_version: str = "v68.0") -> int:
    """Bytes of the GET address that would carry the query."""
    return len(f"{instance_url}/services/data/{api_version}/queryAll/?q={quote(soql, safe='')}")


def fits_uri(soql: str, instance_url: str = "", headroom: int = 2_048) -> bool:
    """Whether the query fits a GET address, with room for the headers that count with it."""
    return uri_length(soql, instance_url) + headroom <= URI_LIMIT


def _name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][\w.]*", name, re.ASCII):
        raise ValueError(f"{name!r} is not an API name")
    return name
