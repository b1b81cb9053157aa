"""Records to the CSV that Bulk API 2.0 reads: our own columns in our own order, exact, and cut into jobs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from connector import limits, wire
from connector.errors import Misconfigured
from connector.port import JsonValue, Record

NULL = "#N/A"  # clears a field; an empty cell would leave it as it is


@dataclass(frozen=True)
class Upload:
    """One job's worth: which records (positions in what was given) and their CSV."""

    content: bytes
    rows: range


def uploads(
    records: Sequence[Record], key_field: str, *, at_most: int = limits.BULK_UPLOAD_BYTES
) -> Iterator[Upload]:
    """Cuts records into files of at most `at_most` bytes, in order.

    All records must have the same fields: an empty cell means "leave unchanged", so a missing one would be
    indistinguishable from an intended one. Raises Misconfigured otherwise, and for values CSV cannot carry.
    """
    if not records:
        return
    columns = columns_of_records(records, key_field)
    header = _line(columns)
    parts: list[bytes] = [header]
    size, first = len(header), 0
    for index, record in enumerate(records):
        line = _line([_cell(record[name], name) for name in columns])
        if size + len(line) > at_most and index > first:
            yield Upload(b"".join(parts), range(first, index))
            parts, size, first = [header], len(header), index
        parts.append(line)
        size += len(line)
    yield Upload(b"".join(parts), range(first, len(records)))


def carries(record: Record) -> bool:
    """Whether a file can say what is meant: the text #N/A would empty its field."""
    return NULL not in record.values()


def columns_of_records(records: Sequence[Record], key_field: str) -> list[str]:
    """The key first, the others sorted: the same records always make the same bytes."""
    fields = set(records[0])
    for record in records:
        if set(record) != fields:
            odd = sorted(fields.symmetric_difference(record))
            raise Misconfigured(
                "FIELDS_DIFFER", detail=f"records of one job differ in {', '.join(odd)}", sent=False
            )
    return [key_field, *sorted(fields - {key_field})]


def _cell(value: JsonValue, name: str) -> str:
    match value:
        case None:
            return NULL
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal():
            return wire.plain(value)
        case str():
            if value == NULL:
                raise Misconfigured("VALUE_IS_NULL_MARK", detail=f"{name} holds the text #N/A", sent=False)
            return value if value else NULL  # an empty text is null in Salesforce
        case _:
            raise TypeError(f"{type(value).__name__} cannot be sent in CSV")


def _line(cells: Sequence[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(cells)
    return buffer.getvalue().encode("utf-8")
