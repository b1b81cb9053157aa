"""Currency rates as they are read: what no amount can be divided by is set aside, and the rest goes on."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import func, insert, select

from state import rates, rejected
from state.tables.base import FIRST_DAY
from state.tables.facts import currency_rates

DAY = date(2026, 5, 1)


@pytest.fixture
def shop(scene, program):
    """ACME bought for 5; nobody uses another currency."""
    scene.pull("account", {"id": "ACME"})
    scene.pull("order", {"id": "O1", "account_id": "ACME", "ordered_on": DAY})
    scene.pull("order_line", {"id": "L1", "order_id": "O1", "amount": 5})
    scene.compute(program())
    return scene


def rate(currency, value, **more):
    return {"currency": currency, "rate": value, "active": True, **more}


def waiting(shop):
    with shop.store.read() as tx:
        return [(one.sf_id, one.field) for one in rejected.waiting(tx, entity="currency_rate")]


def known(shop):
    with shop.store.read() as tx:
        rates.book(tx)
        return {currency: [value for _, value in dated] for currency, dated in rates.known(tx).items()}


@pytest.mark.parametrize("value", ["0", "-1.5", "0.000"])
@pytest.mark.parametrize("starts_on", [None, DAY])
def test_a_rate_that_nothing_can_be_divided_by_is_listed_and_the_rest_goes_on(shop, value, starts_on):
    shop.pull("currency_rate", rate("EUR", value, starts_on=starts_on), rate("GBP", "0.8"))
    assert waiting(shop) == [("EUR", "rate")]
    assert known(shop) == {"GBP": ["0.8"]}
    shop.compute()
    assert shop.amounts() == {("ACME", "2026-05"): Decimal(5)}


def test_the_rate_before_stays_when_a_worse_one_comes(shop):
    shop.pull("currency_rate", rate("EUR", "0.9"))
    shop.pull("currency_rate", rate("EUR", "0"))
    assert known(shop) == {"EUR": ["0.9"]}


def test_a_rate_that_was_set_aside_and_can_be_read_now_waits_no_more(shop, now):
    """The pull knows an unreadable row by its id, the store a worthless rate by its currency."""
    unreadable = rejected.RejectedRow("currency_rate", "01L000000000001AAA", "rate", "is not a number")
    with shop.store.transaction() as tx:
        rejected.set_aside(tx, [unreadable], now=now)
    shop.pull("currency_rate", rate("EUR", "0"), rate("JPY", "-1"))
    assert len(waiting(shop)) == 3
    shop.pull("currency_rate", rate("GBP", "0.8", id="01L000000000001AAA"))
    assert waiting(shop) == [("EUR", "rate"), ("JPY", "rate")]
    shop.pull("currency_rate", rate("EUR", "0.9"))
    assert waiting(shop) == [("JPY", "rate")]


def test_of_a_good_and_a_worthless_rate_in_one_pull_the_worthless_one_waits(shop):
    shop.pull("currency_rate", rate("EUR", "0", starts_on=DAY), rate("EUR", "0.9"))
    assert waiting(shop) == [("EUR", "rate")]


def test_one_that_an_earlier_version_let_in_holds_on_no_day(shop):
    old = {"currency": "EUR", "starts_on": FIRST_DAY, "rate": "0", "source": "org", "modstamp": 1}
    with shop.store.transaction() as tx:
        tx.execute(insert(currency_rates), old)
    assert known(shop) == {}
    shop.pull("currency_rate", rate("EUR", "0.9"))
    assert known(shop) == {"EUR": ["0.9"]}
    with shop.store.read() as tx:
        assert tx.execute(select(func.count()).select_from(currency_rates)).scalar_one() == 1


def test_another_rate_of_the_same_version_is_a_mapping_that_was_mended_and_replaces_what_it_made(shop):
    shop.pull("currency_rate", rate("EUR", "1.1"), modstamp=7)
    shop.pull("currency_rate", rate("EUR", "0.909"), modstamp=7)
    assert known(shop) == {"EUR": ["0.909"]}


def test_that_the_record_was_saved_again_meanwhile_without_another_rate_does_not_matter(shop):
    shop.pull("currency_rate", rate("EUR", "1.1"), modstamp=7)
    shop.pull("currency_rate", rate("EUR", "1.1"), modstamp=9)
    shop.pull("currency_rate", rate("EUR", "0.909"), modstamp=9)
    assert known(shop) == {"EUR": ["0.909"]}


def test_a_rate_of_a_later_version_holds_from_its_day_on(shop):
    day = 86_400_000_000
    shop.pull("currency_rate", rate("EUR", "1.1"), modstamp=7 * day)
    shop.pull("currency_rate", rate("EUR", "1.2"), modstamp=9 * day)
    assert known(shop) == {"EUR": ["1.1", "1.2"]}
