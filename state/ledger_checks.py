"""The invariants of settled amounts and payouts, L1 to L8, each under its own name. Read-only; `invariants` runs them.

L1 sums · L2 nothing is changed · L3 never more paid than settled · L4 a payout is what was settled · L5 one payout for
one posting · L6 who calculates does not approve · L7 the postings replay in their order · L8 what is owed is on its way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Connection, Select, and_, case, cast, exists, func, or_, select, text

from state import bulk
from state import postings as ledger
from state.payouts import APPROVED, not_exact, refused
from state.payouts_decided import approved_by_maker
from state.postings import COMPLETE, settles_e6
from state.standings import PAYOUT_BEGINS
from state.tables.facts import accounts
from state.tables.payouts import payouts
from state.tables.programs import periods, program_versions, programs
from state.tables.work import (
    acknowledged,
    closed_periods,
    dirty_accounts,
    dirty_cells,
    outbox,
    postings,
    standings,
)

HINT = "see docs/operations.md, Settled amounts"
GUARDED = ("postings", "closed_periods")

Found = tuple[str, int, str]  # name, how often, one example


def check(tx: Connection) -> Iterator[Found]:
    """Every broken one."""
    yield from _sums(tx)
    yield from _guards(tx)
    yield from (("a settled amount was changed (L2)", 1, seal) for seal in ledger.broken_seals(tx))
    if keys := refused(tx):
        yield (
            "the org has another amount under the key of a settled amount, which is not sent (L8)",
            len(keys),
            keys[0],
        )
    if waiting := not_exact(tx):
        yield (
            "a settled amount is not sent because the org's field cannot hold it exactly (L8)",
            len(waiting),
            " ".join(waiting[0][1:]),
        )
    for name, query in _built():
        rows = tx.execute(query).all()
        if rows:
            yield name, len(rows), str(tuple(rows[0]))


@cache
def _settled() -> Select[Any]:
    """Standings of closed periods whose worth is not, by the numbers alone, what was posted. One that waits to be computed
    says nothing yet: what a restored store takes over from the org is settled before the standing is up to date."""
    posted = (
        select(
            postings.c.member_pk,
            postings.c.period_pk,
            cast(func.sum(postings.c.amount_e6), BigInteger).label("amount_e6"),
        )
        .group_by(postings.c.member_pk, postings.c.period_pk)
        .subquery()
    )
    amount = func.coalesce(posted.c.amount_e6, 0)
    waits = exists().where(
        dirty_cells.c.member_pk == standings.c.member_pk, dirty_cells.c.period_pk == standings.c.period_pk
    )
    return (
        select(
            standings.c.member_pk, standings.c.period_pk, standings.c.program_pk, standings.c.rebate_e6,
            standings.c.document, amount.label("posted_e6"),
        )
        .join(closed_periods, closed_periods.c.period_pk == standings.c.period_pk)
        .join(periods, and_(periods.c.pk == standings.c.period_pk, periods.c.active))
        .outerjoin(
            posted,
            and_(posted.c.member_pk == standings.c.member_pk, posted.c.period_pk == standings.c.period_pk),
        )
        .where(standings.c.document.contains(COMPLETE, autoescape=True), ~waits)
        .where(or_(amount != standings.c.rebate_e6, standings.c.document.contains(PAYOUT_BEGINS, autoescape=True)))
    )  # fmt: skip


def _sums(tx: Connection) -> Iterator[Found]:
    """What was posted for a closed period adds up to what it is worth now."""
    ignoring, wrong = _ignoring(tx), []
    for row in bulk.streamed(tx, _settled()):
        payout = json.loads(row.document).get("payout")
        worth = row.rebate_e6 if payout is None else settles_e6(payout)
        if worth != row.posted_e6 and row.program_pk not in ignoring:
            wrong.append(f"member {row.member_pk}, period {row.period_pk}")
    if wrong:
        yield "the postings of a closed period do not add up to what it is worth (L1)", len(wrong), wrong[0]


_DEFINITIONS = select(programs.c.pk, program_versions.c.definition).join(
    program_versions,
    and_(program_versions.c.program_pk == programs.c.pk, program_versions.c.version == programs.c.version),
)


def _ignoring(tx: Connection) -> set[int]:
    """Programs that leave late lines out: their closed periods stay at what was settled."""
    return {
        row.pk
        for row in tx.execute(_DEFINITIONS)
        if json.loads(row.definition)["settlement"]["late_lines"] == "ignore"
    }


def _guards(tx: Connection) -> Iterator[Found]:
    """The database itself refuses to change or remove a posting."""
    if tx.dialect.name == "postgresql":
        query = (
            "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE '%_are_append_only' AND tgenabled <> 'D' "
            "AND tgrelid IN ('postings'::regclass, 'closed_periods'::regclass)"
        )
        wanted = {name.split(".")[-1] for name in GUARDED}
        there = {str(name).split(".")[-1] for name in tx.execute(text(query)).scalars()}
    else:
        wanted = {f"{table}_refuse_{deed}" for table in GUARDED for deed in ("update", "delete")}
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        there = set(tx.execute(text(query)).scalars())
    if missing := sorted(wanted - there):
        yield "the database no longer guards what was settled (L2)", len(missing), missing[0]


def _given_up() -> Select[Any]:
    """Payouts that the org does not have and nothing will bring there. One whose account waits to be computed says nothing
    yet: it may have come back, and the next plan takes up what waited for it."""
    winner = accounts.alias("winner")
    under = and_(outbox.c.kind == "event", outbox.c.ext_key == payouts.c.key)
    waits = exists().where(under, outbox.c.state.in_(("pending", "inflight", "quarantined", "done")))
    known = exists().where(acknowledged.c.ext_key == payouts.c.key)
    to_compute = or_(
        exists().where(dirty_accounts.c.account_pk.in_((accounts.c.pk, accounts.c.master_pk))),
        exists().where(dirty_cells.c.member_pk.in_((accounts.c.pk, accounts.c.master_pk))),
    )
    paid = or_(
        and_(accounts.c.master_pk.is_(None), ~accounts.c.deleted),
        and_(winner.c.master_pk.is_(None), ~winner.c.deleted),
    )
    return (
        select(payouts.c.key)
        .join(postings, postings.c.pk == payouts.c.posting_pk)
        .join(accounts, accounts.c.pk == postings.c.member_pk)
        .outerjoin(winner, winner.c.pk == accounts.c.master_pk)
        .where(payouts.c.sf_id.is_(None), paid, ~waits, ~known, ~to_compute)
    )


@cache
def _built() -> tuple[tuple[str, Any], ...]:
    return tuple((name, query.limit(1000)) for name, query in _queries())


def _queries() -> Iterator[tuple[str, Any]]:
    of_posting = payouts.c.posting_pk == postings.c.pk
    whose = (postings.c.member_pk, postings.c.period_pk)
    paid = case((payouts.c.status == "Paid", payouts.c.amount_e6), else_=0)
    yield (
        "more was paid than was settled (L3)",
        select(*whose)
        .outerjoin(payouts, of_posting)
        .group_by(*whose)
        .having(func.sum(paid) > func.sum(postings.c.amount_e6))
        .having(func.min(postings.c.amount_e6) >= 0),  # taking back is a posting of its own
    )
    differs = (
        select(payouts.c.key)
        .join(postings, of_posting)
        .join(periods, periods.c.pk == postings.c.period_pk)
        .join(programs, programs.c.pk == periods.c.program_pk)
        .where(
            payouts.c.read_at.is_not(None),
            or_(
                and_(payouts.c.amount_e6.is_not(None), payouts.c.amount_e6 != postings.c.amount_e6),
                and_(payouts.c.currency.is_not(None), payouts.c.currency != programs.c.currency),
            ),
        )
    )
    # Who made it saved it last: it never was anything else, and what was settled here did not arrive under its key.
    untouched = func.coalesce(payouts.c.changed_by == payouts.c.made_by, False)
    yield "a payout in the org is not what was settled (L4)", differs.where(~untouched)
    yield (
        "a payout was made in the org with another amount than was settled here (L4)",
        differs.where(untouched),
    )
    settles = exists().where(of_posting, postings.c.amount_e6 != 0)
    yield "a payout settles nothing (L5)", select(payouts.c.key).where(~settles)
    yield (
        "one record of the org is the payout of two postings (L5)",
        select(payouts.c.sf_id)
        .where(payouts.c.sf_id.is_not(None))
        .group_by(payouts.c.sf_id)
        .having(func.count() > 1),
    )
    yield (
        "a payout was approved by who made it (L6)",
        select(payouts.c.key).where(
            payouts.c.status.in_(APPROVED),
            # saved last by its maker, or approved by it and saved by somebody since
            or_(payouts.c.changed_by == payouts.c.made_by, payouts.c.key.in_(approved_by_maker())),
        ),
    )
    yield "a settled amount was given up although its account can be paid (L8)", _given_up()
    other = postings.alias("other")
    late = exists().where(
        other.c.member_pk == postings.c.member_pk, other.c.period_pk == postings.c.period_pk,
        other.c.pk < postings.c.pk,
    )  # fmt: skip
    parts = postings.c.prior_period_e6 + postings.c.rate_e6
    told = or_(postings.c.prior_period_e6 != 0, postings.c.rate_e6 != 0)
    closed = exists().where(closed_periods.c.period_pk == postings.c.period_pk)
    yield (
        "a posting does not follow from those before it (L7)",
        select(postings.c.pk).where(
            or_(
                and_(postings.c.kind == "adjustment", told, parts != postings.c.amount_e6),
                and_(postings.c.kind == "settled", or_(late, parts != 0)),
                ~closed,
            )
        ),
    )
