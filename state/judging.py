"""Who takes part and what counts: the rules asked once per record, their answers kept as rows.

The engine judges (`program.takes`, `bucket.counts_product` …), this module remembers. When a record changes it is
judged again; only where the answer differs do its orders become dirty.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select

from rebates.program import Program
from rebates.qualifiers import Bucket
from state import dirty, membership, rates, row_rules
from state.dialects import upsert
from state.slices import slices
from state.tables.facts import line_kinds, order_kinds, order_lines, products
from state.tables.programs import (
    bucket_line_kinds,
    bucket_order_kinds,
    bucket_products,
    buckets,
    conversions,
)
from state.tables.work import dirty_accounts, dirty_kinds, dirty_products, totals

ROWS_AT_ONCE = 20_000

# Orders and lines are judged by kind, so that millions of them cost a handful of judgments.
ORDER_FIELDS = ("status", "type", "currency")
MANY_KINDS = 5_000  # more distinct combinations than this means that a mapping carries something like an id


class NotExpressible(ValueError):
    """A program asks something of single orders or lines that the store would get wrong."""


def require_expressible(program: Program) -> None:
    """Raises `NotExpressible` for a filter that the store would silently get wrong."""
    for bucket in program.buckets:
        for condition in bucket.filter.conditions:
            reason = row_rules.why_not_expressible(condition)
            if reason is not None:
                raise NotExpressible(reason)


_BUCKETS = select(buckets.c.program_pk, buckets.c.name, buckets.c.pk).where(buckets.c.active)
_ACCOUNTS, _PRODUCTS, _KINDS = (
    select(dirty_accounts.c.account_pk),
    select(dirty_products),
    select(dirty_kinds),
)
_FORGET = {table.name: delete(table) for table in (dirty_accounts, dirty_products, dirty_kinds)}


def judge(
    tx: Connection, programs: Mapping[int, Program], fresh: Collection[int], back: Collection[int] = ()
) -> list[str]:
    """Judge everything for `fresh` programs and what is dirty for the others. Returns problems for people. `back`: those of
    the fresh ones that were refused for a while and have the terms of before."""
    names = _bucket_pks(tx)
    accounts = list(tx.execute(_ACCOUNTS).scalars())
    problems = membership.judge(tx, programs, fresh, accounts, names, back)
    _judge_products(tx, programs, fresh, names)
    _judge_kinds(tx, programs, fresh, names)
    for table in (dirty_accounts, dirty_products, dirty_kinds):
        tx.execute(_FORGET[table.name])
    for table, what in ((order_kinds, "orders"), (line_kinds, "order lines")):
        found = dirty.count(tx, table)
        if found > MANY_KINDS:
            problems.append(
                f"{found:,} different kinds of {what}: an attribute in the mapping differs on nearly every row; "
                "leave it out, or computing will be slow"
            )
    return problems


def _bucket_pks(tx: Connection) -> dict[tuple[int, str], int]:
    return {(row.program_pk, row.name): row.pk for row in tx.execute(_BUCKETS)}


def fields_of(row: Any, *names: str) -> dict[str, object]:
    """A record as conditions see it: its attributes, and over them the canonical fields."""
    attributes: dict[str, object] = json.loads(row.attributes) if row.attributes else {}
    return attributes | {name: getattr(row, name) for name in names}


# --- products ---------------------------------------------------------------------------------


def _judge_products(
    tx: Connection,
    programs: Mapping[int, Program],
    fresh: Collection[int],
    names: Mapping[tuple[int, str], int],
) -> None:
    marked = {row.product_pk: row.judged for row in tx.execute(_PRODUCTS)}
    if not fresh and not marked:
        return
    query = select(products)
    if not fresh:
        query = query.where(products.c.pk.in_(select(dirty_products.c.product_pk)))
    rows = [(row.pk, _product_fields(row)) for row in tx.execute(query)]
    moved: set[int] = set()
    for program_pk, program in programs.items():
        asked = rows if program_pk in fresh else [row for row in rows if row[0] in marked]
        for bucket in program.buckets:
            wanted = {
                (names[program_pk, bucket.name], pk) for pk, fields in asked if bucket.counts_product(fields)
            }
            only = None if program_pk in fresh else [pk for pk, _ in asked]
            changed = _replace(
                tx, bucket_products, names[program_pk, bucket.name], "product_pk", wanted, only
            )
            if program_pk not in fresh:
                moved |= {pk for _, pk in changed if marked.get(pk)}
    if moved:
        found = dirty.Orders(tx, facts_changed=False)
        for some in slices(sorted(moved), ROWS_AT_ONCE):
            found.mark(select(order_lines.c.order_pk).distinct().where(order_lines.c.product_pk.in_(some)))


def _product_fields(row: Any) -> dict[str, object]:
    return fields_of(row, "name", "code", "family", "active") | {"id": row.sf_id}


# --- kinds of orders and lines ----------------------------------------------------------------


def _judge_kinds(
    tx: Connection,
    programs: Mapping[int, Program],
    fresh: Collection[int],
    names: Mapping[tuple[int, str], int],
) -> None:
    marked = {(row.side, row.kind_pk) for row in tx.execute(_KINDS)}
    rates_changed = any(side == "rate" for side, _ in marked)
    if not fresh and not marked:
        return
    dated = rates.known(tx)
    order_rows = tx.execute(select(order_kinds)).all()
    line_rows = tx.execute(select(line_kinds)).all()
    for program_pk, program in programs.items():
        everything = program_pk in fresh
        asked_orders = [r for r in order_rows if everything or rates_changed or ("order", r.pk) in marked]
        asked_lines = [r for r in line_rows if everything or ("line", r.pk) in marked]
        ours = _Conversions(tx, program_pk, program, dated)
        for bucket in map(row_rules.without, program.buckets):
            bucket_pk = names[program_pk, bucket.name]
            terms = program.terms_of(bucket.name)
            wanted = set(_order_kinds(bucket, bucket_pk, asked_orders, ours, terms))
            changed = _replace(
                tx,
                bucket_order_kinds,
                bucket_pk,
                "kind_pk",
                wanted,
                None if everything else [r.pk for r in asked_orders],
            )
            # A new kind has only dirty orders. A kind that is judged differently now has others.
            if any(("order", row[1]) not in marked for row in changed) and not everything:
                dirty.mark_programs(tx, select(buckets.c.program_pk).where(buckets.c.pk == bucket_pk))
            lines = {(bucket_pk, r.pk) for r in asked_lines if bucket.counts_line(fields_of(r))}
            _replace(
                tx,
                bucket_line_kinds,
                bucket_pk,
                "kind_pk",
                lines,
                None if everything else [r.pk for r in asked_lines],
            )
        if rates_changed and not everything:
            _mark_converted(tx, program_pk)


def _order_kinds(
    bucket: Bucket, bucket_pk: int, rows: Iterable[Any], ours: _Conversions, terms: Program
) -> Iterable[tuple[Any, ...]]:
    for row in rows:
        if bucket.counts_order(fields_of(row, *ORDER_FIELDS)):
            for span, conversion_pk in ours.of(row.currency, terms):
                yield (bucket_pk, row.pk, *span, conversion_pk)


class _Conversions:
    """The conversions of one program, made as they are needed."""

    def __init__(self, tx: Connection, program_pk: int, program: Program, dated: rates.Rates) -> None:
        self.tx, self.program_pk, self.program, self.dated = tx, program_pk, program, dated
        query = select(conversions).where(conversions.c.program_pk == program_pk)
        self._known = {(row.currency, row.from_day): row.pk for row in tx.execute(query)}

    def of(self, currency: str | None, terms: Program) -> Iterable[tuple[tuple[int, int, int, int], int]]:
        """Those of a currency, by the policy of the version that counts it."""
        for start, end in rates.spans(self.dated, order_currency=currency, program=terms):
            key = (currency or "", start)
            if key not in self._known:
                statement = insert(conversions).values(
                    program_pk=self.program_pk, currency=key[0], from_day=start
                )
                self._known[key] = self.tx.execute(statement.returning(conversions.c.pk)).scalar_one()
            yield (start, *membership.rest_of_span(start, end, self.program.time_zone)), self._known[key]


def _mark_converted(tx: Connection, program_pk: int) -> None:
    """Standings that hold converted amounts are computed again: a rate may have been corrected in its place."""
    foreign = select(conversions.c.pk).where(
        conversions.c.program_pk == program_pk, conversions.c.currency != ""
    )
    cells = (
        select(totals.c.member_pk, totals.c.period_pk).where(totals.c.conversion_pk.in_(foreign)).distinct()
    )
    dirty.mark_cells(tx, cells)


# --- keeping answers --------------------------------------------------------------------------


def _replace(
    tx: Connection,
    table: Table,
    bucket_pk: int,
    column: str,
    wanted: set[tuple[Any, ...]],
    only: list[int] | None,
) -> set[tuple[Any, ...]]:
    """Make the rows of a bucket (of some records) be `wanted`; returns the rows that came or went."""
    mine = table.c.bucket_pk == bucket_pk
    present: set[tuple[Any, ...]] = set()
    for some in [None] if only is None else slices(only, ROWS_AT_ONCE):
        which = mine if some is None else mine & table.c[column].in_(some)
        present |= {tuple(row) for row in tx.execute(select(table).where(which))}
    if present == wanted:
        return set()
    for some in slices(sorted({row[1] for row in present - wanted}), ROWS_AT_ONCE):
        tx.execute(delete(table).where(mine, table.c[column].in_(some)))
    gone = {row[1] for row in present - wanted}
    new = [row for row in wanted if row not in present or row[1] in gone]
    if new:
        names = [c.name for c in table.columns]
        tx.execute(upsert(tx, table), [dict(zip(names, row, strict=True)) for row in sorted(new)])
    return present ^ wanted
