"""simple-salesforce, as published, through its public `session=`: nothing of it is patched."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce, SalesforceMalformedRequest, SalesforceResourceNotFound

from emulator.org import Org
from emulator.server import Served


class LoopbackHttp(HTTPAdapter):
    """The client knows https only; on loopback the emulator speaks http."""

    def send(self, request: requests.PreparedRequest, *args: Any, **how: Any) -> requests.Response:
        url = urlsplit(request.url or "")
        if url.scheme == "https" and url.hostname == "127.0.0.1":
            request.url = "http" + str(request.url)[5:]
        how["timeout"] = how.get("timeout") or (5, 30)
        return super().send(request, *args, **how)


@pytest.fixture
def client(judged: Org, served: Served, token: str) -> Iterator[Salesforce]:
    host = f"127.0.0.1:{served.port}"
    with requests.Session() as session:
        session.trust_env = False
        session.mount(f"https://{host}/", LoopbackHttp())
        yield Salesforce(
            instance=host,
            session_id=token,
            session=session,
            version="68.0",
            parse_float=Decimal,
            object_pairs_hook=dict,
        )


def test_it_describes_the_org_and_an_object(client: Salesforce) -> None:
    assert "Order" in {each["name"] for each in client.describe()["sobjects"]}
    fields = {each["name"]: each for each in client.Account.describe()["fields"]}
    assert fields["Erp_Key__c"]["externalId"] is True
    assert client.limits()["DailyApiRequests"]["Max"] == 100_000
    assert client.api_usage["api-usage"].used > 0


def test_it_creates_reads_changes_upserts_and_deletes_records(client: Salesforce) -> None:
    made = client.Account.create({"Name": "Zürich AG", "Erp_Key__c": "S 1/ä", "AnnualRevenue": 12345678})
    assert made["success"]
    assert client.Account.update(made["id"], {"Phone": "044"}) == 204
    assert client.Account.upsert("Erp_Key__c/S 1%2Fä", {"Site": "HQ"}) == 200
    assert client.Account.upsert("Erp_Key__c/S2", {"Name": "Two"}) == 201
    record = client.Account.get(made["id"])
    assert (record["Name"], record["Phone"], record["Site"]) == ("Zürich AG", "044", "HQ")
    assert client.Account.delete(made["id"]) == 204
    with pytest.raises(SalesforceResourceNotFound):
        client.Account.get(made["id"])


def test_it_pages_through_a_query_and_reads_amounts_exactly(client: Salesforce, judged: Org) -> None:
    judged.settings.page_size = judged.settings.page_size_min = 20
    for number in range(55):
        client.Account.create({"Name": f"A{number:02}", "AnnualRevenue": 99_213_206 + number})
    first = client.query("SELECT Name, AnnualRevenue FROM Account ORDER BY Name")
    assert (first["totalSize"], first["done"], len(first["records"])) == (55, False, 20)
    assert first["records"][0]["AnnualRevenue"] == Decimal("99213206")
    second = client.query_more(first["nextRecordsUrl"], identifier_is_url=True)
    assert second["records"][0]["Name"] == "A20"
    names = [each["Name"] for each in client.query_all_iter("SELECT Name FROM Account ORDER BY Name")]
    assert names == [f"A{number:02}" for number in range(55)]
    total = client.query("SELECT SUM(AnnualRevenue) total FROM Account")["records"][0]["total"]
    assert total == sum(99_213_206 + number for number in range(55))


def test_it_sees_deleted_records_with_query_all_only(client: Salesforce) -> None:
    made = client.Account.create({"Name": "Gone"})
    client.Account.delete(made["id"])
    assert client.query("SELECT Id FROM Account")["totalSize"] == 0
    assert client.query("SELECT Id FROM Account", include_deleted=True)["totalSize"] == 1


def test_it_understands_a_refused_query(client: Salesforce) -> None:
    with pytest.raises(SalesforceMalformedRequest) as refused:
        client.query("SELECT Nope__c FROM Account")
    assert refused.value.content[0]["errorCode"] == "INVALID_FIELD"


def test_it_runs_a_bulk_query_page_by_page(client: Salesforce, judged: Org) -> None:
    for number in range(25):
        client.Account.create({"Name": f'"{number}",\nB', "Site": None})
    pages = list(client.bulk2.Account.query("SELECT Id, Name, Site FROM Account", max_records=10, wait=0.01))
    rows = [row for page in pages for row in csv.DictReader(io.StringIO(page, newline=""))]
    assert len(pages) == 3
    assert {row["Name"] for row in rows} == {f'"{number}",\nB' for number in range(25)}
    assert {row["Site"] for row in rows} == {""}


def test_it_loads_changes_and_deletes_records_in_bulk(client: Salesforce, judged: Org) -> None:
    handler = client.bulk2.Account
    (made,) = handler.insert(records=[{"Name": f"B{n}", "Erp_Key__c": f"K{n}"} for n in range(30)], wait=0.01)
    assert (made["numberRecordsTotal"], made["numberRecordsFailed"]) == (30, 0)
    (changed,) = handler.upsert(
        records=[{"Erp_Key__c": "K1", "Name": "New"}, {"Erp_Key__c": "K99", "Name": ""}],
        external_id_field="Erp_Key__c",
        wait=0.01,
    )
    assert (changed["numberRecordsProcessed"], changed["numberRecordsFailed"]) == (2, 1)
    (failed,) = csv.DictReader(io.StringIO(handler.get_failed_records(changed["job_id"])))
    assert (failed["Erp_Key__c"], failed["sf__Error"].split(":")[0]) == ("K99", "REQUIRED_FIELD_MISSING")
    ids = [{"Id": each["Id"]} for each in client.query("SELECT Id FROM Account LIMIT 10")["records"]]
    (gone,) = handler.delete(records=ids, wait=0.01)
    assert gone["numberRecordsFailed"] == 0
    assert client.query("SELECT COUNT() FROM Account")["totalSize"] == 20
