"""Who shares the rebate of which group: pairs of a buyer and the member whose orders its own are added to.

A program that shares (`[hierarchy] pay = "share"`) counts every order twice: for the group, under the member that
stands for it, and in a share bucket for the buyer itself. The pairs are read from whose orders count for whom.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, Select, and_, or_, select, union

from rebates.hierarchy import SHARE
from rebates.totals import ALL
from state import dirty
from state.in_force import OWN
from state.slices import slices
from state.tables.programs import buckets, periods, program_members
from state.tables.work import dirty_cells, standings, totals


class Pair(NamedTuple):
    """What `buyer_pk` bought in `bucket` is its part in the group that `head_pk` stands for, from day `since` on."""

    buyer_pk: int
    head_pk: int
    bucket: str
    since: int


def pairs(tx: Connection, program_pk: int) -> list[Pair]:
    """Every buyer with its groups, the latest membership last."""
    own, whole = program_members.alias("own"), program_members.alias("whole")
    named, everything = buckets.alias("named"), buckets.alias("everything")
    query = (
        select(own.c.member_pk, whole.c.member_pk.label("head_pk"), named.c.name, own.c.start_day)
        .distinct()
        .select_from(own)
        .join(named, named.c.pk == own.c.bucket_pk)
        .join(whole, and_(whole.c.account_pk == own.c.account_pk, whole.c.start_day == own.c.start_day))
        .join(everything, and_(everything.c.pk == whole.c.bucket_pk, everything.c.name == ALL))
        .where(
            own.c.program_pk == program_pk,
            whole.c.program_pk == program_pk,
            or_(named.c.name == SHARE, named.c.name.like(f"{SHARE}:%")),
        )
        .order_by(own.c.start_day, own.c.member_pk, whole.c.member_pk, named.c.name)
    )
    return [Pair(*row) for row in tx.execute(query)]


def widen(tx: Connection, program_pk: int, known: Collection[Pair]) -> None:
    """One buyer's volume changes what everybody in its group gets: a cell that waits makes all of the group wait."""
    mine = select(periods.c.pk).where(periods.c.program_pk == program_pk, OWN)
    waiting = select(dirty_cells.c.period_pk, dirty_cells.c.member_pk).where(
        dirty_cells.c.period_pk.in_(mine)
    )
    of_member: dict[int, set[int]] = {}
    of_head: dict[int, set[int]] = {}
    for pair in known:
        of_member.setdefault(pair.buyer_pk, set()).add(pair.head_pk)
        of_head.setdefault(pair.head_pk, {pair.head_pk}).add(pair.buyer_pk)
    by_period: dict[int, set[int]] = {}
    for period_pk, member_pk in tx.execute(waiting):
        groups = of_member.get(member_pk, set()) | ({member_pk} if member_pk in of_head else set())
        by_period.setdefault(period_pk, set()).update(*(of_head[head] for head in groups))
    for period_pk, members in by_period.items():
        for some in slices(sorted(members)):
            dirty.mark_cells(tx, _existing(period_pk, some))


def _existing(period_pk: int, members: list[int]) -> Select[tuple[int, int]]:
    both = union(
        *(
            select(table.c.member_pk, table.c.period_pk).where(
                table.c.period_pk == period_pk, table.c.member_pk.in_(members)
            )
            for table in (standings, totals)
        )
    ).subquery()
    return select(both.c.member_pk, both.c.period_pk)
