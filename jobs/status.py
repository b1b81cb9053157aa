"""How things stand: when what was last read, what waits, what is set aside, what the last runs did."""

from __future__ import annotations

from typing import Any

from jobs.app import App
from jobs.slots import next_slot
from state import leases, meta, outbox, rejected, runs, watermarks


def status(app: App) -> dict[str, Any]:
    """Plain values, for `rebates status` and its JSON."""
    now = app.clock.now()
    schedule = app.settings.schedule
    with app.store.read() as tx:
        marks = watermarks.read_all(tx)
        last = runs.latest(tx, limit=5)
        waiting = rejected.waiting(tx, limit=20)
        held = leases.held(tx, now)
        return {
            "org_id": meta.org_id(tx),
            "store": app.store.where,
            "paused": meta.get(tx, "paused"),
            "running": [{"owner": one.owner, "until": one.expires_at} for one in held],
            "streams": [
                {
                    "entity": mark.stream,
                    "read_until": mark.ceiling,
                    "age_seconds": int((now - mark.ceiling).total_seconds()),
                }
                for mark in marks
            ],
            "outbox": outbox.counts(tx),
            "set_aside": {
                "records": sum(rejected.counts(tx).values()),
                "by_entity": rejected.counts(tx),
                "first": [
                    {"entity": row.entity, "id": row.sf_id, "field": row.field, "reason": row.reason}
                    for row in waiting
                ],
            },
            "runs": [
                {
                    "run": run.pk,
                    "job": run.job,
                    "started_at": run.started_at,
                    "finished_at": run.finished_at,
                    "outcome": run.outcome or "running",
                    "counts": dict(run.counts),
                    "error": run.error,
                }
                for run in last
            ],
            "next": {
                name: next_slot(when, schedule.time_zone, now)
                for name in ("sync", "reconcile", "verify")
                if (when := getattr(schedule, name)) is not None
            },
            "programs": {
                "warnings": app.programs.warnings,
                "valid": [program.key for program in app.programs.programs],
            },
        }
