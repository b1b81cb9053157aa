"""One record at a time: create, read, change, delete, upsert, and everything the org refuses."""

from __future__ import annotations

import pytest

from emulator import task_statuses
from emulator.context import Context
from emulator.org import Org
from emulator.records import insert
from emulator.schema import make_field
from emulator.storage import quote
from emulator.task_statuses import Status


def refusal(response):
    (error,) = response.json()
    fields = error.get("fields", [] if error["errorCode"] != "JSON_PARSER_ERROR" else None)
    return response.status, error["errorCode"], error["message"], fields


@pytest.fixture
def keyed(org):
    """Account with a unique external id, a plain one, a restricted picklist and a default."""
    for data in (
        {"name": "Partner_Key__c", "label": "Partner Key", "length": 40, "unique": True, "externalId": True},
        {"name": "Erp__c", "label": "ERP Number", "length": 40, "externalId": True},
        {
            "name": "Band__c",
            "label": "Band",
            "length": 255,
            "picklist": ["A", "B"],
            "restrictedPicklist": True,
        },
        {"name": "Kind__c", "label": "Kind", "length": 20, "defaultValue": "new"},
    ):
        kind = "picklist" if "picklist" in data else "string"
        org.add_field("Account", make_field({"type": kind, "custom": True, "permissionable": False, **data}))
    return org


def test_a_new_record_is_created_and_read_back(call):
    response = call("POST", "sobjects/Account", json={"Name": "Acme", "AnnualRevenue": 99213206})
    assert response.status == 201
    found = response.json()
    assert list(found) == ["id", "success", "errors"]
    assert response.header("Location") == f"/services/data/v68.0/sobjects/Account/{found['id']}"
    account = call("GET", f"sobjects/account/{found['id'][:15]}")
    assert b'"AnnualRevenue":9.9213206E7' in account.content()
    assert account.json()["attributes"]["url"].endswith(found["id"])
    assert account.json()["IsDeleted"] is False


def test_only_the_fields_asked_for_come_back_in_their_order(call):
    account = call.create("Account", Name="Acme", BillingCity="Ulm")
    found = call("GET", f"sobjects/Account/{account}?fields=Name,BillingAddress,OwnerId").json()
    assert list(found) == ["attributes", "Name", "BillingAddress", "OwnerId"]
    assert found["BillingAddress"]["city"] == "Ulm"
    assert set(found["BillingAddress"]) == {
        "city", "country", "geocodeAccuracy", "latitude", "longitude", "postalCode", "state", "street",
    }  # fmt: skip
    assert refusal(call("GET", f"sobjects/Account/{account}?fields=Nam"))[:2] == (400, "INVALID_FIELD")


def test_a_change_touches_only_what_is_sent_and_null_clears(call):
    account = call.create("Account", Name="Acme", Phone="1", Site="here")
    before = call.read("Account", account)
    response = call("PATCH", f"sobjects/Account/{account}", json={"Phone": None})
    assert (response.status, response.content()) == (204, b"")
    after = call.read("Account", account)
    assert (after["Phone"], after["Site"], after["Name"]) == (None, "here", "Acme")
    assert after["SystemModstamp"] > before["SystemModstamp"]
    assert after["CreatedDate"] == before["CreatedDate"]


def test_every_write_has_a_later_stamp_even_when_the_clock_stands(call, clock):
    clock.moment = clock.moment.replace(microsecond=0)
    stamps = []
    for _ in range(5):
        account = call.create("Account", Name="Acme")
        stamps.append(call.read("Account", account)["SystemModstamp"])
    assert stamps == sorted(set(stamps))


