"""Reading over REST: descriptions, the one-call poll, and paged queries that stay on this org."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from connector import limits
from connector.errors import (
    Ambiguous,
    Misconfigured,
    SyncError,
    Transient,
    UnknownReply,
    WindowLost,
    classify,
)
from connector.facade import OrgApi
from connector.hosts import check_path
from connector.pages import page_of
from connector.port import Page
from connector.problems import Problem, names_in, problems_in
from connector.replies import Call
from connector.retry import Safety
from connector.select_list import columns_of, object_of
from mappings.describe import ObjectDescribe

_DESCRIBE = Call("describe")
PAGE_SIZE = {"Sforce-Query-Options": f"batchSize={limits.QUERY_PAGE_ROWS}"}


class Rest:
    """Reads of one org. `version` is the path's, as `68.0`."""

    def __init__(self, api: OrgApi, *, version: str, host_bytes: int) -> None:
        self._api = api
        self._root = f"/services/data/v{version}"
        self._host_bytes = host_bytes
        self._rows_before: dict[str, int] = {}  # by locator handed out: rows of its query on earlier pages

    # --- composite -------------------------------------------------------------------------------------
    def composite(self, parts: Sequence[Mapping[str, Any]], call: Call) -> list[Mapping[str, Any]]:
        """One composite call; the parts' answers in the order asked, each with `httpStatusCode` and `body`."""
        reply = self._api.post(
            "composite",
            {"allOrNone": False, "collateSubrequests": False, "compositeRequest": list(parts)},
            call,
        )
        lost = Transient if call.safety is Safety.READ else Ambiguous
        answers = reply.get("compositeResponse") if isinstance(reply, dict) else None
        if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
            raise lost("NOT_A_COMPOSITE", sobject=call.sobject)
        by_id = {answer.get("referenceId"): answer for answer in answers}
        if len(answers) != len(parts) or any(part["referenceId"] not in by_id for part in parts):
            raise lost(
                "PARTS_MISSING", sobject=call.sobject, detail=f"{len(answers)} of {len(parts)} answers"
            )
        return [by_id[part["referenceId"]] for part in parts]

    def describe(self, objects: Sequence[str]) -> dict[str, ObjectDescribe | None]:
        """Descriptions by the names asked for, None where the object does not exist for this user."""
        found: dict[str, ObjectDescribe | None] = {}
        names = list(dict.fromkeys(objects))
        for start in range(0, len(names), limits.COMPOSITE_PARTS):
            batch = names[start : start + limits.COMPOSITE_PARTS]
            parts = [
                {
                    "method": "GET",
                    "url": f"{self._root}/sobjects/{quote(name, safe='')}/describe",
                    "referenceId": f"d{index}",
                }
                for index, name in enumerate(batch)
            ]
            found |= self._api.repeat(_DESCRIBE, partial(self._described, batch, parts))
        return found

    def _described(
        self, names: Sequence[str], parts: Sequence[Mapping[str, Any]]
    ) -> dict[str, ObjectDescribe | None]:
        found: dict[str, ObjectDescribe | None] = {}
        for name, answer in zip(names, self.composite(parts, _DESCRIBE), strict=True):
            if status_of(answer) == 200:
                found[name] = _describe_of(answer.get("body"), name)
            elif status_of(answer) == 404:
                found[name] = None
            else:
                raise part_error(answer, name)
        return found

    def record_counts(self, objects: Sequence[str]) -> dict[str, int]:
        """About how many records each object has, deleted ones left out; one call. Needs View Setup."""
        names = quote(",".join(dict.fromkeys(objects)), safe=",")
        call = Call("record_count")

        def ask() -> dict[str, int]:
            reply = self._api.send("GET", f"limits/recordCount?sObjects={names}", None, call)
            found = reply.get("sObjects") if isinstance(reply, dict) else None
            if not isinstance(found, list):
                raise Transient("NOT_COUNTS", detail="a reply without sObjects")
            return {str(one["name"]): int(one["count"]) for one in found}

        return self._api.repeat(call, ask)

    # --- queries ---------------------------------------------------------------------------------------
    def poll(self, queries: Sequence[str]) -> list[Page]:
        """First pages of up to five queryAll queries, for one API call. WindowLost names the query (`at`) whose only
        page lacks rows."""
        if not 1 <= len(queries) <= limits.COMPOSITE_QUERIES:
            raise Misconfigured(
                "POLL_SIZE", detail=f"one to {limits.COMPOSITE_QUERIES} queries, not {len(queries)}"
            )
        call = Call("poll", numbers="text", answer="query", parts=len(queries))
        return self._api.repeat(call, partial(self._composite_queries, queries, "queryAll", call))

    def _composite_queries(self, queries: Sequence[str], resource: str, call: Call) -> list[Page]:
        columns = [columns_of(soql) for soql in queries]
        parts = [
            {
                "method": "GET",
                "url": f"{self._root}/{resource}?{urlencode({'q': soql}, quote_via=quote)}",
                "referenceId": f"q{index}",
                "httpHeaders": PAGE_SIZE,
            }
            for index, soql in enumerate(queries)
        ]
        pages = []
        for index, answer in enumerate(self.composite(parts, call)):
            sobject = object_of(queries[index])
            if status_of(answer) != 200:
                error = part_error(answer, sobject)
                error.at = index
                raise error
            page = page_of(answer.get("body"), columns[index], sobject)
            if page.locator is not None:
                self._rows_before[page.locator] = page.table.num_rows
            elif columns[index] and page.total not in (None, page.table.num_rows):
                short = _rows_missing(sobject, page.table.num_rows, page.total)
                short.at = index
                raise short
            pages.append(page)
        return pages

    def query(
        self, soql: str, *, include_deleted: bool = False, locator: str | None = None
    ) -> Iterator[Page]:
        """Pages of up to 2,000 rows, from the start or from `locator`.

        The rows of a whole query are counted against `totalSize`. Raises WindowLost when a locator is gone or
        repeats itself: the window must be read again from its start.
        """
        columns, sobject = columns_of(soql), object_of(soql)
        call = Call("query", Safety.READ, sobject, numbers="text", answer="query")
        rows: int | None = 0  # None: an earlier process read the first pages, so the sum is not known
        if locator is None:
            page = self._first(soql, columns, include_deleted, call)
        else:
            page = self._more(locator, columns, call)
            rows = self._rows_before.pop(locator, None)
        seen: set[str] = set()
        while True:
            rows = None if rows is None else rows + page.table.num_rows
            following = page.locator
            if following is None and columns and None not in (rows, page.total) and rows != page.total:
                raise _rows_missing(sobject, rows, page.total)
            if following is not None and rows is not None:
                self._rows_before[following] = rows
            yield page
            if following is None:
                return
            if following in seen:
                raise WindowLost("LOCATOR_REPEATED", sobject=sobject)
            seen.add(following)
            page = self._more(following, columns, call)
            self._rows_before.pop(following, None)

    def _first(self, soql: str, columns: Sequence[str], include_deleted: bool, call: Call) -> Page:
        resource = "queryAll" if include_deleted else "query"

        def ask() -> Page:
            if self._host_bytes + len(resource) + len(quote(soql, safe="")) > limits.URI_BYTES:
                return self._composite_queries([soql], resource, call)[
                    0
                ]  # too long for an address, not for a body
            reply = self._api.query(soql, include_deleted=include_deleted, call=call, headers=PAGE_SIZE)
            return page_of(reply, columns, call.sobject)

        return self._api.repeat(call, ask)

    def tooling(self, soql: str) -> list[dict[str, Any]]:
        """Rows of a Tooling query, all pages, each without its `attributes`."""
        call = Call("tooling", answer="query")
        reply = self._tooling_page(f"tooling/query?q={quote(soql, safe='')}", call)
        rows = list(reply["records"])
        seen: set[str] = set()
        while not reply.get("done", True):
            following = check_path(str(reply.get("nextRecordsUrl")))
            if following in seen:
                raise WindowLost("LOCATOR_REPEATED", sobject=object_of(soql))
            seen.add(following)
            reply = self._tooling_page(following.removeprefix(f"{self._root}/"), call)
            rows += reply["records"]
        return [{name: value for name, value in row.items() if name != "attributes"} for row in rows]

    def _tooling_page(self, path: str, call: Call) -> Mapping[str, Any]:
        def ask() -> Mapping[str, Any]:
            reply = self._api.send("GET", path, None, call)
            if not isinstance(reply, dict) or not isinstance(reply.get("records"), list):
                raise Transient("NOT_A_QUERY_REPLY", detail="a tooling reply without records")
            return reply

        return self._api.repeat(call, ask)

    def _more(self, locator: str, columns: Sequence[str], call: Call) -> Page:
        path = check_path(locator)

        def ask() -> Page:
            reply = self._api.query_more(path, identifier_is_url=True, call=call, headers=PAGE_SIZE)
            return page_of(reply, columns, call.sobject)

        return self._api.repeat(call, ask)


