"""A new store, or a backup from before a program, meets payouts of the org before it has their programs: it counts on from them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from types import SimpleNamespace

from jobs import payouts as work
from jobs import periods, takeover, unplaced
from jobs.compute import compute
from jobs.payouts import key_of
from tests.jobs.conftest import ORG
from tests.jobs.test_payouts_in_the_store import MAY, PROGRAM, waiting

EARLIER = ((1, "Settlement", "60.00"), (2, "Adjustment", "10.00"))


def in_org(shop, *told, account="Acme"):
    return [
        {
            "Sync_Key__c": key_of(ORG, "care", shop.id_of(account), "2026-05", number),
            "Id": f"a00{number}",
            "Account__c": shop.id_of(account),
            "Program_Key__c": "care",
            "Period__c": "2026-05",
            "Type__c": kind,
            "Amount__c": amount,
        }
        for number, kind, amount in told
    ]


def adopt(shop, rows):
    with shop.opened.store.transaction() as tx:
        return takeover.adopt(shop.opened, tx, rows, run_pk=1)


def sync(shop, left=()):
    """A sync that could not place some payouts of the org before it computes."""
    shop.close()
    shop.runs += 1
    shop.read_until(shop.clock.now())
    return compute(shop.opened, shop.runs, left=left)


def told(shop):
    return [(one.due.number, one.due.kind, one.due.amount) for one in work.listed(shop.opened)]


def buys_in_may(shop, *amounts):
    shop.account("Acme")
    for amount in amounts:
        shop.order(f"of{amount}", "Acme", MAY, {"amount": amount})


def test_a_new_store_counts_on_from_what_an_earlier_one_settled(make_shop):
    shop = make_shop()
    shop.settings = {"payouts.settle_from": "2026-01-01"}
    shop.today(date(2026, 6, 12))
    shop.program(PROGRAM)
    rows = in_org(shop, *EARLIER)
    assert adopt(shop, rows) == (0, 2), "neither the account nor the program is there yet"
    buys_in_may(shop, 600, 100)
    sync(shop, rows)
    assert told(shop) == [(1, "settled", Decimal(60)), (2, "adjustment", Decimal(10))]
    buys_in_may(shop, 500)
    shop.sync()
    assert told(shop)[2:] == [(3, "adjustment", Decimal(50))]
    assert [row["Amount__c"] for row in waiting(shop).values()] == [Decimal(50)]
    assert shop.broken_promises() == []


def test_what_late_lines_change_while_a_store_is_made_anew_is_an_adjustment(shop):
    shop.settings = {"payouts.settle_from": "2026-01-01"}
    shop.today(date(2026, 6, 12))
    shop.program(PROGRAM)
    buys_in_may(shop, 600, 500)
    sync(shop, in_org(shop, *EARLIER))
    assert told(shop)[2:] == [(3, "adjustment", Decimal(40))]
    assert shop.broken_promises() == []


def test_a_backup_from_before_the_program_knows_what_was_settled_once_the_program_is_there(shop):
    shop.today(date(2026, 6, 12))
    shop.program(PROGRAM.replace('"care"', '"other"').replace('"100"', '"100000"'), "other")
    buys_in_may(shop, 600)
    shop.sync()
    rows = in_org(shop, EARLIER[0])
    assert adopt(shop, rows) == (0, 1)
    shop.program(PROGRAM)
    sync(shop, rows)
    assert [one.state for one in periods.listed(shop.opened, program="care") if one.period == "2026-05"] == [
        "settled"
    ]
    buys_in_may(shop, 500)
    shop.sync()
    assert told(shop) == [(1, "settled", Decimal(60)), (2, "adjustment", Decimal(50))]
    assert shop.broken_promises() == []


def test_payouts_of_a_program_that_is_not_in_force_are_placed_when_it_comes_back(shop, monkeypatch):
    shop.today(date(2026, 6, 12))
    shop.program(PROGRAM.replace('"care"', '"other"').replace('"100"', '"100000"'), "other")
    buys_in_may(shop, 600)
    shop.sync()
    rows, asked = in_org(shop, *EARLIER), []
    monkeypatch.setattr(takeover, "payouts_in_org", lambda app: asked.append(app) or rows)

    def look():
        return takeover.adopt_the_rest(SimpleNamespace(app=shop.opened, pk=1))

    with shop.opened.store.transaction() as tx:
        unplaced.note_left(tx, 2)
    assert (look(), look(), len(asked)) == ([], [], 1), "nobody waits for a program that is not in force"
    shop.program(PROGRAM)
    shop.close()
    left = look()
    assert left == rows
    sync(shop, left)
    assert [amount for _, _, amount in told(shop)] == [Decimal(60), Decimal(10), Decimal(-10)]
    assert (look(), len(asked)) == ([], 2)
    assert shop.broken_promises() == []


def test_nothing_is_settled_while_an_account_was_paid_what_nobody_can_place(shop):
    shop.settings = {"payouts.settle_from": "2026-01-01"}
    shop.today(date(2026, 6, 12))
    shop.program(PROGRAM)
    buys_in_may(shop, 600)
    rows = in_org(shop, EARLIER[0], account="Purged")
    rows[0]["Account__c"] = shop.id_of("Acme")  # merged into Acme, and purged before this store was made
    sync(shop, rows)
    assert told(shop) == []
    (may,) = [one for one in periods.listed(shop.opened) if one.period == "2026-05"]
    assert (may.state, len(may.waits_for)) == ("closing", 1)
    back = in_org(shop, (2, "Adjustment", "-60.00"), account="Purged")
    back[0]["Account__c"] = shop.id_of("Acme")
    sync(shop, [*rows, *back])
    assert told(shop) == [(1, "settled", Decimal(60))], "the earlier store had taken it back"


def test_a_payout_is_not_sent_where_the_org_has_another_amount_under_its_key(shop):
    shop.settings = {"payouts.settle_from": "2026-01-01"}
    shop.today(date(2026, 6, 12))
    shop.program(PROGRAM)
    adopt(shop, in_org(shop, EARLIER[0]))
    buys_in_may(shop, 700)
    shop.sync()  # without looking at what the org has
    (one,) = work.listed(shop.opened, status="unsent")
    assert (one.due.amount, one.key, waiting(shop)) == (Decimal(70), None, {})
    (said,) = shop.broken_promises()
    assert "another amount under the key of a settled amount" in said


def test_a_payout_that_the_org_has_with_the_same_amount_is_that_one(shop):
    shop.settings = {"payouts.settle_from": "2026-01-01"}
    shop.today(date(2026, 6, 12))
    shop.program(PROGRAM)
    adopt(shop, in_org(shop, EARLIER[0]))
    buys_in_may(shop, 600)
    shop.sync()
    (one,) = work.listed(shop.opened)
    assert (one.due.amount, one.sf_id, waiting(shop)) == (Decimal(60), "a001", {})
    assert shop.broken_promises() == []


def test_a_payout_in_another_currency_is_not_taken_for_one_of_the_program(shop):
    """Euros are no dollars: they would be subtracted from what the period is worth here."""
    shop.settings = {"payouts.settle_from": "2026-01-01"}
    shop.today(date(2026, 6, 12))
    shop.program(PROGRAM)
    buys_in_may(shop, 600, 100)
    rows = [row | {"Currency_Code__c": "EUR"} for row in in_org(shop, EARLIER[0])]
    rows += [row | {"Currency_Code__c": "USD"} for row in in_org(shop, EARLIER[1])]
    sync(shop, rows)
    assert told(shop) == [], (
        "neither, or the rest of the period would be corrected as if the first were nothing"
    )
    (may,) = [one for one in periods.listed(shop.opened) if one.period == "2026-05"]
    assert may.state == "closing"
    assert may.waits_for == (
        "payouts of this period that the org has in EUR: the program is in USD, so they cannot be placed",
    )
    assert periods.close(shop.opened, "care", "2026-05", despite_incomplete=True) == 1, "a person said so"


def test_payouts_are_placed_once_the_program_is_in_their_currency_again(shop, monkeypatch):
    shop.settings = {"payouts.settle_from": "2026-01-01"}
    shop.today(date(2026, 6, 12))
    shop.program(PROGRAM)
    buys_in_may(shop, 600, 100)
    rows = [row | {"Currency_Code__c": "EUR"} for row in in_org(shop, *EARLIER)]
    sync(shop, rows)
    monkeypatch.setattr(takeover, "payouts_in_org", lambda app: rows)
    shop.program(PROGRAM.replace("USD", "EUR"))
    shop.close()
    left = takeover.adopt_the_rest(SimpleNamespace(app=shop.opened, pk=1))
    assert left == rows
    sync(shop, left)
    assert told(shop) == [(1, "settled", Decimal(60)), (2, "adjustment", Decimal(10))]
    assert shop.broken_promises() == []
