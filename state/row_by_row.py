"""Programs whose lines cannot be told by kind and own day alone: the statement takes them in a part of their own."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from rebates.conditions import Condition
from state import row_rules
from state.tables.programs import buckets, programs


@dataclass(frozen=True)
class Apart:
    """`returns`: programs that date a return by its original; `rules`: conditions on rows by bucket, with the time
    zone that days are cut in.

    `programs` are those of either kind, `everybody` says that there are no others.
    """

    programs: tuple[int, ...] = ()
    returns: tuple[int, ...] = ()
    rules: tuple[tuple[int, tuple[Condition, ...], str], ...] = ()
    everybody: bool = False


NOBODY = Apart()


_ACTIVE = select(programs.c.pk, programs.c.returns_to_original).where(programs.c.active)
_ASKED = (
    select(buckets.c.pk, buckets.c.program_pk, buckets.c.row_rules, programs.c.time_zone)
    .join(programs, programs.c.pk == buckets.c.program_pk)
    .where(programs.c.active, buckets.c.active, buckets.c.row_rules.is_not(None))
    .order_by(buckets.c.pk)
)


def find(tx: Connection) -> Apart:
    """What the active programs ask for; a few rows."""
    active = tx.execute(_ACTIVE).all()
    dated = tuple(sorted(row.pk for row in active if row.returns_to_original))
    rows = tx.execute(_ASKED).all()
    pks = {*dated, *(row.program_pk for row in rows)}
    return Apart(
        tuple(sorted(pks)),
        dated,
        tuple((row.pk, row_rules.read(row.row_rules), row.time_zone) for row in rows),
        everybody=len(pks) == len(active),
    )
