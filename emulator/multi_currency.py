"""Switching an org to multiple currencies: the objects and fields that only such orgs have.

Every custom object has CurrencyIsoCode, a detail of a master too: roll-up summaries convert because the two may differ.
A new record takes its creator's currency (`User.DefaultCurrencyIsoCode`) unless it brings its own.
Source: Salesforce help, "Implications of Enabling Multiple Currencies", "Roll-Up Summary Field"; Object Reference,
"CurrencyType", "User". It cannot be switched off again, as in Salesforce.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from emulator.schema import Field, SObject, make_field

if TYPE_CHECKING:
    from emulator.org import Org

FEATURE = "multi-currency"
WITH_CURRENCY = (
    "Account", "Contact", "Contract", "Event", "Order", "OrderItem", "PricebookEntry", "Product2", "Task", "User",
)  # fmt: skip
ISO_CODE = "CurrencyIsoCode"
USERS_OWN = "DefaultCurrencyIsoCode"  # of new records; CurrencyIsoCode is that of the user's own record
CORPORATE = "USD"


def is_enabled(org: Org) -> bool:
    return FEATURE in org.schema.features


def enable(org: Org, rates: Mapping[str, str] | None = None) -> None:
    """`rates`: units of a currency for one of the corporate currency, exact text (`{"EUR": "0.92"}`)."""
    from emulator.context import Context
    from emulator.records import insert

    with org.storage.transaction():
        _add_shape(org, [CORPORATE, *(rates or {})])
        org.storage.keep("org", "currencies", [CORPORATE, *(rates or {})])
        admin = org.storage.row('SELECT "Id" FROM "User" ORDER BY "Id" LIMIT 1')
        assert admin is not None, "an org without users"
        ctx = Context(admin[0], system=True)
        for code, rate in {CORPORATE: "1", **(rates or {})}.items():
            values = {
                "IsoCode": code,
                "ConversionRate": Decimal(rate),
                "DecimalPlaces": 0 if code == "JPY" else 2,
            }
            insert(org, ctx, "CurrencyType", values | {"IsActive": True, "IsCorporate": code == CORPORATE})


def activate(org: Org, code: str, rate: str) -> None:
    """One currency more, as in Setup > Manage Currencies."""
    from emulator.context import Context
    from emulator.records import insert

    codes = [*(org.storage.kept("org", "currencies") or ()), code]
    admin = org.storage.row('SELECT "Id" FROM "User" ORDER BY "Id" LIMIT 1')
    assert admin is not None, "an org without users"
    with org.storage.transaction():
        _add_shape(org, codes)
        org.storage.keep("org", "currencies", codes)
        values = {
            "IsoCode": code,
            "ConversionRate": Decimal(rate),
            "DecimalPlaces": 0 if code == "JPY" else 2,
        }
        insert(
            org,
            Context(admin[0], system=True),
            "CurrencyType",
            values | {"IsActive": True, "IsCorporate": False},
        )


def deactivate(org: Org, code: str) -> None:
    """A currency is given up: records in it stay in it, no other record takes it."""
    codes = [one for one in org.storage.kept("org", "currencies") or () if one != code]
    with org.storage.transaction():
        _add_shape(org, codes)
        org.storage.keep("org", "currencies", codes)
        org.storage.execute('UPDATE "CurrencyType" SET "IsActive" = 0 WHERE "IsoCode" = ?', (code,))


def restore(org: Org) -> None:
    """Bring back what a kept org had switched on."""
    codes = org.storage.kept("org", "currencies")
    if codes:
        _add_shape(org, codes)


def with_currency(org: Org, made: SObject) -> SObject:
    """A custom object as this org has it: with a currency where there are several."""
    codes = org.storage.kept("org", "currencies")
    if codes and made.name.endswith("__c"):
        made.fields.setdefault(ISO_CODE.lower(), _iso_code(codes))
    return made


def currency_of(org: Org, user_id: str) -> str:
    """What a user's new records are in."""
    row = org.storage.row(f'SELECT "{USERS_OWN}" FROM "User" WHERE "Id" = ?', (user_id,))
    return str(row[0]) if row and row[0] else CORPORATE


def _iso_code(codes: list[str], name: str = ISO_CODE, label: str = "Currency ISO Code") -> Field:
    return make_field(
        {
            "name": name,
            "type": "picklist",
            "label": label,
            "length": 255,
            "restrictedPicklist": True,
            "defaultedOnCreate": True,
            "permissionable": False,
            "picklist": [{"value": code, "default": code == CORPORATE} for code in codes],
        }
    )


def _add_shape(org: Org, codes: list[str]) -> None:
    org.schema.features.add(FEATURE)
    for name in ("CurrencyType", "DatedConversionRate"):
        org.storage.ensure_table(org.schema.require(name))
    field = _iso_code(codes)
    for name in (*WITH_CURRENCY, *(each.name for each in org.schema if each.name.endswith("__c"))):
        _add(org, name, field)
    _add(org, "User", _iso_code(codes, USERS_OWN, "Default Currency ISO Code"))


def _add(org: Org, name: str, field: Field) -> None:
    """The field, and the corporate currency on what was there before."""
    org.add_field(name, field)
    column = field.name
    org.storage.execute(f'UPDATE "{name}" SET "{column}" = ? WHERE "{column}" IS NULL', (CORPORATE,))
