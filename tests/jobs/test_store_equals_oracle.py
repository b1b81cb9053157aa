"""The store against the oracle: random programs, random sales, random changes; after each the same standings.

The oracle knows no stores, no differences and no Decimals. `broken_promises` computes every contribution from the
raw lines again: so the difference equals from scratch, and both equal the oracle.
"""

from __future__ import annotations

import os
import random
import tomllib
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from state import contributions, standings
from tests.rebates import oracle
from tests.rebates.generated import programs

from .conftest import Shop, sf_id

EXAMPLES = int(os.environ.get("REBATES_STORE_EXAMPLES", "12"))
ROUNDS = 5
BUYERS = ("A1", "A2", "A3", "A4")
FAMILIES = ("Skin care", "Make-up", "Fragrance")
BASELINE, TARGET = 7000, 9000
TODAY = date(2026, 8, 15)

ROW_RULES = (
    "",
    'line.amount = { above = "0" }\n',
    'line.amount = { at_least = "-1000.5", at_most = "40000.01" }\n',
    "line.quantity = { not_in = [7, 100], below = 300 }\n",
    'order.number = { prefix = ["n1", "N2"] }\n',
    "order.original_order_id = { present = false }\n",
    'order.ordered_on = { at_least = "2026-02-10", below = "2026-11-03" }\n',
)


@st.composite
def store_programs(draw: st.DrawFn) -> str:
    """A program as the engine's tests draw it, with what only a store has to find its way through."""
    text = draw(programs()).replace('baseline = "fixed"', f'baseline = "{BASELINE}"')
    rules = draw(st.sampled_from(ROW_RULES))
    if rules:
        place = "[counts]\n" if "[counts]\n" in text else "[[tiers]]"
        table = rules if place == "[counts]\n" else f"[counts]\n{rules}"
        text = text.replace(place, place + table if place == "[counts]\n" else table + place, 1)
    if draw(st.integers(0, 2)):
        text = f'returns = "original_period"\n{text}'
    if draw(st.integers(0, 2)) == 0:
        text = f'currency_policy = "period_end"\n{text}'
    if draw(st.integers(0, 2)) == 0:
        text += '\n[hierarchy]\nroll_up = "parent"'
    targets = "".join(f'\n{sf_id("001", name)} = "{TARGET}"' for name in BUYERS)
    return text + (f"\n[targets]{targets}" if 'qualifier = "attainment"' in text else "")


