"""What must always be true of the store, as checks. Read-only; `doctor`, `verify` and the tests run them.

The quick ones look at sums and keys; `deep` computes every contribution from the raw lines again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Connection, Select, and_, cast, except_, exists, func, not_, or_, select

from state import audit, bulk, dirty, fact_checks, ledger_checks, row_by_row, run_checks
from state.in_force import OWN
from state.statement import CELL, SUMS, contribution_query
from state.tables.facts import accounts, line_kinds, order_kinds, order_lines, orders, products
from state.tables.programs import buckets, periods, programs
from state.tables.work import (
    acknowledged,
    contributions,
    dirty_accounts,
    dirty_cells,
    dirty_kinds,
    dirty_orders,
    dirty_products,
    dirty_programs,
    outbox,
    standing_history,
    standings,
    totals,
)


@dataclass(frozen=True)
class Violation:
    """A broken promise: its name, how often, one example, and what to do."""

    name: str
    count: int
    example: str
    hint: str = "run: rebates compute --full"

    def __str__(self) -> str:
        return f"{self.name}: {self.count} (for example {self.example}). {self.hint}"


def check(tx: Connection, *, deep: bool = False) -> list[Violation]:
    """Every broken invariant; empty: all is well."""
    found = [
        violation
        for one, count in zip(_constant(), tx.execute(_all_counts()).one(), strict=True)
        if count
        for violation in one.broken(tx)
    ]
    found += _altered(tx)
    found += [
        violation
        for name, query, hint in (*fact_checks.check(tx), *run_checks.check(tx))
        for violation in _Check(name, query, hint).broken(tx)
    ]
    found += [Violation(*broken, ledger_checks.HINT) for broken in ledger_checks.check(tx)]
    problem = audit.verify(tx)
    if problem is not None:
        found.append(
            Violation("the audit trail is broken (A1)", 1, problem, "see docs/operations.md, Audit trail")
        )
    if deep:
        found += [broken for one in fact_checks.deep() for broken in _Check(*one).broken(tx)]
        found += _contributions(tx)
    return found


@dataclass(frozen=True)
class _Check:
    """A query that must find nothing."""

    name: str
    query: Any
    hint: str | None = None

    def broken(self, tx: Connection) -> Iterator[Violation]:
        count = int(tx.execute(_counting(self.query)).scalar_one())
        if count:
            example = str(tuple(tx.execute(self.query.limit(1)).first() or ()))
            yield Violation(self.name, count, example, *([] if self.hint is None else [self.hint]))


def _counting(query: Any) -> Select[Any]:
    return select(func.count()).select_from(query.subquery())


@cache
def _all_counts() -> Select[Any]:
    """What breaks each of those, counted in one statement: the simulator asks after every step, a monitor every minute."""
    return select(*(_counting(one.query).scalar_subquery() for one in _constant()))


@cache
def _constant() -> tuple[_Check, ...]:
    """Those that are asked in the same words every time."""
    empty = _Check("a total counts no line", select(totals).where(totals.c.lines <= 0))
    told = [_Check(*one) for one in (*fact_checks.constant(), *run_checks.constant())]
    return (*_sums(), empty, *_references(), *_standings(), *_outbox(), *_programs(), *told)


def pending_work(tx: Connection) -> dict[str, int]:
    """What waits to be computed; while it does, totals may lag behind the facts (not behind contributions)."""
    waiting = {}
    for table in (dirty_orders, dirty_programs, dirty_accounts, dirty_products, dirty_kinds, dirty_cells):
        rows = dirty.count(tx, table)
        if rows:
            waiting[table.name] = rows
    return waiting


def _sums() -> Iterator[_Check]:
    kept = select(*(totals.c[c] for c in (*CELL, *SUMS)))
    summed = select(
        *(contributions.c[c] for c in CELL),
        *(cast(func.sum(contributions.c[c]), BigInteger).label(c) for c in SUMS),
    ).group_by(*(contributions.c[c] for c in CELL))
    yield _Check("a total is not the sum of its contributions (E2)", except_(kept, summed))
    yield _Check("contributions are missing in the totals (E2)", except_(summed, kept))


def _contributions(tx: Connection) -> Iterator[Violation]:
    computed = pending_work(tx)
    computed.pop("dirty_cells", None)
    if computed:
        # Known to be behind: what is stored is right for an earlier state of the facts.
        return
    kept = select(*contributions.columns)
    fresh = contribution_query(row_by_row.find(tx))
    yield from _Check("a contribution differs from its order lines (E2)", except_(kept, fresh)).broken(tx)
    yield from _Check("order lines are missing in the contributions (E2)", except_(fresh, kept)).broken(tx)


def _references() -> Iterator[_Check]:
    for child, column, parent in (
        (order_lines, "order_pk", orders),
        (order_lines, "product_pk", products),
        (order_lines, "kind_pk", line_kinds),
    ):
        # By distinct value: a scan of the lines, no look-up for each.
        orphan = select(child.c[column]).distinct().except_(select(parent.c.pk))
        yield _Check(f"{child.name}.{column} leads nowhere", orphan, "run: rebates db check")
    known = orders.c.known
    for column, parent in (("account_pk", accounts), ("kind_pk", order_kinds)):
        orphan = select(orders.c[column]).where(known).distinct().except_(select(parent.c.pk))
        yield _Check(f"orders.{column} leads nowhere", orphan, "run: rebates db check")
    counting = and_(known, orders.c.active, ~orders.c.deleted)
    undated = select(orders.c.sf_id).where(
        counting, orders.c.ordered_on.is_(None), orders.c.ordered_at.is_(None)
    )
    yield _Check("an order has no date and counts nowhere", undated, "map order.ordered_on")
    for table in (contributions, totals):
        orphan = select(table.c.bucket_pk).distinct().except_(select(buckets.c.pk))
        yield _Check(f"{table.name}.bucket_pk leads nowhere", orphan)


def _standings() -> Iterator[_Check]:
    of_cell = and_(standings.c.member_pk == totals.c.member_pk, standings.c.period_pk == totals.c.period_pk)
    waits = and_(dirty_cells.c.member_pk == totals.c.member_pk, dirty_cells.c.period_pk == totals.c.period_pk)
    missing = (
        select(totals.c.member_pk, totals.c.period_pk)
        .join(periods, periods.c.pk == totals.c.period_pk)
        .where(OWN, ~exists().where(of_cell), ~exists().where(waits))
    )
    yield _Check("a total has no standing and does not wait for one", missing, "run: rebates compute")
    last = standing_history.c
    recorded = exists().where(
        last.member_pk == standings.c.member_pk, last.period_pk == standings.c.period_pk,
        last.revision == standings.c.revision, last.rebate_e6 == standings.c.rebate_e6,
    )  # fmt: skip
    unrecorded = select(standings.c.member_pk, standings.c.period_pk).where(~recorded)
    yield _Check("a standing is not in its own history", unrecorded)


_DOCUMENTS = select(
    standings.c.member_pk, standings.c.period_pk, standings.c.document, standings.c.content_hash
)


def _altered(tx: Connection) -> Iterator[Violation]:
    altered = []
    for row in bulk.streamed(tx, _DOCUMENTS):
        if hashlib.sha256(row.document.encode()).hexdigest() != row.content_hash:
            altered.append((row.member_pk, row.period_pk))
    if altered:
        yield Violation("a standing was changed after it was saved", len(altered), str(altered[0]))


def _outbox() -> Iterator[_Check]:
    hint = "see: rebates outbox list"
    many = func.count() > 1
    by_key = (outbox.c.object, outbox.c.ext_key)
    for state in ("inflight", "pending"):
        query = select(*by_key).where(outbox.c.state == state).group_by(*by_key).having(many)
        yield _Check(f"two {state} outbox rows have one key (X1)", query, hint)
    confirmed = exists().where(
        acknowledged.c.object == outbox.c.object,
        acknowledged.c.ext_key == outbox.c.ext_key,
        acknowledged.c.seq >= outbox.c.seq,
    )
    forgotten = select(outbox.c.pk).where(outbox.c.state == "done", ~confirmed)
    yield _Check("a delivered row is not remembered (X7)", forgotten, hint)
    nobody = select(outbox.c.pk).where(
        or_(
            and_(
                outbox.c.state == "inflight", or_(outbox.c.owner.is_(None), outbox.c.claimed_until.is_(None))
            ),
            and_(outbox.c.state == "quarantined", outbox.c.stuck.is_(None)),
        )
    )
    yield _Check("an outbox row is stuck without a reason (X2)", nobody, hint)


def _programs() -> Iterator[_Check]:
    idle = select(programs.c.key).where(
        programs.c.active, not_(exists().where(periods.c.program_pk == programs.c.pk, periods.c.active))
    )
    yield _Check("a program has no period", idle)
