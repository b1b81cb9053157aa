"""S3: every slot of a schedule was executed, stood in for by a run by hand, or is written down as missed. Read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection

from jobs.settings import JOBS
from jobs.slots import LOOK_BACK, unaccounted
from state import runs
from state.invariants import Violation

if TYPE_CHECKING:
    from jobs.app import App


def check(app: App, tx: Connection) -> list[Violation]:
    """Jobs with slots of the last day before their newest run that nothing tells of.

    Looked at from the first run on that had the rhythm of today: what was due under another one is not known.
    """
    settings, found = app.settings.schedule, []
    for job in JOBS:
        schedule, rhythm = getattr(settings, job), settings.rhythm(job)
        newest = runs.latest(tx, job=job, until=app.clock.now(), limit=1)
        if schedule is None or not newest:
            continue
        rows = runs.of_job(tx, job, since=newest[0].slot - LOOK_BACK, until=newest[0].slot)
        alike = []
        for run in reversed(rows):
            known = run.counts.get("rhythm")
            if known not in (None, rhythm):
                break
            if known is not None:
                alike.append(run.slot)
        if not alike:
            continue
        ran = [run.slot for run in rows]
        lost = list(unaccounted(schedule, settings.time_zone, ran, alike[-1], alike[0]))
        if lost:
            example = f"the {job} of {lost[0]:%Y-%m-%d %H:%M:%S} UTC"
            hint = "run it: rebates " + job
            found.append(Violation("a slot passed and nothing tells of it (S3)", len(lost), example, hint))
    return found
