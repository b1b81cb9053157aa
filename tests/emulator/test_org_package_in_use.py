"""The deployed package through every door: what a user may not see, and what a stale write meets."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from connector.package_zip import build_package
from emulator import multi_currency, records
from emulator.auth import login
from emulator.context import Context
from emulator.life import permissions_of
from emulator.metadata_rest import multipart
from emulator.org import Org

FORCE_APP = Path(__file__).parents[2] / "salesforce" / "force-app"
INTEGRATION = "integration@acme.example"
STALE = "RB_STALE_SEQ"
KEYED = "composite/sobjects/Rebate_Standing__c/Sync_Key__c"
PACKAGE = build_package(FORCE_APP, "62.0")


@pytest.fixture
def member(call: Any, org: Org) -> str:
    """The package is deployed, the integration user works with its permission set; an account of the admin's."""
    body, kind = multipart(PACKAGE, {"rollbackOnError": True})
    sent = call("POST", "metadata/deployRequest", body=body, headers={"Content-Type": kind})
    while not call("GET", f"metadata/deployRequest/{sent.json()['id']}").json()["deployResult"]["done"]:
        pass
    account = str(call.create("Account", Name="Lumière"))
    permissions_of(org).assign(INTEGRATION, "Rebate_Sync_Integration")
    call.token = login(org, INTEGRATION)
    return account


def standing(member: str, key: str, sequence: int, **more: Any) -> dict[str, Any]:
    values = {"Account__c": member, "Sync_Key__c": key, "Rebate_Seq__c": sequence, "Program_Key__c": "p"}
    return values | {"Program_Name__c": "P", "Period__c": "2026-11", **more}


def typed(values: dict[str, Any]) -> dict[str, Any]:
    return {"attributes": {"type": "Rebate_Standing__c"}, **values}


