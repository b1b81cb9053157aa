"""A closed period is settled once; what turns out different later is an adjustment in the open period."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from jobs.compute import compute
from jobs.explanation import explain
from state import invariants
from state.errors import StoreError

PROGRAM = """
key = "care"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
grace_days = 5
[[tiers]]
name = "Silver"
threshold = "100"
rate = "10%"
[[tiers]]
name = "Gold"
threshold = "1000"
rate = "20%"
"""
MAY = date(2026, 5, 20)


@pytest.fixture
def story(make_shop):
    """Acme at 600 in May; it is the 3rd of June, within the days of grace."""
    shop = make_shop()
    shop.today(date(2026, 6, 3))
    shop.program(PROGRAM)
    shop.account("Acme")
    shop.order("1", "Acme", MAY, {"amount": 600})
    shop.sync()
    return shop


def ledger(shop, period="2026-05"):
    (found,) = explain(shop.opened, "Acme", period=period)
    return [
        (one.kind, one.period, one.booked_in, one.amount, one.prior_period, one.rate)
        for one in found.postings
    ]


def closed(shop):
    shop.today(date(2026, 6, 10))
    shop.sync()
    return shop


def test_within_its_grace_a_period_takes_late_lines_and_settles_nothing(story):
    assert ledger(story) == []
    story.order("2", "Acme", MAY, {"amount": 100})
    story.sync()
    assert ledger(story) == []
    assert ledger(closed(story)) == [("settled", "2026-05", "2026-05", 70, 0, 0)]


def test_a_period_is_settled_once(story):
    closed(story)
    closed(story)
    assert ledger(story) == [("settled", "2026-05", "2026-05", 60, 0, 0)]
    assert story.broken_promises() == []


def test_a_late_line_is_an_adjustment_told_apart_from_the_tier_that_it_brings(story):
    closed(story)
    story.order("2", "Acme", MAY, {"amount": 500})
    story.sync()
    # 1,100 at Silver would be 110: the line earns 50; at Gold it is 220: the tier brings 110 more.
    late = ("adjustment", "2026-05", "2026-06", 160, 50, 110)
    assert ledger(story) == [("settled", "2026-05", "2026-05", 60, 0, 0), late]
    assert ledger(story, "2026-06") == [late], "the open period shows what is booked in it"
    story.sync()
    assert len(ledger(story)) == 2, "nothing is posted twice"


def test_a_return_after_closing_takes_back_what_it_had_earned(story):
    closed(story)
    story.order("2", "Acme", MAY, {"amount": -550})
    story.sync()
    assert ledger(story)[1] == ("adjustment", "2026-05", "2026-06", -60, -55, -5)
    story.order("2", "Acme", MAY, active=False)
    story.sync()
    assert sum(entry[3] for entry in ledger(story)) == 60, "the postings add up to what the period is worth"
    assert story.broken_promises() == []


def test_other_terms_for_a_closed_period_are_a_rate_effect(story):
    closed(story)
    story.program(PROGRAM.replace("10%", "12%"))
    story.sync()
    assert ledger(story)[1] == ("adjustment", "2026-05", "2026-06", 12, 0, 12)


def test_somebody_whose_first_order_comes_late_gets_all_of_it_as_an_adjustment(story):
    closed(story)
    story.account("Bell")
    story.order("9", "Bell", MAY, {"amount": 200})
    story.sync()
    (found,) = explain(story.opened, "Bell", period="2026-05")
    assert [(one.kind, one.amount) for one in found.postings] == [("adjustment", Decimal(20))]


def test_a_program_may_ignore_what_comes_late(story):
    story.program('late_lines = "ignore"' + PROGRAM)
    closed(story)
    story.order("2", "Acme", MAY, {"amount": 500})
    story.sync()
    assert ledger(story) == [("settled", "2026-05", "2026-05", 60, 0, 0)]


@pytest.mark.parametrize("deed", ["UPDATE postings SET amount_e6 = 1", "DELETE FROM postings"])
def test_the_database_refuses_to_change_a_posting(story, deed):
    closed(story)
    with pytest.raises((DBAPIError, StoreError), match="append-only"), story.opened.store.transaction() as tx:
        tx.execute(text(deed))


def test_a_posting_that_was_changed_behind_the_database_is_found(shop):
    shop.today(date(2026, 6, 3))
    shop.program(PROGRAM)
    shop.account("Acme")
    shop.order("1", "Acme", MAY, {"amount": 600})
    shop.sync()
    closed(shop)
    with shop.opened.store.transaction() as tx:
        tx.execute(text("DROP TRIGGER postings_refuse_update"))
        tx.execute(text("UPDATE postings SET amount_e6 = 1"))
    with shop.opened.store.read() as tx:
        found = [one.name for one in invariants.check(tx)]
    assert "a settled amount was changed (L2)" in found


def test_what_late_lines_earn_under_a_cap_is_what_the_cap_leaves_them(story):
    story.program('max_payout = "80"' + PROGRAM)
    closed(story)
    story.order("2", "Acme", MAY, {"amount": 300})
    story.sync()
    # 900 at Silver would be 90, of which the cap leaves 80: the lines bring 20, and no tier changes anything.
    assert ledger(story)[1] == ("adjustment", "2026-05", "2026-06", 20, 20, 0)


def test_what_a_budget_leaves_is_not_told_apart_into_lines_and_tiers(story):
    story.account("Bell")
    story.order("9", "Bell", date(2026, 5, 2), {"amount": 500})
    story.program('budget = "80"' + PROGRAM)
    closed(story)
    assert ledger(story)[0] == ("settled", "2026-05", "2026-05", 30, 0, 0)
    story.order("9", "Bell", date(2026, 5, 2), {"amount": 400})
    story.order("2", "Acme", MAY, {"amount": 100})
    story.sync()
    assert ledger(story)[1] == ("adjustment", "2026-05", "2026-06", 10, 0, 0)


def test_another_price_under_a_tier_of_quantities_is_told_as_what_the_lines_earn(shop):
    """The quantity that decides the tier stays, and so do the terms: it is the line that changed."""
    shop.today(date(2026, 6, 3))
    shop.program('qualifier = "quantity"' + PROGRAM.replace('"100"', '"1"').replace('"1000"', '"50"'))
    shop.account("Acme")
    shop.order("1", "Acme", MAY, {"amount": 600, "quantity": 10})
    shop.sync()
    closed(shop)
    shop.order("1", "Acme", MAY, {"amount": 700, "quantity": 10})
    shop.sync()
    assert ledger(shop)[1] == ("adjustment", "2026-05", "2026-06", 10, 10, 0)


IGNORING = PROGRAM.replace("grace_days", 'late_lines = "ignore"\ngrace_days')


def standing_of(shop, account="Acme", period="2026-05"):
    (found,) = explain(shop.opened, account, period=period)
    return found.standing.tier, found.standing.qualifier, found.standing.rebate


def test_what_came_too_late_does_not_show_in_a_settled_standing_either(story):
    story.program(IGNORING)
    closed(story)
    assert standing_of(story) == ("Silver", 600, 60)
    story.order("2", "Acme", MAY, {"amount": 500})
    story.sync()
    assert standing_of(story) == ("Silver", 600, 60)
    assert story.broken_promises() == []
    from_scratch(story)
    assert standing_of(story) == ("Silver", 600, 60)
    assert ledger(story) == [("settled", "2026-05", "2026-05", 60, 0, 0)]
    assert story.broken_promises() == []


def test_who_bought_for_the_first_time_too_late_has_nothing_there(story):
    story.program(IGNORING)
    closed(story)
    story.account("Bell")
    story.order("9", "Bell", MAY, {"amount": 200})
    story.sync()
    assert standing_of(story, "Bell") == (None, 0, 0)
    from_scratch(story)
    assert standing_of(story, "Bell") == (None, 0, 0)
    assert story.broken_promises() == []


def test_a_later_program_of_a_sequence_is_paid_on_what_a_settled_one_has_left(story):
    """Acme's late 500 count in the second program only: 10% of 1100 less the 60 of the first."""
    sequence = '[stacking]\nmode = "sequential"\norder = {}\n'
    story.program(IGNORING + sequence.format(1))
    second = PROGRAM.replace('"care"', '"second"').replace("20%", "10%") + sequence.format(2)
    story.program(second, "second")
    closed(story)
    story.order("2", "Acme", MAY, {"amount": 500})
    story.sync()
    assert rebates_of(story) == {"care": 60, "second": 104}
    from_scratch(story)
    assert rebates_of(story) == {"care": 60, "second": 104}
    assert story.broken_promises() == []


