"""Streams read in Bulk: every job is created before any is waited for, a job of a run that died is taken up again, and
one that the org gives up is cut in pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from connector import choose, errors
from connector.port import Page
from jobs import narrowing
from jobs.app import App
from jobs.narrowing import Piece
from jobs.org_time import TOLERANCE
from mappings import soql
from mappings.model import Mapping, PullEntity
from mappings.soql import Window
from state import bulk_jobs, inventory, meta
from state.bulk_jobs import BulkJob

log = structlog.get_logger()

RESULTS_KEPT = timedelta(days=6)  # the org keeps the results of a bulk job for seven days
REMEMBERED = timedelta(days=7)  # how much was too much for one bulk job
COUNTED = ("user", "product", "account", "order", "order_line")  # what can be too much for REST pages


@dataclass(frozen=True)
class Stream:
    """One entity to read: from where, and whether everything is read."""

    entity: PullEntity
    window: Window
    first: bool  # everything is read, not only what changed
    again: str | None = None  # why everything is read although it was read before
    sure: datetime | None = None  # where the org's clock had certainly come; None: to the end of the window
    asked_at: datetime | None = (
        None  # by our own clock: what is learned of it later says how far the org's had come
    )
    healed: bool = False  # its watermark lay in the future, so it goes back

    @property
    def name(self) -> str:
        return self.entity.entity

    @property
    def read_until(self) -> datetime | None:
        """How far it is read for certain: a wrong Date may have put the end of its window into the future."""
        until = self.window.until
        return until if until is None or self.sure is None else min(until, self.sure)


@dataclass
class Started:
    """A stream whose job runs in the org. Once its `pages` are asked for they arrive while others are read. No job: the
    stream is known to be too much for one."""

    stream: Stream
    job: int | None = None
    job_id: str = ""
    query: str = ""
    pages: Iterator[Page] | None = None

    def close(self) -> None:
        """Nobody will read the pages; only what reads ahead has to be told."""
        closing = getattr(self.pages, "close", None)
        if closing is not None:
            closing()


def fingerprint(entity: PullEntity, mapping: Mapping) -> str:
    """Changes when the mapping of an entity does: its rows must then be read again. The file's time zone is part of it
    only where days are cut by it."""
    said = [entity.object, entity.where or "", entity.deleted, repr(sorted(entity.fields.items()))]
    if any(source.as_ == "date" for source in entity.fields.values()):
        said.append(mapping.time_zone)
    text = "\n".join(said)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _too_much(entity: str) -> str:
    return f"bulk.most.{entity}"


def at_once(app: App, streams: list[Stream]) -> set[str]:
    """Streams that are read whole and known to be large: a first page of them would only tell that they are.

    The store knows how much there was last time; the org is asked (one call, no query) when nothing was ever read.
    """
    whole = [stream for stream in streams if stream.first]
    if app.settings.sync.initial_read == "bulk":
        return {stream.name for stream in whole}
    if app.settings.sync.initial_read == "rest":
        return set()
    asked = [stream for stream in whole if stream.name in COUNTED]
    new = [stream for stream in asked if stream.again is None]
    rows = {stream.name: _known(app, stream) for stream in asked if stream.again is not None}
    if any(stream.name == "order_line" for stream in new):  # never read: nothing else grows as they do
        try:
            counted = app.org.record_counts([stream.entity.object for stream in new])
        except errors.WrongOrg:
            raise
        except errors.Misconfigured as error:  # it needs a permission that nothing else here does
            log.info("pull.not_counted", code=error.code)
        else:
            rows |= {stream.name: counted.get(stream.entity.object, 0) for stream in new}
    left = app.org.usage.budget_left
    return {name for name, count in rows.items() if choose.choose_read(count, left) == "bulk"}


def _known(app: App, stream: Stream) -> int:
    if stream.name not in inventory.TABLES:
        return 0
    with app.store.read() as tx:
        return inventory.live_count(tx, stream.name)


class BulkStreams:
    """The bulk jobs of one run. `read` stages the pages of a stream, `pages` reads one in REST pages instead, `drop`
    forgets what was staged of it.

    A job that the org gives up is cut in pieces (`jobs.narrowing`). How many rows were too much is remembered for a
    while, so that the next whole read does not find it out again.
    """

    def __init__(
        self,
        app: App,
        run_pk: int,
        *,
        read: Callable[[Stream, Iterator[Page]], None],
        pages: Callable[[Stream], None],
        drop: Callable[[Stream], None],
    ) -> None:
        self._app, self._run_pk, self._read, self._drop = app, run_pk, read, drop
        self._pages = pages
        self._queries_lost = 0  # in this run

    def start(self, stream: Stream) -> Started:
        """Create the job; its id is written down before anything is waited for, and a later run goes on with it. What is
        known to be too much for one job is not asked for at once."""
        if self._most(stream) is not None:
            return Started(stream)
        return self._create(stream)

    def _create(self, stream: Stream, *, piece: bool = False) -> Started:
        app = self._app
        query = soql.select(stream.entity, window=stream.window, order=False)
        detail = {"query": query, "mapping": fingerprint(stream.entity, app.mapping), "piece": piece}
        with app.store.transaction() as tx:
            job = bulk_jobs.plan(
                tx, f"pull:{stream.name}", object=stream.entity.object, operation="queryAll",
                now=app.clock.now(), run_pk=self._run_pk, detail=detail,
            )  # fmt: skip
        job_id = app.org.bulk_start(query, include_deleted=True)
        with app.store.transaction() as tx:
            bulk_jobs.created(tx, job, job_id)
        return Started(stream, job, job_id, query)

    def fetch(self, started: list[Started]) -> None:
        """Wait for jobs and fetch their pages from now on: after the last job was created, not before."""
        for one in started:
            if one.pages is None and one.job is not None:
                one.pages = self._app.org.bulk_read(one.query, one.job_id)

    def finish(self, one: Started) -> None:
        """Read the rows, in pieces where the org gave the job up. Raises BulkJobFailed when it gives up one after the
        other and REST pages would take too much of our share of the calls."""
        waiting, lost = [one], 0
        if one.job is None:
            waiting = self._in_pieces(one.stream, self._most(one.stream))
        try:
            while waiting:
                now = waiting[0]
                error = self._try(now)
                waiting.pop(0)
                if error is None:
                    continue
                lost += 1
                by_hand = error.code == "JOB_ABORTED"
                waiting[:0] = self._in_pieces(now.stream, None, lost=lost, learn=not by_hand)
        finally:
            for rest in waiting:
                rest.close()

    def _try(self, one: Started) -> errors.WindowTooWide | None:
        self.fetch([one])
        assert one.pages is not None
        assert one.job is not None
        try:
            self._read(one.stream, one.pages)
        except errors.WindowTooWide as error:
            self._end(one.job, "failed")
            since = str(one.stream.window.since)
            log.warning("pull.bulk_failed", entity=one.stream.name, code=error.code, since=since)
            return error  # pages of other pieces stay staged; a row that comes twice is merged once
        self._end(one.job, "done")
        return None

    def _in_pieces(
        self, stream: Stream, most: int | None, *, lost: int = 0, learn: bool = True
    ) -> list[Started]:
        """Read the small pieces of a window in REST pages; the jobs of the others, started. `learn`: that the window was
        too much for one job. One that somebody aborted in Setup says nothing of its size."""
        app, started = self._app, list[Started]()
        pieces = narrowing.cut(app, stream.entity, stream.window, most)
        if lost and learn:
            self._learn(stream, pieces)
        for piece in pieces:
            smaller = replace(stream, window=piece.window)
            if narrowing.fits_pages(app, piece):
                started += self._in_pages(smaller, piece, lost)
            elif lost <= narrowing.JOBS_LOST_MAX:
                started.append(self._create(smaller, piece=True))
            elif narrowing.affordable(app, piece.rows):
                self._pages(smaller)
            else:
                raise narrowing.given_up(stream.entity, lost)
        return started

    def _in_pages(self, stream: Stream, piece: Piece, lost: int) -> list[Started]:
        """Read a small piece; where even that is too much for one query, its halves."""
        try:
            self._pages(stream)
        except errors.Transient as error:
            self._queries_lost += 1
            enough = self._queries_lost > narrowing.JOBS_LOST_MAX or not piece.may_be_cut
            if enough or not errors.is_too_much(error):
                raise
            log.warning("pull.narrowed", entity=stream.name, code=error.code, lost=self._queries_lost)
            return self._in_pieces(stream, None, lost=lost)
        return []

    def _learn(self, stream: Stream, pieces: Sequence[Piece]) -> None:
        most = max((piece.rows for piece in pieces if piece.rows is not None), default=0)
        if most:
            with self._app.store.transaction() as tx:
                meta.put(tx, _too_much(stream.name), f"{most} {self._app.clock.now().isoformat()}")

    def _most(self, stream: Stream) -> int | None:
        """How many rows one job of a stream may have, as far as the last days showed."""
        with self._app.store.read() as tx:
            said = meta.get(tx, _too_much(stream.name))
        most, _, since = (said or "").partition(" ")
        if not most or self._app.clock.now() - datetime.fromisoformat(since) > REMEMBERED:
            return None
        return int(most)

    def resume(self, stream: Stream) -> Stream | None:
        """Go on with the bulk job of a run that died, when it asks for the same; the stream as that job cut it. A job that
        does not end is ended, and what it was for is read in pieces."""
        with self._app.store.read() as tx:
            jobs = bulk_jobs.unfinished(tx, f"pull:{stream.name}")
        found: Stream | None = None
        for job in jobs:
            as_asked = self._as_asked(stream, job) if found is None else None
            if as_asked is None or job.sf_job_id is None:
                self._end(job.pk, "abandoned")
                continue
            try:
                self._read(as_asked, self._app.org.bulk_read(job.detail["query"], job.sf_job_id))
            except errors.WindowLost as error:
                log.info("pull.job_not_resumed", entity=stream.name, job=job.sf_job_id, code=error.code)
                self._end(job.pk, "abandoned")
                self._drop(stream)
                if isinstance(error, errors.WindowTooWide):
                    self._learn(stream, narrowing.cut(self._app, stream.entity, as_asked.window))
                continue
            except errors.StillRunning as error:
                if self._app.clock.now() - job.created_at < 2 * self._patience:
                    raise
                log.error("pull.job_stuck", entity=stream.name, job=job.sf_job_id, code=error.code)
                self._app.org.bulk_abort(job.sf_job_id)
                self._end(job.pk, "failed")
                self._learn(stream, narrowing.cut(self._app, stream.entity, as_asked.window))
                continue
            log.info("pull.job_resumed", entity=stream.name, job=job.sf_job_id)
            self._end(job.pk, "done")
            found = as_asked
        return found

    @property
    def _patience(self) -> timedelta:
        """How long one run waits for a job."""
        return timedelta(seconds=self._app.configuration.org().timeouts.bulk_job)

    def _as_asked(self, stream: Stream, job: BulkJob) -> Stream | None:
        """The stream with the bounds of an earlier job, if the job is young and differs in its upper bound alone."""
        young = self._app.clock.now() - job.created_at < RESULTS_KEPT
        mapped = fingerprint(stream.entity, self._app.mapping)
        if job.sf_job_id is None or not young or job.detail.get("mapping") != mapped:
            return None
        if job.detail.get("piece"):
            return None  # the other pieces went with the run that had cut them
        asked = str(job.detail.get("query", ""))
        upper = asked.rpartition("SystemModstamp < ")[2].partition(" ")[0]
        try:
            until = datetime.fromisoformat(upper)
            window = Window(stream.window.since, until)
        except ValueError:
            return None
        if until > self._org_time(job.created_at) + TOLERANCE:
            return None  # by a wrong Date: rows that came after it would be taken for read
        if soql.select(stream.entity, window=window, order=False) != asked:
            return None
        return replace(stream, window=window)

    def _org_time(self, ours: datetime) -> datetime:
        """What the org's clock showed at a moment of ours, as far as the two go on together."""
        return ours + (self._app.org.server_time() - self._app.clock.now())

    def _end(self, job: int, how: bulk_jobs.Ended) -> None:
        with self._app.store.transaction() as tx:
            bulk_jobs.end(tx, job, how, now=self._app.clock.now())
