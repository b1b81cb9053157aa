"""Events: a tier reached, lost, or near. Written once for ever, whatever runs again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.sql.dml import ReturningInsert

from state.dialects import upsert_into
from state.instants import micros, moment
from state.tables.work import events
from state.totals import Cell


@dataclass(frozen=True)
class EventRow:
    """`identity` names the happening itself (program, member, period, kind, tier …): the same one is never written twice."""

    identity: str
    kind: str
    cell: Cell
    tier: str | None
    document: str
    occurred_at: datetime
    run_pk: int | None = None
    pk: int | None = None


@cache
def _record(dialect: str) -> ReturningInsert[Any]:
    once = upsert_into(dialect, events).on_conflict_do_nothing(index_elements=["identity"])
    return once.returning(events)


def record(tx: Connection, rows: Sequence[EventRow]) -> list[EventRow]:
    """Write down what happened; returns only what had not been written before."""
    new = []
    for row in rows:
        values = {
            "identity": row.identity,
            "kind": row.kind,
            "member_pk": row.cell.member_pk,
            "period_pk": row.cell.period_pk,
            "tier": row.tier,
            "document": row.document,
            "occurred_at": micros(row.occurred_at),
            "run_pk": row.run_pk,
        }
        written = tx.execute(_record(tx.dialect.name), values).one_or_none()
        if written is not None:
            new.append(_made(written))
    return new


def _made(row: Any) -> EventRow:
    return EventRow(
        row.identity,
        row.kind,
        Cell(row.member_pk, row.period_pk),
        row.tier,
        row.document,
        moment(row.occurred_at),
        row.run_pk,
        row.pk,
    )
