"""Merging a batch into the facts: the newest version wins, and what really changed is noted.

Per batch: resolve ids, fill a scratch table, compare it with the facts (`changed`), upsert, note what is dirty.
A row that comes again with the same content only moves its stamp: it is `unchanged` and makes nothing dirty,
which is why re-reading the overlap of two windows costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import (
    Connection,
    Table,
    delete,
    select,
)

from state import bulk, changed_accounts, dirty, keys, moved_lines, parts, rates
from state.merge_statements import REJECTED, Target, anything, comparison, counting, upserting
from state.tables.facts import accounts, order_lines, orders, products, users
from state.tables.programs import programs
from state.tables.running import rejected_rows

Counts = tuple[int, int, int, int]  # inserted, updated, unchanged, stale


def _plain(batch: pa.Table, *names: str) -> dict[str, pa.ChunkedArray]:
    return {name: batch[name] for name in names}


def _account(tx: Connection, batch: pa.Table) -> pa.Table:
    return pa.table(
        {
            "sf_id": batch["id"],
            "known": _all(True, batch),
            **_plain(
                batch, "name", "owner_id", "type", "region", "currency", "attributes", "deleted", "modstamp"
            ),
            "parent_pk": keys.resolve(tx, accounts, batch["parent_id"]),
            "master_pk": keys.resolve(tx, accounts, batch["master_id"]),
        }
    )


def _product(_tx: Connection, batch: pa.Table) -> pa.Table:
    return pa.table(
        {
            "sf_id": batch["id"],
            "known": _all(True, batch),
            **_plain(batch, "name", "code", "family", "active", "attributes", "deleted", "modstamp"),
        }
    )


def _order(tx: Connection, batch: pa.Table) -> pa.Table:
    return pa.table(
        {
            "sf_id": batch["id"],
            "known": _all(True, batch),
            "account_pk": keys.resolve(tx, accounts, batch["account_id"]),
            "kind_pk": keys.order_kinds(tx, batch),
            "active": pc.fill_null(batch["active"], True),  # an org that maps nothing here counts every order
            **_plain(batch, "number", "ordered_on", "ordered_at", "original_order_id", "deleted", "modstamp"),
        }
    )


def _order_line(tx: Connection, batch: pa.Table) -> pa.Table:
    return pa.table(
        {
            "order_pk": keys.resolve(tx, orders, batch["order_id"]),
            "sf_id": batch["id"],
            "product_pk": pc.fill_null(keys.resolve(tx, products, batch["product_id"]), keys.NO_PRODUCT),
            "kind_pk": keys.line_kinds(tx, batch),
            "quantity_e6": batch["quantity"],
            "amount_e6": batch["amount"],
            **_plain(batch, "deleted", "modstamp"),
        }
    )


def _user(_tx: Connection, batch: pa.Table) -> pa.Table:
    return pa.table({"sf_id": batch["id"], **_plain(batch, "name", "active", "modstamp")})


def _all(value: bool, batch: pa.Table) -> pa.Array:
    return pa.array([value]).take(pa.array([0] * batch.num_rows, pa.int32()))


TARGETS = {
    "account": Target(
        accounts,
        bulk.scratch(
            "accounts", sf_id="text!", known="bool", name="text", owner_id="text", type="text", region="text",
            currency="text", attributes="text", deleted="bool", modstamp="int", parent_pk="int", master_pk="int",
        ),
        _account,
    ),
    "product": Target(
        products,
        bulk.scratch(
            "products", sf_id="text!", known="bool", name="text", code="text", family="text", active="bool",
            attributes="text", deleted="bool", modstamp="int",
        ),
        _product,
    ),
    "order": Target(
        orders,
        bulk.scratch(
            "orders", sf_id="text!", known="bool", account_pk="int", kind_pk="int", active="bool", number="text",
            ordered_on="day", ordered_at="int", original_order_id="text", deleted="bool", modstamp="int",
        ),
        _order,
    ),
    "order_line": Target(
        order_lines,
        bulk.scratch(
            "order_lines", order_pk="int!", sf_id="text!", product_pk="int", kind_pk="int", quantity_e6="int",
            amount_e6="int", deleted="bool", modstamp="int",
        ),
        _order_line,
        key=("order_pk", "sf_id"),
    ),
    "user": Target(users, bulk.scratch("users", sf_id="text!", name="text", active="bool", modstamp="int"), _user),
}  # fmt: skip

# What a batch changed: the key of the row, and whether the store had never seen it.
changed_ids = bulk.scratch("changed_ids", sf_id="text!", is_new="bool")

_CHANGED_ORDERS, _CHANGED_ACCOUNTS, _CHANGED_PRODUCTS = (
    select(table.c.pk).join(changed_ids, changed_ids.c.sf_id == table.c.sf_id)
    for table in (orders, accounts, products)
)
# Those that take back from a changed order may count on its day.
_TAKING_BACK = select(orders.c.pk).join(changed_ids, changed_ids.c.sf_id == orders.c.original_order_id)

# Where a first load is worth a way of its own.
FIRST_LOADS = ("account", "order", "order_line")


class Merge:
    """The merge of one entity within one transaction. `again`: of records that are read once more by id."""

    def __init__(self, tx: Connection, entity: str, now: datetime, *, again: bool = False) -> None:
        self.tx = tx
        self.entity = entity
        self.now = now
        self._orders = dirty.Orders(tx)
        self._first = self._rows = 0
        if entity in FIRST_LOADS:
            self._first = tx.execute(anything(TARGETS[entity].table)).first() is None
        self._moves: moved_lines.Moves | None = None
        if entity == "order_line":
            self._moves = moved_lines.Moves(tx, TARGETS[entity].scratch, self._orders, again=again)
        self._rejected = tx.execute(REJECTED, {"of": entity}).first()

    def add(self, batch: pa.Table) -> Counts:
        """Merge one batch."""
        if self.entity == "currency_rate":
            return rates.merge(self.tx, batch, self.now)
        target = TARGETS[self.entity]
        changed = moved_lines.changed if self._moves else changed_ids
        rows = _newest(target.prepare(self.tx, batch))
        if self._first and self._rejected is None:
            return self._add_first(target, rows, batch.num_rows)
        bulk.empty(self.tx, target.scratch, changed)
        bulk.fill(self.tx, target.scratch, rows)
        bulk.settle(self.tx, target.scratch)
        stale = self._compare(target, changed)
        inserted, updated = self._count(changed)
        if self.entity == "product" and updated + inserted:
            dirty.mark_products(self.tx, _CHANGED_PRODUCTS, judged=True)
        if self.entity == "account" and updated:
            changed_accounts.note_fields(self.tx, target.scratch, changed)
        self._upsert(target)
        if self._moves:
            self._moves.look(inserted)
        if inserted or updated:
            self._note()
        if self._rejected is not None:
            self._readmit(target)
        return inserted, updated, batch.num_rows - inserted - updated - stale, stale

    def finish(self, batches: Callable[[], Iterator[pa.Table]]) -> tuple[int, moved_lines.Found]:
        """How many orders became dirty, and lines that turned out to be in two. `batches` gives all of them once more."""
        found = moved_lines.Found()
        if self._first and self._rows:
            self._note_first()
            bulk.settle(self.tx, TARGETS[self.entity].table)
            if self._moves:
                found = self._moves.finish_first(lambda chosen: self._once_more(batches(), chosen))
        elif self._moves:
            found = self._moves.finish()
        return self._orders.marked, found

    def _once_more(
        self, batches: Iterator[pa.Table], chosen: Callable[[pa.ChunkedArray], pa.Array]
    ) -> Iterator[pa.Table]:
        for batch in batches:
            some = batch.filter(chosen(batch["id"]))
            if some.num_rows:
                yield _newest(TARGETS[self.entity].prepare(self.tx, some))

    def _add_first(self, target: Target, rows: pa.Table, read: int) -> Counts:
        """Into an empty table: there is nothing to compare with, only a record that comes twice to put right."""
        self._rows += rows.num_rows
        if self._moves:
            self._moves.note_first(rows["sf_id"])
        if self.tx.dialect.name == "postgresql":
            bulk.empty(self.tx, target.scratch)
            bulk.fill(self.tx, target.scratch, rows)
            self._upsert(target)
        else:
            bulk.fill_newest(self.tx, target.table, target.key, rows)
        return rows.num_rows, 0, read - rows.num_rows, 0

    def _note_first(self) -> None:
        """Everything is new: whole programs are dirty, not single orders."""
        if self.entity == "account":
            dirty.mark_accounts(self.tx, select(accounts.c.pk))
        else:
            parts.note_all_changed(self.tx)
            dirty.mark_programs(self.tx, select(programs.c.pk).where(programs.c.active))

    def _compare(self, target: Target, changed: Table) -> int:
        """Fill `changed`; returns how many rows were older than the store's."""
        fill, stale = comparison(target, changed)
        self.tx.execute(fill)
        return int(self.tx.execute(stale).scalar_one())

    def _count(self, changed: Table) -> tuple[int, int]:
        rows, new = self.tx.execute(counting(changed)).one()
        return int(new), int(rows) - int(new)

    def _upsert(self, target: Target) -> None:
        self.tx.execute(upserting(self.tx.dialect.name, target))

    def _note(self) -> None:
        if self._moves:
            self._moves.mark_changed()
        elif self.entity == "order":
            self._orders.mark(_CHANGED_ORDERS)
            self._orders.mark(_TAKING_BACK)
        elif self.entity == "account":
            dirty.mark_accounts(self.tx, _CHANGED_ACCOUNTS)
        elif self.entity == "product":
            dirty.mark_products(self.tx, _CHANGED_PRODUCTS, judged=False)

    def _readmit(self, target: Target) -> None:
        """A record that was set aside and can be read now is no longer rejected."""
        self.tx.execute(
            delete(rejected_rows).where(
                rejected_rows.c.entity == self.entity,
                rejected_rows.c.sf_id.in_(select(target.scratch.c.sf_id)),
            )
        )


def _newest(rows: pa.Table) -> pa.Table:
    """One row a record: of several versions in a batch the newest, of equal stamps the last."""
    distinct = pc.count_distinct(rows["sf_id"]).as_py()  # ids are unique within an entity
    if distinct == rows.num_rows:
        return rows
    numbered = rows.append_column("_at", pa.array(range(rows.num_rows), pa.int64()))
    order = pc.sort_indices(numbered, [("modstamp", "ascending"), ("_at", "ascending")])
    ordered = rows.take(order).append_column("_at", pa.array(range(rows.num_rows), pa.int64()))
    last = ordered.group_by("sf_id").aggregate([("_at", "max")])["_at_max"]
    return rows.take(order).take(last)
