"""Conditional requests: If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since.

Source: REST API Developer Guide, "Conditional Requests": ETags on Account rows only, dates on rows and describe.
"""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

from emulator import wire
from emulator.router import Request


def http_date(text: str | None) -> int | None:
    """Milliseconds of an HTTP date, or None when there is none or it cannot be read."""
    if not text:
        return None
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return wire.milliseconds(found if found.tzinfo else found.replace(tzinfo=UTC))


def _bare(tag: str) -> str:
    return tag.strip().removeprefix("W/").strip('"').removesuffix("--gzip")


def evaluate(request: Request, etag: str | None, modified_ms: int | None) -> int:
    """0: go on; 304: the client has it already; 412: it is not what the client thinks it is."""
    headers = request.headers
    if etag is not None:
        wanted = headers.get("if-match")
        if wanted is not None and wanted.strip() != "*" and _bare(etag) not in map(_bare, wanted.split(",")):
            return 412
        known = headers.get("if-none-match")
        if known is not None and (known.strip() == "*" or _bare(etag) in map(_bare, known.split(","))):
            return 304 if request.method in ("GET", "HEAD") else 412
    if modified_ms is None:
        return 0
    seconds = modified_ms // 1000 * 1000
    since = http_date(headers.get("if-modified-since"))
    if since is not None and request.method in ("GET", "HEAD") and seconds <= since:
        return 304
    before = http_date(headers.get("if-unmodified-since"))
    if before is not None and seconds > before:
        return 412
    return 0
