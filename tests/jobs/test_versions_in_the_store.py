"""An amendment from a day on (`as_of`): lines before it keep the earlier terms, lines after it have the new ones."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from jobs.explanation import explain
from jobs.refusals import Unusable
from jobs.store_facts import diff_store
from jobs.trial import run_trial
from jobs.trial_files import TrialFiles
from rebates import InvalidProgram, parse_program
from tests.jobs.test_every_kind_of_program import (
    BUYERS,
    GROUPS,
    HEAD,
    LADDER,
    RATIOS,
    Sales,
    compare,
    found,
    furnish,
)

BETTER = LADDER.replace("2.5%", "3%").replace("7%", "11.5%").replace("4000", "3000")
AS_OF = 'amendment = "as_of"\neffective_from = {}\n'
FIXED = '[[tiers]]\nname = "All"\nthreshold = "1"\namount = "1200"\n'
CARE = '[counts]\nproduct.family = ["Care"]\n'
MARKET = '[market.emea]\nregion = ["EMEA"]\n[market.emea.tiers.Gold]\nrate = "20%"\n'

FAMILIES: dict[str, list[str]] = {
    "better rates from May": ["", LADDER, AS_OF.format("2026-05-17"), BETTER],
    "bands": ['method = "stepped"\n', LADDER, AS_OF.format("2026-05-17") + 'method = "stepped"\n', BETTER],
    "capped, with a guarantee": [
        "", LADDER, AS_OF.format("2026-02-28") + 'max_payout = "150"\nguarantee = "20"\n', BETTER,
    ],
    "other products": ["", CARE + LADDER, AS_OF.format("2026-08-01"), LADDER],
    "year to date": [
        "", LADDER + '[settlement]\nwindow = "year"\n',
        AS_OF.format("2026-05-17"), BETTER + '[settlement]\nwindow = "year"\n',
    ],
    "markets": ["", LADDER + MARKET, AS_OF.format("2026-05-17"), BETTER],
    "only the earlier terms are prorated": [
        "", FIXED + '[proration]\nby = "days"\nof = ["threshold", "amount"]\n', AS_OF.format("2026-03-25"), FIXED,
    ],
    "only the earlier terms shorten a newcomer's baseline": [
        'qualifier = "growth"\n', RATIOS + '[growth]\nbaseline = "2000"\nnew_members = "prorate"\n',
        AS_OF.format("2026-03-25") + 'qualifier = "growth"\n', RATIOS + '[growth]\nbaseline = "2000"\n',
    ],
    "fewer members": ["", LADDER, AS_OF.format("2026-05-17"), BETTER + '[members]\nregion = ["EMEA"]\n'],
    "a group is formed": [
        "", LADDER, AS_OF.format("2026-05-01"),
        BETTER + '[hierarchy]\nroll_up = "group"\n' + GROUPS + '[hierarchy.payees]\nEast = "{A0}"\nWest = "{A4}"\n',
    ],
    "three versions": [
        "", LADDER, AS_OF.format("2026-04-11"), CARE + BETTER, AS_OF.format("2026-04-21"), LADDER + MARKET,
    ],
    "a correction in between": [
        "", CARE + LADDER, 'effective_from = 2026-03-01\namendment = "latest"\n', LADDER, AS_OF.format("2026-06-11"), BETTER,
    ],
    "returns to the terms of their original": [
        'returns = "original_period"\n', LADDER, AS_OF.format("2026-05-17") + 'returns = "original_period"\n', BETTER,
    ],
    "currencies at other fixed rates": [
        'currency_policy = "fixed"\n', LADDER + '[rates]\nEUR = "1.10"\n',
        AS_OF.format("2026-05-17") + 'currency_policy = "fixed"\n', LADDER + '[rates]\nEUR = "1.30"\n',
    ],
    "currencies by day, then at fixed rates, then by average": [
        "", LADDER, AS_OF.format("2026-04-17") + 'currency_policy = "fixed"\n', LADDER + '[rates]\nEUR = "1.30"\n',
        AS_OF.format("2026-05-17") + 'currency_policy = "period_average"\n', BETTER,
    ],
    "what is paid on is narrowed": ["", LADDER, AS_OF.format("2026-05-17"), "[measure_counts]\nproduct.family = ['Care']\n" + BETTER],
    "what qualifies is narrowed with a period": [
        "", LADDER, AS_OF.format("2026-07-01"), "[qualifier_counts]\nproduct.family = ['Care']\n" + BETTER,
    ],
}  # fmt: skip


def texts_of(kind: str, ids: dict[str, str]) -> list[str]:
    parts = FAMILIES[kind]
    period = "month" if "year" in kind else "quarter"
    texts = [
        keys + HEAD.format(key="k", period=period) + tables
        for keys, tables in zip(parts[::2], parts[1::2], strict=True)
    ]
    for name, sf_id in ids.items():
        texts = [text.replace(f"{{{name}}}", sf_id) for text in texts]
    return texts


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_store_says_what_the_trial_says_before_and_after_changes(make_shop, kind):
    shop = make_shop()
    ids = {buyer: shop.id_of(buyer) for buyer in BUYERS}
    texts = texts_of(kind, ids)
    currencies = kind.startswith("currencies")
    sales, today = Sales(7, currencies=currencies, returns="returns" in kind), date(2026, 11, 24)
    shop.today(today)
    for number, text in enumerate(texts):
        shop.program(text, f"p{9 - number}")
    furnish(shop, currencies=currencies)
    sales.into(shop)
    for _ in range(3):
        assert not shop.sync().refused
        trial = run_trial([parse_program(text, "p") for text in texts], sales.files(ids), as_of=today)
        wanted = {
            (row.standing.member or "", row.standing.period.key): (
                row.standing.rebate, row.standing.tier, row.standing.qualifier,
                bool(row.standing.incomplete), row.paid,
                [step.text for step in row.standing.steps if " converted to " in step.text],
            )
            for row in trial.standings
        }  # fmt: skip
        compare(found(shop, ids), wanted)
        sales.into(shop, {sales.add(), sales.change(), sales.change()})
    assert shop.broken_promises() == []


OLD = """
key = "care"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
[[tiers]]
name = "All"
threshold = "0"
rate = "10%"
"""
NEW = AS_OF.format("2026-06-16") + OLD.replace('"10%"', '"20%"') + CARE


@pytest.fixture
def amended(shop):
    """Acme bought for 100 before the amendment and for 100 of each family after it."""
    shop.today(date(2026, 6, 20))
    shop.program(OLD, "a")
    shop.account("Acme")
    shop.product("Cream", family="Care")
    shop.product("Brush", family="Tools")
    shop.order("1", "Acme", date(2026, 6, 15), {"amount": 100, "product": "Brush"})
    shop.order(
        "2",
        "Acme",
        date(2026, 6, 16),
        {"amount": 100, "product": "Cream"},
        {"amount": 100, "product": "Brush"},
    )
    shop.sync()
    return shop


def test_a_second_file_amends_the_program_from_its_day_on(amended):
    assert amended.rebates() == {("Acme", "2026-06"): Decimal(30)}
    amended.program(NEW, "b")
    amended.sync()
    assert amended.rebates() == {("Acme", "2026-06"): Decimal(30)}  # 10 % of 100 and 20 % of 100
    steps = [step["text"] for step in amended.standings()["care", "Acme", "2026-06"]["steps"]]
    assert "100 USD on the terms from 2026-01-01: All, 10%: 10.00" in steps
    assert "100 USD on the terms from 2026-06-16: All, 20%: 20.00" in steps
    (explained,) = explain(amended.opened, "Acme")
    (left_out,) = explained.not_counted
    assert "family" in left_out.reason
    assert left_out.line.order_number == "2"


def test_the_diff_shows_what_the_amendment_does_before_it_is_activated(amended):
    old, new = parse_program(OLD, "old"), parse_program(NEW.replace('"20%"', '"50%"'), "new")
    done = diff_store(amended.opened, old, new)
    (moved,) = done.moved
    assert (moved.period, moved.change) == (
        "2026-06",
        Decimal(30),
    )  # 10 % of 100 and 50 % of 100, instead of 30
    assert amended.rebates() == {("Acme", "2026-06"): Decimal(30)}


def test_without_the_earlier_terms_an_amendment_is_refused_and_nothing_moves(amended):
    amended.program(NEW, "a")
    (refused,) = amended.sync().refused
    assert "the file with the terms before it (the same key) is missing" in refused.reason
    assert amended.rebates() == {("Acme", "2026-06"): Decimal(30)}


def test_two_files_that_begin_on_one_day_are_not_two_versions(amended):
    amended.program(OLD, "b")
    with pytest.raises(Unusable, match="have the key care: two versions of care begin on 2026-01-01"):
        amended.sync()


PRICES = """
[ship_and_debit]
lines = "price_difference"
[[ship_and_debit.agreements]]
name = "S"
reference = "10"
price = "{}"
"""
YEAR = OLD.replace('"month"', '"year"').replace('"10%"', '"1%"')


def test_units_sold_at_a_special_price_keep_the_price_of_their_day(shop):
    shop.program(YEAR + PRICES.format("8.50"), "a")
    shop.program(AS_OF.format("2026-03-01") + YEAR + PRICES.format("8.00"), "b")
    shop.account("Acme")
    special = {"agreement": "S"}
    shop.order("1", "Acme", date(2026, 2, 2), {"amount": 850, "quantity": 100, "fields": special})
    assert not shop.sync().refused
    assert shop.rebates() == {("Acme", "2026"): Decimal(150)}  # 100 units at 10 - 8.50
    shop.order("2", "Acme", date(2026, 2, 3), {"amount": 1000})
    shop.order("3", "Acme", date(2026, 4, 3), {"amount": 1000})
    shop.order("4", "Acme", date(2026, 4, 4), {"amount": 80, "quantity": 10, "fields": special})
    shop.sync()
    assert shop.rebates() == {("Acme", "2026"): Decimal(190)}  # 10 units at 10 - 8, and 1 % of 2000
    steps = [step["text"] for step in shop.standings()["care", "Acme", "2026"]["steps"]]
    assert "of it S: 10 - 8.50 on 100 units = 150.00 at the prices from 2026-01-01" in steps
    assert "of it S: 10 - 8.00 on 10 units = 20.00 at the prices from 2026-03-01" in steps
    assert shop.broken_promises() == []


GATE = '[[gates]]\nname = "{}"\nof = "quantity"\nat_least = "10"\n'
APART = {
    "what qualifies": ("", '[qualifier_counts]\nproduct.family = "Care"\n'),
    "a gate": (GATE.format("units"), GATE.format("creams") + '[gates.counts]\nproduct.family = "Care"\n'),
    "a gate that is gone": (GATE.format("creams") + '[gates.counts]\nproduct.family = "Care"\n', ""),
}


@pytest.mark.parametrize("kind", APART)
def test_terms_that_count_apart_are_not_added_up_within_a_period(shop, kind):
    before, after = APART[kind]
    texts = [YEAR + before, AS_OF.format("2026-03-01") + YEAR + after]
    for number, text in enumerate(texts):
        shop.program(text, f"p{number}")
    (refused,) = shop.sync().refused
    assert "within 2026: its terms and those from 2026-01-01 cannot be added up" in refused.reason
    assert "write the same into both files" in refused.reason
    assert "program check" in str(refused) and "program try" not in str(refused)
    with pytest.raises(InvalidProgram, match="cannot be added up"):
        run_trial([parse_program(text, "p") for text in texts], TrialFiles())


def test_a_fixed_amount_is_not_cut_by_what_only_one_version_is_paid_on(shop):
    narrowed = '[measure_counts]\nproduct.family = "Care"\n'
    quarters = [
        text.replace('"year"', '"quarter"') for text in (YEAR, YEAR.replace('rate = "1%"', 'amount = "9"'))
    ]
    shop.program(quarters[0], "a")
    shop.program(AS_OF.format("2026-03-01") + quarters[1] + narrowed, "b")
    (refused,) = shop.sync().refused
    assert "only one of them has [measure_counts]" in refused.reason
    assert "let it begin with a period (effective_from = 2026-04-01)" in refused.reason
    shop.program(AS_OF.format("2026-04-01") + quarters[1] + narrowed, "b")
    assert not shop.sync().refused


def test_a_store_that_judged_all_orders_by_the_newest_policy_judges_them_again(shop, monkeypatch):
    eur = "[rates]\nEUR = '1.2'\n"
    shop.rate("USD", "1")
    shop.rate("EUR", "0.5", date(2026, 1, 1))
    shop.program(YEAR, "a")
    shop.program(AS_OF.format("2026-03-01") + 'currency_policy = "fixed"\n' + YEAR + eur, "b")
    shop.account("Acme")
    shop.order("1", "Acme", date(2026, 2, 2), {"amount": 1000}, currency="EUR")
    with monkeypatch.context() as former:  # as it was
        former.setattr("state.rules._converted_apart", lambda program: "")
        former.setattr("rebates.program.Program.terms_of", lambda program, bucket: program)
        shop.sync()
        assert shop.rebates() == {("Acme", "2026"): Decimal(12)}
    shop.sync()
    assert shop.rebates() == {("Acme", "2026"): Decimal(20)}
