"""What `explain` lists as counted is one row an order, and adds up to what the standing says was counted."""

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal

import pytest
from rich.console import Console

from cli.standings import show_explanation
from jobs.explanation import explain

HEAD = """
key = "care"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
"""
TIERS = """
[[tiers]]
name = "Silver"
threshold = "100"
rate = "10%"
"""
SHARED = '[hierarchy]\nroll_up = "parent"\npay = "share"\n'
MEASURED = '[measure_counts]\nproduct.family = ["Care"]\n'
JUNE = date(2026, 6, 2)


@pytest.fixture
def family(shop):
    """Acme buys for 400 and 50, of which 400 is Care; Bell below it for 200."""
    shop.product("Soap", family="Care")
    shop.account("Acme")
    shop.account("Bell", parent="Acme")
    shop.order("1", "Acme", JUNE, {"amount": 400, "product": "Soap"})
    shop.order("2", "Acme", JUNE, {"amount": 50})
    shop.order("3", "Bell", JUNE, {"amount": 200})
    return shop


def shown(shop, account):
    (one,) = explain(shop.opened, account)
    console = Console(file=io.StringIO(), width=200)
    show_explanation(console, one)
    return one, console.file.getvalue()


@pytest.mark.parametrize("more", [SHARED, MEASURED, SHARED + MEASURED])
def test_every_order_is_one_row_and_the_rows_are_what_was_counted(family, more):
    family.program(HEAD + more + TIERS)
    family.sync()
    one, told = shown(family, "Acme")
    assert len({row.order_id for row in one.orders}) == len(one.orders)
    assert sum(row.amount for row in one.orders) == Decimal(one.document["qualifying_amount"])
    assert sum(line.split()[:2] == ["1", "2026-06-02"] for line in told.splitlines()) == 1, told


def test_a_part_of_a_group_lists_what_it_brought(family):
    family.program(HEAD + SHARED + TIERS)
    family.sync()
    one, told = shown(family, "Bell")
    assert [(row.order_number, row.amount) for row in one.orders] == [("3", 200)]
    assert "200 of 650 USD" in told
    assert f"share of Acme ({family.id_of('Acme')})" in " ".join(told.split())


def test_who_left_the_family_sees_its_own_orders_once(family):
    family.program(HEAD + SHARED + TIERS)
    family.sync()
    family.account("Bell", parent=None)
    family.sync()
    for name in ("Acme", "Bell"):
        one, _ = shown(family, name)
        assert sum(row.amount for row in one.orders) == Decimal(one.document["qualifying_amount"])


def test_an_order_that_is_only_paid_on_is_listed_apart(family):
    narrow = '[measure_counts]\nproduct.family = ["Care"]\n[qualifier_counts]\norder.type = ["Big"]\n'
    family.program(HEAD + narrow + TIERS)
    family.order("4", "Acme", JUNE, {"amount": 70}, type="Big")
    family.sync()
    one, told = shown(family, "Acme")
    assert [row.order_number for row in one.orders] == ["4"]
    assert {(row.order_number, row.bucket) for row in one.elsewhere} == {
        ("1", "measure"), ("1", "all"), ("2", "all"),
    }  # fmt: skip
    assert "not for the tier, but counted in" in told
