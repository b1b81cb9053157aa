"""The connector and the emulator, in one process and over sockets: sessions that end, acks that get lost."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import structlog
import urllib3
from cryptography.hazmat.primitives import serialization
from requests.adapters import BaseAdapter

from connector.config import OrgSettings
from connector.errors import (
    Ambiguous,
    AuthenticationFailed,
    QuotaReached,
    SyncError,
    Transient,
    UnknownReply,
    WindowLost,
)
from connector.org import SalesforceOrg
from connector.package_zip import build_package
from emulator.faults import Fault, FaultPlan
from emulator.oauth_apps import ConnectedApp, grant_refresh_token, register_app
from emulator.org import Org as Emulator
from emulator.org import Settings
from emulator.raw_rows import change, user_named
from emulator.router import Request
from emulator.server import serve

USER = "admin@acme.example"


class InProcess(BaseAdapter):
    """Carries requests to an emulator without a socket, its faults included."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__()
        self.emulator = emulator

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        parts = urlsplit(request.url or "")
        body = request.body or b""
        answer = self.emulator.handle(
            Request.to(
                request.method or "GET",
                parts.path + (f"?{parts.query}" if parts.query else ""),
                dict(request.headers),
                body.encode() if isinstance(body, str) else body,
                base_url=f"{parts.scheme}://{parts.netloc}",
            )
        )
        if answer.reset:
            raise requests.ConnectionError(urllib3.exceptions.ProtocolError("Connection aborted."))
        content = answer.content() if isinstance(answer.body, bytes) else b"".join(answer.body)
        headers = urllib3.HTTPHeaderDict(answer.headers)
        if answer.cut_after is not None:
            headers["Content-Length"] = str(len(content))
            content = content[: answer.cut_after]
        raw = urllib3.HTTPResponse(
            BytesIO(content),
            headers=headers,
            status=answer.status,
            preload_content=False,
            request_method=request.method,
        )
        made = requests.Response()
        made.status_code = answer.status
        made.headers = requests.structures.CaseInsensitiveDict(headers)
        made.raw = raw
        made.request = request
        made.url = request.url or ""
        return made

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def public_key(private_key: str) -> str:
    key = serialization.load_pem_private_key(private_key.encode(), None)
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()  # fmt: skip


@pytest.fixture
def emulator(clock: Any) -> Iterator[Emulator]:
    made = Emulator.create(clock=clock.now, seed=11, settings=Settings(token_ttl=600))
    made.faults = FaultPlan(made)
    yield made
    made.close()


@pytest.fixture
def reach(
    emulator: Emulator, clock: Any, log: Any, private_key: str, public_key: str
) -> Iterator[Callable[..., SalesforceOrg]]:
    opened: list[SalesforceOrg] = []

    def _reach(**changes: Any) -> SalesforceOrg:
        register_app(emulator, ConnectedApp("app", "s3cret", public_key, run_as=USER, rotates=True))
        base = {"alias": "e", "instance_url": "http://127.0.0.1:80", "client_id": "app", "bulk_prefetch": 0}
        if "auth" not in changes:
            base |= {"username": USER, "private_key": "env:KEY"}
        org = SalesforceOrg.connect(
            OrgSettings(**{**base, **changes}),
            clock=clock,
            rng=random.Random(2),
            log=log,
            environ={"KEY": private_key, "SECRET": "s3cret"},
            transport=InProcess(emulator),
        )
        opened.append(org)
        return org

    yield _reach
    for org in opened:
        org.close()


def fault(emulator: Emulator, kind: str, **more: Any) -> Fault:
    assert isinstance(emulator.faults, FaultPlan)
    return emulator.faults.add(Fault(kind, **more))


def names(org: SalesforceOrg) -> list[Any]:
    return [
        n
        for page in org.query("SELECT Name FROM Account ORDER BY Name")
        for n in page.table["Name"].to_pylist()
    ]


