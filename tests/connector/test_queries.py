"""Queries over REST: pages, numbers as sent, and every way in which a page can be wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import Misconfigured, Transient, UnknownReply, WindowLost, WindowTooWide
from connector.pages import page_of
from connector.select_list import columns_of, object_of

SOQL = "SELECT Id, Order.AccountId, Order.Account.Name, TotalPrice, IsDeleted FROM OrderItem"
NEXT = "/services/data/v68.0/query/01gD0000002HU6KIAW-{}"


def record(n: int, **more: Any) -> dict[str, Any]:
    return {
        "attributes": {"type": "OrderItem", "url": f"/services/data/v68.0/sobjects/OrderItem/802{n:012d}"},
        "Id": f"802{n:012d}AAA",
        "Order": {
            "attributes": {"type": "Order"},
            "AccountId": "001A",
            "Account": {"attributes": {}, "Name": "Ænn"},
        },
        "TotalPrice": 12.5,
        "IsDeleted": False,
        **more,
    }


def page(*records: dict[str, Any], total: int | None = None, following: str | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "totalSize": total or len(records),
        "done": following is None,
        "records": list(records),
    }
    return body | ({"nextRecordsUrl": following} if following else {})


def test_a_page_has_one_text_column_per_selected_path(scripted: Any, org: Any, make: Any) -> None:
    scripted.data("GET", "query", make.reply(page(record(1))))
    (only,) = org.query(SOQL)
    assert only.table.column_names == [
        "Id",
        "Order.AccountId",
        "Order.Account.Name",
        "TotalPrice",
        "IsDeleted",
    ]
    assert only.table.to_pylist() == [
        {
            "Id": "802000000000001AAA",
            "Order.AccountId": "001A",
            "Order.Account.Name": "Ænn",
            "TotalPrice": "12.5",
            "IsDeleted": "false",
        }
    ]
    assert (only.total, only.locator) == (1, None)


@pytest.mark.parametrize(
    "number", ["9.9213206E7", "9.0E7", "0.1", "9999999999999999.99", "-0.0", "100.0", "12"]
)
def test_a_number_keeps_the_characters_that_the_org_sent(
    scripted: Any, org: Any, make: Any, number: str
) -> None:
    body = json.dumps(page(record(1, TotalPrice="@"))).replace('"@"', number)
    scripted.data("GET", "query", make.Reply(200, body.encode(), {"Content-Type": "application/json"}))
    (only,) = org.query(SOQL)
    assert only.table["TotalPrice"].to_pylist() == [number]


def test_a_missing_parent_makes_its_fields_null(scripted: Any, org: Any, make: Any) -> None:
    no_account = {"attributes": {}, "AccountId": None, "Account": None}
    scripted.data("GET", "query", make.reply(page(record(1, Order=None), record(2, Order=no_account))))
    (only,) = org.query(SOQL)
    assert only.table["Order.Account.Name"].to_pylist() == [None, None]
    assert only.table["Order.AccountId"].to_pylist() == [None, None]


def test_columns_are_spelled_as_selected_whatever_the_org_spells(scripted: Any, org: Any, make: Any) -> None:
    scripted.data("GET", "query", make.reply(page(record(1))))
    (only,) = org.query("select id, order.account.name from orderitem")
    assert only.table.to_pylist() == [{"id": "802000000000001AAA", "order.account.name": "Ænn"}]


def test_nul_and_half_surrogates_do_not_travel_on(scripted: Any, org: Any, make: Any) -> None:
    body = json.dumps(page(record(1, Id="a\0b\ud800c\U0001f600")))
    scripted.data("GET", "query", make.Reply(200, body.encode(), {}))
    assert next(iter(org.query(SOQL))).table["Id"].to_pylist() == ["ab\ufffdc\U0001f600"]


def test_deleted_records_are_asked_for_by_the_other_resource(scripted: Any, org: Any, make: Any) -> None:
    scripted.data("GET", "queryAll", make.reply(page()))
    list(org.query(SOQL, include_deleted=True))
    asked = scripted.calls("queryAll")[0]
    assert asked.params == {"q": SOQL}
    assert asked.headers["sforce-query-options"] == "batchSize=2000"


def test_pages_follow_their_locators_and_a_caller_can_go_on_from_one(
    scripted: Any, org: Any, make: Any
) -> None:
    first = page(record(1), record(2), total=3, following=NEXT.format(2000))
    scripted.data("GET", "query", make.reply(first))
    scripted.data("GET", "query/01g", make.reply(page(record(3), total=3)))
    pages = list(org.query(SOQL))
    assert [p.table.num_rows for p in pages] == [2, 1]
    assert pages[0].locator == NEXT.format(2000)
    (rest,) = org.query(SOQL, locator=pages[0].locator)
    assert rest.table["Id"].to_pylist() == ["802000000000003AAA"]


@pytest.mark.parametrize("code", ["INVALID_SESSION_ID", "INVALID_AUTH_HEADER"])
def test_a_token_that_expires_on_page_three_costs_one_login(
    scripted: Any, org: Any, make: Any, code: str
) -> None:
    scripted.data("GET", "query", make.reply(page(record(1), total=3, following=NEXT.format(1))))
    scripted.data(
        "GET", "query/01gD0000002HU6KIAW-1", make.reply(page(record(2), total=3, following=NEXT.format(2)))
    )
    scripted.data(
        "GET", "query/01gD0000002HU6KIAW-2", make.refusal(code, 401), make.reply(page(record(3), total=3))
    )
    assert sum(p.table.num_rows for p in org.query(SOQL)) == 3
    assert scripted.tokens == 2


def test_a_lost_locator_says_begin_the_window_again(scripted: Any, org: Any, make: Any) -> None:
    scripted.data("GET", "query", make.reply(page(record(1), total=2, following=NEXT.format(1))))
    scripted.data("GET", "query/01g", make.refusal("INVALID_QUERY_LOCATOR"))
    with pytest.raises(WindowLost):
        list(org.query(SOQL))
    assert len(scripted.calls("query/01g")) == 1


def test_a_locator_that_repeats_itself_is_not_followed_for_ever(scripted: Any, org: Any, make: Any) -> None:
    again = make.reply(page(record(1), total=9, following=NEXT.format(1)))
    scripted.data("GET", "query", again)
    with pytest.raises(WindowLost, match="LOCATOR_REPEATED"):
        list(org.query(SOQL))


def test_rows_that_do_not_arrive_are_missed(scripted: Any, org: Any, make: Any) -> None:
    scripted.data("GET", "query", make.reply(page(record(1), total=3, following=NEXT.format(1))))
    scripted.data("GET", "query/01g", make.reply(page(record(2), total=3)))
    with pytest.raises(WindowLost, match="2 of 3 rows"):
        list(org.query(SOQL))


def test_rows_are_counted_on_from_a_poll(scripted: Any, org: Any, make: Any) -> None:
    first = page({"Id": "a"}, total=3, following=NEXT.format(1))
    part = {"referenceId": "q0", "httpStatusCode": 200, "body": first}
    scripted.data("POST", "composite", make.reply({"compositeResponse": [part]}))
    scripted.data("GET", "query/01g", make.reply(page({"Id": "b"}, total=3)))
    (polled,) = org.poll(["SELECT Id FROM Order"])
    with pytest.raises(WindowLost, match="2 of 3 rows"):
        list(org.query("SELECT Id FROM Order", locator=polled.locator))


def test_a_locator_of_an_earlier_process_is_followed_without_a_count(
    scripted: Any, org: Any, make: Any
) -> None:
    scripted.data("GET", "query/01g", make.reply(page({"Id": "b"}, total=3)))
    assert len(list(org.query("SELECT Id FROM Order", locator=NEXT.format(2)))) == 1


@pytest.mark.parametrize("locator", [None, "", "null"])
def test_more_rows_without_a_locator_is_not_the_end(scripted: Any, org: Any, make: Any, locator: Any) -> None:
    body = {**page(record(1), total=2), "done": False, "nextRecordsUrl": locator}
    scripted.data("GET", "query", make.reply(body))
    with pytest.raises(Transient, match="NO_LOCATOR"):
        list(org.query(SOQL))


def test_a_slow_query_asks_for_a_narrower_window(scripted: Any, org: Any, make: Any) -> None:
    scripted.data("GET", "query", make.refusal("QUERY_TIMEOUT"))
    with pytest.raises(WindowTooWide):
        list(org.query(SOQL))


def test_a_hidden_field_is_named_with_what_to_do(scripted: Any, org: Any, make: Any) -> None:
    message = (
        "\nSELECT Foo__c FROM Account WHERE Name = 'canary'\n       ^\nERROR at Row:1:Column:8\nNo such column "
        "'Foo__c' on entity 'Account'. If you are attempting to use a custom field, be sure to append …"
    )
    scripted.data("GET", "query", make.refusal("INVALID_FIELD", 400, message))
    with pytest.raises(Misconfigured) as caught:
        list(org.query(SOQL))
    assert str(caught.value) == "INVALID_FIELD on OrderItem (HTTP 400): no field Foo__c on Account"
    assert "field-level security" in caught.value.hint


def test_a_query_too_long_for_an_address_goes_in_a_body(scripted: Any, org: Any, make: Any) -> None:
    ids = ", ".join(f"'801{n:012d}AAA'" for n in range(1000))
    soql = f"SELECT Id FROM Order WHERE Id IN ({ids})"
    part = {"referenceId": "q0", "httpStatusCode": 200, "body": page({"attributes": {}, "Id": "801"})}
    scripted.data("POST", "composite", make.reply({"compositeResponse": [part]}))
    assert next(iter(org.query(soql))).table.num_rows == 1
    assert not scripted.calls("query")


# --- one call for five questions ------------------------------------------------------------------------
def test_a_poll_is_one_call_and_answers_in_order(scripted: Any, org: Any, make: Any) -> None:
    parts = [
        {
            "referenceId": "q1",
            "httpStatusCode": 200,
            "body": page({"Id": "b"}, total=5, following=NEXT.format(1)),
        },
        {"referenceId": "q0", "httpStatusCode": 200, "body": page({"Id": "a"})},
    ]
    scripted.data("POST", "composite", make.reply({"compositeResponse": parts}))
    first, second = org.poll(["SELECT Id FROM Account", "SELECT Id FROM Order WHERE Name = 'a+b&c'"])
    assert (first.table["Id"].to_pylist(), first.locator) == (["a"], None)
    assert (second.table["Id"].to_pylist(), second.locator) == (["b"], NEXT.format(1))
    asked = scripted.calls("composite")
    assert len(asked) == 1
    urls = [part["url"] for part in asked[0].json["compositeRequest"]]
    assert (
        urls[1]
        == "/services/data/v68.0/queryAll?q=SELECT%20Id%20FROM%20Order%20WHERE%20Name%20%3D%20%27a%2Bb%26c%27"
    )


def test_a_refused_part_of_a_poll_says_which_it_was(scripted: Any, org: Any, make: Any) -> None:
    parts = [
        {"referenceId": "q0", "httpStatusCode": 200, "body": page()},
        {"referenceId": "q1", "httpStatusCode": 400, "body": [{"errorCode": "INVALID_TYPE", "message": "sObject type 'X__c' is not supported"}]},
    ]  # fmt: skip
    scripted.data("POST", "composite", make.reply({"compositeResponse": parts}))
    with pytest.raises(Misconfigured, match="no object X__c") as caught:
        org.poll(["SELECT Id FROM Account", "SELECT Id FROM X__c"])
    assert caught.value.at == 1


def test_a_part_of_a_poll_in_trouble_is_asked_again_and_not_for_ever(
    scripted: Any, org: Any, make: Any, clock: Any
) -> None:
    trouble = {"referenceId": "q0", "httpStatusCode": 503, "body": [{"errorCode": "SERVER_UNAVAILABLE"}]}
    fine = {"referenceId": "q0", "httpStatusCode": 200, "body": page()}
    scripted.data(
        "POST",
        "composite",
        make.reply({"compositeResponse": [trouble]}),
        make.Reply(502, b"", {}),
        make.reply({"compositeResponse": [fine]}),
    )
    assert org.poll(["SELECT Id FROM Account"])[0].table.num_rows == 0
    scripted.data("POST", "composite", make.reply({"compositeResponse": [trouble]}))
    before = len(scripted.asked)
    with pytest.raises(Transient, match="SERVER_UNAVAILABLE"):
        org.poll(["SELECT Id FROM Account"])
    assert len(scripted.asked) == before + 5
    scripted.data("POST", "composite", make.Reply(502, b"", {}))
    before = len(scripted.asked)
    with pytest.raises(Transient, match="HTTP_502"):
        org.poll(["SELECT Id FROM Account"])
    assert len(scripted.asked) == before + 5


def test_a_poll_with_a_part_missing_is_no_answer(scripted: Any, org: Any, make: Any) -> None:
    scripted.data("POST", "composite", make.reply({"compositeResponse": []}))
    with pytest.raises(Transient, match="PARTS_MISSING"):
        org.poll(["SELECT Id FROM Account"])
    with pytest.raises(Misconfigured, match="POLL_SIZE"):
        org.poll(["SELECT Id FROM Account"] * 6)


# --- descriptions ---------------------------------------------------------------------------------------
def test_descriptions_come_25_a_call_and_unknown_objects_are_none(scripted: Any, org: Any, make: Any) -> None:
    def answer(asked: Any) -> Any:
        parts = []
        for part in asked.json["compositeRequest"]:
            name = part["url"].split("/")[-2]
            body: Any = {
                "name": name,
                "label": name,
                "fields": [{"name": "Id", "label": "Id", "type": "id", "length": 18}],
            }
            if name == "Nope__c":
                body = [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]
            status = 404 if name == "Nope__c" else 200
            parts.append({"referenceId": part["referenceId"], "httpStatusCode": status, "body": body})
        return make.reply({"compositeResponse": parts})

    scripted.data("POST", "composite", answer)
    names = [f"O{n}__c" for n in range(30)] + ["Nope__c", "O1__c"]
    found = org.describe(names)
    assert found["Nope__c"] is None
    assert found["O7__c"].fields["Id"].length == 18
    assert len(found) == 31
    assert [len(a.json["compositeRequest"]) for a in scripted.calls("composite")] == [25, 6]


def test_a_description_that_fails_otherwise_is_an_error(scripted: Any, org: Any, make: Any) -> None:
    part = {"referenceId": "d0", "httpStatusCode": 418, "body": "teapot"}
    scripted.data("POST", "composite", make.reply({"compositeResponse": [part]}))
    with pytest.raises(UnknownReply):
        org.describe(["Account"])


# --- the select list ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("soql", "columns"),
    [
        ("SELECT Id FROM Account", ("Id",)),
        ("select Id,Name , Owner.Name\nfrom Account where Name = 'x FROM y'", ("Id", "Name", "Owner.Name")),
        ("SELECT COUNT() FROM Account", ()),
        (
            "SELECT COUNT(Id), MAX(SystemModstamp) newest, SUM(Amount) FROM Order",
            ("expr0", "newest", "expr1"),
        ),
        (
            "SELECT AccountId, Type kind, COUNT(Id) n FROM Order GROUP BY AccountId, Type",
            ("AccountId", "kind", "n"),
        ),
        ("SELECT toLabel(Status) s, Id FROM Order", ("s", "Id")),
        ("SELECT From__c, FromDate__c FROM X__c", ("From__c", "FromDate__c")),
    ],
)
def test_the_columns_of_a_query(soql: str, columns: tuple[str, ...]) -> None:
    assert columns_of(soql) == columns


@pytest.mark.parametrize(
    "soql",
    [
        "",
        "UPDATE Account",
        "SELECT Id",
        "SELECT FROM Account",
        "SELECT Id, (SELECT Id FROM OrderItems) FROM Order",
        "SELECT TYPEOF What WHEN Account THEN Phone END FROM Event",
        "SELECT Id, id FROM Account",
        "SELECT Id;Name FROM Account",
        "SELECT Id a b FROM Account",
    ],
)
def test_a_select_list_that_cannot_become_columns_is_refused(soql: str) -> None:
    with pytest.raises(Misconfigured):
        columns_of(soql)


def test_the_object_of_a_query_is_behind_its_own_from() -> None:
    assert object_of("SELECT Id, COUNT(Id) FROM Order WHERE Id IN (SELECT Id FROM X)") == "Order"
    assert object_of("nothing") is None


name = st.from_regex(r"[A-Z][A-Za-z]{0,8}(?:__c)?", fullmatch=True).filter(
    lambda n: n.upper() not in {"FROM", "TYPEOF"}
)


@given(
    paths=st.lists(
        st.lists(name, min_size=1, max_size=4).map(".".join), min_size=1, max_size=6, unique_by=str.lower
    )
)
def test_any_list_of_paths_comes_back_as_its_columns(paths: list[str]) -> None:
    soql = f"SELECT {', '.join(paths)} FROM Order"
    assert columns_of(soql) == tuple(paths)


@given(value=st.none() | st.text() | st.booleans())
def test_any_text_of_a_record_survives_except_nul_and_half_surrogates(value: Any) -> None:
    (read,) = (
        page_of({"totalSize": "1", "done": True, "records": [{"A": value}]}, ["A"]).table["A"].to_pylist()
    )
    expected = (
        {True: "true", False: "false", None: None}[value]
        if not isinstance(value, str)
        else value.replace("\0", "")
    )
    assert read == expected
