"""Tidy: the nightly reconcile, or `rebates db tidy`, removes what nothing needs any more, batch by batch."""

from __future__ import annotations

from collections import Counter

from jobs.app import App
from jobs.running import Running
from state import bulk, retention
from state.retention import Keep

ROWS_AT_ONCE = 2_000  # in one transaction: a sync that waits for it does not notice


def keep(app: App) -> Keep:
    """As the configuration says."""
    kept = app.settings.retention
    return Keep(kept.outbox, kept.runs, kept.history)


def due(app: App) -> dict[str, int]:
    """How many rows of each kind would go. Changes nothing."""
    with app.store.read() as tx:
        return retention.counted(tx, keep(app), app.clock.now())


def tidy(run: Running) -> dict[str, int]:
    """Remove them; how many of each kind went. Stopped anywhere, the next one goes on."""
    app, gone = run.app, Counter[str]()
    for name, (table, query) in retention.due(keep(app), app.clock.now()).items():
        gone[name] = 0
        run.beat()
        with app.store.read() as looking:
            for some in retention.keys(looking, query, ROWS_AT_ONCE):
                with app.store.transaction() as tx:
                    gone[name] += bulk.remove(tx, table, some)
                run.beat()
    return dict(gone)
