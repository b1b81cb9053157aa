"""Settled amounts reach finance once, finance decides in the org, and what finance decided stays."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from emulator import lifecycle
from emulator.auth import login
from emulator.fault_kinds import Fault
from emulator.life import permissions_of
from emulator.raw_rows import change, user_named
from emulator.router import Request
from emulator.seed_story import LUMIERE
from jobs import reconcile
from jobs.person import person
from mappings.file import standard_text

MAGASIN = "Grand Magasin Group"
PAYOUTS = (
    "SELECT Id, Sync_Key__c, Account__c, Standing__c, Program_Key__c, Period__c, Type__c, Status__c, Amount__c, "
    "Currency_Code__c, Booked_In__c, Approved_By__c, Late_Lines__c, Tier_and_Terms__c "
    "FROM Rebate_Payout__c ORDER BY Name"
)
DANA = "dana.whitfield@northwind.example"
ADMIN = "admin@northwind.example"
INTEGRATION = "integration@northwind.example"
PERIODS = (("retail-2026", "2026-10"), ("parts-2026", "2026-Q3"))


@pytest.fixture
def settled(begun):
    """October was settled by hand on the 24th of November, and its payouts wait for Dana of finance."""

    def steps(story):
        permissions_of(story.org).assign(DANA, "Rebate_Payout_Approver")
        permissions_of(story.org).assign(DANA, "Rebate_Viewer")
        assert story("sync").code == 0
        for period in PERIODS:
            story.wait(seconds=1)
            assert story("periods", "close", *period).code == 0

    return begun("settled", steps)


def later(world, *args, code=0, **how_long):
    world.wait(**(how_long or {"minutes": 15}))
    done = world(*(args or ("sync",)), "--json")
    assert done.code == code, done.text
    return done


def act(world, user, sobject, record_id, **fields):
    """(HTTP status, error code) of a person's edit."""
    headers = {"Authorization": f"Bearer {login(world.org, user)}", "Content-Type": "application/json"}
    address = f"/services/data/v68.0/sobjects/{sobject}/{record_id}"
    reply = world.org.handle(Request.to("PATCH", address, headers, json.dumps(fields).encode()))
    return reply.status, json.loads(reply.body)[0]["message"] if reply.body else ""


def payout(world, name=LUMIERE, kind="Settlement"):
    return next(
        row
        for row in world.rows(PAYOUTS)
        if (row["Account__c"], row["Type__c"]) == (id_of(world, name), kind)
    )


def id_of(world, name):
    (row,) = world.rows(f"SELECT Id FROM Account WHERE Name = '{name}'")
    return row["Id"]


def amounts(payouts):
    return [Decimal(row["Amount__c"]) for row in payouts]


def worth(world, account, period):
    """What the account's own standing shows; that of an account merged into it is at nothing."""
    rows = world.rows(
        f"SELECT Rebate__c FROM Rebate_Standing__c WHERE Account__c = '{account}' AND Period__c = '{period}' "
        "AND Program_Key__c = 'retail-2026'"
    )
    return max(Decimal(row["Rebate__c"]) for row in rows)


def october_order_changes(world, name=LUMIERE):
    """A line of October is corrected in November: one piece more."""
    line = world.rows(
        "SELECT Id, Quantity, UnitPrice FROM OrderItem WHERE Order.Account.Name = '"
        f"{name}' AND Order.EffectiveDate >= 2026-10-01 AND Order.EffectiveDate < 2026-11-01 ORDER BY Id"
    )[0]
    status, said = act(
        world, ADMIN, "OrderItem", line["Id"], Quantity=int(Decimal(str(line["Quantity"]))) + 1
    )
    assert status == 204, said


