"""What every seeded org has: a company, its users, its price book, the picklist values its admin added."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from emulator import records
from emulator.context import Context
from emulator.life import permissions_of
from emulator.metadata_deploy import deploy
from emulator.metadata_read import Component, Package
from emulator.raw_rows import change, find, put, user_named
from emulator.wire import milliseconds
from emulator.xml_tree import read_xml

if TYPE_CHECKING:
    from emulator.org import Org

ADMIN = "admin@northwind.example"
INTEGRATION = "integration@northwind.example"
SETUP_SET = "Rebate_Sync_Setup"
ACCOUNT_TYPES = (
    "Prospect", "Customer - Direct", "Customer - Channel", "Channel Partner / Reseller", "Distributor",
    "Installation Partner", "Technology Partner", "Other",
)  # fmt: skip
ZONE = ZoneInfo("America/New_York")


@dataclass
class Catalog:
    """Ids and list prices (cents) of what is for sale, by product name."""

    admin: str
    pricebook: str
    entries: dict[str, str] = field(default_factory=dict)
    products: dict[str, str] = field(default_factory=dict)
    prices: dict[str, int] = field(default_factory=dict)


def company(org: Org, name: str, time_zone: str = "America/New_York") -> str:
    """Name the org and its two first users; the id of the administrator.

    The integration user may only use the API. So that it can set itself up, its admin gave it the permission set
    `Rebate_Sync_Setup` (deploy metadata, assign permission sets); what it may do with records comes from the
    permission set of the package it deploys.
    """
    admin = user_named(org)
    row = find(org, "Organization", Id=org.id)
    assert row is not None
    change(org, "Organization", row["Id"], admin, Name=name, TimeZoneSidKey=time_zone)
    change(
        org,
        "User",
        admin,
        admin,
        Username=ADMIN,
        Email=ADMIN,
        FirstName="Alex",
        LastName="Reyes",
        Name="Alex Reyes",
    )
    integration = user_named(org, "Minimum Access - API Only Integrations")
    change(
        org, "User", integration, admin, Username=INTEGRATION, Email=INTEGRATION, FirstName="Integration",
        LastName="User", Name="Integration User", Alias="integ", CommunityNickname="integration",
    )  # fmt: skip
    setup = put(
        org, "PermissionSet", admin, Name=SETUP_SET, Label="Rebate Sync Setup", IsCustom=1, Type="Regular",
        Description="Deploys the package and assigns its permission set. Take it away after the set-up.",
        PermissionsApiEnabled=1, PermissionsApiUserOnly=1,
    )  # fmt: skip
    system = ["ApiEnabled", "AssignPermissionSets", "ModifyMetadata", "ViewSetup"]
    org.storage.keep("permissions.system", setup, system)
    permissions_of(org).assign(INTEGRATION, SETUP_SET)
    _value_set(org, admin, "AccountType", ACCOUNT_TYPES)
    return admin


def _value_set(org: Org, admin: str, name: str, values: tuple[str, ...]) -> None:
    items = "".join(
        f"<standardValue><fullName>{each}</fullName><default>false</default><label>{each}</label></standardValue>"
        for each in values
    )
    body = read_xml(f"<StandardValueSet><sorted>false</sorted>{items}</StandardValueSet>".encode())
    file = f"standardValueSets/{name}.standardValueSet"
    outcome = deploy(org, Package([Component("StandardValueSet", name, file, body)]), admin)
    assert not outcome.problems, outcome.problems


def rep(org: Org, admin: str, first: str, last: str) -> str:
    """A sales rep, active."""
    profile = find(org, "Profile", Name="Standard User")
    profile_id = (
        profile["Id"] if profile else put(org, "Profile", admin, Name="Standard User", UserType="Standard")
    )
    username = f"{first}.{last}@northwind.example".lower()
    return put(
        org, "User", admin, Username=username, Email=username, FirstName=first, LastName=last, Name=f"{first} {last}",
        Alias=(first[:1] + last)[:8].lower(), CommunityNickname=f"{first}.{last}".lower()[:40], IsActive=1,
        ProfileId=profile_id, UserType="Standard", TimeZoneSidKey="America/New_York", LocaleSidKey="en_US",
        LanguageLocaleKey="en_US", EmailEncodingKey="UTF-8", DigestFrequency="D",
        DefaultGroupNotificationFrequency="N",
    )  # fmt: skip


def catalog(org: Org, admin: str, products: list[tuple[str, str, str, int]]) -> Catalog:
    """Products `(name, code, family, price in cents)` with their standard prices."""
    book = org.storage.row('SELECT "Id" FROM "Pricebook2" WHERE "IsStandard"')
    assert book is not None
    made = Catalog(admin, str(book[0]))
    for name, code, family, cents in products:
        product = put(
            org, "Product2", admin, Name=name, ProductCode=code, StockKeepingUnit=code, Family=family, IsActive=1,
            QuantityUnitOfMeasure="Each",
        )  # fmt: skip
        entry = put(
            org, "PricebookEntry", admin, Name=name, ProductCode=code, Pricebook2Id=made.pricebook, Product2Id=product,
            UnitPrice=cents, IsActive=1,
        )  # fmt: skip
        made.products[name], made.entries[name], made.prices[name] = product, entry, cents
    return made


def order(
    org: Org,
    goods: Catalog,
    account: str,
    owner: str,
    day: date,
    lines: list[tuple[str, int]],
    *,
    activate: bool = True,
    **values: Any,
) -> str:
    """An order through the org's own rules: a draft, its lines `(product, quantity)`, then activated."""  # fmt: skip
    ctx = Context(goods.admin)  # seeds write as the administrator; the owner is a value
    given = {
        "AccountId": account, "EffectiveDate": day.isoformat(), "Status": "Draft", "Pricebook2Id": goods.pricebook,
        "OwnerId": owner, **values,
    }  # fmt: skip
    made = records.insert(org, ctx, "Order", given)
    for name, quantity in lines:
        line = {"OrderId": made, "PricebookEntryId": goods.entries[name], "Quantity": quantity}
        records.insert(org, ctx, "OrderItem", line)
    if activate:
        records.update(org, ctx, "Order", made, {"Status": "Activated"})
    return made


def backdate(org: Org, order_id: str, day: date, hour: int = 10) -> None:
    """Let an order and its lines have been made on its own day, not at the moment of seeding."""
    made = milliseconds(datetime.combine(day, time(hour), ZONE))
    later = made + int(timedelta(minutes=20) / timedelta(milliseconds=1))
    org.storage.execute(
        'UPDATE "Order" SET "CreatedDate" = ?, "LastModifiedDate" = ?, "SystemModstamp" = ?,'
        ' "ActivatedDate" = CASE WHEN "ActivatedDate" IS NULL THEN NULL ELSE ? END WHERE "Id" = ?',
        (made, later, later, later, order_id),
    )
    org.storage.execute(
        'UPDATE "OrderItem" SET "CreatedDate" = ?, "LastModifiedDate" = ?, "SystemModstamp" = ? WHERE "OrderId" = ?',
        (made, made, made, order_id),
    )


def since_long(org: Org, sobjects: tuple[str, ...], days: int = 90) -> None:
    """Let everything in these objects have been there for a while, not since the moment of seeding."""
    stamp = org.stamp() - int(timedelta(days=days) / timedelta(milliseconds=1))
    for name in sobjects:
        org.storage.execute(
            f'UPDATE "{name}" SET "CreatedDate" = ?, "LastModifiedDate" = ?, "SystemModstamp" = ?',
            (stamp, stamp, stamp),
        )
