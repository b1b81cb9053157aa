"""From a request to a reply: sizes, versions, sessions, quota, compression, errors.

Sources: REST API Developer Guide, "Headers", "Compression", "Status Codes and Error Responses".
"""

from __future__ import annotations

import gzip
import importlib
import zlib
from collections.abc import Iterator
from email.utils import format_datetime
from typing import TYPE_CHECKING

from emulator import auth, router, slowness
from emulator.errors import ApiError, RecordError
from emulator.pretty import pretty
from emulator.router import Request, Response, error_response

if TYPE_CHECKING:
    from emulator.org import Org

URI_MAX = 16_384
COMPRESS_FROM = 1024
OVERRIDABLE = ("PATCH", "PUT", "DELETE", "HEAD")
HANDLERS = (
    "auth_rest", "web_login", "identity_rest", "order_rules", "permission_rules", "discovery", "rest_describe", "rest_records", "replication", "limits",
    "composite", "collection_rest", "graph",
    "rest_query", "bulk_query", "bulk_ingest",
    "metadata_rest", "tooling", "actions", "admin",
)  # fmt: skip
"""Modules whose import registers routes."""
_loaded = False


def load_handlers() -> None:
    """Import every module that registers routes, once."""
    global _loaded
    if not _loaded:
        for name in HANDLERS:
            importlib.import_module(f"emulator.{name}")
        _loaded = True


def handle(org: Org, request: Request) -> Response:
    """Answer a request that came over the wire."""
    load_handlers()
    too_long = _too_long(request)
    if too_long is not None:
        return too_long
    slowness.begin()
    try:
        _unpack(request)
        _override_method(request)
        response = perform(org, request, counted=True)
    except ApiError as error:
        response = error_response(error)
    response.delay += slowness.taken()
    _lay_out(request, response)
    if request.method == "HEAD":
        response.body = b""
    response.set_header("Date", format_datetime(org.now().replace(microsecond=0), usegmt=True))
    response.headers.append(("Cache-Control", "no-cache,must-revalidate,max-age=0,no-store,private"))
    response.headers.append(("Vary", "Accept-Encoding"))
    return _pack(request, response)


def perform(org: Org, request: Request, *, counted: bool) -> Response:
    """Find and call the handler. Composite calls come here with `counted=False` for each of their parts."""
    used = False
    try:
        found = _find(org, request)
        if found[0].auth and not request.user_id:
            auth.authenticate(org, request)
        _check_version(found[1], found[0].since)
        if counted and found[0].counts:
            if org.usage.used(org.now_ms()) >= org.settings.api_max:
                raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
            org.usage.count(org.now_ms(), "/".join(found[0].segments[3:4]))
            used = True
        response = router.call(org, request, found)
    except ApiError as error:
        response = error_response(error)
        used = used or (counted and error.code == "REQUEST_LIMIT_EXCEEDED")
    except RecordError as problem:
        response = error_response(problem.as_api_error())
    if used:
        response.set_header(
            "Sforce-Limit-Info", f"api-usage={org.usage.used(org.now_ms())}/{org.settings.api_max}"
        )
    return response


def _find(org: Org, request: Request) -> tuple[router.Route, dict[str, str]]:
    """The handler. Below `/services/data/` a stranger learns that he is one before he learns what exists."""
    try:
        return router.find(request.method, request.path)
    except ApiError:
        if request.path.lower().startswith("/services/data/") and not request.user_id:
            auth.authenticate(org, request)
        raise


def _check_version(names: dict[str, str], since: int) -> None:
    """Versions before v31 are gone: 410. Versions of the future do not exist yet: 404."""
    from emulator.org import NEWEST_VERSION, OLDEST_VERSION

    if "version" not in names:
        return
    number = float(names["version"])
    if number < OLDEST_VERSION:
        raise ApiError(410, "GONE", "The requested API version is no longer available. Use a newer version.")
    if number > NEWEST_VERSION or number < since or not number.is_integer():
        raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")


def _too_long(request: Request) -> Response | None:
    uri = request.uri_length if request.uri_length is not None else len(request.path)
    if uri > URI_MAX:
        return Response(
            414,
            [("Content-Type", "text/html;charset=ISO-8859-1")],
            b"<h1>Bad Message 414</h1><pre>reason: URI Too Long</pre>",
        )
    headers = request.header_bytes
    if headers is None:
        headers = sum(len(name) + len(value) + 4 for name, value in request.headers.items())
    if uri + headers > URI_MAX:
        return Response(
            431,
            [("Content-Type", "text/html;charset=ISO-8859-1")],
            b"<h1>Bad Message 431</h1><pre>reason: Request Header Fields Too Large</pre>",
        )
    return None


def _override_method(request: Request) -> None:
    """`POST …?_HttpMethod=PATCH`, for clients that cannot send PATCH. The parameter's name keeps its case."""
    wanted = request.param("_HttpMethod")
    if wanted is None or request.method != "POST":
        return
    if wanted not in OVERRIDABLE:
        raise ApiError(400, "INVALID_HTTP_METHOD", f"HTTP Method '{wanted}' not allowed as an override")
    request.method = wanted
    request.query = [(name, value) for name, value in request.query if name != "_HttpMethod"]


def _unpack(request: Request) -> None:
    """A body may come compressed."""
    encoding = request.headers.get("content-encoding", "").lower()
    if encoding in ("", "identity"):
        return
    if encoding not in ("gzip", "deflate"):
        raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", f"Content-Encoding {encoding} is not supported")
    try:
        request.body = gzip.decompress(request.body) if encoding == "gzip" else zlib.decompress(request.body)
    except (OSError, EOFError, zlib.error) as problem:
        raise ApiError(400, "MALFORMED_REQUEST", f"the request's {encoding} body cannot be read") from problem


def _lay_out(request: Request, response: Response) -> None:
    """`X-PrettyPrint: 1` (any other value but 0 and false is a yes, too)."""
    wanted = request.headers.get("x-prettyprint", "").strip().lower()
    is_json = (response.header("Content-Type") or "").startswith("application/json")
    if wanted not in ("", "0", "false") and is_json and isinstance(response.body, bytes) and response.body:
        response.body = pretty(response.body.decode()).encode()


def _pack(request: Request, response: Response) -> Response:
    """Compress the reply when the client asked for it and it is worth it."""
    accepted = request.headers.get("accept-encoding", "").lower()
    if "gzip" not in accepted or response.header("Content-Encoding"):
        return response
    if isinstance(response.body, bytes):
        if len(response.body) < COMPRESS_FROM:
            return response
        response.body = gzip.compress(response.body, 5, mtime=0)
    else:
        response.body = _compressed(response.body)
    response.set_header("Content-Encoding", "gzip")
    return response


def _compressed(parts: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(5, zlib.DEFLATED, 31)
    for part in parts:
        if packed := packer.compress(part):
            yield packed
    yield packer.flush()
