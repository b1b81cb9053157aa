"""`/query`, `/queryAll` and the pages that follow.

Source: REST API Developer Guide, "Query", "QueryAll", "Query Options Header"; page sizes from 200 to 2,000.
Assumed: an org keeps the newest 50 result sets; a locator lives `locator_ttl` seconds after its last use.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulator import slowness
from emulator.errors import ApiError
from emulator.ids import to_18
from emulator.queries import Row, Spool, children_of, compiled, rows_of
from emulator.router import Request, Response, json_response, route
from emulator.soql.plan import ChildPlan, Plan, Shape, describe_column

if TYPE_CHECKING:
    from emulator.org import Org

KEPT = 50
BATCH_SIZE = re.compile(r"\bbatchSize\s*=\s*(\d+)", re.IGNORECASE)
LOCATOR = re.compile(r"(01g\w{12}(?:\w{3})?)-(\d+)\Z")


@dataclass
class ResultSet:
    """Rows under way to a client: of a query, or of one parent's child query."""

    locator: str
    spool: Spool
    shape: Shape
    children: list[ChildPlan]
    user_id: str
    used_ms: int


class Cursors:
    """The open result sets of an org."""

    def __init__(self) -> None:
        self._sets: OrderedDict[str, ResultSet] = OrderedDict()
        self._lock = threading.Lock()

    def open(
        self, org: Org, user_id: str, spool: Spool, shape: Shape, children: list[ChildPlan]
    ) -> ResultSet:
        with org.storage.transaction():  # remembered, so that no locator is given twice, restarts included
            locator = org.ids.next("01g")
        made = ResultSet(locator, spool, shape, children, user_id, org.now_ms())
        with self._lock:
            self._sets[locator] = made
            while len(self._sets) > KEPT:
                self._sets.popitem(last=False)
        return made

    def find(self, org: Org, user_id: str, locator: str) -> ResultSet:
        """Raises INVALID_QUERY_LOCATOR for one that is unknown, expired, or another user's."""
        now = org.now_ms()
        with self._lock:
            found = self._sets.get(locator)
            if found is not None and now - found.used_ms > org.settings.locator_ttl * 1000:
                del self._sets[locator]
                found = None
            if found is None or found.user_id != user_id:
                raise invalid_locator()
            found.used_ms = now
            self._sets.move_to_end(locator)
            return found

    def expire_all(self) -> None:
        """For tests and fault scripts: every locator is forgotten."""
        with self._lock:
            self._sets.clear()


def invalid_locator() -> ApiError:
    return ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")


def cursors_of(org: Org) -> Cursors:
    made: Cursors = org.extensions.setdefault("cursors", Cursors())
    return made


def page_size(org: Org, request: Request) -> int:
    """What the header asks for, within the org's bounds."""
    found = BATCH_SIZE.search(request.headers.get("sforce-query-options", ""))
    if found is None:
        return org.settings.page_size
    return max(org.settings.page_size_min, min(org.settings.page_size_max, int(found[1])))


@route("GET", "/services/data/{version}/query")
def query(org: Org, request: Request) -> Response:
    return _query(org, request, all_rows=False)


@route("GET", "/services/data/{version}/queryAll")
def query_all(org: Org, request: Request) -> Response:
    return _query(org, request, all_rows=True)


def _query(org: Org, request: Request, *, all_rows: bool) -> Response:
    statement = request.param("q")
    if statement is None:
        raise ApiError(400, "MALFORMED_QUERY", "A query string has to be specified")
    plan = compiled(org, request.user_id, statement, all_rows=all_rows)
    if (request.param("columns") or "").lower() == "true":
        return json_response(_columns(plan))
    if plan.count_only:
        total = next(iter(rows_of(org, plan)))[0]
        slowness.found(org, plan.sobject.name, total)
        return json_response({"totalSize": total, "done": True, "records": []})
    size = page_size(org, request)
    if plan.shape is None:
        return json_response(_aggregates(org, plan))
    spool = Spool(rows_of(org, plan))
    slowness.found(org, plan.sobject.name, spool.count)
    opened = ResultSet("", spool, plan.shape, plan.children, request.user_id, 0)
    if spool.count > size:
        opened = cursors_of(org).open(org, request.user_id, spool, plan.shape, plan.children)
    return json_response(_page(org, request, opened, 0, size))


def _aggregates(org: Org, plan: Plan) -> dict[str, Any]:
    """Groups come in one page or not at all. Source: SOQL and SOSL Reference, GROUP BY and queryMore()."""
    records = [plan.aggregate_row(row) for row in rows_of(org, plan)]
    if len(records) > org.settings.page_size_max:
        raise ApiError(
            400,
            "EXCEEDED_ID_LIMIT",
            "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch",
        )
    return {"totalSize": len(records), "done": True, "records": records}


def _columns(plan: Plan) -> dict[str, Any]:
    """The reply to `columns=true`: what the statement selects, without running it."""
    columns = (
        plan.columns if plan.shape is None else [plan.columns[index] for index in plan.selected if index >= 0]
    )
    names = plan.names or [
        each for each, index in zip(plan.headings, plan.selected, strict=True) if index >= 0
    ]
    return {
        "columnMetadata": [describe_column(name, each) for name, each in zip(names, columns, strict=False)],
        "entityName": plan.sobject.name,
        "groupBy": plan.shape is None,
        "idSelected": any(name.lower() == "id" for name in names),
        "keyPrefix": plan.sobject.key_prefix,
    }


@route("GET", "/services/data/{version}/query/{locator}")
def query_more(org: Org, request: Request, locator: str) -> Response:
    found = LOCATOR.match(locator)
    known = to_18(found[1]) if found else None
    if found is None or known is None:
        raise invalid_locator()
    opened = cursors_of(org).find(org, request.user_id, known)
    start = int(found[2])
    if start >= opened.spool.count:
        raise invalid_locator()
    return json_response(_page(org, request, opened, start, page_size(org, request)))


@route("GET", "/services/data/{version}/queryAll/{locator}")
def query_all_more(org: Org, request: Request, locator: str) -> Response:
    return query_more(org, request, locator)


def _page(org: Org, request: Request, opened: ResultSet, start: int, size: int) -> dict[str, Any]:
    rows = list(opened.spool.read(start, size))
    after = start + len(rows)
    reply: dict[str, Any] = {"totalSize": opened.spool.count, "done": after >= opened.spool.count}
    if not reply["done"]:
        reply["nextRecordsUrl"] = f"/services/data/v{request.version}/query/{opened.locator}-{after}"
    reply["records"] = _records(org, request, opened.shape, opened.children, rows, size)
    return reply


def _records(
    org: Org, request: Request, shape: Shape, children: list[ChildPlan], rows: list[Row], size: int
) -> list[Any]:
    prefix = f"/services/data/v{request.version}/sobjects/"

    def url(kind: str, key: str) -> str:
        return f"{prefix}{kind}/{key}"

    replies = [
        {parent: _child_set(org, request, plan, of_parent, size) for parent, of_parent in found.items()}
        for plan, found in zip(children, children_of(org, children, shape, rows), strict=True)
    ]
    return [shape.value(row, replies, url) for row in rows]


def _child_set(org: Org, request: Request, plan: ChildPlan, rows: list[Row], size: int) -> dict[str, Any]:
    """One parent's children: a result set of its own, with its own pages."""
    spool = Spool(rows)
    opened = ResultSet("", spool, plan.shape, plan.children, request.user_id, 0)
    if len(rows) > size:
        opened = cursors_of(org).open(org, request.user_id, spool, plan.shape, plan.children)
    return _page(org, request, opened, 0, size)
