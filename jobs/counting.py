"""Once a local day: does the org still show as many records as we know? Lost sharing deletes nothing, it only hides.

One API call for all objects, one for each where all at once are too much for the org. It sees that rows vanished, not which: that is what `rebates reconcile` is for.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

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

COUNTED = ("product", "account", "order", "order_line")


@dataclass(frozen=True)
class Counted:
    """What a count showed: entities of which too many records are no longer visible, and those that it could not count."""

    vanished: list[tuple[str, errors.Misconfigured]] = field(default_factory=list)
    uncounted: list[tuple[str, errors.SyncError]] = field(default_factory=list)


def count_rows(run: Running, complete: Collection[str]) -> Counted:
    """Once a local day; nothing on all but the first pull of a day. What the org gave up counting waits for the next day,
    too: the same again would take as long again, in every sync."""
    app = run.app
    today = app.local_day().isoformat()
    with app.store.read() as tx:
        due = [name for name in complete if meta.get(tx, _key(name)) != today]
    counted = compare_counts(app, due)
    if counted is None:
        return Counted()
    lost_from = {entity for entity, _ in counted.vanished}
    with app.store.transaction() as tx:
        note_counted(tx)
        note_day(tx, app, [name for name in due if name not in lost_from])
    for entity, lost in counted.vanished:
        log.error("pull.rows_vanished", entity=entity, detail=lost.detail)
    return counted


def compare_counts(app: App, complete: Collection[str]) -> Counted | None:
    """The same at any time, for one API call; None when there is nothing to count.

    Whatever shows counts, however new: a record that was saved a moment ago, by ourselves perhaps, has not vanished.
    """
    wanted = [app.mapping.pull[name] for name in COUNTED if name in complete and name in app.mapping.pull]
    wanted = [entity for entity in wanted if ENTITIES[entity.entity].field("deleted") is not None]
    if not wanted:
        return None
    totals = _totals(app, [soql.count(replace(entity, deleted="ignore")) for entity in wanted])
    counted = Counted()
    with app.store.read() as tx:
        for entity, shown in zip(wanted, totals, strict=True):
            if isinstance(shown, errors.SyncError):
                log.warning("pull.count_gave_up", entity=entity.entity, code=shown.code)
                counted.uncounted.append((entity.entity, shown))
                continue
            known = inventory.live_count(tx, entity.entity)
            if known - shown > lost_rows.allowed(app, known):
                lost = lost_rows.fewer_shown(entity.object, known, shown, where=bool(entity.where))
                counted.vanished.append((entity.entity, lost))
    return counted


def _totals(app: App, queries: list[str]) -> list[int | errors.SyncError]:
    """Rows of each query, in one call; where that is too much, each alone, and the error of what is too much even then."""
    try:
        return [page.total or 0 for page in app.org.poll(queries)]
    except errors.Transient as error:
        if not isinstance(error, errors.WindowLost) and not errors.is_too_much(error):
            raise
        if len(queries) == 1:
            return [error]
    return [total for query in queries for total in _totals(app, [query])]


def note_day(tx: Connection, app: App, names: Collection[str]) -> None:
    """These need no counting any more today. A stream that could not be read is none of them, and its turn comes."""
    for name in names:
        meta.put(tx, _key(name), app.local_day().isoformat())


def note_counted(tx: Connection) -> None:
    """How many records were ever read stands from now on in the store, for `rebates verify`."""
    for entity in COUNTED:
        fact_checks.note_rows(tx, entity)


def _key(name: str) -> str:
    return f"counted_on.{name}"
