"""SOQL as it answers: records, parents, children, conditions, groups."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest

from emulator.org import OpenAccess, Org
from emulator.schema import Field, SObject, make_field


@pytest.fixture(autouse=True)
def everything_visible(org: Org) -> None:
    org.access = OpenAccess()


class Ask:
    """`ask("SELECT …")` → records; `ask.reply` → the whole reply."""

    def __init__(self, call: Any) -> None:
        self.call = call

    def reply(self, statement: str, verb: str = "query", **headers: str) -> dict[str, Any]:
        response = self.call("GET", f"{verb}?q={quote(statement)}", headers=headers)
        assert response.status == 200, response.content().decode()
        found: dict[str, Any] = response.json()
        return found

    def __call__(self, statement: str, verb: str = "query") -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = self.reply(statement, verb)["records"]
        return records

    def names(self, condition: str) -> list[str]:
        return [each["Name"] for each in self(f"SELECT Name FROM Account WHERE {condition} ORDER BY Name")]

    def refusal(self, statement: str) -> tuple[str, str]:
        response = self.call("GET", f"query?q={quote(statement)}")
        assert response.status == 400, response.content().decode()
        (error,) = response.json()
        return error["errorCode"], error["message"].split("\n")[-1]


@pytest.fixture
def ask(call: Any) -> Ask:
    return Ask(call)


@pytest.fixture
def accounts(call: Any) -> dict[str, str]:
    """Four accounts: Alpha and its child Beta, Gämma, and Delta of whom little is known."""
    made = {}
    made["Alpha"] = call.create(
        "Account",
        Name="Alpha",
        Type="Prospect",
        AnnualRevenue=1000000,
        NumberOfEmployees=5,
        BillingCity="Bern",
    )
    made["Beta"] = call.create(
        "Account",
        Name="Beta",
        Type="Other",
        AnnualRevenue=99213206,
        NumberOfEmployees=50,
        ParentId=made["Alpha"],
    )
    made["Gämma"] = call.create("Account", Name="Gämma", Type="Other", AnnualRevenue=3, Site="100%_sure\\")
    made["Delta"] = call.create("Account", Name="Delta")
    return made


# -- records -----------------------------------------------------------------------------------------------


def test_a_record_has_attributes_and_the_fields_in_the_order_asked(
    ask: Ask, accounts: dict[str, str]
) -> None:
    (record,) = ask(
        "SELECT AnnualRevenue, name, Parent.Name, Parent.Owner.Name, isdeleted FROM account WHERE Name = 'beta'"
    )
    assert list(record) == ["attributes", "AnnualRevenue", "Name", "Parent", "IsDeleted"]
    url = f"/services/data/v68.0/sobjects/Account/{accounts['Beta']}"
    assert record["attributes"] == {"type": "Account", "url": url}
    assert record["AnnualRevenue"] == Decimal("9.9213206E7")
    assert record["Parent"]["attributes"]["type"] == "Account"
    assert record["Parent"]["Owner"]["Name"] == "Ada Admin"


def test_amounts_of_ten_million_are_written_with_an_exponent(call: Any, accounts: dict[str, str]) -> None:
    body = call(
        "GET", f"query?q={quote('SELECT AnnualRevenue FROM Account ORDER BY AnnualRevenue DESC NULLS LAST')}"
    )
    assert b'"AnnualRevenue":9.9213206E7' in body.content()
    assert b'"AnnualRevenue":1000000.0' in body.content()


def test_a_parent_that_is_not_there_is_null(ask: Ask, accounts: dict[str, str]) -> None:
    (record,) = ask("SELECT Parent.Name FROM Account WHERE Name = 'Delta'")
    assert record["Parent"] is None


def test_an_address_comes_as_one_object_or_null(ask: Ask, accounts: dict[str, str]) -> None:
    alpha, _, delta = ask("SELECT BillingAddress FROM Account WHERE Name != 'Gämma' ORDER BY Name")
    assert alpha["BillingAddress"]["city"] == "Bern"
    assert delta["BillingAddress"] is None


def test_a_task_names_whatever_it_is_about(ask: Ask, call: Any, accounts: dict[str, str]) -> None:
    call.create("Task", Subject="S", Status="Not Started", Priority="Normal", WhatId=accounts["Alpha"])
    (task,) = ask("SELECT What.Name, What.Type, Who.Name FROM Task WHERE What.Type = 'Account'")
    assert (task["What"]["Name"], task["What"]["Type"], task["Who"]) == ("Alpha", "Account", None)
    assert task["What"]["attributes"]["type"] == "Name"


def test_fields_stands_for_all_fields_and_needs_a_limit(ask: Ask, accounts: dict[str, str]) -> None:
    (record,) = ask("SELECT FIELDS(ALL), Owner.Name FROM Account LIMIT 1")
    assert {"Id", "Name", "BillingAddress", "SystemModstamp", "Owner"} < set(record)
    assert ask.refusal("SELECT FIELDS(ALL) FROM Account")[0] == "MALFORMED_QUERY"
    assert ask("SELECT FIELDS(STANDARD) FROM Account")


def test_children_come_with_their_own_size_and_only_where_there_are_any(
    ask: Ask, call: Any, accounts: dict[str, str]
) -> None:
    for name in ("Eins", "Zwei", "Drei"):
        call.create("Contact", LastName=name, AccountId=accounts["Alpha"])
    alpha, beta = ask(
        "SELECT Name, (SELECT LastName, Account.Name FROM Contacts WHERE LastName != 'Drei' ORDER BY LastName DESC)"
        " FROM Account WHERE Name IN ('Alpha', 'Beta') ORDER BY Name"
    )
    assert (alpha["Contacts"]["totalSize"], alpha["Contacts"]["done"]) == (2, True)
    assert [each["LastName"] for each in alpha["Contacts"]["records"]] == ["Zwei", "Eins"]
    assert alpha["Contacts"]["records"][0]["Account"]["Name"] == "Alpha"
    assert beta["Contacts"] is None


def test_a_limit_on_children_counts_for_each_parent(ask: Ask, call: Any, accounts: dict[str, str]) -> None:
    for parent in ("Alpha", "Beta"):
        for number in range(3):
            call.create("Contact", LastName=f"{parent}{number}", AccountId=accounts[parent])
    found = ask(
        "SELECT Name, (SELECT LastName FROM Contacts ORDER BY LastName LIMIT 1 OFFSET 1) FROM Account"
        " WHERE Id IN (SELECT AccountId FROM Contact) ORDER BY Name"
    )
    assert [[c["LastName"] for c in each["Contacts"]["records"]] for each in found] == [["Alpha1"], ["Beta1"]]


def test_a_formula_field_is_worked_out_when_asked(ask: Ask, org: Org, accounts: dict[str, str]) -> None:
    class Tripled:
        def sql(self, sobject: str, field: str, alias: str) -> str:
            return f'{alias}."NumberOfEmployees" * 300'

    formula = {"name": "Triple__c", "type": "double", "label": "T", "precision": 18, "scale": 2}
    org.add_field("Account", make_field({**formula, "calculated": True, "custom": True}))
    org.formulas = Tripled()
    (record,) = ask("SELECT Triple__c FROM Account WHERE Triple__c > 15.01")
    assert record["Triple__c"] == 150


# -- conditions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("Name = 'ALPHA'", ["Alpha"]),
        ("Name = 'GÄMMA'", ["Gämma"]),
        ("Name IN ('alpha', 'GÄMMA')", ["Alpha", "Gämma"]),
        ("Name LIKE '%A'", ["Alpha", "Beta", "Delta", "Gämma"]),
        ("Name LIKE 'gÄ%'", ["Gämma"]),
        ("Name LIKE '_eta'", ["Beta"]),
        (r"Site LIKE '100\%\_%\\'", ["Gämma"]),
        ("Name > 'beta' AND Name <= 'delta'", ["Delta"]),
        ("Type = null", ["Delta"]),
        ("Type = ''", ["Delta"]),
        ("Type != null", ["Alpha", "Beta", "Gämma"]),
        ("Type != 'Other'", ["Alpha", "Delta"]),
        ("Type NOT IN ('Other')", ["Alpha", "Delta"]),
        ("Type IN ('Prospect', null)", ["Alpha", "Delta"]),
        ("NOT Type = 'Other'", ["Alpha", "Delta"]),
        ("NOT AnnualRevenue > 5", ["Delta", "Gämma"]),
        ("AnnualRevenue = 9.9213206E7", ["Beta"]),
        ("AnnualRevenue > 2.5 AND AnnualRevenue < 3.5", ["Gämma"]),
        ("AnnualRevenue = 3.5", []),
        ("AnnualRevenue < 99999999999999999999999", ["Alpha", "Beta", "Gämma"]),
        ("AnnualRevenue IN (3, 1000000)", ["Alpha", "Gämma"]),
        ("NumberOfEmployees <> 5", ["Beta", "Delta", "Gämma"]),
        ("(Type = 'Other' OR Type = null) AND NOT (Name = 'Beta' OR Name = 'Delta')", ["Gämma"]),
        ("Parent.Name = 'alpha'", ["Beta"]),
        ("Parent.Owner.IsActive = true", ["Beta"]),
        ("Parent.Name != 'Alpha'", ["Alpha", "Delta", "Gämma"]),
        ("IsDeleted = false AND CreatedDate = TODAY AND CreatedDate >= 2026-11-23T16:00:00+01:00", ["Alpha", "Beta", "Delta", "Gämma"]),
        ("CreatedDate < LAST_N_DAYS:5", []),
        ("CALENDAR_YEAR(CreatedDate) = 2026 AND DAY_ONLY(CreatedDate) = 2026-11-23", ["Alpha", "Beta", "Delta", "Gämma"]),
    ],
)  # fmt: skip
def test_a_condition_finds(ask: Ask, accounts: dict[str, str], condition: str, found: list[str]) -> None:
    assert ask.names(condition) == found


def test_ids_are_found_by_15_and_18_characters(ask: Ask, accounts: dict[str, str]) -> None:
    key = accounts["Alpha"]
    assert ask.names(f"Id = '{key[:15]}'") == ask.names(f"Id IN ('{key}')") == ["Alpha"]


def test_semi_joins_and_anti_joins(ask: Ask, call: Any, accounts: dict[str, str]) -> None:
    call.create("Contact", LastName="L", AccountId=accounts["Alpha"])
    call.create("Contact", LastName="Nobody's")
    assert ask.names("Id IN (SELECT AccountId FROM Contact)") == ["Alpha"]
    assert ask.names("Id NOT IN (SELECT AccountId FROM Contact)") == ["Beta", "Delta", "Gämma"]
    assert ask.names("ParentId IN (SELECT Id FROM Account WHERE Name = 'alpha')") == ["Beta"]


def test_multi_select_picklists_include_and_exclude(ask: Ask, org: Org, call: Any) -> None:
    org.add_field(
        "Account",
        make_field({"name": "Lines__c", "type": "multipicklist", "label": "L", "length": 99, "custom": True}),
    )
    for name, lines in (("A", "Skin;Hair"), ("B", "Hair"), ("C", None)):
        call.create("Account", Name=name, Lines__c=lines)
    assert ask.names("Lines__c INCLUDES ('Skin;Hair', 'Nails')") == ["A"]
    assert ask.names("Lines__c INCLUDES ('hair')") == ["A", "B"]
    assert ask.names("Lines__c EXCLUDES ('Skin')") == ["B", "C"]


def test_deleted_records_are_seen_by_query_all_only(ask: Ask, call: Any, accounts: dict[str, str]) -> None:
    call("DELETE", f"sobjects/Account/{accounts['Delta']}")
    assert len(ask("SELECT Id FROM Account")) == 3
    assert len(ask("SELECT Id FROM Account", "queryAll")) == 4
    assert len(ask("SELECT Id FROM Account ALL ROWS")) == 4


def test_the_order_is_the_one_asked_for(ask: Ask, accounts: dict[str, str]) -> None:
    def ordered(by: str) -> list[str]:
        return [each["Name"] for each in ask(f"SELECT Name FROM Account ORDER BY {by}")]

    assert ordered("AnnualRevenue") == ["Delta", "Gämma", "Alpha", "Beta"]
    assert ordered("AnnualRevenue DESC") == ["Delta", "Beta", "Alpha", "Gämma"]
    assert ordered("AnnualRevenue DESC NULLS LAST, Name") == ["Beta", "Alpha", "Gämma", "Delta"]
    assert ordered("Type DESC NULLS LAST, Name LIMIT 2 OFFSET 1") == ["Beta", "Gämma"]


# -- groups ------------------------------------------------------------------------------------------------


def test_count_has_a_size_and_no_records(ask: Ask, accounts: dict[str, str]) -> None:
    assert ask.reply("SELECT COUNT() FROM Account WHERE Type = 'Other'") == {
        "totalSize": 2,
        "done": True,
        "records": [],
    }
    assert ask.reply("SELECT COUNT() FROM Account LIMIT 3")["totalSize"] == 3


def test_groups_carry_aliases_and_numbered_expressions(ask: Ask, accounts: dict[str, str]) -> None:
    assert ask(
        "SELECT Type, COUNT(Id) n, SUM(AnnualRevenue), MAX(Name) FROM Account"
        " GROUP BY Type HAVING COUNT(Id) >= 1 AND SUM(AnnualRevenue) != null ORDER BY SUM(AnnualRevenue) DESC"
    ) == [
        {
            "attributes": {"type": "AggregateResult"},
            "Type": "Other",
            "n": 2,
            "expr0": 99213209,
            "expr1": "Gämma",
        },
        {
            "attributes": {"type": "AggregateResult"},
            "Type": "Prospect",
            "n": 1,
            "expr0": 1000000,
            "expr1": "Alpha",
        },
    ]


def test_averages_are_worked_out_from_exact_sums(ask: Ask, accounts: dict[str, str]) -> None:
    (found,) = ask("SELECT AVG(AnnualRevenue) a, COUNT(AnnualRevenue) n, COUNT_DISTINCT(Type) t FROM Account")
    assert (found["a"], found["n"], found["t"]) == (Decimal("33404403"), 3, 2)
    assert (
        ask("SELECT Type FROM Account GROUP BY Type HAVING AVG(AnnualRevenue) = 49606604.5")[0]["Type"]
        == "Other"
    )


def test_sums_do_not_lose_a_cent(ask: Ask, org: Org, call: Any) -> None:
    org.add_field(
        "Account",
        make_field(
            {"name": "Paid__c", "type": "currency", "label": "P", "precision": 18, "scale": 2, "custom": True}
        ),
    )
    for number in range(10):
        call.create(
            "Account", Name=f"N{number}", Paid__c=Decimal("0.1") if number else Decimal("10000000000.01")
        )
    assert ask("SELECT SUM(Paid__c) s FROM Account")[0]["s"] == Decimal("10000000000.91")


def test_rollup_adds_a_row_over_all_groups(ask: Ask, accounts: dict[str, str]) -> None:
    found = ask(
        "SELECT Type, GROUPING(Type) g, COUNT(Id) n FROM Account WHERE Type != null"
        " GROUP BY ROLLUP(Type) ORDER BY Type NULLS LAST"
    )
    assert [(each["Type"], each["g"], each["n"]) for each in found] == [
        ("Other", 0, 2),
        ("Prospect", 0, 1),
        (None, 1, 3),
    ]


def test_years_follow_the_users_time_zone_only_when_converted(ask: Ask, org: Org) -> None:
    org.storage.load(
        "Account",
        ["Id", "Name", "IsDeleted", "CreatedDate"],
        [("0015g0000000zzzAAA", "Eve", 0, 1798772400000)],
    )  # 2027-01-01T03:00Z is still 2026 in New York
    years = "SELECT CALENDAR_YEAR({0}) y FROM Account WHERE Name = 'Eve' GROUP BY CALENDAR_YEAR({0})"
    assert ask(years.format("CreatedDate"))[0]["y"] == 2027
    assert ask(years.format("convertTimezone(CreatedDate)"))[0]["y"] == 2026


# -- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "code", "message"),
    [
        ("SELECT Nope__c FROM Account", "INVALID_FIELD", "No such column 'Nope__c' on entity 'Account'"),
        ("SELECT Owner.Nope FROM Account", "INVALID_FIELD", "No such column 'Nope' on entity 'User'"),
        (
            "SELECT Nope.Name FROM Account",
            "INVALID_FIELD",
            "Didn't understand relationship 'Nope' in field path",
        ),
        (
            "SELECT (SELECT Id FROM Nopes) FROM Account",
            "INVALID_TYPE",
            "Didn't understand relationship 'Nopes'",
        ),
        ("SELECT Id FROM Nope__c", "INVALID_TYPE", "sObject type 'Nope__c' is not supported"),
        ("SELECT Id, id FROM Account", "INVALID_FIELD", "duplicate field selected: id"),
        (
            "SELECT Id FROM Account WHERE Name = 5",
            "INVALID_FIELD",
            "of type string and should be enclosed in quotes",
        ),
        (
            "SELECT Id FROM Account WHERE AnnualRevenue = '5'",
            "INVALID_FIELD",
            "of type double and should not be",
        ),
        (
            "SELECT Id FROM Account WHERE IsDeleted = 'true'",
            "INVALID_FIELD",
            "of type boolean and should not be",
        ),
        (
            "SELECT Id FROM Account WHERE CreatedDate > 2026-01-01",
            "INVALID_FIELD",
            "of type dateTime and should not",
        ),
        (
            "SELECT Id FROM Order WHERE EffectiveDate > 2026-01-01T00:00:00Z",
            "INVALID_FIELD",
            "of type date and",
        ),
        (
            "SELECT Id FROM Account WHERE Description = 'x'",
            "INVALID_FIELD",
            "can not be filtered in a query call",
        ),
        ("SELECT Id FROM Account ORDER BY Description", "INVALID_FIELD", "can not be sorted in a query call"),
        ("SELECT Id FROM Account WHERE Id = 'abc'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: abc"),
        (
            "SELECT Id FROM Account WHERE Id LIKE '0%'",
            "INVALID_QUERY_FILTER_OPERATOR",
            "invalid operator on id field",
        ),
        (
            "SELECT Id FROM Account WHERE Type INCLUDES ('a')",
            "INVALID_QUERY_FILTER_OPERATOR",
            "multipicklist",
        ),
        (
            "SELECT Id FROM Account OFFSET 2001",
            "NUMBER_OUTSIDE_VALID_RANGE",
            "Maximum SOQL offset allowed is 2000",
        ),
        (
            "SELECT Type, Name FROM Account GROUP BY Type",
            "MALFORMED_QUERY",
            "Field must be grouped or aggregated: Name",
        ),
        ("SELECT COUNT(Id) FROM Account WHERE COUNT(Id) > 1", "MALFORMED_QUERY", "not allowed in WHERE"),
        ("SELECT SUM(Name) FROM Account", "MALFORMED_QUERY", "does not support aggregate operator SUM"),
        ("SELECT NOPE(Name) FROM Account", "MALFORMED_QUERY", "unexpected token: 'NOPE'"),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT Name FROM Contact)",
            "MALFORMED_QUERY",
            "can only query id fields",
        ),
        (
            "SELECT Id FROM Account WHERE Name = 'a' OR Id IN (SELECT AccountId FROM Contact)",
            "MALFORMED_QUERY",
            "not allowed with the 'OR' operator",
        ),
        (
            "SELECT Parent.Parent.Parent.Parent.Parent.Parent.Name FROM Account",
            "MALFORMED_QUERY",
            "at most 5 levels",
        ),
    ],
)
def test_a_statement_that_means_nothing_is_refused(ask: Ask, statement: str, code: str, message: str) -> None:
    found = ask.refusal(statement)
    assert found[0] == code
    assert message in found[1]


def test_a_hidden_field_is_refused_like_one_that_does_not_exist(ask: Ask, org: Org) -> None:
    class NoPhones(OpenAccess):
        def readable(self, user_id: str, sobject: SObject, field: Field) -> bool:
            return field.name != "Phone"

    org.access = NoPhones()
    for statement in ("SELECT Phone FROM Account", "SELECT Id FROM Account WHERE Phone = '1'"):
        assert ask.refusal(statement)[0] == "INVALID_FIELD"
    ask.call.create("Account", Name="A")
    assert "Phone" not in ask("SELECT FIELDS(STANDARD) FROM Account LIMIT 1")[0]