def bulk(call: Any, rows: list[dict[str, Any]]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Upsert by the key; (successful, failed)."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    job = {"object": "Rebate_Standing__c", "operation": "upsert", "externalIdFieldName": "Sync_Key__c"}
    made = call("POST", "jobs/ingest", json=job).json()["id"]
    headers = {"Content-Type": "text/csv"}
    put = call("PUT", f"jobs/ingest/{made}/batches", body=text.getvalue().encode(), headers=headers)
    assert put.status == 201
    call("PATCH", f"jobs/ingest/{made}", json={"state": "UploadComplete"})
    assert call("GET", f"jobs/ingest/{made}").json()["state"] == "JobComplete"

    def read(which: str) -> list[dict[str, str]]:
        found = call("GET", f"jobs/ingest/{made}/{which}").content().decode()
        return list(csv.DictReader(io.StringIO(found, newline="")))

    return read("successfulResults"), read("failedResults")


def query(call: Any, statement: str) -> Any:
    return call("GET", f"query?{urlencode({'q': statement})}")


def sequences(org: Org) -> dict[str, int]:
    rows = org.storage.rows('SELECT "Sync_Key__c", "Rebate_Seq__c" FROM "Rebate_Standing__c"')
    return dict(rows)


# -- the fence ---------------------------------------------------------------------------------------------------


@pytest.fixture
def two(call: Any, member: str) -> dict[str, str]:
    """Two standings that hold sequence 5: ids by key."""
    records = [typed(standing(member, key, 5)) for key in ("RB-1", "RB-2")]
    results = call("PATCH", KEYED, json={"allOrNone": False, "records": records}).json()
    assert [each["success"] for each in results] == [True, True], results
    return dict(zip(("RB-1", "RB-2"), (each["id"] for each in results), strict=True))


def test_a_collection_refuses_the_stale_row_and_keeps_the_fresh_one(
    call: Any, org: Org, member: str, two: dict[str, str]
) -> None:
    records = [
        typed({"Sync_Key__c": "RB-1", "Rebate_Seq__c": 4}),
        typed({"Sync_Key__c": "RB-2", "Rebate_Seq__c": 6}),
    ]
    stale, fresh = call("PATCH", KEYED, json={"allOrNone": False, "records": records}).json()
    assert (stale["success"], fresh["success"]) == (False, True)
    (error,) = stale["errors"]
    assert error["statusCode"] == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert error["message"].startswith(STALE)
    assert error["fields"] == ["Rebate_Seq__c"]
    assert sequences(org) == {"RB-1": 5, "RB-2": 6}


def test_all_or_none_keeps_the_fresh_row_back_too(call: Any, org: Org, two: dict[str, str]) -> None:
    records = [
        typed({"Sync_Key__c": "RB-1", "Rebate_Seq__c": 4}),
        typed({"Sync_Key__c": "RB-2", "Rebate_Seq__c": 6}),
    ]
    stale, fresh = call("PATCH", KEYED, json={"allOrNone": True, "records": records}).json()
    assert STALE in stale["errors"][0]["message"]
    assert fresh["errors"][0]["statusCode"] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert sequences(org) == {"RB-1": 5, "RB-2": 5}


def test_a_part_of_a_composite_is_refused_alone(call: Any, org: Org, two: dict[str, str]) -> None:
    parts = [
        {
            "method": "PATCH", "referenceId": key.replace("-", "_"), "body": {"Rebate_Seq__c": sequence},
            "url": f"/services/data/v68.0/sobjects/Rebate_Standing__c/{two[key]}",
        }
        for key, sequence in (("RB-1", 4), ("RB-2", 6))
    ]  # fmt: skip
    answers = call("POST", "composite", json={"allOrNone": False, "compositeRequest": parts}).json()
    stale, fresh = answers["compositeResponse"]
    assert (stale["httpStatusCode"], fresh["httpStatusCode"]) == (400, 204)
    assert stale["body"][0]["errorCode"] == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert STALE in stale["body"][0]["message"]
    assert sequences(org) == {"RB-1": 5, "RB-2": 6}


def test_a_bulk_row_is_refused_with_the_rules_words(call: Any, org: Org, two: dict[str, str]) -> None:
    good, bad = bulk(
        call, [{"Sync_Key__c": "RB-1", "Rebate_Seq__c": "4"}, {"Sync_Key__c": "RB-2", "Rebate_Seq__c": "6"}]
    )
    assert [(each["Sync_Key__c"], each["sf__Created"]) for each in good] == [("RB-2", "false")]
    (row,) = bad
    assert row["Sync_Key__c"] == "RB-1"
    assert row["sf__Error"].startswith(f"FIELD_CUSTOM_VALIDATION_EXCEPTION:{STALE}")
    assert row["sf__Error"].endswith(":Rebate_Seq__c --")
    assert sequences(org) == {"RB-1": 5, "RB-2": 6}


def test_an_account_is_fenced_where_its_sequence_falls_and_nowhere_else(call: Any, member: str) -> None:
    address = "composite/sobjects"

    def write(**fields: Any) -> Any:
        record = {"attributes": {"type": "Account"}, "Id": member, **fields}
        (result,) = call("PATCH", address, json={"allOrNone": False, "records": [record]}).json()
        return result

    assert write(Rebate_Tier__c="Silver")["success"], "never written by us, no sequence yet"
    assert write(Rebate_Tier__c="Gold", Rebate_Seq__c=5)["success"]
    stale = write(Rebate_Tier__c="Silver", Rebate_Seq__c=4)
    assert not stale["success"]
    (error,) = stale["errors"]
    assert error["statusCode"] == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert error["message"].startswith(STALE)
    assert error["fields"] == ["Rebate_Seq__c"]
    assert call.read("Account", member)["Rebate_Tier__c"] == "Gold"
    assert write(Rebate_Tier__c="Gold", Rebate_Seq__c=5)["success"], "the same write again"
    assert write(Rebate_Tier__c="Platinum")["success"], "an edit that leaves the sequence alone"
    assert write(Rebate_Seq__c=None)["success"]
    assert write(Rebate_Seq__c=1)["success"], "an administrator emptied it to begin anew"


def test_the_same_sequence_again_is_a_repetition_and_no_refusal(
    call: Any, org: Org, two: dict[str, str]
) -> None:
    good, bad = bulk(call, [{"Sync_Key__c": "RB-1", "Rebate_Seq__c": "5"}])
    assert (len(good), bad) == (1, [])


# -- what a user may see -----------------------------------------------------------------------------------------


def lose(call: Any, org: Org, name: str, *, read: bool) -> None:
    """The admin takes a field from the integration's permission set, over the API."""
    rows = org.storage.rows(
        'SELECT f."Id" FROM "FieldPermissions" f JOIN "PermissionSet" p ON p."Id" = f."ParentId"'
        ' WHERE f."Field" = ? AND p."Name" = ?',
        (name, "Rebate_Sync_Integration"),
    )
    assert len(rows) == 1
    mine, call.token = call.token, login(org)
    values = {"PermissionsRead": read, "PermissionsEdit": False}
    done = call("PATCH", f"sobjects/FieldPermissions/{rows[0][0]}", json=values)
    assert done.status == 204, done.content()
    call.token = mine


def names_of(call: Any, sobject: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in call("GET", f"sobjects/{sobject}/describe").json()["fields"]}


def test_a_field_taken_away_is_nowhere_to_be_seen(call: Any, org: Org, two: dict[str, str]) -> None:
    assert "Tier__c" in names_of(call, "Rebate_Standing__c")
    lose(call, org, "Rebate_Standing__c.Tier__c", read=False)
    assert "Tier__c" not in names_of(call, "Rebate_Standing__c")
    refused = query(call, "SELECT Id, Tier__c FROM Rebate_Standing__c")
    assert (refused.status, refused.json()[0]["errorCode"]) == (400, "INVALID_FIELD")
    assert "Column:12" in refused.json()[0]["message"]
    for hidden in ("WHERE Tier__c = 'Gold'", "ORDER BY Tier__c"):
        assert (
            query(call, f"SELECT Id FROM Rebate_Standing__c {hidden}").json()[0]["errorCode"]
            == "INVALID_FIELD"
        )
    whole = query(call, "SELECT FIELDS(ALL) FROM Rebate_Standing__c LIMIT 1").json()["records"][0]
    assert "Tier__c" not in whole
    assert "Tier__c" not in call.read("Rebate_Standing__c", two["RB-1"])
    job = {"operation": "query", "query": "SELECT Tier__c FROM Rebate_Standing__c"}
    refused = call("POST", "jobs/query", json=job)
    assert (refused.status, refused.json()[0]["errorCode"]) == (400, "INVALID_FIELD")


def test_a_field_taken_away_cannot_be_written_by_any_door(call: Any, org: Org, two: dict[str, str]) -> None:
    lose(call, org, "Rebate_Standing__c.Tier__c", read=False)
    refused = call("PATCH", f"sobjects/Rebate_Standing__c/{two['RB-1']}", json={"Tier__c": "Gold"})
    assert refused.status == 400
    assert refused.json()[0]["errorCode"].startswith("INVALID_FIELD")
    row = typed({"Sync_Key__c": "RB-1", "Rebate_Seq__c": 6, "Tier__c": "Gold"})
    reply = call("PATCH", KEYED, json={"allOrNone": False, "records": [row]})
    assert "INVALID_FIELD" in reply.content().decode()
    assert sequences(org)["RB-1"] == 5
    job = {"object": "Rebate_Standing__c", "operation": "upsert", "externalIdFieldName": "Sync_Key__c"}
    made = call("POST", "jobs/ingest", json=job).json()["id"]
    text = b"Sync_Key__c,Rebate_Seq__c,Tier__c\nRB-1,6,Gold\n"
    call("PUT", f"jobs/ingest/{made}/batches", body=text, headers={"Content-Type": "text/csv"})
    call("PATCH", f"jobs/ingest/{made}", json={"state": "UploadComplete"})
    info = call("GET", f"jobs/ingest/{made}").json()
    failed = call("GET", f"jobs/ingest/{made}/failedResults").content().decode()
    assert "InvalidBatch" in info.get("errorMessage", "") or "INVALID_FIELD" in failed
    assert sequences(org)["RB-1"] == 5


def test_a_field_that_may_be_read_only_is_described_so_and_refused_in_writing(
    call: Any, org: Org, two: dict[str, str]
) -> None:
    lose(call, org, "Rebate_Standing__c.Tier__c", read=True)
    described = names_of(call, "Rebate_Standing__c")["Tier__c"]
    assert (described["updateable"], described["createable"]) == (False, False)
    assert query(call, "SELECT Tier__c FROM Rebate_Standing__c").status == 200
    refused = call("PATCH", f"sobjects/Rebate_Standing__c/{two['RB-1']}", json={"Tier__c": "Gold"})
    assert (refused.status, refused.json()[0]["errorCode"]) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")


def test_a_formula_of_the_package_is_read_by_rest_and_bulk_alike_and_never_written(
    call: Any, org: Org, member: str, two: dict[str, str]
) -> None:
    ends = {"Period_End__c": "2026-11-30"}
    assert call("PATCH", f"sobjects/Rebate_Standing__c/{two['RB-1']}", json=ends).status == 204
    statement = "SELECT Days_Left__c FROM Rebate_Standing__c WHERE Sync_Key__c = 'RB-1'"
    (record,) = query(call, statement).json()["records"]
    job = call("POST", "jobs/query", json={"operation": "query", "query": statement}).json()["id"]
    assert call("GET", f"jobs/query/{job}").json()["state"] == "JobComplete"
    (row,) = csv.DictReader(io.StringIO(call("GET", f"jobs/query/{job}/results").content().decode()))
    assert float(row["Days_Left__c"]) == float(record["Days_Left__c"]) > 0
    assert query(call, "SELECT Id FROM Rebate_Standing__c WHERE Days_Left__c > 0").json()["totalSize"] == 1
    refused = call("PATCH", f"sobjects/Rebate_Standing__c/{two['RB-1']}", json={"Days_Left__c": 1})
    assert refused.json()[0]["errorCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"SobjectType": "Account", "Field": "Account.Nope__c"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ({"SobjectType": "Order", "Field": "Account.Rebate_Tier__c"}, "FIELD_INTEGRITY_EXCEPTION"),
        (
            {"SobjectType": "Rebate_Standing__c", "Field": "Rebate_Standing__c.Sync_Key__c"},
            "FIELD_INTEGRITY_EXCEPTION",
        ),
    ],
)
def test_a_permission_for_a_field_that_cannot_have_one_is_refused(
    call: Any, org: Org, member: str, values: dict[str, str], code: str
) -> None:
    call.token = login(org)
    parent = call.create("PermissionSet", Name="Try", Label="Try")
    sent = {"ParentId": parent, "PermissionsRead": True, "PermissionsEdit": True, **values}
    refused = call("POST", "sobjects/FieldPermissions", json=sent)
    assert (refused.status, refused.json()[0]["errorCode"]) == (400, code)


