"""Payouts in the store, on both databases: planned once, shown with what finance said, found again after a restore."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import delete, event, select

from jobs import payouts as work
from jobs import takeover as found_in_org
from jobs.decimals import unwritable
from jobs.doctor import examine
from jobs.payouts import key_of
from jobs.refusals import TooSurprising
from jobs.status import status
from mappings.file import standard_text
from state import inventory, ledger_checks, meta, outbox, payouts, payouts_moved, purged_merges
from state.payouts import Seen
from state.tables.payouts import payouts as payout_rows
from state.tables.work import outbox as outbox_rows
from tests.jobs.conftest import ORG

PROGRAM = """
key = "care"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
currency = "USD"
[[tiers]]
threshold = "100"
rate = "10%"
"""
MAY = date(2026, 5, 20)


@pytest.fixture
def settled(make_shop):
    """Acme and Bell are settled for May, Nil bought too little."""
    return settle(make_shop())


def settle(shop, program=PROGRAM):
    shop.today(date(2026, 5, 21))
    shop.program(program)
    for name, amount in (("Acme", 600), ("Bell", 300), ("Nil", 10)):
        shop.account(name)
        shop.order(name, name, MAY, {"amount": amount})
    shop.sync()
    shop.today(date(2026, 6, 10))
    shop.sync()
    return shop


def waiting(shop):
    with shop.opened.store.read() as tx:
        rows = outbox.listed(tx, limit=1000)
    return {row.ext_key: row.payload for row in rows if row.object == "Rebate_Payout__c"}


def test_whoever_earned_something_gets_one_payout_and_no_second_one(settled):
    first = waiting(settled)
    acme = first[key_of(ORG, "care", settled.id_of("Acme"), "2026-05", 1)]
    assert (acme["Amount__c"], acme["Type__c"], acme["Currency_Code__c"]) == (
        Decimal(60),
        "Settlement",
        "USD",
    )
    assert (acme["Account__c"], acme["Calculated_On__c"]) == (settled.id_of("Acme"), "2026-06-10")
    assert len(first) == 2
    settled.sync()
    assert waiting(settled) == first


def test_a_correction_is_the_next_payout_and_names_its_parts(settled):
    settled.order("late", "Acme", MAY, {"amount": 100})
    settled.sync()
    more = waiting(settled)[key_of(ORG, "care", settled.id_of("Acme"), "2026-05", 2)]
    assert (more["Amount__c"], more["Late_Lines__c"], more["Tier_and_Terms__c"]) == (10, 10, 0)
    assert (more["Type__c"], more["Period__c"], more["Booked_In__c"]) == ("Adjustment", "2026-05", "2026-06")


def test_what_finance_said_is_listed(settled):
    key = key_of(ORG, "care", settled.id_of("Acme"), "2026-05", 1)
    said = Seen(key, "a00x", "Paid", Decimal(60), "USD", "Dana", date(2026, 6, 12), "CM-1", "005A", "005B")
    with settled.opened.store.transaction() as tx:
        assert not payouts.undecided(tx), "nothing was sent"
        payouts.found(tx, key, sf_id="a00x")
        assert payouts.undecided(tx)
        assert payouts.saw(tx, [said], now=settled.clock.now()) == 1
        assert payouts.saw(tx, [said], now=settled.clock.now()) == 0
        assert not payouts.undecided(tx)
    (one,) = work.listed(settled.opened, status="Paid")
    assert (one.member_name, one.due.amount, one.paid_on, one.reference) == (
        "Acme",
        Decimal(60),
        date(2026, 6, 12),
        "CM-1",
    )
    unsent = work.listed(settled.opened, status="unsent", program="care", period="2026-05")
    assert work.sums(unsent) == [("unsent", "USD", Decimal(30), 1)]
    assert [(one["status"], one["amount"]) for one in status(settled.opened)["payouts"]] == [
        ("Paid", Decimal(60)),
        ("unsent", Decimal(30)),
    ]
    assert settled.broken_promises() == []


def test_an_amount_that_the_field_would_round_is_not_sent(make_shop):
    shop = make_shop()
    shop.today(date(2026, 5, 21))
    shop.program(PROGRAM.replace("USD", "KWD"))
    shop.account("Acme")
    shop.order("1", "Acme", MAY, {"amount": "600.05"})
    shop.sync()
    shop.today(date(2026, 6, 10))
    shop.sync()
    (one,) = work.listed(shop.opened)
    assert (one.due.amount, one.status) == (Decimal("60.005"), None)
    assert waiting(shop) == {}

    told = unwritable(shop.opened)
    assert told.payouts == 1
    assert told.said[-1] == (
        "1 payout is set aside, because Rebate_Payout__c.Amount__c cannot hold the amount exactly: care 2026-05"
    )
    assert status(shop.opened)["set_aside"]["payouts"] == [{"program": "care", "period": "2026-05"}]
    named = (
        "a settled amount is not sent because the org's field cannot hold it exactly (L8)",
        1,
        "care 2026-05",
    )
    with shop.opened.store.read() as tx:
        assert named in list(ledger_checks.check(tx))


def test_a_payout_is_sent_once_the_orgs_field_can_hold_it(make_shop):
    shop = make_shop()
    shop.today(date(2026, 5, 21))
    shop.program(PROGRAM.replace("USD", "KWD"))
    shop.account("Acme")
    shop.order("1", "Acme", MAY, {"amount": "600.05"})
    shop.sync()
    shop.today(date(2026, 6, 10))
    shop.sync()
    amounts = {
        "Rebate_Payout__c": {"Amount__c": 3, "Late_Lines__c": 3, "Tier_and_Terms__c": 3},
        "Rebate_Standing__c": {"Rebate__c": 3, "Settled__c": 3, "Adjustments__c": 3},
    }
    with shop.opened.store.transaction() as tx:
        meta.put(tx, "push.scales", json.dumps(amounts))
    shop.sync()
    (payout,) = waiting(shop).values()
    assert payout["Amount__c"] == Decimal("60.005")
    assert unwritable(shop.opened).payouts == 0
    assert shop.broken_promises() == []


def test_programs_in_currencies_whose_coins_every_field_can_hold_are_not_spoken_of(settled):
    assert unwritable(settled.opened) == (0, [])


def test_what_only_the_org_remembers_is_posted_again_and_what_differs_is_an_adjustment(make_shop):
    shop = make_shop()
    shop.today(date(2026, 6, 10))
    shop.program(PROGRAM)
    for name, amount in (("Acme", 600), ("Bell", 300)):
        shop.account(name)
        shop.order(name, name, MAY, {"amount": amount})
    shop.sync()  # May was over before: nothing is settled here
    rows = [
        {
            "Sync_Key__c": key_of(ORG, "care", shop.id_of("Acme"), "2026-05", number),
            "Id": f"a00{number}",
            "Account__c": shop.id_of("Acme"),
            "Program_Key__c": "care",
            "Period__c": "2026-05",
            "Type__c": kind,
            "Amount__c": amount,
        }
        for number, kind, amount in ((1, "Settlement", "50.00"), (3, "Adjustment", "7.5"))
    ]
    with shop.opened.store.transaction() as tx:
        assert found_in_org.adopt(shop.opened, tx, rows, run_pk=1) == (2, 0)
        assert found_in_org.adopt(shop.opened, tx, rows, run_pk=1) == (0, 0), "once"
    shop.sync()
    told = [
        (one.member_name, one.due.number, one.due.kind, one.due.amount) for one in work.listed(shop.opened)
    ]
    assert told == [
        ("Acme", 1, "settled", Decimal(50)),
        ("Acme", 3, "adjustment", Decimal("7.5")),
        ("Acme", 4, "adjustment", Decimal("2.5")),
        ("Bell", 1, "adjustment", Decimal(30)),
    ]
    more = waiting(shop)[key_of(ORG, "care", shop.id_of("Acme"), "2026-05", 4)]
    assert (more["Late_Lines__c"], more["Tier_and_Terms__c"]) == (None, None), "of the tier nobody knows"
    assert set(waiting(shop)) == {
        key_of(ORG, "care", shop.id_of("Acme"), "2026-05", 4),
        key_of(ORG, "care", shop.id_of("Bell"), "2026-05", 1),
    }
    assert shop.broken_promises() == []


def test_payouts_that_stand_under_several_accounts_tell_of_no_merge(settled):
    settled.order("late", "Acme", MAY, {"amount": 100})
    settled.sync()
    keys = [key_of(ORG, "care", settled.id_of("Acme"), "2026-05", number) for number in (1, 2)]
    others = [settled.id_of(name) for name in ("Bell", "Nil")]
    vanish(settled, "Acme")

    def told(*whose):
        seen = [
            Seen(key, f"a00{n}", "Paid", Decimal(1), "USD", None, None, None, None, None, account)
            for n, (key, account) in enumerate(zip(keys, whose, strict=True))
        ]
        with settled.opened.store.transaction() as tx:
            return purged_merges.learn(tx, seen)

    assert told(*others) == []
    assert told(None, None) == []
    assert told(settled.id_of("Acme"), settled.id_of("Acme")) == []
    assert told("001000000000000AAA", "001000000000000AAA") == [], "of nobody whom we know"
    assert told(others[0], others[0]) == [settled.id_of("Acme")]
    assert told(others[0], others[0]) == [], "once"


def vanish(shop, name):
    """Its account is gone without a trace, as after a merge whose loser was purged, or a delete for good."""
    with shop.opened.store.transaction() as tx:
        inventory.bury(tx, "account", [shop.id_of(name)])
        purged_merges.note_vanished(tx, [shop.id_of(name)])


def as_shown(shop, *whose):
    """All payouts of Acme as the org shows them: under whom, and their status."""
    return [
        Seen(key_of(ORG, "care", shop.id_of("Acme"), "2026-05", n), f"a00{n}", status, Decimal(1), "USD",
             None, None, None, None, None, shop.id_of(account) if account else None)
        for n, (account, status) in enumerate(whose, 1)
    ]  # fmt: skip


def shown_under(shop, *whose):
    """What the merges are that they tell of."""
    with shop.opened.store.transaction() as tx:
        return purged_merges.learn(tx, as_shown(shop, *whose))


def moved(shop, *whose):
    with shop.opened.store.transaction() as tx:
        return [
            (one.settled_for[:4], one.stands_under[:4])
            for one in payouts_moved.note(tx, as_shown(shop, *whose))
        ]


def test_a_payout_given_away_by_hand_and_its_account_deleted_is_no_merge(settled):
    """The org said of the deleted account that nobody took it over: its orders stay nobody's."""
    settled.account("Acme", deleted=True)
    assert shown_under(settled, ("Bell", "Paid")) == []


