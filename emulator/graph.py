"""`/composite/graph`: up to 75 graphs of record requests, each of which happens whole or not at all.

Source: REST API Developer Guide, "Composite Graph": 500 nodes in all, depth 15, sObject row requests only.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from emulator import references
from emulator.composite import read_parts, run_all
from emulator.errors import ApiError
from emulator.router import Request, Response, json_response, route

if TYPE_CHECKING:
    from emulator.org import Org

GRAPHS_MAX = 75
NODES_MAX = 500
DEPTH_MAX = 15
_ROWS = re.compile(r"/services/data/v\d+\.\d/sobjects/[^/?]+(/[^?]*)?(\?.*)?\Z", re.IGNORECASE)


@route("POST", "/services/data/{version}/composite/graph", since=50)
def graphs(org: Org, request: Request) -> Response:
    body = request.json()
    listed = body.get("graphs") if isinstance(body, dict) else None
    if not isinstance(listed, list) or not listed or not all(isinstance(each, dict) for each in listed):
        raise ApiError(
            400, "JSON_PARSER_ERROR", "The request body must be an object with a non-empty list graphs"
        )
    if len(listed) > GRAPHS_MAX:
        raise ApiError(
            400, "LIMIT_EXCEEDED", f"The request has {len(listed)} graphs; the limit is {GRAPHS_MAX}."
        )
    all_parts = [_read(each) for each in listed]
    if sum(map(len, all_parts)) > NODES_MAX:
        raise ApiError(400, "LIMIT_EXCEEDED", f"The request has more than {NODES_MAX} nodes.")
    names = [each.get("graphId") for each in listed]
    if len(set(names)) < len(names) or not all(isinstance(each, str) and each for each in names):
        raise ApiError(400, "INVALID_FIELD", "Each graph needs a graphId of its own")
    replies = []
    for name, parts in zip(names, all_parts, strict=True):
        done = run_all(org, request, parts, all_or_none=True)
        replies.append(
            {
                "graphId": name,
                "graphResponse": {"compositeResponse": [each.json() for each in done]},
                "isSuccessful": not any(each.failed for each in done),
            }
        )
    return json_response({"graphs": replies})


def _read(graph: dict[str, Any]) -> list[dict[str, Any]]:
    parts = read_parts(graph, most=NODES_MAX)
    references.check_ids(parts)
    depth: dict[str, int] = {}
    for part in parts:
        if not _ROWS.match(references.fill_url_with(part["url"], "x")):
            raise ApiError(
                400, "INVALID_REQUEST", f"The url {part['url']} can't be part of a composite graph"
            )
        used = references.used_in(part["url"], part.get("body"), part.get("httpHeaders"))
        depth[part["referenceId"]] = 1 + max((depth.get(each, 0) for each in used), default=0)
    if max(depth.values()) > DEPTH_MAX:
        raise ApiError(400, "LIMIT_EXCEEDED", f"A graph can be {DEPTH_MAX} references deep.")
    return parts
