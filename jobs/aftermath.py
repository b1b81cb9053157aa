"""What a pull brings with it: the orders of merged accounts, and what must be looked for by id afterward."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection

from jobs.app import App
from jobs.inventory import NEEDED
from jobs.rereading import parent_fields, read_again
from state import inventory, meta

if TYPE_CHECKING:
    from jobs.bulk_streams import Stream
    from jobs.reading import Reading

log = structlog.get_logger()


def note_gap(tx: Connection, app: App, stream: Stream, before: datetime | None) -> None:
    """What a window cannot show must be looked for by id: purged records after a long gap, rows that left the filter."""
    if before is None or meta.get(tx, NEEDED) is not None:
        return
    assert stream.window.until is not None
    if stream.window.until - before > timedelta(days=app.settings.sync.unconfirmed_days):
        meta.put(tx, NEEDED, f"{stream.name} was last read at {before:%Y-%m-%d %H:%M} UTC")
    elif stream.again == "its mapping changed":
        meta.put(tx, NEEDED, f"the mapping of {stream.name} changed")


def follow_merges(app: App, run_pk: int, reading: Reading, complete: set[str]) -> list[str]:
    """Orders and child accounts of the winners of new merges, whatever their stamps say. Returns the losers' ids."""
    if "account" not in complete or not reading.merged:
        return []
    with app.store.read() as tx:
        news = inventory.merges_unknown(tx, reading.merged)
    if not news:
        return []
    winners = {winner for _, winner in news}
    log.info("pull.accounts_merged", merges=len(news), winners=len(winners))
    for name, parent in (("order", "account_id"), ("account", "parent_id")):
        entity = app.mapping.pull.get(name)
        if entity is None or name not in complete:
            continue
        for by in parent_fields(entity, parent):
            before = reading.rejected.get(name, [])
            _, reading.rejected[name] = read_again(app, run_pk, entity, winners, by=by, before=before)
    return [loser for loser, _ in news]
