"""A big org out of a number: accounts, a year of orders, returns. The same number, the same org, to the last id.

Rows go in encoded, past the rules, but they keep them: totals add up, reductions take back less than was sold.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from emulator.schema import SObject
from emulator.seed_common import ACCOUNT_TYPES, Catalog, catalog, company, rep, since_long
from emulator.wire import moment

if TYPE_CHECKING:
    from emulator.org import Org

FAMILIES = ("Skin care", "Make-up", "Fragrance", "Brakes", "Filters", "Batteries", "Services", "Freight")
REGIONS = (
    ("NY", "US"),
    ("CA", "US"),
    ("TX", "US"),
    ("IL", "US"),
    ("ON", "CA"),
    ("BC", "CA"),
    ("BY", "DE"),
    ("IDF", "FR"),
)
TYPE_WEIGHTS = (3, 12, 5, 50, 20, 5, 3, 2)
WORDS = (
    "Alder",
    "Birch",
    "Cedar",
    "Dover",
    "Elm",
    "Foxglove",
    "Granite",
    "Harbor",
    "Iris",
    "Juniper",
    "Keystone",
)
TRADES = ("Retail", "Supply", "Distribution", "Trading", "Partners", "Outlet", "Stores", "Wholesale")
DAY_MS = 86_400_000
HOUR_MS = 3_600_000  # the newest order is this old: its activation too lies in the past
CHUNK = 2000


@dataclass
class Counts:
    accounts: int = 0
    orders: int = 0
    lines: int = 0
    returns: int = 0


def seed_generated(org: Org, accounts: int, orders: int, random_seed: int = 1) -> Counts:
    """Fill an empty org with that many accounts and orders (about five lines each, two in a hundred are returns)."""
    chance = random.Random(random_seed)
    counts = Counts()
    with org.storage.transaction():
        admin = company(org, "Northwind Partner Sales")
        owners = [rep(org, admin, f"Rep{number:02d}", "Seller") for number in range(1, 21)]
        goods = catalog(org, admin, _products(chance))
        made = _accounts(org, chance, accounts, owners, admin, counts)
        weights = list(accumulate(1.0 / (rank + 3) for rank in range(len(made))))
        maker = _Orders(org, chance, goods, made, weights, owners, admin, counts)
        maker.run(orders)
        since_long(org, ("User", "Product2", "Pricebook2", "PricebookEntry"), days=400)
        org.storage.execute('UPDATE "User" SET "IsActive" = 0 WHERE "Id" = ?', (owners[-1],))
    return counts


def _products(chance: random.Random) -> list[tuple[str, str, str, int]]:
    return [
        (
            f"{family} item {number:02d}",
            f"{family[:2].upper()}-{number:03d}",
            family,
            chance.randrange(499, 19_999),
        )
        for family in FAMILIES
        for number in range(1, 9)
    ]


def _accounts(
    org: Org, chance: random.Random, count: int, owners: list[str], admin: str, counts: Counts
) -> list[tuple[str, str]]:
    """(id, owner) of each; loaded."""
    sobject = org.schema.require("Account")
    numbers = org.ids.reserve("001", count)
    stamp = org.stamp() - 400 * DAY_MS
    columns, fixed = _columns(
        sobject, ("Id", "Name", "Type", "OwnerId", "BillingState", "BillingCountry", "AccountNumber")
    )
    made, rows = [], []
    for place, number in enumerate(numbers, 1):
        record_id, owner = org.ids.make("001", number), owners[place % len(owners)]
        name = f"{chance.choice(WORDS)} {chance.choice(TRADES)} {place}"
        kind = chance.choices(ACCOUNT_TYPES, TYPE_WEIGHTS)[0]
        state, country = chance.choice(REGIONS)
        own = (record_id, name, kind, owner, state, country, f"NW-{place:06d}")
        rows.append(own + _audit(stamp + place, stamp + place, admin) + fixed)
        made.append((record_id, owner))
    counts.accounts = org.storage.load("Account", columns, rows)
    return made


AUDIT = ("CreatedDate", "LastModifiedDate", "SystemModstamp", "CreatedById", "LastModifiedById")


def _audit(made: int, changed: int, user: str) -> tuple[Any, ...]:
    return made, changed, changed, user, user


def _columns(sobject: SObject, own: tuple[str, ...]) -> tuple[list[str], tuple[int, ...]]:
    """The columns to load, and the values of those that are the same in every row: the other booleans."""
    flags = [each for each in sobject.stored_fields() if each.type == "boolean" and each.name not in own]
    return [*own, *AUDIT, *(each.name for each in flags)], tuple(
        int(each.default_value is True) for each in flags
    )


class _Orders:
    def __init__(
        self, org: Org, chance: random.Random, goods: Catalog, accounts: list[tuple[str, str]],
        weights: list[float], owners: list[str], admin: str, counts: Counts,
    ) -> None:  # fmt: skip
        self.org, self.chance, self.goods, self.admin, self.counts = org, chance, goods, admin, counts
        self.accounts, self.weights, self.owners = accounts, weights, owners
        self.order_columns, self.order_fixed = _columns(org.schema.require("Order"), ORDER)
        self.line_columns, self.line_fixed = _columns(org.schema.require("OrderItem"), LINE)
        self.names = list(goods.entries)
        self.orders: list[tuple[Any, ...]] = []
        self.lines: list[tuple[Any, ...]] = []
        self.order_place = self.line_place = 0

    def run(self, count: int) -> None:
        end = self.org.now_ms()
        first = end - 365 * DAY_MS
        step = 365 * DAY_MS / max(count, 1)
        while self.order_place < count:
            when = first + int(step * self.order_place) + self.chance.randrange(3_600_000)
            self._sale(min(when, end - HOUR_MS), end, room=count - self.order_place)
            if len(self.orders) >= CHUNK:
                self._flush()
        self._flush()

    def _flush(self) -> None:
        self.counts.orders += self.org.storage.load("Order", self.order_columns, self.orders)
        self.counts.lines += self.org.storage.load("OrderItem", self.line_columns, self.lines)
        self.orders, self.lines = [], []

    def _sale(self, when: int, end: int, room: int) -> None:
        chance = self.chance
        account, owner = chance.choices(self.accounts, cum_weights=self.weights)[0]
        draft = chance.random() < 0.06
        order_id = self.org.ids.next("801")
        sold = []
        for name in chance.sample(self.names, chance.randrange(2, 9)):
            price = self.goods.prices[name]
            if chance.random() < 0.3:
                price = price * chance.randrange(80, 100) // 100
            sold.append((name, chance.randrange(1, 60) * 100, price))
        reduced = not draft and room > 1 and chance.random() < 0.02 and when + 2 * DAY_MS < end
        taken = max(100, sold[0][1] // 2 // 100 * 100) if reduced else 0
        line_ids = [
            self._line(order_id, name, quantity, price, when, left=quantity - (taken if place == 0 else 0))
            for place, (name, quantity, price) in enumerate(sold)
        ]
        total = sum(_amount(quantity, price) for _, quantity, price in sold)
        status = "Draft" if draft else "Activated"
        self._order(order_id, account, owner, when, status, total, None)
        if reduced:
            back = min(when + chance.randrange(1, 40) * DAY_MS, end - HOUR_MS)
            name, _, price = sold[0]
            reduction = self.org.ids.next("801")
            self._line(reduction, name, -taken, price, back, left=0, original=line_ids[0])
            self._order(reduction, account, owner, back, "Activated", _amount(-taken, price), order_id)
            self.counts.returns += 1

    def _order(
        self,
        order_id: str,
        account: str,
        owner: str,
        when: int,
        status: str,
        total: int,
        original: str | None,
    ) -> None:
        self.order_place += 1
        day = moment(when).date().isoformat()
        activated = when + 600_000 if status == "Activated" else None
        own = (
            order_id, owner, account, self.goods.pricebook, original, day, int(original is not None), status, status,
            "Return" if original else "Standard", f"{self.org.next_number('Order.OrderNumber'):08d}", total, total,
            activated, self.admin if activated else None,
        )  # fmt: skip
        self.orders.append(own + _audit(when, activated or when, self.admin) + self.order_fixed)

    def _line(
        self,
        order_id: str,
        name: str,
        quantity: int,
        price: int,
        when: int,
        *,
        left: int,
        original: str | None = None,
    ) -> str:
        line_id = self.org.ids.next("802")
        number = f"{self.org.next_number('OrderItem.OrderItemNumber'):010d}"
        own = (
            line_id, order_id, self.goods.products[name], self.goods.entries[name], original, quantity, left, price,
            self.goods.prices[name], _amount(quantity, price), number, "Order Product", "Product",
        )  # fmt: skip
        self.lines.append(own + _audit(when, when, self.admin) + self.line_fixed)
        return line_id


ORDER = (
    "Id", "OwnerId", "AccountId", "Pricebook2Id", "OriginalOrderId", "EffectiveDate", "IsReductionOrder", "Status",
    "StatusCode", "Type", "OrderNumber", "TotalAmount", "GrandTotalAmount", "ActivatedDate", "ActivatedById",
)  # fmt: skip
LINE = (
    "Id", "OrderId", "Product2Id", "PricebookEntryId", "OriginalOrderItemId", "Quantity", "AvailableQuantity",
    "UnitPrice", "ListPrice", "TotalPrice", "OrderItemNumber", "Type", "TypeCode",
)  # fmt: skip


def _amount(quantity: int, price: int) -> int:
    """Hundredths of a piece times cents, in cents; whole pieces, so nothing is rounded."""
    return quantity * price // 100