@pytest.mark.parametrize("jwt_tokens", [False, True])
def test_a_session_that_ends_between_pages_is_renewed_once(
    emulator: Emulator, reach: Callable[..., SalesforceOrg], clock: Any, jwt_tokens: bool
) -> None:
    emulator.settings.jwt_access_tokens = jwt_tokens
    org = reach()
    org.create("Account", [{"Name": f"A{n:05d}"} for n in range(4100)])
    pages = org.query("SELECT Name FROM Account")
    rows = next(pages).table.num_rows
    clock.sleep(700)
    rows += sum(page.table.num_rows for page in pages)
    assert rows == 4100
    assert org.usage.by_kind["login"] == 2


def test_client_credentials_and_rotating_refresh_tokens_log_in(
    emulator: Emulator, reach: Callable[..., SalesforceOrg], clock: Any, tmp_path: Path, public_key: str
) -> None:
    assert reach(auth="client_credentials", client_secret="env:SECRET").org_id == emulator.id
    user_id = str(emulator.storage.row('SELECT "Id" FROM "User"')[0])  # type: ignore[index]
    token = grant_refresh_token(emulator, "app", user_id, "api refresh_token")
    path = tmp_path / "refresh"
    path.touch(mode=0o600)
    path.write_text(token)
    org = reach(auth="refresh_token", refresh_token=f"file:{path}", client_secret="env:SECRET")
    kept = [path.read_text().strip()]
    for _ in range(2):
        clock.sleep(700)
        names(org)
        kept.append(path.read_text().strip())
    assert len({token, *kept}) == 4


@pytest.fixture
def sharing(
    emulator: Emulator, reach: Callable[..., SalesforceOrg], tmp_path: Path
) -> Callable[[], SalesforceOrg]:
    """One process after the other, all with the refresh token of one file."""
    reach(auth="client_credentials", client_secret="env:SECRET")
    user_id = str(emulator.storage.row('SELECT "Id" FROM "User"')[0])  # type: ignore[index]
    path = tmp_path / "refresh"
    path.touch(mode=0o600)
    path.write_text(grant_refresh_token(emulator, "app", user_id, "api refresh_token"))
    return lambda: reach(auth="refresh_token", refresh_token=f"file:{path}", client_secret="env:SECRET")


def test_two_processes_that_share_a_rotating_refresh_token_stay_logged_in(
    sharing: Callable[[], SalesforceOrg], clock: Any
) -> None:
    scheduler, by_hand = sharing(), sharing()
    for _ in range(3):
        clock.sleep(700)
        names(scheduler)
        names(by_hand)
    assert scheduler.usage.by_kind["login"] == by_hand.usage.by_kind["login"] == 4


def test_a_refresh_token_that_somebody_stored_while_ours_was_refused_is_tried_once(
    emulator: Emulator, sharing: Callable[[], SalesforceOrg], clock: Any, tmp_path: Path
) -> None:
    org = sharing()
    user_id = str(emulator.storage.row('SELECT "Id" FROM "User"')[0])  # type: ignore[index]
    (tmp_path / "refresh").write_text("5Aep861never-given")
    clock.sleep(700)
    real = emulator.handle

    def authorized_anew(request: Any) -> Any:
        answer = real(request)
        if "/oauth2/token" in request.path and answer.status == 400:
            token = grant_refresh_token(emulator, "app", user_id, "api refresh_token")
            (tmp_path / "refresh").write_text(token)
        return answer

    emulator.handle = authorized_anew  # type: ignore[method-assign]
    names(org)
    assert org.usage.by_kind["login"] == 3


def test_a_create_whose_ack_is_lost_is_ambiguous_and_its_record_is_there(
    emulator: Emulator, reach: Callable[..., SalesforceOrg]
) -> None:
    org = reach()
    fault(emulator, "drop_ack", method="POST", path="/composite")
    with pytest.raises(Ambiguous):
        org.create("Account", [{"Name": "Lost and found"}])
    assert names(org) == ["Lost and found"]


def test_an_update_whose_ack_is_lost_is_sent_again_with_the_same_result(
    emulator: Emulator, reach: Callable[..., SalesforceOrg]
) -> None:
    org = reach()
    assert org.server_time().year == 2026
    (made,) = org.create("Account", [{"Name": "Before"}])
    fault(emulator, "drop_ack", method="POST", path="/composite")
    (changed,) = org.update("Account", [{"Id": made.id, "Name": "After"}])
    assert changed.ok
    assert names(org) == ["After"]


