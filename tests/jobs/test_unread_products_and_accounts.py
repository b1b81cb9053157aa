"""A product or an account that was never read: what it adds is not known, so standings say so and nothing is settled."""

from __future__ import annotations

from datetime import date

import pytest

from connector.errors import Misconfigured
from jobs import periods, settling
from jobs.compute import compute
from jobs.explanation import explain
from state import rejected
from state.rejected import RejectedRow
from tests.jobs.conftest import sf_id

TERMS = """
starts = 2026-01-01
ends = 2026-12-31
period = "month"
grace_days = 5
[[tiers]]
threshold = "100"
rate = "10%"
"""
OF_A_FAMILY = f'key = "care"\n{TERMS}\n[counts]\nproduct.family = ["Skin care"]\n'
OF_EVERYTHING = f'key = "care"\n{TERMS}'
ROLLED_UP = f'key = "care"\n{TERMS}\n[hierarchy]\nroll_up = "parent"\n'
MAY, JUNE = date(2026, 5, 20), date(2026, 6, 2)


@pytest.fixture
def story(shop):
    """Acme bought for 600 in May; on the 3rd of June we come."""
    shop.today(date(2026, 6, 3))
    shop.program(OF_A_FAMILY)
    shop.account("Acme")
    shop.product("Cream", family="Skin care")
    shop.order("1", "Acme", MAY, {"amount": 600, "product": "Cream"})
    shop.sync()
    return shop


def set_aside(shop, entity, name, parent=None):
    prefix = {"product": "01t", "account": "001"}[entity]
    row = RejectedRow(entity, sf_id(prefix, name), "family", "has no rule", parent)
    with shop.opened.store.transaction() as tx:
        rejected.set_aside(tx, [row], now=shop.clock.now())


def lacks(shop, period="2026-05", account="Acme"):
    return shop.standings()["care", account, period]["incomplete"]


def waits_for(shop, period="2026-05"):
    (found,) = [one for one in periods.listed(shop.opened, program="care") if one.period == period]
    return found.waits_for


def settled(shop, account="Acme", period="2026-05"):
    (found,) = explain(shop.opened, account, period=period)
    return [(one.kind, one.amount) for one in found.postings]


def june(shop, day=10):
    shop.today(date(2026, 6, day))
    shop.sync()


def test_lines_of_a_product_that_was_never_read_are_missing_until_it_is_mended(story):
    story.order("2", "Acme", MAY, {"amount": 300, "product": "Serum"})
    set_aside(story, "product", "Serum")
    june(story)
    assert lacks(story) == [f"product {sf_id('01t', 'Serum')} could not be read: has no rule"]
    assert waits_for(story) == ("1 product that could not be read", "1 standing that lacks something")
    assert settled(story) == [], "60 would be too little"
    story.product("Serum", family="Skin care")
    june(story, day=11)
    assert (lacks(story), settled(story)) == ([], [("settled", 90)])
    assert story.broken_promises() == []


def test_a_person_may_settle_without_it(story):
    story.account("Bell")
    story.order("2", "Bell", MAY, {"amount": 300, "product": "Serum"})
    set_aside(story, "product", "Serum")
    june(story)
    story.clock.sleep(60)
    assert periods.close(story.opened, "care", "2026-05", despite_incomplete=True) == 1
    assert (settled(story), settled(story, "Bell")) == ([("settled", 60)], [])
    story.product("Serum", family="Skin care")
    june(story, day=11)
    assert settled(story, "Bell") == [("adjustment", 30)]


def test_a_rejected_product_that_no_order_has_holds_nothing_up(story):
    story.order("2", "Acme", MAY, {"amount": 300, "product": "Serum", "deleted": True})
    story.order("3", "Acme", MAY, {"amount": 300, "product": "Serum"}, active=False)
    set_aside(story, "product", "Serum")
    set_aside(story, "product", "Nobody's")
    june(story)
    assert (lacks(story), settled(story)) == ([], [("settled", 60)])


def test_a_program_that_does_not_ask_what_a_product_is_lacks_nothing_of_it(story):
    story.program(OF_EVERYTHING)
    story.order("2", "Acme", MAY, {"amount": 300, "product": "Serum"})
    set_aside(story, "product", "Serum")
    june(story)
    assert (lacks(story), settled(story)) == ([], [("settled", 90)])


def test_a_product_keeps_counting_by_the_last_version_that_could_be_read(story):
    story.order("2", "Acme", JUNE, {"amount": 200, "product": "Cream"})
    set_aside(story, "product", "Cream")
    june(story)
    assert story.standings()["care", "Acme", "2026-06"]["rebate"] == "20.00"
    assert lacks(story, "2026-06") == [f"product {sf_id('01t', 'Cream')} could not be read: has no rule"]
    assert settled(story) == [("settled", 60)]
    story.product("Cream", family="Skin care", code="C")
    june(story, day=11)
    assert lacks(story, "2026-06") == []


