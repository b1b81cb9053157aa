"""`rebates schedule run`: APScheduler is the alarm clock, the database decides.

A slot is claimed by a row `(job, slot)`: two schedulers on one database never run one slot twice. Slots that
passed while nobody was there are run once, the newest, and the others are written down as missed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger

from connector import errors
from jobs.app import App
from jobs.clock import SystemClock
from jobs.helping import help_runs
from jobs.refusals import AnotherRun, Interrupted, Paused, Refused, Unusable
from jobs.settings import JobSchedule
from jobs.slots import latest_slot, next_slot, slots_between
from state import runs
from state.errors import StoreError

log = structlog.get_logger()

LOOK_BACK = timedelta(days=1)  # slots older than this are nobody's business any more
Work = Callable[[App, datetime], None]


@dataclass(frozen=True)
class Job:
    """A job by name, its rhythm, and what it does in a slot."""

    name: str
    schedule: JobSchedule
    work: Work


def jobs_of(app: App) -> list[Job]:
    """The jobs that the configuration schedules."""
    works: dict[str, Work] = {"sync": _sync, "reconcile": _reconcile, "verify": _verify}
    found = [
        Job(name, schedule, work)
        for name, work in works.items()
        if (schedule := getattr(app.settings.schedule, name)) is not None
    ]
    if not found:
        raise Unusable("nothing is scheduled", 'add [schedule.sync] with every = "15m" to rebates.toml')
    return found


def run_forever(build: Callable[[], App], stop: threading.Event) -> None:
    """Wait for slots and run them, until `stop` is set. A failed run is logged and the next slot comes.

    Each slot opens its own connections, so that a broken one heals by itself.
    """
    with build() as app:
        jobs, zone = jobs_of(app), app.settings.schedule.time_zone
        clock, shared = app.clock, app.store.shared
    scheduler = BackgroundScheduler(timezone="UTC")
    one_at_a_time = threading.Lock()

    def due(job: Job) -> None:
        with one_at_a_time, build() as app:
            app.stopping = stop
            run_due(app, job)
        if not stop.is_set():
            arm(job)

    def arm(job: Job) -> None:
        # The distance comes from our clock and the alarm from the machine's: they may be shifted to each other.
        wait = next_slot(job.schedule, zone, clock.now()) - clock.now()
        at = SystemClock().now() + wait
        scheduler.add_job(
            due, DateTrigger(at), args=[job], id=job.name, replace_existing=True, misfire_grace_time=None
        )

    with ExitStack() as closing:
        scheduler.start()
        closing.callback(scheduler.shutdown, wait=True)
        for job in jobs:
            arm(job)
        log.info("schedule.started", jobs=[job.name for job in jobs])
        if shared:  # between its own slots it helps whoever leads a run
            help_runs(build, stop, alone=one_at_a_time)
        stop.wait()
        log.info("schedule.stopping")


def run_due(app: App, job: Job) -> str:
    """Run the newest slot that is due and not yet done; write down older ones as missed. Returns the outcome."""
    zone, now = app.settings.schedule.time_zone, app.clock.now()
    slot = latest_slot(job.schedule, zone, now)
    if slot is None:
        return "nothing is due"
    _note_missed(app, job, zone, slot, now)
    try:
        job.work(app, slot)
    except (AnotherRun, Paused) as error:
        log.info("job.skipped", job=job.name, slot=slot.isoformat(), why=error.code)
        return "skipped"
    except Interrupted:
        return "interrupted"
    except (Refused, errors.SyncError, StoreError) as error:
        log.error("job.failed", job=job.name, slot=slot.isoformat(), code=error.code, hint=error.hint)
        return "failed"
    return "ok"


def _note_missed(app: App, job: Job, zone: str, slot: datetime, now: datetime) -> None:
    """Slots since the last run that nobody ran: seen in `rebates status`, counted by alerts."""
    with app.store.transaction() as tx:
        last = runs.latest(tx, job=job.name, limit=1)
        since = max(last[0].slot if last else slot, now - LOOK_BACK)
        for missed in slots_between(job.schedule, zone, since, slot - timedelta(microseconds=1)):
            pk = runs.start(tx, job.name, missed, owner=app.owner, epoch=0, now=now)
            if pk is not None:
                runs.finish(tx, pk, "missed", now=now, error="no scheduler was running")
                log.warning("job.missed", job=job.name, slot=missed.isoformat())


def _sync(app: App, slot: datetime) -> None:
    from jobs.sync import sync

    sync(app, slot=slot)


def _reconcile(app: App, slot: datetime) -> None:
    from jobs.reconcile import reconcile

    reconcile(app, slot=slot)


def _verify(app: App, slot: datetime) -> None:
    from jobs.verification import verify

    found = verify(app)
    if not found.ok:
        log.error("verify.broken", violations=[str(v) for v in found.violations], damage=found.damage)
