"""`/sobjects/{Object}/updated` and `/deleted`: what changed in a window, for clients that keep a copy.

Source: REST API Developer Guide, "sObject Get Updated", "sObject Get Deleted"; SOAP guide, getUpdated, getDeleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator import wire
from emulator.errors import ApiError
from emulator.router import Request, Response, json_response, route
from emulator.schema import SObject
from emulator.storage import quote

if TYPE_CHECKING:
    from emulator.org import Org

MINUTE = 60_000
DAY = 86_400_000
UPDATED_DAYS = 30
DELETED_DAYS = 15
IDS_MAX = 600_000


def _window(org: Org, request: Request, days: int) -> tuple[int, int]:
    """Start and end in whole minutes, as Salesforce ignores the seconds of both."""
    bounds = []
    for name in ("start", "end"):
        text = request.param(name)
        if not text:
            raise ApiError(400, "MISSING_ARGUMENT", f"The {name} parameter is required")
        ms = wire.parse_datetime(text.replace(" ", "+"))
        if ms is None:
            raise ApiError(400, "INVALID_REPLICATION_DATE", f"{name}: '{text}' is not a valid date and time")
        bounds.append(ms // MINUTE * MINUTE)
    start, end = bounds
    if start >= end:
        raise ApiError(
            400, "INVALID_REPLICATION_DATE", "endDate must be at least one minute greater than startDate"
        )
    if start < org.now_ms() - days * DAY:
        raise ApiError(
            400,
            "INVALID_REPLICATION_DATE",
            f"startDate before org's earliest available date: {days} days ago",
        )
    return start, end


def _replicated(org: Org, request: Request, name: str) -> SObject:
    found = org.schema.require(name)
    if not org.access.allows(request.user_id, found, "read"):
        return org.schema.require("")
    if not found.flag("replicateable") or found.field("SystemModstamp") is None:
        raise ApiError(400, "INVALID_TYPE", f"sObject type '{found.name}' cannot be replicated")
    return found


def _covered(org: Org, end: int) -> str:
    """How far the answer is complete: no transaction is older than now, for this org is never mid-transaction."""
    return wire.datetime_text(min(end, org.now_ms() // MINUTE * MINUTE))


@route("GET", "/services/data/{version}/sobjects/{sobject}/updated")
def updated(org: Org, request: Request, sobject: str) -> Response:
    found = _replicated(org, request, sobject)
    start, end = _window(org, request, UPDATED_DAYS)
    alive = ' AND NOT "IsDeleted"' if found.field("IsDeleted") else ""
    rows = org.storage.rows(
        f'SELECT "Id" FROM {quote(found.name)} WHERE "SystemModstamp" >= ? AND "SystemModstamp" < ?{alive}'
        f' ORDER BY "SystemModstamp", "Id" LIMIT {IDS_MAX + 1}',
        (start, end),
    )
    _check_count(len(rows))
    return json_response({"ids": [row[0] for row in rows], "latestDateCovered": _covered(org, end)})


@route("GET", "/services/data/{version}/sobjects/{sobject}/deleted")
def deleted(org: Org, request: Request, sobject: str) -> Response:
    found = _replicated(org, request, sobject)
    start, end = _window(org, request, DELETED_DAYS)
    rows = org.storage.rows(
        'SELECT "Id", ms FROM _deleted WHERE sobject = ? AND ms >= ? AND ms < ? ORDER BY ms, "Id"'
        f" LIMIT {IDS_MAX + 1}",
        (found.name, start, end),
    )
    _check_count(len(rows))
    return json_response(
        {
            "deletedRecords": [{"deletedDate": wire.datetime_text(ms), "id": each} for each, ms in rows],
            "earliestDateAvailable": wire.datetime_text(
                (org.now_ms() - DELETED_DAYS * DAY) // MINUTE * MINUTE
            ),
            "latestDateCovered": _covered(org, end),
        }
    )


def _check_count(count: int) -> None:
    if count > IDS_MAX:
        raise ApiError(400, "EXCEEDED_ID_LIMIT", f"more than {IDS_MAX} records; ask for a shorter window")