@pytest.mark.parametrize(
    ("values", "status", "code", "message", "fields"),
    [
        ({}, 400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]", ["Name"]),
        ({"Name": None}, 400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]", ["Name"]),
        (
            {"Name": "A", "Nam": 1},
            400,
            "INVALID_FIELD",
            "No such column 'Nam' on sobject of type Account",
            [],
        ),
        (
            {"Name": "A" * 256},
            400,
            "STRING_TOO_LONG",
            f"Account Name: data value too large: {'A' * 256} (max length=255)",
            ["Name"],
        ),
        (
            {"Name": "A", "AnnualRevenue": 10**18},
            400,
            "NUMBER_OUTSIDE_VALID_RANGE",
            "Annual Revenue: value outside of valid range on numeric field: 1.0E18",
            ["AnnualRevenue"],
        ),
        (
            {"Name": "A", "CleanStatus": "Dusty"},
            400,
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "Clean Status: bad value for restricted picklist field: Dusty",
            ["CleanStatus"],
        ),
        (
            {"Name": "A", "OwnerId": "nobody"},
            400,
            "MALFORMED_ID",
            "Owner ID: id value of incorrect type: nobody",
            ["OwnerId"],
        ),
        (
            {"Name": "A", "ParentId": "0010000000000ZZ"},
            400,
            "INVALID_CROSS_REFERENCE_KEY",
            "invalid cross reference id",
            [],
        ),
        (
            {"Name": "A", "Id": "001"},
            400,
            "INVALID_FIELD",
            "The Id field should not be specified in the sobject data.",
            [],
        ),
    ],
)
def test_a_bad_record_is_refused_in_salesforces_words(call, values, status, code, message, fields):
    assert refusal(call("POST", "sobjects/Account", json=values)) == (status, code, message, fields)


def test_an_id_of_the_wrong_object_is_an_integrity_error(call):
    account = call.create("Account", Name="Acme")
    found = refusal(call("POST", "sobjects/Account", json={"Name": "B", "OwnerId": account}))
    assert found == (
        400, "FIELD_INTEGRITY_EXCEPTION", f"Owner ID: id value of incorrect type: {account}", ["OwnerId"],
    )  # fmt: skip


def test_read_only_fields_are_refused_by_name(call):
    status, code, message, fields = refusal(
        call(
            "POST",
            "sobjects/Account",
            json={"Name": "A", "IsDeleted": True, "SystemModstamp": "2026-01-01T00:00:00Z"},
        )
    )
    assert (status, code, fields) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE", ["IsDeleted", "SystemModstamp"])
    assert message.startswith(
        "Unable to create/update fields: IsDeleted, SystemModstamp. Please check the security"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("soon", "VALUE_STRING value soon"),
        (5, "VALUE_NUMBER_INT value 5"),
        (True, "VALUE_TRUE value true"),
        ([1], "START_ARRAY"),
    ],
)
def test_a_value_of_the_wrong_json_type_names_type_and_token(call, value, shown):
    status, code, message, _ = refusal(
        call("POST", "sobjects/Contact", json={"LastName": "B", "Birthdate": value})
    )
    assert (status, code) == (400, "JSON_PARSER_ERROR")
    assert message.startswith(f"Cannot deserialize instance of date from {shown}")


def test_defaults_are_filled_in(call, keyed):
    account = call.read("Account", call.create("Account", Name="Acme"))
    assert (account["Kind__c"], account["IsPartner"]) == ("new", False)
    assert account["OwnerId"] == account["CreatedById"]


def test_a_picklist_value_gets_the_spelling_of_the_picklist(call, keyed):
    account = call.create("Account", Name="Acme", Band__c="b")
    assert call.read("Account", account)["Band__c"] == "B"


def test_an_unrestricted_picklist_takes_any_value(call):
    account = call.create("Account", Name="Acme", Industry="Space mining")
    assert call.read("Account", account)["Industry"] == "Space mining"


def test_an_upsert_creates_then_updates_and_v45_says_nothing(call, keyed):
    path = "sobjects/Account/Partner_Key__c/A%2F1%20x"
    first = call("PATCH", path, json={"Name": "Acme"})
    assert (first.status, first.json()["created"], first.json()["success"]) == (201, True, True)
    second = call("PATCH", path, json={"Site": "x"})
    assert (second.status, second.json()) == (200, {**first.json(), "created": False})
    assert call("PATCH", f"/services/data/v45.0/{path}", json={"Site": "y"}).status == 204
    found = call("GET", path).json()
    assert (found["Partner_Key__c"], found["Site"]) == ("A/1 x", "y")
    assert call("DELETE", path).status == 204
    assert call("GET", path).status == 404


def test_an_upsert_by_a_key_with_two_records_answers_their_addresses(call, keyed):
    ids = [call.create("Account", Name=name, Erp__c="E-1") for name in ("A", "B")]
    response = call("PATCH", "sobjects/Account/Erp__c/e-1", json={"Site": "x"})
    assert response.status == 300
    assert response.json() == [f"/services/data/v68.0/sobjects/Account/{each}" for each in ids]


