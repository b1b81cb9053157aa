"""Pull: what changed in the org since the watermark, staged page by page, applied in one transaction.

A window is `[ceiling - lookback, org now - lag)`, fixed before the first request from the org's own clock. All
changed streams are looked at in one composite call; a stream that has more goes on in REST pages or in Bulk. What is
known to be large is read in Bulk at once, all jobs side by side (`bulk_streams`).
When reading took long, what changed meanwhile is read as well, into the same snapshot.
Nothing that is staged is seen by anybody before every stream is complete. An account that was merged away takes
the winner's orders and children along: their own stamps may not have moved (docs/operations.md, Merged accounts).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal

import pyarrow.compute as pc
import structlog

from connector import choose, errors
from connector.port import Org, Page
from jobs import losers_of_pulls
from jobs.aftermath import follow_merges, last_key, note_gap
from jobs.app import App
from jobs.bulk_streams import BulkStreams, Started, Stream, at_once, fingerprint
from jobs.counting import KEY as COUNTED_ON
from jobs.counting import count_rows, note_counted
from jobs.inventory import set_aside
from jobs.rejecting import CODE as TOO_MANY
from jobs.rejecting import IN_MEMORY, require_readable
from jobs.running import Running
from jobs.settling import note_stopped
from mappings import soql
from mappings.inbound import Reader, Rejected, reader
from mappings.model import PullEntity
from mappings.soql import Window
from state import meta, staging, watermarks
from state.staging import Applied

log = structlog.get_logger()

Method = Literal["poll", "rest", "bulk"]

# Parents before children: fewer placeholders, and a crash half-way leaves nothing odd to look at.
STREAMS = ("user", "currency_rate", "product", "account", "order", "order_line")
QUERIES_PER_POLL = 5  # Salesforce: at most five query subrequests in one composite call
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)  # before any org
LOST_WINDOWS_MAX = 3  # how often one stream may lose its pages in one run
CATCH_UP_AFTER = timedelta(seconds=30)
CATCH_UPS_MAX = 3  # an org that changes faster than it can be read is caught up with by the next run


@dataclass(frozen=True)
class StreamPulled:
    """What one stream brought."""

    entity: str
    method: Method
    applied: Applied
    rejected: int

    @property
    def rows(self) -> int:
        return self.applied.rows + self.rejected


@dataclass(frozen=True)
class Pulled:
    """What one pull brought; `stopped` are streams that could not be read, with the reason."""

    streams: tuple[StreamPulled, ...] = ()
    stopped: tuple[tuple[str, errors.SyncError], ...] = field(default=())

    @property
    def rows(self) -> int:
        return sum(stream.rows for stream in self.streams)

    @property
    def rejected(self) -> int:
        return sum(stream.rejected for stream in self.streams)

    @property
    def unreadable(self) -> set[str]:
        """Streams that stopped because most of their rows could not be used."""
        return {name for name, error in self.stopped if error.code == TOO_MANY}

    @property
    def changed(self) -> int:
        return sum(stream.applied.inserted + stream.applied.updated for stream in self.streams)


def pull(run: Running) -> Pulled:
    """Read what changed and apply it; see the module's text."""
    app, run_pk = run.app, run.pk
    with app.store.transaction() as tx:
        staging.discard(tx)  # pages of a run that died: its watermark did not move, so they are read again
        before = {mark.stream: mark.ceiling for mark in watermarks.read_all(tx)}
    streams = plan_streams(app)
    reading = _Reading(app, run_pk, app.org)
    read: dict[str, tuple[Stream, Method]] = {}
    by: dict[str, Method] = {}
    stopped: list[tuple[str, errors.SyncError]] = []
    for _ in range(1 + CATCH_UPS_MAX):
        for stream, method, failure in reading.read_all(streams):
            by[stream.name] = method
            if failure is not None:
                stopped.append((stream.name, failure))
            elif stream.name in read:
                first, how = read[stream.name]
                window = Window(first.window.since, stream.window.until)
                read[stream.name] = replace(first, window=window), how
            else:
                read[stream.name] = stream, method
            run.beat()
        left = [stream for stream, _ in read.values() if stream.name not in {name for name, _ in stopped}]
        streams = _left_behind(app, left, by)
        if not streams:
            break
    stopped += reading.unreadable(read)
    done = list(read.values())
    losers = follow_merges(app, run_pk, reading, set(read))
    results = []
    with app.progress.step("apply") as step, app.store.transaction() as tx:
        now = app.clock.now()
        for stream, method in sorted(done, key=lambda item: STREAMS.index(item[0].name)):
            bad = reading.rejected.get(stream.name, [])
            set_aside(tx, bad, run_pk=run_pk, now=now)  # first: a row that is applied takes itself off
            applied = staging.apply(tx, run_pk, stream.name, now=now)
            assert stream.window.until is not None
            since = stream.window.since or BEGINNING
            watermarks.advance(
                tx, stream.name, floor=since, ceiling=stream.window.until, run_pk=run_pk, now=now
            )
            meta.put(tx, _fingerprint_key(stream.name), fingerprint(stream.entity))
            if stream.entity.refresh == "daily":
                meta.put(tx, _refreshed_key(stream.name), app.local_day().isoformat())
            note_gap(tx, app, stream, before.get(stream.name))
            results.append(StreamPulled(stream.name, method, applied, len(bad)))
            step.advance(applied.rows)
        losers_of_pulls.note(tx, losers)
    whole = not before or all(stream.first for stream, _ in done)
    if whole:
        with app.store.transaction() as tx:
            meta.put(tx, COUNTED_ON, app.local_day().isoformat())  # everything was just seen
            note_counted(tx)
    elif done:
        until = max(stream.window.until for stream, _ in done if stream.window.until is not None)
        stopped += count_rows(run, {stream.name for stream, _ in done}, until)
    note_stopped(app, "pull", dict(stopped))
    return Pulled(tuple(results), tuple(stopped))


