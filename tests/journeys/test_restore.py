"""A backup is put back: the org knows more than the store, and nothing is made twice or goes backward."""

from __future__ import annotations

import shutil
import sqlite3
from decimal import Decimal

import pytest

from emulator import actions, lifecycle
from emulator.fault_kinds import Fault
from emulator.seed_story import LUMIERE, partner_orders_again

SEQUENCES = "SELECT Id, Rebate_Seq__c FROM Rebate_Standing__c ORDER BY Id"


def tasks(world):
    return world.rows("SELECT Id, Rebate_Key__c, IsClosed FROM Task ORDER BY Id")


def sequences(world):
    return {row["Id"]: Decimal(row["Rebate_Seq__c"]) for row in world.rows(SEQUENCES)}


def test_a_restored_store_reads_the_org_before_it_writes(story):
    story("pull")
    assert story("db", "backup", "early.db").code == 0  # before anything was written
    story("sync")
    partner_orders_again(story.org)
    story.wait(minutes=15)
    story("sync")
    made, bells, highest = tasks(story), actions.shown(story.org), sequences(story)
    assert made and bells
    assert story("db", "restore", "early.db", "--yes").code == 0
    story.wait(minutes=15)
    done = story("sync", "--json")
    assert done.code == 0, (done.error, done.err)
    assert done.data["rebased"]["tasks"] == len(made)
    assert [task["Id"] for task in tasks(story)] == [task["Id"] for task in made], "no task is made twice"
    assert actions.shown(story.org) == bells, "no bell rings twice"
    after = sequences(story)
    assert after.keys() == highest.keys()
    assert all(after[one] >= highest[one] for one in highest)
    assert story("verify", "--deep").code == 0
    story.wait(minutes=15)
    quiet = story("sync", "--json")
    assert (quiet.data["pushed"], quiet.data["rebased"]) == (0, None)


def test_a_restore_of_an_older_state_repairs_what_the_org_got_since(synced):
    story = synced
    assert story("db", "backup", "monday.db").code == 0
    partner_orders_again(story.org)
    story.wait(minutes=15)
    story("sync")
    assert story("db", "restore", "monday.db", "--yes").code == 0
    story.wait(minutes=15)
    done = story("sync", "--json")
    assert done.code == 0, (done.error, done.err)
    differences = {(one["object"], one["field"]) for one in done.data["rebased"]["differences"]}
    assert ("Account", "Rebate_Tier__c") in differences, (
        "the report says what differed before anything was sent"
    )
    (row,) = story.rows(f"SELECT Rebate_Tier__c, Rebate_Amount__c FROM Account WHERE Name = '{LUMIERE}'")
    assert (row["Rebate_Tier__c"], Decimal(row["Rebate_Amount__c"])) == ("Gold", Decimal("7588.20"))
    assert all(
        task["IsClosed"] for task in tasks(story) if task["Rebate_Key__c"] == tasks(story)[0]["Rebate_Key__c"]
    )
    assert story("verify", "--deep").code == 0


@pytest.mark.parametrize("how", ["a restored store", "a new store"])
def test_what_an_earlier_store_wrote_and_nothing_counts_for_any_more_is_written_down_to_nothing(story, how):
    """The orders were deleted since: no standing comes of them, and nobody else would touch the record."""
    story("pull")
    assert story("db", "backup", "early.db").code == 0  # before anything was computed
    story("sync")
    shown = f"SELECT Id, Rebate__c, Qualifying_Amount__c FROM Rebate_Standing__c WHERE Account__r.Name = '{LUMIERE}'"
    assert any(Decimal(row["Qualifying_Amount__c"]) for row in story.rows(shown))
    for row in story.rows(f"SELECT Id FROM Order WHERE Account.Name = '{LUMIERE}'"):
        lifecycle.delete(story.org, "Order", row["Id"])
    if how == "a restored store":
        assert story("db", "restore", "early.db", "--yes").code == 0
    else:
        for file in story.folder.glob("rebates.db*"):
            file.unlink()
    story.wait(minutes=15)
    assert story("sync").code == 0
    after = story.rows(shown)
    assert after and {(Decimal(row["Rebate__c"]), Decimal(row["Qualifying_Amount__c"])) for row in after} == {
        (Decimal(0), Decimal(0))
    }
    assert story("verify", "--deep").code == 0


def test_a_store_that_was_restored_twice_goes_on_above_every_number_the_org_has_seen(synced):
    story = synced
    assert story("db", "backup", "monday.db").code == 0
    for _ in range(2):  # the second one restores a file that knows nothing of the first
        assert story("db", "restore", "monday.db", "--yes").code == 0
        (row,) = story.rows(f"SELECT Id FROM Account WHERE Name = '{LUMIERE}'")
        story.change("Account", row["Id"], {"Rebate_Tier__c": "Platinum"})
        (standing,) = story.rows(
            f"SELECT Id, Rebate_Seq__c FROM Rebate_Standing__c WHERE Account__c = '{row['Id']}' AND Period__c = '2026-11'"
        )
        story.change("Rebate_Standing__c", standing["Id"], {"Tier__c": "Platinum"})
        story.wait(minutes=15)
        done = story("sync", "--json")
        assert done.code == 0, (done.error, done.err)
        (again,) = story.rows(
            f"SELECT Tier__c, Rebate_Seq__c FROM Rebate_Standing__c WHERE Id = '{standing['Id']}'"
        )
        assert again["Tier__c"] == "Silver"
        assert Decimal(again["Rebate_Seq__c"]) > Decimal(standing["Rebate_Seq__c"])


def test_a_bell_that_waited_in_the_backup_and_rang_since_does_not_ring_again(story):
    story.org.faults.add(Fault("status", path="/actions/", status=503))
    story("sync")
    assert story("db", "backup", "early.db").code == 0
    assert not actions.shown(story.org), "it waits"
    story.wait(minutes=15)
    story("sync")
    bells = actions.shown(story.org)
    assert len(bells) == 1
    assert story("db", "restore", "early.db", "--yes").code == 0
    for _ in range(2):
        story.wait(minutes=15)
        assert story("sync").code == 0
    assert actions.shown(story.org) == bells


def test_a_database_that_other_tools_put_back_is_said_to_be_restored(synced):
    """As with PostgreSQL, whose server does it."""
    story = synced
    shutil.copy(story.folder / "rebates.db", story.folder / "monday.copy")
    for _ in range(2):
        partner_orders_again(story.org)
        story.wait(minutes=15)
        assert story("sync").code == 0
    highest = sequences(story)
    shutil.copy(story.folder / "monday.copy", story.folder / "rebates.db")
    assert story("db", "restored").code == 0
    story.wait(minutes=15)
    done = story("sync", "--json")
    assert done.code == 0, (done.error, done.err)
    assert done.data["rebased"]["differences"]
    after = sequences(story)
    assert all(after[one] >= highest[one] for one in highest)
    assert story("verify", "--deep").code == 0


def test_nothing_is_restored_under_a_run_that_goes_on(synced):
    story = synced
    assert story("db", "backup", "monday.db").code == 0
    lease = sqlite3.connect(story.folder / "rebates.db")
    until = int(story.clock().timestamp() + 600) * 1_000_000
    lease.execute("UPDATE leases SET owner = 'host:1', expires_at = ? WHERE name = 'org'", (until,))
    lease.commit()
    lease.close()
    refused = story("db", "restore", "monday.db", "--yes")
    assert refused.code == 6, refused.text
    assert "host:1" in refused.err
    story.wait(minutes=31)
    assert story("db", "restore", "monday.db", "--yes").code == 0
