"""Once a local day: does the org still show as many records as we know? Lost sharing deletes nothing, it only hides.

One API call for all objects. It sees that rows vanished, not which: that is what `rebates reconcile` is for.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import structlog
from sqlalchemy import Connection

from connector import errors
from jobs import lost_rows
from jobs.app import App
from jobs.running import Running
from mappings import soql
from mappings.canonical import ENTITIES
from state import fact_checks, inventory, meta

log = structlog.get_logger()

KEY = "counted_on"
COUNTED = ("product", "account", "order", "order_line")


def count_rows(run: Running, complete: Collection[str]) -> list[tuple[str, errors.SyncError]]:
    """Entities of which too many records are no longer visible; empty on all but the first pull of a day."""
    app = run.app
    today = app.local_day().isoformat()
    with app.store.read() as tx:
        if meta.get(tx, KEY) == today:
            return []
    vanished = compare_counts(app, complete)
    if vanished is None:
        return []
    with app.store.transaction() as tx:
        note_counted(tx)
        if not vanished:
            meta.put(tx, KEY, today)
    for entity, lost in vanished:
        log.error("pull.rows_vanished", entity=entity, detail=lost.detail)
    return [*vanished]


def compare_counts(app: App, complete: Collection[str]) -> list[tuple[str, errors.Misconfigured]] | None:
    """The same at any time, for one API call; None when the org could not count.

    Whatever shows counts, however new: a record that was saved a moment ago, by ourselves perhaps, has not vanished.
    """
    wanted = [app.mapping.pull[name] for name in COUNTED if name in complete and name in app.mapping.pull]
    wanted = [entity for entity in wanted if ENTITIES[entity.entity].field("deleted") is not None]
    if not wanted:
        return None
    queries = [soql.count(replace(entity, deleted="ignore")) for entity in wanted]
    try:
        pages = app.org.poll(queries)
    except errors.WindowLost as error:
        log.warning(
            "pull.count_gave_up", code=error.code
        )  # too many to count in one go: the nightly run sees it
        return None
    vanished: list[tuple[str, errors.Misconfigured]] = []
    with app.store.read() as tx:
        for entity, page in zip(wanted, pages, strict=True):
            known, shown = inventory.live_count(tx, entity.entity), page.total or 0
            if known - shown > lost_rows.allowed(app, known):
                vanished.append((entity.entity, lost_rows.fewer_shown(entity.object, known, shown)))
    return vanished


def note_counted(tx: Connection) -> None:
    """How many records were ever read stands from now on in the store, for `rebates verify`."""
    for entity in COUNTED:
        fact_checks.note_rows(tx, entity)
