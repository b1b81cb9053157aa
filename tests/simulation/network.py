"""The wire between the program and the org, inside one process: what can go wrong with a request goes wrong here."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import requests
import urllib3
from requests.adapters import BaseAdapter

from emulator.errors import ApiError
from emulator.fault_kinds import HTML, Fault, shortened, unauthorized
from emulator.router import Request, Response, error_response

if TYPE_CHECKING:
    from tests.simulation.processes import SimApp

URL = "https://sim.example.my.salesforce.com"
WRONG_BY = timedelta(hours=3)  # a Date header, ahead
LATENCY = 0.04  # seconds each way

# What may happen instead of the request reaching the org, and after the org did the work.
ALWAYS = (
    "refused", "cut_before", "ack_lost", "busy_before", "busy_later", "server_error_after", "gateway_after",
    "html_before", "html_after", "empty", "truncated", "session_ended", "jwt_ended", "quota", "no_date", "wrong_date", "slow",
)  # fmt: skip
WRITES = ("read_only", "short_results", "row_locked", "row_duplicate", "row_refused", "row_unanswered")
ROWS = {
    "row_locked": "UNABLE_TO_LOCK_ROW",
    "row_duplicate": "DUPLICATE_VALUE",
    "row_refused": "FIELD_CUSTOM_VALIDATION_EXCEPTION",
    "row_unanswered": "UNABLE_TO_LOCK_ROW",  # refused, and the list of results ends before it
}
FAULTS: dict[str, tuple[str, ...]] = {
    "login": ("refused", "cut_before", "ack_lost", "busy_before", "html_before", "empty", "invalid_grant"),
    "versions": ("refused", "cut_before", "ack_lost", "busy_before", "html_before", "truncated", "empty"),
    "describe": ALWAYS,
    "poll": (*ALWAYS, "short_results"),
    "query": ALWAYS,
    "more": (*ALWAYS, "stale_locator"),
    "bulk": tuple(fault for fault in ALWAYS if fault != "no_date"),
    "standings": (*ALWAYS, *WRITES),
    "accounts": (*ALWAYS, *WRITES),
    "tasks": (*ALWAYS, *WRITES),
    "task_changes": (*ALWAYS, *WRITES),
    "payouts": (*ALWAYS, *WRITES),
    "bell": ALWAYS,
}
WRITING = ("standings", "accounts", "tasks", "task_changes", "payouts")
KINDS = sorted({fault for faults in FAULTS.values() for fault in faults})
_OBJECT = re.compile(rb'"type": ?"(\w+)"')


def kind_of(method: str, path: str, body: bytes) -> str:
    """Which of the program's requests this is."""
    if "/oauth2/token" in path:
        return "login"
    if path.rstrip("/").endswith("/services/data"):
        return "versions"
    if "/jobs/" in path:
        return "bulk"
    if "/actions/" in path:
        return "bell"
    if "/query/0" in path or re.search(r"/query(All)?/\w", path):
        return "more"
    if "/composite" in path and b"/composite/sobjects" in body:
        found = _OBJECT.search(body)
        sobject = found[1].decode() if found else ""
        if sobject == "Task":
            return "tasks" if b'"POST"' in body else "task_changes"
        return {"Rebate_Standing__c": "standings", "Rebate_Payout__c": "payouts"}.get(sobject, "accounts")
    if "/composite" in path:
        return "poll" if b"queryAll" in body or b"/query" in body else "describe"
    return "query"


class Wire(BaseAdapter):
    """Answers the session's requests from the org in process, with what the tape says about each."""

    def __init__(self, app: SimApp) -> None:
        super().__init__()
        self._app = app

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        body = request.body or b""
        content = (
            body.encode()
            if isinstance(body, str)
            else b"".join(body)
            if not isinstance(body, bytes)
            else body
        )
        address = request.path_url
        kind = kind_of(str(request.method), address, content)
        fault = self._app.world.request_point(self._app, kind, FAULTS[kind])
        headers = {k: str(v) for k, v in request.headers.items() if k.lower() != "accept-encoding"}
        asked = Request.to(str(request.method), address, headers, content, base_url=URL)
        reply = self._answered(asked, fault, request)
        self._app.world.answered(self._app, kind, reply.status, fault)
        return _as_requests(reply, request)

    def close(self) -> None:
        pass

    def _answered(self, asked: Request, fault: list[Any] | None, sent: requests.PreparedRequest) -> Response:
        world = self._app.world
        world.clock.sleep(LATENCY)
        name = fault[0] if fault else ""
        if name == "slow":
            world.clock.sleep(30)
        before = _before(name, sent)
        if before is not None:
            return before
        world.reaching()
        if name in ROWS:
            assert fault is not None
            nth = 1 + fault[1] % 3 if name != "row_unanswered" else max(1, len(_OBJECT.findall(asked.body)))
            struck = Fault(
                "row_error",
                path="^(Rebate_Standing__c|Rebate_Payout__c|Account|Task)$",
                nth=nth,
                code=ROWS[name],
            )
            struck.times = 1 + fault[2] % 2
            world.org.faults.add(struck)
            try:
                reply = world.org.handle(asked)
            finally:
                world.org.faults.clear()
        else:
            reply = world.org.handle(asked)
        world.clock.sleep(LATENCY)
        return _after(name, reply, sent)


