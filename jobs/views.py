"""What a mapping can write, as nested dicts: one view of a standing, its member, its program and its period."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from mappings.keys import sync_key
from rebates.periods import Period
from rebates.program import Program
from state.events import EventRow
from state.newest import Trace
from state.people import Member
from state.postings import Settled
from state.totals import Cell

View = dict[str, dict[str, Any]]


class Shown(NamedTuple):
    """A saved standing together with what is needed to show it."""

    cell: Cell
    document: dict[str, Any]
    program: Program
    period: Period
    member: Member
    settled: Settled | None = None  # what the period is paid with, once it is closed


def view_of(shown: Shown, *, org_id: str, today: date, traces: Sequence[Trace] = ()) -> View:
    """The view of one standing. `synced_at` and `seq` are filled in when the record is sent."""
    document, program, period = shown.document, shown.program, shown.period
    decimals = {
        name: None if document[name] is None else Decimal(document[name])
        for name in (
            "qualifying_amount",
            "qualifying_quantity",
            "rebate",
            "next_threshold",
            "to_next_tier",
            "rebate_at_next_tier",
            "uplift",
        )
    }
    account = _account(shown.member)
    in_units = program.qualifiers[0].dimension == "quantity"
    return {
        "member": account,
        "account": account,
        "standing": {
            **decimals,
            "amount_to_next_tier": None if in_units else decimals["to_next_tier"],
            "key": sync_key(org_id, program.key, shown.member.id, period.key, "standing"),
            "tier": document["tier"],
            "benefit": document["benefit"],
            "status": document["status"],
            "currency": document["currency"],
            "next_tier": document["next_tier"],
            "next_benefit": document["next_benefit"],
            "progress": _progress(document),
            "days_left": period.days_left(today),
            "tier_until": program.tier_until(period),
            "tier_ladder": _ladder(document["ladder"]),
            "contributions": [_contribution(trace, program, document["currency"]) for trace in traces],
            "steps": "\n".join(step["text"] for step in document["steps"]),
            "incomplete": "; ".join(document["incomplete"]) or None,
            **_settlement(shown),
            "as_of": today,
            "synced_at": None,
            "seq": None,
        },
        "program": {
            "key": program.key,
            "name": program.name or program.key,
            "currency": program.currency,
            "method": program.method,
            "qualifier": program.qualifiers[0].dimension,
            "measure": program.paid_on,
        },
        "period": {
            "key": period.key,
            "name": period_name(period),
            "start": period.start,
            "end": period.end,
            "last_day": period.last_day,
        },
    }


def _settlement(shown: Shown) -> dict[str, Any]:
    at = shown.settled
    return {
        "settled": None if at is None else at.amount,
        "adjustments": None if at is None else at.adjustments,
        "settled_on": None if at is None else shown.program.day_of(at.closed_at),
    }


def with_event(view: View, event: EventRow, *, key: str, happened_on: date) -> View:
    """The same view, with what happened."""
    return {**view, "event": {"key": key, "kind": event.kind, "tier": event.tier, "happened_on": happened_on}}


def with_task(view: View, *, key: str, owner_id: str | None, due: date, priority: str) -> View:
    """The same view, with the task that is made of it."""
    task = {
        "key": key,
        "owner_id": owner_id,
        "due": due,
        "priority": priority,
        "steps": view["standing"]["steps"],
    }
    return {**view, "task": task}


@lru_cache(maxsize=1_000)
def period_name(period: Period) -> str:
    """`November 2026`, `Q4 2026`, or the key."""
    year, _, part = period.key.partition("-")
    if part.isdigit() and len(part) == 2 and period.start.day == 1 and 1 <= int(part) <= 12:
        return f"{date(int(year), int(part), 1):%B %Y}"
    return f"{part} {year}" if part[:1] in ("Q", "H") else period.key


def _account(member: Member) -> dict[str, Any]:
    return {
        "id": member.id,
        "name": member.name or member.id,
        "owner_id": member.owner_id,
        "parent_id": member.parent_id,
        "type": member.type,
        "region": member.region,
        "currency": member.currency,
    }


def _progress(document: dict[str, Any]) -> Decimal | None:
    """How far to the next tier, 0 to 1, to four decimals; None where nothing says how far it is."""
    if document["next_tier"] is None:
        return Decimal(1)
    if document["next_threshold"] is None:
        return None
    threshold, value = Decimal(document["next_threshold"]), Decimal(document["qualifier"])
    if threshold <= 0:
        return Decimal(1)
    return max(Decimal(0), min(Decimal(1), (value / threshold).quantize(Decimal("0.0001"))))


def _ladder(ladder: dict[str, Any]) -> dict[str, Any] | None:
    """Numbers as numbers: the card draws them. None where nothing says at what numbers its tiers begin."""
    if any(tier["threshold"] is None for tier in ladder["tiers"]):
        return None
    tiers = [{**tier, "threshold": Decimal(tier["threshold"])} for tier in ladder["tiers"]]
    return {**ladder, "value": Decimal(ladder["value"]), "tiers": tiers}


def _contribution(trace: Trace, program: Program, currency: str) -> dict[str, Any]:
    """An order as its people know it: on its day where the program is, in its own currency, which is named where it is another."""
    foreign = trace.currency not in ("", currency)
    return {
        "order": trace.number or trace.order_id,
        "date": None if trace.dated is None else program.day_of(trace.dated),
        "amount": trace.amount,
        "quantity": trace.quantity,
    } | ({"currency": trace.currency} if foreign else {})
