"""From the org's ids to our own numbers, whole columns at a time.

A referenced record that has not arrived gets a placeholder row, so that nothing waits and nothing is lost:
when it arrives it takes the placeholder's place under the same number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Table

from state.tables import facts, work
from state.tables.base import FIRST_AT

NO_PRODUCT = 0  # products.pk of the placeholder for lines without one
# The longest signature that stands as it is: a row of a PostgreSQL index has at most 2,704 bytes.
SIGNED_BYTES = 1_000

# What a placeholder says until its record arrives. Older than any real version.
_BLANK: dict[str, Mapping[str, Any]] = {
    "accounts": {"known": False, "deleted": False, "modstamp": FIRST_AT},
    "products": {"known": False, "deleted": False, "modstamp": FIRST_AT},
    "orders": {
        "known": False,
        "deleted": False,
        "modstamp": FIRST_AT,
        "account_pk": 0,
        "kind_pk": 0,
        "active": False,
    },
}


def look_up(tx: Connection, table: Table, column: str, values: Sequence[str]) -> dict[str, int]:
    """`column` → pk of those values that exist. One round trip, whatever their number."""
    parameter: Any
    if tx.dialect.name == "postgresql":
        where, parameter = "= ANY(%s)", list(values)
    else:
        where, parameter = "IN (SELECT value FROM json_each(?))", json.dumps(list(values))
    query = f"SELECT {column}, pk FROM {table.name} WHERE {column} {where}"
    with tx.exec_driver_sql(query, (parameter,)) as found:
        return dict(found.cursor.fetchall())  # the driver's own tuples: half the time for tens of thousands


def resolve(tx: Connection, table: Table, ids: pa.ChunkedArray) -> pa.Array:
    """The numbers of a column of ids, null where the id is null; unknown ids become placeholders."""
    encoded = ids.combine_chunks().dictionary_encode()
    distinct: list[str] = encoded.dictionary.to_pylist()
    if not distinct:
        return pa.nulls(len(ids), pa.int64())
    known = look_up(tx, table, "sf_id", distinct)
    missing = [sf_id for sf_id in distinct if sf_id not in known]
    if missing:
        tx.execute(table.insert(), [{"sf_id": sf_id, **_BLANK[table.name]} for sf_id in missing])
        known |= look_up(tx, table, "sf_id", missing)
        if table is facts.products:
            tx.execute(
                work.dirty_products.insert(), [{"product_pk": known[s], "judged": False} for s in missing]
            )
    numbers = pa.array([known[sf_id] for sf_id in distinct], pa.int64())
    return numbers.take(encoded.indices)


def order_kinds(tx: Connection, batch: pa.Table) -> pa.Array:
    """The kind of each order in a batch; combinations never seen are written down and await judgment."""
    return _kinds(tx, facts.order_kinds, "order", batch.select(["status", "type", "currency", "attributes"]))


def line_kinds(tx: Connection, batch: pa.Table) -> pa.Array:
    return _kinds(tx, facts.line_kinds, "line", batch.select(["attributes"]))


def _kinds(tx: Connection, table: Table, side: str, fields: pa.Table) -> pa.Array:
    if fields.num_rows == 0:
        return pa.nulls(0, pa.int64())
    codes, combinations = _combinations(fields)
    rows = {signature(values): values for values in combinations}
    known = look_up(tx, table, "signature", list(rows))
    missing = [signed for signed in rows if signed not in known]
    if missing:
        tx.execute(
            table.insert(),
            [{"signature": s, **dict(zip(fields.column_names, rows[s], strict=True))} for s in missing],
        )
        known |= look_up(tx, table, "signature", missing)
        tx.execute(work.dirty_kinds.insert(), [{"side": side, "kind_pk": known[s]} for s in missing])
    return pa.array([known[signed] for signed in rows], pa.int64()).take(codes)


def signature(values: Sequence[str | None]) -> str:
    """What tells a kind from every other: its values as JSON, and where they are long, a digest of that. The values
    themselves stand whole in the kind's other columns."""
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    said = text.encode()
    return text if len(said) <= SIGNED_BYTES else f"sha256:{hashlib.sha256(said).hexdigest()}"


def _combinations(fields: pa.Table) -> tuple[pa.Array, list[list[str | None]]]:
    """Which distinct combination each row has, by number, and what each of them holds. By the values' places and not by
    their texts joined: a text may hold any character that would join them."""
    codes, combinations = None, list[list[str | None]]([[]])
    for column in fields.columns:
        encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
        values, places = encoded.dictionary.to_pylist(), encoded.indices.cast(pa.int64())
        if codes is not None:
            places = pc.add(pc.multiply(codes, len(values)), places)
        distinct = places.dictionary_encode()  # small numbers again
        pairs = (divmod(place, len(values)) for place in distinct.dictionary.to_pylist())
        combinations = [[*combinations[before], values[value]] for before, value in pairs]
        codes = distinct.indices.cast(pa.int64())
    return codes, combinations
