"""simple-salesforce on our session: describe, query, record and composite calls, metadata deploy.

Only the decoding is replaced: its own turns amounts into floats and accepts NaN. Its login, retry and bulk
parts are never reached, because our session answers only successes and raises the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from simple_salesforce.api import Salesforce

from connector import wire
from connector.replies import Call
from connector.session import OrgSession, decoded

JSON = {"Content-Type": "application/json"}
T = TypeVar("T")


class OrgApi(Salesforce):
    """One org's REST API. Every method may raise `SyncError`."""

    def __init__(self, session: OrgSession, *, instance_url: str, version: str) -> None:
        # The token that it wants is never sent: the session puts its own in place for every request.
        super().__init__(
            instance=urlsplit(instance_url).netloc,
            session_id="held-by-the-session",
            session=session,
            version=version,
        )
        self._org_session = session

    def parse_result_to_json(self, result: requests.Response) -> Any:
        return decoded(result)

    def post(self, path: str, payload: object, call: Call, headers: dict[str, str] | None = None) -> Any:
        """POST of JSON to a path below the version; the reply's JSON."""
        return self.send("POST", path, payload, call, headers)

    def send(
        self, method: str, path: str, payload: object, call: Call, headers: dict[str, str] | None = None
    ) -> Any:
        """Any request with a JSON body (Decimals stay exact); the reply's JSON, None when it has none."""
        data = wire.encode(payload) if payload is not None else None
        return decoded(
            self._call_salesforce(
                method, self.base_url + path, call=call, data=data, headers={**JSON, **(headers or {})}
            )
        )

    def repeat(self, call: Call, attempt: Callable[[], T]) -> T:
        """Repeats a step whose reply can be wrong in ways that only its reader sees."""
        return self._org_session.repeat(call, attempt)
