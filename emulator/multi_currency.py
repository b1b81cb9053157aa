"""Switching an org to multiple currencies: the objects and fields that only such orgs have.

Source: Salesforce help, "Implications of Enabling Multiple Currencies"; Object Reference, "CurrencyType". It
cannot be switched off again, as in Salesforce.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from emulator.schema import make_field

if TYPE_CHECKING:
    from emulator.org import Org

FEATURE = "multi-currency"
WITH_CURRENCY = ("Account", "Contact", "Contract", "Order", "OrderItem", "Product2", "PricebookEntry", "User")
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


def restore(org: Org) -> None:
    """Bring back what a kept org had switched on."""
    codes = org.storage.kept("org", "currencies")
    if codes:
        _add_shape(org, codes)


def _add_shape(org: Org, codes: list[str]) -> None:
    org.schema.features.add(FEATURE)
    for name in ("CurrencyType", "DatedConversionRate"):
        org.storage.ensure_table(org.schema.require(name))
    field = make_field(
        {
            "name": "CurrencyIsoCode",
            "type": "picklist",
            "label": "Currency ISO Code",
            "length": 255,
            "restrictedPicklist": True,
            "defaultedOnCreate": True,
            "permissionable": False,
            "picklist": [{"value": code, "default": code == CORPORATE} for code in codes],
        }
    )
    for name in WITH_CURRENCY:
        org.add_field(name, field)
        org.storage.execute(
            f'UPDATE "{name}" SET "CurrencyIsoCode" = ? WHERE "CurrencyIsoCode" IS NULL', (CORPORATE,)
        )