def test_a_write_of_more_records_than_the_org_takes_at_once_is_loud(
    emulator: Emulator, reach: Callable[..., SalesforceOrg]
) -> None:
    org = reach()
    emulator.settings.collection_max = 3
    with pytest.raises(UnknownReply, match="EXCEEDED_ID_LIMIT"):
        org.create("Account", [{"Name": n} for n in "ABCD"])
    assert names(org) == []


@pytest.mark.parametrize("looks_before_it_ends", [0, 1, 3])
def test_a_bulk_job_whose_close_is_not_answered_is_followed_to_its_results(
    emulator: Emulator, reach: Callable[..., SalesforceOrg], looks_before_it_ends: int
) -> None:
    emulator.settings.extra["bulk_polls"] = looks_before_it_ends
    org = reach()
    made = org.create("Account", [{"Name": n} for n in "ABC"])
    struck = fault(emulator, "drop_ack", method="PATCH", path="/jobs/ingest")
    results = org.bulk_upsert("Account", "Id", [{"Id": r.id, "Name": f"New {r.key}"} for r in made])
    assert (struck.struck, [r.ok for r in results]) == (1, [True] * 3)
    assert all(name.startswith("New") for name in names(org))


@pytest.mark.parametrize("kind", ["status", "html", "reset", "truncate", "empty", "drop_ack"])
@pytest.mark.parametrize("read", ["query", "poll", "describe", "bulk"])
def test_a_read_survives_each_fault_once(
    emulator: Emulator, reach: Callable[..., SalesforceOrg], kind: str, read: str
) -> None:
    org = reach()
    org.create("Account", [{"Name": "A"}])
    path = {"query": "/query", "poll": "/composite", "describe": "/composite", "bulk": "/results"}[read]
    struck = fault(emulator, kind, path=path, bytes=5)
    match read:
        case "query":
            assert names(org) == ["A"]
        case "poll":
            assert org.poll(["SELECT Id FROM Account"])[0].table.num_rows == 1
        case "describe":
            assert org.describe(["Account"])["Account"] is not None
        case _:
            assert sum(p.table.num_rows for p in org.bulk_query("SELECT Id FROM Account")) == 1
    assert struck.struck == 1


def test_a_bulk_query_that_finds_nothing_may_be_answered_by_nothing(
    emulator: Emulator, reach: Callable[..., SalesforceOrg]
) -> None:
    struck = fault(emulator, "empty", path="/results", times=0)
    assert [page.table.num_rows for page in reach().bulk_query("SELECT Id FROM Account")] == [0]
    assert struck.struck == 1


@pytest.mark.parametrize("header", ["Sforce-NumberOfRecords", "Sforce-Locator"])
def test_bulk_results_without_their_headers_are_no_results(
    emulator: Emulator, reach: Callable[..., SalesforceOrg], header: str
) -> None:
    org = reach()
    fault(emulator, "drop_header", path="/results", header=header, times=0)
    with pytest.raises(Transient, match="HEADERS_MISSING"):
        list(org.bulk_query("SELECT Id FROM User"))


def test_a_stale_locator_begins_the_window_again(
    emulator: Emulator, reach: Callable[..., SalesforceOrg]
) -> None:
    org = reach()
    org.create("Account", [{"Name": f"A{n}"} for n in range(2001)])
    fault(emulator, "stale_locator", path="/query/01g")
    with pytest.raises(WindowLost):
        names(org)


def test_a_killed_session_that_stays_killed_ends_the_run(
    emulator: Emulator, reach: Callable[..., SalesforceOrg]
) -> None:
    org = reach()
    fault(emulator, "unauthorized", path="/query", times=0)
    with pytest.raises(AuthenticationFailed):
        names(org)
    assert org.usage.by_kind["login"] == 2


