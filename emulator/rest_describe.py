"""`/sobjects`, `/sobjects/{Object}` and `/sobjects/{Object}/describe`, with If-Modified-Since.

Source: REST API Developer Guide, "Describe Global", "sObject Basic Information", "sObject Describe".
"""

from __future__ import annotations

from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from emulator import jsontext, wire
from emulator.conditions import evaluate
from emulator.describe import base_url, describe, global_entry
from emulator.router import Request, Response, json_response, route
from emulator.schema import SObject
from emulator.storage import quote

if TYPE_CHECKING:
    from emulator.org import Org


def schema_changed_ms(org: Org) -> int:
    """When the schema last changed, to the second, as `Last-Modified` can say it.

    Rounded up: a client that asks with the time it got must not miss a change later in the same second.
    """
    seen = org.extensions.get("describe.seen")
    if seen is None or seen[0] != org.schema.version:
        seen = (org.schema.version, -(-org.now_ms() // 1000) * 1000)
        org.extensions["describe.seen"] = seen
    return int(seen[1])


def _conditional(org: Org, request: Request, body: Any) -> Response:
    changed = schema_changed_ms(org)
    headers = [("Last-Modified", format_datetime(wire.moment(changed), usegmt=True))]
    if evaluate(request, None, changed) == 304:
        return Response(304, headers)
    return json_response(body(), headers=headers)


@route("GET", "/services/data/{version}/sobjects")
def describe_global(org: Org, request: Request) -> Response:
    return _conditional(
        org,
        request,
        lambda: {
            "encoding": "UTF-8",
            "maxBatchSize": 200,
            "sobjects": [
                global_entry(each, request.version)
                for each in sorted(org.schema, key=lambda each: each.name)
                if org.access.allows(request.user_id, each, "read")
            ],
        },
    )


def _object(org: Org, request: Request, name: str) -> SObject:
    found = org.schema.require(name)
    if not org.access.allows(request.user_id, found, "read"):
        return org.schema.require("")
    return found


@route("GET", "/services/data/{version}/sobjects/{sobject}/describe")
def describe_object(org: Org, request: Request, sobject: str) -> Response:
    found = _object(org, request, sobject)
    return _conditional(org, request, lambda: _described(org, request, found))


def _described(org: Org, request: Request, sobject: SObject) -> jsontext.Raw:
    """The describe as text: of a big object it is hundreds of kilobytes, and every client that starts asks for it."""
    version, known = org.extensions.get("describe.texts", (None, {}))
    if version != org.schema.version:  # permissions count it up, too
        version, known = org.extensions["describe.texts"] = (org.schema.version, {})
    what = (request.user_id, sobject.name, request.version, request.base_url)
    if what not in known:
        known[what] = jsontext.dumps(
            describe(org, request.user_id, sobject, request.version, request.base_url)
        )
    return jsontext.Raw(known[what])


@route("GET", "/services/data/{version}/sobjects/{sobject}")
def basic_information(org: Org, request: Request, sobject: str) -> Response:
    """What the object is, and the records this session touched last (here: the newest five)."""
    found = _object(org, request, sobject)
    alive = 'WHERE NOT "IsDeleted"' if found.field("IsDeleted") else ""
    rows = org.storage.rows(f'SELECT "Id" FROM {quote(found.name)} {alive} ORDER BY "Id" DESC LIMIT 5')
    base = base_url(request.version, found)
    recent = [{"attributes": {"type": found.name, "url": f"{base}/{row[0]}"}, "Id": row[0]} for row in rows]
    return json_response({"objectDescribe": global_entry(found, request.version), "recentItems": recent})
