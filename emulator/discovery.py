"""Which API versions there are, and what a version offers. Source: REST API Developer Guide, "Versions", "Resources by Version"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.router import Request, Response, json_response, route

if TYPE_CHECKING:
    from emulator.org import Org

_SEASONS = ("Spring", "Summer", "Winter")
FIRST_LISTED = 31
"""API v31.0 is Summer '14; three releases a year since."""

RESOURCES = (
    "sobjects", "query", "queryAll", "limits", "composite", "jobs", "tooling", "metadata", "actions", "recent",
    "search", "chatter", "analytics", "wave", "process", "quickActions", "connect", "support", "ui-api",
)  # fmt: skip


def release_label(version: int) -> str:
    """`Winter '27` for 68."""
    years, season = divmod(version - FIRST_LISTED + 1, 3)
    return f"{_SEASONS[season]} '{14 + years + (season == 2):02d}"


@route("GET", "/services/data", auth=False, counts=False)
def versions(org: Org, request: Request) -> Response:
    from emulator.org import NEWEST_VERSION, OLDEST_VERSION

    return json_response(
        [
            {"label": release_label(each), "url": f"/services/data/v{each}.0", "version": f"{each}.0"}
            for each in range(OLDEST_VERSION, NEWEST_VERSION + 1)
        ]
    )


@route("GET", "/services/data/{version}")
def resources(org: Org, request: Request) -> Response:
    base = f"/services/data/v{request.version}"
    listed: dict[str, object] = {name: f"{base}/{name}" for name in RESOURCES}
    session = request.session
    listed["identity"] = f"{request.base_url}/id/{org.id}/{session.user_id if session else request.user_id}"
    return json_response(listed)
