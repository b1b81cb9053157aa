"""`MemoryOrg`: an org in a dictionary, for tests of what uses an org. Keeps the same contract as the real one.

It refuses what an org refuses: unknown fields and objects, missing and too long values, doubled keys, writes to
deleted records. It has no network, so nothing here is ever transient unless a test says so with `fail_next`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from connector import limits
from connector.bulk_jobs import JobGone
from connector.choose import calls_to_describe, calls_to_write
from connector.collections import keys_of
from connector.config import id18
from connector.errors import Misconfigured, SyncError, WindowLost
from connector.memory_soql import parse, sort_key
from connector.port import Clock, DeployProgress, JsonValue, Page, Record, RowResult, Usage
from mappings.describe import FieldDescribe, ObjectDescribe

_SYSTEM = ("Id", "IsDeleted", "CreatedDate", "LastModifiedDate", "SystemModstamp")
_PREFIX = {
    "Account": "001",
    "User": "005",
    "Order": "801",
    "OrderItem": "802",
    "Product2": "01t",
    "Task": "00T",
}


class MemoryOrg:
    """See `connector.port.Org`. `rows[sobject][id]` holds the records; tests may look and write there."""

    def __init__(
        self, describes: Mapping[str, ObjectDescribe], *, clock: Clock, org_id: str = "00D5g000001AbCdEAK"
    ) -> None:
        self.org_id = org_id
        self.instance_url = "http://127.0.0.1:0"
        self.api_version = "68.0"
        self.rows: dict[str, dict[str, dict[str, JsonValue]]] = {name: {} for name in describes}
        self.notifications: list[Mapping[str, Any]] = []
        self.packages: list[bytes] = []
        self._describes = dict(describes)
        self._clock = clock
        self._last: datetime | None = None
        self._count = 0
        self._calls: Counter[str] = Counter()
        self._pages: dict[str, list[Page]] = {}
        self._jobs: dict[str, str | list[RowResult]] = {}
        self._failures: list[SyncError] = []

    def fail_next(self, *errors: SyncError) -> None:
        """The next calls raise these, one each, before anything is done."""
        self._failures += errors

    # --- what the port asks for ------------------------------------------------------------------------
    @property
    def usage(self) -> Usage:
        return Usage(calls=sum(self._calls.values()), by_kind=dict(sorted(self._calls.items())))

    def server_time(self) -> datetime:
        return self._clock.now().replace(microsecond=0)

    def describe(self, objects: Sequence[str]) -> dict[str, ObjectDescribe | None]:
        self._call("describe", calls_to_describe(len(objects)))
        return {name: self._described(name) for name in objects}

    def poll(self, queries: Sequence[str]) -> list[Page]:
        if not 1 <= len(queries) <= limits.COMPOSITE_QUERIES:
            raise Misconfigured(
                "POLL_SIZE", detail=f"one to {limits.COMPOSITE_QUERIES} queries, not {len(queries)}"
            )
        self._call("poll")
        pages = []
        for index, soql in enumerate(queries):
            try:
                pages.append(self._cut(soql, include_deleted=True)[0])
            except SyncError as error:
                error.at = index
                raise
        return pages

    def query(
        self, soql: str, *, include_deleted: bool = False, locator: str | None = None
    ) -> Iterator[Page]:
        if locator is None:
            pages = self._cut(soql, include_deleted=include_deleted)
        elif locator in self._pages:
            pages = self._pages[locator]
        else:
            raise WindowLost("INVALID_QUERY_LOCATOR", status=400)
        for page in pages:
            self._call("query")
            yield page

    def bulk_query(
        self,
        soql: str,
        *,
        include_deleted: bool = False,
        job_id: str | None = None,
        on_job: Callable[[str], None] | None = None,
    ) -> Iterator[Page]:
        self._call("bulk_query", 4)
        if job_id is None:
            table = self._select(soql, include_deleted=include_deleted)  # the org refuses a bad query at once
            job_id = self._new_id("750")
            self._jobs[job_id] = soql
            if on_job is not None:
                on_job(job_id)
        else:
            known = self._jobs.get(job_id)
            if not isinstance(known, str):
                raise JobGone("JOB_GONE", status=404, detail=f"job {job_id}")
            table = self._select(known, include_deleted=include_deleted)
        yield Page(table, table.num_rows, None)
        del self._jobs[job_id]

    def upsert(self, sobject: str, key_field: str, records: Sequence[Record]) -> list[RowResult]:
        keys = keys_of(records, key_field, sobject)
        self._call("collections", calls_to_write(len(records), "rest"))
        return self._upsert(sobject, key_field, keys, records)

    def create(
        self, sobject: str, records: Sequence[Record], *, key_field: str | None = None
    ) -> list[RowResult]:
        keys = keys_of(records, key_field, sobject) if key_field else [str(n) for n in range(len(records))]
        self._call("collections", calls_to_write(len(records), "rest"))
        self._known(sobject)
        return [self._insert(sobject, key, record) for key, record in zip(keys, records, strict=True)]

    def update(self, sobject: str, records: Sequence[Record]) -> list[RowResult]:
        keys = keys_of(records, "Id", sobject)
        self._call("collections", calls_to_write(len(records), "rest"))
        self._known(sobject)
        return [self._change(sobject, key, key, record) for key, record in zip(keys, records, strict=True)]

    def bulk_upsert(
        self,
        sobject: str,
        key_field: str,
        records: Sequence[Record],
        *,
        job_id: str | None = None,
        on_job: Callable[[str], None] | None = None,
    ) -> list[RowResult]:
        keys = keys_of(records, key_field, sobject)
        self._call("bulk_ingest", calls_to_write(len(records), "bulk"))
        if job_id is None:
            job_id = self._new_id("750")
            self._jobs[job_id] = []
            if on_job is not None:
                on_job(job_id)
        elif job_id not in self._jobs:
            raise JobGone("JOB_GONE", status=404, detail=f"job {job_id}")
        results = self._upsert(sobject, key_field, keys, records)
        del self._jobs[job_id]
        return results

    def notify(
        self, *, type_id: str, recipients: Sequence[str], target_id: str, title: str, body: str
    ) -> None:
        self._call("notify")
        self.notifications.append(
            {
                "type_id": type_id,
                "recipients": tuple(recipients),
                "target_id": target_id,
                "title": title,
                "body": body,
            }
        )

    def deploy(self, package: bytes, *, check_only: bool = False) -> Iterator[DeployProgress]:
        self._call("deploy", 2)
        if not check_only:
            self.packages.append(package)
        yield DeployProgress(self._new_id("0Af"), done=True, ok=True, components=1, deployed=1)

    # --- what users of the org do ----------------------------------------------------------------------
    def delete(self, sobject: str, record_id: str) -> None:
        """To the recycle bin, as a user does it."""
        row = self.rows[sobject][record_id]
        row["IsDeleted"] = True
        row["SystemModstamp"] = self._stamp()

    # --- records ---------------------------------------------------------------------------------------
    def _upsert(
        self, sobject: str, key_field: str, keys: Sequence[str], records: Sequence[Record]
    ) -> list[RowResult]:
        described = self._known(sobject)
        field = described.field(key_field)
        if field is None or not (field.external_id or field.id_lookup):
            raise Misconfigured(
                "NOT_FOUND", status=404, sobject=sobject, detail=f"no external id {key_field}"
            )
        results = []
        for key, record in zip(keys, records, strict=True):
            found = [
                row
                for row in self.rows[sobject].values()
                if _same(row.get(field.name), key) and not row["IsDeleted"]
            ]
            if found:
                results.append(self._change(sobject, key, str(found[0]["Id"]), record))
            else:
                results.append(self._insert(sobject, key, record))
        return results

    def _insert(self, sobject: str, key: str, record: Record) -> RowResult:
        described = self._known(sobject)
        refused = self._refusal(described, key, record, None)
        if refused is None:
            missing = tuple(
                f.name
                for f in described.fields.values()
                if f.required_on_create and record.get(f.name) in (None, "")
            )
            if missing:
                refused = RowResult(key, False, code="REQUIRED_FIELD_MISSING", fields=missing)
        if refused is not None:
            return refused
        record_id = self._new_id(_PREFIX.get(sobject, f"a{len(sobject):02d}"))
        row: dict[str, JsonValue] = {
            f.name: False if f.type == "boolean" else None for f in described.fields.values()
        }
        stamp = self._stamp()
        row.update({"Id": record_id, "IsDeleted": False, **dict.fromkeys(_SYSTEM[2:], stamp)})
        self.rows[sobject][record_id] = row
        self._put(described, row, record)
        return RowResult(key, True, record_id, created=True)

    def _change(self, sobject: str, key: str, record_id: str, record: Record) -> RowResult:
        described = self._known(sobject)
        row = self.rows[sobject].get(record_id)
        if row is None:
            return RowResult(key, False, code="INVALID_CROSS_REFERENCE_KEY")
        if row["IsDeleted"]:
            return RowResult(key, False, record_id, code="ENTITY_IS_DELETED")
        refused = self._refusal(described, key, record, record_id)
        if refused is not None:
            return refused
        self._put(described, row, record)
        row["SystemModstamp"] = row["LastModifiedDate"] = self._stamp()
        return RowResult(key, True, record_id, created=False)

    def _put(self, described: ObjectDescribe, row: dict[str, JsonValue], record: Record) -> None:
        for name, value in record.items():
            field = described.field(name)
            if field is not None and name != "Id":
                row[field.name] = None if value == "" else value

    def _refusal(
        self, described: ObjectDescribe, key: str, record: Record, record_id: str | None
    ) -> RowResult | None:
        for name, value in record.items():
            field = described.field(name)
            if field is None:
                return RowResult(key, False, code="INVALID_FIELD", message=f"No such column '{name}'")
            allowed = field.createable if record_id is None else field.updateable
            if not allowed and name != "Id":
                return RowResult(key, False, code="INVALID_FIELD_FOR_INSERT_UPDATE", fields=(field.name,))
            code = self._value_refusal(described.name, field, value, record_id)
            if code is not None:
                return RowResult(key, False, code=code, fields=(field.name,))
        return None

    def _value_refusal(
        self, sobject: str, field: FieldDescribe, value: JsonValue, record_id: str | None
    ) -> str | None:
        if (
            isinstance(value, str)
            and field.length
            and field.type != "reference"
            and len(value) > field.length
        ):
            return "STRING_TOO_LONG"
        if field.restricted_picklist and value is not None and value not in field.picklist_values:
            return "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
        if field.unique and value is not None:
            for other_id, row in self.rows[sobject].items():
                if other_id != record_id and not row["IsDeleted"] and _same(row.get(field.name), str(value)):
                    return "DUPLICATE_VALUE"
        return None

    # --- queries ---------------------------------------------------------------------------------------
    def _cut(self, soql: str, *, include_deleted: bool) -> list[Page]:
        query = parse(soql)
        table = self._select(soql, include_deleted=include_deleted)
        if query.is_count:
            return [Page(pa.table({}), table.num_rows)]
        pages: list[Page] = []
        size = limits.QUERY_PAGE_ROWS
        starts = range(0, max(table.num_rows, 1), size)
        names = [f"/services/data/v68.0/query/{self._new_id('01g')}-{start + size}" for start in starts]
        for start, name in zip(starts, names, strict=True):
            last = start + size >= table.num_rows
            pages.append(Page(table.slice(start, size), table.num_rows, None if last else name))
        for index, name in enumerate(names[:-1]):
            self._pages[name] = pages[index + 1 :]
        return pages

    def _select(self, soql: str, *, include_deleted: bool) -> pa.Table:
        query = parse(soql)
        described = self._described(query.sobject)
        if described is None:
            raise Misconfigured(
                "INVALID_TYPE", status=400, sobject=query.sobject, detail=f"no object {query.sobject}"
            )
        for path in [*query.columns, *(path for path, _ in query.order)]:
            self._check_path(described, path)

        def read(row: Mapping[str, JsonValue], path: str) -> JsonValue:
            return self._read(described, row, path)

        rows = [
            row
            for row in self.rows[described.name].values()
            if (include_deleted or not row["IsDeleted"]) and query.test(row, read)
        ]
        for path, descending in reversed(query.order):
            rows.sort(key=lambda row, path=path: sort_key([read(row, path)]), reverse=descending)  # type: ignore[misc]
        rows = rows[: query.limit] if query.limit is not None else rows
        if query.is_count:
            return pa.table({"Id": pa.array([str(row["Id"]) for row in rows], pa.string())})
        return pa.table(
            {path: pa.array([_text(read(row, path)) for row in rows], pa.string()) for path in query.columns}
        )

    def _check_path(self, described: ObjectDescribe, path: str) -> None:
        *parents, name = path.split(".")
        at = described
        for parent in parents:
            at = self._parent(at, parent)[1]
        if at.field(name) is None:
            raise Misconfigured(
                "INVALID_FIELD", status=400, sobject=at.name, detail=f"no field {name} on {at.name}"
            )

    def _parent(self, described: ObjectDescribe, relationship: str) -> tuple[FieldDescribe, ObjectDescribe]:
        for field in described.fields.values():
            if (field.relationship_name or "").lower() == relationship.lower():
                for target in field.reference_to:
                    if (other := self._described(target)) is not None:
                        return field, other
        detail = f"no relationship {relationship} on {described.name}"
        raise Misconfigured("INVALID_FIELD", status=400, sobject=described.name, detail=detail)

    def _read(self, described: ObjectDescribe, row: Mapping[str, JsonValue] | None, path: str) -> JsonValue:
        *parents, name = path.split(".")
        for parent in parents:
            field, described = self._parent(described, parent)
            if row is None:
                return None
            row = self.rows[described.name].get(str(row.get(field.name)))
        field_of = described.field(name)
        if field_of is None:
            raise Misconfigured(
                "INVALID_FIELD", status=400, sobject=described.name, detail=f"no field {name}"
            )
        return None if row is None else row.get(field_of.name)

    # --- small things ----------------------------------------------------------------------------------
    def _call(self, kind: str, calls: int = 1) -> None:
        self._calls[kind] += calls
        if self._failures:
            raise self._failures.pop(0)

    def _described(self, name: str) -> ObjectDescribe | None:
        return next((d for n, d in self._describes.items() if n.lower() == name.lower()), None)

    def _known(self, sobject: str) -> ObjectDescribe:
        described = self._described(sobject)
        if described is None:
            raise Misconfigured("NOT_FOUND", status=404, sobject=sobject, detail=f"no object {sobject}")
        return described

    def _new_id(self, prefix: str) -> str:
        self._count += 1
        return id18(f"{prefix}5g{self._count:010d}")

    def _stamp(self) -> str:
        """Now, in milliseconds; later than every stamp before, as REST writes it."""
        now = self._clock.now().astimezone(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        if self._last is not None:
            now = max(now, self._last + timedelta(milliseconds=1))
        self._last = now
        return f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}+0000"


def _same(value: JsonValue, key: str) -> bool:
    return value is not None and str(value).lower() == key.lower()


def _text(value: JsonValue) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)
