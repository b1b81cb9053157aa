"""Orgs where our user may see records and not change them: doctor says it before the rows are refused."""

from __future__ import annotations

import pytest

from emulator import edit_sharing
from emulator.raw_rows import put, user_named
from emulator.seed_story import partner_orders_again
from jobs.person import person


def sharing(world):
    findings = world("doctor", "--json").data["findings"]
    return {one["check"]: one for one in findings if one["check"].endswith("sharing")}


def levels(world):
    return {check: one["level"] for check, one in sharing(world).items()}


def may_modify_all_accounts(world):
    """The way out that the admin takes: a small permission set."""
    org, admin = world.org, user_named(world.org)
    with org.storage.transaction():
        chosen = put(org, "PermissionSet", admin, Name="Edit_Accounts", Label="Edit Accounts")
        put(
            org, "ObjectPermissions", admin, ParentId=chosen, SobjectType="Account",
            PermissionsRead=1, PermissionsEdit=1, PermissionsModifyAllRecords=1,
        )  # fmt: skip
        org.access.assign("integration@northwind.example", "Edit_Accounts")


def test_where_everything_is_shared_doctor_says_so_once_there_are_tasks(story):
    assert levels(story) == {"account sharing": "ok", "task sharing": "skip"}
    story("sync")
    assert levels(story) == {"account sharing": "ok", "task sharing": "ok"}


def test_tasks_that_only_their_owners_may_close_are_told_with_the_setting_to_change(synced):
    story = synced
    edit_sharing.share(story.org, {"Task": "owner"})
    found = sharing(story)["task sharing"]
    assert found["level"] == "fail"
    assert "may not edit" in found["said"]
    assert "Controlled by Parent" in found["mend"]
    partner_orders_again(story.org)
    story.wait(minutes=15)
    story("sync")
    (row,) = story("outbox", "list", "--json").data["rows"]
    assert (row["object"], row["code"]) == ("Task.change", "INSUFFICIENT_ACCESS_OR_READONLY")
    edit_sharing.share(story.org, {"Task": "parent"})
    assert levels(story)["task sharing"] == "ok"
    story("outbox", "retry", "--code", "NO_SUCH_CODE")
    story("outbox", "retry", "--why", row["stuck"])
    deeds = [one for one in story("audit", "--json").data["entries"] if one["what"] == "tried again"]
    assert [(one["who"], one["detail"]) for one in deeds] == [(person(), {"rows": 1, "why": row["stuck"]})]
    story.wait(minutes=15)
    story("sync")
    assert story.rows("SELECT IsClosed FROM Task WHERE Rebate_Key__c != null") == [{"IsClosed": True}]


@pytest.mark.parametrize("synced", [False, True])
def test_accounts_that_our_user_may_only_read_are_told_before_and_after_the_first_sync(story, synced):
    if synced:
        story("sync")
    edit_sharing.share(story.org, {"Account": "owner"})
    found = sharing(story)["account sharing"]
    assert found["level"] == "fail"
    assert "Modify All on Account" in found["mend"]
    may_modify_all_accounts(story)
    assert levels(story)["account sharing"] == "ok"


def test_who_writes_no_account_fields_is_not_asked_for_the_right_to(story):
    path = story.folder / "rebates.toml"
    path.write_text(path.read_text() + '\n[push]\ntargets = ["standing"]\n')
    edit_sharing.share(story.org, {"Account": "owner", "Task": "owner"})
    assert sharing(story) == {}


def test_an_org_that_does_not_tell_who_may_edit_fails_nothing(synced):
    story = synced
    story.org.schema.remove_sobject("UserRecordAccess")
    assert levels(story) == {"account sharing": "skip", "task sharing": "skip"}
