"""Who decided what about a payout, as the org showed it: every change that a read finds is a deed in the audit trail.

The table of payouts keeps the last values only, and *Approved By* is a text that anybody with edit rights may type; the deed keeps it
beside the user whom the org names as the one who saved it. Of several changes between two reads the last one is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from state import audit
from state.payouts import APPROVED, DELETED, REJECTED, Seen
from state.slices import slices
from state.tables.payouts import payouts
from state.tables.running import audit as trail
from state.totals import from_e6

APPROVAL, CHANGE = "payout approved", "payout changed"  # deeds
NOBODY = "sync"  # the actor where the org does not say who saved it
_DECIDED = {*APPROVED, REJECTED, DELETED}


def note(tx: Connection, seen: Sequence[Seen], *, now: datetime) -> int:
    """To be called before the payouts themselves are written; returns how many deeds there were. What the org shows of a payout
    for the first time is none, where only its maker saved it and nobody decided."""
    known: dict[str, Row[Any]] = {}
    for part in slices([one.key for one in seen]):
        known |= {row.key: row for row in tx.execute(select(payouts).where(payouts.c.key.in_(part)))}
    deeds = 0
    for one in seen:
        before = known.get(one.key)
        if before is None or not (changed := _changed(before, one)):
            continue
        approves = one.status in APPROVED and before.status not in APPROVED
        audit.append(
            tx, actor=one.changed_by or NOBODY, action=APPROVAL if approves else CHANGE, object=one.key, detail=changed, now=now
        )  # fmt: skip
        deeds += 1
    return deeds


def _changed(before: Row[Any], one: Seen) -> dict[str, str]:
    first = before.read_at is None
    if first and one.changed_by == one.made_by and one.status not in _DECIDED:
        return {}
    was = {
        "status": before.status,
        "approved by": before.approved_by,
        "saved by": one.made_by if first else before.changed_by,
        "amount": None if before.amount_e6 is None else f"{from_e6(before.amount_e6):f}",
        "currency": before.currency,
    }
    now = {
        "status": one.status,
        "approved by": one.approved_by,
        "saved by": one.changed_by,
        "amount": None if one.amount is None else f"{from_e6(int(one.amount.scaleb(6))):f}",
        "currency": one.currency,
    }
    if first or now["amount"] is None:  # nothing to hold it against: L4 holds it against what was settled
        was |= {"amount": None, "currency": None}
        now |= {"amount": None, "currency": None}
    return {name: f"{was[name] or '-'} → {now[name] or '-'}" for name in was if was[name] != now[name]}


def approved_by_maker() -> Select[Any]:
    """Keys of payouts that are approved, and whose last approval was saved by the user who made them."""
    last = (
        select(func.max(trail.c.seq).label("seq"))
        .where(trail.c.action == APPROVAL)
        .group_by(trail.c.object)
        .subquery()
    )
    return (
        select(payouts.c.key)
        .join(trail, trail.c.object == payouts.c.key)
        .join(last, last.c.seq == trail.c.seq)
        .where(payouts.c.status.in_(APPROVED), trail.c.actor == payouts.c.made_by)
    )