def plan_streams(app: App) -> list[Stream]:
    """Which entities to read and how far: everything when it is the first time, or when its mapping changed."""
    until = app.org.server_time() - app.settings.sync.lag
    streams = []
    with app.store.read() as tx:
        # The org's clock was there already, when another process read it: a window never ends before that.
        until = max([until, *(mark.ceiling for mark in watermarks.read_all(tx))])
        for name in STREAMS:
            entity = app.mapping.pull.get(name)
            if entity is None:
                continue
            mark = watermarks.read(tx, name)
            same = meta.get(tx, _fingerprint_key(name)) == fingerprint(entity)
            if mark is None or not same:
                again = None if mark is None else "its mapping changed"
                streams.append(Stream(entity, Window(None, until), first=True, again=again))
                continue
            if (
                entity.refresh == "daily"
                and meta.get(tx, _refreshed_key(name)) != app.local_day().isoformat()
            ):
                streams.append(Stream(entity, Window(None, until), first=True, again="once a day"))
                continue
            since = min(mark.ceiling, until) - app.settings.sync.lookback
            streams.append(Stream(entity, Window(since, until), first=False))
    return streams


def _left_behind(app: App, read: Sequence[Stream], by: Mapping[str, Method]) -> list[Stream]:
    """What became of the org while it was read, when that took long: a row that somebody edited meanwhile is newer than
    its window and thus missing, and what is computed without it would be of an org that never was. A Bulk job looks at
    the org when it comes to it, or did so for a run that died: what it read is never taken for of just now.

    All streams or none: they end at one moment, and one call asks for all of them.
    """
    until = app.org.server_time() - app.settings.sync.lag
    ends = {stream.name: end for stream in read if (end := stream.window.until) is not None and end < until}
    if not any(by[name] == "bulk" or until - end > CATCH_UP_AFTER for name, end in ends.items()):
        return []
    lookback = app.settings.sync.lookback
    return [
        Stream(stream.entity, Window(ends[stream.name] - lookback, until), first=False)
        for stream in read
        if stream.name in ends
    ]


def _fingerprint_key(entity: str) -> str:
    return f"mapping.{entity}"


def _refreshed_key(entity: str) -> str:
    return f"refreshed.{entity}"