def test_a_key_field_nobody_knows_is_not_found(call, keyed):
    found = refusal(call("PATCH", "sobjects/Account/Nope__c/1", json={"Name": "A"}))
    assert found[:3] == (
        404,
        "NOT_FOUND",
        "Provided external ID field does not exist or is not accessible: Nope__c",
    )
    assert call("PATCH", "sobjects/Account/Site/1", json={"Name": "A"}).status == 404


def test_the_key_may_not_stand_in_the_body_too(call, keyed):
    found = refusal(call("PATCH", "sobjects/Account/Erp__c/1", json={"Name": "A", "Erp__c": "1"}))
    assert found[1:3] == ("INVALID_FIELD", "The Erp__c field should not be specified in the sobject data.")


def test_a_unique_value_taken_names_the_holder_by_15_characters(call, keyed):
    holder = call.create("Account", Name="A", Partner_Key__c="K")
    found = refusal(call("POST", "sobjects/Account", json={"Name": "B", "Partner_Key__c": "k"}))
    message = f"duplicate value found: Partner_Key__c duplicates value on record with id: {holder[:15]}"
    assert found == (400, "DUPLICATE_VALUE", message, [])
    call("DELETE", f"sobjects/Account/{holder}")
    call.create("Account", Name="B", Partner_Key__c="K")


def test_a_parent_may_be_named_by_its_external_id(call, keyed):
    parent = call.create("Account", Name="Parent", Partner_Key__c="P")
    child = call.create("Account", Name="Child", Parent={"Partner_Key__c": "P"})
    assert call.read("Account", child)["ParentId"] == parent
    found = refusal(call("POST", "sobjects/Account", json={"Name": "C", "Parent": {"Partner_Key__c": "Q"}}))
    assert found[1:3] == (
        "INVALID_FIELD", "Foreign key external ID: q not found for field Partner_Key__c in entity Account",
    )  # fmt: skip


def test_a_deleted_record_stays_in_the_bin_and_refuses_everything(call):
    account = call.create("Account", Name="Acme")
    contact = call.create("Contact", LastName="Smith", AccountId=account)
    assert call("DELETE", f"sobjects/Account/{account}").status == 204
    for each in (
        call("GET", f"sobjects/Account/{account}"),
        call("PATCH", f"sobjects/Account/{account}", json={"Site": "x"}),
        call("DELETE", f"sobjects/Account/{account}"),
        call("GET", f"sobjects/Contact/{contact}"),
    ):
        assert refusal(each)[:3] == (404, "ENTITY_IS_DELETED", "entity is deleted")
    assert refusal(call("POST", "sobjects/Contact", json={"LastName": "B", "AccountId": account}))[1] == (
        "ENTITY_IS_DELETED"
    )


def test_undeleting_brings_back_the_children_that_went_along(call, org, token):
    from emulator.auth import find_session
    from emulator.records import undelete

    account = call.create("Account", Name="Acme")
    gone_before = call.create("Contact", LastName="Before", AccountId=account)
    contact = call.create("Contact", LastName="Smith", AccountId=account)
    call("DELETE", f"sobjects/Contact/{gone_before}")
    call("DELETE", f"sobjects/Account/{account}")
    binned = org.storage.row('SELECT "SystemModstamp" FROM "Account" WHERE "Id" = ?', (account,))
    undelete(org, Context(find_session(org, token).user_id), "Account", account)
    assert call.read("Account", account)["Name"] == "Acme"
    assert call.read("Contact", contact)["AccountId"] == account
    assert call("GET", f"sobjects/Contact/{gone_before}").status == 404
    alive = org.storage.row('SELECT "SystemModstamp" FROM "Account" WHERE "Id" = ?', (account,))
    assert alive > binned


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_record_that_never_was_is_not_found(call, method):
    body = {"Name": "x"} if method == "PATCH" else None
    assert call(method, "sobjects/Account/001000000000001AAA", json=body).status == 404
    assert call(method, "sobjects/Account/notanid", json=body).status == 404
    assert call(method, "sobjects/Account/003000000000001AAA", json=body).status == 404


def test_objects_that_cannot_be_written_say_so(call, org):
    found = refusal(call("PATCH", f"sobjects/Organization/{org.id}", json={"Name": "X"}))
    assert found[1] == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"


