"""Each promise about settled amounts is broken by hand once, and is named."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text

from jobs.payouts import key_of
from state import invariants

PROGRAM = """
key = "care"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
grace_days = 5
[[tiers]]
threshold = "100"
rate = "10%"
"""
MAY = date(2026, 5, 20)
OPEN = ("DROP TRIGGER postings_refuse_update", "DROP TRIGGER postings_refuse_delete")
PAID = (
    "UPDATE payouts SET sf_id = 'a00' || posting_pk, status = 'Paid', currency = 'USD', made_by = '005A', changed_by = '005B', "
    "read_at = 1, amount_e6 = (SELECT amount_e6 FROM postings WHERE pk = posting_pk)"
)


@pytest.fixture
def settled(shop):
    """Acme and Bell are settled for May; Acme has an adjustment; all payouts are paid."""
    shop.today(date(2026, 6, 3))
    shop.program(PROGRAM)
    for name in ("Acme", "Bell"):
        shop.account(name)
        shop.order(name, name, MAY, {"amount": 600})
    shop.sync()
    shop.today(date(2026, 6, 10))
    shop.sync()
    shop.order("late", "Acme", MAY, {"amount": 100})
    shop.sync()
    run(shop, PAID)
    assert broken(shop) == []
    return shop


def run(shop, *statements):
    with shop.opened.store.transaction() as tx:
        for statement in statements:
            tx.execute(text(statement))


def broken(shop):
    with shop.opened.store.read() as tx:
        return [one.name for one in invariants.check(tx)]


BREAKS = {
    "the postings of a closed period do not add up to what it is worth (L1)": (
        "UPDATE standings SET rebate_e6 = rebate_e6 + 1 WHERE member_pk = 1",
    ),
    "the database no longer guards what was settled (L2)": (OPEN[1],),
    "a settled amount was changed (L2)": (*OPEN, "UPDATE postings SET tier = 'Gold'"),
    "more was paid than was settled (L3)": (
        "UPDATE payouts SET amount_e6 = amount_e6 + 1 WHERE posting_pk = 1",
    ),
    "a payout in the org is not what was settled (L4)": (
        "UPDATE payouts SET amount_e6 = amount_e6 - 1 WHERE posting_pk = 1",
    ),
    "a payout settles nothing (L5)": ("INSERT INTO payouts (posting_pk, key) VALUES (4711, 'RB-X')",),
    "one record of the org is the payout of two postings (L5)": ("UPDATE payouts SET sf_id = 'a001'",),
    "a settled amount was given up although its account can be paid (L8)": (
        "UPDATE payouts SET sf_id = NULL WHERE posting_pk = 1",
        "UPDATE outbox SET state = 'superseded' WHERE ext_key IN (SELECT key FROM payouts WHERE posting_pk = 1)",
    ),
    "a payout was approved by who made it (L6)": (
        "UPDATE payouts SET changed_by = made_by WHERE posting_pk = 1",
    ),
    "a posting does not follow from those before it (L7)": (
        *OPEN,
        "UPDATE postings SET rate_e6 = rate_e6 + 1 WHERE kind = 'adjustment'",
    ),
}


@pytest.mark.parametrize(
    ("name", "deeds"), BREAKS.items(), ids=[name[-3:-1] + str(n) for n, name in enumerate(BREAKS)]
)
def test_what_is_broken_by_hand_is_named(settled, name, deeds):
    run(settled, *deeds)
    assert name in broken(settled)


def test_a_standing_that_waits_to_be_computed_is_not_held_against_its_postings(settled):
    run(settled, "UPDATE standings SET rebate_e6 = rebate_e6 + 1 WHERE member_pk = 1")
    assert [name for name in broken(settled) if "(L1)" in name]
    run(settled, "INSERT INTO dirty_cells (member_pk, period_pk) SELECT member_pk, period_pk FROM standings")
    assert [name for name in broken(settled) if "(L1)" in name] == []


def test_another_currency_is_another_payout(settled):
    run(settled, "UPDATE payouts SET currency = 'EUR' WHERE posting_pk = 2")
    assert "a payout in the org is not what was settled (L4)" in broken(settled)


def test_a_payout_that_nobody_changed_since_it_was_made_is_told_apart_from_one_that_was(settled):
    """What an earlier store settled under the same key took the place of ours: rejecting it would take back a true payment."""
    run(
        settled,
        "UPDATE payouts SET amount_e6 = amount_e6 - 1, status = 'SystemCalculated', changed_by = made_by "
        "WHERE posting_pk = 1",
    )
    assert broken(settled) == ["a payout was made in the org with another amount than was settled here (L4)"]


def test_the_advice_for_both_kinds_of_another_amount_is_in_the_table():
    table = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    changed, made = [line for line in table.splitlines() if line.startswith("| L4 |")]
    assert "do not *Reject* the payout" in changed
    assert "leave it" in made and "by hand" in made


def test_the_key_of_a_payout_is_the_same_wherever_it_is_worked_out():
    one = key_of("00D1", "care", "001A", "2026-05", 1)
    assert one == key_of("00D1", "care", "001A", "2026-05", 1)
    assert len({one, *(key_of("00D1", "care", "001A", "2026-05", n) for n in (2, 3))}) == 3


def test_taking_back_more_than_was_left_to_pay_is_explained_by_its_own_posting(settled):
    settled.order("back", "Bell", MAY, {"amount": -550})
    settled.sync()
    assert broken(settled) == []
