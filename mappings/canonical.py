"""The canonical entities: what every org's rows become before anything else here sees them.

A batch is a `pyarrow.Table` with exactly the schema of its entity. Amounts and quantities are int64
millionths, days are int32 ordinals (`date.toordinal()`), instants int64 microseconds since 1970 UTC,
ids 18 characters. `attributes` is a JSON object with sorted keys and text, boolean or null values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

Kind = Literal["id", "text", "bool", "amount", "quantity", "rate", "day", "moment", "stamp"]

ARROW: dict[Kind, pa.DataType] = {
    "id": pa.string(),
    "text": pa.string(),
    "bool": pa.bool_(),
    "amount": pa.int64(),  # millionths
    "quantity": pa.int64(),  # millionths
    "rate": pa.string(),  # exact decimal text
    "day": pa.int32(),
    "moment": pa.int64(),
    "stamp": pa.int64(),
}


# Attributes that say a day, where an org maps them: from when to when an account takes part.
DAY_ATTRIBUTES = {"account": frozenset({"active_from", "active_to"})}


@dataclass(frozen=True)
class Field:
    """One canonical field: `kind` fixes its type, `required` that a row without it is rejected."""

    name: str
    kind: Kind
    required: bool = False
    doc: str = ""


@dataclass(frozen=True)
class Entity:
    """A canonical entity and its columns, in the order in which batches carry them."""

    name: str
    fields: tuple[Field, ...]
    has_attributes: bool = True

    @property
    def schema(self) -> pa.Schema:
        columns = [(field.name, ARROW[field.kind]) for field in self.fields]
        if self.has_attributes:
            columns.append(("attributes", pa.string()))
        return pa.schema(columns)

    def field(self, name: str) -> Field | None:
        return next((field for field in self.fields if field.name == name), None)


# Every entity ends with these: whether the org says it is gone, and the stamp that orders its versions.
_VERSION = (
    Field("deleted", "bool", required=True, doc="in the recycle bin (IsDeleted)"),
    Field("modstamp", "stamp", required=True, doc="SystemModstamp: orders the versions of a record"),
)

ENTITIES: dict[str, Entity] = {
    entity.name: entity
    for entity in (
        Entity(
            "account",
            (
                Field("id", "id", required=True),
                Field("name", "text", required=True),
                Field("parent_id", "id"),
                Field("owner_id", "id"),
                Field("type", "text"),
                Field("region", "text"),
                Field("currency", "text", doc="ISO 4217; absent in a single-currency org"),
                Field("master_id", "id", doc="the winner, when this account was merged away"),
                *_VERSION,
            ),
        ),
        Entity(
            "product",
            (
                Field("id", "id", required=True),
                Field("name", "text", required=True),
                Field("code", "text"),
                Field("family", "text"),
                Field("active", "bool"),
                *_VERSION,
            ),
        ),
        Entity(
            "order",
            (
                Field("id", "id", required=True),
                Field(
                    "account_id",
                    "id",
                    required=True,
                    doc="an order without one that is not active is left out",
                ),
                Field("number", "text"),
                Field("status", "text", doc="the org's own label; programs may filter on it"),
                Field("active", "bool", doc="false: draft or cancelled, contributes nothing"),
                Field("type", "text"),
                Field("currency", "text"),
                Field("ordered_on", "day", doc="business date; or ordered_at, one of the two"),
                Field(
                    "ordered_at", "moment", doc="business instant, cut into days in the program's time zone"
                ),
                Field("original_order_id", "id", doc="the order that a reduction order takes back from"),
                *_VERSION,
            ),
        ),
        Entity(
            "order_line",
            (
                Field("id", "id", required=True),
                Field("order_id", "id", required=True),
                Field("product_id", "id"),
                Field("quantity", "quantity", required=True),
                Field("amount", "amount", required=True),
                *_VERSION,
            ),
        ),
        Entity(
            "user",
            (
                Field("id", "id", required=True),
                Field("name", "text"),
                Field("active", "bool", required=True),
                *_VERSION[1:],
            ),
            has_attributes=False,
        ),
        Entity(
            "currency_rate",
            (
                Field(
                    "id", "id", doc="only to know a row again that was set aside: rates are kept by currency"
                ),
                Field("currency", "text", required=True),
                Field(
                    "rate", "rate", required=True, doc="units of this currency per unit of the corporate one"
                ),
                Field("starts_on", "day"),
                Field("active", "bool"),
                *_VERSION[1:],
            ),
            has_attributes=False,
        ),
    )
}

# A record that is deleted and of which nothing else can be read: which, since when, and into whom an account was merged.
GONE = pa.schema([("id", pa.string()), ("modstamp", pa.int64()), ("master_id", pa.string())])