def test_settling_makes_one_payout_a_member_and_syncing_again_makes_no_more(settled):
    story = settled
    later(story)
    paid = story.rows(PAYOUTS)
    assert len(paid) > 1
    for row in paid:
        assert (row["Status__c"], row["Type__c"]) == ("SystemCalculated", "Settlement")
        (standing,) = story.rows(
            f"SELECT Settled__c, Rebate__c, Adjustments__c, Settled_On__c FROM Rebate_Standing__c WHERE Id = '{row['Standing__c']}'"
        )
        assert Decimal(standing["Settled__c"]) == Decimal(row["Amount__c"]) == Decimal(standing["Rebate__c"])
        assert (Decimal(standing["Adjustments__c"]), standing["Settled_On__c"]) == (0, "2026-11-24")
    later(story)
    later(story, "reconcile")
    assert story.rows(PAYOUTS) == paid
    assert later(story, "verify").data["ok"]


def test_what_finance_decides_is_read_back_and_never_written_over(settled):
    story = settled
    later(story)
    row = payout(story)
    assert act(story, DANA, "Rebate_Payout__c", row["Id"], Status__c="Approved")[0] == 400, "by nobody"
    assert (
        act(story, DANA, "Rebate_Payout__c", row["Id"], Status__c="Approved", Approved_By__c="Dana")[0] == 204
    )
    assert later(story).data["payouts_decided"] > 0
    (one,) = later(story, "payouts", "list", "--status", "Approved").data["payouts"]
    assert (one["account_name"], one["approved_by"], Decimal(one["amount"])) == (
        LUMIERE,
        "Dana",
        Decimal(row["Amount__c"]),
    )
    paid = {"Status__c": "Paid", "Paid_On__c": "2026-11-30", "Payment_Reference__c": "CM-17"}
    assert act(story, DANA, "Rebate_Payout__c", row["Id"], **paid)[0] == 204
    later(story, "reconcile")
    (one,) = later(story, "payouts", "list", "--status", "Paid").data["payouts"]
    assert (one["paid_on"], one["reference"]) == ("2026-11-30", "CM-17")
    after = payout(story)
    assert (after["Status__c"], after["Approved_By__c"]) == ("Paid", "Dana")
    assert later(story, "verify", "--deep").data["ok"]


@pytest.mark.parametrize(
    "field",
    [{"Amount__c": 1}, {"Currency_Code__c": "EUR"}, {"Period__c": "2026-09"}, {"Type__c": "Adjustment"}],
)
def test_nobody_changes_what_was_settled_not_even_an_admin(settled, field):
    later(settled)
    row = payout(settled)
    permissions_of(settled.org).assign(ADMIN, "Rebate_Sync_Integration")
    status, said = act(settled, ADMIN, "Rebate_Payout__c", row["Id"], **field)
    assert (status, "RB_PAYOUT_FIXED" in said) == (400, True)


def test_an_amount_that_was_changed_past_every_rule_is_found(settled):
    later(settled)
    row = payout(settled)
    with settled.org.storage.transaction():
        change(settled.org, "Rebate_Payout__c", row["Id"], user_named(settled.org), Amount__c=1)
    found = later(settled, "verify", "--deep", code=1).data["drift"]
    assert [(one["object"], one["key"], one["field"]) for one in found] == [
        ("Rebate_Payout__c", row["Sync_Key__c"], "Amount__c")
    ]
    later(settled, "reconcile")
    broken = later(settled, "verify", code=1).data["violations"]
    assert [one["name"] for one in broken] == ["a payout in the org is not what was settled (L4)"]


def test_who_calculates_cannot_approve(settled):
    later(settled)
    status, _ = act(
        settled,
        INTEGRATION,
        "Rebate_Payout__c",
        payout(settled)["Id"],
        Status__c="Approved",
        Approved_By__c="me",
    )
    assert status in (400, 403)
    assert payout(settled)["Status__c"] == "SystemCalculated"


