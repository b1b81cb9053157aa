"""Reading a reply's body: to its end, under a deadline, with every way of being cut short made an error."""

from __future__ import annotations

from collections.abc import Iterator

import requests
import urllib3

from connector import limits
from connector.errors import Transient
from connector.port import Clock


class BodyCut(Transient):
    """The reply broke off. Whatever had arrived is thrown away."""


def chunks(
    response: requests.Response, *, clock: Clock, deadline: float, size: int = limits.CHUNK_BYTES
) -> Iterator[bytes]:
    """The decoded body, piece by piece. Raises BodyCut when it breaks off or `deadline` (monotonic) passes.

    `read1` returns what has arrived: a server that drips a byte a minute cannot hold us beyond the deadline.
    """
    try:
        while True:
            if clock.monotonic() > deadline:
                raise BodyCut("DEADLINE", status=response.status_code, detail="the reply took too long")
            try:
                data = response.raw.read1(size, decode_content=True)
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                raise BodyCut("BODY_CUT", status=response.status_code, detail=type(error).__name__) from None
            if not data:
                return
            yield data
    finally:
        response.close()


def read(
    response: requests.Response, *, clock: Clock, deadline: float, at_most: int = limits.JSON_BYTES
) -> bytes:
    """The whole body. Raises BodyCut also when it is larger than any reply of this API."""
    parts: list[bytes] = []
    size = 0
    for part in chunks(response, clock=clock, deadline=deadline):
        size += len(part)
        if size > at_most:
            response.close()
            raise BodyCut("BODY_TOO_LARGE", status=response.status_code)
        parts.append(part)
    return b"".join(parts)
