"""The standard mapping on an org that refuses what Salesforce refuses: describes, permission set, queries, rows."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest

from connector.package_zip import build_package
from emulator.auth import login
from emulator.life import permissions_of
from emulator.metadata_rest import multipart
from emulator.org import Org
from emulator.router import Request
from emulator.seed_story import seed_story
from mappings.check import check, gather
from mappings.describe import ObjectDescribe
from mappings.file import read_mapping
from mappings.inbound import reader
from mappings.permissions import permission_set_xml
from mappings.soql import Window, count, select

FORCE_APP = Path(__file__).parents[2] / "salesforce" / "force-app"
STANDARD = read_mapping("standard")
NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


class IntegrationUser:
    """The org as the integration user reaches it."""

    def __init__(self, org: Org) -> None:
        self.org = org
        (self.name,) = org.storage.row(
            'SELECT "Username" FROM "User" WHERE "Username" LIKE \'integration%\''
        ) or ("",)

    def call(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/json", admin: bool = False
    ) -> Any:
        headers = {
            "Authorization": f"Bearer {login(self.org) if admin else login(self.org, self.name)}",
            "Content-Type": kind,
        }
        address = f"/services/data/v62.0/{path}"
        return self.org.handle(Request.to(method, address, headers, body, base_url="http://127.0.0.1:9"))

    def deploy(self, package: bytes) -> dict[str, Any]:
        body, kind = multipart(package, {"rollbackOnError": True})
        made = self.call("POST", "metadata/deployRequest", body, kind, admin=True).json()["id"]
        address = f"metadata/deployRequest/{made}?includeDetails=true"
        self.call("GET", address, admin=True)
        result: dict[str, Any] = self.call("GET", address, admin=True).json()["deployResult"]
        return result

    def describe(self, name: str) -> ObjectDescribe | None:
        reply = self.call("GET", f"sobjects/{name}/describe")
        return ObjectDescribe.from_json(reply.json()) if reply.status == 200 else None

    def describes(self) -> dict[str, ObjectDescribe | None]:
        return gather(STANDARD, lambda names: {name: self.describe(name) for name in names})

    def query(self, soql: str) -> dict[str, Any]:
        reply = self.call("GET", f"queryAll?q={quote(soql)}")
        assert reply.status == 200, reply.content()
        found: dict[str, Any] = json.loads(reply.content(), parse_float=str, parse_int=str)
        return found


@pytest.fixture(scope="module")
def user() -> Any:
    clock = iter(NOW + timedelta(milliseconds=n) for n in range(10**9))
    org = Org.create(clock=lambda: next(clock), seed=7)
    seed_story(org)
    found = IntegrationUser(org)
    found.deploy(build_package(FORCE_APP, "62.0"))
    permissions_of(org).assign(found.name, "Rebate_Sync_Integration")
    yield found
    org.close()


def page(user: IntegrationUser, soql: str) -> pa.Table:
    """As the connector would give it: text under the path as selected."""
    columns = soql.removeprefix("SELECT ").split(" FROM ")[0].split(", ")

    def text(value: Any) -> str | None:
        return str(value).lower() if isinstance(value, bool) else value

    records = user.query(soql)["records"]
    return pa.table({name: pa.array([text(r[name]) for r in records], pa.string()) for name in columns})


def test_nothing_is_wrong_with_the_standard_mapping_for_the_integration_user(user):
    assert check(STANDARD, user.describes()) == []


def test_the_permission_set_made_from_the_mapping_deploys(user):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        manifest = "<types><members>Mapped</members><name>PermissionSet</name></types><version>62.0</version>"
        archive.writestr(
            "package.xml", f'<Package xmlns="http://soap.sforce.com/2006/04/metadata">{manifest}</Package>'
        )
        archive.writestr(
            "permissionsets/Mapped.permissionset", permission_set_xml(STANDARD, user.describes())
        )
    result = user.deploy(out.getvalue())

    assert [failure["problem"] for failure in result["details"]["componentFailures"]] == []
    assert result["status"] == "Succeeded"


@pytest.mark.parametrize("name", STANDARD.pull)
def test_every_row_of_the_story_can_be_read(user, name):
    entity = STANDARD.pull[name]
    inbound = reader(entity, STANDARD).read(page(user, select(entity)))

    assert inbound.rejected == ()
    assert inbound.table.num_rows == int(user.query(count(entity))["totalSize"]) > 0


def test_pages_by_key_and_windows_by_time_read_every_line_once(user):
    entity = STANDARD.pull["order_line"]
    whole = page(user, select(entity))["Id"].to_pylist()

    paged: list[str] = []
    after = None
    while (
        rows := page(user, select(entity, after=after, limit=7)).select(["Id", "SystemModstamp"]).to_pylist()
    ):
        paged += [row["Id"] for row in rows]
        after = (datetime.strptime(rows[-1]["SystemModstamp"], "%Y-%m-%dT%H:%M:%S.%f%z"), rows[-1]["Id"])
    assert paged == whole

    middle = NOW - timedelta(days=30)
    windows = (Window(None, middle), Window(middle, NOW), Window(NOW, None))
    assert sorted(
        i for w in windows for i in page(user, select(entity, window=w))["Id"].to_pylist()
    ) == sorted(whole)
