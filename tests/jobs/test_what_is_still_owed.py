"""Balances that settled periods leave over and payouts that finance rejected are named until somebody deals with them."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import select

from jobs import owed
from jobs.payouts import key_of
from jobs.payouts_gone import make_again
from jobs.refusals import Unusable
from jobs.status import status
from state import payouts as payouts_of
from state.payouts import Seen
from state.standings import CARRIED_BEGINS, PAYOUT_BEGINS
from state.tables.work import standings
from tests.jobs.conftest import ORG
from tests.jobs.test_what_is_carried_and_invoiced import (
    HEAD,
    JANUARY,
    JUNE,
    LADDER,
    at_least,
    on,
    opened,
    step,
    to_date,
)

__all__ = ["opened"]  # a fixture


def balances(shop):
    with shop.opened.store.read() as tx:
        return [(one.period, one.amount, one.follows) for one in owed.look(tx).balances]


def test_what_settled_periods_left_over_is_listed_until_a_payout_has_it(opened):
    shop = on(opened(at_least("2300"), 20040), date(2026, 2, 1))
    assert balances(shop) == [("2026-01", Decimal(1002), True)]
    on(shop, date(2026, 3, 1))
    assert balances(shop) == [("2026-02", Decimal(1002), True)], "once, where it stands now"
    assert status(shop.opened)["open_balances"][0]["amount"] == Decimal(1002)
    on(shop, date(2026, 7, 1))
    assert balances(shop) == []


def test_a_document_spells_what_is_carried_first(opened):
    """Open balances are looked for in the text of documents: a name that sorts before would hide every one of them."""
    shop = on(opened(at_least("2300"), 20040), date(2026, 2, 1))
    with shop.opened.store.read() as tx:
        documents = tx.execute(select(standings.c.document)).scalars().all()
    paying = [text for text in documents if "payout" in json.loads(text)]
    assert paying
    assert all(f'{CARRIED_BEGINS}{json.loads(text)["payout"]["carried"]}"' in text for text in paying)
    assert all(PAYOUT_BEGINS in text for text in paying)
    assert not any(PAYOUT_BEGINS in text for text in documents if text not in paying)


def test_what_was_paid_too_much_stays_open_when_no_payout_follows(opened):
    shop = on(opened(to_date("next_payout")), date(2026, 6, 1))
    shop.order("2", "Acme", JUNE, {"amount": -3212})
    on(shop, date(2026, 7, 1))
    assert step(shop, "2026-06").endswith(
        "481.80 USD was paid too much, and no payout follows: it stays open, to be billed or waived by hand"
    )
    assert balances(shop) == [("2026-06", Decimal("-481.80"), False)]
    with shop.opened.store.read() as tx:
        (said,) = owed.look(tx).lines()
    assert said.endswith("$481.80 was paid too much; no payout follows: bill it or waive it by hand")


def test_a_rejected_payout_is_named_as_owed_with_what_was_corrected_since(opened):
    shop = opened(HEAD + LADDER, 42600)
    shop.order("2", "Acme", JANUARY, {"amount": 13000})
    on(shop, date(2026, 2, 1))
    key = key_of(ORG, "care", shop.id_of("Acme"), "2026-01", 1)
    said = Seen(key, "a00x", "Rejected", Decimal(8340), "USD", None, None, None, "005A", "005B")
    with shop.opened.store.transaction() as tx:
        payouts_of.saw(tx, [said], now=shop.clock.now())
        (one,) = owed.look(tx).lines()
    assert one == (
        "Acme care 2026-01: $8,340 was rejected in the org, and is still owed: what is settled stays settled. "
        "To go on with it, set its status back there (a00x)"
    )
    shop.order("2", "Acme", JANUARY, {"amount": 13000}, deleted=True)
    on(shop, date(2026, 2, 3))
    with shop.opened.store.read() as tx:
        (one,) = owed.look(tx).lines()
    assert "the later -$6,210 counts on it, together they are $2,130" in one
    (told,) = status(shop.opened)["still_owed"]
    assert (told["amount"], told["corrected_since"], told["id"]) == (Decimal(8340), Decimal(-6210), "a00x")
    with pytest.raises(Unusable, match="rejected in the org, not deleted") as refused:
        make_again(shop.opened, key)
    assert "set its status back" in str(refused.value.hint)
