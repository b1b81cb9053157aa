"""Which rows a sender may take now: those whose time has come, in the order in which they were decided."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, bindparam, exists, func, or_, select

from state.outbox_rows import Kind
from state.tables.work import outbox

PENDING = outbox.c.state == "pending"
_is_due = and_(PENDING, outbox.c.retry_at <= bindparam("at"))


def only(
    *,
    objects: Collection[str] | None = None,
    kinds: Collection[Kind] | None = None,
    lanes: Collection[int] | None = None,
) -> dict[str, list[Any]]:
    """What a sender is limited to, as parameters of a statement for just these names."""
    asked = {"objects": objects, "kinds": kinds, "lanes": lanes}
    return {name: sorted(values) for name, values in asked.items() if values is not None}


def _limits(names: Collection[str]) -> list[ColumnElement[bool]]:
    columns = {"objects": outbox.c.object, "kinds": outbox.c.kind, "lanes": outbox.c.lane}
    return [columns[name].in_(bindparam(name, expanding=True)) for name in sorted(names)]


@cache
def claimable(limited: frozenset[str]) -> Select[Any]:
    other = outbox.alias("other")
    in_flight = exists().where(
        other.c.object == outbox.c.object, other.c.ext_key == outbox.c.ext_key, other.c.state == "inflight"
    )
    # Joined, so that what is held up is looked for once and not for every row that is due.
    held = _held_up()
    its_own = and_(
        outbox.c.kind == "event",
        held.c.object == outbox.c.object,
        held.c.account_id == outbox.c.account_id,
        held.c.first < outbox.c.pk,
    )
    query = (
        select(outbox.c.pk)
        .select_from(outbox.outerjoin(held, its_own))
        .where(_is_due, ~in_flight, held.c.first.is_(None), *_limits(limited))
    )
    # SKIP LOCKED lets several workers claim side by side on PostgreSQL; SQLite has one writer anyway.
    return query.order_by(outbox.c.pk).limit(bindparam("most")).with_for_update(skip_locked=True, of=outbox)


def _held_up() -> Subquery:
    """Accounts with an event that is under way or waits for its hour: the first of each object."""
    unsent = or_(
        outbox.c.state == "inflight",
        and_(outbox.c.state == "pending", outbox.c.retry_at > bindparam("at")),
    )
    query = select(outbox.c.object, outbox.c.account_id, func.min(outbox.c.pk).label("first"))
    event = outbox.c.kind == "event"
    return query.where(unsent, event).group_by(outbox.c.object, outbox.c.account_id).subquery("held_up")


@cache
def due(limited: frozenset[str]) -> Select[Any]:
    return select(func.count()).where(_is_due, *_limits(limited))