def test_an_edit_permission_brings_the_read_permission(call: Any, org: Org, member: str) -> None:
    call.token = login(org)
    parent = call.create("PermissionSet", Name="Try", Label="Try")
    sent = {"ParentId": parent, "SobjectType": "Account", "Field": "Account.Rebate_Tier__c"}
    made = call.create("FieldPermissions", **sent, PermissionsRead=False, PermissionsEdit=True)
    assert call.read("FieldPermissions", made)["PermissionsRead"] is True


def test_metadata_is_shown_to_those_who_may_view_setup(call: Any, org: Org, member: str) -> None:
    fence = "SELECT ValidationName, Active FROM ValidationRule WHERE EntityDefinition.DeveloperName = 'Rebate_Standing'"
    address = f"tooling/query?{urlencode({'q': fence})}"
    assert call("GET", address).json()[0]["errorCode"] == "INVALID_TYPE"
    call.token = login(org)
    (rule,) = call("GET", address).json()["records"]
    assert (rule["ValidationName"], rule["Active"]) == ("Refuse_Stale_Sequence", True)


# --- several currencies ----------------------------------------------------------------------------------
def iso_code(call: Any, sobject: str) -> dict[str, Any] | None:
    fields = call("GET", f"sobjects/{sobject}/describe").json()["fields"]
    return next((one for one in fields if one["name"] == "CurrencyIsoCode"), None)


