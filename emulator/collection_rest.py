"""`/composite/sobjects`: up to 200 records in one call, each with its own result.

Source: REST API Developer Guide, "sObject Collections". The call answers 200 even when every row failed; only
a body that cannot be read, or a value of the wrong JSON type, refuses the whole call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emulator import records, rest_records, slowness, validation
from emulator.context import Context
from emulator.errors import ApiError, RecordError
from emulator.ids import to_18
from emulator.router import Request, Response, json_response, route

if TYPE_CHECKING:
    from emulator.org import Org

CHUNKS_MAX = 10
RETRIEVE_MAX = 2000
ROLLED_BACK = RecordError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)
Row = dict[str, Any]
Work = Callable[[Context, Row], Row]


class Undo(Exception):
    """A row failed and the call was all or none."""


def _failed(problem: RecordError) -> Row:
    return {"success": False, "errors": [problem.as_row()]}


def run_rows(
    org: Org, ctx: Context, rows: list[Row], work: Work, *, all_or_none: bool, refused: dict[int, RecordError]
) -> list[Row]:
    """Each row in its own savepoint; `refused` rows fail without being tried."""
    results: list[Row] = []
    try:
        with org.storage.transaction():
            for index, row in enumerate(rows):
                try:
                    if index in refused:
                        raise refused[index]
                    with org.storage.transaction():
                        results.append(work(ctx, row))
                except RecordError as problem:
                    results.append(_failed(problem))
                except records.ManyMatches as many:
                    listed = ", ".join(many.ids)
                    found = f"more than one record found for external id field: [{listed}]"
                    results.append(_failed(RecordError("DUPLICATE_EXTERNAL_ID", found)))
            if all_or_none and not all(each["success"] for each in results):
                raise Undo
    except Undo:
        return [_failed(ROLLED_BACK) if each["success"] else each for each in results]
    return results


def _body(org: Org, request: Request) -> tuple[list[Row], bool]:
    body = request.json()
    rows = body.get("records") if isinstance(body, dict) else None
    if not isinstance(rows, list) or not all(isinstance(each, dict) for each in rows):
        raise ApiError(400, "JSON_PARSER_ERROR", "The request body must be an object with a list records")
    most = org.settings.collection_max
    if len(rows) > most:
        raise ApiError(
            400,
            "EXCEEDED_ID_LIMIT",
            f"record limit reached. cannot submit more than {most} records into this call",
        )
    if not rows:
        raise ApiError(400, "INVALID_FIELD", "The records list is empty")
    return rows, body.get("allOrNone") is True


def _type_of(row: Row) -> str:
    attributes = row.get("attributes")
    name = attributes.get("type") if isinstance(attributes, dict) else None
    if not isinstance(name, str) or not name:
        raise RecordError("INVALID_TYPE", "Must send a type attribute with each record")
    return name


def _take_time(org: Org, rows: list[Row]) -> None:
    marks = [row.get("attributes") for row in rows]
    names = [each.get("type") for each in marks if isinstance(each, dict)]
    for name, count in Counter(name for name in names if isinstance(name, str)).items():
        if (found := org.schema.sobject(name)) is not None:
            slowness.wrote(org, found.name, count)


def _types(rows: list[Row]) -> None:
    """Rows of one kind that follow each other are a chunk; ten chunks a call."""
    marks = [row.get("attributes") for row in rows]
    kinds = [str(each.get("type", "")).lower() if isinstance(each, dict) else "" for each in marks]
    chunks = sum(index == 0 or kind != kinds[index - 1] for index, kind in enumerate(kinds))
    if chunks > CHUNKS_MAX:
        raise ApiError(
            400,
            "LIMIT_EXCEEDED",
            f"Cannot have more than {CHUNKS_MAX} chunks in a single operation; sort by type",
        )


def _twice(keys: list[Any], refusal: Callable[[Any], RecordError]) -> dict[int, RecordError]:
    """Rows whose key occurs more than once in the call: all of them fail."""
    counts = Counter(key for key in keys if key is not None)
    return {index: refusal(key) for index, key in enumerate(keys) if key is not None and counts[key] > 1}


def _without(row: Row, name: str) -> Row:
    return {key: value for key, value in row.items() if key.lower() != name}


def _get(row: Row, name: str) -> Any:
    return next((value for key, value in row.items() if key.lower() == name.lower()), None)


@route("POST", "/services/data/{version}/composite/sobjects", since=42)
def create(org: Org, request: Request) -> Response:
    rows, all_or_none = _body(org, request)
    _types(rows)
    _take_time(org, rows)

    def work(ctx: Context, row: Row) -> Row:
        return {"id": records.insert(org, ctx, _type_of(row), row), "success": True, "errors": []}

    ctx = Context.of(request)
    return json_response(run_rows(org, ctx, rows, work, all_or_none=all_or_none, refused={}))


@route("PATCH", "/services/data/{version}/composite/sobjects", since=42)
def update(org: Org, request: Request) -> Response:
    rows, all_or_none = _body(org, request)
    _types(rows)
    _take_time(org, rows)

    def work(ctx: Context, row: Row) -> Row:
        record_id = _get(row, "id")
        if not isinstance(record_id, str) or not record_id:
            raise RecordError("MISSING_ARGUMENT", "Id not specified in an update call", ("Id",))
        name = _type_of(row)
        _in_collection(org, records.update, ctx, name, record_id, _without(row, "id"))
        return {"id": to_18(record_id), "success": True, "errors": []}

    keys = [to_18(each) if isinstance(each := _get(row, "id"), str) else None for row in rows]
    refused = _twice(
        keys, lambda key: RecordError("DUPLICATE_VALUE", f"Duplicate id specified: {key[:15]}", ("Id",))
    )
    return json_response(
        run_rows(org, Context.of(request), rows, work, all_or_none=all_or_none, refused=refused)
    )


def _in_collection(org: Org, action: Callable[..., Any], ctx: Context, *arguments: Any) -> None:
    """In a collection a record that is not there is a cross reference that leads nowhere."""
    try:
        action(org, ctx, *arguments)
    except RecordError as problem:
        if problem.code == "NOT_FOUND":
            raise RecordError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id") from problem
        raise


@route("PATCH", "/services/data/{version}/composite/sobjects/{sobject}/{key_field}", since=46)
def upsert(org: Org, request: Request, sobject: str, key_field: str) -> Response:
    """One object, one key. A key that comes twice in the call fails all its rows."""
    found = org.schema.require(sobject)
    ctx = Context.of(request)
    field = records.key_of(org, ctx, found, key_field)
    rows, all_or_none = _body(org, request)
    slowness.wrote(org, found.name, len(rows))

    def work(ctx: Context, row: Row) -> Row:
        if _type_of(row).lower() != found.name.lower():
            raise RecordError("INVALID_TYPE", f"All records must be of type {found.name}")
        given = {key: value for key, value in row.items() if key != "attributes"}
        record_id, created = records.upsert(org, ctx, found.name, field.name, _get(row, field.name), given)
        return {"id": record_id, "success": True, "errors": [], "created": created}

    folded = [
        each if each is None or field.case_sensitive or field.type == "id" else str(each).strip().lower()
        for each in (_get(row, field.name) for row in rows)
    ]

    def refusal(key: Any) -> RecordError:
        word = "id" if field.type == "id" else "external id"
        return RecordError("DUPLICATE_VALUE", f"Duplicate {word} specified: {key}", (field.name,))

    return json_response(
        run_rows(org, ctx, rows, work, all_or_none=all_or_none, refused=_twice(folded, refusal))
    )


@route("DELETE", "/services/data/{version}/composite/sobjects", since=42)
def delete(org: Org, request: Request) -> Response:
    """`?ids=a,b,c&allOrNone=true`; objects may be mixed."""
    ids = [each.strip() for each in (request.param("ids") or "").split(",") if each.strip()]
    most = org.settings.collection_max
    if not ids:
        raise ApiError(400, "MISSING_ARGUMENT", "The ids parameter is required")
    if len(ids) > most:
        raise ApiError(
            400,
            "EXCEEDED_ID_LIMIT",
            f"record limit reached. cannot submit more than {most} records into this call",
        )

    def work(ctx: Context, row: Row) -> Row:
        record_id = to_18(row["id"])
        owner = org.schema.by_prefix(record_id[:3]) if record_id else None
        if record_id is None or owner is None:
            raise RecordError("MALFORMED_ID", f"malformed id {row['id']}", ("Id",))
        _in_collection(org, records.delete, ctx, owner.name, record_id)
        return {"id": record_id, "success": True, "errors": []}

    all_or_none = (request.param("allOrNone") or "").lower() == "true"
    rows: list[Row] = [{"id": each} for each in ids]
    return json_response(run_rows(org, Context.of(request), rows, work, all_or_none=all_or_none, refused={}))


def _retrieve(org: Org, request: Request, sobject: str, ids: list[str], fields: list[str]) -> Response:
    """One entry per id in order; null where there is no living record."""
    found = org.schema.require(sobject)
    if not ids or not fields:
        raise ApiError(400, "MISSING_ARGUMENT", "Both ids and fields are required")
    if len(ids) > RETRIEVE_MAX:
        raise ApiError(400, "LIMIT_EXCEEDED", f"more than {RETRIEVE_MAX} ids")
    listed: list[Row | None] = []
    for each in ids:
        record_id = validation.record_id_of(found, each)
        alive = validation.existence(org, found, record_id) is False
        listed.append(rest_records.as_json(org, request, found, record_id, fields) if alive else None)
    return json_response(listed)


@route("GET", "/services/data/{version}/composite/sobjects/{sobject}", since=42)
def retrieve(org: Org, request: Request, sobject: str) -> Response:
    ids, fields = ((request.param(name) or "").split(",") for name in ("ids", "fields"))
    return _retrieve(
        org, request, sobject, *([each.strip() for each in part if each.strip()] for part in (ids, fields))
    )


@route("POST", "/services/data/{version}/composite/sobjects/{sobject}", since=42)
def retrieve_by_body(org: Org, request: Request, sobject: str) -> Response:
    """The same with ids and fields in the body, for lists too long for an address."""
    body = request.json()
    ids, fields = (body.get(name) if isinstance(body, dict) else None for name in ("ids", "fields"))
    if not isinstance(ids, list) or not isinstance(fields, list):
        raise ApiError(
            400, "JSON_PARSER_ERROR", "The request body must be an object with lists ids and fields"
        )
    return _retrieve(org, request, sobject, [str(each) for each in ids], [str(each) for each in fields])