def test_a_payout_given_away_before_its_account_vanished_is_no_merge(settled):
    """It was seen under Bell while Acme was there: a person moved it, and nobody took Acme's orders over."""
    assert moved(settled, ("Bell", "Approved")) == [("Acme", "Bell")]
    vanish(settled, "Acme")
    assert moved(settled, ("Bell", "Approved")) == [], "it is not known any more whose it is"
    assert shown_under(settled, ("Bell", "Approved")) == []


def test_a_payout_that_was_given_back_tells_of_a_merge_again(settled):
    assert moved(settled, ("Bell", "Approved")) == [("Acme", "Bell")]
    assert moved(settled, ("Acme", "Approved")) == []
    vanish(settled, "Acme")
    assert shown_under(settled, ("Bell", "Approved")) == [settled.id_of("Acme")]


def test_a_payout_that_was_paid_where_it_was_moved_to_keeps_no_run_from_ending_well(settled):
    """It is named all the same: the money went to the wrong partner, and no sync can change that."""
    for written, aside in (("Approved", 1), ("Paid", 0)):
        with settled.opened.store.transaction() as tx:
            found = payouts_moved.note(tx, as_shown(settled, ("Bell", written)))
        seen = work.ReadBack(moved=found)
        assert (len(seen.said), seen.aside) == (1, aside)