def test_custom_objects_of_an_org_of_several_currencies_have_one_too_and_details_may_differ_from_their_master(
    call: Any, member: str, org: Org
) -> None:
    before = call.create("Rebate_Standing__c", **standing(member, "before", 1))
    assert iso_code(call, "Rebate_Standing__c") is None, "one currency: no such field"
    multi_currency.enable(org, {"EUR": "0.92"})

    assert call.read("Rebate_Standing__c", before)["CurrencyIsoCode"] == "USD"
    field = iso_code(call, "Rebate_Standing__c")
    assert field is not None
    assert (field["type"], field["restrictedPicklist"], field["defaultedOnCreate"]) == (
        "picklist",
        True,
        True,
    )
    assert (field["createable"], field["updateable"], field["permissionable"]) == (True, True, False)
    assert [one["value"] for one in field["picklistValues"]] == ["USD", "EUR"]
    euro = call.create("Rebate_Standing__c", **standing(member, "euro", 1, CurrencyIsoCode="EUR"))
    assert call.read("Rebate_Standing__c", euro)["CurrencyIsoCode"] == "EUR"
    assert call.read("Account", member)["CurrencyIsoCode"] == "USD"
    done, failed = bulk(call, [standing(member, "before", 2, CurrencyIsoCode="EUR")])
    assert (len(done), failed) == (1, [])
    assert call.read("Rebate_Standing__c", before)["CurrencyIsoCode"] == "EUR"
    assert iso_code(call, "Pricebook2") is None