def test_a_correction_after_approval_is_a_payout_of_its_own(settled):
    story = settled
    later(story)
    before = payout(story)
    act(story, DANA, "Rebate_Payout__c", before["Id"], Status__c="Approved", Approved_By__c="Dana")
    october_order_changes(story)
    later(story)
    assert payout(story) == {**before, "Status__c": "Approved", "Approved_By__c": "Dana"}
    more = payout(story, kind="Adjustment")
    assert (more["Status__c"], more["Booked_In__c"], more["Period__c"]) == (
        "SystemCalculated",
        "2026-11",
        "2026-10",
    )
    parts = Decimal(more["Late_Lines__c"]) + Decimal(more["Tier_and_Terms__c"])
    assert parts == Decimal(more["Amount__c"]) != 0
    (standing,) = story.rows(
        f"SELECT Settled__c, Rebate__c, Adjustments__c FROM Rebate_Standing__c WHERE Id = '{more['Standing__c']}'"
    )
    assert Decimal(standing["Settled__c"]) == Decimal(before["Amount__c"]) + Decimal(more["Amount__c"])
    assert Decimal(standing["Settled__c"]) == Decimal(standing["Rebate__c"])
    assert Decimal(standing["Adjustments__c"]) == Decimal(more["Amount__c"])
    assert later(story, "verify", "--deep").data["ok"]


@pytest.mark.parametrize("kind", ["drop_ack", "lost_status", "empty", "truncate"])
def test_a_lost_acknowledgment_doubles_no_payout(settled, kind):
    story = settled
    story.wait(minutes=15)
    # A push writes standings first; its second request makes the payouts.
    story.org.faults.add(Fault(kind, method="POST", path="composite", nth=2, bytes=40))
    story("push")
    there = story.rows(PAYOUTS)
    assert len(there) > 1, "the org did its work, and nobody heard of it"
    assert {one["id"] for one in later(story, "payouts", "list").data["payouts"]} == {None}
    assert story.org.faults.log, "nothing went wrong: this proves nothing"
    story.org.faults.clear()
    for _ in range(3):
        later(story, hours=5)
    paid = story.rows(PAYOUTS)
    assert paid == there
    told = later(story, "payouts", "list").data["payouts"]
    assert {one["key"] for one in told} == {row["Sync_Key__c"] for row in paid}
    assert {one["status"] for one in told} == {"SystemCalculated"}
    assert later(story, "verify", "--deep").data["ok"]


def test_a_payout_whose_standing_a_person_deleted_is_made_without_the_link(settled):
    settled.org.faults.add(Fault("row_error", path="^Rebate_Payout__c$", code="UNABLE_TO_LOCK_ROW", times=0))
    later(settled, code=3)  # the standings are there, the payouts wait
    settled.org.faults.clear()
    (standing,) = settled.rows(
        f"SELECT Id FROM Rebate_Standing__c WHERE Account__c = '{id_of(settled, LUMIERE)}' "
        "AND Program_Key__c = 'retail-2026' AND Period__c = '2026-10'"
    )
    lifecycle.delete(settled.org, "Rebate_Standing__c", standing["Id"])
    waiting = len(settled("outbox", "list", "--json").data["rows"])
    done = later(settled)
    assert done.data["pushed_by_object"]["Rebate_Payout__c"] == waiting > 0
    assert done.data["retrying"] == 0, "what a second try in the same push brought there is not still to come"
    made = payout(settled)
    assert (made["Standing__c"], made["Period__c"]) == (None, "2026-10"), "the money is owed all the same"
    assert settled("outbox", "list", "--json").data["rows"] == []


def test_a_payout_that_a_person_deleted_is_not_made_again(settled):
    later(settled)
    row = payout(settled)
    lifecycle.delete(settled.org, "Rebate_Payout__c", row["Id"])
    later(settled)
    later(settled, "reconcile")
    assert row["Id"] not in {one["Id"] for one in settled.rows(PAYOUTS)}
    (one,) = later(settled, "payouts", "list", "--status", "Deleted").data["payouts"]
    assert one["account_name"] == LUMIERE
    assert later(settled, "verify", "--deep").data["ok"], "that is finance's to decide"


