"""What cannot be read and is deleted is deleted: nobody has to mend what is in the recycle bin."""

from __future__ import annotations

from decimal import Decimal

from emulator import lifecycle
from emulator.raw_rows import change, user_named
from emulator.seed_story import LUMIERE

MAGASIN = "Grand Magasin Group"


def spoil(world, sobject, record_id, **fields):
    with world.org.storage.transaction():
        change(world.org, sobject, record_id, user_named(world.org), **fields)


def one(world, query):
    (row,) = world.rows(query)
    return row


def standing(world, account_id):
    row = one(
        world,
        "SELECT Qualifying_Amount__c, Incomplete__c FROM Rebate_Standing__c "
        f"WHERE Account__c = '{account_id}' AND Period__c = '2026-11'",
    )
    return Decimal(row["Qualifying_Amount__c"]), row["Incomplete__c"]


def qualifying(world, account_id):
    row = one(world, f"SELECT Rebate_Qualifying_Amount__c FROM Account WHERE Id = '{account_id}'")
    return Decimal(row["Rebate_Qualifying_Amount__c"])


def later(world, command="sync"):
    world.wait(minutes=15)
    return world(command, "--json")


def test_a_line_that_cannot_be_read_and_is_deleted_counts_no_more(synced):
    story = synced
    account = one(story, f"SELECT Id FROM Account WHERE Name = '{LUMIERE}'")["Id"]
    line = one(
        story,
        f"SELECT Id FROM OrderItem WHERE Order.AccountId = '{account}' AND Order.EffectiveDate = 2026-11-09",
    )["Id"]
    spoil(story, "OrderItem", line, Quantity=None)
    assert later(story).code == 3
    amount, incomplete = standing(story, account)
    assert amount == Decimal("45188")
    assert line in incomplete
    lifecycle.delete(story.org, "OrderItem", line)
    done = later(story)
    assert (done.code, done.data["rejected"]) == (0, 0), done.text
    assert standing(story, account) == (Decimal("36188"), None)
    used = story.org.usage.total
    assert later(story).code == 0
    assert story.org.usage.total == used + 1, "it is read once"
    assert {one["read_again"] for one in later(story, "reconcile").data["inventory"]} == {0}
    assert story("verify", "--deep").code == 0


def test_an_account_that_cannot_be_read_and_is_merged_away_leaves_its_orders_to_the_winner(synced):
    story = synced
    winner = one(story, f"SELECT Id FROM Account WHERE Name = '{MAGASIN}'")["Id"]
    loser = one(story, f"SELECT Id FROM Account WHERE Name = '{LUMIERE}'")["Id"]
    before = qualifying(story, winner)
    spoil(story, "Account", loser, Name=None)
    assert later(story).code == 3
    lifecycle.merge(story.org, winner, [loser])
    done = later(story)
    assert (done.code, done.data["rejected"]) == (0, 0), done.text
    assert qualifying(story, winner) == before + Decimal("45188")
    assert story("verify", "--deep").code == 0
    assert later(story).data["pushed"] == 0, "a merge is followed once"