def test_an_account_cannot_be_its_own_ancestor(call):
    top = call.create("Account", Name="Top")
    middle = call.create("Account", Name="Middle", ParentId=top)
    assert (
        refusal(call("PATCH", f"sobjects/Account/{top}", json={"ParentId": middle}))[1]
        == "CIRCULAR_DEPENDENCY"
    )


def test_a_task_knows_its_account_and_closes_with_its_status(call):
    account = call.create("Account", Name="Acme")
    task = call.create("Task", Subject="Call", WhatId=account, Status="Not Started", Priority="High")
    found = call.read("Task", task)
    assert (found["AccountId"], found["IsClosed"], found["IsHighPriority"], found["CompletedDateTime"]) == (
        account, False, True, None,
    )  # fmt: skip
    call("PATCH", f"sobjects/Task/{task}", json={"Status": "Completed"})
    found = call.read("Task", task)
    assert found["IsClosed"] is True
    assert found["CompletedDateTime"] is not None


def test_a_task_gets_its_default_status_and_priority(call):
    found = call.read("Task", call.create("Task", Subject="Call"))
    assert (found["Status"], found["Priority"]) == ("Not Started", "Normal")


def test_nothing_can_be_given_to_a_user_who_left(call, org):
    leaver = insert_user(org, "left@acme.example", active=False)
    status, code, message, _ = refusal(
        call("POST", "sobjects/Task", json={"Subject": "Call", "OwnerId": leaver})
    )
    assert (status, code) == (400, "INACTIVE_OWNER_OR_USER")
    assert message == f"operation performed with inactive user [{leaver[:15]}] as owner of task"


def test_a_custom_field_of_activity_appears_on_task_and_event(call, org):
    org.add_field(
        "Activity",
        make_field(
            {"name": "Rebate_Key__c", "type": "string", "label": "Rebate Key", "length": 80, "custom": True}
            | {"unique": True, "externalId": True, "permissionable": False}
        ),
    )
    for name in ("Task", "Event"):
        fields = {each["name"] for each in call("GET", f"sobjects/{name}/describe").json()["fields"]}
        assert "Rebate_Key__c" in fields
    first = call("PATCH", "sobjects/Task/Rebate_Key__c/k1", json={"Subject": "Call"})
    assert first.json()["created"] is True


