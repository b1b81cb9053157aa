"""The story org: a cosmetics retailer a little short of its next tier with a week left, and its neighbors.

Told at 2026-11-24T15:00:00Z. Lumière's qualifying orders of November come to 45,188.00: 4,812.00 short of
50,000. A draft order, a service and October's orders are there because they must not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from emulator import records
from emulator.context import Context
from emulator.raw_rows import change, find, put, user_named
from emulator.seed_common import Catalog, backdate, catalog, company, order, rep, since_long

if TYPE_CHECKING:
    from emulator.org import Org

START = "2026-11-24T15:00:00Z"
LUMIERE = "Lumière Beauty Retail"
MIDWEST = "Midwest Auto Parts Distribution"
SERUM, CREAM, BOOSTER = "Hydrating Serum 30 ml", "Night Cream 50 ml", "Vitamin C Booster"
LIPSTICK, FOUNDATION = "Matte Lipstick", "Liquid Foundation"
PARFUM, TRAINING = "Eau de Parfum 50 ml", "In-store Beauty Training Day"
PADS, ROTOR, FILTER, BATTERY = "Brake Pad Set", "Brake Rotor", "Oil Filter", "Battery 70 Ah"
CORE, FREIGHT = "Battery Core Deposit", "Freight"
PRODUCTS = [
    (SERUM, "SK-SER-30", "Skin care", 38_00),
    (CREAM, "SK-NCR-50", "Skin care", 52_00),
    (BOOSTER, "SK-VCB-15", "Skin care", 64_00),
    (LIPSTICK, "MU-LIP-MT", "Make-up", 18_00),
    (FOUNDATION, "MU-FND-LQ", "Make-up", 32_00),
    (PARFUM, "FR-EDP-50", "Fragrance", 72_00),
    (TRAINING, "SV-TRN-DAY", "Services", 1_200_00),
    (PADS, "BR-PAD-SET", "Brakes", 46_50),
    (ROTOR, "BR-ROT-280", "Brakes", 78_00),
    (FILTER, "FI-OIL-STD", "Filters", 9_25),
    (BATTERY, "EL-BAT-70", "Batteries", 129_00),
    (CORE, "EL-COR-DEP", "Core deposit", 18_00),
    (FREIGHT, "LO-FRT-STD", "Freight", 85_00),
]
Sale = tuple[tuple[int, int], list[tuple[str, int]]]  # (month, day) of 2026, lines

LUMIERE_SALES: list[Sale] = [
    ((10, 6), [(SERUM, 700), (FOUNDATION, 500)]),
    ((10, 21), [(CREAM, 250)]),
    ((11, 3), [(SERUM, 300), (CREAM, 200)]),  # 21,800.00
    ((11, 9), [(LIPSTICK, 500)]),  # 9,000.00
    ((11, 12), [(TRAINING, 2)]),  # a service: does not count
    ((11, 16), [(FOUNDATION, 250)]),  # 8,000.00
    ((11, 20), [(BOOSTER, 52), (LIPSTICK, 170)]),  # 6,388.00
]
MIDWEST_SALES: list[Sale] = [
    ((8, 11), [(PADS, 400), (ROTOR, 150), (FREIGHT, 3)]),
    ((9, 15), [(BATTERY, 120), (CORE, 120)]),
    ((10, 5), [(PADS, 500), (FILTER, 1200), (FREIGHT, 4)]),
    ((10, 27), [(ROTOR, 260), (BATTERY, 90), (CORE, 90)]),
    ((11, 10), [(PADS, 420), (FILTER, 800)]),
]


@dataclass(frozen=True)
class Story:
    """Ids that the demo and tests look things up by."""

    admin: str
    lumiere: str
    midwest: str
    rep: str


def seed_story(org: Org) -> Story:
    """Fill an empty org with the story; everything goes through the org's own rules."""
    with org.storage.transaction():
        admin = company(org, "Northwind Partner Sales")
        maya, sam = rep(org, admin, "Maya", "Torres"), rep(org, admin, "Sam", "Okafor")
        dana = rep(org, admin, "Dana", "Whitfield")
        goods = catalog(org, admin, PRODUCTS)
        lumiere = _account(
            org, admin, LUMIERE, "Channel Partner / Reseller", maya, "New York", "NY", "Retail"
        )
        midwest = _account(org, admin, MIDWEST, "Distributor", sam, "Chicago", "IL", "Transportation")
        boutique = _account(
            org,
            admin,
            "Petite Fleur Boutique",
            "Channel Partner / Reseller",
            maya,
            "Portland",
            "ME",
            "Retail",
        )
        magasin = _account(
            org, admin, "Grand Magasin Group", "Channel Partner / Reseller", sam, "Boston", "MA", "Retail"
        )
        drugstores = _account(
            org, admin, "Old Mill Drugstores", "Channel Partner / Reseller", dana, "Albany", "NY", "Retail"
        )
        spa = _account(
            org, admin, "Harbor Light Spa", "Customer - Direct", sam, "Newport", "RI", "Hospitality"
        )
        _sales(org, goods, lumiere, maya, LUMIERE_SALES, "Cosmetics replenishment")
        _sales(org, goods, midwest, sam, MIDWEST_SALES, "Parts stock order")
        _sales(org, goods, boutique, maya, [((11, 4), [(LIPSTICK, 40), (SERUM, 14)])], "Boutique order")
        _sales(
            org, goods, magasin, sam,
            [((11, 2), [(SERUM, 1500), (CREAM, 600)]), ((11, 17), [(FOUNDATION, 1200), (PARFUM, 150)])],
            "Seasonal order",
        )  # fmt: skip
        _sales(
            org, goods, drugstores, dana, [((11, 6), [(LIPSTICK, 900), (FOUNDATION, 120)])], "Shelf refill"
        )
        _sales(org, goods, spa, sam, [((11, 11), [(CREAM, 60)])], "Treatment room supplies")
        draft = order(
            org, goods, lumiere, maya, date(2026, 11, 22), [(PARFUM, 40), (CREAM, 30)], activate=False,
            Name="Holiday gift sets (draft)",
        )  # fmt: skip
        backdate(org, draft, date(2026, 11, 22))
        since_long(org, ("User", "Account", "Product2", "Pricebook2", "PricebookEntry"))
        _return_of_parts(org, goods, midwest, sam)
        change(org, "User", dana, admin, IsActive=0)
    return Story(admin, lumiere, midwest, maya)