def test_the_orgs_last_call_is_quota_not_trouble(
    emulator: Emulator, reach: Callable[..., SalesforceOrg]
) -> None:
    emulator.settings.api_max = 30
    org = reach(api_budget_share=1.0)
    while org.usage.budget_left is None or org.usage.budget_left > 0:
        names(org)
    with pytest.raises(QuotaReached):
        names(org)
    assert org.usage.org_used == 28  # two calls short of thirty: the reserve of five percent
    assert org.usage.budget_left == 0


def test_a_record_that_is_locked_is_sent_again_the_others_are_done(
    emulator: Emulator, reach: Callable[..., SalesforceOrg]
) -> None:
    org = reach()
    made = org.create("Account", [{"Name": n} for n in "ABC"])
    fault(emulator, "row_error", code="UNABLE_TO_LOCK_ROW", ids=[str(made[1].id)])
    results = org.update("Account", [{"Id": r.id, "Name": "Z"} for r in made])
    assert [r.ok for r in results] == [True, False, True]
    assert results[1].next_step is Transient


def test_the_same_seed_makes_the_same_trace(clock: Any, log: Any, private_key: str, public_key: str) -> None:
    traces = []
    for _ in range(2):
        clock.at, clock.ticks, clock.slept = datetime(2026, 11, 23, 15, tzinfo=UTC), 0.0, []
        made = Emulator.create(clock=clock.now, seed=11)
        made.faults = plan = FaultPlan(made, seed=4)
        register_app(made, ConnectedApp("app", "s", public_key))
        plan.add(Fault("status", times=0, chance=30))
        plan.add(Fault("drop_ack", times=0, chance=10))
        settings = OrgSettings(
            alias="e",
            instance_url="http://127.0.0.1:80",
            client_id="app",
            username=USER,
            private_key="env:KEY",
            bulk_prefetch=0,
        )
        outcomes = []
        org = None
        for _ in range(30):
            try:
                org = org or SalesforceOrg.connect(
                    settings, clock=clock, rng=random.Random(2), log=log, environ={"KEY": private_key}, transport=InProcess(made)
                )  # fmt: skip
                outcomes.append(str(sum(p.table.num_rows for p in org.bulk_query("SELECT Id FROM User"))))
            except SyncError as error:
                outcomes.append(str(error))
        traces.append((outcomes, plan.log, clock.slept))
        made.close()
    assert traces[0] == traces[1]
    assert len(set(traces[0][0])) > 1


def test_over_sockets_threads_fetch_pages_ahead(
    emulator: Emulator, clock: Any, private_key: str, public_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.limits.BULK_PAGE_ROWS", 100)
    register_app(emulator, ConnectedApp("app", "s", public_key))
    with serve(emulator) as served:
        settings = OrgSettings(
            alias="e", instance_url=served.url, client_id="app", username=USER, private_key="env:KEY"
        )
        with SalesforceOrg.connect(
            settings,
            clock=clock,
            rng=random.Random(2),
            log=structlog.get_logger(),
            environ={"KEY": private_key},
        ) as org:
            org.create("Account", [{"Name": f"A{n:04d}"} for n in range(950)])
            fault(emulator, "truncate", path="/results", nth=4, times=2, bytes=700)
            pages = list(org.bulk_query("SELECT Name FROM Account"))
            assert [p.table.num_rows for p in pages] == [100] * 9 + [50]
            assert len({n for p in pages for n in p.table["Name"].to_pylist()}) == 950
            assert clock.at - datetime(2026, 11, 23, 15, tzinfo=UTC) < timedelta(minutes=5)


@pytest.mark.parametrize("check_only", [True, False])
def test_a_production_org_takes_the_package_and_runs_no_tests_for_it(
    emulator: Emulator, reach: Callable[..., SalesforceOrg], check_only: bool
) -> None:
    company = {"IsSandbox": 0, "OrganizationType": "Enterprise Edition"}
    change(emulator, "Organization", emulator.id, user_named(emulator), **company)
    package = build_package(Path(__file__).parents[2] / "salesforce" / "force-app", "62.0")
    *_, last = reach().deploy(package, check_only=check_only)
    assert (last.ok, last.failures) == (True, ())
