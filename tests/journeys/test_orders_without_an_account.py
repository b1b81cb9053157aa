"""Carts and drafts that an interface made before anybody knew whose they are."""

from __future__ import annotations

from decimal import Decimal

import pytest
from one_partner import later, qualifying, save, set_aside

from emulator.seed_story import LUMIERE

LOST = {"AccountId": None, "Status": "Draft", "StatusCode": "Draft"}


def order_of(world):
    query = f"SELECT Id, AccountId FROM Order WHERE Account.Name = '{LUMIERE}' AND EffectiveDate = 2026-11-09"
    (row,) = world.rows(query)
    return row["Id"], row["AccountId"]


@pytest.fixture(params=["REST", "Bulk"])
def way(request, monkeypatch):
    """Both ways of reading."""
    from connector import choose

    told = "bulk" if request.param == "Bulk" else "rest"
    monkeypatch.setattr(choose, "choose_read", lambda expected, budget: told)
    return request.param


def test_a_draft_that_never_had_an_account_counts_nowhere_until_it_gets_one(story, way):
    order, account = order_of(story)
    save(story, order, **LOST)
    later(story, "sync")
    assert qualifying(story) == Decimal("36188")
    assert set_aside(story) == []

    later(story, "reconcile")
    later(story, "verify", "--deep")
    assert set_aside(story) == []

    save(story, order, AccountId=account, Status="Activated", StatusCode="Activated")
    later(story, "sync")
    assert qualifying(story) == Decimal("45188")


def test_an_order_that_loses_its_account_leaves_the_standing_and_comes_back_with_it(story, way):
    order, account = order_of(story)
    later(story, "sync")
    save(story, order, **LOST)
    later(story, "sync")
    assert qualifying(story) == Decimal("36188")

    later(story, "reconcile")
    later(story, "verify", "--deep")
    assert (qualifying(story), set_aside(story)) == (Decimal("36188"), [])
    used = story.org.usage.total
    later(story, "sync")
    assert story.org.usage.total == used + 1, "nothing is read again and again"

    save(story, order, AccountId=account, Status="Activated", StatusCode="Activated")
    later(story, "sync")
    assert qualifying(story) == Decimal("45188")


def test_the_night_reads_no_draft_again_that_is_nobodys(story, way):
    """A shop makes thousands of carts: each night asked for every one of them by its id."""
    order, account = order_of(story)
    (never_seen,) = story.rows(
        f"SELECT Id FROM Order WHERE Id != '{order}' AND Account.Name = '{LUMIERE}' LIMIT 1"
    )
    save(story, never_seen["Id"], **LOST)
    later(story, "sync")
    without = qualifying(story)
    save(story, order, **LOST)
    later(story, "sync")
    night = later(story, "reconcile")
    (orders,) = [one for one in night.data["inventory"] if one["entity"] == "order"]
    assert (orders["newer"], orders["read_again"], orders["buried"]) == (0, 0, 0)
    assert set_aside(story) == []

    save(story, order, AccountId=account, Status="Activated", StatusCode="Activated")
    later(story, "reconcile")
    assert qualifying(story) == without, "with an account it comes back"


def test_an_active_order_without_an_account_is_named(story):
    order, _ = order_of(story)
    later(story, "sync")
    save(story, order, AccountId=None)
    story.wait(minutes=15)
    assert story("sync").code == 3
    assert {(one.sf_id, one.field) for one in set_aside(story)} == {(order, "account_id")}


def test_one_that_was_set_aside_while_it_was_active_is_forgotten_as_a_draft(story):
    order, _ = order_of(story)
    save(story, order, AccountId=None)
    story.wait(minutes=15)
    assert story("sync").code == 3
    save(story, order, **LOST)
    later(story, "sync")
    assert set_aside(story) == []
