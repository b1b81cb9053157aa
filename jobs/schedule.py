"""`rebates schedule run`: APScheduler is the alarm clock, the database decides.

Each job is looked at once at the start, then at its slots; what was put off is looked at again each minute until the
next slot. A failed run is logged and the next slot comes.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import structlog

from jobs.alarms import Alarms, Rung
from jobs.app import App
from jobs.clock_ahead import give_back_slots_now
from jobs.due import PUT_OFF, Job, Look, is_owed, jobs_of, look
from jobs.failures import tell_failure
from jobs.helping import help_runs
from jobs.slots import next_slot
from state.errors import AnotherHost, StoreError, StoreLocked

log = structlog.get_logger()

HANGS_AFTER = timedelta(minutes=10)  # beyond its time: no call takes longer


def run_forever(build: Callable[[], App], stop: threading.Event) -> None:
    """Wait for slots and run them, until `stop` is set.

    Each look opens its own connections, so that a broken one heals by itself.
    """
    with build() as app:
        jobs = {job.name: job for job in jobs_of(app)}
        zone, clock, shared = app.settings.schedule.time_zone, app.clock, app.has_shared_store
        _require_usable_store(app)
    one_at_a_time = threading.Lock()
    last: dict[str, Look] = {}  # what the look before came to, for each job that was looked at

    def ring(name: str) -> Rung:
        try:
            with one_at_a_time, build() as app:
                if stop.is_set():
                    return "nothing was due"
                app.stopping = stop
                with _watched(jobs[name], app.settings.schedule.longest + HANGS_AFTER):
                    return _look(app, jobs[name], last)
        except Exception as error:  # noqa: BLE001 whatever it was, the next slot comes
            tell_failure("job.failed", error, job=name)
            return "look again" if _may_come(error) else "ran"

    def clock_put_right() -> None:
        try:
            with one_at_a_time, build() as app:
                give_back_slots_now(app)
        except Exception as error:  # noqa: BLE001 the next run looks, too
            tell_failure("schedule.slots_not_given_back", error)

    alarms = Alarms(clock, ring, clock_put_right)
    with alarms.kept(((name, partial(next_slot, job.schedule, zone)) for name, job in jobs.items()), stop):
        log.info("schedule.started", jobs=list(jobs))
        if shared:  # between its own slots it helps whoever leads a run
            help_runs(build, stop, alone=one_at_a_time)
        stop.wait()
        log.info("schedule.stopping")


def _look(app: App, job: Job, last: dict[str, Look]) -> Rung:
    if job.name not in last and not is_owed(app, job):
        last[job.name] = Look("nothing is due")
        return "nothing was due"
    last[job.name] = found = look(app, job, told=last.get(job.name))
    return "look again" if found.outcome == PUT_OFF else "ran"


def _may_come(error: Exception) -> bool:
    """The store is not there yet, or not for us: it is asked again in a minute."""
    return isinstance(error, StoreError) and (error.passes or isinstance(error, StoreLocked))


def _require_usable_store(app: App) -> None:
    """A scheduler that a person must help first is told so now; one whose database is still starting waits for it."""
    try:
        _ = app.store
    except StoreError as error:
        if isinstance(error, AnotherHost) or not _may_come(error):
            raise
        log.warning(
            "schedule.no_store_yet", code=error.code, what=error.what, next="looked at again each minute"
        )


@contextmanager
def _watched(job: Job, longest: timedelta) -> Iterator[None]:
    """When a job is still there after its time, the log says where each thread stands: nothing else would."""

    def tell() -> None:
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        stands = {
            names.get(ident, str(ident)): [
                f"{f.filename}:{f.lineno}" for f in traceback.extract_stack(frame)[-6:]
            ]
            for ident, frame in sys._current_frames().items()
        }
        log.error("job.hangs", job=job.name, after=str(longest), threads=stands)

    watch = threading.Timer(longest.total_seconds(), tell)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
