"""`/composite` and `/composite/batch`: many requests in one call.

Source: REST API Developer Guide, "Composite" (25 parts, 5 of them queries or collections, one API call,
allOrNone, references) and "Batch" (25 parts, no references, each part counts).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from emulator import dispatch, references
from emulator.errors import ApiError
from emulator.jsontext import Raw, dumps, loads
from emulator.router import Request, Response, json_response, route

if TYPE_CHECKING:
    from emulator.org import Org

PARTS_MAX = 25
HEAVY_MAX = 5
_HEAVY = re.compile(r"/(query|queryall|composite/sobjects)(/|\?|$)", re.IGNORECASE)
_NESTED = re.compile(r"/composite(/batch|/graph|/tree)?/?(\?|$)", re.IGNORECASE)
PASSED_HEADERS = ("Location", "ETag", "Last-Modified")
ROLLED_BACK = "The transaction was rolled back since another operation in the same transaction failed."


class Undo(Exception):
    """Leave the transaction and everything written in it."""


@dataclass
class Part:
    """One part's reply. Its text goes out as it came; it is parsed only for who refers to it."""

    name: str
    status: int
    content: bytes
    headers: dict[str, str]

    @cached_property
    def body(self) -> Any:
        return loads(self.content) if self.content else None

    @property
    def failed(self) -> bool:
        return self.status >= 400

    @property
    def partly_failed(self) -> bool:
        """A collection answers 200 even when rows of it failed."""
        return isinstance(self.body, list) and any(
            isinstance(row, dict) and row.get("success") is False for row in self.body
        )

    def json(self) -> dict[str, Any]:
        return {
            "body": as_it_came(self.content),
            "httpHeaders": self.headers,
            "httpStatusCode": self.status,
            "referenceId": self.name,
        }


def as_it_came(content: bytes) -> Raw | None:
    """A reply's body as a part of a larger one."""
    return Raw(content) if content else None


def halted(name: str, message: str = ROLLED_BACK) -> Part:
    return Part(name, 400, dumps([{"errorCode": "PROCESSING_HALTED", "message": message}]), {})


def send(
    org: Org, outer: Request, method: str, url: str, body: Any, headers: dict[str, str], *, counted: bool
) -> Response:
    """Perform one part as the outer call's user."""
    content = b"" if body is None else dumps(body)
    inner = Request.to(method, url, {**headers, "Content-Type": "application/json"}, content, outer.base_url)
    inner.user_id, inner.session = outer.user_id, outer.session
    if len(url) > dispatch.URI_MAX:
        raise ApiError(414, "URI_TOO_LONG", "the address of a part is too long")
    return dispatch.perform(org, inner, counted=counted)


def run_part(org: Org, outer: Request, part: dict[str, Any], replies: dict[str, Part]) -> Part:
    """One part with its references filled in; its reply joins `replies` when it succeeded."""
    name = part["referenceId"]
    try:
        url = references.fill_url(part["url"], replies)
        body = references.fill(part.get("body"), replies)
        headers = references.fill(part.get("httpHeaders") or {}, replies)
    except references.Unresolved as problem:
        return halted(name, str(problem))
    try:
        response = send(org, outer, part["method"], url, body, headers, counted=False)
    except ApiError as error:
        return Part(name, error.status, dumps(error.body()), {})
    passed = {key: value for key in PASSED_HEADERS if (value := response.header(key)) is not None}
    reply = Part(name, response.status, response.content(), passed)
    if not reply.failed:
        replies[name] = reply
    return reply


def run_all(org: Org, outer: Request, parts: list[dict[str, Any]], *, all_or_none: bool) -> list[Part]:
    """All parts in order; with `all_or_none` the first failure undoes everything."""
    replies: dict[str, Part] = {}
    done: list[Part] = []
    try:
        with org.storage.transaction():
            for part in parts:
                done.append(run_part(org, outer, part, replies))
                if all_or_none and (done[-1].failed or done[-1].partly_failed):
                    raise Undo
    except Undo:
        culprit = done[-1]
        return [
            culprit if part["referenceId"] == culprit.name else halted(part["referenceId"]) for part in parts
        ]
    return done


def read_parts(body: Any, key: str = "compositeRequest", most: int = PARTS_MAX) -> list[dict[str, Any]]:
    """The parts of a call, each with a method and an address of this server."""
    parts = body.get(key) if isinstance(body, dict) else None
    if not isinstance(parts, list) or not parts or not all(isinstance(each, dict) for each in parts):
        raise ApiError(
            400, "JSON_PARSER_ERROR", f"The request body must be an object with a non-empty list {key}"
        )
    if len(parts) > most:
        raise ApiError(
            400, "LIMIT_EXCEEDED", f"The request has {len(parts)} subrequests; the limit is {most}."
        )
    for part in parts:
        if not isinstance(part.get("method"), str) or not isinstance(part.get("url"), str):
            raise ApiError(400, "INVALID_FIELD", "Each subrequest needs a method and a url")
        if not isinstance(part.get("httpHeaders") or {}, dict):
            raise ApiError(400, "JSON_PARSER_ERROR", "httpHeaders must be an object")
    return parts


@route("POST", "/services/data/{version}/composite", since=38)
def composite(org: Org, request: Request) -> Response:
    body = request.json()
    parts = read_parts(body)
    references.check_ids(parts)
    if sum(bool(_HEAVY.search(part["url"])) for part in parts) > HEAVY_MAX:
        raise ApiError(
            400,
            "LIMIT_EXCEEDED",
            f"A composite request can have {HEAVY_MAX} query or sObject Collections subrequests.",
        )
    for part in parts:
        if not part["url"].startswith("/services/data/") or _NESTED.search(part["url"].split("?")[0]):
            raise ApiError(
                400, "INVALID_REQUEST", f"The url {part['url']} can't be part of a composite request"
            )
    done = run_all(org, request, parts, all_or_none=body.get("allOrNone") is True)
    return json_response({"compositeResponse": [each.json() for each in done]})


@route("POST", "/services/data/{version}/composite/batch", counts=False, since=34)
def batch(org: Org, request: Request) -> Response:
    """Parts in order, without references; `haltOnError` skips the rest with 412."""
    body = request.json()
    parts = read_parts(body, "batchRequests")
    results: list[dict[str, Any]] = []
    stop = False
    for part in parts:
        if stop:
            skipped = [
                {"errorCode": "BATCH_PROCESSING_HALTED", "message": "Batch processing halted per request"}
            ]
            results.append({"statusCode": 412, "result": skipped})
            continue
        url = part["url"] if part["url"].startswith("/") else f"/services/data/{part['url']}"
        response = send(org, request, part["method"], url, part.get("richInput"), {}, counted=True)
        results.append({"statusCode": response.status, "result": as_it_came(response.content())})
        stop = response.status >= 400 and body.get("haltOnError") is True
    failed = any(each["statusCode"] >= 400 for each in results)
    return json_response({"hasErrors": failed, "results": results})


@route("GET", "/services/data/{version}/composite", since=38)
def resources(org: Org, request: Request) -> Response:
    base = f"/services/data/v{request.version}/composite"
    return json_response({"batch": f"{base}/batch", "graph": f"{base}/graph", "sobjects": f"{base}/sobjects"})
