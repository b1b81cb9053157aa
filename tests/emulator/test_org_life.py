"""Bells, merges, recycle bin, faults, Tooling, and the console that scripts them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from emulator import actions, lifecycle
from emulator.auth import login
from emulator.birth import INTEGRATION_USERNAME
from emulator.errors import RecordError
from emulator.faults import Fault, FaultPlan
from emulator.life import permissions_of
from emulator.org import Org
from emulator.raw_rows import by_id, put, user_named

CONSOLE = {"X-Emulator": "admin"}


def faults(org: Org) -> FaultPlan:
    assert isinstance(org.faults, FaultPlan)
    return org.faults


@pytest.fixture
def bell(org: Org) -> str:
    return put(
        org, "CustomNotificationType", user_named(org), DeveloperName="Alert", MasterLabel="Alert",
        CustomNotifTypeName="Alert", Desktop=1,
    )  # fmt: skip


def ring(call: Any, bell: str, target: str, recipient: str, **changes: Any) -> Any:
    values = {
        "customNotifTypeId": bell,
        "recipientIds": [recipient],
        "title": "Near tier",
        "body": "4,812 to Gold",
    }
    values |= {"targetId": target, **changes}
    return call("POST", "actions/standard/customNotificationAction", json={"inputs": [values]})


def test_a_bell_rings_for_its_recipient_and_can_be_listed(call: Any, org: Org, bell: str) -> None:
    member, admin = call.create("Account", Name="Lumière"), user_named(org)
    reply = ring(call, bell, member, admin)
    assert reply.status == 200
    assert reply.json()[0]["isSuccess"] is True
    assert reply.json()[0]["outputValues"]["SuccessMessage"]
    listed = call("GET", "/emulator/notifications", headers=CONSOLE, auth=False).json()["notifications"]
    assert [(each["title"], each["target_name"], each["type"]) for each in listed] == [
        ("Near tier", "Lumière", "Alert")
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"customNotifTypeId": "0ML5g0000000999"}, "INVALID_INPUT"),
        ({"customNotifTypeId": "Alert"}, "INVALID_INPUT"),
        ({"title": ""}, "REQUIRED_FIELD_MISSING"),
        ({"title": "x" * 251}, "STRING_TOO_LONG"),
        ({"body": "x" * 751}, "STRING_TOO_LONG"),
        ({"recipientIds": []}, "REQUIRED_FIELD_MISSING"),
        ({"recipientIds": ["0055g0000000999"]}, "INVALID_INPUT"),
        ({"recipientIds": ["0055g0000000001"] * 501}, "LIMIT_EXCEEDED"),
        ({"targetId": None}, "REQUIRED_FIELD_MISSING"),
        ({"targetId": "0015g0000000999"}, "INVALID_CROSS_REFERENCE_KEY"),
        ({"colour": "red"}, "INVALID_API_INPUT"),
    ],
)
def test_a_bell_that_cannot_ring_says_why(call: Any, org: Org, bell: str, changes: Any, code: str) -> None:
    reply = ring(call, bell, call.create("Account", Name="A"), user_named(org), **changes)
    assert reply.status == 400
    assert reply.json()[0]["errors"][0]["statusCode"] == code
    assert actions.notifications(org) == []


def test_ringing_needs_the_permission(call: Any, org: Org, bell: str) -> None:
    member = call.create("Account", Name="A")
    call.token = login(org, "integration@acme.example")
    assert ring(call, bell, member, user_named(org)).status == 403


def test_a_merge_moves_the_children_and_leaves_a_trail(call: Any, org: Org) -> None:
    winner, loser = call.create("Account", Name="W"), call.create("Account", Name="L")
    contact = call.create("Contact", LastName="C", AccountId=loser)
    task = call.create("Task", Subject="Call", WhatId=loser)
    before = call.read("Contact", contact)["SystemModstamp"]
    assert lifecycle.merge(org, winner, [loser]) == 3, "the contact, the task's subject, the task's account"
    assert call.read("Contact", contact)["AccountId"] == winner
    assert call.read("Contact", contact)["SystemModstamp"] == before
    assert call.read("Task", task)["WhatId"] == winner
    gone = by_id(org, "Account", loser) or {}
    assert (gone["IsDeleted"], gone["MasterRecordId"]) == (1, winner)
    refused = call("PATCH", f"sobjects/Account/{loser}", json={"Name": "x"})
    assert refused.json()[0]["errorCode"] == "ENTITY_IS_DELETED"
    with pytest.raises(RecordError):
        lifecycle.merge(org, winner, [loser])
    with pytest.raises(RecordError):
        lifecycle.merge(org, winner, [winner])


def test_the_recycle_bin_gives_back_until_it_is_purged(call: Any, org: Org) -> None:
    first, second = call.create("Account", Name="A"), call.create("Account", Name="B")
    for each in (first, second):
        lifecycle.delete(org, "Account", each)
    lifecycle.undelete(org, "Account", first)
    assert call.read("Account", first)["Name"] == "A"
    assert lifecycle.purge(org) == 0, "nothing lay there for 15 days"
    org.clock.advance(days=16)  # type: ignore[attr-defined]
    assert lifecycle.purge(org) == 1
    assert by_id(org, "Account", second) is None
    lifecycle.delete(org, "Account", first, hard=True)
    assert by_id(org, "Account", first) is None


def test_the_nth_matching_request_fails_and_the_next_works(call: Any, org: Org) -> None:
    faults(org).add(Fault("status", method="GET", path="/limits", nth=2, status=503))
    assert [call("GET", "limits").status for _ in range(3)] == [200, 503, 200]
    assert call("GET", "sobjects").status == 200
    assert [kind for kind, _, _ in faults(org).log] == ["status"]


def test_an_acknowledgement_can_be_lost_after_the_work_was_done(call: Any, org: Org) -> None:
    faults(org).add(Fault("drop_ack", method="POST", path="sobjects/Account"))
    assert call("POST", "sobjects/Account", json={"Name": "A"}).reset
    faults(org).add(Fault("reset", method="POST", path="sobjects/Account"))
    assert call("POST", "sobjects/Account", json={"Name": "B"}).reset
    assert org.storage.rows('SELECT "Name" FROM "Account"') == [("A",)]


def test_bodies_are_cut_emptied_and_turned_into_html(call: Any, org: Org) -> None:
    plan = faults(org)
    plan.add(Fault("truncate", path="/limits", bytes=10))
    assert call("GET", "limits").cut_after == 10
    plan.add(Fault("empty", path="/limits"))
    assert call("GET", "limits").content() == b""
    plan.add(Fault("html", path="/limits", status=200))
    page = call("GET", "limits")
    assert (page.status, page.header("Content-Type")) == (200, "text/html;charset=UTF-8")
    plan.add(Fault("drop_header", path="/limits", header="sforce-limit-info"))
    assert call("GET", "limits").header("Sforce-Limit-Info") is None
    plan.add(Fault("delay", path="/limits", seconds=2.5))
    assert call("GET", "limits").delay == 2.5
    assert call("GET", "limits").status == 200


@pytest.mark.parametrize(
    ("shape", "status", "text"),
    [
        ("session", 401, b"INVALID_SESSION_ID"), ("jwt", 401, b"INVALID_JWT_FORMAT"),
        ("bulk", 400, b"InvalidSessionId"), ("identity", 403, b"Bad_OAuth_Token"), ("html", 401, b"<html>"),
    ],
)  # fmt: skip
def test_an_expired_session_has_many_shapes(
    call: Any, org: Org, shape: str, status: int, text: bytes
) -> None:
    faults(org).add(Fault("unauthorized", shape=shape))
    reply = call("GET", "limits")
    assert reply.status == status
    assert text in reply.content()


def test_a_locked_row_is_refused_and_the_others_are_not(call: Any, org: Org) -> None:
    locked, free = call.create("Account", Name="A"), call.create("Account", Name="B")
    faults(org).add(Fault("row_error", path="Account", ids=[locked], times=1))
    assert call("PATCH", f"sobjects/Account/{free}", json={"Site": "x"}).status == 204
    refused = call("PATCH", f"sobjects/Account/{locked}", json={"Site": "x"})
    assert refused.json()[0]["errorCode"] == "UNABLE_TO_LOCK_ROW"
    assert call("PATCH", f"sobjects/Account/{locked}", json={"Site": "x"}).status == 204


@pytest.mark.parametrize("code", ["CANNOT_EXECUTE_FLOW_TRIGGER", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"])
def test_a_flow_or_trigger_that_met_a_lock_refuses_the_row_and_quotes_the_lock(
    call: Any, org: Org, code: str
) -> None:
    account = call.create("Account", Name="A")
    faults(org).add(Fault("row_error", path="Account", code=code))
    (refused,) = call("PATCH", f"sobjects/Account/{account}", json={"Site": "x"}).json()
    assert (refused["errorCode"], "UNABLE_TO_LOCK_ROW" in refused["message"]) == (code, True)
    assert account[:15] in refused["message"]


def test_in_read_only_mode_reads_go_on(call: Any, org: Org) -> None:
    faults(org).add(Fault("read_only", times=0))
    assert call("GET", "limits").status == 200
    refused = call("POST", "sobjects/Account", json={"Name": "A"})
    assert refused.json()[0]["errorCode"] == "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"


def test_a_late_commit_shows_later_under_its_earlier_stamp(call: Any, org: Org) -> None:
    early = call.create("Account", Name="A")
    faults(org).add(Fault("late_commit", path="sobjects/Account", method="PATCH", seconds=30))
    assert call("PATCH", f"sobjects/Account/{early}", json={"Site": "new"}).status == 204
    stamped = org.now_ms()
    assert (by_id(org, "Account", early) or {})["Site"] is None
    with faults(org).late(30):
        hidden = call.create("Account", Name="Late")
    assert by_id(org, "Account", hidden) is None
    org.clock.advance(seconds=31)  # type: ignore[attr-defined]
    assert call.read("Account", hidden)["Name"] == "Late"
    shown = by_id(org, "Account", early) or {}
    assert shown["Site"] == "new"
    assert shown["SystemModstamp"] <= stamped


def test_chance_is_the_same_with_the_same_seed(call: Any, org: Org) -> None:
    def tries() -> list[int]:
        faults(org).clear()
        faults(org).seed(11)
        faults(org).add(Fault("status", path="/limits", times=0, chance=40))
        return [call("GET", "limits").status for _ in range(30)]

    first = tries()
    assert first == tries()
    assert {200, 503} == set(first)


def test_a_fault_with_a_typo_is_refused() -> None:
    with pytest.raises(ValueError, match="no fault of kind 'stauts'"):
        Fault("stauts")
    with pytest.raises(ValueError, match="a fault has no 'secs'"):
        Fault.of({"kind": "delay", "secs": 3})


def test_the_console_needs_its_header_and_costs_no_api_call(call: Any, org: Org) -> None:
    used = org.usage.total
    assert call("GET", "/emulator/state", auth=False).status == 403
    state = call("GET", "/emulator/state", headers=CONSOLE, auth=False)
    assert state.json()["org_id"] == org.id
    assert state.header("Sforce-Limit-Info") is None
    made = call("POST", "/emulator/faults", json={"kind": "status", "path": "/limits"}, headers=CONSOLE)
    assert made.status == 200, made.content()
    assert made.json()["faults"][0]["kind"] == "status"
    assert call("POST", "/emulator/faults", json={"kind": "x"}, headers=CONSOLE).status == 400
    assert call("DELETE", "/emulator/faults", headers=CONSOLE).status == 200
    assert call("POST", "/emulator/clock", json={"days": 1}, headers=CONSOLE).status == 200
    assert call("POST", "/emulator/merge", json={"winner": "x"}, headers=CONSOLE).status == 400
    assert call("POST", "/emulator/story/order-again", headers=CONSOLE).status == 400
    assert call("POST", "/emulator/quota", json={"max": 5}, headers=CONSOLE).json()["api_max"] == 5
    assert org.usage.total == used


def test_field_level_security_can_be_taken_away_and_given_back(call: Any, org: Org) -> None:
    assert call("POST", "/emulator/fls", json={"hide": ["Account.Type"]}, headers=CONSOLE).status == 200
    names = [each["name"] for each in call("GET", "sobjects/Account/describe").json()["fields"]]
    assert "Type" not in names
    permissions_of(org).show("Account.Type")
    names = [each["name"] for each in call("GET", "sobjects/Account/describe").json()["fields"]]
    assert "Type" in names
    assert call("POST", "/emulator/fls", json={"hide": ["Account.Nope"]}, headers=CONSOLE).status == 400


def tooling(call: Any, soql: str) -> Any:
    from urllib.parse import quote

    return call("GET", f"tooling/query?q={quote(soql)}")


def test_tooling_makes_a_field_and_shows_it(call: Any, org: Org) -> None:
    metadata = {"type": "Text", "label": "Grade", "length": 20, "externalId": True, "unique": True}
    made = call(
        "POST", "tooling/sobjects/CustomField", json={"FullName": "Account.Grade__c", "Metadata": metadata}
    )
    assert made.status == 201, made.content()
    again = call(
        "POST", "tooling/sobjects/CustomField", json={"FullName": "Account.Grade__c", "Metadata": metadata}
    )
    assert again.json()[0]["errorCode"] == "DUPLICATE_DEVELOPER_NAME"
    found = tooling(
        call, "SELECT Id, DeveloperName, Metadata FROM CustomField WHERE TableEnumOrId = 'Account'"
    ).json()
    assert found["totalSize"] == 1
    record = found["records"][0]
    assert (record["Id"], record["DeveloperName"]) == (made.json()["id"], "Grade")
    assert record["Metadata"]["unique"] is True
    bad = {"FullName": "Account.Bad__c", "Metadata": {"type": "Txt", "label": "Bad"}}
    assert call("POST", "tooling/sobjects/CustomField", json=bad).status == 400
    labels = tooling(
        call,
        "SELECT QualifiedApiName, Label FROM EntityDefinition WHERE QualifiedApiName IN ('Account','Order')",
    )
    assert [each["Label"] for each in labels.json()["records"]] == ["Account", "Order"]
    one = tooling(
        call,
        "SELECT DataType FROM FieldDefinition WHERE EntityDefinition.QualifiedApiName = 'Account' AND QualifiedApiName = 'Grade__c'",
    )
    assert one.json()["records"][0]["DataType"] == "Text"


def test_tooling_refuses_what_it_does_not_know(call: Any) -> None:
    assert tooling(call, "SELECT Id FROM Nothing").json()[0]["errorCode"] == "INVALID_TYPE"
    assert (
        tooling(call, "SELECT Nope FROM EntityDefinition LIMIT 1").json()[0]["errorCode"] == "INVALID_FIELD"
    )
    assert tooling(call, "DELETE x").json()[0]["errorCode"] == "MALFORMED_QUERY"


def test_faults_reach_the_wire(served: Any, org: Org) -> None:
    headers = {"Authorization": f"Bearer {login(org)}", "Accept-Encoding": "identity"}
    address = f"{served.url}/services/data/v68.0/limits"
    faults(org).add(Fault("reset", path="/limits"))
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(address, headers=headers, timeout=10)
    faults(org).add(Fault("truncate", path="/limits", bytes=40))
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        requests.get(address, headers=headers, timeout=10)
    faults(org).add(Fault("delay", path="/limits", seconds=1))
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(address, headers=headers, timeout=0.3)
    assert requests.get(address, headers=headers, timeout=10).status_code == 200


def test_lost_sharing_leaves_no_trace_and_comes_back(call: Any, org: Org) -> None:
    made = call.create("Account", Name="A", Site="here")
    asked = {"sobject": "Account", "hide": [made, "0015g0000000999"]}
    assert call("POST", "/emulator/sharing", json=asked, headers=CONSOLE).json() == {"hidden": 1}
    assert call("GET", f"sobjects/Account/{made}").status == 404
    assert org.storage.rows("SELECT 1 FROM _deleted") == []
    assert call("POST", "/emulator/sharing", json={"show": True}, headers=CONSOLE).json() == {"shown": 1}
    assert call.read("Account", made)["Site"] == "here"


def test_a_reply_can_hold_fewer_results_than_were_asked_for(call: Any, org: Org) -> None:
    faults(org).add(Fault("short_results", path="composite/sobjects"))
    records = [{"attributes": {"type": "Account"}, "Name": name} for name in "AB"]
    reply = call("POST", "composite/sobjects", json={"allOrNone": False, "records": records})
    assert len(reply.json()) == 1
    assert len(org.storage.rows('SELECT 1 FROM "Account"')) == 2


def access_of(
    call: Any, user: str, *records: str, more: str = "", select: str = "RecordId, HasEditAccess"
) -> Any:
    listed = ", ".join(f"'{each}'" for each in records)
    statement = (
        f"SELECT {select} FROM UserRecordAccess WHERE UserId = '{user}' AND RecordId IN ({listed}){more}"
    )
    return call("GET", "query?" + urlencode({"q": statement}))


def integration_user(org: Org) -> str:
    row = org.storage.row('SELECT "Id" FROM "User" WHERE "Username" = ?', (INTEGRATION_USERNAME,))
    assert row is not None
    return str(row[0])


def test_a_record_of_somebody_else_is_refused_where_only_owners_may_edit(call: Any, org: Org) -> None:
    user = integration_user(org)
    account, task = call.create("Account", Name="A"), call.create("Task", Subject="Call")
    mine = call.create("Task", Subject="Mine", OwnerId=user)
    rights = {"Label": "Sync", "PermissionsApiEnabled": 1}
    chosen = put(org, "PermissionSet", user_named(org), Name="Sync", **rights)
    org.storage.keep("permissions.system", chosen, ["ApiEnabled", "EditTask"])
    put(
        org,
        "ObjectPermissions",
        user,
        ParentId=chosen,
        SobjectType="Account",
        PermissionsRead=1,
        PermissionsEdit=1,
    )
    permissions_of(org).assign(INTEGRATION_USERNAME, "Sync")
    assert [row["HasEditAccess"] for row in access_of(call, user, account, task).json()["records"]] == [
        True,
        True,
    ]
    asked = {"Account": "owner", "Task": "owner"}
    assert call("POST", "/emulator/edit-sharing", json=asked, headers=CONSOLE).status == 200
    told = {
        row["RecordId"]: row["HasEditAccess"]
        for row in access_of(call, user, account, task, mine).json()["records"]
    }
    assert told == {account: False, task: False, mine: True}
    call.token, admins = login(org, INTEGRATION_USERNAME), call.token
    refused = call("PATCH", f"sobjects/Task/{task}", json={"Subject": "X"})
    assert (refused.status, refused.json()[0]["errorCode"]) == (403, "INSUFFICIENT_ACCESS_OR_READONLY")
    assert call("PATCH", f"sobjects/Task/{mine}", json={"Subject": "X"}).status == 204
    call.token = admins
    assert call("PATCH", f"sobjects/Task/{task}", json={"Subject": "X"}).status == 204


@pytest.mark.parametrize(
    ("select", "more", "records"),
    [
        ("Id, RecordId", "", 1),
        ("HasEditAccess", "", 1),
        ("RecordId, HasEditAccess", " AND HasEditAccess = true", 1),
        ("RecordId", " AND MaxAccessLevel = 'Edit'", 1),
        ("RecordId", "", 201),
    ],
)
def test_access_to_records_is_asked_for_as_salesforce_wants_it(
    call: Any, org: Org, select: str, more: str, records: int
) -> None:
    ids = [f"001{number:012d}" for number in range(records)]
    refused = access_of(call, integration_user(org), *ids, more=more, select=select)
    assert (refused.status, refused.json()[0]["errorCode"]) == (400, "MALFORMED_QUERY")
    unfiltered = call("GET", "query?" + urlencode({"q": "SELECT RecordId FROM UserRecordAccess"}))
    assert unfiltered.json()[0]["errorCode"] == "MALFORMED_QUERY"
