"""The kinds of fault, and the replies they give in place of the real one."""

from __future__ import annotations

import gzip
import random
import re
from dataclasses import dataclass, field, fields
from typing import Any

from emulator import jsontext
from emulator.errors import ApiError
from emulator.router import Request, Response, error_response

HTML = b"<html><head><title>Down for Maintenance</title></head><body><h1>We are down for maintenance.</h1></body></html>"
BEFORE = frozenset(("status", "html", "reset", "unauthorized", "stale_locator", "read_only"))
AFTER = frozenset(
    (
        "delay",
        "truncate",
        "drop_header",
        "drop_ack",
        "lost_status",
        "empty",
        "late_commit",
        "short_results",
        "wrong_date",
    )
)
ROWS = frozenset(("row_error",))
CODES = {
    400: ("MALFORMED_QUERY", "unexpected token: '<EOF>'"),
    403: ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
    404: ("NOT_FOUND", "The requested resource does not exist"),
    500: (
        "UNKNOWN_EXCEPTION",
        "An unexpected error occurred. Please include this ErrorId if you contact support: 1",
    ),
    503: ("SERVER_UNAVAILABLE", "Server too busy. Please try again."),
}
LOCKED = "unable to obtain exclusive access to this record or 1 records: {id}"
# What a row says when automation met that lock; uncaught, both quote the inner code. Source: texts of such errors as
# people quote them.
WRAPPED = {
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": (
        "KeepTotals: execution of AfterUpdate\n\ncaused by: System.DmlException: Update failed. First exception on row 0"
        f" with id {{id}}; first error: UNABLE_TO_LOCK_ROW, {LOCKED}: []\n\nTrigger.KeepTotals: line 14, column 1"
    ),
    "CANNOT_EXECUTE_FLOW_TRIGGER": (
        "We can't save this record because the \u201cKeep Totals\u201d process failed. Give your Salesforce admin these"
        f" details. This error occurred when the flow tried to update records: UNABLE_TO_LOCK_ROW: {LOCKED}."
    ),
}
READ_ONLY = "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"
READING_POSTS = re.compile(r"/oauth2/|/jobs/query|^/emulator/|/composite/?$|/composite/batch", re.IGNORECASE)


@dataclass
class Fault:
    """One thing that goes wrong.

    It strikes matches `nth … nth + times - 1` (times 0: for ever), each with `chance` percent. `kind` says how:
    before the org hears of the request: `status` (with `code`, `message` or a raw `body`), `html`, `reset`,
    `unauthorized` (`shape` session, jwt, bulk, identity or html), `stale_locator`, `read_only`;
    after it did the work: `delay` seconds, `truncate` to `bytes`, `drop_header` `header`, `drop_ack` (the
    connection is reset), `lost_status` (a `status` instead of the reply), `empty`, `short_results` (the last of a list of results is
    missing), `late_commit` (what was written shows only `seconds` later, under its earlier stamps), `wrong_date` (the Date header
    is `seconds` ahead); on records: `row_error` with `code` for
    the records in `ids` (their own or a parent's id, or a key), or for all.
    """

    kind: str
    method: str = "*"
    path: str = ""  # a regular expression searched for in the address, any case
    nth: int = 1
    times: int = 1
    chance: int = 100
    status: int = 503
    code: str = ""
    message: str = ""
    body: str | None = None
    content_type: str = "application/json;charset=UTF-8"
    seconds: float = 0.0
    bytes: int = 0
    header: str = ""
    shape: str = "session"
    ids: list[str] = field(default_factory=list)
    seen: int = 0
    struck: int = 0

    def __post_init__(self) -> None:
        if self.kind not in BEFORE | AFTER | ROWS:
            known = ", ".join(sorted(BEFORE | AFTER | ROWS))
            raise ValueError(f"no fault of kind '{self.kind}'; there are {known}")
        re.compile(self.path)
        self.seconds = float(self.seconds)

    @classmethod
    def of(cls, data: dict[str, Any]) -> Fault:
        """From JSON; unknown keys are refused."""
        known = {each.name for each in fields(cls)} - {"seen", "struck"}
        unknown = sorted(data.keys() - known)
        if unknown:
            raise ValueError(f"a fault has no '{unknown[0]}'; it has {', '.join(sorted(known))}")
        return cls(**data)

    def strikes(self, chance: random.Random) -> bool:
        """Counts one match, and says whether this is one to strike."""
        self.seen += 1
        due = self.seen >= self.nth and (self.times == 0 or self.struck < self.times)
        if not due or (self.chance < 100 and chance.randrange(100) >= self.chance):
            return False
        self.struck += 1
        return True


def shortened(reply: Response, content: bytes) -> Response:
    """A reply that is a JSON list, or holds one, without its last element."""
    packed = reply.header("Content-Encoding") == "gzip"
    data = jsontext.loads(gzip.decompress(content) if packed else content)
    results = data
    if isinstance(data, dict):
        results = next(
            (data[key] for key in ("records", "compositeResponse", "results") if key in data), None
        )
    if isinstance(results, list) and results:
        results.pop()
    reply.headers = [pair for pair in reply.headers if pair[0].lower() != "content-encoding"]
    reply.body = jsontext.dumps(data)
    return reply


def writes(request: Request) -> bool:
    """Whether a request means to change records; a composite call does when one of its parts does."""
    if request.method in ("GET", "HEAD"):
        return False
    if re.search(r"/composite/?$", request.path.partition("?")[0], re.IGNORECASE):
        sent = request.json()
        parts = sent.get("compositeRequest") if isinstance(sent, dict) else None
        return any(
            str(part.get("method", "GET")).upper() != "GET" for part in parts or () if isinstance(part, dict)
        )
    return not READING_POSTS.search(request.path)


def unauthorized(shape: str) -> Response:
    """The ways an expired session looks. Source: REST guide status codes; identity URL; Bulk API 1.0 guide."""
    if shape == "jwt":
        return error_response(ApiError(401, "INVALID_AUTH_HEADER", "INVALID_JWT_FORMAT"))
    if shape == "bulk":
        body = b'{"exceptionCode":"InvalidSessionId","exceptionMessage":"Invalid session id"}'
        return Response(400, [("Content-Type", "application/json;charset=UTF-8")], body)
    if shape == "identity":
        return Response(403, [("Content-Type", "text/html;charset=UTF-8")], b"Bad_OAuth_Token")
    if shape == "html":
        return Response(401, [("Content-Type", "text/html;charset=UTF-8")], HTML)
    return error_response(ApiError(401, "INVALID_SESSION_ID", "Session expired or invalid"))