def test_the_payouts_of_a_merged_account_are_the_winners_and_add_up(settled):
    """Merged before its payout was sent: what was settled for the loser is paid to the winner, once."""
    story = settled
    winner, loser = id_of(story, MAGASIN), id_of(story, LUMIERE)
    told = later(story, "payouts", "list").data["payouts"]
    both = sum(Decimal(one["amount"]) for one in told if one["account"] in (winner, loser))
    lifecycle.merge(story.org, winner, [loser])
    later(story)
    later(story)
    rows = story.rows(PAYOUTS)
    assert {row["Account__c"] for row in rows} >= {winner}
    assert loser not in {row["Account__c"] for row in rows}
    ours = [row for row in rows if row["Account__c"] == winner]
    adjusted = sum(Decimal(row["Amount__c"]) for row in ours if row["Type__c"] == "Adjustment")
    assert sum(Decimal(row["Amount__c"]) for row in ours) == both + adjusted
    assert sum(amounts(ours)) == worth(story, winner, "2026-10")
    assert later(story, "verify", "--deep").data["ok"]


def test_looking_at_finance_costs_a_call_only_while_something_is_undecided(settled):
    story = settled

    def idle():
        return later(story).data["api_calls"]

    later(story)
    later(story)
    open_ = idle()
    for row in story.rows(PAYOUTS):
        act(story, DANA, "Rebate_Payout__c", row["Id"], Status__c="Approved", Approved_By__c="Dana")
        act(story, DANA, "Rebate_Payout__c", row["Id"], Status__c="Paid", Paid_On__c="2026-11-24")
    idle()
    assert (open_, idle()) == (2, 1)


def test_a_restored_store_settles_and_pays_nothing_a_second_time(synced):
    """The backup knows of no settlement; the org has the payouts and a correction."""
    story = synced
    assert story("db", "backup", "before.db").code == 0
    for period in PERIODS:
        story.wait(seconds=1)
        assert story("periods", "close", *period).code == 0
    later(story)
    october_order_changes(story)
    later(story)
    paid = story.rows(PAYOUTS)
    assert {row["Type__c"] for row in paid} == {"Settlement", "Adjustment"}
    assert story("db", "restore", "before.db", "--yes").code == 0
    assert later(story).data["rebased"]["payouts"] == len(paid)
    for _ in range(2):
        later(story)
    assert story.rows(PAYOUTS) == paid
    told = later(story, "payouts", "list").data["payouts"]
    assert sorted(one["key"] for one in told) == sorted(row["Sync_Key__c"] for row in paid)
    assert later(story, "periods", "close", *PERIODS[0], code=2).error["message"].count("was settled on")
    assert later(story, "verify", "--deep").data["ok"]
    october_order_changes(story)
    later(story)
    assert len(story.rows(PAYOUTS)) == len(paid) + 1, "corrections go on under the next number"
    assert later(story, "verify", "--deep").data["ok"]


def test_a_new_store_meets_the_payouts_of_an_earlier_one(settled):
    story = settled
    later(story)
    october_order_changes(story)
    later(story)
    paid = story.rows(PAYOUTS)
    assert {row["Type__c"] for row in paid} == {"Settlement", "Adjustment"}
    for file in story.folder.glob("rebates.db*"):
        file.unlink()
    later(story)
    assert later(story, "periods", "close", *PERIODS[0], code=2).error["message"].count("was settled on")
    later(story)
    assert story.rows(PAYOUTS) == paid
    for _ in range(5):
        october_order_changes(story)
    later(story)
    ours = [
        row
        for row in story.rows(PAYOUTS)
        if (row["Account__c"], row["Period__c"]) == (id_of(story, LUMIERE), "2026-10")
    ]
    assert len(ours) == 3, "corrections go on under the next number"
    assert sum(amounts(ours)) == worth(story, id_of(story, LUMIERE), "2026-10")
    later(story)
    told = later(story, "payouts", "list").data["payouts"]
    assert {one["status"] for one in told} == {"SystemCalculated"}, "what finance made of them is read, too"
    assert later(story, "verify", "--deep").data["ok"]


