"""A payout that waits while its account is in the recycle bin is owed still: it is sent once the account is back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import update

from jobs.payouts import key_of
from state import addressees, outbox
from state.tables.work import outbox as rows_of
from tests.jobs.conftest import ORG
from tests.jobs.test_payouts_in_the_store import MAY, settle, waiting


def of_acme(shop):
    """Number → amount of the payouts that wait for whoever is paid for Acme."""
    keys = {key_of(ORG, "care", shop.id_of("Acme"), "2026-05", number): number for number in range(1, 9)}
    return {keys[key]: row["Amount__c"] for key, row in waiting(shop).items() if key in keys}


@pytest.mark.parametrize("state", ["pending", "quarantined"])
def test_a_payout_that_waited_while_its_account_was_deleted_is_sent_once_it_is_back(shop, state):
    settle(shop)
    with shop.opened.store.transaction() as tx:
        values = {"state": state, "stuck": None if state == "pending" else "refused"}
        tx.execute(update(rows_of).where(rows_of.c.kind == "event").values(values))
    shop.account("Acme", deleted=True)
    shop.sync()
    assert of_acme(shop) == {}, "there is nobody to pay"
    assert shop.broken_promises() == []
    shop.account("Acme")
    shop.sync()
    found = of_acme(shop)
    assert (found[1], sum(found.values())) == (Decimal(60), Decimal(60)), "what it is worth, once"
    assert shop.broken_promises() == []
    shop.sync()
    assert of_acme(shop) == found


def test_a_payout_that_was_given_up_goes_to_who_the_account_was_merged_into(shop):
    settle(shop)
    shop.account("Acme", deleted=True)
    shop.sync()
    shop.pull(
        "account",
        {"id": shop.id_of("Acme"), "name": "Acme", "deleted": True, "master_id": shop.id_of("Bell")},
    )
    shop.sync()
    assert of_acme(shop)[1] == Decimal(60)
    assert {row["Account__c"] for row in waiting(shop).values()} == {shop.id_of("Bell")}
    assert shop.broken_promises() == []


def test_a_payout_that_the_org_turns_out_to_have_is_not_sent_when_its_account_is_back(shop):
    settle(shop)
    key = key_of(ORG, "care", shop.id_of("Acme"), "2026-05", 1)
    shop.account("Acme", deleted=True)
    shop.sync()
    with shop.opened.store.transaction() as tx:
        addressees.delivered(tx, "Rebate_Payout__c", key, sf_id="a001", now=shop.clock.now())
    shop.account("Acme")
    shop.sync()
    assert 1 not in of_acme(shop)
    with shop.opened.store.read() as tx:
        (row,) = [one for one in outbox.listed(tx, limit=99, states=("done",)) if one.ext_key == key]
    assert row.payload["Amount__c"] == Decimal(60)


def test_one_order_of_an_account_that_is_back_is_corrected_beside_what_was_settled(shop):
    settle(shop)
    shop.account("Acme", deleted=True)
    shop.sync()
    shop.account("Acme")
    shop.order("late", "Acme", MAY, {"amount": 100})
    shop.sync()
    assert sum(of_acme(shop).values()) == Decimal(70)
    assert shop.broken_promises() == []
