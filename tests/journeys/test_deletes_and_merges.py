"""What people delete, bring back, merge and purge in the org, and what the standings make of it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from emulator import lifecycle
from emulator.life import permissions_of
from emulator.seed_story import LUMIERE

MAGASIN = "Grand Magasin Group"


def one(world, query):
    (row,) = world.rows(query)
    return row


def account(world, name):
    return one(
        world,
        f"SELECT Id, Rebate_Tier__c, Rebate_Amount__c, Rebate_Qualifying_Amount__c FROM Account WHERE Name = '{name}'",
    )


def qualifying(world, name):
    return Decimal(account(world, name)["Rebate_Qualifying_Amount__c"])


def order_of(world, name, day):
    return one(world, f"SELECT Id FROM Order WHERE Account.Name = '{name}' AND EffectiveDate = {day}")["Id"]


def touch(world, sobject, record_id, **fields):
    """An administrator saves a record."""
    from emulator.raw_rows import change, user_named

    with world.org.storage.transaction():
        change(world.org, sobject, record_id, user_named(world.org), **fields)


def later(world, *args):
    world.wait(minutes=15)
    done = world(*(args or ("sync",)), "--json")
    assert done.code == 0, done.text
    return done


def test_a_deleted_order_is_taken_back_and_an_undeleted_one_counts_again(synced):
    story = synced
    order = order_of(story, LUMIERE, "2026-11-09")  # 9,000.00
    lifecycle.delete(story.org, "Order", order)
    later(story)
    assert qualifying(story, LUMIERE) == Decimal("36188")
    lifecycle.undelete(story.org, "Order", order)
    later(story)
    assert qualifying(story, LUMIERE) == Decimal("45188")


def test_a_deleted_line_is_taken_back_alone(synced):
    story = synced
    order = order_of(story, LUMIERE, "2026-11-03")
    line = one(
        story, f"SELECT Id FROM OrderItem WHERE OrderId = '{order}' AND Product2.Name = 'Night Cream 50 ml'"
    )["Id"]
    lifecycle.delete(story.org, "OrderItem", line)
    later(story)
    assert qualifying(story, LUMIERE) == Decimal("34788")  # 10,400.00 less


def test_a_deleted_account_is_written_no_more_and_comes_back_whole(synced):
    story = synced
    row = account(story, LUMIERE)
    lifecycle.delete(story.org, "Account", row["Id"])
    done = later(story)
    assert done.data["rejected"] == 0
    assert "Account" not in done.data["pushed_by_object"]
    assert story("verify", "--deep").code == 0
    lifecycle.undelete(story.org, "Account", row["Id"])
    later(story)
    assert account(story, LUMIERE) == row
    assert story("verify", "--deep").code == 0


def test_the_winner_of_a_merge_takes_over_the_orders_though_their_stamps_did_not_move(synced):
    story = synced
    winner, loser = account(story, MAGASIN), account(story, LUMIERE)
    before = qualifying(story, MAGASIN)
    (task,) = story.rows(f"SELECT Id FROM Task WHERE AccountId = '{loser['Id']}'")
    lifecycle.merge(story.org, winner["Id"], [loser["Id"]])
    done = later(story)
    assert qualifying(story, MAGASIN) == before + Decimal("45188")
    assert one(story, f"SELECT IsClosed FROM Task WHERE Id = '{task['Id']}'")["IsClosed"], (
        "it speaks of an account that is gone"
    )
    assert loser["Id"] not in str(done.data["refused"])
    assert story("verify", "--deep").code == 0
    again = later(story)
    assert again.data["pushed"] == 0, "a merge is followed once"
    order = order_of(story, MAGASIN, "2026-11-09")
    touch(story, "Order", order)
    later(story)
    assert qualifying(story, MAGASIN) == before + Decimal("45188")


def standings_under(world, account_id):
    return world.rows(
        "SELECT Sync_Key__c, Program_Key__c, Period__c, Status__c, Qualifying_Amount__c, Rebate__c, Settled__c "
        f"FROM Rebate_Standing__c WHERE Account__c = '{account_id}' ORDER BY Sync_Key__c"
    )


def test_what_a_merge_left_to_the_winner_is_closed_and_adds_nothing_up_twice(synced):
    story = synced
    winner, loser = account(story, MAGASIN), account(story, LUMIERE)
    before, left = standings_under(story, winner["Id"]), standings_under(story, loser["Id"])
    assert any(Decimal(row["Rebate__c"]) for row in left)
    lifecycle.merge(story.org, winner["Id"], [loser["Id"]])
    later(story)
    after = {row["Sync_Key__c"]: row for row in standings_under(story, winner["Id"])}
    assert after.keys() >= {row["Sync_Key__c"] for row in (*before, *left)}
    for row in left:
        closed = after[row["Sync_Key__c"]]
        assert closed["Status__c"] == "Closed"
        assert Decimal(closed["Qualifying_Amount__c"]) == Decimal(closed["Rebate__c"]) == 0
        assert closed["Period__c"] == row["Period__c"]
    total = sum(
        Decimal(row["Qualifying_Amount__c"])
        for row in after.values()
        if (row["Program_Key__c"], row["Period__c"]) == ("retail-2026", "2026-11")
    )
    assert total == qualifying(story, MAGASIN), "each amount is there once"
    assert story("verify", "--deep").code == 0
    for command in ("sync", "reconcile", "sync"):
        assert later(story, command).data["pushed"] == 0, "it is said once"


def test_what_a_merge_left_and_the_org_refuses_to_close_waits_for_a_person(story):
    from emulator.fault_kinds import Fault

    story("sync")
    winner, loser = account(story, MAGASIN), account(story, LUMIERE)
    left = [row["Sync_Key__c"] for row in standings_under(story, loser["Id"]) if Decimal(row["Rebate__c"])]
    lifecycle.merge(story.org, winner["Id"], [loser["Id"]])
    story.org.faults.add(
        Fault(
            "row_error",
            path="^Rebate_Standing__c$",
            code="FIELD_CUSTOM_VALIDATION_EXCEPTION",
            ids=left,
            times=0,
        )
    )
    story.wait(minutes=15)
    assert story("sync").code == 3
    waiting = [row["key"] for row in story("outbox", "list", "--json").data["rows"]]
    assert sorted(waiting) == sorted(left)
    later_calls = story.org.usage.total
    story.wait(minutes=15)
    assert story("sync").code == 3
    assert story.org.usage.total - later_calls <= 4, "it is not sent again by itself"
    story.org.faults.clear()
    story("outbox", "retry")
    later(story)
    closed = {row["Sync_Key__c"]: row["Status__c"] for row in standings_under(story, winner["Id"])}
    assert {closed[key] for key in left} == {"Closed"}


def test_what_a_merge_left_is_closed_beside_a_bulk_job_of_many(synced, monkeypatch):
    """It leaves out whose it is, and one file has one header."""
    story = synced
    winner, loser = account(story, MAGASIN), account(story, LUMIERE)
    left = {row["Sync_Key__c"] for row in standings_under(story, loser["Id"])}
    lifecycle.merge(story.org, winner["Id"], [loser["Id"]])
    monkeypatch.setattr("connector.limits.COMPOSITE_WRITE_ROWS", 0)
    done = later(story)
    assert done.data["refused"] == []
    after = {row["Sync_Key__c"]: row["Status__c"] for row in standings_under(story, winner["Id"])}
    assert {after[key] for key in left} == {"Closed"}
    assert story("verify", "--deep").code == 0


def test_what_a_merge_left_and_a_person_deleted_stays_deleted(synced):
    story = synced
    winner, loser = account(story, MAGASIN), account(story, LUMIERE)
    left, *_ = (row for row in standings_under(story, loser["Id"]) if Decimal(row["Rebate__c"]))
    lifecycle.merge(story.org, winner["Id"], [loser["Id"]])
    record = one(story, f"SELECT Id FROM Rebate_Standing__c WHERE Sync_Key__c = '{left['Sync_Key__c']}'")
    lifecycle.delete(story.org, "Rebate_Standing__c", record["Id"])
    done = later(story)
    assert done.data["refused"] == []
    assert story("outbox", "list", "--json").data["rows"] == []
    assert left["Sync_Key__c"] not in {row["Sync_Key__c"] for row in standings_under(story, winner["Id"])}
    for command in ("sync", "reconcile"):
        assert later(story, command).data["pushed"] == 0


@pytest.mark.parametrize("code", ["UNABLE_TO_LOCK_ROW", "CANNOT_EXECUTE_FLOW_TRIGGER"])
def test_what_a_merge_left_is_closed_by_the_next_push_when_the_first_was_refused(story, code):
    from emulator.fault_kinds import Fault

    story("sync")
    winner, loser = account(story, MAGASIN), account(story, LUMIERE)
    lifecycle.merge(story.org, winner["Id"], [loser["Id"]])
    story.org.faults.add(Fault("row_error", path="^Rebate_Standing__c$", code=code, times=0))
    story.wait(minutes=15)
    assert story("sync").code == 3
    story.org.faults.clear()
    later(story)
    rows = {row["Sync_Key__c"]: row["Status__c"] for row in standings_under(story, winner["Id"])}
    assert list(rows.values()).count("Closed") > 0
    assert story("outbox", "list", "--json").data["rows"] == []
    assert story("verify", "--deep").code == 0


def test_a_merge_whose_loser_was_purged_before_we_looked_is_made_good_by_the_nightly_comparison(synced):
    story = synced
    winner, loser = account(story, MAGASIN), account(story, LUMIERE)
    before = qualifying(story, MAGASIN)
    lifecycle.merge(story.org, winner["Id"], [loser["Id"]])
    lifecycle.purge(story.org, older_than_days=0)
    later(story)
    later(story, "reconcile")
    assert qualifying(story, MAGASIN) == before + Decimal("45188")
    assert story("verify", "--deep").code == 0


def test_a_merge_that_is_seen_while_orders_may_not_be_read_is_followed_when_they_may(synced):
    story = synced
    winner, loser = account(story, MAGASIN), account(story, LUMIERE)
    before = qualifying(story, MAGASIN)
    permissions_of(story.org).hide("Order.Status")
    lifecycle.merge(story.org, winner["Id"], [loser["Id"]])
    story.wait(minutes=15)
    assert story("sync").code != 0
    permissions_of(story.org).show("Order.Status")
    later(story)
    assert qualifying(story, MAGASIN) == before + Decimal("45188")


def test_a_chain_of_merges_ends_at_the_last_winner(synced):
    story = synced
    first, second, last = (account(story, name)["Id"] for name in (LUMIERE, "Petite Fleur Boutique", MAGASIN))
    before = sum(qualifying(story, name) for name in (LUMIERE, "Petite Fleur Boutique", MAGASIN))
    lifecycle.merge(story.org, second, [first])
    lifecycle.merge(story.org, last, [second])
    later(story)
    assert qualifying(story, MAGASIN) == before
    assert story("verify", "--deep").code == 0


def test_merges_that_point_at_each_other_end_nowhere_and_stop_nothing(synced):
    story = synced
    left, right = account(story, LUMIERE)["Id"], account(story, "Petite Fleur Boutique")["Id"]
    lifecycle.merge(story.org, left, [right])
    touch(story, "Account", left, IsDeleted=1, MasterRecordId=right)
    later(story)
    assert not story.rows(f"SELECT Id FROM Account WHERE Id IN ('{left}', '{right}')")
    assert story("verify", "--deep").code == 0


def test_only_the_nightly_comparison_sees_an_order_that_was_deleted_for_good(synced):
    story = synced
    lifecycle.delete(story.org, "Order", order_of(story, LUMIERE, "2026-11-09"), hard=True)
    later(story)
    assert qualifying(story, LUMIERE) == Decimal("45188"), "no window shows it"
    dry = story("reconcile", "--dry-run", "--json")
    assert dry.code == 0, dry.text
    assert {stock["entity"]: stock["missing"] for stock in dry.data["inventory"]}["order"] == 1
    assert dry.data["planned"] > 0
    assert qualifying(story, LUMIERE) == Decimal("45188"), "a dry run keeps nothing"
    done = later(story, "reconcile")
    assert {stock["entity"]: stock["buried"] for stock in done.data["inventory"]} == {
        "user": 0, "product": 0, "account": 0, "order": 1, "order_line": 1,
    }  # fmt: skip
    assert qualifying(story, LUMIERE) == Decimal("36188")
    assert story("verify", "--deep").code == 0
    assert later(story, "reconcile").data["pushed"] == 0


def test_rows_that_vanish_in_numbers_are_lost_sharing_and_nothing_is_reversed(synced):
    story = synced
    hidden = [row["Id"] for row in story.rows("SELECT Id FROM Order")]
    story.org.faults.hide_rows("Order", hidden)
    story.wait(minutes=15)
    done = story("reconcile", "--json")
    assert done.code == 2
    assert done.error["code"] == "ROWS_VANISHED"
    assert "permission set" in done.error["hint"]
    assert "nothing was reversed" in done.data["stopped"]["order"]["detail"]
    assert qualifying(story, LUMIERE) == Decimal("45188")
    story.org.faults.show_rows()
    assert later(story, "reconcile").data["pushed"] == 0
    story.org.faults.hide_rows("Order", hidden)
    done = story("reconcile", "--accept-missing", "order", "--json")
    gone = account(story, LUMIERE)["Rebate_Qualifying_Amount__c"]
    assert gone is None, "a person said that they are gone: it never bought"
    story.org.faults.show_rows()
    later(story, "reconcile")
    assert qualifying(story, LUMIERE) == Decimal("45188"), "and they came back"
    assert story("verify", "--deep").code == 0


def test_after_a_long_gap_the_sync_compares_every_id_by_itself(synced):
    story = synced
    lifecycle.delete(story.org, "Order", order_of(story, LUMIERE, "2026-11-09"))
    story.wait(days=5)
    lifecycle.purge(story.org, older_than_days=0)
    story.wait(days=11)
    done = story("sync", "--json")
    assert done.code == 0, done.text
    assert {stock["entity"]: stock["buried"] for stock in done.data["inventory"]}["order"] == 1
    assert any("every id" in warning for warning in done_warnings(done))
    standing = one(
        story,
        f"SELECT Qualifying_Amount__c FROM Rebate_Standing__c WHERE Account__r.Name = '{LUMIERE}' AND Period__c = '2026-11'",
    )
    assert Decimal(standing["Qualifying_Amount__c"]) == Decimal("36188")
    assert later(story).data["inventory"] == []


def done_warnings(done):
    import json

    return json.loads(done.out)["warnings"]


def test_what_a_person_changed_or_deleted_in_our_records_is_put_right(synced):
    story = synced
    row = account(story, LUMIERE)
    story.change("Account", row["Id"], {"Rebate_Tier__c": "Platinum"})
    (standing,) = story.rows(
        f"SELECT Id FROM Rebate_Standing__c WHERE Account__c = '{row['Id']}' AND Period__c = '2026-11'"
    )
    lifecycle.delete(story.org, "Rebate_Standing__c", standing["Id"])
    done = later(story, "reconcile")
    assert (done.data["drift"]["changed"], done.data["drift"]["gone"]) == (1, 1)
    assert {"object": "Account", "key": row["Id"], "field": "Rebate_Tier__c"} in done.data["drift"]["samples"]
    assert done.data["pushed_by_object"] == {"Rebate_Standing__c": 1, "Account": 1}
    assert account(story, LUMIERE) == row
    assert story("verify", "--deep").code == 0
    assert later(story, "reconcile").data["pushed"] == 0


def test_a_change_that_a_late_commit_hid_from_every_window_is_read_by_the_comparison(synced):
    story = synced
    order = order_of(story, LUMIERE, "2026-11-09")
    story.wait(hours=2)
    later(story)
    touch(story, "Order", order, IsDeleted=1, SystemModstamp=story.org.now_ms() - 3_600_000)
    later(story)
    assert qualifying(story, LUMIERE) == Decimal("45188"), "beyond the look-back"
    done = later(story, "reconcile")
    assert {stock["entity"]: stock["newer"] for stock in done.data["inventory"]}["order"] == 1
    assert qualifying(story, LUMIERE) == Decimal("36188")


def test_the_first_sync_of_a_day_sees_that_rows_are_no_longer_visible(synced):
    story = synced
    story.org.faults.hide_rows("Order", [row["Id"] for row in story.rows("SELECT Id FROM Order")])
    later(story)  # the same day: no window shows it
    verified = story("verify", "--deep", "--json")
    assert [one["name"] for one in verified.data["violations"]] == [
        "the org shows fewer Order records than were read (I5)"
    ]
    story.wait(days=1)
    done = story("sync", "--json")
    assert (done.code, done.error["code"]) == (2, "ROWS_VANISHED")
    assert "0 are visible; nothing was reversed" in done.error["message"]
    assert qualifying(story, LUMIERE) == Decimal("45188")
    story.org.faults.show_rows()
    later(story)
    used = story.org.usage.total
    later(story)
    assert story.org.usage.total == used + 1, "counted once a day"