def test_a_restored_store_pays_once_what_was_settled_for_an_account_that_was_merged_since(synced):
    """The org gave the loser's payout to the winner; the backup knows neither the payout nor the merge."""
    story = synced
    assert story("db", "backup", "before.db").code == 0
    later(story, days=20)
    later(story)
    winner, loser = id_of(story, MAGASIN), id_of(story, LUMIERE)
    assert {winner, loser} <= {row["Account__c"] for row in story.rows(PAYOUTS)}
    lifecycle.merge(story.org, winner, [loser])
    assert story("db", "restore", "before.db", "--yes").code == 0
    later(story)
    for _ in range(2):
        later(story)
    ours = amounts(row for row in story.rows(PAYOUTS) if row["Account__c"] == winner)
    assert sum(ours) == worth(story, winner, "2026-11"), "once"
    assert min(ours) < 0, "what was settled for the loser is taken back, and settled for the winner"
    assert later(story, "verify", "--deep").data["ok"]


def test_a_merge_of_which_only_the_payouts_tell_pays_nothing_twice(settled):
    """The loser was purged before a sync saw the merge: its payout under another account says who won."""
    story = settled
    later(story)
    winner, loser = id_of(story, MAGASIN), id_of(story, LUMIERE)
    before = [row for row in story.rows(PAYOUTS) if row["Account__c"] == loser]
    assert before
    lifecycle.merge(story.org, winner, [loser])
    lifecycle.purge(story.org, older_than_days=0)
    done = later(story, "reconcile")
    assert "payouts.tell_of_merges" in done.err
    later(story)
    ours = [
        row for row in story.rows(PAYOUTS) if row["Account__c"] == winner and row["Period__c"] == "2026-10"
    ]
    assert sum(amounts(ours)) == worth(story, winner, "2026-10")
    assert later(story, "verify", "--deep").data["ok"]


def test_a_payout_given_away_whose_account_was_deleted_since_is_no_merge(settled):
    """One payout under another account: no child of a merged account stays behind, and a deleted one has no winner."""
    story = settled
    later(story)
    made = payout(story)
    giver, taker = made["Account__c"], id_of(story, MAGASIN)
    change(story.org, "Rebate_Payout__c", made["Id"], user_named(story.org), Account__c=taker)
    lifecycle.delete(story.org, "Account", giver)
    for _ in range(2):
        assert "payouts.tell_of_merges" not in later(story, "reconcile").err
    assert {row["Type__c"] for row in story.rows(PAYOUTS) if row["Account__c"] == taker} == {"Settlement"}
    assert later(story, "verify", "--deep").data["ok"]


def test_a_payout_that_somebody_gave_to_another_account_is_no_merge(settled):
    story = settled
    later(story)
    made = payout(story)
    change(story.org, "Rebate_Payout__c", made["Id"], user_named(story.org), Account__c=id_of(story, MAGASIN))
    later(story, "reconcile", code=3)
    later(story)
    assert {row["Type__c"] for row in story.rows(PAYOUTS)} == {"Settlement"}


def test_finance_cannot_give_a_payout_to_another_partner(settled):
    story = settled
    later(story)
    made = payout(story)
    status, said = act(story, DANA, "Rebate_Payout__c", made["Id"], Account__c=id_of(story, MAGASIN))
    assert (status, "Account__c" in said) == (400, True), said
    assert payout(story)["Id"] == made["Id"]


def test_a_payout_that_stands_under_another_partner_is_named_until_it_is_back(settled):
    """An earlier package let an admin give one away: the wrong partner would be paid."""
    story = settled
    later(story)
    made = payout(story)
    change(story.org, "Rebate_Payout__c", made["Id"], user_named(story.org), Account__c=id_of(story, MAGASIN))
    for _ in range(2):
        said = " ".join(later(story, "reconcile", code=3).warnings)
        assert made["Sync_Key__c"] in said
        assert f"of {LUMIERE}" in said
        assert f"stands under {MAGASIN}" in said
    change(story.org, "Rebate_Payout__c", made["Id"], user_named(story.org), Account__c=made["Account__c"])
    assert not later(story, "reconcile").warnings


def test_a_payout_that_came_with_a_merge_which_was_not_read_yet_was_moved_by_nobody(settled, monkeypatch):
    """Merged after the pull of the night, which had long to compare."""
    story = settled
    later(story)
    winner, loser = id_of(story, MAGASIN), id_of(story, LUMIERE)
    compare = reconcile.repair

    def merged_meanwhile(app, **given):
        lifecycle.merge(story.org, winner, [loser])
        return compare(app, **given)

    with monkeypatch.context() as patch:
        patch.setattr(reconcile, "repair", merged_meanwhile)
        assert not later(story, "reconcile").warnings
    later(story)
    assert not later(story, "reconcile").warnings


