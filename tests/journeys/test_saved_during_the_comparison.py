"""The nightly comparison of all ids takes time, and people work on: a record saved meanwhile is not gone."""

from __future__ import annotations

from decimal import Decimal

import pytest

import jobs.inventory
from emulator import lifecycle
from emulator.raw_rows import change, user_named
from emulator.seed_story import LUMIERE


@pytest.fixture
def meanwhile(story, monkeypatch):
    """`meanwhile(entity, act)`: what somebody does just before the ids of an entity are read."""
    acts = {}
    real = jobs.inventory._pages

    def pages(app, entity, *more):
        act = acts.pop(entity.entity, None)
        if act is not None:
            story.wait(seconds=5)
            act()
        return real(app, entity, *more)

    monkeypatch.setattr(jobs.inventory, "_pages", pages)
    return acts.__setitem__


def save(world, sobject, *ids):
    """Somebody saves records; nothing about them changes but their stamps."""
    with world.org.storage.transaction():
        for record_id in ids:
            change(world.org, sobject, record_id, user_named(world.org))


def lumiere(world):
    (row,) = world.rows(f"SELECT Id, Rebate_Qualifying_Amount__c FROM Account WHERE Name = '{LUMIERE}'")
    return row


def order_of_november_9(world):
    (row,) = world.rows(
        f"SELECT Id FROM Order WHERE Account.Name = '{LUMIERE}' AND EffectiveDate = 2026-11-09"
    )
    return row["Id"]


def found(done):
    return {one["entity"]: (one["missing"], one["buried"]) for one in done.data["inventory"]}


def compared(world):
    """A night's comparison, and the API calls that it took."""
    before = world.org.usage.total
    done = world("reconcile", "--json")
    return done, world.org.usage.total - before


def test_an_order_and_an_account_that_are_saved_meanwhile_are_left_as_they_are(story, meanwhile):
    story("sync")
    story.wait(hours=2)
    quiet, calls = compared(story)
    assert quiet.code == 0, quiet.text
    before = lumiere(story)
    tasks = f"SELECT Id, IsClosed FROM Task WHERE WhatId = '{before['Id']}'"
    open_tasks, order = story.rows(tasks), order_of_november_9(story)
    story.wait(hours=2)
    meanwhile("account", lambda: save(story, "Account", before["Id"]))
    meanwhile("order", lambda: save(story, "Order", order))
    done, more = compared(story)
    assert done.code == 0, done.text
    assert set(found(done).values()) == {(0, 0)}
    assert done.data["pushed"] == 0
    assert (lumiere(story), story.rows(tasks)) == (before, open_tasks)
    assert more == calls + 2, (
        "one question for each entity of which something was missing, none for the others"
    )


@pytest.mark.parametrize("named", [300, 3])
def test_many_that_are_saved_meanwhile_are_not_taken_for_lost_sharing(story, meanwhile, monkeypatch, named):
    """However many one question can name."""
    monkeypatch.setattr("jobs.rereading.IDS_PER_QUERY", named)
    story("sync")
    story.wait(hours=2)
    some = [row["Id"] for row in story.rows("SELECT Id FROM Order WHERE StatusCode = 'Activated' LIMIT 6")]
    gone = order_of_november_9(story)
    some = [one for one in some if one != gone]

    def at_night():
        save(story, "Order", *some)
        lifecycle.delete(story.org, "Order", gone, hard=True)

    meanwhile("order", at_night)
    done = story("reconcile", "--json")
    assert done.code == 0, done.text
    assert found(done)["order"] == (1, 1), "what is gone among them is found"
    assert Decimal(lumiere(story)["Rebate_Qualifying_Amount__c"]) == Decimal("36188")


def test_what_is_set_aside_and_saved_meanwhile_is_still_set_aside(story, meanwhile):
    story("sync")
    order = order_of_november_9(story)
    (line,) = story.rows(f"SELECT Id FROM OrderItem WHERE OrderId = '{order}'")
    with story.org.storage.transaction():
        change(story.org, "OrderItem", line["Id"], user_named(story.org), Quantity=None)
    story.wait(minutes=15)
    assert story("sync").code == 3
    story.wait(hours=2)
    meanwhile("order_line", lambda: save(story, "OrderItem", line["Id"]))
    done = story("reconcile", "--json")
    assert (done.code, done.data["rejected"]) == (3, 1)
    assert found(done)["order_line"] == (0, 0)
    lifecycle.delete(story.org, "OrderItem", line["Id"], hard=True)
    story.wait(hours=2)
    done = story("reconcile", "--json")
    assert (done.code, done.data["rejected"]) == (0, 0), done.text