def test_a_payout_of_a_merged_account_was_not_moved(settled):
    merged = {
        "id": settled.id_of("Acme"),
        "name": "Acme",
        "deleted": True,
        "master_id": settled.id_of("Bell"),
    }
    settled.pull("account", merged)
    assert moved(settled, ("Bell", "Approved")) == []


def test_an_account_of_which_one_payout_stayed_was_not_merged(settled):
    settled.order("late", "Acme", MAY, {"amount": 100})
    settled.sync()
    vanish(settled, "Acme")
    assert shown_under(settled, ("Bell", "Paid"), ("Acme", "Approved")) == []
    assert shown_under(settled, ("Bell", "Paid"), (None, "Approved")) == [], "a merge leaves nothing behind"
    assert shown_under(settled, ("Bell", "Paid"), (None, "Deleted")) == [settled.id_of("Acme")]


def test_an_account_that_came_back_and_was_deleted_is_believed(settled):
    vanish(settled, "Acme")
    settled.account("Acme")
    settled.account("Acme", deleted=True)
    assert shown_under(settled, ("Bell", "Paid")) == []


@pytest.mark.parametrize("table", [None, "never"])
def test_settled_amounts_that_the_mapping_has_no_place_for_are_told_unless_that_is_said_to_be_meant(
    shop, table
):
    text = standard_text()
    start, end = text.index("[push.payout]"), text.index("[push.task]")
    meant = text[start:end].replace("[push.payout]", '[push.payout]\nwhen = "never"', 1)
    (shop.folder / "own.toml").write_text(text[:start] + (meant if table else "") + text[end:])
    shop.settings = {"mapping": str(shop.folder / "own.toml")}
    shop.today(date(2026, 5, 21))
    shop.program(PROGRAM)
    shop.account("Acme")
    shop.order("1", "Acme", date(2026, 5, 20), {"amount": 600})
    shop.sync()
    assert unwritable(shop.opened).said == [], "nothing is settled"
    shop.today(date(2026, 6, 2))
    shop.sync()
    said = unwritable(shop.opened).said
    found = [one for one in examine(shop.opened) if one.check == "payouts"]
    if table:
        assert (said, found) == ([], [])
    else:
        (line,) = said
        assert line.startswith("settled amounts are not in the org: ")
        (told,) = found
        assert told.said.startswith("1 settled amount is not in the org: ")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("state.payouts_listed.sums", None)
            assert unwritable(shop.opened).said == [line], "no sync adds up all that was ever settled"
        assert "[push.payout]" in line
        assert [one.level for one in found] == ["warn"]


