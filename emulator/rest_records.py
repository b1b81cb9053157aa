"""`/sobjects/{Object}…`: create, read, change, delete and upsert one record.

Source: REST API Developer Guide, "sObject Basic Information", "sObject Rows", "sObject Rows by External ID".
"""

from __future__ import annotations

import hashlib
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from emulator import records, validation, wire
from emulator.context import Context
from emulator.errors import ApiError, RecordError, not_found
from emulator.router import Request, Response, json_response, route
from emulator.schema import Field, SObject

if TYPE_CHECKING:
    from emulator.org import Org

ADDRESS_PARTS = (
    ("city", "City"), ("country", "Country"), ("geocodeAccuracy", "GeocodeAccuracy"), ("latitude", "Latitude"),
    ("longitude", "Longitude"), ("postalCode", "PostalCode"), ("state", "State"), ("street", "Street"),
)  # fmt: skip
ETAG_OBJECTS = frozenset({"Account"})


def record_url(version: str, sobject: SObject, record_id: str) -> str:
    return f"/services/data/v{version}/sobjects/{sobject.name}/{record_id}"


def compound_value(sobject: SObject, field: Field, values: dict[str, Any]) -> dict[str, Any] | None:
    """An address from its parts, or None when all are empty. `values` are encoded, by field name."""
    prefix = field.name[: -len("Address")]
    parts: dict[str, Any] = {}
    for key, part in ADDRESS_PARTS:
        piece = sobject.field(prefix + part)
        parts[key] = wire.rest_value(piece, values.get(piece.name)) if piece else None
    return parts if any(value is not None for value in parts.values()) else None


def as_json(
    org: Org, request: Request, sobject: SObject, record_id: str, fields: list[str] | None
) -> dict[str, Any]:
    """A record as the client sees it: attributes, then its fields."""
    values = records.read(org, request.user_id, sobject, record_id, fields)
    stored: dict[str, Any] | None = None
    out: dict[str, Any] = {
        "attributes": {"type": sobject.name, "url": record_url(request.version, sobject, record_id)}
    }
    for name, value in values.items():
        field = sobject.fields[name.lower()]
        if field.type == "address":
            stored = stored or records.fetch(org, sobject, record_id) or {}
            out[name] = compound_value(sobject, field, stored)
        else:
            out[name] = wire.rest_value(field, value)
    return out


@route("GET", "/services/data/{version}/sobjects/{sobject}/{record_id}")
def retrieve(org: Org, request: Request, sobject: str, record_id: str) -> Response:
    found = org.schema.require(sobject)
    _may_read(org, request, found)
    wanted = _record_id(found, record_id)
    return _retrieve(org, request, found, wanted)


def _retrieve(org: Org, request: Request, sobject: SObject, record_id: str) -> Response:
    listed = request.param("fields")
    fields = [each.strip() for each in listed.split(",") if each.strip()] if listed else None
    row = records.existing(org, sobject, record_id)
    tags = _tags(sobject, row)
    refused = _precondition(request, sobject, row)
    if refused == 304:
        return Response(304, tags)
    if refused:
        raise _precondition_failed()
    return json_response(as_json(org, request, sobject, record_id, fields), headers=tags)


@route("POST", "/services/data/{version}/sobjects/{sobject}")
def create(org: Org, request: Request, sobject: str) -> Response:
    found = org.schema.require(sobject)
    record_id = records.insert(org, Context.of(request), found.name, _object(request))
    return json_response(
        {"id": record_id, "success": True, "errors": []},
        201,
        [("Location", record_url(request.version, found, record_id))],
    )


@route("PATCH", "/services/data/{version}/sobjects/{sobject}/{record_id}")
def update(org: Org, request: Request, sobject: str, record_id: str) -> Response:
    found = org.schema.require(sobject)
    wanted = _record_id(found, record_id)
    values = _object(request)
    with org.storage.transaction():
        if _precondition(request, found, records.existing(org, found, wanted)):
            raise _precondition_failed()
        records.update(org, Context.of(request), found.name, wanted, values)
    return Response(204)


@route("DELETE", "/services/data/{version}/sobjects/{sobject}/{record_id}")
def delete(org: Org, request: Request, sobject: str, record_id: str) -> Response:
    found = org.schema.require(sobject)
    records.delete(org, Context.of(request), found.name, _record_id(found, record_id))
    return Response(204)


