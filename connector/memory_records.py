"""The records of a `MemoryOrg`: what may be written, and what a query finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pyarrow as pa

from connector.config import id18
from connector.errors import Misconfigured
from connector.memory_soql import parse, sort_key
from connector.port import Clock, JsonValue, Record, RowResult
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


class MemoryRecords:
    """Records by object and id, kept to the rules that the descriptions state."""

    def __init__(self, describes: Mapping[str, ObjectDescribe], *, clock: Clock) -> None:
        self.rows: dict[str, dict[str, dict[str, JsonValue]]] = {name: {} for name in describes}
        self._describes = dict(describes)
        self._clock = clock
        self._last: datetime | None = None
        self._count = 0

    # --- records ---------------------------------------------------------------------------------------
    def upsert(
        self, sobject: str, key_field: str, keys: Sequence[str], records: Sequence[Record]
    ) -> list[RowResult]:
        described = self.known(sobject)
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
                results.append(self.change(sobject, key, str(found[0]["Id"]), record))
            else:
                results.append(self.insert(sobject, key, record))
        return results

    def insert(self, sobject: str, key: str, record: Record) -> RowResult:
        described = self.known(sobject)
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
        record_id = self.new_id(_PREFIX.get(sobject, f"a{len(sobject):02d}"))
        row: dict[str, JsonValue] = {
            f.name: False if f.type == "boolean" else None for f in described.fields.values()
        }
        stamp = self.stamp()
        row.update({"Id": record_id, "IsDeleted": False, **dict.fromkeys(_SYSTEM[2:], stamp)})
        self.rows[sobject][record_id] = row
        self._put(described, row, record)
        return RowResult(key, True, record_id, created=True)

    def change(self, sobject: str, key: str, record_id: str, record: Record) -> RowResult:
        described = self.known(sobject)
        row = self.rows[sobject].get(record_id)
        if row is None:
            return RowResult(key, False, code="INVALID_CROSS_REFERENCE_KEY")
        if row["IsDeleted"]:
            return RowResult(key, False, record_id, code="ENTITY_IS_DELETED")
        refused = self._refusal(described, key, record, record_id)
        if refused is not None:
            return refused
        self._put(described, row, record)
        row["SystemModstamp"] = row["LastModifiedDate"] = self.stamp()
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
    def select(self, soql: str, *, include_deleted: bool) -> pa.Table:
        query = parse(soql)
        described = self.described(query.sobject)
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
                    if (other := self.described(target)) is not None:
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
    def described(self, name: str) -> ObjectDescribe | None:
        return next((d for n, d in self._describes.items() if n.lower() == name.lower()), None)

    def known(self, sobject: str) -> ObjectDescribe:
        described = self.described(sobject)
        if described is None:
            raise Misconfigured("NOT_FOUND", status=404, sobject=sobject, detail=f"no object {sobject}")
        return described

    def new_id(self, prefix: str) -> str:
        self._count += 1
        return id18(f"{prefix}5g{self._count:010d}")

    def stamp(self) -> str:
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
