"""Finance sees what is billed as a record of its own, and a payout that it rejected as still owed."""

from __future__ import annotations

from decimal import Decimal

from tests.journeys.test_payouts import (
    ADMIN,
    DANA,
    LUMIERE,
    PAYOUTS,
    PERIODS,
    act,
    amounts,
    id_of,
    later,
    october_order_changes,
    payout,
    settled,
    worth,
)
from tests.journeys.test_programs_in_a_sync import RETAIL, own_programs

__all__ = ["settled"]  # a fixture

TO_DATE = RETAIL.replace("[members]", '[settlement]\nwindow = "year"\nclaw_back = "invoice"\n[members]', 1)


def november_is_taken_back(world):
    """What Lumière bought in November goes back, and more of what it had: as lines below zero."""
    lines = world.rows(
        f"SELECT Id FROM OrderItem WHERE Order.Account.Name = '{LUMIERE}' AND Order.EffectiveDate >= 2026-11-01"
    )
    for line in lines:
        status, said = act(world, ADMIN, "OrderItem", line["Id"], UnitPrice=-50)
        assert status == 204, said


def test_what_is_invoiced_reaches_finance_as_a_record_and_a_new_store_does_not_bill_it_again(story):
    own_programs(story, retail=TO_DATE)
    assert story("sync").code == 0
    assert later(story, "periods", "close", *PERIODS[0]).code == 0
    november_is_taken_back(story)
    later(story, days=9)
    bill = payout(story, kind="Invoice")
    assert (bill["Period__c"], Decimal(bill["Amount__c"]) < 0) == ("2026-11", True)
    (told,) = [one for one in later(story, "payouts", "list").data["payouts"] if one["type"] == "invoice"]
    assert Decimal(told["amount"]) == Decimal(bill["Amount__c"])
    said = later(story, "explain", "Lumi", "--period", "2026-11").text
    assert "was paid too much and is to be invoiced" in said
    (standing,) = story.rows(f"SELECT Steps__c FROM Rebate_Standing__c WHERE Id = '{bill['Standing__c']}'")
    assert "was paid too much and is to be invoiced" in standing["Steps__c"]
    assert later(story, "verify", "--deep").data["ok"]

    before = story.rows(PAYOUTS)
    for file in story.folder.glob("rebates.db*"):
        file.unlink()
    for _ in range(2):
        later(story)
    assert story.rows(PAYOUTS) == before
    assert later(story, "verify", "--deep").data["ok"]


def test_a_rejected_payout_is_still_owed_and_goes_on_once_it_is_reopened(settled):
    later(settled)
    row = payout(settled)
    assert act(settled, DANA, "Rebate_Payout__c", row["Id"], Status__c="Rejected")[0] == 204
    october_order_changes(settled)
    later(settled)
    more = payout(settled, kind="Adjustment")
    (owed,) = later(settled, "payouts", "list").data["still_owed"]
    assert (owed["key"], owed["id"]) == (row["Sync_Key__c"], row["Id"])
    assert Decimal(owed["corrected_since"]) == Decimal(more["Amount__c"])
    assert "was rejected in the org, and is still owed" in settled("payouts", "list").out
    assert "still owed, see `rebates payouts list --status Rejected`" in settled("status").out
    refused = later(settled, "payouts", "make-again", row["Sync_Key__c"], code=2)
    assert "set its status back" in refused.error["hint"]

    assert act(settled, DANA, "Rebate_Payout__c", row["Id"], Status__c="SystemCalculated")[0] == 204
    later(settled, "reconcile")
    assert later(settled, "payouts", "list").data["still_owed"] == []
    account = id_of(settled, LUMIERE)
    ours = [
        one
        for one in settled.rows(PAYOUTS)
        if (one["Account__c"], one["Program_Key__c"], one["Period__c"]) == (account, "retail-2026", "2026-10")
    ]
    assert sum(amounts(ours)) == worth(settled, account, "2026-10")
