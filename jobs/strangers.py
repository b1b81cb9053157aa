"""Standings that the org shows and the store does not know: after a restore, or where a new store met an org that an
earlier one wrote to.

Where orders count, the next compute makes a standing of the same key, and the record is written anew. Where nothing counts any
more (the order was moved or cancelled since), nobody would ever touch the record again, and it would go on showing what an
earlier store had worked out. So such a standing is computed, too: it comes to nothing, and the org is told.

Not of settled periods, nor of those that were over before the first order that was read: what is not known is not called
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from sqlalchemy import Connection

from jobs.settling import MONEY_STREAMS, stopped
from mappings.keys import sync_key
from mappings.model import PushTarget
from rebates.program import Program
from state import dirty, evidence, meta, people, postings, rollover, standings, watermarks
from state.totals import Cell

if TYPE_CHECKING:
    from jobs.app import App

KEY = "standings.strangers"  # in `meta`, until a compute has looked at them
log = structlog.get_logger()


class Stranger(NamedTuple):
    """Whose record it is, as it says itself."""

    account: str
    program: str
    period: str


def among(target: PushTarget, org_id: str, rows: Iterable[Mapping[str, Any]]) -> list[Stranger]:
    """Those of the records (field → text) that say whose they are, are ours by their key, and are not settled."""
    account = target.written_from("member.id") or target.written_from("account.id")
    program, period = target.written_from("program.key"), target.written_from("period.key")
    settled, match = target.written_from("standing.settled"), target.match
    if account is None or program is None or period is None or match is None:
        return []
    found = []
    for row in rows:
        if not (row[account] and row[program] and row[period]) or (settled is not None and row[settled]):
            continue
        one = Stranger(row[account], row[program], row[period])
        if sync_key(org_id, one.program, one.account, one.period, "standing") == row[match]:
            found.append(one)
    return found


def note(tx: Connection, found: Sequence[Stranger]) -> None:
    """For the next compute that knows all orders."""
    if found:
        meta.put(tx, KEY, json.dumps(sorted({*found, *_noted(tx)}), ensure_ascii=False))


def mark(app: App, tx: Connection, programs: Sequence[Program]) -> int:
    """Those without a standing wait to be computed; returns how many. While not everything was read, they are kept."""
    noted = _noted(tx)
    if not noted or not _all_was_read(app, tx):
        return 0
    since, by_key = evidence.first_day(tx), {program.key: program for program in programs}
    pks = people.pks(tx, {one.account for one in noted})
    closed, cells = postings.closed(tx), set[Cell]()
    for key in sorted({one.program for one in noted} & by_key.keys()):
        rows = {row.name: row for row in rollover.periods_of(tx, key)}
        for one in noted:
            row = rows.get(one.period) if one.program == key else None
            if row is None or one.account not in pks or row.pk in closed:
                continue
            if since is not None and since < row.end and row.start <= by_key[key].day_of(app.clock.now()):
                cells.add(Cell(pks[one.account], row.pk))
    cells -= {row.cell for row in standings.find(tx, cells=cells)} if cells else set()
    dirty.mark_these(tx, cells)
    meta.drop(tx, KEY)
    if cells:
        log.warning("standings.of_an_earlier_store", standings=len(cells))
    return len(cells)


def _noted(tx: Connection) -> list[Stranger]:
    return [Stranger(*one) for one in json.loads(meta.get(tx, KEY) or "[]")]


def _all_was_read(app: App, tx: Connection) -> bool:
    read = {mark.stream for mark in watermarks.read_all(tx)}
    mapped = [name for name in MONEY_STREAMS if name in app.mapping.pull]
    return not stopped(tx) and read.issuperset(mapped)
