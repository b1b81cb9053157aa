"""Keyed writes in collections: 200 records each, five of them in one call, every record answered for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from urllib.parse import quote

from structlog.typing import FilteringBoundLogger

from connector import limits, wire
from connector.errors import (
    Ambiguous,
    AuthenticationFailed,
    Misconfigured,
    QuotaReached,
    SyncError,
    Transient,
)
from connector.port import JsonValue, Record, RowResult
from connector.problems import problems_in
from connector.replies import Call
from connector.rest import Rest, part_error, status_of
from connector.retry import Safety


class Collections:
    """Writes records of one object in the order given: the caller sorts them by account, so that two writers
    do not lock each other's parents."""

    def __init__(
        self, rest: Rest, *, version: str, log: FilteringBoundLogger, allow_duplicates: bool = False
    ) -> None:
        self._rest = rest
        self._path = f"/services/data/v{version}/composite/sobjects"
        self._log = log
        # Assignment rules would move accounts and tasks to other owners whenever we write a number.
        self._headers = {"Sforce-Auto-Assign": "FALSE"}
        if allow_duplicates:
            self._headers["Sforce-Duplicate-Rule-Header"] = "allowSave=true; includeRecordDetails=false"

    def upsert(self, sobject: str, key_field: str, records: Sequence[Record]) -> list[RowResult]:
        """By external id; a repeated send has the same result."""
        keys = keys_of(records, key_field, sobject)
        path = f"{self._path}/{quote(sobject, safe='')}/{quote(key_field, safe='')}"
        return self._write("PATCH", path, sobject, keys, records, Safety.KEYED)

    def create(
        self, sobject: str, records: Sequence[Record], *, key_field: str | None = None
    ) -> list[RowResult]:
        """New records. Never repeated by itself: after `Ambiguous` the caller reads back by key first."""
        keys = keys_of(records, key_field, sobject) if key_field else [str(n) for n in range(len(records))]
        return self._write("POST", self._path, sobject, keys, records, Safety.ONCE)

    def update(self, sobject: str, records: Sequence[Record]) -> list[RowResult]:
        """Records carry `Id`."""
        keys = keys_of(records, "Id", sobject)
        return self._write("PATCH", self._path, sobject, keys, records, Safety.KEYED)

    def _write(
        self,
        method: str,
        path: str,
        sobject: str,
        keys: Sequence[str],
        records: Sequence[Record],
        safety: Safety,
    ) -> list[RowResult]:
        results: dict[int, RowResult] = {}
        sendable: list[int] = []
        for index, record in enumerate(records):
            refused = _not_sendable(record)
            if refused:
                results[index] = RowResult(keys[index], False, code="NUMBER_NOT_EXACT", fields=refused)
            else:
                sendable.append(index)
        for start in range(0, len(sendable), limits.COMPOSITE_ROWS):
            batch = sendable[start : start + limits.COMPOSITE_ROWS]
            try:
                answers = self._send(
                    method, path, sobject, [keys[i] for i in batch], [records[i] for i in batch], safety
                )
            except SyncError as error:
                if start == 0:
                    raise  # nothing was written before it: the error itself is the whole story
                answers = [RowResult(keys[i], False, code=_row_code(error)) for i in batch]
                answers += [
                    RowResult(keys[i], False, code="NOT_SENT") for i in sendable[start + len(batch) :]
                ]
                self._log.warning("org.write_stopped", object=sobject, done=start, error=str(error))
                results.update(zip(sendable[start:], answers, strict=True))
                break
            results.update(zip(batch, answers, strict=True))
        return [results[index] for index in range(len(records))]

    def _send(
        self,
        method: str,
        path: str,
        sobject: str,
        keys: Sequence[str],
        records: Sequence[Record],
        safety: Safety,
    ) -> list[RowResult]:
        """One call of up to five collections."""
        size = limits.COLLECTION_ROWS
        slices = [slice(start, start + size) for start in range(0, len(records), size)]
        parts = [
            {
                "method": method,
                "url": path,
                "referenceId": f"c{index}",
                "httpHeaders": self._headers,
                "body": {
                    "allOrNone": False,
                    "records": [{"attributes": {"type": sobject}, **_body(r)} for r in records[part]],
                },
            }
            for index, part in enumerate(slices)
        ]
        answers = self._rest.composite(parts, Call("collections", safety, sobject, answer="composite"))
        errors = [part_error(a, sobject, safety) if status_of(a) >= 300 else None for a in answers]
        if errors and errors[0] is not None and None not in errors:
            raise errors[0]
        results: list[RowResult] = []
        for part, answer, error in zip(slices, answers, errors, strict=True):
            if error is not None:
                results += [RowResult(key, False, code=_row_code(error)) for key in keys[part]]
            else:
                results += _rows(answer.get("body"), keys[part], always_new=method == "POST")
        return results


def keys_of(records: Sequence[Record], key_field: str, sobject: str) -> list[str]:
    """The key of each record. Raises Misconfigured for a missing key and for one that comes twice: the org
    answers a double in one collection with an error, and in two collections with the last one winning."""
    keys: list[str] = []
    seen: set[str] = set()
    for record in records:
        key = record.get(key_field)
        if not isinstance(key, str) or not key:
            raise Misconfigured(
                "KEY_MISSING", sobject=sobject, detail=f"a record has no {key_field}", sent=False
            )
        fold = key if key_field == "Id" else key.lower()  # external ids know no letter case
        if fold in seen:
            raise Misconfigured(
                "KEY_TWICE", sobject=sobject, detail=f"{key_field} comes twice in one write", sent=False
            )
        seen.add(fold)
        keys.append(key)
    return keys


def _body(record: Record) -> dict[str, JsonValue]:
    return {("id" if name == "Id" else name): value for name, value in record.items()}


def _not_sendable(record: Record) -> tuple[str, ...]:
    return tuple(name for name, v in record.items() if isinstance(v, Decimal) and not wire.is_exact(v))


def _row_code(error: SyncError) -> str:
    """The code under which each row of a failed request is reported. A login or a quota that ended is not about rows:
    they were not sent, and whoever sends next learns the reason."""
    if isinstance(error, Ambiguous):
        return "OUTCOME_UNKNOWN"
    if isinstance(error, (QuotaReached, AuthenticationFailed)):
        return "NOT_SENT"
    if isinstance(error, Transient):
        return "NOT_SENT" if not error.sent else "SERVER_UNAVAILABLE"
    return error.code


def _rows(body: object, keys: Sequence[str], *, always_new: bool) -> list[RowResult]:
    """The answers of one collection. Too few, too many or unreadable: the outcome of all of them is unknown."""
    if not isinstance(body, list) or len(body) != len(keys):
        return [RowResult(key, False, code="OUTCOME_UNKNOWN") for key in keys]
    return [_row(item, key, always_new) for item, key in zip(body, keys, strict=True)]


def _row(item: object, key: str, always_new: bool) -> RowResult:
    unknown = RowResult(key, False, code="OUTCOME_UNKNOWN")
    if not isinstance(item, Mapping):
        return unknown
    record_id = item.get("id")
    if item.get("success") is True:
        if not isinstance(record_id, str) or not record_id:
            return unknown
        return RowResult(key, True, record_id, created=always_new or item.get("created") is True)
    problems = problems_in(item.get("errors"))
    if item.get("success") is not False or not problems:
        return unknown
    first = problems[0]
    return RowResult(
        key,
        False,
        record_id if isinstance(record_id, str) else None,
        False,
        first.code,
        first.message,
        first.fields,
    )
