"""Why a number moved between two runs: lines, returns, terms, rates, records."""

from __future__ import annotations

from datetime import date

import pytest

from jobs import tidying
from jobs.refusals import Unusable
from jobs.running import running
from jobs.why_changed import why_changed
from state import audit, invariants

PROGRAM = """
key = "care"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
[[tiers]]
name = "Silver"
threshold = "100"
rate = "10%"
[[tiers]]
name = "Gold"
threshold = "1000"
rate = "20%"
"""
DAY = date(2026, 6, 3)


@pytest.fixture
def story(shop):
    """Acme at 600 on the 10th of June."""
    shop.today(date(2026, 6, 10))
    shop.program(PROGRAM)
    shop.account("Acme")
    shop.order("1", "Acme", DAY, {"amount": 600})
    shop.sync()
    shop.today(date(2026, 6, 12))
    return shop


def asked(shop, since="2026-06-11"):
    return why_changed(shop.opened, "Acme", since)


def test_a_new_line_and_a_return_are_named_with_their_orders(story):
    story.order("2", "Acme", DAY, {"amount": 500})
    story.order("3", "Acme", DAY, {"amount": -50})
    story.sync()
    (moved,) = asked(story).moved
    assert (moved.before.tier, moved.after.tier) == ("Silver", "Gold")
    assert moved.change == 150  # 20 % of 1,050 after 10 % of 600
    assert [(c.kind, c.order, c.amount) for c in moved.causes] == [("line", "2", 500), ("return", "3", -50)]


def test_what_was_tidied_away_is_said_and_what_is_kept_is_answered_as_before(story):
    for day, amount in ((12, 700), (14, 800), (16, 900)):
        story.today(date(2026, 6, day))
        story.order("1", "Acme", DAY, {"amount": amount})
        story.sync()
    story.settings["retention.history"] = "7d"
    story.close()
    story.today(date(2026, 6, 22))
    before = asked(story, "2026-06-15")
    assert tidying.due(story.opened)["history"] == 2
    with running(story.opened, "tidy") as run:
        assert tidying.tidy(run)["history"] == 2
    assert asked(story, "2026-06-15") == before
    (moved,) = before.moved
    assert (moved.before.rebate, moved.after.rebate) == (80, 90)
    with pytest.raises(Unusable, match=r"care 2026-06 was on 2026-06-11 is no longer kept") as caught:
        asked(story)
    assert caught.value.hint.startswith("--since 2026-06-14")
    assert asked(story, "2026-06-20").unchanged == 1
    with story.opened.store.read() as tx:
        assert invariants.check(tx, deep=True) == []


def test_an_order_that_is_no_longer_active_is_named(story):
    story.order("1", "Acme", DAY, active=False)
    story.sync()
    (moved,) = asked(story).moved
    assert moved.change == -60
    assert [(c.kind, c.order) for c in moved.causes] == [("gone", "1")]


def test_new_terms_are_named_key_by_key(story):
    story.program(PROGRAM.replace("10%", "12%"))
    story.sync()
    (moved,) = asked(story).moved
    (cause,) = moved.causes
    assert cause.kind == "version"
    assert "version 1 became version 2" in cause.text
    assert "tiers[Silver]" in cause.text
    assert "0.1" in cause.text
    assert "0.12" in cause.text


def test_what_did_not_move_is_only_counted(story):
    story.sync()
    answer = asked(story)
    assert (answer.moved, answer.unchanged) == ((), 1)


def test_a_standing_that_was_not_there_says_so(story):
    (moved,) = asked(story, "2026-06-01").moved
    assert moved.before is None
    assert moved.lines()[0] == "care 2026-06: no standing -> Silver, 60.00 USD (60.00)"


@pytest.mark.parametrize("since", ["yesterday", "99", "2026-13-01"])
def test_a_since_that_nobody_understands_is_refused(story, since):
    with pytest.raises(Unusable):
        asked(story, since)


@pytest.fixture
def only_care(shop):
    """Acme at 600 of the products that the program counts."""
    shop.today(date(2026, 6, 10))
    shop.program(PROGRAM.replace("[[tiers]]", '[counts]\nproduct.family = ["Care"]\n[[tiers]]', 1))
    shop.account("Acme")
    shop.product("Cream", family="Care")
    shop.product("Brush", family="Tools")
    shop.order("1", "Acme", DAY, {"amount": 600, "product": "Cream"})
    shop.sync()
    shop.today(date(2026, 6, 12))
    return shop


def test_what_the_program_does_not_count_is_told_apart_so_that_the_rest_adds_up(only_care):
    shop = only_care
    shop.order("2", "Acme", DAY, {"amount": 900, "product": "Brush"})
    shop.order("3", "Acme", DAY, {"amount": 100, "product": "Cream"})
    shop.sync()
    (moved,) = asked(shop).moved
    assert moved.change == 10
    assert [(c.kind, c.order) for c in moved.causes] == [("line", "3"), ("uncounted", "2")]
    assert "does not count: " in moved.causes[1].text


def test_a_draft_is_not_said_to_have_counted(story):
    story.order("2", "Acme", DAY, {"amount": 500})
    story.order("3", "Acme", DAY, {"amount": 70}, active=False, status="Draft")
    story.sync()
    (moved,) = asked(story).moved
    (draft,) = (cause for cause in moved.causes if cause.order == "3")
    assert "if it ever did" in draft.text


