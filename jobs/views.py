"""What a mapping can write, as nested dicts: one view of a standing, its member, its program and its period."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from mappings.keys import sync_key
from mappings.outbound import Common
from mappings.texts_out import Told
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


AMOUNTS = (
    "qualifying_amount", "qualifying_quantity", "rebate", "next_threshold", "to_next_tier", "rebate_at_next_tier", "uplift",
)  # fmt: skip


LADDERS_KEPT = 500  # where thresholds are each member's own there is no end of them


class Views:
    """Views of many standings: what those of one program, or of one period, have in common is made once."""

    def __init__(self, org_id: str) -> None:
        self.org_id = org_id
        self._programs: dict[str, tuple[Program, Common]] = {}
        self._periods: dict[Period, Common] = {}
        self._tiers: dict[bytes, Told | None] = {}

    def of(self, shown: Shown, *, today: date, traces: Sequence[Trace] = ()) -> View:
        """The view of one standing. `synced_at` and `seq` are filled in when the record is sent."""
        account = _account(shown.member)
        return {
            "member": account,
            "account": account,
            "standing": _Standing(self, shown, today, traces),
            "program": self._program(shown.program),
            "period": self._period(shown.period),
        }

    def ladder(self, ladder: dict[str, Any]) -> dict[str, Any] | None:
        """Numbers as numbers: the card draws them. None where nothing says at what numbers its tiers begin."""
        tiers = ladder["tiers"]
        key = orjson.dumps(tiers)  # the same for all who stand on one tier of a plain ladder
        if key not in self._tiers:
            if len(self._tiers) >= LADDERS_KEPT:
                self._tiers.clear()
            self._tiers[key] = _in_numbers(tiers)
        told = self._tiers[key]
        return None if told is None else {**ladder, "value": Decimal(ladder["value"]), "tiers": told}

    def _program(self, program: Program) -> Common:
        known = self._programs.get(program.key)
        if known is None or known[0] is not program:
            values = {
                "key": program.key,
                "name": program.name or program.key,
                "currency": program.currency,
                "method": program.method,
                "qualifier": program.qualifiers[0].dimension,
                "measure": program.paid_on,
            }
            known = self._programs[program.key] = program, Common(values)
        return known[1]

    def _period(self, period: Period) -> Common:
        known = self._periods.get(period)
        if known is None:
            values = {
                "key": period.key,
                "name": period_name(period),
                "start": period.start,
                "end": period.end,
                "last_day": period.last_day,
            }
            known = self._periods[period] = Common(values)
        return known


def view_of(shown: Shown, *, org_id: str, today: date, traces: Sequence[Trace] = ()) -> View:
    """The view of a single standing."""
    return Views(org_id).of(shown, today=today, traces=traces)


class _Standing(dict[str, Any]):
    """The values of a standing. What costs more than a look-up is worked out when a mapping asks for it."""

    __slots__ = ("shown", "today", "traces", "views")

    def __init__(self, views: Views, shown: Shown, today: date, traces: Sequence[Trace]) -> None:
        self.views, self.shown, self.today, self.traces = views, shown, today, traces
        document, settled = shown.document, shown.settled
        for name in AMOUNTS:
            written = document[name]
            self[name] = None if written is None else Decimal(written)
        in_units = shown.program.qualifiers[0].dimension == "quantity"
        self.update(
            amount_to_next_tier=None if in_units else self["to_next_tier"],
            tier=document["tier"],
            benefit=document["benefit"],
            status=document["status"],
            currency=document["currency"],
            next_tier=document["next_tier"],
            next_benefit=document["next_benefit"],
            settled=None if settled is None else settled.amount,
            adjustments=None if settled is None else settled.adjustments,
            settled_on=None if settled is None else shown.program.day_of(settled.closed_at),
            as_of=today,
            synced_at=None,
            seq=None,
        )

    def __missing__(self, name: str) -> Any:
        value = self[name] = _WHEN_ASKED[name](self)
        return value


_WHEN_ASKED: dict[str, Callable[[_Standing], Any]] = {
    "key": lambda its: _key(its.shown, its.views.org_id),
    "progress": lambda its: _progress(its.shown.document),
    "days_left": lambda its: its.shown.period.days_left(its.today),
    "tier_until": lambda its: its.shown.program.tier_until(its.shown.period),
    "tier_ladder": lambda its: its.views.ladder(its.shown.document["ladder"]),
    "contributions": lambda its: [_contribution(trace, its.shown) for trace in its.traces],
    "steps": lambda its: "\n".join([step["text"] for step in its.shown.document["steps"]]),
    "incomplete": lambda its: "; ".join(its.shown.document["incomplete"]) or None,
}


def _key(shown: Shown, org_id: str) -> str:
    return sync_key(org_id, shown.program.key, shown.member.id, shown.period.key, "standing")


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


def _in_numbers(tiers: list[Any]) -> Told | None:
    if any(tier["threshold"] is None for tier in tiers):
        return None
    return Told({**tier, "threshold": Decimal(tier["threshold"])} for tier in tiers)


def _contribution(trace: Trace, shown: Shown) -> dict[str, Any]:
    """An order as its people know it: on its day where the program is, in its own currency, which is named where it is another."""
    program, foreign = shown.program, trace.currency not in ("", shown.document["currency"])
    return {
        "order": trace.number or trace.order_id,
        "date": None if trace.dated is None else program.day_of(trace.dated),
        "amount": trace.amount,
        "quantity": trace.quantity,
    } | ({"currency": trace.currency} if foreign else {})