def test_while_accounts_cannot_be_read_a_merge_is_not_taken_for_a_payout_that_was_moved(settled):
    story = settled
    later(story)
    permissions_of(story.org).hide("Account.Type")
    lifecycle.merge(story.org, id_of(story, MAGASIN), [id_of(story, LUMIERE)])
    done = later(story, "reconcile", code=2)
    assert not [said for said in done.warnings if "payouts were moved" in said]


def test_what_finance_says_of_a_merged_accounts_payout_before_the_merge_is_known_pays_nothing_twice(settled):
    """The loser was purged before a sync saw the merge, and its payout, approved since, was read first."""
    story = settled
    later(story)
    winner, loser = id_of(story, MAGASIN), id_of(story, LUMIERE)
    made = payout(story)
    lifecycle.merge(story.org, winner, [loser])
    lifecycle.purge(story.org, older_than_days=0)
    story.wait(minutes=15)
    assert (
        act(story, DANA, "Rebate_Payout__c", made["Id"], Status__c="Approved", Approved_By__c="D.")[0] == 204
    )
    later(story)
    assert "payouts.tell_of_merges" in later(story, "reconcile").err
    later(story)
    ours = [
        row for row in story.rows(PAYOUTS) if row["Account__c"] == winner and row["Period__c"] == "2026-10"
    ]
    assert sum(amounts(ours)) == worth(story, winner, "2026-10")
    assert later(story, "verify", "--deep").data["ok"]


def reading_paid_on_from(world, field, **more):
    """The mapping reads the day of payment from another field."""
    settings = world.folder / "rebates.toml"
    settings.write_text(settings.read_text().replace('mapping = "standard"', 'mapping = "mapping.toml"'))
    text = standard_text().replace('paid_on = "Paid_On__c"', f'paid_on = "{field}"')
    for was, now in more.items():
        text = text.replace(f'{was} = "UTC"', f'{was} = "{now}"')
    (world.folder / "mapping.toml").write_text(text)


def test_the_day_of_payment_may_be_that_of_a_date_time_where_the_mapping_lives(settled):
    story = settled
    reading_paid_on_from(story, "LastModifiedDate", time_zone="Pacific/Kiritimati")  # 14 hours ahead
    assert story("mapping", "check").code == 0
    later(story)
    later(story)
    listed = story("payouts", "list", "--json").data["payouts"]
    (stamp,) = {
        row["LastModifiedDate"][:10] for row in story.rows("SELECT LastModifiedDate FROM Rebate_Payout__c")
    }
    days = {one["paid_on"] for one in listed}
    assert stamp == "2026-11-24" and days == {"2026-11-25"}, (stamp, days)


def test_a_day_of_payment_that_is_none_is_told_and_the_rest_of_it_is_read(settled):
    story = settled
    reading_paid_on_from(story, "Payment_Reference__c")
    checked = story("mapping", "check")
    assert (checked.code, "M213" in checked.text) == (0, True)
    later(story)
    mine = payout(story)
    assert act(
        story,
        DANA,
        "Rebate_Payout__c",
        mine["Id"],
        Status__c="Approved",
        Approved_By__c="Dana",
        Payment_Reference__c="next week",
    ) == (204, "")
    done = later(story, code=3)
    assert any(
        one == f"what finance wrote of a payout could not be read: {mine['Sync_Key__c']} (paid_on)"
        for one in json.loads(done.out)["warnings"]
    )
    (one,) = story("payouts", "list", "--status", "Approved", "--json").data["payouts"]
    assert one["paid_on"] is None
    assert act(story, DANA, "Rebate_Payout__c", mine["Id"], Payment_Reference__c="2026-12-01") == (204, "")
    later(story)
    (one,) = story("payouts", "list", "--status", "Approved", "--json").data["payouts"]
    assert one["paid_on"] == "2026-12-01"


