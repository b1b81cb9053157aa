"""SOQL by object type (`TYPEOF`), and the functions that are refused rather than answered wrongly."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from emulator import multi_currency
from emulator.org import OpenAccess, Org


@pytest.fixture(autouse=True)
def tasks(call: Any, org: Org) -> dict[str, str]:
    """Three tasks: about an account, about a product, about nothing."""
    org.access = OpenAccess()
    account = call.create("Account", Name="Lumière", Phone="044")
    contact = call.create("Contact", LastName="Roux", AccountId=account)
    call.create("Task", Subject="1", WhatId=account, WhoId=contact)
    call.create("Task", Subject="2")
    return {"account": account, "contact": contact}


def asked(call: Any, statement: str) -> Any:
    return call("GET", f"query?q={quote(statement)}")


def test_each_task_answers_by_what_it_is_about(call: Any, tasks: dict[str, str]) -> None:
    statement = (
        "SELECT Subject, TYPEOF What WHEN Account THEN Phone, Name WHEN Order THEN OrderNumber ELSE Name END"
        " FROM Task ORDER BY Subject"
    )
    first, second = asked(call, statement).json()["records"]
    address = f"/services/data/v68.0/sobjects/Account/{tasks['account']}"
    assert first["What"] == {
        "attributes": {"type": "Account", "url": address},
        "Phone": "044",
        "Name": "Lumière",
    }
    assert second["What"] is None


def test_what_no_branch_names_is_null_or_the_else(call: Any, tasks: dict[str, str]) -> None:
    end = "FROM Task WHERE Subject = '1'"
    (record,) = asked(call, f"SELECT TYPEOF What WHEN Order THEN OrderNumber END {end}").json()["records"]
    assert record["What"] is None
    (record,) = asked(call, f"SELECT TYPEOF What WHEN Order THEN Status ELSE Name END {end}").json()[
        "records"
    ]
    assert record["What"]["attributes"]["type"] == "Account"
    assert record["What"]["Name"] == "Lumière"


@pytest.mark.parametrize(
    ("statement", "code", "column"),
    [
        ("SELECT TYPEOF What WHEN Task THEN Subject END FROM Task", "INVALID_TYPE", 15),
        ("SELECT TYPEOF Account WHEN Account THEN Name END FROM Order", "MALFORMED_QUERY", 15),
        ("SELECT TYPEOF What WHEN Account THEN Nope END FROM Task", "INVALID_FIELD", 38),
        ("SELECT TYPEOF What WHEN Account THEN Owner.Name END FROM Task", "MALFORMED_QUERY", 38),
        ("SELECT COUNT(Id), TYPEOF What WHEN Account THEN Name END FROM Task", "MALFORMED_QUERY", 26),
        ("SELECT FORMAT(AnnualRevenue) FROM Account", "MALFORMED_QUERY", 8),
        (
            "SELECT Id FROM Account WHERE DISTANCE(BillingAddress, GEOLOCATION(1,2), 'mi') < 20",
            "MALFORMED_QUERY",
            67,
        ),
        ("SELECT GEOLOCATION(1,2) FROM Account", "MALFORMED_QUERY", 20),
    ],
)
def test_what_cannot_be_answered_is_refused_where_it_stands(
    call: Any, statement: str, code: str, column: int
) -> None:
    refused = asked(call, statement)
    (error,) = refused.json()
    assert (refused.status, error["errorCode"]) == (400, code)
    assert f"ERROR at Row:1:Column:{column}\n" in error["message"]


def test_bulk_refuses_it(call: Any) -> None:
    statement = "SELECT TYPEOF What WHEN Account THEN Name END FROM Task"
    refused = call("POST", "jobs/query", json={"operation": "query", "query": statement})
    assert refused.status == 400


def test_an_amount_is_converted_or_refused_but_never_passed_on_unconverted(call: Any, org: Org) -> None:
    statement = "SELECT convertCurrency(AnnualRevenue) FROM Account"
    assert asked(call, statement).status == 200
    multi_currency.enable(org, {"EUR": "0.92"})
    assert asked(call, statement).json()[0]["errorCode"] == "MALFORMED_QUERY"
