"""Orders whose day is that of their activation: what was never activated has none, and nobody has to mend that."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from one_partner import later, qualifying, save, set_aside
from own_files import use_mapping

from emulator.seed_story import LUMIERE
from mappings.file import standard_text

DRAFT = {"Status": "Draft", "StatusCode": "Draft", "ActivatedDate": None}
WAYS = {
    "an instant": 'ordered_at = "ActivatedDate"',
    "a day": 'ordered_on = { field = "ActivatedDate", as = "date" }',
}


@pytest.fixture(params=WAYS.values(), ids=WAYS.keys())
def world(request, story):
    text = standard_text().replace('ordered_on = "EffectiveDate"', request.param)
    use_mapping(story, text)
    return story


def test_a_draft_makes_nothing_incomplete_and_holds_no_period_up(world):
    assert world.rows("SELECT Id FROM Order WHERE ActivatedDate = null")
    later(world, "sync")
    assert set_aside(world) == []
    assert world.rows("SELECT Id FROM Rebate_Standing__c WHERE Incomplete__c != null") == []
    later(world, "verify", "--deep")
    world.wait(days=40)
    later(world, "sync")
    periods = {one["period"]: one["state"] for one in world("periods", "list", "--json").data["periods"]}
    assert periods["2026-11"] == "settled"


def test_an_order_set_back_to_draft_counts_no_more_until_it_is_activated_again(world):
    later(world, "sync")
    assert qualifying(world) == Decimal("45188")
    (order,) = world.rows(
        f"SELECT Id FROM Order WHERE Account.Name = '{LUMIERE}' AND EffectiveDate = 2026-11-09"
    )
    since = world.clock()
    save(world, order["Id"], **DRAFT)
    later(world, "sync")
    assert (qualifying(world), set_aside(world)) == (Decimal("36188"), [])
    told = world("why-changed", LUMIERE, "--since", f"{since:%Y-%m-%dT%H:%M:%SZ}").text
    assert "is not active and has no day now" in told

    later(world, "reconcile")
    later(world, "verify", "--deep")
    assert (qualifying(world), set_aside(world)) == (Decimal("36188"), [])
    used = world.org.usage.total
    later(world, "sync")
    assert world.org.usage.total == used + 1, "nothing is read again and again"

    activated = datetime(2026, 11, 9, 10, 0, tzinfo=UTC)
    save(
        world, order["Id"], Status="Activated", StatusCode="Activated",
        ActivatedDate=int(activated.timestamp() * 1000),
    )  # fmt: skip
    later(world, "sync")
    assert qualifying(world) == Decimal("45188")
