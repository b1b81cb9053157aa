"""Requests, replies, and which handler answers which address.

Handlers register with `@route`; addresses match segment by segment. Literal segments match in any case, a
trailing slash is optional, and percent-encoding is decoded after the address was split, so an external id may
contain a slash. Source: REST API Developer Guide; "any case" and the trailing slash are what clients rely on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from emulator import jsontext
from emulator.errors import ApiError

if TYPE_CHECKING:
    from emulator.org import Org

JSON_TYPE = "application/json;charset=UTF-8"


class Headers(Mapping[str, str]):
    """Request headers, found in any case."""

    def __init__(self, items: Iterable[tuple[str, str]] | Mapping[str, str] = ()) -> None:
        pairs = items.items() if isinstance(items, Mapping) else items
        self._items = {name.lower(): value for name, value in pairs}

    def __getitem__(self, name: str) -> str:
        return self._items[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


@dataclass
class Request:
    """One HTTP request. `user_id`, `version` ("68.0") and `session` are set by the dispatcher."""

    method: str
    path: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    uri_length: int | None = None
    """Length of the raw address line, when the caller knows it."""
    header_bytes: int | None = None
    user_id: str = ""
    version: str = ""
    session: Any = None
    base_url: str = ""
    """Scheme and host the client used; set at the edge."""

    @classmethod
    def to(
        cls,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        base_url: str = "",
    ) -> Request:
        """A request from an address with its query string, as a client would write it."""
        path, _, query = url.partition("?")
        return cls(
            method,
            path,
            parse_qsl(query, keep_blank_values=True),
            Headers(headers or {}),
            body,
            uri_length=len(url),
            base_url=base_url,
        )

    def param(self, name: str, default: str | None = None) -> str | None:
        """The first query parameter of that name."""
        return next((value for key, value in self.query if key == name), default)

    def json(self) -> Any:
        """The body as JSON with exact numbers; `JSON_PARSER_ERROR` when it is not JSON."""
        return jsontext.loads(self.body)


@dataclass
class Response:
    """One reply. `delay`, `cut_after` and `reset` are for fault plans; the edge obeys them."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | Iterator[bytes] = b""
    delay: float = 0.0
    cut_after: int | None = None
    reset: bool = False

    def header(self, name: str) -> str | None:
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    def set_header(self, name: str, value: str) -> None:
        self.headers = [(key, old) for key, old in self.headers if key.lower() != name.lower()]
        self.headers.append((name, value))

    def content(self) -> bytes:
        """The whole body; a stream is read up and kept."""
        if not isinstance(self.body, bytes):
            self.body = b"".join(self.body)
        return self.body

    def json(self) -> Any:
        return jsontext.loads(self.content()) if self.content() else None


def json_response(data: Any, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Response:
    return Response(status, [("Content-Type", JSON_TYPE), *headers], jsontext.dumps(data))


def error_response(error: ApiError) -> Response:
    return json_response(error.body(), error.status, error.headers)


Handler = Callable[..., Response]


@dataclass(frozen=True)
class Route:
    method: str
    segments: tuple[str, ...]
    handler: Handler
    auth: bool
    counts: bool
    since: int = 0
    """The API version the resource came with; to older ones it does not exist."""

    def rank(self) -> tuple[bool, ...]:
        """Literal segments win over named ones, from the left."""
        return tuple(each.startswith("{") for each in self.segments)


_ROUTES: dict[int, list[Route]] = {}
_VERSION = re.compile(r"[vV](\d{1,3})\.(\d)\Z")


def route(
    method: str, path: str, *, auth: bool = True, counts: bool = True, since: int = 0
) -> Callable[[Handler], Handler]:
    """Register `handler(org, request, **names)`.

    `auth`: needs a session; `counts`: is an API call; `since`: the first API version that has it.
    """

    def register(handler: Handler) -> Handler:
        segments = tuple(path.strip("/").split("/"))
        same_length = _ROUTES.setdefault(len(segments), [])
        same_length.append(Route(method, segments, handler, auth, counts, since))
        same_length.sort(key=Route.rank)
        return handler

    return register


def split(path: str) -> list[str]:
    """The raw segments of an address, without a trailing slash."""
    segments = path.split("/")[1:]
    return segments[:-1] if segments and segments[-1] == "" else segments


def version_of(segment: str) -> str | None:
    """`v68.0` → `68.0`; None when the segment is not a version."""
    found = _VERSION.match(segment)
    return f"{int(found[1])}.{found[2]}" if found else None


def _match(route: Route, segments: list[str]) -> dict[str, str] | None:
    names: dict[str, str] = {}
    for pattern, segment in zip(route.segments, segments, strict=True):
        if pattern == "{version}":
            version = version_of(segment)
            if version is None:
                return None
            names["version"] = version
        elif pattern.startswith("{"):
            value = unquote(segment)
            if not value:
                return None
            names[pattern[1:-1]] = value
        elif pattern.lower() != segment.lower():
            return None
    return names


def find(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The handler for an address. Raises 404 `NOT_FOUND`, or 405 naming the methods the address has."""
    segments = split(path)
    allowed: list[str] = []
    for each in _ROUTES.get(len(segments), ()):
        names = _match(each, segments)
        if names is None:
            continue
        if each.method == method or (method == "HEAD" and each.method == "GET"):
            return each, names
        allowed.extend([each.method, "HEAD"] if each.method == "GET" else [each.method])
    if allowed:
        listed = ",".join(dict.fromkeys(allowed))
        raise ApiError(
            405,
            "METHOD_NOT_ALLOWED",
            f"HTTP Method '{method}' not allowed. Allowed are {listed}",
            headers=(("Allow", listed),),
        )
    raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")


def call(org: Org, request: Request, found: tuple[Route, dict[str, str]]) -> Response:
    matched, names = found
    request.version = names.pop("version", request.version)
    return matched.handler(org, request, **names)