def _before(name: str, sent: requests.PreparedRequest) -> Response | None:
    if name == "refused":
        cause = urllib3.exceptions.NewConnectionError(None, "refused")  # type: ignore[arg-type]
        raise requests.ConnectionError(urllib3.exceptions.MaxRetryError(None, "", cause), request=sent)  # type: ignore[arg-type]
    if name == "cut_before":
        raise requests.ConnectionError(
            urllib3.exceptions.ProtocolError("cut", ConnectionResetError()), request=sent
        )
    if name == "busy_before":
        return error_response(ApiError(503, "SERVER_UNAVAILABLE", "Server too busy. Please try again."))
    if name == "busy_later":
        reply = error_response(ApiError(503, "SERVER_UNAVAILABLE", "Server too busy. Please try again."))
        reply.set_header("Retry-After", "3600")
        return reply
    if name == "html_before":
        return Response(200, [("Content-Type", "text/html")], HTML)
    if name == "session_ended":
        return unauthorized("session")
    if name == "jwt_ended":
        return unauthorized("jwt")
    if name == "quota":
        return error_response(ApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."))
    if name == "stale_locator":
        return error_response(ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator"))
    if name == "read_only":
        code = "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"
        return error_response(ApiError(503, code, "The system is in read-only mode."))
    if name == "invalid_grant":
        return Response(400, [("Content-Type", "application/json")], b'{"error":"invalid_grant"}')
    return None


def _after(name: str, reply: Response, sent: requests.PreparedRequest) -> Response:
    if name == "ack_lost":
        raise requests.ConnectionError(
            urllib3.exceptions.ProtocolError("cut", ConnectionResetError()), request=sent
        )
    if name == "server_error_after":
        return error_response(ApiError(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred."))
    if name == "gateway_after":
        return Response(502, [("Content-Type", "text/html")], HTML)
    if name == "html_after":
        return Response(200, [("Content-Type", "text/html")], HTML)
    if name == "empty":
        reply.body = b""
    elif name == "truncated":
        reply.cut_after = len(reply.content()) // 2
    elif name == "no_date":
        reply.headers = [pair for pair in reply.headers if pair[0] != "Date"]
    elif name == "wrong_date":
        wrong = parsedate_to_datetime(str(reply.header("Date"))) + WRONG_BY
        reply.set_header("Date", format_datetime(wrong, usegmt=True))
    elif name in ("short_results", "row_unanswered") and reply.status == 200:
        return _short(reply)
    return reply


def _short(reply: Response) -> Response:
    """The last of the inner results is missing."""
    import json

    data = json.loads(reply.content())
    parts = data.get("compositeResponse") if isinstance(data, dict) else None
    inner = parts[0].get("body") if parts else None
    if isinstance(inner, list) and inner:
        inner.pop()
        reply.body = json.dumps(data).encode()
        return reply
    return shortened(reply, reply.content())


class _Cut(io.BytesIO):
    """A body that breaks off with a reset connection."""

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if not data:
            raise ConnectionResetError
        return data

    def read1(self, size: int | None = -1) -> bytes:
        return self.read(size)


def _as_requests(reply: Response, sent: requests.PreparedRequest) -> requests.Response:
    content = reply.content()
    raw_body = io.BytesIO(content) if reply.cut_after is None else _Cut(content[: reply.cut_after])
    made = requests.Response()
    made.status_code = reply.status
    made.headers.update(dict(reply.headers))
    made.raw = urllib3.HTTPResponse(
        body=raw_body, headers=dict(reply.headers), status=reply.status, preload_content=False
    )
    made.request = sent
    made.url = str(sent.url)
    made.encoding = "utf-8"
    return made