class World:
    """What the org holds. Every change is one that people make there."""

    def __init__(self, shop: Shop, rng: random.Random, currency: str) -> None:
        self.shop, self.rng = shop, rng
        self.currencies = rng.choice([(None,), (currency, "EUR")])
        self.accounts: dict[str, dict[str, Any]] = {}
        self.families: dict[str, str] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.rates: dict[str, list[tuple[date, str]]] = {}
        self.untold: set[str] = set()
        for name in BUYERS:
            self.account(name, "LATAM" if name == "A3" else "EMEA", None)
        for name in ("P1", "P2", "P3"):
            self.product(name)
        for code, value in (("USD", "1"), ("EUR", "0.9"), ("JPY", "151.3"), ("KWD", "0.307")):
            self.rate(code, value, date(2020, 1, 1))
        self.rate("EUR", "0.83", date(2026, 5, 20))
        for _ in range(rng.randrange(4, 24)):
            self.add()
        for _ in range(rng.randrange(2, 6)):
            self.take_back()

    # --- what the store is told ---

    def account(self, name: str, region: str, parent: str | None) -> None:
        self.accounts[name] = {"region": region, "parent_id": parent}
        self.shop.account(name, region=region, parent=parent)

    def product(self, name: str) -> None:
        self.families[name] = self.rng.choice(FAMILIES)
        self.shop.product(name, family=self.families[name])

    def rate(self, code: str, value: str, day: date) -> None:
        self.rates[code] = sorted([*(one for one in self.rates.get(code, []) if one[0] != day), (day, value)])
        self.shop.rate(code, value, day)

    def tell(self) -> None:
        """What changed since the last time."""
        given = []
        for name in sorted(self.untold):
            order = self.orders[name]
            fields = {key: order[key] for key in ("number", "currency", "active", "deleted")}
            fields["original_order_id"] = order["original"] and sf_id("801", order["original"])
            lines = [line | {"amount": Decimal(line["amount"])} for line in order["lines"]]
            given.append((name, order["account"], order["day"], lines, fields))
        self.untold.clear()
        if given:
            self.shop.orders(given)

    # --- what people do ---

    def change(self) -> str:
        deeds: list[Callable[[], None]] = [
            self.add, self.add, self.correct, self.delete_line, self.delete_order, self.date_anew, self.date_anew,
            self.sell_to_another, self.take_back, self.take_back, self.deactivate, self.move, self.sort_anew, self.reprice,
        ]  # fmt: skip
        deed = self.rng.choice(deeds)
        deed()
        return deed.__name__

    def add(self, **fields: Any) -> str:
        name = f"o{len(self.orders) + 1}"
        self.orders[name] = {
            "account": self.rng.choice(BUYERS),
            "day": self.day(),
            "lines": [self.line() for _ in range(self.rng.randrange(1, 4))],
            "currency": self.rng.choice(self.currencies),
            "number": self.rng.choice(("n1", "N1", "n2", "N2", "n12", None)),
            "original": None,
            "active": True,
            "deleted": False,
            **fields,
        }
        self.untold.add(name)
        return name

    def day(self) -> date:
        edges = (
            date(2025, 12, 31),
            date(2026, 1, 1),
            date(2026, 3, 31),
            date(2026, 4, 1),
            date(2026, 12, 31),
        )
        if self.rng.randrange(3) == 0:
            return self.rng.choice(edges)
        return date(2025, 12, 20) + timedelta(days=self.rng.randrange(380))

    def line(self) -> dict[str, Any]:
        return {
            "product": self.rng.choice(("P1", "P2", "P3")),
            "amount": f"{Decimal(self.rng.randrange(-2_000_000, 6_000_000)) / 100:.2f}",
            "quantity": self.rng.choice((7, 100, self.rng.randrange(-50, 400))),
            "deleted": False,
        }

    def some_order(self) -> str:
        return self.rng.choice(sorted(self.orders))

    def correct(self) -> None:
        name = self.some_order()
        lines = self.orders[name]["lines"]
        lines[self.rng.randrange(len(lines))] = self.line()
        self.untold.add(name)

    def delete_line(self) -> None:
        name = self.some_order()
        self.rng.choice(self.orders[name]["lines"])["deleted"] = True
        self.untold.add(name)

    def delete_order(self) -> None:
        self.set(self.some_order(), deleted=True)

    def deactivate(self) -> None:
        self.set(self.some_order(), active=self.rng.randrange(2) == 0)

    def date_anew(self) -> None:
        taken_from = sorted({one["original"] for one in self.orders.values()} & set(self.orders))
        name = self.rng.choice(taken_from) if taken_from and self.rng.randrange(2) else self.some_order()
        self.set(name, day=self.day())

    def sell_to_another(self) -> None:
        self.set(self.some_order(), account=self.rng.choice(BUYERS))

    def take_back(self) -> None:
        """A return of one of the orders, or of one that comes later or never."""
        original = self.rng.choice([*sorted(self.orders), f"o{len(self.orders) + 2}"])
        line = self.line() | {"amount": f"-{self.rng.randrange(1, 900_000) / 100:.2f}"}
        buyer = self.orders[original]["account"] if original in self.orders else self.rng.choice(BUYERS)
        self.add(original=original, account=buyer, lines=[line])

    def move(self) -> None:
        """An account changes its region or its parent; circles happen."""
        parent = self.rng.choice((None, *BUYERS))
        self.account(self.rng.choice(BUYERS), self.rng.choice(("EMEA", "LATAM")), parent)

    def sort_anew(self) -> None:
        self.product(self.rng.choice(("P1", "P2", "P3")))

    def reprice(self) -> None:
        day = self.rng.choice((date(2026, 5, 20), date(2026, 2, 14), date(2026, 9, 1)))
        self.rate("EUR", f"0.{self.rng.randrange(50, 99)}", day)

    def set(self, name: str, **fields: Any) -> None:
        self.orders[name].update(fields)
        self.untold.add(name)

    # --- what the oracle is told ---

    def lines(self) -> list[dict[str, Any]]:
        out = []
        for order in self.orders.values():
            if order["deleted"] or not order["active"]:
                continue
            head = {
                "account": order["account"],
                "account.region": self.accounts[order["account"]]["region"],
                "date": order["day"],
                "currency": order["currency"],
                "order.number": order["number"],
                "order.ordered_on": order["day"].isoformat(),
                "order.original_order_id": order["original"],
            }
            for line in order["lines"]:
                if not line["deleted"]:
                    amount, quantity = line["amount"], line["quantity"]
                    out.append(
                        head
                        | {
                            "amount": amount,
                            "quantity": str(quantity),
                            "product.family": self.families[line["product"]],
                        }
                        | {"line.amount": amount, "line.quantity": quantity}
                    )
        return out

    def days(self) -> dict[str, date]:
        return {name: order["day"] for name, order in self.orders.items()}


def wanted(text: str, world: World) -> dict[tuple[str, date, date], tuple[str | None, Fraction]]:
    everybody = dict.fromkeys(BUYERS, BASELINE), dict.fromkeys(BUYERS, TARGET)
    return oracle.standings(
        tomllib.loads(text), world.lines(), *everybody, world.accounts, world.rates, world.days()
    )


def found(shop: Shop) -> dict[tuple[str, date, date], tuple[str | None, Fraction]]:
    with shop.opened.store.read() as tx:
        rows = standings.find(tx)
    return {
        (row.member_name or "", row.start, row.end - timedelta(days=1)): (row.tier, Fraction(row.rebate))
        for row in rows
    }


@pytest.mark.long
def test_the_store_says_what_the_oracle_says_after_every_change(make_shop, request, monkeypatch):
    # However many of the few orders changed: by the difference, never from scratch.
    monkeypatch.setattr(contributions, "REBUILD_FROM_ONE_IN", 0)
    postgres = "postgresql" in request.node.name

    @settings(
        max_examples=max(EXAMPLES // 5, 2) if postgres else EXAMPLES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # a world is large: its seed says enough, and shrinking would take hours
    )
    @given(store_programs())
    def compare(text: str) -> None:
        rng = random.Random(text)
        shop = make_shop()
        shop.today(TODAY)
        shop.program(text)
        terms = tomllib.loads(text)
        world = World(shop, rng, terms.get("currency", "USD"))
        deeds = ["load"]
        for _ in range(ROUNDS):
            world.tell()
            assert not shop.sync().refused
            store, should = found(shop), wanted(text, world)
            nothing = oracle.rebate(terms, [], BASELINE, TARGET)
            # A standing whose last line went stays, and so does one that was opened with its period: at what no line earns.
            assert {key: row for key, row in store.items() if key in should} == should, deeds
            assert {row for key, row in store.items() if key not in should} <= {nothing}, deeds
            assert shop.broken_promises() == [], deeds
            earning.update(row for row in should.values() if row[1])
            deeds += [world.change() for _ in range(rng.randrange(2, 6))]
        shop.close()

    earning: set[tuple[str | None, Fraction]] = set()
    compare()
    assert postgres or len(earning) > 10, "the worlds are too poor to tell anything"
