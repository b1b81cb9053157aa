"""A client written by others, against the real thing, reads and writes here without noticing a difference."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce, SalesforceMalformedRequest, SalesforceResourceNotFound

from emulator.schema import make_field


class PlainLoopback(HTTPAdapter):
    """The client knows https only; on this machine the wire is plain."""

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        assert request.url is not None
        if urlsplit(request.url).hostname == "127.0.0.1":
            request.url = request.url.replace("https://", "http://", 1)
        options["timeout"] = options.get("timeout") or 10
        return super().send(request, *args, **options)


@pytest.fixture
def client(served, token) -> Iterator[Salesforce]:
    host = f"127.0.0.1:{served.port}"
    with requests.Session() as session:
        session.trust_env = False
        session.mount(f"https://{host}/", PlainLoopback())
        yield Salesforce(instance=host, session_id=token, session=session, version="68.0")


@pytest.fixture
def keyed(org):
    data = {"name": "Key__c", "type": "string", "label": "Key", "length": 20, "custom": True}
    org.add_field("Account", make_field(data | {"unique": True, "externalId": True, "permissionable": False}))


def test_it_creates_reads_changes_and_deletes(client):
    made = client.Account.create({"Name": "Zürich", "AnnualRevenue": 12.5})
    assert made["success"] is True
    assert client.Account.update(made["id"], {"Site": "x"}) == 204
    found = client.Account.get(made["id"])
    assert (found["Name"], found["Site"]) == ("Zürich", "x")
    assert client.Account.delete(made["id"]) == 204
    with pytest.raises(SalesforceResourceNotFound):
        client.Account.get(made["id"])


def test_it_upserts_by_an_external_id(client, keyed):
    assert client.Account.upsert("Key__c/A-1", {"Name": "Acme"}) == 201
    assert client.Account.upsert("Key__c/A-1", {"Site": "x"}) == 200
    assert client.Account.get_by_custom_id("Key__c", "A-1")["Site"] == "x"


def test_it_understands_refusals(client):
    with pytest.raises(SalesforceMalformedRequest) as refused:
        client.Account.create({})
    assert refused.value.content[0]["errorCode"] == "REQUIRED_FIELD_MISSING"


def test_it_describes(client):
    assert {each["name"] for each in client.describe()["sobjects"]} >= {
        "Account",
        "Order",
        "OrderItem",
        "Task",
    }
    names = [each["name"] for each in client.Order.describe()["fields"]]
    assert "TotalAmount" in names


def test_it_asks_what_changed(client, clock):
    made = client.Account.create({"Name": "A"})
    clock.advance(minutes=2)
    start, end = (datetime(2026, 11, 23, hour, minute, tzinfo=UTC) for hour, minute in ((14, 0), (15, 2)))
    assert client.Account.updated(start, end)["ids"] == [made["id"]]
    client.Account.delete(made["id"])
    clock.advance(minutes=2)
    assert [
        each["id"] for each in client.Account.deleted(start, end.replace(minute=4))["deletedRecords"]
    ] == [made["id"]]


def test_it_reads_limits_and_the_usage_header(client):
    assert client.limits()["DailyApiRequests"]["Max"] == 100_000
    assert client.api_usage["api-usage"].total == 100_000
    assert client.api_usage["api-usage"].used >= 1


def test_it_pages_through_a_query(client, org):
    org.settings.page_size = 3
    for number in range(7):
        client.Account.create({"Name": f"A{number}"})
    found = client.query_all("SELECT Id, Name FROM Account ORDER BY Name")
    assert [each["Name"] for each in found["records"]] == [f"A{number}" for number in range(7)]
    assert (found["totalSize"], found["done"]) == (7, True)
