"""What a row of an ingest job means, and writing rows of one trigger chunk.

An empty value leaves the field as it is, `#N/A` clears it, `Account.Ext__c` finds the parent by its external id.
Source: Bulk API 2.0 and Bulk API Developer Guide, "Relationship Fields in a Header Row", "Valid CSV Record Rows".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulator import records
from emulator.bulk_csv import BadFile, Row
from emulator.context import Context
from emulator.errors import ApiError, RecordError

if TYPE_CHECKING:
    from emulator.bulk_ingest import IngestJob
    from emulator.org import Org

NULL = "#N/A"


@dataclass
class Outcome:
    """What became of one row; `error` is the text of `sf__Error`."""

    id: str = ""
    created: bool = False
    error: str | None = None


def check_header(org: Org, job: IngestJob, header: Sequence[str]) -> None:
    """Raises BadFile for a column the object does not have (or the user may not see), or has twice."""
    sobject = org.schema.require(job.object)
    for name in header:
        relation, dot, inner = name.rpartition(".")
        if dot:
            reference = sobject.reference_by_relationship(relation.rpartition(":")[2])
            parents = [org.schema.sobject(each) for each in reference.reference_to] if reference else []
            known = any(each is not None and each.field(inner) is not None for each in parents)
        else:
            own = sobject.field(name)
            known = own is not None and org.access.readable(job.user_id, sobject, own)
        if not known:
            raise BadFile(f"InvalidBatch : Field name not found : {name}")
    lowered = [name.lower() for name in header]
    twice = next((name for name in header if lowered.count(name.lower()) > 1), None)
    if twice is not None:
        raise BadFile(f"InvalidBatch : Field name duplicated : {twice}")
    if job.operation in ("delete", "hardDelete") and lowered != ["id"]:
        raise BadFile(f"InvalidBatch : {job.operation} needs a file with the Id column only")
    if job.operation == "upsert" and job.external_id and job.external_id.lower() not in lowered:
        raise BadFile(f"InvalidBatch : Field name not found : {job.external_id}")


def values_of(header: Sequence[str], row: Row) -> dict[str, Any]:
    """The values a row changes, by field name; a parent's external id as `{"Account": {"Ext__c": …}}`."""
    found: dict[str, Any] = {}
    for name, text in zip(header, row.values, strict=True):
        if text == "":
            continue
        value = None if text == NULL else text
        relation, dot, inner = name.rpartition(".")
        if dot:
            found[relation.rpartition(":")[2]] = {inner: value}
        else:
            found[name] = value
    return found


def write(org: Org, job: IngestJob, rows: Sequence[Row]) -> list[Outcome]:
    """Write a chunk in one transaction. A refused row leaves nothing behind and does not stop the others."""
    ctx = Context(job.user_id, job.version, bulk=True)
    outcomes: list[Outcome] = []
    with org.storage.transaction():
        for row in rows:
            outcome = Outcome()
            with _refusals(outcome):
                if row.problem is not None:
                    raise RecordError("INVALID_CSV_ROW", row.problem)
                _write_one(org, ctx, job, row, outcome)
            outcomes.append(outcome)
    return outcomes


@contextmanager
def _refusals(outcome: Outcome) -> Iterator[None]:
    try:
        yield
    except RecordError as refused:
        outcome.error = refused.as_bulk()
    except records.ManyMatches as many:
        outcome.error = RecordError(
            "DUPLICATE_EXTERNAL_ID", f"more than one record found for external id field: {many.ids}"
        ).as_bulk()
    except ApiError as refused:
        outcome.error = RecordError(refused.code, refused.message, refused.fields or ()).as_bulk()


def _write_one(org: Org, ctx: Context, job: IngestJob, row: Row, outcome: Outcome) -> None:
    values = values_of(job.header, row)
    if job.operation == "insert":
        outcome.id = records.insert(org, ctx, job.object, values)
        outcome.created = True
        return
    if job.operation == "upsert":
        assert job.external_id is not None
        outcome.id, outcome.created = records.upsert(
            org, ctx, job.object, job.external_id, _taken(values, job.external_id), values
        )
        return
    given = _taken(values, "Id")
    if not given:
        raise RecordError("MISSING_ARGUMENT", f"Id not specified in {job.operation} call")
    outcome.id = str(given)
    if job.operation == "update":
        records.update(org, ctx, job.object, str(given), values)
    else:
        records.delete(org, ctx, job.object, str(given), hard=job.operation == "hardDelete")


def _taken(values: dict[str, Any], name: str) -> Any:
    """The key's value, taken out of the values whatever its spelling."""
    for key in list(values):
        if key.lower() == name.lower():
            return values.pop(key)
    return None