def _account(
    org: Org, admin: str, name: str, kind: str, owner: str, city: str, state: str, industry: str
) -> str:
    return put(
        org, "Account", admin, Name=name, Type=kind, OwnerId=owner, BillingCity=city, BillingState=state,
        BillingCountry="US", Industry=industry, AccountNumber=f"NW-{org.next_number('account number'):05d}",
    )  # fmt: skip


def _sales(org: Org, goods: Catalog, account: str, owner: str, sales: list[Sale], name: str) -> None:
    for (month, day), lines in sales:
        when = date(2026, month, day)
        made = order(org, goods, account, owner, when, lines, Name=name, Type="Standard")
        backdate(org, made, when)


def _return_of_parts(org: Org, goods: Catalog, account: str, owner: str) -> None:
    """A reduction order in November takes back 60 brake pad sets of October."""
    first = find(org, "Order", AccountId=account, EffectiveDate="2026-10-05")
    assert first is not None
    line = find(org, "OrderItem", OrderId=first["Id"], PricebookEntryId=goods.entries[PADS])
    assert line is not None
    ctx, day = Context(goods.admin), date(2026, 11, 18)
    reduction = records.insert(
        org, ctx, "Order",
        {
            "AccountId": account, "EffectiveDate": day.isoformat(), "Status": "Draft", "OwnerId": owner,
            "Pricebook2Id": goods.pricebook, "IsReductionOrder": True, "OriginalOrderId": first["Id"],
            "Name": "Return of brake pads", "Type": "Return",
        },
    )  # fmt: skip
    item = {"OrderId": reduction, "PricebookEntryId": goods.entries[PADS], "Quantity": -60}
    records.insert(org, ctx, "OrderItem", item | {"OriginalOrderItemId": line["Id"]})
    records.update(org, ctx, "Order", reduction, {"Status": "Activated"})
    backdate(org, reduction, day)


def partner_orders_again(org: Org) -> str:
    """Lumière orders for 5,400.00 today: enough for the next tier. The order's id.

    Raises LookupError in an org that is not the story's.
    """
    lumiere = find(org, "Account", Name=LUMIERE, IsDeleted=0)
    if lumiere is None:
        raise LookupError(f"there is no account {LUMIERE} in this org")
    goods = Catalog(user_named(org), "")
    rows = org.storage.rows(
        'SELECT e."Name", e."Id", e."Pricebook2Id" FROM "PricebookEntry" e'
        ' JOIN "Pricebook2" b ON b."Id" = e."Pricebook2Id" WHERE b."IsStandard" AND NOT e."IsDeleted"'
    )
    for name, entry, book in rows:
        goods.entries[name], goods.pricebook = entry, book
    zone_day = org.formulas.compiler().today  # type: ignore[attr-defined]
    with org.storage.transaction():
        return order(
            org, goods, lumiere["Id"], lumiere["OwnerId"], zone_day, [(CREAM, 60), (SERUM, 60)],
            Name="Black Friday top-up", Type="Standard",
        )  # fmt: skip
