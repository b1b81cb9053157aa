"""The values that a push can write: their names and kinds. A view (outbound) carries them as nested dicts."""

from __future__ import annotations

from typing import Literal, get_args

from rebates.events import Kind as EventKind
from rebates.program import Method
from rebates.status import Status

Kind = Literal[
    "id", "text", "enum", "amount", "quantity", "qualifier", "rate", "day", "moment", "bool", "int", "json"
]  # qualifier: an amount or a number of units, as the program's qualifier says

# Types of Salesforce fields that hold numbers.
NUMBERS = frozenset({"double", "currency", "percent", "int", "long"})

STATUSES: tuple[str, ...] = get_args(Status)
METHODS: tuple[str, ...] = get_args(Method)
EVENTS: tuple[str, ...] = get_args(EventKind)
BASES = ("amount", "quantity")
PAYOUT_TYPES = ("settled", "invoice", "adjustment")
PRIORITIES = ("High", "Normal")  # of tasks

# What finance says of a payout, read back from the org by the names under [push.payout.reads].
READS = ("status", "approved_by", "paid_on", "reference")
DAYS_READ = frozenset({"paid_on"})

_ACCOUNT: dict[str, Kind] = {
    "id": "id",
    "name": "text",
    "owner_id": "id",
    "parent_id": "id",
    "type": "text",
    "region": "text",
    "currency": "text",
}

VALUES: dict[str, dict[str, Kind]] = {
    "member": _ACCOUNT,
    "account": _ACCOUNT,
    "standing": {
        "key": "text",
        "tier": "text",
        "benefit": "text",  # as people read it: "10%", "$0.50 a unit"
        "status": "enum",
        "currency": "text",
        "qualifying_amount": "amount",
        "qualifying_quantity": "quantity",
        "rebate": "amount",
        "next_tier": "text",
        "next_threshold": "qualifier",
        "next_benefit": "text",
        "to_next_tier": "qualifier",
        "amount_to_next_tier": "amount",  # the same; empty where the program counts units
        "rebate_at_next_tier": "amount",
        "uplift": "amount",
        "progress": "rate",  # 0.5 = half way
        "days_left": "int",  # in the period, today included
        "tier_until": "day",  # the last day whose lines count toward the tier: with a longer window, the window's
        "tier_ladder": "json",
        "contributions": "json",
        "steps": "text",
        "incomplete": "text",
        "settled": "amount",  # what the period was settled at, corrections included; empty: it is not settled
        "adjustments": "amount",  # the corrections in it
        "settled_on": "day",
        "as_of": "day",
        "synced_at": "moment",
        "seq": "int",
    },
    "program": {
        "key": "text",
        "name": "text",
        "currency": "text",
        "method": "enum",
        "qualifier": "enum",
        "measure": "enum",
    },
    "period": {
        "key": "text",  # "2026-11", "2026-Q3"
        "name": "text",  # "November 2026"
        "start": "day",
        "end": "day",  # the first day after
        "last_day": "day",
    },
    "event": {
        "key": "text",
        "kind": "enum",
        "tier": "text",
        "happened_on": "day",
        "headline": "text",  # "$4,812 to Gold"; written by `wording` when the view has none
        "detail": "text",
    },
    "task": {
        "key": "text",
        "owner_id": "id",
        "due": "day",
        "priority": "text",
        "steps": "text",
    },
    "payout": {
        "key": "text",
        "type": "enum",
        "amount": "amount",
        "late_lines": "amount",  # of an adjustment: what late lines earn at the tier that was settled
        "tier_and_terms": "amount",  # of an adjustment: what another tier or other terms change
        "currency": "text",
        "booked_in": "text",  # the period in which it is booked
        "calculated_on": "day",
        "standing_id": "id",  # the record of the standing that it settles, as the org calls it
    },
}

ENUMS: dict[str, tuple[str, ...]] = {
    "standing.status": STATUSES,
    "program.method": METHODS,
    "program.qualifier": BASES,
    "program.measure": BASES,
    "event.kind": EVENTS,
    "payout.type": PAYOUT_TYPES,
    "task.priority": PRIORITIES,
}

PATHS: tuple[str, ...] = tuple(f"{group}.{name}" for group, names in VALUES.items() for name in names)


def kind_of(path: str) -> Kind | None:
    """The kind of a value, or None when there is no such value."""
    group, _, name = path.partition(".")
    return VALUES.get(group, {}).get(name)


# Characters that a field must have room for, because a cut value would be a wrong one.
LENGTHS: dict[str, int] = {
    "standing.key": 29,
    "task.key": 29,
    "event.key": 29,
    "payout.key": 29,
    "member.id": 18,
    "account.id": 18,
    "task.owner_id": 18,
    "standing.currency": 3,
    "program.currency": 3,
    "payout.currency": 3,
    "period.key": 10,
    "payout.booked_in": 10,
    "standing.tier_ladder": 4000,
    "standing.contributions": 4000,
}

# What a record id is the id of.
REFERS_TO: dict[str, str] = {
    "member.id": "Account",
    "member.parent_id": "Account",
    "member.owner_id": "User",
    "account.id": "Account",
    "account.parent_id": "Account",
    "account.owner_id": "User",
    "task.owner_id": "User",
}
