"""One wrong Date header, or a clock of ours that was set: whatever people enter meanwhile is read all the same."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from emulator.fault_kinds import Fault
from emulator.seed_story import LUMIERE, partner_orders_again
from state import meta, watermarks
from state.store import Store

QUALIFYING = f"SELECT Rebate_Qualifying_Amount__c FROM Account WHERE Name = '{LUMIERE}'"
BEFORE, AFTER = Decimal("45188"), Decimal("50588")


def qualifying(world):
    (account,) = world.rows(QUALIFYING)
    return Decimal(account["Rebate_Qualifying_Amount__c"])


def wrong_date(world, *, hours, times=0):
    world.org.faults.add(Fault("wrong_date", seconds=hours * 3600, times=times))


def right_again(world):
    world.org.faults.clear()


def synced(world, **waited):
    world.wait(**(waited or {"minutes": 15}))
    done = world("sync", "--json")
    assert done.code == 0, done.text
    return done


def opened(world):
    return Store.open(f"sqlite:///{world.folder}/rebates.db")


def ceilings(world):
    store = opened(world)
    with store.read() as tx:
        found = {mark.stream: mark.ceiling for mark in watermarks.read_all(tx)}
    store.close()
    return found


@pytest.mark.parametrize("hours", [0.5, 3, 24])
@pytest.mark.parametrize("next_sync", [{"minutes": 10}, {"hours": 5}])
def test_an_order_after_a_sync_with_a_wrong_date_is_in_the_next_one(story, hours, next_sync):
    story("sync")
    wrong_date(story, hours=hours)
    synced(story)
    assert max(ceilings(story).values()) <= story.clock(), "no watermark beyond what was read"
    right_again(story)
    story.wait(minutes=5)
    partner_orders_again(story.org)
    synced(story, **next_sync)
    assert qualifying(story) == AFTER
    assert story("verify", "--deep").code == 0


def test_orders_between_syncs_that_all_had_wrong_dates_are_not_left_out(story):
    story("sync")
    wrong_date(story, hours=3)
    synced(story)
    story.wait(minutes=2)
    partner_orders_again(story.org)
    synced(story)
    assert qualifying(story) == AFTER, "a date that is ahead hides nothing"
    right_again(story)
    synced(story)
    assert qualifying(story) == AFTER
    assert story("verify", "--deep").code == 0


def test_a_first_sync_with_a_wrong_date_leaves_nothing_out(story):
    wrong_date(story, hours=3)
    synced(story)
    right_again(story)
    partner_orders_again(story.org)
    synced(story)
    assert qualifying(story) == AFTER


def test_a_single_reply_with_a_wrong_date_leaves_nothing_out(story):
    """Whichever of the replies of a sync it is."""
    story("sync")
    for nth in range(1, 9):
        fault = Fault("wrong_date", seconds=10_800, nth=nth)
        story.org.faults.add(fault)
        synced(story)
        right_again(story)
        assert max(ceilings(story).values()) <= story.clock(), nth


def test_a_date_that_is_behind_loses_nothing_either(story):
    story("sync")
    wrong_date(story, hours=-3)
    partner_orders_again(story.org)
    synced(story)
    right_again(story)
    synced(story)
    assert qualifying(story) == AFTER
    assert story("verify", "--deep").code == 0


class OurClock:
    """Ours, `ahead` of the org's; waiting moves both."""

    def __init__(self, orgs, ahead):
        self.orgs, self.ahead = orgs, ahead

    def __call__(self):
        return self.orgs() + self.ahead

    def advance(self, **how_long):
        self.orgs.advance(**how_long)


@pytest.mark.parametrize("ahead", [timedelta(hours=-1), timedelta(days=-3), timedelta(hours=2)])
def test_a_clock_of_ours_that_was_set_holds_no_order_up(story, ahead):
    story("sync")
    orgs = story.clock
    story.clock = OurClock(orgs, ahead)
    synced(story)
    partner_orders_again(story.org)
    synced(story)
    assert qualifying(story) == AFTER, "the org's time counts"
    for _ in range(13):
        synced(story, hours=2)
    assert orgs() - min(ceilings(story).values()) < timedelta(minutes=1), "the new distance is believed"
    assert story("verify", "--deep").code == 0


def test_a_watermark_that_an_earlier_version_left_in_the_future_comes_back_and_what_it_hid_is_read(story):
    story("sync")
    story.wait(minutes=15)
    partner_orders_again(story.org)
    store, ahead = opened(story), timedelta(hours=3)
    with store.transaction() as tx:
        for mark in watermarks.read_all(tx):
            end = story.clock() + ahead
            watermarks.advance(tx, mark.stream, floor=end - timedelta(minutes=10), ceiling=end, now=end)
    store.close()
    done = synced(story)
    assert "later than the org's clock" in " ".join(done.data.get("warnings", [])) + done.text
    assert qualifying(story) == AFTER
    assert max(ceilings(story).values()) <= story.clock()
    again = synced(story)
    assert "later than the org's clock" not in again.text, "once"
    assert story("verify", "--deep").code == 0


def test_what_finance_decides_after_a_wrong_date_is_read_back(story):
    """How far decisions were read is not moved into the future either, and comes back from there."""
    story("sync")
    store = opened(story)
    with store.transaction() as tx:
        meta.put(tx, "payouts.read_until", "2026-11-25T03:00:00Z")
    asked = []
    from jobs import payouts

    real = payouts.query_of
    story.monkeypatch.setattr(
        payouts, "query_of", lambda target, since: asked.append(since) or real(target, since)
    )
    story.monkeypatch.setattr(payouts.payouts, "undecided", lambda tx: True)
    synced(story)
    assert asked[0] is None
    wrong_date(story, hours=3)
    synced(story)
    right_again(story)
    synced(story)
    assert asked[-1] < f"{story.clock():%Y-%m-%dT%H:%M:%SZ}"
    store.close()