def without_payouts(shop, *, never=False):
    """Nothing is written into payouts: the mapping has no table for them, or says so."""
    text = standard_text()
    start, end = text.index("[push.payout]"), text.index("[push.task]")
    there = text[start:end].replace("[push.payout]", '[push.payout]\nwhen = "never"', 1) if never else ""
    (shop.folder / "own.toml").write_text(text[:start] + there + text[end:])
    return {"mapping": str(shop.folder / "own.toml")}


@pytest.mark.parametrize("never", [False, True])
def test_payouts_that_are_written_later_ask_before_they_send_what_was_settled_before(make_shop, never):
    shop = make_shop()
    shop.settings = without_payouts(shop, never=never)
    settle(shop)
    assert waiting(shop) == {}
    shop.settings = {}
    shop.today(date(2026, 6, 11))
    with pytest.raises(
        TooSurprising, match=r"2 amounts that were settled before: 90\.00 USD, of periods from 2026-05-01"
    ) as stop:
        shop.sync()
    assert "send_from = 2026-05-01 sends all of them, 2026-06-01 none" in stop.value.hint
    assert waiting(shop) == {}
    shop.settings = {"payouts.send_from": "2026-05-01"}
    shop.sync()
    assert sum(one["Amount__c"] for one in waiting(shop).values()) == 90
    shop.settings = {}
    shop.sync()
    assert shop.broken_promises() == []


def test_what_was_paid_otherwise_is_never_sent_and_what_comes_after_is(make_shop):
    shop = make_shop()
    shop.settings = without_payouts(shop)
    settle(shop)
    shop.settings = {"payouts.send_from": "2026-06-01"}
    shop.order("late", "Acme", MAY, {"amount": 100})
    shop.order("June", "Acme", date(2026, 6, 5), {"amount": 500})
    shop.sync()
    shop.today(date(2026, 7, 10))
    shop.sync()
    assert [(one["Period__c"], one["Amount__c"]) for one in waiting(shop).values()] == [("2026-06", 50)]
    assert shop.broken_promises() == []
    shop.settings = {"payouts.send_from": "2026-05-01"}
    shop.sync()
    assert sum(one["Amount__c"] for one in waiting(shop).values()) == 150, "another day looks at all"


