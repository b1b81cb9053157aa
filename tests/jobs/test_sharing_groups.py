"""A group earns together and is paid apart: every account's part is its own standing, explained, and they add up."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

PROGRAM = """
key = "joint"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
[hierarchy]
roll_up = "parent"
pay = "share"
[[tiers]]
name = "Joint"
threshold = "300"
rate = "10%"
[[tiers]]
name = "Big"
threshold = "1000"
rate = "20%"
"""
JUNE = "2026-06"


@pytest.fixture
def family(shop):
    """Top buys nothing; A, B and C below it buy for 100 each."""
    shop.program(PROGRAM)
    shop.account("Top")
    for name in "ABC":
        shop.account(name, parent="Top")
        shop.order(f"1{name}", name, date(2026, 6, 2), {"amount": "100.10"})
    shop.sync()
    return shop


def june(shop) -> dict[str, Decimal]:
    return {name: rebate for (name, period), rebate in shop.rebates().items() if period == JUNE}


def test_the_parts_add_up_to_the_last_cent_and_nobody_else_is_paid(family):
    parts = june(family)
    assert parts == {
        "Top": Decimal(0), "A": Decimal("10.01"), "B": Decimal("10.01"), "C": Decimal("10.01"),
    }  # fmt: skip
    family.order("2A", "A", date(2026, 6, 3), {"amount": "0.20"})
    family.sync()
    parts = june(family)
    assert sum(parts.values()) == Decimal("30.05")
    assert sorted(parts.values()) == [Decimal(0), Decimal("10.01"), Decimal("10.01"), Decimal("10.03")]


def test_an_order_that_moves_to_a_sister_moves_the_parts_though_the_group_bought_the_same(family):
    family.order("1A", "B", date(2026, 6, 2), {"amount": "100.10"})
    family.sync()
    assert june(family) == {"Top": 0, "A": 0, "B": Decimal("20.02"), "C": Decimal("10.01")}
    assert family.broken_promises() == []


def test_each_standing_says_what_the_group_earned_and_what_the_account_brought(family):
    document = family.standings()["joint", "A", JUNE]
    assert (document["qualifier"], document["tier"], document["to_next_tier"]) == ("300.3", "Joint", "699.7")
    steps = [step["text"] for step in document["steps"]]
    top = family.id_of("Top")
    assert steps[-2:] == [
        "rebate 30.03 USD (exact)",
        f"share of {top}: 100.1 of 300.3 USD, so 10.01 of 30.03 USD",
    ]
    assert document["rebate_at_next_tier"] == "66.67", "a third of what the group is paid at the next tier"


def test_who_takes_back_more_than_it_buys_gets_nothing_and_the_others_share(family):
    family.order("2C", "C", date(2026, 6, 4), {"amount": "-100.20", "quantity": -1})
    family.order("2A", "A", date(2026, 6, 4), {"amount": "99.90"})
    family.sync()
    assert june(family) == {"Top": 0, "A": Decimal("19.99"), "B": Decimal("10.01"), "C": 0}


def test_an_account_that_leaves_the_family_shares_no_more(family):
    family.order("2A", "A", date(2026, 6, 4), {"amount": 200})
    family.account("B", parent=None)
    family.sync()
    assert june(family) == {"Top": 0, "A": Decimal("30.01"), "B": 0, "C": Decimal("10.01")}
    family.account("B", parent="Top")
    family.sync()
    assert sum(june(family).values()) == Decimal("50.03")


def numbers(shop, name: str, period: str = JUNE) -> tuple[str | None, str, Decimal]:
    document = shop.standings()["joint", name, period]
    return document["tier"], document["qualifier"], Decimal(document["rebate"])


JOINED = ("Joint", "300.3")


def test_an_account_that_took_everything_back_and_leaves_shows_nothing_of_the_family(family):
    family.order("2A", "A", date(2026, 6, 3), {"amount": "100.10"})
    family.order("1B", "B", date(2026, 6, 2), {"amount": "100.10", "deleted": True}, deleted=True)
    family.sync()
    assert numbers(family, "B") == (*JOINED, 0)
    family.account("B", parent=None)
    family.sync()
    assert numbers(family, "B") == (None, "0", 0)
    assert family.broken_promises() == []


def test_who_stands_below_an_account_that_leaves_the_family_leaves_it_too(family):
    family.account("Middle", parent="Top")
    family.account("B", parent="Middle")
    family.order("1B", "B", date(2026, 6, 2), {"amount": "100.10", "deleted": True}, deleted=True)
    family.order("2A", "A", date(2026, 6, 3), {"amount": "100.10"})
    family.sync()
    assert numbers(family, "B") == (*JOINED, 0)
    family.account("Middle", parent=None)
    family.sync()
    assert numbers(family, "B") == (None, "0", 0)
    assert family.broken_promises() == []


def test_an_account_that_is_deleted_shows_nothing_of_the_family(family):
    family.order("1B", "B", date(2026, 6, 2), {"amount": "100.10", "deleted": True}, deleted=True)
    family.order("2A", "A", date(2026, 6, 3), {"amount": "100.10"})
    family.sync()
    assert numbers(family, "B") == (*JOINED, 0)
    family.account("B", parent="Top", deleted=True)
    family.sync()
    assert numbers(family, "B") == (None, "0", 0)
    assert family.broken_promises() == []


def test_a_family_whose_head_takes_part_no_more_is_none(family):
    family.program(PROGRAM + '[members]\ntype = ["Head"]\n')
    family.account("Top", type="Head")
    family.order("1B", "B", date(2026, 6, 2), {"amount": "100.10", "deleted": True}, deleted=True)
    family.order("2A", "A", date(2026, 6, 3), {"amount": "100.10"})
    family.sync()
    assert numbers(family, "B") == (*JOINED, 0)
    family.account("Top", type="Nobody")
    family.sync()
    assert {numbers(family, name) for name in ("Top", "A", "B", "C")} == {(None, "0", 0)}
    assert family.broken_promises() == []


def test_who_comes_to_another_family_shows_that_ones_numbers(family):
    family.account("Other")
    family.account("D", parent="Other")
    family.order("1D", "D", date(2026, 6, 2), {"amount": 1000})
    family.order("1B", "B", date(2026, 6, 2), {"amount": "100.10", "deleted": True}, deleted=True)
    family.order("2A", "A", date(2026, 6, 3), {"amount": "100.10"})
    family.sync()
    family.account("B", parent="Other")
    family.sync()
    assert numbers(family, "B") == ("Big", "1000", 0)
    assert family.broken_promises() == []


def test_a_closed_month_is_corrected_for_everybody_in_the_family(family):
    family.today(date(2026, 7, 3))
    family.sync()
    family.order("9C", "C", date(2026, 6, 20), {"amount": "300.30"})
    family.sync()
    assert june(family) == {"Top": 0, "A": Decimal("10.01"), "B": Decimal("10.01"), "C": Decimal("40.04")}
    assert family.broken_promises() == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ('[settlement]\nwindow = "year"\n', "no owner among the members"),
        ('[limits]\nmin_payout = "10"\n', "no owner among the members"),
    ],
)
def test_what_is_settled_over_several_months_is_not_shared(shop, change, reason):
    text = PROGRAM + change if "[settlement]" in change else 'min_payout = "10"\n' + PROGRAM
    shop.program(text)
    (refused,) = shop.sync().refused
    assert reason in refused.reason


def test_a_group_of_which_nobody_says_who_is_paid_is_refused(shop):
    members = '[[hierarchy.members]]\naccount = "001Az"\ngroup = "East"\n'
    text = PROGRAM.replace('"parent"\npay = "share"', '"group"').replace(
        "[[tiers]]", members + "[[tiers]]", 1
    )
    shop.program(text)
    (refused,) = shop.sync().refused
    assert "nobody says which account is paid for East" in refused.reason


def test_first_come_is_the_group_that_ordered_first_and_not_its_payee_in_another(shop):
    """Acme buys for West and is paid for East, too: its own order says nothing of when East came."""
    acme, beta, care = (shop.id_of(name) for name in ("Acme", "Beta", "Care"))
    groups = f'[[hierarchy.members]]\naccount = "{care}"\ngroup = "East"\n'
    groups += f'[[hierarchy.members]]\naccount = "{acme}"\ngroup = "West"\n'
    groups += f'[hierarchy.payees]\nEast = "{acme}"\nWest = "{beta}"\n'
    together = PROGRAM.replace('roll_up = "parent"', 'roll_up = "group"')
    shop.program(together.replace("[hierarchy]", 'budget = "500"\n[hierarchy]') + groups)
    for name in ("Acme", "Beta", "Care"):
        shop.account(name)
    shop.order("1", "Acme", date(2026, 6, 2), {"amount": 2000})
    shop.order("2", "Care", date(2026, 6, 5), {"amount": 2000})
    assert not shop.sync().refused
    assert june(shop) == {"Acme": Decimal(400), "Beta": 0, "Care": Decimal(100)}
