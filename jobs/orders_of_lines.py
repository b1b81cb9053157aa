"""Whose a line is that could not be read, where its order is not known: the org is asked for that order, once a day.

A line belongs to the day of its order, so one whose order nobody knows could belong to any period, and none is settled.
Mostly the mapping leaves the order out on purpose (its `where`, a value that is skipped, a draft of nobody's): then the
line adds nothing, whatever it says, and nothing waits for it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace

import structlog

from connector import errors
from jobs.inventory import set_aside
from jobs.rereading import IDS_PER_QUERY, read_again, shown_after_all
from jobs.running import Running
from state import gone, meta, rejected, staging

log = structlog.get_logger()

ASKED = "orders_of_lines"  # the local day, and the ids that were asked for on it


def look_for_orders(run: Running, complete: Collection[str]) -> None:
    """Read the orders of rejected lines that nobody knows; those that the org shows and the mapping does not are left out.

    What the org does not show at all stays in doubt: its lines would hardly be shown. `complete`: streams that were read.
    """
    app, entity = run.app, run.app.mapping.pull.get("order")
    if entity is None or not {"order", "order_line"} <= set(complete):
        return
    today = app.local_day().isoformat()
    with app.store.read() as tx:
        day, asked = json.loads(meta.get(tx, ASKED) or '["", []]')
        before = set(asked) if day == today else set()
        ids = [one for one in rejected.orders_nobody_knows(tx) if one not in before][:IDS_PER_QUERY]
    if not ids:
        return
    into = staging.again(run.pk)
    try:
        _, bad = read_again(app, into, entity, ids)
        anyhow = replace(entity, where=None, deleted="keep")
        shown = shown_after_all(app, anyhow, ids, until=app.org.server_time())
    except errors.WrongOrg:
        raise
    except (errors.Transient, errors.Misconfigured) as error:
        log.warning("pull.orders_of_lines_not_asked", code=error.code, orders=len(ids))
        with app.store.transaction() as tx:
            staging.discard(tx, into, "order")
            if isinstance(error, errors.Misconfigured):  # the same answer today, however often it is asked
                meta.put(tx, ASKED, json.dumps([today, sorted({*before, *ids})]))
        return
    with app.store.transaction() as tx:
        now = app.clock.now()
        staging.apply(tx, into, "order", now=now)
        set_aside(tx, bad, run_pk=run.pk, now=now)
        left_out = shown.intersection(rejected.orders_nobody_knows(tx))
        gone.leave_out(tx, left_out)
        meta.put(tx, ASKED, json.dumps([today, sorted({*before, *ids})]))
    log.info("pull.orders_of_lines", asked=len(ids), left_out=len(left_out))
