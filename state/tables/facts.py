"""What the org told us: accounts, products, orders, their lines, users, currency rates.

`staging` is the only writer of all of these; `rules` reads them to materialise membership, `contributions`
to compute, `standings` to explain. `known` = false marks a placeholder: someone refers to it and it has not
arrived yet. Nothing is ever removed, `deleted` says that the org did; only a line that moves to another order leaves
no row behind where it was (`moved_lines`).
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Text, text
from sqlmodel import Field

from state.tables.base import (
    CLUSTERED,
    Row,
    flag,
    int64,
    key_part,
    optional_day,
    optional_int64,
    optional_words,
    surrogate,
    table,
    words,
)


class Account(Row, table=True):
    """Written by staging; read by rules (who is a member), standings and status (names)."""

    __tablename__ = "accounts"
    pk: int | None = surrogate()
    sf_id: str = words(unique=True)
    known: bool = flag()
    name: str | None = optional_words()
    parent_pk: int | None = optional_int64(index=True)
    owner_id: str | None = optional_words()
    type: str | None = optional_words()
    region: str | None = optional_words()
    currency: str | None = optional_words()
    master_pk: int | None = optional_int64()  # the winner of a merge; orders still pointing here are its
    attributes: str | None = optional_words()
    deleted: bool = flag()
    modstamp: int = int64()


class Product(Row, table=True):
    """Written by staging; read by rules (which buckets a product counts in). pk 0 stands for "no product"."""

    __tablename__ = "products"
    pk: int | None = surrogate()
    sf_id: str = words(unique=True)
    known: bool = flag()
    name: str | None = optional_words()
    code: str | None = optional_words()
    family: str | None = optional_words()
    active: bool | None = Field(default=None, sa_column=Column(Boolean, nullable=True))
    attributes: str | None = optional_words()
    deleted: bool = flag()
    modstamp: int = int64()


class Order(Row, table=True):
    """Written by staging; read by contributions. Status, type, currency and attributes live in its kind."""

    __tablename__ = "orders"
    __table_args__ = (
        # Returns are found by the order that they take back from; few orders are returns.
        Index(
            "ix_orders_original_order_id",
            "original_order_id",
            sqlite_where=text("original_order_id IS NOT NULL"),
            postgresql_where=text("original_order_id IS NOT NULL"),
        ),
    )
    pk: int | None = surrogate()
    sf_id: str = words(unique=True)
    known: bool = flag()
    account_pk: int = int64(index=True)
    kind_pk: int = int64()
    number: str | None = optional_words()
    active: bool = flag()
    ordered_on: int | None = optional_day()
    ordered_at: int | None = optional_int64()
    original_order_id: str | None = optional_words()
    deleted: bool = flag()
    modstamp: int = int64()


class OrderLine(Row, table=True):
    """Written by staging; read by contributions. Clustered by order; one row a line, which `moved_lines` sees to."""

    __tablename__ = "order_lines"
    __table_args__ = CLUSTERED
    order_pk: int = key_part()
    sf_id: str = key_part(Text)
    product_pk: int = int64()
    kind_pk: int = int64()
    quantity_e6: int = int64()
    amount_e6: int = int64()
    deleted: bool = flag()
    modstamp: int = int64()


class OrderKind(Row, table=True):
    """A distinct combination of what a program may ask of an order; written by staging, read by rules."""

    __tablename__ = "order_kinds"
    pk: int | None = surrogate()
    signature: str = words(unique=True)  # of the four below, as `keys.signature` makes it
    status: str | None = optional_words()
    type: str | None = optional_words()
    currency: str | None = optional_words()
    attributes: str | None = optional_words()


class LineKind(Row, table=True):
    """A distinct combination of what a program may ask of a line; written by staging, read by rules."""

    __tablename__ = "line_kinds"
    pk: int | None = surrogate()
    signature: str = words(unique=True)
    attributes: str | None = optional_words()


class User(Row, table=True):
    """Written by staging; read by alerts (who owns a task, and whether they still work here)."""

    __tablename__ = "users"
    sf_id: str = key_part(Text)
    name: str | None = optional_words()
    active: bool = flag()
    modstamp: int = int64()


class CurrencyRate(Row, table=True):
    """Written by rates, which remembers what Salesforce overwrites; read by rules for conversions."""

    __tablename__ = "currency_rates"
    currency: str = key_part(Text)
    starts_on: int = key_part(Integer)
    rate: str = words()  # exact decimal text: units of this currency per unit of the corporate one
    source: str = words()
    modstamp: int = int64()


accounts = table(Account)
products = table(Product)
orders = table(Order)
order_lines = table(OrderLine)
order_kinds = table(OrderKind)
line_kinds = table(LineKind)
users = table(User)
currency_rates = table(CurrencyRate)
