"""Who decided about a payout is a deed in the trail: by whom the org says it was saved, not only the name that somebody typed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from jobs.payouts import key_of
from state import audit, ledger_checks, payouts, payouts_decided
from state.payouts import Seen
from tests.jobs.conftest import ORG

PROGRAM = """
key = "care"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
currency = "USD"
[[tiers]]
threshold = "100"
rate = "10%"
"""
SYNC, DANA, EVE = "005SYNC", "005DANA", "005EVE"
L6 = "a payout was approved by who made it (L6)"


@pytest.fixture
def payout(make_shop):
    """Acme's payout of May, as the org has it after it was made."""
    shop = make_shop()
    shop.today(date(2026, 5, 21))
    shop.program(PROGRAM)
    shop.account("Acme")
    shop.order("Acme", "Acme", date(2026, 5, 20), {"amount": 600})
    shop.sync()
    shop.today(date(2026, 6, 10))
    shop.sync()
    key = key_of(ORG, "care", shop.id_of("Acme"), "2026-05", 1)
    with shop.opened.store.transaction() as tx:
        payouts.found(tx, key, sf_id="a00x", status="SystemCalculated")
    return shop, Seen(key, "a00x", "SystemCalculated", Decimal(60), "USD", None, None, None, SYNC, SYNC)


def read_back(shop, *seen):
    """The deeds that reading these brings, oldest first, and whether L6 holds after it."""
    with shop.opened.store.transaction() as tx:
        before = len(deeds(tx))
        for one in seen:
            payouts_decided.note(tx, [one], now=shop.clock.now())
            payouts.saw(tx, [one], now=shop.clock.now())
        broken = {name for name, _, _ in ledger_checks.check(tx)}
        assert audit.verify(tx) is None
        return deeds(tx)[before:], L6 not in broken


def deeds(tx):
    kinds = (payouts_decided.APPROVAL, payouts_decided.CHANGE)
    found = [(one.action, one.actor, dict(one.detail)) for one in audit.entries(tx) if one.action in kinds]
    return found[::-1]


def test_a_payout_that_is_seen_as_it_was_made_is_no_deed(payout):
    shop, made = payout
    assert read_back(shop, made, made) == ([], True)


def test_an_approval_is_kept_with_who_saved_it_and_the_name_that_was_typed(payout):
    shop, made = payout
    approved = replace(made, status="Approved", approved_by="CFO", changed_by=DANA)
    told, holds = read_back(shop, made, approved, approved)
    assert holds
    assert told == [
        (
            "payout approved", DANA,
            {"status": "SystemCalculated → Approved", "approved by": "- → CFO", "saved by": "005SYNC → 005DANA"},
        )
    ]  # fmt: skip
    told, _ = read_back(shop, replace(approved, status="Paid", approved_by="Dana", changed_by=EVE))
    assert told == [
        (
            "payout changed", EVE,
            {"status": "Approved → Paid", "approved by": "CFO → Dana", "saved by": "005DANA → 005EVE"},
        )
    ]  # fmt: skip


def test_an_approval_that_is_the_first_thing_a_read_sees_is_kept_too(payout):
    shop, made = payout
    told, _ = read_back(shop, replace(made, status="Approved", approved_by="Dana", changed_by=DANA))
    assert [(action, actor) for action, actor, _ in told] == [("payout approved", DANA)]


def test_a_changed_amount_is_kept_with_what_it_was(payout):
    shop, made = payout
    told, _ = read_back(shop, made, replace(made, amount=Decimal("99.50"), changed_by=EVE))
    ((_, actor, detail),) = told
    assert (actor, detail) == (EVE, {"amount": "60 → 99.5", "saved by": "005SYNC → 005EVE"})


def test_who_made_it_and_approves_it_is_told_although_somebody_saved_it_since(payout):
    shop, made = payout
    by_itself = replace(made, status="Approved", approved_by="Sync")
    assert read_back(shop, made, by_itself)[1] is False
    assert read_back(shop, replace(by_itself, changed_by=DANA, reference="CM-1"))[1] is False
    taken_back = replace(made, status="Pending", changed_by=DANA)
    told, holds = read_back(shop, taken_back, replace(taken_back, status="Approved", approved_by="Dana"))
    assert holds, "somebody else looked at it and approved it"
    assert [action for action, _, _ in told] == ["payout changed", "payout approved"]


def test_a_payout_that_is_not_ours_is_no_deed(payout):
    shop, made = payout
    assert read_back(shop, replace(made, key="RP-else", status="Approved", changed_by=EVE)) == ([], True)
