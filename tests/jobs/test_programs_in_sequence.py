"""Programs one after the other: the later is paid on what the earlier left, whatever is computed first or changes last."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from jobs.trial import run_trial
from rebates import parse_program
from tests.jobs.test_every_kind_of_program import BUYERS, HEAD, LADDER, Sales, furnish

SEQUENCE = '[stacking]\nmode = "sequential"\norder = {order}\n{rest}'
STEADY = "[[tiers]]\nname = 'Base'\nthreshold = '0'\nrate = '30%'\n"
SIMPLE = """
key = "{key}"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
{rest}
[stacking]
mode = "sequential"
order = {order}
[[tiers]]
threshold = "0"
rate = "{rate}"
"""


def four(order: list[int]) -> list[str]:
    """Monthly on everything, then quarterly on care products with a budget, then two on what both left."""
    care = '[counts]\nproduct.family = ["Care"]\n'
    last = '[measure_counts]\nproduct.family = ["Care", "Color"]\n'
    return [
        HEAD.format(key="first", period="month") + LADDER + SEQUENCE.format(order=order[0], rest=""),
        'budget = "900"\n' + HEAD.format(key="second", period="quarter") + care + STEADY
        + SEQUENCE.format(order=order[1], rest=""),
        HEAD.format(key="third", period="quarter") + last + LADDER + SEQUENCE.format(order=order[2], rest=""),
        HEAD.format(key="fourth", period="month") + STEADY
        + SEQUENCE.format(order=order[3], rest='base = "full"\nreduces = false\n'),
    ]  # fmt: skip


def test_the_store_says_what_the_trial_says_whatever_changes(make_shop):
    shop = make_shop()
    ids = {buyer: shop.id_of(buyer) for buyer in BUYERS}
    texts = four([1, 2, 3, 4])
    sales, today = Sales(5, currencies=False), date(2026, 11, 24)
    shop.today(today)
    for number, text in enumerate(texts):
        shop.program(text, f"p{9 - number}")  # read in the opposite order
    furnish(shop, currencies=False)
    sales.into(shop)
    for round_ in range(4):
        assert not shop.sync().refused
        same(shop, texts, sales, ids, today)
        if round_ == 2:  # another order of the same programs
            texts = four([3, 1, 2, 1])
            for number, text in enumerate(texts):
                shop.program(text, f"p{9 - number}")
            continue
        sales.into(shop, {sales.add(), sales.change(), sales.change()})
    assert shop.broken_promises() == []


def same(shop, texts, sales, ids, today) -> None:
    trial = run_trial([parse_program(text, "p") for text in texts], sales.files(ids), as_of=today)
    store = {(p, ids[name], period): doc for (p, name, period), doc in shop.standings().items()}
    reduced = 0
    for row in trial.standings:
        at = row.standing
        doc = store[at.program, at.member or "", at.period.key]
        assert Decimal(doc["rebate"]) == at.rebate, (at.program, at.member, at.period.key)
        reduced += bool(at.working.inputs.reduction)
    assert reduced > 20


def test_ten_percent_and_then_five_of_the_rest(shop):
    shop.program(SIMPLE.format(key="ten", order=1, rate="10%", rest=""), "b")
    shop.program(SIMPLE.format(key="five", order=2, rate="5%", rest=""), "a")
    shop.account("Acme")
    shop.order("1", "Acme", date(2026, 6, 2), {"amount": 100})
    shop.sync()
    assert shop.rebates("ten") == {("Acme", "2026-06"): Decimal(10)}
    assert shop.rebates("five") == {("Acme", "2026-06"): Decimal("4.5")}
    steps = [step["text"] for step in shop.standings("five")["five", "Acme", "2026-06"]["steps"]]
    assert "10.00 USD that earlier programs paid on these lines is not paid on again" in steps


def test_a_line_that_moves_into_both_programs_lowers_the_later_though_both_sold_the_same(shop):
    """Care counts in the first, Blue in the second; the totals of both stay, what is common does not."""
    care, blue = '[counts]\nproduct.family = ["Care"]', "[counts]\nproduct.code = ['Blue']"
    shop.program(SIMPLE.format(key="care", order=1, rate="10%", rest=care), "a")
    shop.program(SIMPLE.format(key="blue", order=2, rate="10%", rest=blue), "b")
    shop.account("Acme")
    shop.product("1", family="Care", code="Red")
    shop.product("2", family="Tools", code="Blue")
    shop.product("3", family="Care", code="Blue")
    shop.product("4", family="Tools", code="Red")
    day = date(2026, 6, 2)
    shop.order("1", "Acme", day, {"amount": 100, "product": "1"}, {"amount": 100, "product": "2"})
    shop.sync()
    assert shop.rebates("blue") == {("Acme", "2026-06"): Decimal(10)}
    shop.order("1", "Acme", day, {"amount": 100, "product": "3"}, {"amount": 100, "product": "4"})
    shop.sync()
    assert shop.rebates("care") == {("Acme", "2026-06"): Decimal(10)}
    assert shop.rebates("blue") == {("Acme", "2026-06"): Decimal(9)}


def test_without_what_comes_before_it_a_program_is_not_computed(shop):
    shop.program(
        SIMPLE.format(key="ten", order=1, rate="10%", rest="") + '[settlement]\nwindow = "year"\n', "a"
    )
    shop.program(SIMPLE.format(key="five", order=2, rate="5%", rest=""), "b")
    refused = {one.key: one.reason for one in shop.sync().refused}
    assert refused.keys() == {"ten", "five"}
    assert refused["five"] == "it is paid on what ten leaves, which is not computed"
