"""A thousand accounts and twenty thousand orders: to the cent, on both databases, in the org and in the store."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from recomputation import expected_standings
from worlds import raw

from emulator import wire
from emulator.seed_generated import seed_generated
from state import standings
from state.store import Store


def by_key(store):
    with store.read() as tx:
        return {(row.member, row.program, row.period): row for row in standings.find(tx)}


@pytest.mark.postgres
@pytest.mark.long
@pytest.mark.timeout(900)
def test_twenty_thousand_orders_come_out_right_on_both_databases(new_world, postgres, monkeypatch):
    world = new_world(lambda org: seed_generated(org, 1000, 20_000, 7))
    assert world("org", "deploy").code == 0
    done = world("sync", "--json")
    assert done.code == 0, done.text
    assert wire  # the emulator's encodings are read below

    # the store against an independent recomputation from the org's raw rows
    org = world.org
    expected = expected_standings(
        raw(org, "Account", "Id", "Type"),
        raw(org, "Product2", "Id", "Family"),
        raw(org, "Order", "Id", "AccountId", "StatusCode", "EffectiveDate"),
        raw(org, "OrderItem", "OrderId", "Product2Id", "TotalPrice"),
    )
    store = Store.open(f"sqlite:///{world.folder}/rebates.db")
    found = by_key(store)
    assert len(expected) > 2_500
    for key, wanted in expected.items():
        row = found[key]
        assert (Fraction(row.rebate), row.tier, Fraction(row.qualifier)) == (
            wanted.rebate,
            wanted.tier,
            wanted.amount,
        ), key
    for key, row in found.items():
        if key not in expected:
            assert (row.rebate, row.qualifier) == (0, 0), f"{key} counts nothing"

    # the org's records against the store
    shown = {}
    for page in range(0, 100_000, 2_000):
        rows = (
            world.rows(
                "SELECT Account__c, Program_Key__c, Period__c, Rebate__c, Tier__c, Qualifying_Amount__c FROM Rebate_Standing__c "
                f"ORDER BY Id LIMIT 2000 OFFSET {page}"
            )
            if page <= 2_000
            else []
        )
        shown |= {(r["Account__c"], r["Program_Key__c"], r["Period__c"]): r for r in rows}
        if len(rows) < 2_000:
            break
    in_org = {
        (r["Account__c"], r["Program_Key__c"], r["Period__c"]): r
        for r in raw(
            org,
            "Rebate_Standing__c",
            "Account__c",
            "Program_Key__c",
            "Period__c",
            "Rebate__c",
            "Tier__c",
            "Qualifying_Amount__c",
        )
    }
    assert in_org.keys() == found.keys()
    for key, row in found.items():
        record = in_org[key]
        assert (record["Rebate__c"], record["Tier__c"]) == (Fraction(row.rebate), row.tier), key
        assert record["Qualifying_Amount__c"] == Fraction(row.qualifier), key
    for key, record in shown.items():
        assert Decimal(str(record["Rebate__c"])) == found[key].rebate, "and as the API says it"

    # PostgreSQL: the same, to the byte
    monkeypatch.setenv("REBATES_STATE_URL", postgres)
    done = world("sync", "--json")
    assert done.code == 0, done.text
    other = Store.open(postgres)
    theirs = by_key(other)
    assert theirs.keys() == found.keys()
    assert all(theirs[key].document == row.document for key, row in found.items())
    store.close()
    other.close()