def part_error(answer: Mapping[str, Any], sobject: str | None, safety: Safety = Safety.READ) -> SyncError:
    """The error that one part of a composite reply stands for; a server error of a write is ambiguous."""
    status = status_of(answer)
    problems = problems_in(answer.get("body"))
    problem: Problem | None = problems[0] if problems else None
    is_write = safety is not Safety.READ
    code = problem.code if problem else None
    step = classify(code, status, is_write=is_write) if status >= 300 else UnknownReply
    if status >= 500 and is_write:
        step = Ambiguous
    return step(
        problem.code if problem else f"HTTP_{status}",
        status=status,
        sobject=sobject,
        detail=names_in(problem) if problem else None,
    )


def _rows_missing(sobject: str | None, rows: int | None, total: int | None) -> WindowLost:
    return WindowLost("ROWS_MISSING", sobject=sobject, detail=f"{rows} of {total} rows arrived")


def status_of(answer: Mapping[str, Any]) -> int:
    value = answer.get("httpStatusCode")
    try:
        return int(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise Transient("NOT_A_COMPOSITE", detail="an answer without httpStatusCode") from None


def _describe_of(body: object, name: str) -> ObjectDescribe:
    if not isinstance(body, dict) or not isinstance(body.get("fields"), list):
        raise Transient("NOT_A_DESCRIBE", sobject=name)
    return ObjectDescribe.from_json(body)
