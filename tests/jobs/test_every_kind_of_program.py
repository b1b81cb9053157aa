"""A sync gives the answer that `program try` gives, for every kind of program, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal

import pytest

from jobs.trial import run_trial
from jobs.trial_files import TrialFiles, TrialLine
from rebates import parse_program
from rebates.currency import DatedRate

HEAD = """
key = "{key}"
starts = 2026-01-01
ends = 2026-12-31
period = "{period}"
"""
LADDER = """
[[tiers]]
name = "Silver"
threshold = "1000"
rate = "2.5%"
[[tiers]]
name = "Gold"
threshold = "4000"
rate = "7%"
"""
RATIOS = """
[[tiers]]
name = "Silver"
threshold = "105%"
rate = "2%"
[[tiers]]
name = "Gold"
threshold = "130%"
rate = "4%"
"""
BUYERS = [f"A{n}" for n in range(6)]
GROUPS = """
[[hierarchy.members]]
account = "{A0}"
group = "East"
[[hierarchy.members]]
account = "{A1}"
group = "East"
last = 2026-05-10
[[hierarchy.members]]
account = "{A1}"
group = "West"
first = 2026-05-11
[[hierarchy.members]]
account = "{A2}"
group = "East"
first = 2026-02-03
[[hierarchy.members]]
account = "{A4}"
group = "West"
"""
PRODUCTS = {"P1": "Care", "P2": "Care", "P3": "Color", "P4": "Tools"}

KINDS: dict[str, tuple[str, str, str]] = {
    # name: (period, keys of the program, tables)
    "retrospective": ("month", "", LADDER),
    "stepped": ("quarter", 'method = "stepped"', LADDER),
    "exceed": ("month", 'boundary = "exceed"', LADDER),
    "units": ("quarter", 'qualifier = "quantity"\nmeasure = "amount"', LADDER.replace("000", "0")),
    "capped": ("month", 'max_payout = "111.11"', LADDER),
    "guaranteed": ("quarter", 'guarantee = "50"', LADDER),
    "cap over the program": ("month", 'max_payout_program = "400"', LADDER),
    "minimum payout": ("month", 'min_payout = "90"', LADDER),
    "minimum payout, cap over the program": (
        "month",
        'min_payout = "90"\nmax_payout_program = "300"',
        LADDER,
    ),
    "cumulative guarantee": ("quarter", 'guarantee = "90"\nguarantee_cumulative = true', LADDER),
    "cumulative guarantee written for a year, prorated": (
        "month",
        'guarantee = "900"\nguarantee_cumulative = true',
        LADDER + '[proration]\nby = "days"\nof = ["guarantee"]\nannual = ["guarantee"]\n',
    ),
    "year to date": ("month", "", LADDER + '[settlement]\nwindow = "year"\n'),
    "quarter to date, stepped": (
        "month",
        'method = "stepped"',
        LADDER + '[settlement]\nwindow = "quarter"\nclaw_back = "carry_forward"\n',
    ),
    "markets": (
        "month",
        "",
        LADDER + '[market.emea]\nregion = ["EMEA"]\n[market.emea.tiers.Gold]\nrate = "11%"\n',
    ),
    "growth on last year": (
        "quarter",
        'qualifier = "growth"',
        RATIOS + '[growth]\nbaseline = "same_period_last_year"\n',
    ),
    "growth on an average": (
        "quarter",
        'qualifier = "growth"',
        RATIOS + '[growth]\nbaseline = "average"\nyears = 2\nmode = "excess"\n',
    ),
    "growth on a fixed amount": (
        "quarter",
        'qualifier = "growth"',
        RATIOS + '[growth]\nbaseline = "2000"\n',
    ),
    "attainment": (
        "quarter",
        'qualifier = "attainment"',
        RATIOS + "[targets]\n" + "".join(f'{{{name}}} = "1500"\n' for name in BUYERS[:4]),
    ),
    "prorated guarantee": (
        "quarter",
        'guarantee = "300"',
        LADDER + '[proration]\nby = "days"\nof = ["guarantee"]\n',
    ),
    "families": ("quarter", "", '[counts]\nproduct.family = ["Care", "Color"]\n' + LADDER),
    "parents": ("quarter", "", LADDER + '[hierarchy]\nroll_up = "parent"\n'),
    "parents, shared": ("quarter", "", LADDER + '[hierarchy]\nroll_up = "parent"\npay = "share"\n'),
    "groups, paid through one account": (
        "quarter",
        "",
        LADDER
        + '[hierarchy]\nroll_up = "group"\n'
        + GROUPS
        + '[hierarchy.payees]\nEast = "{A0}"\nWest = "{A4}"\n',
    ),
    "groups, shared": ("quarter", "", LADDER + '[hierarchy]\nroll_up = "group"\npay = "share"\n' + GROUPS),
    "groups, shared with a guarantee through a payee": (
        "month",
        'guarantee = "10.01"\nmethod = "stepped"\nbudget = "300"',
        LADDER
        + '[hierarchy]\nroll_up = "group"\npay = "share"\n'
        + GROUPS
        + '[hierarchy.payees]\nEast = "{A1}"\n',
    ),
    "groups, shared by units": (
        "quarter",
        'qualifier = "quantity"',
        LADDER.replace("000", "0").replace("rate", "per_unit").replace("%", "")
        + '[hierarchy]\nroll_up = "group"\npay = "share"\n'
        + GROUPS,
    ),
    "budget, first come": ("quarter", 'budget = "700"', LADDER),
    "budget, shared": ("quarter", 'budget = "700"\nbudget_split = "pro_rata"', LADDER),
    "currencies by day": ("quarter", "", LADDER),
    "currencies by period end": ("quarter", 'currency_policy = "period_end"', LADDER),
    "currencies by average": ("quarter", 'currency_policy = "period_average"', LADDER),
    "currencies by period end, growth": (
        "quarter",
        'qualifier = "growth"\ncurrency_policy = "period_end"',
        RATIOS + '[growth]\nbaseline = "same_period_last_year"\n',
    ),
    "currencies by average, growth on an average": (
        "quarter",
        'qualifier = "growth"\ncurrency_policy = "period_average"',
        RATIOS + '[growth]\nbaseline = "average"\nyears = 2\n',
    ),
    "large lines": ("quarter", "", '[counts]\nline.amount = {at_least = "400.10"}\n' + LADDER),
    "sales without returns": (
        "month",
        "",
        '[counts]\nline.amount = {above = 0}\nline.quantity = {not_in = ["3", "5.0"]}\n' + LADDER,
    ),
    "units of single lines decide": (
        "quarter",
        'qualifier = "quantity"\nmeasure = "amount"',
        '[qualifier_counts]\nline.quantity = {below = "20"}\n' + LADDER.replace("000", "0"),
    ),
    "orders by number": ("quarter", "", '[counts]\norder.number = {prefix = ["o1", "O2"]}\n' + LADDER),
    "orders by id": (
        "quarter",
        "",
        '[counts]\norder.id = {not_in = ["{o3}", "{o5}"]}\norder.account_id = ["{A0}", "{A1}", "{A4}"]\n'
        + LADDER,
    ),
    "first sales": ("quarter", "", "[counts]\norder.original_order_id = {present = false}\n" + LADDER),
    "a promotion of some weeks": (
        "quarter",
        "",
        '[counts]\norder.ordered_on = {at_least = "2026-02-10", below = "2026-08-20"}\n' + LADDER,
    ),
    "returns": ("month", 'returns = "original_period"', LADDER),
    "returns, year to date": (
        "month",
        'method = "stepped"\nreturns = "original_period"',
        LADDER + '[settlement]\nwindow = "year"\n',
    ),
    "returns and growth": (
        "quarter",
        'qualifier = "growth"\nreturns = "original_period"',
        RATIOS + '[growth]\nbaseline = "same_period_last_year"\n',
    ),
    "returns and a budget": ("quarter", 'budget = "700"\nreturns = "original_period"', LADDER),
    "currencies by day, returns": ("quarter", 'returns = "original_period"', LADDER),
}


class Sales:
    """Random orders that can be given to a shop and to `program try`."""

    def __init__(self, seed: int, *, currencies: bool, back_to: int = 2024, returns: bool = False) -> None:
        self.rng = random.Random(seed)
        self.currencies = currencies
        self.returns = returns
        self.originals: dict[str, str] = {}  # order → the one that it takes back from, which may not be there
        self.back_to = back_to
        self.orders: dict[str, tuple[str, date, str, list[tuple[str, Decimal, int]]]] = {}
        self.number = 0
        for _ in range(140):
            self.add()

    def add(self) -> str:
        self.number += 1
        name = f"o{self.number}"
        self.orders[name] = self._made()
        self._may_take_back(name)
        return name

    def _may_take_back(self, name: str) -> None:
        self.originals.pop(name, None)
        if self.returns and self.rng.random() < 0.3:
            self.originals[name] = f"o{self.rng.randrange(1, 200)}"

    def change(self) -> str:
        name = self.rng.choice(sorted(self.orders))
        self.orders[name] = self._made()
        self._may_take_back(name)
        return name

    def _made(self) -> tuple[str, date, str, list[tuple[str, Decimal, int]]]:
        rng = self.rng
        span = (date(2026, 11, 20) - date(self.back_to, 1, 1)).days
        day = date(self.back_to, 1, 1) + timedelta(days=rng.randrange(span))
        lines = [
            (
                rng.choice(sorted(PRODUCTS)),
                Decimal(rng.randrange(-20_000, 150_000)) / 100,
                rng.randrange(1, 30),
            )
            for _ in range(2)
        ]
        currency = rng.choice(["USD", "EUR"]) if self.currencies else ""
        return rng.choice(BUYERS), day, currency, lines

    def into(self, shop, names=None) -> None:
        shop.orders(
            [
                (
                    name,
                    buyer,
                    day,
                    [{"product": p, "amount": a, "quantity": q} for p, a, q in lines],
                    ({"currency": currency} if currency else {})
                    | (
                        {"original_order_id": order_id(self.originals[name])}
                        if name in self.originals
                        else {}
                    ),
                )
                for name, (buyer, day, currency, lines) in sorted(self.orders.items())
                if names is None or name in names
            ]
        )

    def files(self, ids) -> TrialFiles:
        files = TrialFiles()
        for name, (buyer, day, currency, lines) in sorted(self.orders.items()):
            for n, (product, amount, quantity) in enumerate(lines):
                files.lines.append(
                    TrialLine(
                        len(files.lines) + 2, order_id(name), f"{name}x{n}", ids[buyer], day, Decimal(quantity), amount,
                        currency or None, order_id(self.originals[name]) if name in self.originals else None, None,
                        {"product_id": product, "product_family": PRODUCTS[product], "order_number": name},
                    )
                )  # fmt: skip
        for number, buyer in enumerate(BUYERS):
            record = {"id": ids[buyer], "region": "EMEA" if number % 2 else "APAC"}
            if number in (1, 2):
                record["parent_id"] = ids[BUYERS[0]]
            if number == 3:
                record |= {"active_from": "2026-02-10", "active_to": "2026-10-05"}
            files.accounts[ids[buyer]] = record
        if self.currencies:
            files.rates = [
                DatedRate("USD", Decimal(1)),
                DatedRate("EUR", Decimal("0.9")),
                DatedRate("EUR", Decimal("0.97"), date(2025, 5, 10)),
                DatedRate("EUR", Decimal("0.83"), date(2026, 5, 20)),
            ]
        return files


def order_id(name: str) -> str:
    return ("801" + name).ljust(18, "z")


def furnish(shop, *, currencies: bool) -> None:
    for number, buyer in enumerate(BUYERS):
        shop.account(
            buyer,
            region="EMEA" if number % 2 else "APAC",
            **({"parent": BUYERS[0]} if number in (1, 2) else {}),
            **({"active_from": "2026-02-10", "active_to": "2026-10-05"} if number == 3 else {}),
        )
    for product, family in PRODUCTS.items():
        shop.product(product, family=family)
    if currencies:
        shop.rate("USD", "1")
        shop.rate("EUR", "0.9")
        shop.rate("EUR", "0.97", date(2025, 5, 10))
        shop.rate("EUR", "0.83", date(2026, 5, 20))


def expected(text, sales, ids, today) -> dict[tuple[str, str], tuple[object, ...]]:
    """(member, period) → what `program try` says."""
    trial = run_trial([parse_program(text, "p")], sales.files(ids), as_of=today)
    if 'pay = "share"' in text:
        return shared(trial)
    return {
        (row.standing.member or "", row.standing.period.key): (
            row.standing.rebate,
            row.standing.tier,
            row.standing.qualifier,
            bool(row.standing.incomplete),
            row.paid,
            [step.text for step in row.standing.steps if " converted to " in step.text],
        )
        for row in trial.standings
    }


def shared(trial) -> dict[tuple[str, str], tuple[object, ...]]:
    """(account, period) → its parts of what its groups earn; they add up to that."""
    parts: dict[tuple[str, str], Decimal] = {}
    for row in trial.standings:
        assert sum((part for _, part in row.shares), Decimal(0)) == row.standing.rebate
        for account, part in row.shares:
            key = account, row.standing.period.key
            parts[key] = parts.get(key, Decimal(0)) + part
    return {key: (part,) for key, part in parts.items()}


def found(shop, ids) -> dict[tuple[str, str], tuple[object, ...]]:
    out = {}
    for (_, name, period), doc in shop.standings().items():
        paid = doc.get("payout", {}).get("paid")
        out[ids[name], period] = (
            Decimal(doc["rebate"]), doc["tier"], Decimal(doc["qualifier"]), bool(doc["incomplete"]),
            max(Decimal(doc["rebate"]), Decimal(0)) if paid is None else Decimal(paid),
            [step["text"] for step in doc["steps"] if " converted to " in step["text"]],
        )  # fmt: skip
    return out


@pytest.mark.parametrize("kind", KINDS)
def test_the_store_says_what_the_trial_says_before_and_after_changes(make_shop, kind):
    period, keys, tables = KINDS[kind]
    shop = make_shop()
    ids = {buyer: shop.id_of(buyer) for buyer in BUYERS}
    text = keys + HEAD.format(key="k", period=period) + tables
    for buyer in BUYERS:
        text = text.replace(f"{{{buyer}}}", ids[buyer])
    for name in ("o3", "o5"):
        text = text.replace(f"{{{name}}}", order_id(name))
    currencies = kind.startswith("currencies")
    sales = Sales(7, currencies=currencies, returns="returns" in kind or kind == "first sales")
    today = date(2026, 11, 24)
    shop.today(today)
    shop.program(text)
    furnish(shop, currencies=currencies)
    sales.into(shop)
    assert not shop.sync().refused
    compare(found(shop, ids), expected(text, sales, ids, today), windowed="window = " in text)
    for _ in range(3):
        changed = {sales.add(), sales.change(), sales.change()}
        sales.into(shop, changed)
        shop.sync()
        compare(found(shop, ids), expected(text, sales, ids, today), windowed="window = " in text)
    assert shop.broken_promises() == []


def compare(store, trial, *, windowed: bool = False) -> None:
    assert any(row[0] for row in trial.values()), "nobody earned anything"
    store = dict(store)
    for key, row in trial.items():
        if key not in store and not row[0] and not any(row[3:4]):
            continue
        assert (store.pop(key, None) or ())[: len(row)] == row, key
    # The store opens the running period for everybody who bought before, and keeps a standing whose last line went.
    running = {"2026-11", "2026-Q4"}
    # Who brought nothing to its group sees the group's numbers, and no money.
    shared = any(len(row) == 1 for row in trial.values())
    left = {key: row for key, row in store.items() if key[1] not in running}
    if windowed:  # a month without lines shows the year so far, which the months before it have paid
        assert all(not row[4] for row in left.values()), left
    else:
        assert all(not (row[0] or (row[2] and not shared)) for row in left.values()), left


def test_of_exclusive_programs_only_the_best_deal_pays_whichever_changed_last(make_shop):
    """Two programs on the same sales: the choice follows the sales, and equals the trial's."""
    shop = make_shop()
    ids = {buyer: shop.id_of(buyer) for buyer in BUYERS}
    exclusive = '[stacking]\nmode = "exclusive"\ngroup = "g"\norder = {order}\n'
    steady = "[[tiers]]\nname = 'Base'\nthreshold = '0'\nrate = '3%'\n"
    texts = [
        HEAD.format(key="steep", period="quarter") + LADDER + exclusive.format(order=1),
        HEAD.format(key="steady", period="quarter") + steady + exclusive.format(order=2),
    ]
    sales, today = Sales(11, currencies=False), date(2026, 11, 24)
    shop.today(today)
    for number, text in enumerate(texts):
        shop.program(text, f"p{number}")
    furnish(shop, currencies=False)
    sales.into(shop)
    for _ in range(3):
        assert not shop.sync().refused
        trial = run_trial([parse_program(text, "p") for text in texts], sales.files(ids), as_of=today)
        store = {(p, ids[name], period): doc for (p, name, period), doc in shop.standings().items()}
        beaten = 0
        for row in trial.standings:
            at = row.standing
            doc = store[at.program, at.member or "", at.period.key]
            assert Decimal(doc["rebate"]) == at.rebate, (at.program, at.member, at.period.key)
            if row.remarks:
                beaten += 1
                assert any(row.remarks[0] in step["text"] for step in doc["steps"])
        assert beaten > 3
        changed = {sales.add(), sales.change(), sales.change()}
        sales.into(shop, changed)


def test_an_account_that_moves_to_another_market_is_paid_its_terms(shop):
    period, _, tables = KINDS["markets"]
    shop.program(HEAD.format(key="k", period=period) + tables)
    shop.account("Acme", region="APAC")
    shop.order("1", "Acme", date(2026, 6, 2), {"amount": 5000})
    shop.sync()
    assert shop.rebates() == {("Acme", "2026-06"): Decimal(350)}
    shop.account("Acme", region="EMEA")
    shop.sync()
    assert shop.rebates() == {("Acme", "2026-06"): Decimal(550)}
