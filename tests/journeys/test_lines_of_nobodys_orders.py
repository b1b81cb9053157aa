"""Lines that cannot be read, of orders that count nowhere: a draft, an order that the mapping leaves out."""

from __future__ import annotations

from decimal import Decimal

import pytest
from own_files import use_mapping

from emulator.raw_rows import change, user_named
from emulator.seed_story import LUMIERE
from mappings.file import standard_text

STANDINGS = (
    "SELECT Period__c, Qualifying_Amount__c, Incomplete__c FROM Rebate_Standing__c "
    f"WHERE Account__r.Name = '{LUMIERE}' ORDER BY Period__c"
)


def save(world, sobject, record_id, **fields):
    with world.org.storage.transaction():
        change(world.org, sobject, record_id, user_named(world.org), **fields)


def later(world, *args, code):
    world.wait(minutes=15)
    done = world(*args, "--json")
    assert done.code == code, done.text
    return done


def november(world):
    return next(one for one in world.rows(STANDINGS) if one["Period__c"] == "2026-11")


def states(world):
    world.wait(days=40)
    world("sync")
    return {
        one["period"]: (one["state"], one["waits_for"])
        for one in world("periods", "list", "--json").data["periods"]
    }


@pytest.fixture
def bare(story):
    """An order of 9,000 in November, and the line on it that has no amount now."""
    (order,) = story.rows(
        f"SELECT Id FROM Order WHERE Account.Name = '{LUMIERE}' AND EffectiveDate = 2026-11-09"
    )
    (line,) = story.rows(f"SELECT Id FROM OrderItem WHERE OrderId = '{order['Id']}'")
    save(story, "OrderItem", line["Id"], TotalPrice=None)
    return order["Id"]


def test_an_empty_amount_on_a_draft_makes_nothing_incomplete_and_its_period_closes(story):
    line = story.rows("SELECT Id FROM OrderItem WHERE Order.StatusCode = 'Draft'")[0]
    story("sync")
    save(story, "OrderItem", line["Id"], TotalPrice=None)
    assert later(story, "sync", code=3).data["rejected"] == 1
    assert (november(story)["Incomplete__c"], Decimal(november(story)["Qualifying_Amount__c"])) == (
        None,
        Decimal("45188"),
    )
    assert states(story)["2026-11"] == ("settled", [])


def test_a_line_of_an_order_that_the_mapping_leaves_out_holds_no_period_up(story, bare):
    use_mapping(
        story,
        standard_text().replace('object = "Order"\n', f'object = "Order"\nwhere = "Id != \'{bare}\'"\n'),
    )
    later(story, "sync", code=3)
    assert Decimal(november(story)["Qualifying_Amount__c"]) == Decimal("36188")
    used = story.org.usage.total
    later(story, "sync", code=3)
    assert story.org.usage.total == used + 1, "it is asked for once"
    assert states(story)["2026-11"] == ("settled", [])


def test_a_line_of_nobodys_draft_holds_no_period_up(story, bare):
    save(story, "Order", bare, AccountId=None, Status="Draft", StatusCode="Draft")
    later(story, "sync", code=3)
    assert states(story)["2026-11"] == ("settled", [])


def test_the_order_counts_once_the_mapping_no_longer_leaves_it_out(story, bare):
    use_mapping(
        story,
        standard_text().replace('object = "Order"\n', f'object = "Order"\nwhere = "Id != \'{bare}\'"\n'),
    )
    later(story, "sync", code=3)
    use_mapping(story, standard_text())
    later(story, "sync", code=3)
    assert "could not be read: amount (TotalPrice) is empty" in november(story)["Incomplete__c"]
    (line,) = story.rows(f"SELECT Id FROM OrderItem WHERE OrderId = '{bare}'")
    save(story, "OrderItem", line["Id"], TotalPrice=900_000)
    later(story, "sync", code=0)
    assert november(story)["Incomplete__c"] is None
    assert Decimal(november(story)["Qualifying_Amount__c"]) == Decimal("45188")
    assert story("verify", "--deep").code == 0


def test_an_order_that_nobody_may_see_stays_in_doubt(story, bare):
    story.org.faults.hide_rows("Order", [bare])
    later(story, "sync", code=3)
    assert states(story)["2026-11"] == ("closing", ["1 rejected record that could belong to any period"])
