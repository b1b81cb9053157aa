"""What a pull brings with it: the orders of merged accounts, and what must be looked for by id afterward."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection

from connector import errors
from jobs.app import App
from jobs.lost_rows import accepting
from jobs.rereading import parent_fields, read_again
from jobs.settling import MONEY_STREAMS, stopped_by
from state import inventory, inventory_asked

if TYPE_CHECKING:
    from jobs.bulk_streams import Stream
    from jobs.reading import Reading

log = structlog.get_logger()

MAPPING = "the mapping of "  # so begins the reason for an inventory that nothing is computed without


def note_gap(tx: Connection, app: App, stream: Stream, before: datetime | None) -> None:
    """What a window cannot show must be looked for by id: purged records after a long gap, rows that left the filter."""
    known = inventory_asked.why(tx)
    if before is None or (known or "").startswith(MAPPING):
        return
    assert stream.window.until is not None
    if stream.again == "its mapping changed":  # weighs more than any other reason: see `why_nothing_counts`
        inventory_asked.ask(tx, f"{MAPPING}{stream.name} changed")
    elif known is None and stream.window.until - before > timedelta(days=app.settings.sync.unconfirmed_days):
        inventory_asked.ask(tx, f"{stream.name} was last read at {before:%Y-%m-%d %H:%M} UTC")


def why_nothing_counts(app: App) -> dict[str, errors.SyncError]:
    """Why nothing may be computed or written: a changed mapping shows other records, and those that it showed before could
    not be taken back yet. Both would count, in the org too."""
    with app.store.read() as tx:
        why, stopped = inventory_asked.why(tx) or "", stopped_by(tx, "inventory")
    names = sorted(stopped.keys() & set(MONEY_STREAMS))
    if not why.startswith(MAPPING) or not names:
        return {}
    error = errors.Misconfigured(
        stopped[names[0]],
        detail=f"nothing was computed or written: {why}, and the comparison of all ids stopped at {', '.join(names)}, so "
        "records that the mapping no longer shows may count beside those that it shows now",
        hint="Look whether the mapping is right (rebates mapping check); if not, put it right. Then "
        f"`{accepting(*names)}` takes back what it does not show",
    )
    return {"compute and push": error}


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
