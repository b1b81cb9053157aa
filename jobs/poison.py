"""One record that the org cannot even read refuses the whole request that carries it: it is found, and the others go.

Nothing of such a request was done, so its halves can be sent until the record that is to blame stands alone. Where
many are to blame it is the mapping, not a record: then the object stops as it would have at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from connector import errors
from connector.port import RowResult
from state.outbox import Row

UNREADABLE = frozenset({"JSON_PARSER_ERROR", "POST_BODY_PARSE_ERROR", "MALFORMED_REQUEST"})
BAD_AT_MOST = 3
CALLS_AT_MOST = 60  # three among a thousand

log = structlog.get_logger()

Send = Callable[[Sequence[Row]], list[RowResult]]


def send_readable(rows: Sequence[Row], send: Send) -> list[RowResult]:
    """What became of each row, in their order. Raises what `send` raises, except for a few rows that nobody can read."""
    try:
        return send(rows)
    except errors.Misconfigured as refusal:
        if refusal.code not in UNREADABLE:
            raise
        return _apart(rows, send, refusal)


def _apart(rows: Sequence[Row], send: Send, refusal: errors.Misconfigured) -> list[RowResult]:
    found: dict[int, RowResult] = {}
    refused, calls, bad = [rows], 0, 0
    while refused:
        some = refused.pop()
        if len(some) == 1:
            bad += 1
            log.error("push.unreadable", object=some[0].object, key=some[0].ext_key, code=refusal.code)
            found[some[0].pk] = RowResult(some[0].ext_key, ok=False, code=refusal.code)
            continue
        for half in (some[: len(some) // 2], some[len(some) // 2 :]):
            calls += 1
            if calls > CALLS_AT_MOST or bad > BAD_AT_MOST:
                raise refusal
            try:
                found |= dict(zip((row.pk for row in half), send(half), strict=True))
            except errors.Misconfigured as again:
                if again.code not in UNREADABLE:
                    raise
                refused.append(half)
    if bad > BAD_AT_MOST:
        raise refusal
    return [found[row.pk] for row in rows]
