"""Currencies with three decimals: what the org's fields cannot hold is said, and written once they can."""

from __future__ import annotations

import json
from decimal import Decimal

from own_files import use_programs

KUWAIT = """
key = "kw"
name = "Kuwait"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
currency = "KWD"
[[tiers]]
threshold = "100"
rate = "10.0125%"
"""
SETTLED = "SELECT Amount__c, Account__r.Name FROM Rebate_Payout__c"


def warnings_of(done):
    return [one for one in json.loads(done.out)["warnings"] if "KWD" in one or "payout" in one]


def test_payouts_that_the_orgs_field_cannot_hold_are_counted_and_named_and_the_others_are_paid(story):
    use_programs(story, kw=KUWAIT)
    checked = story("mapping", "check")
    assert checked.code == 0
    assert (
        "Rebate_Payout__c.Amount__c and 2 more are written with 2 decimals, and KWD (program kw) has 3"
        in (" ".join(checked.text.split()))
    )
    assert "a payout that needs more is not sent" in " ".join(story("doctor").text.split())

    first = story("sync", "--json")
    assert any("program kw" in one for one in warnings_of(first)), "before anything is settled"
    story.wait(minutes=1)
    assert story("periods", "close", "kw", "2026-10").code == 0
    story.wait(minutes=15)
    done = story("sync", "--json")
    paid = {Decimal(row["Amount__c"]) for row in story.rows(SETTLED)}
    assert all(amount == round(amount, 2) for amount in paid)
    set_aside = [one for one in warnings_of(done) if "set aside" in one]
    assert (
        set_aside and "Rebate_Payout__c.Amount__c cannot hold the amount exactly: kw 2026-10" in set_aside[0]
    )
    assert (done.code, done.data["rejected"] > 0) == (3, True)

    verified = story("verify")
    assert verified.code != 0
    assert "a settled amount is not sent because the org's field cannot hold it exactly (L8)" in verified.text
