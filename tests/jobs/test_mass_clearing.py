"""Emptying the rebate fields of most accounts at once is asked about first, however few are planned at a time."""

from __future__ import annotations

from datetime import date

import pytest

from jobs.compute import compute
from jobs.refusals import TooSurprising
from state import acknowledged, outbox

PROGRAM = """
key = "care"
starts = 2026-01-01
ends = 2026-06-30
period = "month"
[[tiers]]
name = "Silver"
threshold = "100"
rate = "10%"
"""
ACCOUNTS = 9  # more than the few that never surprise


@pytest.fixture
def ended(make_shop, monkeypatch):
    """Nine accounts whose standing the org shows; their program has just ended. Two accounts are planned at a time."""
    monkeypatch.setattr("jobs.planning.ACCOUNTS_AT_ONCE", 2)
    shop = make_shop()
    shop.program(PROGRAM)
    for number in range(ACCOUNTS):
        shop.account(f"Shop{number}")
        shop.order(f"{number}", f"Shop{number}", date(2026, 6, 10), {"amount": 600})
    shop.sync()
    with shop.opened.store.transaction() as tx:
        for row in outbox.listed(tx):
            acknowledged.remember(
                tx, row.object, row.ext_key, seq=row.seq, payload_hash=row.payload_hash, sf_id=None, now=shop.clock.now()
            )  # fmt: skip
        tx.execute(outbox.outbox.update().values(state="done"))
    shop.today(date(2026, 7, 2))
    return shop


def waiting(shop):
    with shop.opened.store.read() as tx:
        return [row for row in outbox.listed(tx) if row.object == "Account"]


def test_clearing_all_accounts_is_refused_and_nothing_of_it_is_planned(ended):
    with pytest.raises(TooSurprising):
        ended.sync()
    assert waiting(ended) == []


def test_it_is_done_when_somebody_says_so(ended):
    ended.opened.allow_mass_clear = True
    ended.read_until(ended.clock.now())
    compute(ended.opened, 99)
    cleared = waiting(ended)
    assert len(cleared) == ACCOUNTS
    assert all(value is None for row in cleared for value in row.payload.values())
