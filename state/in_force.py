"""Which periods count: those that are a program's own now, of programs that are there now.

A period that is not in force any more keeps its row, and its standings theirs: a correction of the file may be undone, and
the ledger may point at them. Nothing is computed or shown of them.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, func, select

from state.tables.programs import periods, program_versions, programs

# What growth is compared with is no period of the program's own.
OWN = and_(periods.c.active, ~periods.c.baseline)
# Where `periods` and `programs` are joined.
IN_FORCE = and_(programs.c.active, OWN)

_OUT = (
    select(periods.c.pk, periods.c.program_pk, periods.c.name)
    .join(programs, programs.c.pk == periods.c.program_pk)
    .where(~IN_FORCE)
)
_NAMESAKES = (
    select(periods.c.program_pk, periods.c.name, func.max(periods.c.pk).label("pk"))
    .join(programs, programs.c.pk == periods.c.program_pk)
    .where(IN_FORCE)
    .group_by(periods.c.program_pk, periods.c.name)
)


class Terms(NamedTuple):
    """The last terms of a program that is not there any more."""

    time_zone: str
    definition: dict[str, Any]


def out_of_force(tx: Connection) -> dict[int, int | None]:
    """Periods that are not in force → the one that has their name now, if any: to people and to the org it is the same one."""
    rows = tx.execute(_OUT).all()
    if not rows:
        return {}
    named = {(row.program_pk, row.name): int(row.pk) for row in tx.execute(_NAMESAKES)}
    return {row.pk: named.get((row.program_pk, row.name)) for row in rows}


def hold_from(tx: Connection, key: str) -> set[date]:
    """The days from which the versions of a program held when it was computed last; none where it never was."""
    found = last_terms(tx, [key])
    if key not in found:
        return set()
    newest = found[key].definition
    versions = (newest, *newest.get("earlier", ()))
    return {date.fromisoformat(one.get("effective_from") or one["starts"]) for one in versions}


def last_terms(tx: Connection, keys: Collection[str]) -> dict[str, Terms]:
    """Of programs by key, as they were last installed."""
    query = (
        select(programs.c.key, programs.c.time_zone, program_versions.c.definition)
        .join(
            program_versions,
            and_(
                program_versions.c.program_pk == programs.c.pk,
                program_versions.c.version == programs.c.version,
            ),
        )
        .where(programs.c.key.in_(sorted(keys)))
    )
    return {row.key: Terms(row.time_zone, json.loads(row.definition)) for row in tx.execute(query)}