def test_what_an_account_that_was_never_read_bought_is_missing_at_its_parent(story):
    story.program(ROLLED_UP)
    story.order("2", "Branch", MAY, {"amount": 300})
    set_aside(story, "account", "Branch", parent=story.id_of("Acme"))
    june(story)
    assert lacks(story) == [f"account {story.id_of('Branch')} could not be read: has no rule"]
    assert settled(story) == []
    assert waits_for(story) == (
        "1 rejected record that could belong to any period",
        "1 standing that lacks something",
    )
    story.account("Branch", parent="Acme")
    june(story, day=11)
    assert (lacks(story), settled(story)) == ([], [("settled", 90)])
    assert story.broken_promises() == []


def test_a_rejected_account_that_bought_nothing_holds_nothing_up(story):
    set_aside(story, "account", "Branch", parent=story.id_of("Acme"))
    june(story)
    assert (lacks(story), settled(story)) == ([], [("settled", 60)])


def test_an_account_that_was_never_read_and_has_others_below_it_holds_settling_up(story):
    story.account("Acme", parent="Holding")
    set_aside(story, "account", "Holding")
    june(story)
    assert settled(story) == []
    assert waits_for(story) == ("1 rejected record that could belong to any period",)


@pytest.mark.parametrize("days", [{"active_from": "01.03.2026"}, {"active_to": "until spring"}])
def test_an_account_whose_days_of_taking_part_are_none_is_named_and_lacks_that_and_the_rest_goes_on(
    story, days
):
    story.account("Bell", **days)
    story.order("2", "Bell", JUNE, {"amount": 300, "product": "Cream"})
    set_aside(story, "account", "Bell")
    done = story.sync()
    (name,) = days
    assert done.problems == (
        f"account {story.id_of('Bell')}: {name} is no date (2026-11-30), so it takes part as if it had none",
    )
    assert lacks(story, "2026-06", "Bell") == [
        f"account {story.id_of('Bell')} could not be read: has no rule"
    ]
    assert lacks(story) == []
    story.account("Bell", active_from="2026-06-01")
    assert story.sync().problems == ()
    assert lacks(story, "2026-06", "Bell") == []
    assert story.broken_promises() == []


@pytest.fixture
def stand_still(shop):
    """A stream that cannot be read, since a field of it may not be."""

    def stop(*streams):
        stopped = {name: Misconfigured("INVALID_FIELD", detail="no such field") for name in streams}
        settling.note_stopped(shop.opened, "pull", stopped)

    return stop


def go_on(shop, day, *still):
    """A sync of a day in June that reads all streams but these."""
    shop.today(date(2026, 6, day))
    shop.close()
    shop.runs += 1
    read = {"account", "product", "order", "order_line"} - set(still)
    shop.read_until(shop.clock.now(), *sorted(read))
    compute(shop.opened, shop.runs)


def test_what_was_bought_of_new_products_is_missing_while_products_stand_still(story, stand_still):
    stand_still("product")
    story.order("2", "Acme", JUNE, {"amount": 300, "product": "Serum"})
    go_on(story, 4, "product")
    assert lacks(story, "2026-06") == [f"product {sf_id('01t', 'Serum')} could not be read: INVALID_FIELD"]
    assert lacks(story) == []
    stand_still()
    story.product("Serum", family="Skin care")
    june(story, day=5)
    assert lacks(story, "2026-06") == []
    assert story.standings()["care", "Acme", "2026-06"]["rebate"] == "30.00"
    assert story.broken_promises() == []


def test_a_product_that_nobody_reads_on_purpose_is_not_missing_while_products_stand_still(story, stand_still):
    """The mapping leaves it out: its lines were there before and count as ever."""
    story.order("2", "Acme", JUNE, {"amount": 300, "product": "Hidden"})
    story.order("3", "Acme", JUNE, {"amount": 200, "product": "Cream"})
    june(story, day=4)
    stand_still("product")
    go_on(story, 5, "product")
    assert lacks(story, "2026-06") == []


def test_a_program_that_takes_every_product_lacks_nothing_while_products_stand_still(story, stand_still):
    story.program(OF_EVERYTHING)
    stand_still("product")
    story.order("2", "Acme", JUNE, {"amount": 300, "product": "Serum"})
    go_on(story, 4, "product")
    assert lacks(story, "2026-06") == []


def test_what_new_accounts_bought_is_missing_in_families_while_accounts_stand_still(story, stand_still):
    story.program(ROLLED_UP)
    story.account("Branch", parent="Acme")
    story.account("Bell")
    for number, name in enumerate(("Acme", "Bell")):
        story.order(f"2{number}", name, JUNE, {"amount": 300})
    story.sync()
    stand_still("account")
    story.order("3", "New branch", JUNE, {"amount": 300})
    go_on(story, 4, "account")
    assert lacks(story, "2026-06") == ["an account that bought something could not be read: INVALID_FIELD"]
    assert lacks(story, "2026-06", "Bell") == [], "it has no family"
    assert lacks(story) == []
    stand_still()
    story.account("New branch", parent="Acme")
    june(story, day=5)
    assert lacks(story, "2026-06") == []
    assert story.standings()["care", "Acme", "2026-06"]["rebate"] == "60.00"
    assert story.broken_promises() == []