def test_a_product_whose_record_changed_is_named(only_care):
    shop = only_care
    shop.product("Cream", family="Tools")
    shop.sync()
    (moved,) = asked(shop).moved
    assert moved.change == -60
    (cause,) = moved.causes
    assert cause.kind == "product"
    assert cause.text.startswith("the record of Cream (Tools now) changed 2026-06-12")


def test_an_order_that_went_to_another_month_is_named_in_the_one_that_it_left(story):
    story.order("1", "Acme", date(2026, 7, 3))
    story.sync()
    left = next(one for one in asked(story).moved if one.standing.period == "2026-06")
    assert left.change == -60
    assert [(c.kind, c.order) for c in left.causes] == [("elsewhere", "1")]
    assert "order 1 is of 2026-07-03 now" in left.causes[0].text


def test_what_was_booked_since_stands_beside_what_moved_it(story):
    story.settings["payouts.settle_from"] = "2026-06-01"
    story.today(date(2026, 7, 2))
    story.sync()
    story.today(date(2026, 7, 4))
    story.order("2", "Acme", DAY, {"amount": -100})
    story.sync()
    (moved,) = [one for one in asked(story, "2026-07-03").moved if one.standing.period == "2026-06"]
    assert [(c.kind, c.amount) for c in moved.causes] == [("return", -100), ("posting", -10)]
    assert "booked in 2026-07" in moved.causes[-1].text


def test_a_field_of_an_account_that_moved_settled_money_is_named_with_what_it_was_and_is(shop):
    shop.settings["payouts.settle_from"] = "2026-06-01"
    shop.today(date(2026, 6, 10))
    shop.program(PROGRAM.replace("[[tiers]]", '[members]\ntype = ["Partner"]\n[[tiers]]', 1))
    shop.account("Acme", type="Partner", segment="Retail")
    shop.order("1", "Acme", DAY, {"amount": 600})
    shop.sync()
    shop.today(date(2026, 7, 2))
    shop.sync()
    shop.today(date(2026, 7, 4))
    shop.account("Acme", type="Distributor", segment="Retail")
    shop.sync()
    (moved,) = [one for one in asked(shop, "2026-07-03").moved if one.standing.period == "2026-06"]
    (cause,) = [one for one in moved.causes if one.kind == "account"]
    assert cause.text == "the record of Acme changed 2026-07-04 12:00 UTC: type Partner -> Distributor"
    shop.today(date(2026, 7, 5))
    shop.account("Acme", type="Partner", segment="Retail")
    shop.order("late", "Acme", DAY, {"amount": 100})
    shop.sync()
    (moved,) = [one for one in asked(shop, "2026-07-03").moved if one.standing.period == "2026-06"]
    (cause,) = [one for one in moved.causes if one.kind == "account"]
    assert cause.text.endswith("type Partner -> Distributor -> Partner")


def test_a_field_that_was_noted_without_its_values_is_named_with_what_is_in_it_now(shop):
    """By a version of ours that wrote down the names only."""
    shop.today(date(2026, 6, 10))
    shop.program(PROGRAM)
    shop.account("Acme", type="Partner")
    shop.order("1", "Acme", DAY, {"amount": 600})
    shop.sync()
    shop.today(date(2026, 6, 12))
    shop.account("Acme", type="Distributor")
    shop.order("2", "Acme", DAY, {"amount": 100})
    shop.sync()
    detail = {"program": "care", "amounts": 1, "by": "1 USD", "changed": ["type"]}
    with shop.opened.store.transaction() as tx:
        who = {"actor": "sync", "action": "settled money moved", "object": shop.id_of("Acme")}
        audit.append(tx, **who, detail=detail, now=shop.clock.now())
    (moved,) = asked(shop).moved
    (cause,) = [one for one in moved.causes if one.kind == "account"]
    assert cause.text.endswith("UTC: type is Distributor now")


def test_a_field_that_the_program_asks_about_is_named_where_nothing_was_settled(shop):
    shop.today(date(2026, 6, 10))
    shop.program(PROGRAM.replace("[[tiers]]", '[members]\ntype = ["Partner"]\n[[tiers]]', 1))
    shop.account("Acme", type="Partner")
    shop.order("1", "Acme", DAY, {"amount": 600})
    shop.sync()
    shop.today(date(2026, 6, 12))
    shop.account("Acme", type="Distributor")
    shop.sync()
    (moved,) = asked(shop).moved
    assert [one.text for one in moved.causes if one.kind == "account"] == [
        "the record of Acme changed 2026-06-12 12:00 UTC; of what the program asks about, type is Distributor now"
    ]


def test_new_terms_from_a_day_on_are_told_without_repeating_those_of_before(story):
    new = PROGRAM.replace("period =", 'effective_from = 2026-06-11\namendment = "as_of"\nperiod =', 1)
    story.program(new.replace('"20%"', '"25%"'), "second")
    story.order("2", "Acme", date(2026, 6, 12), {"amount": 900})
    story.sync()
    (moved,) = asked(story).moved
    told = [one.text for one in moved.causes if one.kind == "version"]
    assert any("[Gold]" in one for one in told)
    assert not any("earlier" in one for one in told)
    assert len(told) <= 4, told
