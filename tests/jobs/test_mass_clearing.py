"""Emptying the rebate fields of most accounts at once is asked about first, however few are planned at a time."""

from __future__ import annotations

from datetime import date

import pytest

from jobs.compute import compute
from jobs.fuses import emptied
from jobs.refusals import TooSurprising
from state import acknowledged, outbox
from state.payloads import payload_hash

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
    delivered(shop)
    shop.today(date(2026, 7, 2))
    return shop


def waiting(shop):
    with shop.opened.store.read() as tx:
        return [row for row in outbox.listed(tx) if row.object == "Account"]


def test_clearing_all_accounts_is_refused_and_nothing_of_it_is_planned(ended):
    with pytest.raises(TooSurprising):
        ended.sync()
    assert waiting(ended) == []


def test_a_program_file_that_is_not_valid_is_to_be_mended_before_anything_is_let_through(ended):
    ended.program(PROGRAM.replace("10%", "ten"), "other")
    with pytest.raises(TooSurprising) as refused:
        ended.sync()
    assert "other.toml first, not valid now" in refused.value.hint


def test_it_is_done_when_somebody_says_so(ended):
    ended.opened.allow_mass_clear = True
    ended.read_until(ended.clock.now())
    compute(ended.opened, 99)
    cleared = waiting(ended)
    assert len(cleared) == ACCOUNTS
    assert all(value is None for row in cleared for value in row.payload.values())


def delivered(shop):
    """What a push does when the org confirms everything."""
    with shop.opened.store.transaction() as tx:
        for row in outbox.listed(tx):
            acknowledged.remember(
                tx, row.object, row.ext_key, seq=row.seq, payload_hash=row.payload_hash, sf_id=None, now=shop.clock.now()
            )  # fmt: skip
        tx.execute(outbox.outbox.update().values(state="done"))


@pytest.fixture
def cleared(ended):
    """Somebody said that it is right: the org shows nothing on the nine accounts any more."""
    ended.opened.allow_mass_clear = True
    ended.read_until(ended.clock.now())
    compute(ended.opened, 99)
    delivered(ended)
    return ended


def test_accounts_that_are_empty_already_stop_no_later_day(cleared):
    for day in (3, 4):
        cleared.today(date(2026, 7, day))
        cleared.sync()
        assert waiting(cleared) == []


def test_accounts_that_are_empty_already_do_not_hide_how_much_is_cleared(cleared):
    """Of six accounts that still show something, six are not a few of fifteen."""
    newcomers = PROGRAM.replace("care", "skin").replace("2026-06-30", "2026-07-31")
    cleared.program(newcomers + '[members]\ntype = ["New"]\n', "skin")
    for number in range(6):
        cleared.account(f"New{number}", type="New")
        cleared.order(f"n{number}", f"New{number}", date(2026, 7, 10), {"amount": 600})
    cleared.today(date(2026, 7, 20))
    cleared.sync()
    delivered(cleared)
    for number in range(40):  # long gone, and acknowledged as empty
        with cleared.opened.store.transaction() as tx:
            empty = payload_hash(emptied(cleared.opened.mapping.push["account"]))
            acknowledged.remember(
                tx,
                "Account",
                f"001gone{number}",
                seq=1,
                payload_hash=empty,
                sf_id=None,
                now=cleared.clock.now(),
            )
    cleared.today(date(2026, 8, 2))
    with pytest.raises(TooSurprising, match="6 of 6 accounts"):
        cleared.sync()
