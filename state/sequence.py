"""What earlier programs of a sequence paid on the lines that a later one is paid on, from the store.

The lines that count in both are a bucket of the later program (`rebates.sequence`), so a change of them makes its
standings wait; which period of the earlier program an order fell into is read from that program's contributions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, Connection, and_, cast, func, select

from rebates.program import Program
from rebates.stacking import after_bucket
from state.slices import slices
from state.tables.facts import orders
from state.tables.programs import buckets, conversions, program_members
from state.tables.work import contributions


class Common(NamedTuple):
    """What a member bought in both programs, by the periods of each, as the earlier one converts it."""

    member_pk: int
    period_pk: int  # of the later program
    earlier_pk: int  # of the earlier
    name: str  # bucket
    currency: str
    from_day: int
    amount_e6: int
    quantity_e6: int
    lines: int


def common(
    tx: Connection, later_pk: int, earlier_pk: int, earlier: Program, members: Iterable[int]
) -> list[Common]:
    """The lines that both programs are paid on, summed, for some members."""
    wanted = sorted(members)
    found: list[Common] = []
    for some in slices(wanted):
        found += _common(tx, later_pk, earlier_pk, earlier, some)
    return found


def _common(
    tx: Connection, later_pk: int, earlier_pk: int, earlier: Program, some: Sequence[int]
) -> list[Common]:
    ours, theirs = contributions.alias("ours"), contributions.alias("theirs")
    own, other = buckets.alias("own"), buckets.alias("other")
    keys = (
        ours.c.member_pk, ours.c.period_pk, theirs.c.period_pk.label("earlier_pk"), own.c.name,
        conversions.c.currency, conversions.c.from_day,
    )  # fmt: skip
    query = (
        select(
            *keys,
            *(
                cast(func.sum(ours.c[name]), BigInteger).label(name)
                for name in ("amount_e6", "quantity_e6", "lines")
            ),
        )
        .select_from(orders)
        .join(ours, ours.c.order_pk == orders.c.pk)
        .join(own, and_(own.c.pk == ours.c.bucket_pk, own.c.program_pk == later_pk))
        .join(theirs, and_(theirs.c.order_pk == ours.c.order_pk, theirs.c.member_pk == ours.c.member_pk))
        .join(other, and_(other.c.pk == theirs.c.bucket_pk, other.c.program_pk == earlier_pk))
        .join(conversions, conversions.c.pk == theirs.c.conversion_pk)
        .where(
            # Through the members' own orders: contributions are found by order.
            orders.c.account_pk.in_(
                select(program_members.c.account_pk).where(program_members.c.member_pk.in_(some))
            ),
            ours.c.member_pk.in_(some),
            own.c.name == after_bucket(earlier.key),
            other.c.name == earlier.measure_bucket,
        )
        .group_by(*keys)
    )
    return [Common(*row) for row in tx.execute(query)]