def test_of_an_exclusive_group_one_pays_where_the_winner_ignores_what_came_late(story):
    group = '[stacking]\nmode = "exclusive"\ngroup = "g"\n'
    story.program(IGNORING + group)
    rival = PROGRAM.replace('"care"', '"rival"').replace("10%", "1%").replace("20%", "50%")
    story.program(rival + group, "rival")
    closed(story)
    assert rebates_of(story) == {"care": 60, "rival": 0}
    story.order("2", "Acme", MAY, {"amount": 5000})
    story.sync()
    assert rebates_of(story) == {"care": 60, "rival": 0}, "60 were settled and stay; the group pays once"
    assert (
        sum(one.amount for found in explain(story.opened, "Acme", period="2026-05") for one in found.postings)
        == 60
    )
    from_scratch(story)
    assert rebates_of(story) == {"care": 60, "rival": 0}
    assert story.broken_promises() == []


def test_a_rival_that_had_won_goes_on_beside_one_that_ignores_what_came_late(story):
    group = '[stacking]\nmode = "exclusive"\ngroup = "g"\n'
    story.program(IGNORING + group)
    story.program(PROGRAM.replace('"care"', '"rival"').replace("10%", "12%") + group, "rival")
    closed(story)
    assert rebates_of(story) == {"care": 0, "rival": 72}
    story.order("2", "Acme", MAY, {"amount": 100})
    story.sync()
    assert rebates_of(story) == {"care": 0, "rival": 84}
    assert story.broken_promises() == []


def rebates_of(shop, account="Acme", period="2026-05"):
    return {one.standing.program: one.standing.rebate for one in explain(shop.opened, account, period=period)}


def from_scratch(shop):
    shop.close()
    shop.opened.from_scratch = True
    shop.runs += 1
    compute(shop.opened, shop.runs)
    shop.close()
