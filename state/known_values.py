"""The values that records really have, by side and field: what rules can be held against."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from state import evidence
from state.judging import ORDER_FIELDS, fields_of
from state.slices import slices
from state.tables.facts import accounts, currency_rates, line_kinds, order_kinds, products

PKS_AT_ONCE = 5_000


@dataclass
class Known:
    """Accounts by Salesforce id; values by (side, field); currencies of orders, and those with a rate."""

    accounts: dict[str, Mapping[str, object]] = field(default_factory=dict)
    values: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    currencies: frozenset[str] = frozenset()
    rated: frozenset[str] = frozenset()


def read(tx: Connection, *, of_accounts: bool = True) -> Known:
    """Everything that is known of accounts (unless nobody asks), products, kinds of orders and lines, and rates."""
    out, found = Known(), dict[tuple[str, str], set[str]]()
    pks = (
        []
        if not of_accounts
        else list(tx.execute(select(accounts.c.pk).where(accounts.c.known, ~accounts.c.deleted)).scalars())
    )
    for some in slices(pks, PKS_AT_ONCE):
        for record in evidence.account_fields(tx, set(some)).values():
            out.accounts[str(record["id"])] = record
    _note(found, "account", out.accounts.values())
    known = select(products).where(products.c.known, ~products.c.deleted)
    _note(found, "product", (fields_of(row, "name", "code", "family", "active") for row in tx.execute(known)))
    kinds = tx.execute(select(order_kinds)).all()
    _note(found, "order", (fields_of(row, *ORDER_FIELDS) for row in kinds))
    _note(found, "line", (json.loads(row.attributes or "{}") for row in tx.execute(select(line_kinds))))
    out.values = {key: frozenset(values) for key, values in found.items()}
    out.currencies = frozenset(row.currency for row in kinds if row.currency)
    out.rated = frozenset(tx.execute(select(currency_rates.c.currency).distinct()).scalars())
    return out


def _note(found: dict[tuple[str, str], set[str]], side: str, records: Iterable[Mapping[str, object]]) -> None:
    for record in records:
        for name, value in record.items():
            if value is not None and value != "":
                text = str(value).lower() if isinstance(value, bool) else str(value)
                found.setdefault((side, name), set()).add(text)