def read_whole(run: Running, entity: PullEntity) -> list[Rejected]:
    """Stage everything of one entity, as a first read does, but as what is read `again`; returns what could not be read."""
    until = run.app.org.server_time() - run.app.settings.sync.lag
    reading = _Reading(run.app, run.pk, run.app.org, pages_of=staging.again(run.pk))
    for _, _, failure in reading.read_all([Stream(entity, Window(None, until), first=True)]):
        if failure is not None:
            raise failure
    return reading.rejected.get(entity.entity, [])


Outcome = tuple[Stream, Method, errors.SyncError | None]


class _Reading:
    """Reads streams into staged pages."""

    def __init__(self, app: App, run_pk: int, org: Org, *, pages_of: int | None = None) -> None:
        self._app, self._run_pk, self._org = app, run_pk, org
        self._pages_of = pages_of or run_pk
        self._jobs = BulkStreams(
            app, run_pk, read=self._bulk_rows, pages=partial(self._pages, first=None), drop=self._drop_staged
        )
        self._started: list[Started] = []  # in the order of creation
        self.rejected: dict[str, list[Rejected]] = {}
        self.merged: list[tuple[str, str]] = []  # (loser, winner) of every account read

    def read_all(self, streams: Sequence[Stream]) -> Iterator[Outcome]:
        """Each stream as it is complete, or with what stopped it; a stopped stream does not stop the others.

        The jobs of large streams are created first and run in the org while the small ones are read.
        """
        resumed = {
            stream.name: again for stream in streams if (again := self._jobs.resume(stream)) is not None
        }
        for again in resumed.values():
            yield again, "bulk", None
        streams = [stream for stream in streams if stream.name not in resumed]
        large = at_once(self._app, streams)
        try:
            for stream in streams:
                if stream.name in large:
                    yield from self._start(stream)
            self._jobs.fetch(self._started)
            polled = [stream for stream in streams if stream.name not in large]
            for start in range(0, len(polled), QUERIES_PER_POLL):
                yield from self._poll(polled[start : start + QUERIES_PER_POLL])
            self._jobs.fetch(self._started)
            while self._started:
                one = self._started[0]
                yield one.stream, *self._guarded(one.stream, "bulk", partial(self._jobs.finish, one))
                self._started.pop(0)
        finally:
            for one in self._started:
                one.close()

    def _start(self, stream: Stream) -> Iterator[Outcome]:
        """Create a bulk job to be read at the end; an outcome only when the org refuses it."""
        method, failure = self._guarded(
            stream, "bulk", lambda: self._started.append(self._jobs.start(stream))
        )
        if failure is not None:
            yield stream, method, failure

    def _poll(self, streams: Sequence[Stream]) -> Iterator[Outcome]:
        """First pages of all in one call; a query that is at fault is taken out and the rest asked again."""
        while streams:
            queries = [soql.select(stream.entity, window=stream.window) for stream in streams]
            try:
                pages = self._org.poll(queries)
            except (errors.Misconfigured, errors.WindowLost) as error:
                if error.at is None or isinstance(error, errors.WrongOrg):
                    raise
                culprit = streams[error.at]
                streams = [stream for stream in streams if stream is not culprit]
                if isinstance(error, errors.WindowLost):  # too much for one query: Bulk has no such limit
                    yield from self._start(culprit)
                else:
                    log.error("pull.stream_stopped", entity=culprit.name, code=error.code)
                    yield culprit, "poll", error
                continue
            for stream, page in zip(streams, pages, strict=True):
                if page.locator is not None and self._method(stream, page.total) == "bulk":
                    yield from self._start(stream)
                else:
                    yield stream, *self._after_poll(stream, page)
            return

    def _after_poll(self, stream: Stream, first: Page) -> tuple[Method, errors.SyncError | None]:
        if first.locator is None:
            return self._guarded(stream, "poll", partial(self._pages, stream, first))
        return self._guarded(stream, "rest", partial(self._pages, stream, first))

    def _guarded(
        self, stream: Stream, method: Method, read: Callable[[], None]
    ) -> tuple[Method, errors.SyncError | None]:
        try:
            read()
        except errors.WrongOrg:
            raise  # nothing may be read from another org
        except errors.Misconfigured as error:
            log.error("pull.stream_stopped", entity=stream.name, code=error.code)
            self._drop_staged(stream)
            return method, error
        return method, None

    def _method(self, stream: Stream, rows: int | None) -> Literal["rest", "bulk"]:
        if stream.first and self._app.settings.sync.initial_read == "rest":
            return "rest"
        return "rest" if rows is None else choose.choose_read(rows, self._org.usage.budget_left)

    def _pages(self, stream: Stream, first: Page | None) -> None:
        """REST pages in key order; when the org forgets the cursor, go on behind the last row."""
        into = self._reader(stream)
        after: tuple[int, str] | None = None
        lost = 0
        with self._app.progress.step(f"pull {stream.name}", first.total if first else None) as step:
            while True:
                query = soql.select(stream.entity, window=stream.window, after=after)
                try:
                    for page in self._rest(query, first):
                        after = self._stage(stream, into, page) or after
                        step.advance(page.table.num_rows)
                    return
                except errors.WindowLost as error:
                    lost += 1
                    log.warning("pull.window_lost", entity=stream.name, code=error.code, times=lost)
                    if lost >= LOST_WINDOWS_MAX:
                        raise
                    first = None

    def _rest(self, query: str, first: Page | None) -> Iterator[Page]:
        if first is None:
            yield from self._org.query(query, include_deleted=True)
            return
        yield first
        if first.locator is not None:
            yield from self._org.query(query, include_deleted=True, locator=first.locator)

    def _bulk_rows(self, stream: Stream, pages: Iterator[Page]) -> None:
        into = self._reader(stream)
        with self._app.progress.step(f"pull {stream.name} (bulk)") as step:
            for page in pages:
                step.total(page.total)
                self._stage(stream, into, page)
                step.advance(page.table.num_rows)

    def _drop_staged(self, stream: Stream) -> None:
        """Pages of this stream that were read in vain."""
        self.rejected.pop(stream.name, None)
        with self._app.store.transaction() as tx:
            staging.discard(tx, self._pages_of, stream.name)

    def _reader(self, stream: Stream) -> Reader:
        self.rejected.setdefault(stream.name, [])
        return reader(stream.entity, self._app.mapping)

    def unreadable(self, read: dict[str, tuple[Stream, Method]]) -> list[tuple[str, errors.SyncError]]:
        """Streams most of whose rows cannot be used: taken out of `read`, with the reason."""
        found: list[tuple[str, errors.SyncError]] = []
        for name, (stream, _) in list(read.items()):
            bad = self.rejected.get(name, [])
            with self._app.store.read() as tx:
                rows = staging.staged_rows(tx, self._pages_of, name) + len(bad)
            try:
                require_readable(self._app, stream.entity, rows, bad)
            except errors.Misconfigured as error:
                log.error("pull.stream_stopped", entity=name, code=error.code, detail=error.detail)
                self._drop_staged(stream)
                del read[name]
                found.append((name, error))
        return found

    def _stage(self, stream: Stream, into: Reader, page: Page) -> tuple[int, str] | None:
        """Stage one page; the stamp and id of its last row, for going on behind it."""
        batch = into.read(page.table)
        bad = self.rejected[stream.name]
        bad.extend(batch.rejected)
        if len(bad) > IN_MEMORY:  # no need to read the rest of them
            with self._app.store.read() as tx:
                rows = staging.staged_rows(tx, self._pages_of, stream.name) + len(bad)
            require_readable(self._app, stream.entity, rows, bad)
        if stream.name == "account":
            merged = batch.table.filter(pc.is_valid(batch.table["master_id"]))
            self.merged += zip(merged["id"].to_pylist(), merged["master_id"].to_pylist(), strict=True)
        if batch.table.num_rows:
            with self._app.store.transaction() as tx:
                staging.stage(tx, self._pages_of, stream.name, batch.table)
        self._app.pace.attend()
        return last_key(page.table)
