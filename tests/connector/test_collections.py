"""Keyed writes: as many answers as records, in order, and no doubt swept under a number."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector.errors import (
    Ambiguous,
    AuthenticationFailed,
    Misconfigured,
    QuotaReached,
    RowRefused,
    SyncError,
    Transient,
    UnknownReply,
)
from connector.port import RowResult
from connector.rest import Rest


def ok(n: int, created: bool = False) -> dict[str, Any]:
    return {"id": f"a01{n:012d}AAA", "success": True, "created": created, "errors": []}


def bad(code: str, message: str = "no", *fields: str) -> dict[str, Any]:
    return {"success": False, "errors": [{"statusCode": code, "message": message, "fields": list(fields)}]}


@pytest.fixture
def answering(scripted: Any, make: Any) -> Any:
    """Answers every record ok, unless its key is in `special`; whole parts by index in `parts`."""
    special: dict[str, Any] = {}
    parts: dict[int, tuple[int, Any]] = {}

    def answer(asked: Any) -> Any:
        out = []
        for index, part in enumerate(asked.json["compositeRequest"]):
            status, body = parts.get(
                index,
                (
                    200,
                    [special.get(r.get("Key__c", ""), ok(n)) for n, r in enumerate(part["body"]["records"])],
                ),
            )
            out.append(
                {
                    "referenceId": part["referenceId"],
                    "httpStatusCode": status,
                    "httpHeaders": {},
                    "body": body,
                }
            )
        return make.reply({"compositeResponse": out})

    scripted.data("POST", "composite", answer)
    return special, parts


def records(count: int) -> list[dict[str, Any]]:
    return [{"Key__c": f"k{n:05d}", "Amount__c": Decimal("1.10")} for n in range(count)]


def test_a_thousand_records_are_one_call_of_five_collections(scripted: Any, org: Any, answering: Any) -> None:
    results = org.upsert("Rebate_Standing__c", "Key__c", records(1000))
    (asked,) = scripted.calls("composite")
    sent = asked.json["compositeRequest"]
    assert [len(part["body"]["records"]) for part in sent] == [200] * 5
    assert {part["body"]["allOrNone"] for part in sent} == {False}
    assert sent[0]["url"] == "/services/data/v68.0/composite/sobjects/Rebate_Standing__c/Key__c"
    assert sent[0]["method"] == "PATCH"
    assert sent[0]["httpHeaders"] == {"Sforce-Auto-Assign": "FALSE"}
    assert [r.key for r in results] == [f"k{n:05d}" for n in range(1000)]
    assert all(r.ok for r in results)


def test_1001_records_are_two_calls_in_the_order_given(scripted: Any, org: Any, answering: Any) -> None:
    org.upsert("X__c", "Key__c", list(reversed(records(1001))))
    first, second = scripted.calls("composite")
    assert first.json["compositeRequest"][0]["body"]["records"][0]["Key__c"] == "k01000"
    assert second.json["compositeRequest"][0]["body"]["records"] == [
        {"attributes": {"type": "X__c"}, "Key__c": "k00000", "Amount__c": 1.1}
    ]


def test_amounts_are_sent_digit_by_digit(scripted: Any, org: Any, answering: Any) -> None:
    org.upsert(
        "X__c",
        "Key__c",
        [{"Key__c": "k", "A": Decimal("90000000.00"), "B": Decimal("1E+3"), "C": Decimal("0.10")}],
    )
    body = scripted.calls("composite")[0].body
    assert b'"A":90000000.00,"B":1000,"C":0.10' in body


def test_an_amount_the_api_would_round_is_set_aside_alone(scripted: Any, org: Any, answering: Any) -> None:
    exact, rounded = (
        {"Key__c": "a", "A": Decimal("9999999999999.99")},
        {"Key__c": "b", "A": Decimal("9999999999999999.99")},
    )
    results = org.upsert("X__c", "Key__c", [rounded, exact])
    assert results[0] == RowResult("b", False, code="NUMBER_NOT_EXACT", fields=("A",))
    assert results[0].next_step is RowRefused
    assert results[1].ok
    assert len(scripted.calls("composite")[0].json["compositeRequest"][0]["body"]["records"]) == 1


@pytest.mark.parametrize(
    ("code", "step"),
    [
        ("UNABLE_TO_LOCK_ROW", Transient),
        ("DUPLICATE_VALUE", Ambiguous),
        ("ENTITY_IS_DELETED", RowRefused),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", RowRefused),
        ("STRING_TOO_LONG", RowRefused),
        ("INVALID_FIELD_FOR_INSERT_UPDATE", Misconfigured),
        ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", Misconfigured),
        ("NEVER_HEARD_OF", UnknownReply),
    ],
)
def test_each_refused_record_says_what_to_do_next(
    org: Any, answering: Any, code: str, step: type[SyncError]
) -> None:
    answering[0]["k00001"] = bad(code, "text", "Name")
    results = org.upsert("X__c", "Key__c", records(3))
    assert [r.ok for r in results] == [True, False, True]
    assert (results[1].code, results[1].message, results[1].fields) == (code, "text", ("Name",))
    assert results[1].next_step is step


def test_our_own_fence_is_recognized(org: Any, answering: Any) -> None:
    answering[0]["k00000"] = bad("FIELD_CUSTOM_VALIDATION_EXCEPTION", "RB_STALE_SEQ")
    answering[0]["k00001"] = bad("FIELD_CUSTOM_VALIDATION_EXCEPTION", "RB_STALE_SEQ is a word")
    first, second, third = org.upsert("X__c", "Key__c", records(3))
    assert first.is_superseded
    assert second.is_superseded
    assert not third.is_superseded


@pytest.mark.parametrize("body", [[], [ok(1)] * 201, {"not": "a list"}, None])
def test_answers_that_do_not_match_the_records_leave_their_outcome_unknown(
    org: Any, answering: Any, body: Any
) -> None:
    answering[1][1] = (200, body)
    results = org.upsert("X__c", "Key__c", records(600))
    assert {r.next_step for r in results[200:400]} == {Ambiguous}
    assert all(r.ok for r in results[:200] + results[400:])


def test_success_without_an_id_is_not_success(org: Any, answering: Any) -> None:
    answering[0]["k00000"] = {"success": True, "errors": []}
    answering[0]["k00001"] = {"success": False, "errors": []}
    answering[0]["k00002"] = {"errors": "odd"}
    assert [r.next_step for r in org.upsert("X__c", "Key__c", records(3))] == [Ambiguous] * 3


def test_a_refused_collection_does_not_hide_what_the_others_did(org: Any, answering: Any) -> None:
    answering[1][1] = (400, [{"errorCode": "JSON_PARSER_ERROR", "message": "at [line:1]"}])
    results = org.upsert("X__c", "Key__c", records(600))
    assert {r.code for r in results[200:400]} == {"JSON_PARSER_ERROR"}
    assert {r.next_step for r in results[200:400]} == {Misconfigured}
    assert sum(r.ok for r in results) == 400


def test_a_server_error_in_one_collection_leaves_its_outcome_unknown(org: Any, answering: Any) -> None:
    answering[1][0] = (500, [{"errorCode": "UNKNOWN_EXCEPTION", "message": "ErrorId: 1"}])
    results = org.upsert("X__c", "Key__c", records(201))
    assert {r.next_step for r in results[:200]} == {Ambiguous}
    assert results[200].ok


def test_when_everything_is_refused_it_is_an_error(org: Any, answering: Any) -> None:
    answering[1][0] = (
        404,
        [{"errorCode": "NOT_FOUND", "message": "Provided external ID field does not exist: X"}],
    )
    with pytest.raises(Misconfigured) as caught:
        org.upsert("X__c", "Key__c", records(1))
    assert "rebates org deploy" in caught.value.hint


def test_a_failure_in_the_second_call_keeps_the_results_of_the_first(
    scripted: Any, org: Any, make: Any
) -> None:
    def first(asked: Any) -> Any:
        parts = asked.json["compositeRequest"]
        return make.reply(
            {
                "compositeResponse": [
                    {"referenceId": p["referenceId"], "httpStatusCode": 200, "body": [ok(1)] * 200}
                    for p in parts
                ]
            }
        )

    scripted.data("POST", "composite", first, make.Reply(drop=True))
    results = org.create("Task", records(2500), key_field="Key__c")
    assert all(r.ok and r.created for r in results[:1000])
    assert {r.next_step for r in results[1000:2000]} == {Ambiguous}
    assert {r.code for r in results[2000:]} == {"NOT_SENT"}


def test_a_key_that_comes_twice_is_refused_before_anything_is_sent(scripted: Any, org: Any) -> None:
    for double in (["a", "A"], ["a", "a"]):
        with pytest.raises(Misconfigured, match="KEY_TWICE"):
            org.upsert("X__c", "Key__c", [{"Key__c": k} for k in double])
    with pytest.raises(Misconfigured, match="KEY_MISSING"):
        org.update("Account", [{"Name": "x"}])
    assert not scripted.calls("composite")


def test_ids_differ_by_letter_case_alone(org: Any, answering: Any) -> None:
    assert len(org.update("Account", [{"Id": "001A"}, {"Id": "001a"}])) == 2


def test_updates_and_creates_go_to_the_plain_collection(scripted: Any, org: Any, answering: Any) -> None:
    org.update("Account", [{"Id": "001A", "Rebate_Tier__c": None}])
    org.create("Task", [{"Subject": "Call"}])
    update, create = [a.json["compositeRequest"][0] for a in scripted.calls("composite")]
    assert (update["method"], update["url"]) == ("PATCH", "/services/data/v68.0/composite/sobjects")
    assert update["body"]["records"] == [
        {"attributes": {"type": "Account"}, "id": "001A", "Rebate_Tier__c": None}
    ]
    assert (create["method"], create["url"]) == ("POST", "/services/data/v68.0/composite/sobjects")


def test_nothing_to_write_is_no_call(scripted: Any, org: Any) -> None:
    assert org.upsert("X__c", "Key__c", []) == []
    assert not scripted.calls("composite")


@pytest.mark.parametrize(
    "ended", [QuotaReached("API_BUDGET_SHARE"), AuthenticationFailed("INVALID_SESSION_ID")]
)
def test_a_quota_or_a_login_that_ends_half_way_is_not_about_the_records(
    org: Any, answering: Any, monkeypatch: pytest.MonkeyPatch, ended: SyncError
) -> None:
    calls = []
    composite = Rest.composite

    def until_it_ends(self: Rest, parts: Any, call: Any) -> Any:
        calls.append(len(parts))
        if len(calls) > 1:
            raise ended
        return composite(self, parts, call)

    monkeypatch.setattr(Rest, "composite", until_it_ends)
    results = org.upsert("X__c", "Key__c", records(2100))
    assert [r.ok for r in results[:1000]] == [True] * 1000
    assert {(r.code, r.next_step) for r in results[1000:]} == {("NOT_SENT", Transient)}
    assert len(calls) == 2