def test_validation_rules_see_the_new_and_the_old_record(call, org):
    from emulator.errors import RecordError

    seen = []

    def rule(_org, sobject, new, old):
        seen.append((sobject.name, new.get("Name"), old and old.get("Name")))
        if new.get("Name") == "Bad":
            raise RecordError("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Not this name", ("Name",))

    org.validation_rules.append(rule)
    account = call.create("Account", Name="Good")
    found = refusal(call("PATCH", f"sobjects/Account/{account}", json={"Name": "Bad"}))
    assert found == (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Not this name", ["Name"])
    assert seen == [("Account", "Good", None), ("Account", "Bad", "Good")]
    assert call.read("Account", account)["Name"] == "Good"


def test_auto_numbers_count(call):
    account = call.create("Account", Name="Acme")
    numbers = [
        call.read(
            "Order", call.create("Order", AccountId=account, EffectiveDate="2026-01-01", Status="Draft")
        )["OrderNumber"]
        for _ in range(3)
    ]
    assert numbers == ["00000001", "00000002", "00000003"]


def insert_user(org, username: str, *, active: bool = True) -> str:
    profile = org.storage.row(f'SELECT "Id" FROM {quote("Profile")}')[0]
    admin = org.storage.row('SELECT "Id" FROM "User"')[0]
    values = {
        "Username": username, "LastName": "Left", "Email": username, "Alias": "left", "ProfileId": profile,
        "CommunityNickname": username, "TimeZoneSidKey": "GMT", "LocaleSidKey": "en_US", "EmailEncodingKey": "UTF-8",
        "LanguageLocaleKey": "en_US", "IsActive": active,
    }  # fmt: skip
    return insert(org, Context(admin, system=True), "User", values)


def test_a_username_exists_once(org):
    from emulator.errors import RecordError

    with pytest.raises(RecordError, match="Duplicate Username"):
        insert_user(org, "ADMIN@acme.example")


def test_an_account_with_activated_orders_cannot_be_deleted(call, org):
    account = call.create("Account", Name="Acme")
    order = call.create("Order", AccountId=account, EffectiveDate="2026-01-01", Status="Draft")
    org.storage.execute(
        'UPDATE "Order" SET "StatusCode" = ?, "Status" = ? WHERE "Id" = ?', ("Activated",) * 2 + (order,)
    )
    code, message = refusal(call("DELETE", f"sobjects/Account/{account}"))[1:3]
    assert code == "DELETE_FAILED"
    assert "00000001" in message


def test_a_wrong_value_is_located_in_the_request(call):
    body = b'{\n  "LastName": "B",\n  "Birthdate": "soon"\n}'
    message = refusal(call("POST", "sobjects/Contact", body=body))[2]
    assert message.endswith("at [line:3, column:16]")


def test_currencies_exist_only_in_orgs_that_switched_them_on(call, org):
    from emulator import multi_currency

    assert call("GET", "sobjects/CurrencyType/describe").status == 404
    plain = call.read("Account", call.create("Account", Name="Before"))
    assert "CurrencyIsoCode" not in plain
    multi_currency.enable(org, {"EUR": "0.92"})
    assert call.read("Account", plain["Id"])["CurrencyIsoCode"] == "USD"
    euro = call.create("Account", Name="Euro", CurrencyIsoCode="EUR")
    assert call.read("Account", euro)["CurrencyIsoCode"] == "EUR"
    assert call.read("Account", call.create("Account", Name="Default"))["CurrencyIsoCode"] == "USD"
    refused = call("POST", "sobjects/Account", json={"Name": "X", "CurrencyIsoCode": "XXX"})
    assert refusal(refused)[1] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    rates = org.storage.rows(
        'SELECT "IsoCode", "ConversionRate", "IsCorporate" FROM "CurrencyType" ORDER BY 1'
    )
    assert rates == [("EUR", 920_000_000, 0), ("USD", 1_000_000_000, 1)]
    assert multi_currency.is_enabled(org)


def test_the_statuses_of_tasks_are_a_table_that_only_an_admin_changes(call, org):
    def statuses():
        rows = call(
            "GET", "query?q=SELECT+ApiName,IsClosed,IsDefault+FROM+TaskStatus+ORDER+BY+SortOrder"
        ).json()
        return [(row["ApiName"], row["IsClosed"], row["IsDefault"]) for row in rows["records"]]

    assert statuses()[0] == ("Not Started", False, True)
    assert [name for name, closed, _ in statuses() if closed] == ["Completed"]
    assert call("GET", "sobjects/TaskStatus/describe").json()["createable"] is False
    assert refusal(call("POST", "sobjects/TaskStatus", json={"ApiName": "X"}))[0] >= 400
    own = {"statuses": [{"name": "Offen", "default": True}, {"name": "Erledigt", "closed": True}]}
    console = {"X-Emulator": "admin"}
    assert (
        call(
            "POST", "/emulator/task-statuses", json={"statuses": [{"name": "Offen"}]}, headers=console
        ).status
        == 400
    )
    assert call("POST", "/emulator/task-statuses", json=own, headers=console).status == 200
    assert statuses() == [("Offen", False, True), ("Erledigt", True, False)]
    status = next(
        each for each in call("GET", "sobjects/Task/describe").json()["fields"] if each["name"] == "Status"
    )
    assert [each["value"] for each in status["picklistValues"]] == ["Offen", "Erledigt"]


def test_a_task_of_a_status_that_is_on_no_list_is_taken_and_open(call, org):
    task_statuses.replace_all(org, [Status("Offen", default=True), Status("Erledigt", closed=True)])
    task = call.create("Task", Subject="Call")
    assert call.read("Task", task)["Status"] == "Offen"
    assert call("PATCH", f"sobjects/Task/{task}", json={"Status": "Completed"}).status == 204
    assert call.read("Task", task)["IsClosed"] is False
    call("PATCH", f"sobjects/Task/{task}", json={"Status": "Erledigt"})
    assert call.read("Task", task)["IsClosed"] is True


def test_the_statuses_of_tasks_outlive_a_restart(tmp_path):
    org = Org.create(tmp_path / "org.db")
    task_statuses.replace_all(org, [Status("Offen", default=True), Status("Erledigt", closed=True)])
    org.close()
    org = Org.create(tmp_path / "org.db")
    assert task_statuses.is_closed(org, "Erledigt")
    assert [each.value for each in org.schema.require("Task").fields["status"].picklist_values] == [
        "Offen",
        "Erledigt",
    ]
    org.close()