def test_a_new_record_is_in_its_creators_currency_unless_it_says_another(
    call: Any, member: str, org: Org
) -> None:
    multi_currency.enable(org, {"EUR": "0.92", "JPY": "155"})
    (user,) = org.storage.row('SELECT "Id" FROM "User" WHERE "Username" = ?', (INTEGRATION,)) or ("",)
    records.update(org, Context(user, system=True), "User", user, {"DefaultCurrencyIsoCode": "EUR"})

    made = call.create("Rebate_Standing__c", **standing(member, "k", 1))
    assert call.read("Rebate_Standing__c", made)["CurrencyIsoCode"] == "EUR"
    made = call.create("Rebate_Standing__c", **standing(member, "yen", 1, CurrencyIsoCode="JPY"))
    assert call.read("Rebate_Standing__c", made)["CurrencyIsoCode"] == "JPY"


def test_a_currency_that_is_not_active_is_refused_by_rest_and_bulk(call: Any, member: str, org: Org) -> None:
    multi_currency.enable(org, {"EUR": "0.92"})
    wrong = standing(member, "k", 1, CurrencyIsoCode="GBP")
    (refused,) = call("POST", "sobjects/Rebate_Standing__c", json=wrong).json()
    assert refused["errorCode"] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    assert refused["fields"] == ["CurrencyIsoCode"]
    (row,) = bulk(call, [wrong])[1]
    assert row["sf__Error"].startswith("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST:")


def test_objects_that_are_deployed_to_an_org_of_several_currencies_are_born_with_one(
    call: Any, org: Org
) -> None:
    multi_currency.enable(org, {"EUR": "0.92"})
    for _ in range(2):  # a deploy again leaves it
        body, kind = multipart(PACKAGE, {"rollbackOnError": True})
        sent = call("POST", "metadata/deployRequest", body=body, headers={"Content-Type": kind})
        while not call("GET", f"metadata/deployRequest/{sent.json()['id']}").json()["deployResult"]["done"]:
            pass
        assert iso_code(call, "Rebate_Payout__c") is not None


def test_a_user_who_may_only_use_the_api_sees_of_a_task_what_a_permission_set_grants(
    member: str, call: Any, org: Org
) -> None:
    """Its profile grants no fields; what the package grants is enough to make a task of an account."""

    def seen() -> set[str]:
        return {field["name"] for field in call("GET", "sobjects/Task/describe").json()["fields"]}

    values = {"Subject": "Call", "Status": "Not Started", "Priority": "High"}
    granted = {"WhatId": member, "Description": "4,812 short", "ActivityDate": "2026-11-30"}
    assert {*granted, "Rebate_Key__c", "Subject"} <= seen()
    assert "WhoId" not in seen(), "has field-level security, too, and is not ours"
    made = call("POST", "sobjects/Task", json={**values, **granted, "Rebate_Key__c": "k"})
    assert made.status == 201
    org.storage.execute('DELETE FROM "FieldPermissions" WHERE "Field" = \'Task.WhatId\'')
    permissions_of(org).forget()
    assert "WhatId" not in seen()
    refused = call("POST", "sobjects/Task", json={**values, "WhatId": member})
    assert (refused.status, "WhatId" in refused.json()[0]["message"]) == (400, True)
