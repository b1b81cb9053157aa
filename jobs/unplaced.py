"""Payouts of the org that could not be placed: whose they are, or of which period, is not known here yet. Nothing that they
could be part of is settled meanwhile. `jobs.takeover` looks at them again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from state import meta

Named = tuple[str, str]  # a program and a period, by their keys

# In `meta`:
_LEFT = "takeover.left"
_ELSEWHERE = "takeover.elsewhere"
_IN_ANOTHER_CURRENCY = "takeover.currency"


def note_left(tx: Connection, count: int) -> None:
    """So many: they are looked at again after the next pull, and when their programs are installed."""
    _note(tx, _LEFT, str(count) if count else None)


def some_left(tx: Connection) -> bool:
    """Whether there are such: nothing at all is settled then."""
    return meta.get(tx, _LEFT) is not None


def note_in_another_currency(tx: Connection, found: Mapping[Named, list[str]]) -> None:
    """Periods with payouts in another currency than their program's (that, and theirs): none of a period's is placed while it
    has one."""
    named = [[*named, *currencies] for named, currencies in sorted(found.items())]
    _note(tx, _IN_ANOTHER_CURRENCY, json.dumps(named) if named else None)


def in_another_currency(tx: Connection) -> dict[Named, str]:
    """Periods that wait because of such payouts; what is said of it."""
    said = json.loads(meta.get(tx, _IN_ANOTHER_CURRENCY) or "[]")
    return {
        (
            program,
            period,
        ): f"payouts of this period that the org has in {', '.join(theirs)}: the program is in {ours}, so "
        "they cannot be placed"
        for program, period, ours, *theirs in said
    }


def some_wait(tx: Connection) -> bool:
    """Whether there are any of these two kinds."""
    return some_left(tx) or meta.get(tx, _IN_ANOTHER_CURRENCY) is not None


def note_elsewhere(tx: Connection, named: Iterable[Named]) -> None:
    """Programs and periods of others that are not in force: placed when they are, and nothing waits for them."""
    some = sorted(named)
    _note(tx, _ELSEWHERE, json.dumps(some) if some else None)


def elsewhere(tx: Connection) -> set[Named]:
    return {(program, period) for program, period in json.loads(meta.get(tx, _ELSEWHERE) or "[]")}


def none_wait(tx: Connection) -> None:
    """Where no payouts are written, none of the org are looked at."""
    for name in (_LEFT, _IN_ANOTHER_CURRENCY):
        meta.drop(tx, name)


def _note(tx: Connection, name: str, value: str | None) -> None:
    if value is None:
        meta.drop(tx, name)
    else:
        meta.put(tx, name, value)
