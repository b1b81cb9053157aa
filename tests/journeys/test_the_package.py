"""The Salesforce package through the command line: in, looked at, out again."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from emulator.fault_kinds import Fault
from emulator.metadata_deploy import deploy
from emulator.metadata_read import Component, Package
from emulator.raw_rows import find, user_named
from emulator.seed_story import seed_story
from emulator.tooling import element
from emulator.xml_tree import Element

ADMIN, INTEGRATION = "admin@northwind.example", "integration@northwind.example"


def test_doctor_finds_everything_in_order_after_a_deploy(story):
    done = story("doctor", "--json")
    assert done.code == 0, done.text
    found = {one["check"]: one["level"] for one in done.data["findings"]}
    wanted = ("store", "mapping", "programs", "login", "fields", "fence", "account fence", "rights")
    assert {name: found[name] for name in wanted} == dict.fromkeys(wanted, "ok")


def test_doctor_names_what_is_missing_before_a_deploy(new_world):
    done = new_world(seed_story)("doctor", "--json")
    assert done.code == 1
    failed = [one for one in done.data["findings"] if one["level"] == "fail"]
    assert any("Rebate_Standing__c" in one["said"] for one in failed)
    assert all(one["mend"] for one in failed)


def test_checking_a_deploy_changes_nothing(new_world):
    world = new_world(seed_story)
    assert world("org", "deploy", "--check-only", "--json").data["components"] > 100
    assert world.org.schema.sobject("Rebate_Standing__c") is None


def test_removal_says_first_what_it_would_take(synced):
    story = synced
    done = story("org", "undeploy", "--check-only", "--json")
    assert done.code == 0, done.text
    assert done.data["records"]["Rebate_Standing__c"] == 7
    assert story.org.schema.sobject("Rebate_Standing__c") is not None
    refused = story("org", "undeploy", "--json")
    assert refused.code == 2, "and asks before it does it"
    assert story("org", "undeploy", "--yes", "--json").code == 0
    assert story.org.schema.sobject("Rebate_Standing__c") is None
    assert story.org.schema.sobject("Account").field("Rebate_Tier__c") is None


def test_the_permission_set_of_the_mapping_is_metadata(story):
    done = story("org", "permission-set")
    root = ElementTree.fromstring(done.out)
    fields = {node.text for node in root.iter() if node.tag.endswith("}field")}
    assert "Account.Rebate_Tier__c" in fields
    assert "Rebate_Standing__c.Account__c" not in fields, "a master-detail field cannot be granted"


def test_the_org_refuses_a_standing_that_is_older_than_what_it_has(synced):
    story = synced
    (row,) = story.rows(
        "SELECT Id, Rebate_Seq__c FROM Rebate_Standing__c WHERE Account__r.Name = 'Midwest Auto Parts Distribution' AND Period__c = '2026-Q4'"
    )
    from emulator.auth import login
    from emulator.router import Request

    USER = "integration@northwind.example"

    body = b'{"Rebate_Seq__c": 1}'
    headers = {"Authorization": f"Bearer {login(story.org, USER)}", "Content-Type": "application/json"}
    reply = story.org.handle(
        Request.to("PATCH", f"/services/data/v68.0/sobjects/Rebate_Standing__c/{row['Id']}", headers, body)
    )
    assert reply.status == 400
    assert b"RB_STALE_SEQ" in bytes(reply.body)


def has_the_set(world, username):
    org = world.org
    who, what = (
        find(org, "User", Username=username),
        find(org, "PermissionSet", Name="Rebate_Sync_Integration"),
    )
    return bool(find(org, "PermissionSetAssignment", AssigneeId=who["Id"], PermissionSetId=what["Id"]))


@pytest.fixture
def as_admin(new_world):
    """An administrator deploys; the service will log in as another user."""
    world = new_world(seed_story)
    path = world.folder / "rebates.toml"
    path.write_text(path.read_text().replace(INTEGRATION, ADMIN))
    return world


def test_an_administrator_who_deploys_is_not_given_what_the_service_needs(as_admin):
    done = as_admin("org", "deploy", "--json")
    assert (done.code, done.data["permission_set"]) == (0, None), done.text
    assert ADMIN in done.warnings[0]
    assert "--for USERNAME" in done.warnings[0]
    assert not has_the_set(as_admin, ADMIN)
    assert not has_the_set(as_admin, INTEGRATION)


def test_an_administrator_names_the_user_who_syncs(as_admin):
    done = as_admin("org", "deploy", "--for", INTEGRATION, "--json")
    assert done.code == 0, done.text
    assert (done.data["permission_set"], done.data["assigned_to"]) == ("assigned", INTEGRATION)
    assert not done.warnings
    assert has_the_set(as_admin, INTEGRATION)
    assert not has_the_set(as_admin, ADMIN)
    nobody = as_admin("org", "deploy", "--for", "nobody@northwind.example", "--json")
    assert "no active user nobody@northwind.example" in nobody.warnings[0]


def test_a_user_who_may_not_deploy_is_told_who_may(new_world):
    world = new_world(seed_story)
    what = find(world.org, "PermissionSet", Name="Rebate_Sync_Setup")
    world.org.storage.keep(
        "permissions.system", what["Id"], ["ApiEnabled", "AssignPermissionSets", "ViewSetup"]
    )
    done = world("org", "deploy", "--json")
    assert done.code == 2, done.text
    assert "administrator" in done.error["hint"]
    assert "--for USERNAME" in done.error["hint"]


def test_what_the_org_says_against_the_permission_set_is_passed_on(new_world):
    """A user of the license Salesforce Integration without its permission set license."""
    world = new_world(seed_story)
    refused = Fault("row_error", path="^PermissionSetAssignment$", code="FIELD_INTEGRITY_EXCEPTION", times=0)
    world.org.faults.add(refused)
    done = world("org", "deploy", "--json")
    assert (done.code, done.data["permission_set"]) == (0, None), done.text
    (said,) = done.warnings
    for part in (
        INTEGRATION,
        "FIELD_INTEGRITY_EXCEPTION",
        "permission set license Salesforce API Integration",
    ):
        assert part in said


def test_a_second_deploy_leaves_the_region_as_the_admin_made_it(story):
    body = {
        "FullName": "Rebate_Standing__c.Region__c",
        "Metadata": {"label": "Region", "type": "Text", "formula": "UPPER(Account__r.BillingCountry)"},
    }
    made = Component(
        "CustomField",
        body["FullName"],
        "objects/Rebate_Standing__c.object",
        element("CustomField", body["Metadata"]),
    )
    assert not deploy(story.org, Package([made]), user_named(story.org)).problems
    look = story("org", "deploy", "--check-only", "--json")
    assert look.data["kept"] == ["Rebate_Standing__c.Region__c"]
    assert story("org", "deploy", "--json").code == 0
    kept = Element.of(story.org.storage.kept("metadata", "CustomField:Rebate_Standing__c.Region__c")["body"])
    assert kept.get("formula") == body["Metadata"]["formula"]


def test_the_first_deploy_brings_every_field(new_world):
    world = new_world(seed_story)
    done = world("org", "deploy", "--json")
    assert (done.code, done.data["kept"]) == (0, []), done.text
    assert world.org.schema.sobject("Rebate_Standing__c").field("Region__c") is not None


def test_an_org_without_room_for_a_dashboard_gets_everything_else(new_world):
    world = new_world(seed_story)
    world.org.storage.keep("limits", "dynamic_dashboards", 0)
    refused = world("org", "deploy", "--json")
    assert refused.code == 1, refused.text
    assert "Rebates/Rebate_Overview" in refused.error["message"]
    assert "--without dashboard" in refused.error["hint"]
    assert world.org.schema.sobject("Rebate_Standing__c") is None
    done = world("org", "deploy", "--without", "dashboard", "--json")
    assert done.code == 0, done.text
    deployed = world.org.storage.kept_all("metadata")
    assert not [name for name in deployed if name.startswith("Dashboard:")]
    assert "Report:Rebates/Standings_by_Status" in deployed
    unknown = world("org", "deploy", "--without", "card", "--json")
    assert (unknown.code, "dashboard" in unknown.error["hint"]) == (2, True)
