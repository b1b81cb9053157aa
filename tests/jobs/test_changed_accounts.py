"""A field that somebody changes on an account takes back what was settled and paid: a sync says so, with the money."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from jobs.refusals import TooSurprising
from state import audit, meta, payouts_listed

PROGRAM = """
key = "partners"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
[members]
type = ["Partner"]
[[tiers]]
name = "All"
threshold = "0"
rate = "10%"
"""
CHAIN = PROGRAM.replace("[[tiers]]", '[hierarchy]\nroll_up = "parent"\n[[tiers]]', 1).replace(
    '[members]\ntype = ["Partner"]\n', ""
)
JUNE = date(2026, 6, 10)


@pytest.fixture
def world(make_shop):
    def made(program=PROGRAM, **accounts):
        shop = make_shop()
        shop.today(date(2026, 6, 12))
        shop.program(program)
        for name, (amount, fields) in accounts.items():
            shop.account(name, **fields)
            if amount:
                shop.order(f"of {name}", name, JUNE, {"amount": amount})
        shop.sync()
        shop.today(date(2026, 7, 2))
        shop.sync()
        shop.today(date(2026, 7, 4))
        return shop

    return made


def booked(shop):
    with shop.opened.store.read() as tx:
        return [
            (one.due.amount, one.due.told_apart)
            for one in payouts_listed.listed(tx)
            if one.due.kind == "adjustment"
        ]


def test_a_partner_that_becomes_something_else_is_named_with_the_field_and_the_money(world):
    shop = world(Acme=(83400, {"type": "Partner"}), Bolt=(100, {"type": "Partner"}))
    shop.account("Acme", type="Distributor")
    (said,) = shop.sync().problems
    assert f"the account Acme ({shop.id_of('Acme')}): type Partner -> Distributor" in said
    assert "1 amount that partners had settled by -8340.00 USD" in said
    assert booked(shop) == [(Decimal(-8340), False)], "no line was late, so none is called late"
    with shop.opened.store.read() as tx:
        (deed,) = [one for one in audit.entries(tx, limit=20) if one.action == "settled money moved"]
    assert deed.object == shop.id_of("Acme")
    values = {shop.id_of("Acme"): {"type": ["Partner", "Distributor"]}}
    told = {"program": "partners", "amounts": 1, "by": "-8340.00 USD", "changed": ["type"], "values": values}
    assert deed.detail == told
    assert shop.sync().problems == (), "it is told once"
    shop.account("Acme", type="Partner")
    assert "by 8340.00 USD" in shop.sync().problems[0]
    assert shop.broken_promises() == []


def test_a_child_that_leaves_its_family_takes_its_share_with_it(world):
    shop = world(CHAIN, Parent=(1000, {}), Child=(500, {"parent": "Parent"}))
    shop.account("Child")
    (said,) = shop.sync().problems
    assert f"parent_id {shop.id_of('Parent')} -> not set" in said
    assert "2 amounts that partners had settled, together by 0.00 USD" in said
    assert booked(shop) == [(Decimal(-50), False), (Decimal(50), False)]


def test_fields_that_no_program_asks_and_late_orders_are_no_such_news(world):
    shop = world(Acme=(1000, {"type": "Partner"}))
    shop.account("Acme", type="Partner", city="Ulm")
    shop.order("late", "Acme", JUNE, {"amount": 100})
    assert shop.sync().problems == ()
    assert booked(shop) == [(Decimal(10), True)]


def test_a_market_that_an_account_comes_to_moves_what_was_settled(world):
    market = '[market.emea]\nregion = ["EMEA"]\n[market.emea.tiers.All]\nrate = "20%"\n'
    shop = world(PROGRAM + market, Acme=(1000, {"type": "Partner", "region": "US"}))
    shop.account("Acme", type="Partner", region="EMEA")
    (said,) = shop.sync().problems
    assert "region US -> EMEA" in said
    assert booked(shop) == [(Decimal(100), False)]


def test_terms_that_hold_for_the_past_say_what_they_correct(world):
    shop = world(Acme=(1000, {"type": "Partner"}), Bolt=(100, {"type": "Partner"}))
    shop.program(PROGRAM.replace("10%", "12%"))
    (said,) = shop.sync().problems
    assert said.startswith("the terms of partners changed, and with them 2 amounts that partners had settled")
    assert "together by 22.00 USD" in said


def refuse(shop, program=PROGRAM):
    shop.program(program.replace("[[tiers]]", '[counts]\norder.number = {at_least = "1"}\n[[tiers]]', 1))


def test_what_changed_while_a_program_was_refused_is_named_when_it_is_valid_again(world):
    shop = world(Acme=(83400, {"type": "Partner"}), Bolt=(100, {"type": "Partner"}))
    refuse(shop)
    assert len(shop.sync().refused) == 1
    shop.account("Acme", type="Distributor", region="EMEA")
    shop.account("Bolt", type="Distributor")
    shop.sync()
    shop.account("Bolt", type="Partner")
    assert booked(shop) == [] and len(shop.sync().refused) == 1
    shop.program(PROGRAM)
    (said,) = shop.sync().problems
    assert f"the account Acme ({shop.id_of('Acme')}): type Partner -> Distributor" in said
    assert "by -8340.00 USD" in said
    assert booked(shop) == [(Decimal(-8340), False)]
    shop.account("Acme", type="Partner")
    assert "type Distributor -> Partner" in shop.sync().problems[0], "what waited is forgotten"


def test_a_market_that_an_account_came_to_while_one_program_was_refused_is_no_cause_in_another(world):
    market = '[market.emea]\nregion = ["EMEA"]\n[market.emea.tiers.All]\nrate = "20%"\n'
    shop = world(PROGRAM + market, Acme=(1000, {"type": "Partner", "region": "US"}))
    other = (PROGRAM + market).replace('"partners"', '"others"')
    shop.program(other, "other")
    shop.settings["payouts.settle_from"] = "2026-06-01"
    shop.sync()
    refuse(shop, PROGRAM + market)
    shop.account("Acme", type="Partner", region="EMEA")
    (said,) = [one for one in shop.sync().problems if "that others had settled" in one]
    assert "region US -> EMEA" in said
    shop.program(PROGRAM + market)
    shop.order("late", "Acme", JUNE, {"amount": 100})
    (said,) = shop.sync().problems
    assert "region US -> EMEA" in said and "that partners had settled" in said, (
        "and the other had a late order"
    )


def test_a_large_partner_that_changes_while_its_program_is_refused_stops_at_the_fuse(world):
    small = {f"Small{n}": (10, {"type": "Partner"}) for n in range(25)}
    shop = world(Acme=(83400, {"type": "Partner"}), **small)
    refuse(shop)
    shop.account("Acme", type="Distributor")
    shop.sync()
    shop.program(PROGRAM)
    with pytest.raises(TooSurprising, match="changed accounts, would move 8340 of the 8365 that it settled"):
        shop.sync()


@pytest.mark.parametrize("upgraded", [True, False])
def test_what_an_upgrade_corrects_is_not_called_other_terms(world, upgraded):
    """A store of an older version: it spelled the same program otherwise, and had not counted an order."""
    shop = world(Acme=(1000, {"type": "Partner"}))
    shop.order("late", "Acme", JUNE, {"amount": 100})
    with shop.opened.store.transaction() as tx:
        tx.exec_driver_sql("UPDATE programs SET content_hash = 'as it was spelled then'")
        if upgraded:
            meta.put(tx, "rules", "0")
    said = shop.sync().problems
    assert [amount for amount, _ in booked(shop)] == [Decimal(10)]
    assert any("the terms of partners changed" in one for one in said) is not upgraded
    assert any("computed by an earlier version" in one for one in said) is upgraded


def test_a_program_that_was_removed_and_comes_back_as_it_was_has_no_new_terms(world):
    """A large late order meanwhile: that is more than the fuse lets other terms move."""
    small = {f"Small{n}": (10, {"type": "Partner"}) for n in range(25)}
    shop = world(Acme=(1000, {"type": "Partner"}), **small)
    file = shop.folder / "programs" / "program.toml"
    file.unlink()
    shop.sync()
    shop.order("late", "Acme", JUNE, {"amount": 500})
    shop.sync()
    shop.program(PROGRAM)
    assert shop.sync().problems == ()
    assert booked(shop) == [(Decimal(50), True)]


def test_a_few_large_partners_that_are_most_of_the_money_stop_at_the_fuse(world):
    small = {f"Small{n}": (10, {"type": "Partner"}) for n in range(25)}
    shop = world(Acme=(83400, {"type": "Partner"}), **small)
    shop.account("Acme", type="Distributor")
    with pytest.raises(TooSurprising, match="changed accounts, would move 8340 of the 8365 that it settled"):
        shop.sync()
    assert booked(shop) == []
    shop.settings["payouts.correct_share"] = 1
    assert "type Partner -> Distributor" in shop.sync().problems[0], "what was refused is still known"
    shop.account("Small1", type="Distributor")
    assert "by -1.00 USD" in shop.sync().problems[0], "a small one passes, and is named"


@pytest.mark.parametrize("upgraded", [True, False])
def test_what_newer_rules_move_is_held_against_the_money_as_well(world, upgraded):
    """The older version had not counted an order of the largest partner; a late order alone is ordinary business."""
    small = {f"Small{n}": (10, {"type": "Partner"}) for n in range(25)}
    shop = world(Acme=(83400, {"type": "Partner"}), **small)
    shop.order("late", "Acme", JUNE, {"amount": 50000})
    if not upgraded:
        shop.sync()
        assert [amount for amount, _ in booked(shop)] == [Decimal(5000)]
        return
    with shop.opened.store.transaction() as tx:
        meta.put(tx, "rules", "0")
    with pytest.raises(TooSurprising, match=r"newer rules of ours, .* would move 5000 of the 8365"):
        shop.sync()
    assert booked(shop) == []


def test_a_partner_that_is_merged_takes_its_payouts_along_and_stops_at_no_fuse(world):
    """Six hundred of thirty-six hundred go from one account to another: that is a third of the money, and nobody's loss."""
    small = {f"Small{n}": (100, {"type": "Partner"}) for n in range(30)}
    shop = world(Acme=(600, {"type": "Partner"}), **small)
    merged = {"deleted": True, "master_id": shop.id_of("Small0")}
    shop.pull("account", {"id": shop.id_of("Acme"), "name": "Acme", "type": "Partner", **merged})
    (said,) = shop.sync().problems
    assert f"the account Acme ({shop.id_of('Acme')}) was merged into {shop.id_of('Small0')}" in said
    assert "2 amounts that partners had settled, together by 0.00 USD" in said
    assert "put it back" not in said
    assert booked(shop) == [(Decimal(-60), False), (Decimal(60), False)]
    with shop.opened.store.read() as tx:
        (deed,) = [one for one in audit.entries(tx, limit=20) if one.action == "settled money moved"]
    assert deed.detail["changed"] == "merge"
    assert shop.broken_promises() == []


def test_a_family_whose_head_is_merged_goes_along_with_what_was_paid_for_it(world):
    small = {f"Small{n}": (100, {}) for n in range(30)}
    shop = world(CHAIN, Parent=(0, {}), Child=(600, {"parent": "Parent"}), **small)
    merged = {"deleted": True, "master_id": shop.id_of("Small0")}
    shop.pull("account", {"id": shop.id_of("Parent"), "name": "Parent", **merged})
    shop.account("Child", parent="Small0")
    (said,) = shop.sync().problems
    assert f"parent_id {shop.id_of('Parent')} -> {shop.id_of('Small0')}" in said
    assert "put it back" not in said
    shop.account("Child", parent="Small1")
    with pytest.raises(TooSurprising, match="changed accounts, would move"):
        shop.sync()
