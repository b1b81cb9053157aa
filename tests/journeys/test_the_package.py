"""The Salesforce package through the command line: in, looked at, out again."""

from __future__ import annotations

from xml.etree import ElementTree


def test_doctor_finds_everything_in_order_after_a_deploy(story):
    done = story("doctor", "--json")
    assert done.code == 0, done.text
    found = {one["check"]: one["level"] for one in done.data["findings"]}
    wanted = ("store", "mapping", "programs", "login", "fields", "fence", "account fence", "rights")
    assert {name: found[name] for name in wanted} == dict.fromkeys(wanted, "ok")


def test_doctor_names_what_is_missing_before_a_deploy(new_world):
    from emulator.seed_story import seed_story

    done = new_world(seed_story)("doctor", "--json")
    assert done.code == 1
    failed = [one for one in done.data["findings"] if one["level"] == "fail"]
    assert any("Rebate_Standing__c" in one["said"] for one in failed)
    assert all(one["mend"] for one in failed)


def test_checking_a_deploy_changes_nothing(new_world):
    from emulator.seed_story import seed_story

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
