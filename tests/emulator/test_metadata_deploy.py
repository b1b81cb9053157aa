"""The package of this project, and broken ones, meet the emulator's Metadata API."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from connector.package_zip import build_package
from emulator.auth import login
from emulator.life import permissions_of
from emulator.metadata_rest import multipart
from emulator.org import Org
from emulator.raw_rows import change, user_named

FORCE_APP = Path(__file__).parents[2] / "salesforce" / "force-app"


def package(*types: tuple[str, str], **files: str) -> bytes:
    members = "".join(f"<types><members>{name}</members><name>{kind}</name></types>" for kind, name in types)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(
            "package.xml", f'<Package xmlns="http://x">{members}<version>62.0</version></Package>'
        )
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


def field(name: str, body: str) -> str:
    return f"<fields><fullName>{name}</fullName><label>{name[:20]}</label>{body}</fields>"


def account(*parts: str) -> str:
    return f'<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">{"".join(parts)}</CustomObject>'


def deploy(call: Any, data: bytes, **options: Any) -> dict[str, Any]:
    body, kind = multipart(data, {"rollbackOnError": True, **options})
    sent = call("POST", "metadata/deployRequest", body=body, headers={"Content-Type": kind})
    assert sent.status == 201, sent.content()
    address = f"metadata/deployRequest/{sent.json()['id']}?includeDetails=true"
    assert call("GET", address).json()["deployResult"]["status"] == "InProgress"
    result: dict[str, Any] = call("GET", address).json()["deployResult"]
    assert result["done"]
    return result


def deploy_fields(call: Any, *parts: str, **options: Any) -> dict[str, Any]:
    return deploy(
        call, package(("CustomObject", "Account"), **{"objects/Account.object": account(*parts)}), **options
    )


def problems(result: dict[str, Any]) -> list[str]:
    return [each["problem"] for each in result["details"]["componentFailures"]]


def grant(call: Any, org: Org, *fields: str) -> None:
    """A permission set with these fields, given to the administrator."""
    made = call.create("PermissionSet", Name="Grant", Label="Grant")
    for name in fields:
        call.create(
            "FieldPermissions", ParentId=made, SobjectType=name.partition(".")[0], Field=name,
            PermissionsRead=True, PermissionsEdit=True,
        )  # fmt: skip
    (admin,) = org.storage.row('SELECT "Id" FROM "User" WHERE "Username" LIKE \'admin%\'') or ("",)
    call.create("PermissionSetAssignment", PermissionSetId=made, AssigneeId=admin)


TEXT = "<type>Text</type><length>20</length>"


@pytest.fixture(scope="session")
def rebates_zip() -> bytes:
    return build_package(FORCE_APP, "62.0")


def test_the_package_of_this_project_deploys(call: Any, org: Org, rebates_zip: bytes) -> None:
    result = deploy(call, rebates_zip)
    assert problems(result) == []
    assert result["status"] == "Succeeded"
    assert result["numberComponentsDeployed"] == result["numberComponentsTotal"] > 50
    assert org.schema.sobject("Rebate_Standing__c") is not None
    assert call("GET", "sobjects/Rebate_Standing__c/describe").status == 200
    types = org.storage.rows('SELECT "DeveloperName", "Id" FROM "CustomNotificationType"')
    assert [name for name, _ in types] == ["Rebate_Alert"]
    assert types[0][1].startswith("0ML")


def test_a_second_deploy_of_the_same_package_changes_nothing(call: Any, org: Org, rebates_zip: bytes) -> None:
    deploy(call, rebates_zip)
    again = deploy(call, rebates_zip)
    assert again["status"] == "Succeeded"
    changed = [each["fullName"] for each in again["details"]["componentSuccesses"] if each["changed"]]
    assert changed == []


def test_a_deployed_field_is_invisible_even_to_the_admin_until_it_is_granted(call: Any, org: Org) -> None:
    assert deploy_fields(call, field("Grade__c", TEXT))["status"] == "Succeeded"
    names = [each["name"] for each in call("GET", "sobjects/Account/describe").json()["fields"]]
    assert "Grade__c" not in names
    refused = call("POST", "sobjects/Account", json={"Name": "A", "Grade__c": "x"})
    assert refused.status == 400
    assert refused.json()[0]["errorCode"] in ("INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE")
    grant(call, org, "Account.Grade__c")
    made = call.create("Account", Name="A", Grade__c="x")
    assert call.read("Account", made)["Grade__c"] == "x"


def test_the_integration_user_sees_the_rebate_fields_once_it_has_the_permission_set(
    call: Any, org: Org, rebates_zip: bytes
) -> None:
    deploy(call, rebates_zip)
    user = org.storage.row('SELECT "Id", "Username" FROM "User" WHERE "Username" LIKE \'integration%\'')
    assert user is not None
    standing, account_ = org.schema.require("Rebate_Standing__c"), org.schema.require("Account")
    access = permissions_of(org)
    assert not access.allows(user[0], account_, "read")
    assert not access.readable(user[0], standing, standing.fields["tier__c"])
    assert access.readable(user[0], standing, standing.fields["sync_key__c"]), "required fields always show"
    access.assign(user[1], "Rebate_Sync_Integration")
    assert access.readable(user[0], standing, standing.fields["tier__c"])
    assert access.editable(user[0], account_, account_.fields["rebate_tier__c"])
    assert access.allows(user[0], org.schema.require("OrderItem"), "read"), "lines follow their order"
    assert not access.allows(user[0], account_, "create")
    assert access.has(user[0], "SendCustomNotifications")
    assert not access.has(user[0], "ModifyAllData")


def test_a_stale_sequence_is_refused_by_the_validation_rule_of_the_package(
    call: Any, org: Org, rebates_zip: bytes
) -> None:
    deploy(call, rebates_zip)
    permissions_of(org).assign("admin@acme.example", "Rebate_Sync_Integration")
    member = call.create("Account", Name="Lumière")
    values = {"Account__c": member, "Sync_Key__c": "RB-1", "Rebate_Seq__c": 5, "Program_Key__c": "p"}
    values |= {"Program_Name__c": "P", "Period__c": "2026-11"}
    standing = call.create("Rebate_Standing__c", **values)
    assert call("PATCH", f"sobjects/Rebate_Standing__c/{standing}", json={"Rebate_Seq__c": 6}).status == 204
    stale = call("PATCH", f"sobjects/Rebate_Standing__c/{standing}", json={"Rebate_Seq__c": 5})
    assert stale.status == 400
    assert stale.json()[0]["errorCode"] == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert "RB_STALE_SEQ" in stale.json()[0]["message"]
    assert call.read("Rebate_Standing__c", standing)["Rebate_Seq__c"] == 6
    assert call("PATCH", f"sobjects/Rebate_Standing__c/{standing}", json={"Rebate_Seq__c": 6}).status == 204


def test_formula_fields_of_the_package_count_down_without_a_write(
    call: Any, org: Org, rebates_zip: bytes
) -> None:
    deploy(call, rebates_zip)
    permissions_of(org).assign("admin@acme.example", "Rebate_Sync_Integration")
    member = call.create("Account", Name="Lumière")
    standing = call.create(
        "Rebate_Standing__c", Account__c=member, Sync_Key__c="RB-1", Rebate_Seq__c=1, Period_End__c="2026-11-30",
        Qualifying_Amount__c=45188, Next_Tier__c="Gold", Next_Threshold__c=50000, Qualifier__c="Amount",
    )  # fmt: skip
    stamp = call.read("Rebate_Standing__c", standing)["SystemModstamp"]
    assert call.read("Rebate_Standing__c", standing)["Days_Left__c"] == 8
    assert str(call.read("Rebate_Standing__c", standing)["Progress__c"]) == "90.376"
    org.clock.advance(days=2)  # type: ignore[attr-defined]
    call.token = login(org)  # two days later the session is over
    later = call.read("Rebate_Standing__c", standing)
    assert later["Days_Left__c"] == 6
    assert later["SystemModstamp"] == stamp
    assert (
        call("PATCH", f"sobjects/Rebate_Standing__c/{standing}", json={"Next_Threshold__c": None}).status
        == 204
    )
    assert call.read("Rebate_Standing__c", standing)["Progress__c"] is None, "nothing to measure it by"
    assert call("PATCH", f"sobjects/Rebate_Standing__c/{standing}", json={"Next_Tier__c": None}).status == 204
    assert call.read("Rebate_Standing__c", standing)["Progress__c"] == 100, "the top tier"


def test_check_only_leaves_the_org_alone(call: Any, org: Org, rebates_zip: bytes) -> None:
    result = deploy(call, rebates_zip, checkOnly=True)
    assert result["status"] == "Succeeded"
    assert org.schema.sobject("Rebate_Standing__c") is None
    assert org.storage.rows('SELECT 1 FROM "PermissionSet"') == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("<type>Txt</type>", "'Txt' is not a valid value for the enum 'FieldType'"),
        ("<type>Text</type>", "Must specify 'length' for a CustomField of type Text"),
        ("<type>Text</type><length>300</length>", "Length must be between 1 and 255; found '300'"),
        (
            "<type>Number</type><precision>5</precision><scale>9</scale>",
            "Scale must be between 0 and 5; found '9'",
        ),
        ("<type>Checkbox</type>", "Must specify 'defaultValue' for a CustomField of type Checkbox"),
        ("<type>Date</type><unique>true</unique>", "Can not specify 'unique' for a CustomField of type Date"),
        ("<type>Lookup</type><referenceTo>Nope__c</referenceTo>", "does not resolve to a valid sObject type"),
        ("<type>Picklist</type>", "Picklist requires a value set"),
        (
            "<type>Number</type><scale>0</scale><formula>Nope__c + 1</formula>",
            "Field Nope__c does not exist.",
        ),
        ("<type>Number</type><scale>0</scale><formula>(1 + 2</formula>", "Syntax error. Missing ')'"),
        ("<type>Date</type><formula>1 + 2</formula>", "incompatible with expected data type (date)"),
    ],
)
def test_a_field_that_cannot_be_is_refused_with_file_and_line(
    call: Any, org: Org, body: str, problem: str
) -> None:
    result = deploy_fields(call, field("Fine__c", TEXT), field("Bad__c", body))
    assert result["status"] == "Failed"
    (failure,) = result["details"]["componentFailures"]
    assert problem in failure["problem"]
    assert (failure["fileName"], failure["fullName"]) == ("objects/Account.object", "Account.Bad__c")
    assert failure["lineNumber"] == 1
    assert org.schema.require("Account").field("Fine__c") is None, "one failure rolls everything back"


def test_without_rollback_the_good_components_stay(call: Any, org: Org) -> None:
    bad = field("Bad__c", "<type>Txt</type>")
    result = deploy_fields(call, field("Fine__c", TEXT), bad, rollbackOnError=False)
    assert result["status"] == "SucceededPartial"
    assert org.schema.require("Account").field("Fine__c") is not None


def test_a_permission_set_may_name_neither_missing_nor_required_fields(call: Any) -> None:
    needed = field("Needed__c", TEXT + "<required>true</required>")
    rows = "".join(
        f"<fieldPermissions><editable>true</editable><field>{name}</field><readable>true</readable></fieldPermissions>"
        for name in ("Account.Needed__c", "Account.Gone__c")
    )
    data = package(
        ("CustomObject", "Account"), ("PermissionSet", "P"),
        **{
            "objects/Account.object": account(needed),
            "permissionsets/P.permissionset": f"<PermissionSet><label>P</label>{rows}</PermissionSet>",
        },
    )  # fmt: skip
    result = deploy(call, data)
    assert sorted(problems(result)) == [
        "In field: field - no CustomField named Account.Gone__c found",
        "You cannot deploy to a required field: Account.Needed__c",
    ]


def test_a_changed_scale_keeps_the_amounts_that_are_there(call: Any, org: Org) -> None:
    number = "<type>Number</type><precision>18</precision><scale>{}</scale>"
    deploy_fields(call, field("Score__c", number.format(2)))
    grant(call, org, "Account.Score__c")
    made = call.create("Account", Name="A", Score__c=12.35)
    deploy_fields(call, field("Score__c", number.format(4)))
    assert str(call.read("Account", made)["Score__c"]) == "12.35"
    deploy_fields(call, field("Score__c", number.format(1)))
    assert str(call.read("Account", made)["Score__c"]) == "12.4"
    refused = deploy_fields(call, field("Score__c", TEXT))
    assert problems(refused) == ["Cannot change field type from double to string"]


def test_destructive_changes_remove_a_field_but_not_one_that_a_formula_reads(call: Any, org: Org) -> None:
    formula = field("Twice__c", "<type>Number</type><scale>0</scale><formula>Score__c * 2</formula>")
    number = field("Score__c", "<type>Number</type><precision>18</precision><scale>0</scale>")
    deploy_fields(call, formula, number)
    gone = "<Package><types><members>{}</members><name>CustomField</name></types></Package>"
    kept = deploy(call, package(**{"destructiveChanges.xml": gone.format("Account.Score__c")}))
    assert problems(kept) == [
        "This custom field is referenced elsewhere in salesforce.com : Custom Field - Twice__c"
    ]
    done = deploy(call, package(**{"destructiveChanges.xml": gone.format("Account.Twice__c")}))
    assert done["status"] == "Succeeded"
    assert org.schema.require("Account").field("Twice__c") is None


def test_what_package_xml_names_must_be_in_the_zip(call: Any) -> None:
    missing = deploy(call, package(("CustomObject", "Gone__c")))
    assert "was named in package.xml, but was not found in zipped directory" in problems(missing)[0]
    extra = deploy(call, package(**{"objects/Account.object": account(field("A__c", TEXT))}))
    assert "Not in package.xml" in problems(extra)


def test_a_deploy_can_be_canceled_and_bad_requests_are_refused(call: Any, rebates_zip: bytes) -> None:
    body, kind = multipart(rebates_zip, {})
    made = call("POST", "metadata/deployRequest", body=body, headers={"Content-Type": kind}).json()["id"]
    canceling = {"deployResult": {"status": "Canceling"}}
    assert call("PATCH", f"metadata/deployRequest/{made}", json=canceling).status == 202
    assert call("GET", f"metadata/deployRequest/{made}").json()["deployResult"]["status"] == "Canceled"
    assert call("PATCH", f"metadata/deployRequest/{made}", json=canceling).status == 400
    assert call("POST", "metadata/deployRequest", json={}).status == 415
    assert call("GET", "metadata/deployRequest/0AfgK0000000001").status == 404
    body, kind = multipart(b"no zip", {})
    broken = call("POST", "metadata/deployRequest", body=body, headers={"Content-Type": kind}).json()["id"]
    call("GET", f"metadata/deployRequest/{broken}")
    result = call("GET", f"metadata/deployRequest/{broken}").json()["deployResult"]
    assert (result["status"], result["success"]) == ("Failed", False)


def test_an_org_kept_in_a_file_still_has_its_fields_and_rules(
    tmp_path: Path, rebates_zip: bytes, clock: Any
) -> None:
    from emulator.life import rules_of
    from emulator.metadata_deploy import deploy as deploy_package
    from emulator.metadata_read import read_zip
    from emulator.raw_rows import user_named

    first = Org.create(tmp_path / "org.db", clock=clock)
    assert deploy_package(first, read_zip(rebates_zip), user_named(first)).problems == []
    first.close()
    again = Org.create(tmp_path / "org.db", clock=clock)
    standing = again.schema.require("Rebate_Standing__c")
    assert standing.field("Days_Left__c") is not None
    assert [rule.name for rule in rules_of(again).of("Rebate_Standing__c")] == ["Refuse_Stale_Sequence"]
    again.close()


def test_a_deploy_is_known_by_its_id_after_a_restart(
    tmp_path: Path, rebates_zip: bytes, clock: Any, caller: Any
) -> None:
    org = Org.create(tmp_path / "org.db", clock=clock)
    call = caller(org)
    body, kind = multipart(rebates_zip, {"rollbackOnError": True})
    made = call("POST", "metadata/deployRequest", body=body, headers={"Content-Type": kind}).json()["id"]
    address = f"metadata/deployRequest/{made}?includeDetails=true"
    org.close()

    org = Org.create(tmp_path / "org.db", clock=clock)  # before anybody looked: it still waits
    call = caller(org)
    assert call("GET", address).json()["deployResult"]["status"] == "InProgress"
    done = call("GET", address).json()["deployResult"]
    assert (done["status"], problems(done)) == ("Succeeded", [])
    org.close()

    org = Org.create(tmp_path / "org.db", clock=clock)
    assert caller(org)("GET", address).json()["deployResult"] == done
    org.close()


@pytest.mark.parametrize(
    ("company", "level", "status"),
    [
        ({"IsSandbox": 0, "OrganizationType": "Enterprise Edition"}, "NoTestRun", 400),
        ({"IsSandbox": 0, "OrganizationType": "Enterprise Edition"}, None, 201),
        ({"IsSandbox": 0, "OrganizationType": "Enterprise Edition"}, "RunLocalTests", 201),
        ({"IsSandbox": 0, "OrganizationType": "Developer Edition"}, "NoTestRun", 201),
        ({"IsSandbox": 1, "OrganizationType": "Enterprise Edition"}, "NoTestRun", 201),
    ],
)
def test_a_production_org_refuses_a_deploy_that_asks_for_no_tests(
    call: Any, org: Org, rebates_zip: bytes, company: dict[str, Any], level: str | None, status: int
) -> None:
    change(org, "Organization", org.id, user_named(org), **company)
    body, kind = multipart(rebates_zip, {"testLevel": level, "checkOnly": True})
    answer = call("POST", "metadata/deployRequest", body=body, headers={"Content-Type": kind})
    assert answer.status == status
    if status == 400:
        assert answer.json()[0]["errorCode"] == "INVALID_OPERATION"
