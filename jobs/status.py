"""How things stand: when what was last read, what waits, what is set aside, what the last runs did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from jobs import first_seen, overtaken, owed, periods, settling
from jobs.app import App
from jobs.refused_programs import sort_out_in
from jobs.settings import JOBS
from jobs.slots import next_slot, slots_between
from state import leases, meta, outbox, pausing, payouts, payouts_listed, rejected, runs, watermarks

LATE_AFTER = 2  # slots without a success
LOOK_BACK = timedelta(days=32)


def status(app: App) -> dict[str, Any]:
    """Plain values, for `rebates status` and its JSON."""
    now = app.clock.now()
    schedule = app.settings.schedule
    with app.store.read() as tx:
        marks = watermarks.read_all(tx)
        last = runs.latest(tx, limit=5)
        waiting = rejected.waiting(tx, limit=20)
        held = leases.held(tx, app.lease_time(tx))
        return {
            "org_id": meta.org_id(tx),
            "store": app.store.where,
            "paused": pausing.reason(tx),
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
                "payouts": [{"program": of, "period": period} for _, of, period in payouts.not_exact(tx)],
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
                for name in JOBS
                if (when := getattr(schedule, name)) is not None
            },
            "late": list(_late(app, tx)),
            "stopped": settling.stopped(tx) | overtaken.told(tx),
            "programs": _programs(app, tx),
            "periods": _periods(app, tx),
            "payouts": [
                {"status": word, "currency": currency, "amount": amount, "payouts": count}
                for word, currency, amount, count in payouts_listed.sums(tx)
            ],
            **owed.look(tx).as_json(),
        }


def _late(app: App, tx: Connection) -> Iterator[dict[str, Any]]:
    """Scheduled jobs that have not succeeded for two of their slots: nobody notices a job that does not run. One that
    never succeeded is counted from when a scheduler first had it."""
    schedule, now = app.settings.schedule, app.clock.now()
    for name in JOBS:
        when = getattr(schedule, name)
        if when is None:
            continue
        tried = runs.latest(tx, job=name, until=now, limit=1)
        first = first_seen.since(tx, name, schedule.rhythm(name))
        if not tried and first is None:
            continue
        good = [
            run
            for how in ("ok", "partial")
            for run in runs.latest(tx, job=name, outcome=how, until=now, limit=1)
        ]
        last = max((run.slot for run in good), default=None)
        since = last or first or now - LOOK_BACK
        if len(list(islice(slots_between(when, schedule.time_zone, since, now), LATE_AFTER))) == LATE_AFTER:
            yield {"job": name, "last_success": last}


def _programs(app: App, tx: Connection) -> dict[str, Any]:
    """Which programs run as their files say, which run as an earlier file said, which do not run at all."""
    _, refused = sort_out_in(tx, app.programs_in_force_read(tx))
    kept, outdated = app.programs_kept(tx), app.programs_outdated(tx)
    return {
        "warnings": app.programs.told(kept, outdated),
        "valid": [program.key for program in app.programs.programs],
        "last_valid_version": [{"program": one.key, "file": file} for file, one in kept.items()],
        "unknown": [path.name for path, _ in app.programs.broken if path.name not in {*kept, *outdated}],
        "refused": [{"program": one.key, "reason": one.reason} for one in refused],
    }


def _periods(app: App, tx: Connection) -> dict[str, Any]:
    """Periods that are to be settled and wait, and how many were over before we came."""
    found = periods.states(app, tx)
    earlier = Counter(one.program for one in found if one.state == "earlier")
    return {
        "closing": [
            {"program": one.program, "period": one.period, "waits_for": list(one.waits_for)}
            for one in found
            if one.state == "closing"
        ],
        "earlier": dict(earlier),
        "settled": sum(one.state == "settled" for one in found),
    }