@route("GET", "/services/data/{version}/sobjects/{sobject}/{key_field}/{key}")
def retrieve_by_key(org: Org, request: Request, sobject: str, key_field: str, key: str) -> Response:
    found = org.schema.require(sobject)
    _may_read(org, request, found)
    return _retrieve(org, request, found, _by_key(org, request, found, key_field, key))


@route("DELETE", "/services/data/{version}/sobjects/{sobject}/{key_field}/{key}")
def delete_by_key(org: Org, request: Request, sobject: str, key_field: str, key: str) -> Response:
    found = org.schema.require(sobject)
    records.delete(org, Context.of(request), found.name, _by_key(org, request, found, key_field, key))
    return Response(204)


@route("PATCH", "/services/data/{version}/sobjects/{sobject}/{key_field}/{key}")
def upsert(org: Org, request: Request, sobject: str, key_field: str, key: str) -> Response:
    """201 created, 200 updated (204 before v46), 300 with the addresses when the key is not unique."""
    found = org.schema.require(sobject)
    values = _object(request)
    ctx = Context.of(request)
    field = records.key_of(org, ctx, found, key_field)
    if any(name.lower() in (field.name.lower(), "id") for name in values):
        raise RecordError(
            "INVALID_FIELD", f"The {field.name} field should not be specified in the sobject data."
        )
    try:
        record_id, created = records.upsert(org, ctx, found.name, field.name, key, values)
    except records.ManyMatches as many:
        return _many(request, found, many.ids)
    if not created and float(request.version) < 46:
        return Response(204)
    body: dict[str, Any] = {"id": record_id, "success": True, "errors": [], "created": created}
    return json_response(body, 201 if created else 200)


@route("POST", "/services/data/{version}/sobjects/{sobject}/{key_field}")
def create_by_key(org: Org, request: Request, sobject: str, key_field: str) -> Response:
    """`POST …/Account/Id` creates, as the guide's upsert example with an empty Id does."""
    if key_field.lower() != "id":
        raise not_found()
    return create(org, request, sobject)


def _by_key(org: Org, request: Request, sobject: SObject, key_field: str, key: str) -> str:
    ctx = Context(request.user_id, request.version)
    field = records.key_of(org, ctx, sobject, key_field)
    found = validation.find_by_key(org, sobject, field, wire.encode(field, key, bulk=True))
    if not found:
        raise not_found()
    if len(found) > 1:
        raise ApiError(300, "MULTIPLE_CHOICES", f"{len(found)} records have this {field.name}")
    return found[0]


def _many(request: Request, sobject: SObject, ids: list[str]) -> Response:
    return json_response([record_url(request.version, sobject, each) for each in ids], 300)


def _record_id(sobject: SObject, text: str) -> str:
    """An id in an address. One that is no id of this object is a 404, as recorded."""
    try:
        return validation.record_id_of(sobject, text)
    except RecordError as problem:
        raise ApiError(
            404, "NOT_FOUND", f"Provided external ID field does not exist or is not accessible: {text}"
        ) from problem


def _object(request: Request) -> dict[str, Any]:
    body = request.json() if request.body else {}
    if not isinstance(body, dict):
        raise ApiError(
            400, "JSON_PARSER_ERROR", "The HTTP entity body must be a JSON object at [line:1, column:1]"
        )
    return body


def _may_read(org: Org, request: Request, sobject: SObject) -> None:
    if not org.access.allows(request.user_id, sobject, "read"):
        raise not_found()


def _tags(sobject: SObject, row: dict[str, Any]) -> list[tuple[str, str]]:
    """ETag and Last-Modified; only Account rows carry them. Source: REST guide, "Conditional Requests"."""
    if sobject.name not in ETAG_OBJECTS:
        return []
    return [
        ("ETag", etag(row)),
        (
            "Last-Modified",
            format_datetime(wire.moment(row["LastModifiedDate"]).replace(microsecond=0), usegmt=True),
        ),
    ]


def etag(row: dict[str, Any]) -> str:
    digest = hashlib.sha256(f"{row['Id']}:{row['SystemModstamp']}".encode()).hexdigest()[:32]
    return f'"{digest}--gzip"'


def _precondition(request: Request, sobject: SObject, row: dict[str, Any]) -> int:
    """0 to go on, 304 for an unchanged read, 412 for a change nobody expected."""
    from emulator.conditions import evaluate

    if sobject.name not in ETAG_OBJECTS:
        return evaluate(request, None, row.get("LastModifiedDate"))
    return evaluate(request, etag(row), row.get("LastModifiedDate"))


def _precondition_failed() -> ApiError:
    return ApiError(412, "MATCH_PRECONDITION_FAILED", "Match precondition failed")