def test_a_day_of_payment_is_not_read_from_an_amount(settled):
    story = settled
    reading_paid_on_from(story, "Amount__c")
    checked = story("mapping", "check")
    assert checked.code == 2
    assert "Rebate_Payout__c.Amount__c is currency, and paid_on is read from a date" in checked.text


def purge(world, record_id):
    """A person deletes it, and empties the recycle bin."""
    lifecycle.delete(world.org, "Rebate_Payout__c", record_id)
    with world.org.storage.transaction():
        world.org.storage.execute('DELETE FROM "Rebate_Payout__c" WHERE "Id" = ?', (record_id,))


def test_a_payout_that_is_gone_for_good_is_named_and_not_paid_again(settled):
    """Neither paid twice nor forgotten: whether it is owed is finance's to say."""
    later(settled)
    row = payout(settled)
    purge(settled, row["Id"])
    settled.wait(minutes=15)
    found = settled("verify", "--deep")
    assert (found.code, "the record is gone" in found.out) == (1, True)
    assert "rebates reconcile" in found.out, "the next command is named"
    later(settled, "reconcile")
    (one,) = later(settled, "payouts", "list", "--status", "Deleted").data["payouts"]
    assert (one["account_name"], one["key"]) == (LUMIERE, row["Sync_Key__c"])
    assert f"make-again {one['key']}" in settled("payouts", "list").out
    assert "payouts Deleted: 1" in settled("status").out
    told = settled("verify", "--deep")
    assert (told.code, "payouts deleted in the org: 1" in told.out) == (0, True), told.text
    later(settled)
    assert row["Sync_Key__c"] not in {each["Sync_Key__c"] for each in settled.rows(PAYOUTS)}


@pytest.mark.parametrize("emptied", [False, True])
def test_a_payout_that_was_deleted_by_mistake_is_made_again_once_when_a_person_says_so(settled, emptied):
    later(settled)
    before = payout(settled)
    if emptied:
        purge(settled, before["Id"])
    else:
        lifecycle.delete(settled.org, "Rebate_Payout__c", before["Id"])
    key = before["Sync_Key__c"]
    later(settled, "payouts", "make-again", key, code=2)  # nobody here knows yet that it is gone
    later(settled, "reconcile")
    later(settled, "payouts", "make-again", key)
    (deed,) = settled("audit", "--limit", "1", "--json").data["entries"]
    assert (deed["who"], deed["what"], deed["of"]) == (person(), "payout to be made again", key)
    assert key in settled("audit").out
    settled.org.faults.add(Fault("drop_ack", method="POST", path="composite", nth=1))
    for _ in range(3):
        later(settled, hours=5)
    later(settled, "reconcile")
    after = payout(settled)
    assert {**after, "Id": None} == {**before, "Id": None}
    assert len([each for each in settled.rows(PAYOUTS) if each["Sync_Key__c"] == key]) == 1
    assert later(settled, "payouts", "list", "--status", "Deleted").data["payouts"] == []
    later(settled, "payouts", "make-again", key, code=2)
    assert later(settled, "verify", "--deep").data["ok"]


def test_payouts_that_vanish_in_numbers_were_hidden_rather_than_deleted(settled, monkeypatch):
    monkeypatch.setattr("jobs.lost_rows.FEW", 0)
    later(settled)
    purge(settled, payout(settled)["Id"])
    assert "ROWS_VANISHED" in later(settled, "reconcile", code=2).text
    assert later(settled, "payouts", "list", "--status", "Deleted").data["payouts"] == []
    later(settled, "reconcile", "--accept-missing", "payout")
    assert len(later(settled, "payouts", "list", "--status", "Deleted").data["payouts"]) == 1


def test_a_payout_that_was_just_delivered_is_not_called_unsent(settled):
    later(settled)
    told = settled("payouts", "list", "--json").data["payouts"]
    assert {one["status"] for one in told} == {"SystemCalculated"}
    assert settled("payouts", "list", "--status", "unsent", "--json").data["payouts"] == []
