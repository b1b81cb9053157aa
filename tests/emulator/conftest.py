"""An empty org in memory, a clock that ticks, and two ways in: in process and over loopback HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emulator.auth import login
from emulator.org import Org
from emulator.router import Request, Response
from emulator.server import Served, serve

START = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


class TickingClock:
    """Moves one millisecond with every look; `advance` moves it further."""

    def __init__(self, start: datetime = START) -> None:
        self.moment = start

    def __call__(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment

    def advance(self, **how_far: float) -> None:
        self.moment += timedelta(**how_far)


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


@pytest.fixture
def org(clock: TickingClock) -> Iterator[Org]:
    made = Org.create(clock=clock, seed=7)
    yield made
    made.close()


@pytest.fixture
def token(org: Org) -> str:
    return login(org)


@pytest.fixture
def served(org: Org) -> Iterator[Served]:
    with serve(org) as running:
        yield running


class Call:
    """`call("POST", "sobjects/Account", json={...})` → Response; a relative path is below the newest version."""

    def __init__(self, org: Org, token: str) -> None:
        self.org = org
        self.token = token
        self.version = "68.0"

    def __call__(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        auth: bool = True,
    ) -> Response:
        url = path if path.startswith("/") else f"/services/data/v{self.version}/{path}"
        sent = {"Authorization": f"Bearer {self.token}"} if auth else {}
        if json is not None:
            body = dump(json).encode()
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        return self.org.handle(Request.to(method, url, sent, body or b"", base_url="http://127.0.0.1:9"))

    def create(self, sobject: str, **values: Any) -> str:
        """The id of a new record, or a failing test that shows the refusal."""
        response = self("POST", f"sobjects/{sobject}", json=values)
        assert response.status == 201, response.content().decode()
        return str(response.json()["id"])

    def read(self, sobject: str, record_id: str) -> dict[str, Any]:
        response = self("GET", f"sobjects/{sobject}/{record_id}")
        assert response.status == 200, response.content().decode()
        found: dict[str, Any] = response.json()
        return found


def dump(data: Any) -> str:
    return json.dumps(data, default=str)


@pytest.fixture
def call(org: Org, token: str) -> Call:
    return Call(org, token)


@pytest.fixture
def caller() -> Callable[[Org], Call]:
    """`caller(org)`: the administrator of another org, or of one that was opened again."""
    return lambda org: Call(org, login(org))


CallFixture = Callable[..., Response]
