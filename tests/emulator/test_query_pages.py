"""Pages of a query: sizes, locators, and rows that do not move while they are read."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.org import OpenAccess, Org
from emulator.queries import Spool

ALL = f"query?q={quote('SELECT Id, Name FROM Account')}"
BY_200 = {"Sforce-Query-Options": "batchSize=200"}


@pytest.fixture
def crowded(org: Org) -> Org:
    """An org with 5,000 accounts."""
    org.access = OpenAccess()
    numbers = org.ids.reserve("001", 5000)
    org.storage.load(
        "Account", ["Id", "Name", "IsDeleted"], ((org.ids.make("001", n), f"A{n:04}", 0) for n in numbers)
    )
    return org


def pages(call: Any, first: str, headers: dict[str, str] | None = None) -> list[dict[str, Any]]:
    found = [call("GET", first, headers=headers or {}).json()]
    while not found[-1]["done"]:
        found.append(call("GET", found[-1]["nextRecordsUrl"], headers=headers or {}).json())
    return found


@pytest.mark.parametrize(
    ("asked", "size"), [(None, 2000), ("200", 200), ("50", 200), ("1999", 1999), ("9000", 2000)]
)
def test_the_page_size_is_the_one_asked_for_within_bounds(
    call: Any, crowded: Org, asked: str | None, size: int
) -> None:
    headers = {"Sforce-Query-Options": f"batchSize={asked}"} if asked else {}
    found = pages(call, ALL, headers)
    assert [len(each["records"]) for each in found[:-1]] == [size] * (len(found) - 1)
    assert {each["totalSize"] for each in found} == {5000}
    ids = [record["Id"] for each in found for record in each["records"]]
    assert len(ids) == len(set(ids)) == 5000


def test_the_next_address_names_the_cursor_and_the_place(call: Any, crowded: Org) -> None:
    first = call("GET", ALL).json()
    assert first["nextRecordsUrl"].startswith("/services/data/v68.0/query/01g")
    assert first["nextRecordsUrl"].endswith("-2000")
    everything = call("GET", ALL.replace("query?", "queryAll?")).json()
    assert "/query/01g" in everything["nextRecordsUrl"]


def test_the_org_may_have_any_page_size(call: Any, crowded: Org) -> None:
    crowded.settings.page_size = 1234
    assert len(call("GET", ALL).json()["records"]) == 1234


def test_changes_while_reading_do_not_move_rows_between_pages(call: Any, crowded: Org) -> None:
    first = call("GET", ALL, headers=BY_200).json()
    for record in first["records"][:50]:
        call("DELETE", f"sobjects/Account/{record['Id']}")
    call.create("Account", Name="Late")
    rest = pages(call, first["nextRecordsUrl"], BY_200)
    names = [record["Name"] for each in [first, *rest] for record in each["records"]]
    assert names == [f"A{number:04}" for number in range(1, 5001)]


def test_a_page_may_be_asked_for_again(call: Any, crowded: Org) -> None:
    url = call("GET", ALL).json()["nextRecordsUrl"]
    assert call("GET", url).json() == call("GET", url).json()


@pytest.mark.parametrize("locator", ["01g000000000000-2000", "nonsense", "01g5g0000000001AAA-99999", "null"])
def test_a_locator_nobody_gave_is_refused(call: Any, crowded: Org, locator: str) -> None:
    call("GET", ALL)
    response = call("GET", f"query/{locator}")
    assert response.status == 400
    assert response.json() == [{"message": "invalid query locator", "errorCode": "INVALID_QUERY_LOCATOR"}]


def test_a_locator_expires(call: Any, crowded: Org, clock: Any) -> None:
    crowded.settings.locator_ttl = 900
    url = call("GET", ALL).json()["nextRecordsUrl"]
    clock.advance(seconds=800)
    assert call("GET", url).status == 200
    clock.advance(seconds=901)
    assert call("GET", url).json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"


def test_children_beyond_a_page_are_fetched_with_their_own_locator(call: Any, org: Org) -> None:
    org.access = OpenAccess()
    parent = call.create("Account", Name="Parent")
    numbers = org.ids.reserve("003", 450)
    rows = ((org.ids.make("003", n), f"L{n:03}", parent, 0) for n in numbers)
    org.storage.load("Contact", ["Id", "LastName", "AccountId", "IsDeleted"], rows)
    statement = quote("SELECT Name, (SELECT LastName FROM Contacts ORDER BY LastName) FROM Account")
    (record,) = call("GET", f"query?q={statement}", headers=BY_200).json()["records"]
    children = record["Contacts"]
    assert (children["totalSize"], children["done"], len(children["records"])) == (450, False, 200)
    rest = pages(call, children["nextRecordsUrl"], BY_200)
    names = [each["LastName"] for page in [children, *rest] for each in page["records"]]
    assert names == [f"L{number:03}" for number in range(1, 451)]


def test_a_query_inside_a_composite_call_sees_what_the_call_wrote(call: Any, org: Org) -> None:
    org.access = OpenAccess()
    base = "/services/data/v68.0"
    parts = [
        {"method": "POST", "url": f"{base}/sobjects/Account", "referenceId": "made", "body": {"Name": "New"}},
        {
            "method": "GET",
            "url": f"{base}/query?q={quote('SELECT Name FROM Account')}",
            "referenceId": "found",
        },
    ]
    reply = call("POST", "composite", json={"allOrNone": True, "compositeRequest": parts}).json()
    (_, found) = reply["compositeResponse"]
    assert [each["Name"] for each in found["body"]["records"]] == ["New"]


def test_groups_do_not_page(call: Any, crowded: Org) -> None:
    response = call("GET", f"query?q={quote('SELECT Name, COUNT(Id) FROM Account GROUP BY Name')}")
    assert response.json()[0]["errorCode"] == "EXCEEDED_ID_LIMIT"


def test_columns_describe_the_statement_without_running_it(call: Any, crowded: Org) -> None:
    reply = call("GET", ALL + "&columns=true").json()
    assert (reply["entityName"], reply["keyPrefix"], reply["idSelected"], reply["groupBy"]) == (
        "Account",
        "001",
        True,
        False,
    )
    assert [each["columnName"] for each in reply["columnMetadata"]] == ["Id", "Name"]


def test_a_query_without_a_statement_is_refused(call: Any) -> None:
    response = call("GET", "query")
    assert response.json()[0] == {
        "message": "A query string has to be specified",
        "errorCode": "MALFORMED_QUERY",
    }


@settings(deadline=None)
@given(st.integers(0, 9000), st.integers(0, 9000), st.integers(0, 5000))
def test_a_spool_gives_any_stretch_of_its_rows(count: int, start: int, size: int) -> None:
    rows = [(number, str(number)) for number in range(count)]
    assert list(Spool(iter(rows)).read(start, size)) == rows[start : start + size]
