"""Payouts as the org shows them, read back: what is asked, and what the answer says.

Finance writes there, in fields that a mapping may choose. One that cannot be read is told, and the rest of its payout counts
all the same: that it was approved, or rejected, must not wait for a typing mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from mappings import scalars
from mappings.model import PushTarget
from rebates.money import from_micro
from state.payouts import DELETED, Seen

Meant = TypeVar("Meant")


def query_of(target: PushTarget, since: str | None) -> str:
    """All of our payouts, or those that changed since an instant."""
    match = str(target.match)
    columns = ["Id", match, "IsDeleted", "CreatedById", "LastModifiedById", *_columns(target).values()]
    where = f"{match} != null" + (f" AND SystemModstamp >= {since}" if since else "")
    return f"SELECT {', '.join(dict.fromkeys(columns))} FROM {target.object} WHERE {where}"


def seen_in(
    target: PushTarget, rows: Sequence[dict[str, Any]], zone: ZoneInfo
) -> tuple[list[Seen], dict[str, str]]:
    """Payouts, and for those (by key) of which something could not be read, which of our names. The day of a date-time is the
    one that it was in the zone."""
    columns, match = _columns(target), str(target.match)
    bad: dict[str, str] = {}

    def told(row: dict[str, Any], name: str) -> str | None:
        return row.get(columns[name]) or None if name in columns else None

    def meant(row: dict[str, Any], name: str, read: Callable[[str], Meant]) -> Meant | None:
        text = told(row, name)
        try:
            return None if text is None else read(text)
        except scalars.BadValue:
            bad[row[match]] = name
            return None

    def day(text: str) -> date:
        return date.fromordinal(scalars.day_in_zone(text, zone))

    seen = [
        Seen(
            row[match],
            row["Id"],
            DELETED if row["IsDeleted"] == "true" else told(row, "status"),
            meant(row, "amount", _amount),
            told(row, "currency"),
            told(row, "approved_by"),
            meant(row, "paid_on", day),
            told(row, "reference"),
            row["CreatedById"],
            row["LastModifiedById"],
            told(row, "account"),
        )
        for row in rows
    ]
    return seen, bad


def _columns(target: PushTarget) -> dict[str, str]:
    """Our name → field, of all that is read back."""
    written = {name: target.written_from(f"payout.{name}") for name in ("amount", "currency")}
    written["account"] = target.written_from("member.id") or target.written_from("account.id")
    return {**target.reads, **{name: found for name, found in written.items() if found is not None}}


def _amount(text: str) -> Decimal:
    """One that the store can keep."""
    return from_micro(scalars.millionths(scalars.decimal(text)))
