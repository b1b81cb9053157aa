"""Which standings lack something because a row could not be read: they are incomplete, not silently lower.

A line belongs to its order, an order to its account; the standings are those that the order counts in, and where its
day is not known, those of the account that are open today. A product belongs to the orders that have it: while no version
of it was ever read, its lines are missing wherever a program asks what they are. An account that was never read is missing
in what its parent gets for it. While order lines cannot be read at all, orders that came since without any lack theirs; while
products or accounts cannot, so does what was bought of or by those that came since.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from zlib import crc32

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, or_, select, true

from rebates.program import Program
from state import dating, dirty, meta, rejected, watermarks
from state.instants import micros
from state.keys import NO_PRODUCT
from state.slices import slices
from state.tables.facts import accounts, order_lines, orders, products
from state.tables.programs import periods, program_members, programs
from state.tables.running import rejected_rows
from state.totals import Cell

ORDERED = ("order", "order_line")
NAMED = 3  # rows named in one standing; the others are counted
LATE = timedelta(minutes=10)  # lines that were committed so late may have been missed by the last window
_KEY = "gaps"
_PULL_STOPPED = (
    "stopped.pull"  # written by jobs: streams that could not be read, with the code of what stopped them
)

Gaps = Mapping[Cell, tuple[str, ...]]
Places = Mapping[str, Sequence[Cell]]  # by the id of a record


_REJECTED = select(rejected_rows).order_by(rejected_rows.c.entity, rejected_rows.c.sf_id)


def asks_of_products(program: Program) -> bool:
    """Whether a line counts in it by what its product is; an unread product has nothing but its id."""
    asked = (one for bucket in program.buckets for one in bucket.filter.conditions)
    return any(one.side == "product" and one.field != "id" for one in asked)


def find(tx: Connection, today: date, given: Iterable[Program]) -> Gaps:
    """What is missing in each standing of these programs, as sentences without a value of the row."""
    programs_in_force = list(given)
    rolled_up = [one.key for one in programs_in_force if one.hierarchy.roll_up == "parent"]
    found: dict[Cell, list[str]] = {}
    asking = [one.key for one in programs_in_force if asks_of_products(one)]
    for cell, said in (*_without_lines(tx), *_new_products(tx, asking), *_new_accounts(tx, rolled_up)):
        found.setdefault(cell, []).append(said)
    by_product = _of_products(tx, asking, today)
    aside = tx.execute(_REJECTED).all()
    numbers = _numbers_of(tx, aside)
    of_orders, of_lines, of_accounts = _of_rejected(tx, aside, today)
    for row in aside:
        said = f"{_called(row, numbers)} could not be read: {row.reason}"
        if row.entity == "product":
            cells: Iterable[Cell] = by_product.get(row.sf_id, ())
        elif row.entity == "account":
            own = of_accounts.get(row.sf_id, ())
            cells = own or _by_its_parent(tx, row.sf_id, row.parent_id, rolled_up)
        elif row.entity == "order":
            cells = of_orders.get(row.sf_id) or of_accounts.get(row.parent_id, ())
        elif row.entity == "order_line":
            cells = of_lines.get(row.parent_id, ())
        else:
            cells = ()
        for cell in cells:
            found.setdefault(cell, []).append(said)
    return {cell: _few(some) for cell, some in found.items()}


def mark_changed(tx: Connection, gaps: Gaps) -> int:
    """Standings whose gaps came, went or became others since the last call are computed again; returns how many.

    What is built on them is marked by `Calculator.widen`, as after any other change.
    """
    rows = json.loads(meta.get(tx, _KEY) or "[]")
    before = {
        Cell(*row[:2]): row[2:] for row in rows
    }  # earlier stores knew only where: all are looked at once
    now = {cell: [crc32("\n".join(said).encode())] for cell, said in gaps.items()}
    moved = sorted(cell for cell in before.keys() | now.keys() if before.get(cell) != now.get(cell))
    if moved:
        dirty.mark_these(tx, moved)
        meta.put(tx, _KEY, json.dumps([[*cell, *now[cell]] for cell in sorted(now)]))
    return len(moved)


def _numbers_of(tx: Connection, aside: Sequence[Any]) -> Mapping[str, str]:
    """Order → its number, of the orders set aside and of those that lines set aside are of, as far as they were ever read."""
    ids = {row.sf_id if row.entity == "order" else row.parent_id for row in aside if row.entity in ORDERED}
    found: dict[str, str] = {}
    for some in slices(sorted(ids - {None})):
        query = select(orders.c.sf_id, orders.c.number).where(orders.c.sf_id.in_(some))
        found |= {sf_id: number for sf_id, number in tx.execute(query) if number}
    return found


def _called(row: Any, numbers: Mapping[str, str]) -> str:
    """A record set aside as people find it: an order by its number, the id behind it, and a line by its order's. Accounts and
    products by id alone: who may see the standing need not be allowed to see those."""
    if row.entity == "order":
        return f"order {_numbered(row.sf_id, numbers.get(row.sf_id))}"
    what = f"{row.entity.replace('_', ' ')} {row.sf_id}"
    number = numbers.get(row.parent_id) if row.entity == "order_line" else None
    return what if number is None else f"{what} of order {number}"


def _numbered(order_id: str, number: str | None) -> str:
    return order_id if not number else f"{number} ({order_id})"


def _few(said: list[str]) -> tuple[str, ...]:
    if len(said) <= NAMED:
        return tuple(said)
    return (*said[:NAMED], f"and {len(said) - NAMED} more records could not be read")


def _of_rejected(tx: Connection, aside: Sequence[Any], today: date) -> tuple[Places, Places, Places]:
    """The standings that rejected orders count in, by the order; those that rejected lines do, by theirs; and those that are
    open, by the account, of accounts that are set aside or that an order of no known day is of. A few queries for all."""
    ids = {row.sf_id for row in aside if row.entity == "order"}
    # What lies on a draft, or on an order that is gone, adds nothing whatever it says.
    of_lines = _of_orders(
        tx, {row.parent_id for row in aside if row.entity == "order_line"}, rejected.COUNTING
    )
    of_orders = _of_orders(tx, ids, true())
    asked = {row.sf_id for row in aside if row.entity == "account"}
    asked |= {row.parent_id for row in aside if row.entity == "order" and row.sf_id not in of_orders}
    return of_orders, of_lines, _open(tx, asked, today)


def _by_its_parent(
    tx: Connection, account_id: str, parent_id: str | None, rolled_up: Sequence[str]
) -> Iterable[Cell]:
    """Where an account was never read: those that its orders would count in by its parent."""
    if parent_id is None or not rolled_up:
        return ()
    unread = select(accounts.c.pk).where(accounts.c.sf_id == account_id, ~accounts.c.known)
    parent = select(accounts.c.pk).where(accounts.c.sf_id == parent_id).scalar_subquery()
    mine = and_(rejected.COUNTING, orders.c.account_pk.in_(unread), programs.c.key.in_(rolled_up))
    return [Cell(*row) for row in tx.execute(_counted_in(mine, buyer=parent))]


def _of_products(tx: Connection, asking: Sequence[str], today: date) -> Mapping[str, list[Cell]]:
    """By id of a rejected product. One that was never read is missing wherever it was bought; of any other the last version
    still counts, and what is open today may lack something."""
    aside = rejected.products(tx) if asking else {}
    if not aside:
        return {}
    lines, day = rejected.lines_with(aside).subquery(), today.toordinal()
    unread = [pk for pk, (_, known) in aside.items() if not known]
    is_open = and_(periods.c.start_day <= day, day < periods.c.end_day)
    mine = and_(programs.c.key.in_(asking), or_(lines.c.product_pk.in_(unread), is_open))
    query = _counted_in(mine).join(lines, lines.c.order_pk == orders.c.pk).add_columns(lines.c.product_pk)
    found: dict[str, list[Cell]] = {}
    for member_pk, period_pk, product_pk in tx.execute(query):
        found.setdefault(aside[product_pk][0], []).append(Cell(member_pk, period_pk))
    return found


def _without_lines(tx: Connection) -> Iterable[tuple[Cell, str]]:
    """Orders that arrived while order lines stand still, and have none: what they add is not known."""
    code = _stopped(tx, "order_line")
    if code is None:
        return
    bare = ~exists().where(order_lines.c.order_pk == orders.c.pk)
    mine = and_(orders.c.active, ~orders.c.deleted, bare, _since_read(tx, "order_line", orders.c.modstamp))
    query = _counted_in(mine).add_columns(orders.c.sf_id, orders.c.number).order_by(orders.c.sf_id)
    for row in tx.execute(query):
        yield (
            Cell(row[0], row[1]),
            f"the lines of order {_numbered(row[2], row[3])} could not be read: {code}",
        )


def _new_products(tx: Connection, asking: Sequence[str]) -> Iterable[tuple[Cell, str]]:
    """Lines that were saved while products stand still, of products that were never read: nobody knows what they are."""
    code = _stopped(tx, "product")
    if code is None or not asking:
        return
    aside = select(rejected_rows.c.sf_id).where(rejected_rows.c.entity == "product")
    lines = (
        select(order_lines.c.order_pk, products.c.sf_id)
        .join(products, products.c.pk == order_lines.c.product_pk)
        .where(~products.c.known, products.c.pk != NO_PRODUCT, products.c.sf_id.not_in(aside))
        .where(~order_lines.c.deleted, _since_read(tx, "product", order_lines.c.modstamp))
        .distinct()
        .subquery()
    )
    query = _counted_in(and_(rejected.COUNTING, programs.c.key.in_(asking)))
    query = query.join(lines, lines.c.order_pk == orders.c.pk)
    for row in tx.execute(query.add_columns(lines.c.sf_id).order_by(lines.c.sf_id)):
        yield Cell(row[0], row[1]), f"product {row[2]} could not be read: {code}"


def _new_accounts(tx: Connection, rolled_up: Sequence[str]) -> Iterable[tuple[Cell, str]]:
    """Orders that were saved while accounts stand still, of accounts that were never read: they may belong to any family."""
    code = _stopped(tx, "account")
    if code is None or not rolled_up:
        return
    bought = (
        select(orders.c.pk)
        .join(accounts, accounts.c.pk == orders.c.account_pk)
        .where(~accounts.c.known, _since_read(tx, "account", orders.c.modstamp))
    )
    children = program_members.alias("children")
    family = (
        select(children.c.member_pk)
        .join(programs, programs.c.pk == children.c.program_pk)
        .where(programs.c.key.in_(rolled_up), children.c.account_pk != children.c.member_pk)
    )
    mine = and_(rejected.COUNTING, orders.c.pk.in_(bought), programs.c.key.in_(rolled_up))
    families = and_(mine, program_members.c.member_pk.in_(family))
    for cell in tx.execute(_counted_in(families, buyer=program_members.c.account_pk)):
        yield Cell(*cell), f"an account that bought something could not be read: {code}"


def _stopped(tx: Connection, stream: str) -> str | None:
    """The code of what keeps a stream from being read."""
    found: dict[str, str] = json.loads(meta.get(tx, _PULL_STOPPED) or "{}")
    return found.get(stream)


def _since_read(tx: Connection, stream: str, stamp: ColumnElement[int]) -> ColumnElement[bool]:
    """Saved since the stream was read last."""
    mark = watermarks.read(tx, stream)
    return true() if mark is None else stamp >= micros(mark.ceiling - LATE)


def _of_orders(tx: Connection, order_ids: set[str | None], which: ColumnElement[bool]) -> Places:
    found: dict[str, list[Cell]] = {}
    for some in slices(sorted(one for one in order_ids if one is not None)):
        query = _counted_in(and_(orders.c.sf_id.in_(some), which)).add_columns(orders.c.sf_id)
        for member_pk, period_pk, sf_id in tx.execute(query):
            found.setdefault(sf_id, []).append(Cell(member_pk, period_pk))
    return found


def _counted_in(which: ColumnElement[bool], *, buyer: ColumnElement[Any] | None = None) -> Select[int, int]:
    """The standings that orders count in, by their day; `buyer`: as if that account had bought."""
    member, period = program_members, periods
    dated = dating.by_original(programs.c.returns_to_original)
    return (
        select(member.c.member_pk, period.c.pk)
        .select_from(dating.with_originals(orders))
        .join(member, member.c.account_pk == (orders.c.account_pk if buyer is None else buyer))
        .join(programs, programs.c.pk == member.c.program_pk)
        .join(period, and_(period.c.program_pk == member.c.program_pk, period.c.active))
        .where(which, orders.c.known, dated.within(period.c))
        .distinct()
    )


def _open(tx: Connection, account_ids: set[str | None], today: date) -> Places:
    day = today.toordinal()
    query = (
        select(program_members.c.member_pk, periods.c.pk, accounts.c.sf_id)
        .select_from(accounts)
        .join(program_members, program_members.c.account_pk == accounts.c.pk)
        .join(programs, and_(programs.c.pk == program_members.c.program_pk, programs.c.active))
        .join(periods, and_(periods.c.program_pk == programs.c.pk, periods.c.active))
        .where(periods.c.start_day <= day, day < periods.c.end_day)
        .distinct()
    )
    found: dict[str, list[Cell]] = {}
    for some in slices(sorted(one for one in account_ids if one is not None)):
        for member_pk, period_pk, sf_id in tx.execute(query.where(accounts.c.sf_id.in_(some))):
            found.setdefault(sf_id, []).append(Cell(member_pk, period_pk))
    return found