def test_a_year_that_runs_when_payouts_begin_is_paid_when_it_is_over(make_shop):
    shop = make_shop()
    shop.settings = without_payouts(shop)
    settle(shop, PROGRAM.replace('"month"', '"year"'))
    shop.settings = {"payouts.send_from": "2026-06-11"}
    shop.today(date(2027, 1, 20))
    shop.sync()
    assert [one["Period__c"] for one in waiting(shop).values()] == ["2026", "2026"]


@pytest.fixture
def looked_at(monkeypatch):
    """Members of the postings that were read to be planned."""
    seen, due = [], payouts.due
    monkeypatch.setattr(payouts, "due", lambda row: seen.append(row.member_pk) or due(row))
    return seen


def test_what_is_never_sent_is_not_read_again_whenever_something_is_posted(make_shop, looked_at):
    shop = make_shop()
    shop.settings = without_payouts(shop)
    settle(shop)
    shop.settings = {"payouts.send_from": "2026-06-01"}
    shop.order("late", "Acme", MAY, {"amount": 100})
    shop.sync()
    assert looked_at == []
    assert waiting(shop) == {}


def test_one_that_cannot_be_paid_is_asked_for_again_alone(settled, looked_at):
    with settled.opened.store.transaction() as tx:
        paid = select(payouts.rows_of.c.pk).where(payouts.rows_of.c.amount_e6 == 30_000_000)
        bell = tx.execute(paid).scalar_one()
        key = tx.execute(select(payout_rows.c.key).where(payout_rows.c.posting_pk == bell)).scalar_one()
        tx.execute(delete(payout_rows).where(payout_rows.c.posting_pk == bell))
        tx.execute(delete(outbox_rows).where(outbox_rows.c.ext_key == key))
        meta.put(tx, "payouts.planned", f"{payouts.postings.last(tx)} but {bell}")  # its account was deleted
        said = []
        event.listen(tx, "before_cursor_execute", lambda *them: said.append(them[2]))
        (theirs,) = payouts.unplanned(tx)
    assert theirs.posting_pk == bell
    compared = [one for one in said if "NOT (EXISTS" in one]
    assert len(compared) == 1
    assert "postings.pk IN (" in compared[0], "nothing is new: only the one that was left is looked up"
    looked_at.clear()
    settled.order("late", "Acme", MAY, {"amount": 100})
    settled.sync()
    assert len(looked_at) == 2, "the late one and the one that was left, and not what was sent before"
    assert key in waiting(settled)
    assert len(waiting(settled)) == 3
    assert settled.broken_promises() == []


def test_payouts_that_were_written_all_along_are_asked_about_by_nobody(settled):
    """Of an older store, too, which did not note that they are written; and where they are left out for a while, it is asked."""
    with settled.opened.store.transaction() as tx:
        meta.drop(tx, "payouts.begun")
    settled.order("late", "Acme", MAY, {"amount": 100})
    settled.sync()
    assert len(waiting(settled)) == 3
    settled.settings = without_payouts(settled)
    settled.order("later", "Acme", MAY, {"amount": 100})
    settled.sync()
    settled.today(date(2026, 6, 11))
    settled.settings = {}
    with pytest.raises(TooSurprising, match=r"1 amount that was settled before: 10\.00 USD"):
        settled.sync()


def test_what_the_org_shows_as_before_is_looked_at_and_not_written(settled):
    first = [
        Seen(key, f"a0{n}", "Paid", Decimal(30), "USD", "Fay", MAY, "R1", "us", "them")
        for n, key in enumerate(waiting(settled))
    ]
    now, said = settled.opened.clock.now(), []
    with settled.opened.store.transaction() as tx:
        assert payouts.saw(tx, first, now=now) == 2
    with settled.opened.store.transaction() as tx:
        event.listen(tx, "before_cursor_execute", lambda *them: said.append(them[2].split()[0]))
        assert payouts.saw(tx, first, now=now) == 0
        assert said == ["SELECT"]
        reopened = [replace(first[0], status="UnderReview", paid_on=None, reference=None), first[1]]
        assert payouts.saw(tx, [*reopened, replace(first[1], key="of nobody here")], now=now) == 1
        assert said == ["SELECT", "SELECT", "UPDATE"]
        assert payouts.undecided(tx)
