"""Amounts that an interface wrote with more decimals than their field shows."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connector import choose
from emulator.raw_rows import change, user_named
from emulator.seed_story import LUMIERE
from emulator.wire import stored_number


def later(world, *args):
    world.wait(minutes=15)
    done = world(*args, "--json")
    assert done.code == 0, done.text
    return done


@pytest.mark.parametrize("way", ["rest", "bulk"])
def test_a_line_amount_with_eight_decimals_counts_to_the_millionth_and_nothing_is_set_aside(
    story, way, monkeypatch
):
    monkeypatch.setattr(choose, "choose_read", lambda expected, budget: way)
    lines = story.rows(
        f"SELECT Id, TotalPrice FROM OrderItem WHERE Order.Account.Name = '{LUMIERE}' AND Order.EffectiveDate = 2026-11-09"
    )
    line, amount = lines[0]["Id"], Decimal(lines[0]["TotalPrice"])
    finer = amount + Decimal("33.33733333")
    with story.org.storage.transaction():
        change(story.org, "OrderItem", line, user_named(story.org), TotalPrice=stored_number(finer, 2))
    (told,) = story.rows(f"SELECT TotalPrice FROM OrderItem WHERE Id = '{line}'")
    assert Decimal(told["TotalPrice"]) == finer, "the org keeps what was written"

    assert later(story, "sync").data["rejected"] == 0
    (account,) = story.rows(f"SELECT Rebate_Qualifying_Amount__c FROM Account WHERE Name = '{LUMIERE}'")
    assert account["Rebate_Qualifying_Amount__c"] == "45221.34", "what is shown is what is stored"
    drift = later(story, "reconcile").data["drift"]
    assert (drift["changed"], drift["gone"]) == (0, 0)
    later(story, "verify", "--deep")
