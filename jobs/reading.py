"""Reading the streams of a pull into staged pages: polled in one call, on in REST pages, or by jobs side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from connector import choose, errors
from connector.port import Org, Page
from jobs import narrowing, overtaken
from jobs.app import App
from jobs.bulk_streams import BulkStreams, Started, Stream, at_once
from jobs.rejecting import IN_MEMORY, as_last_read, require_readable
from jobs.running import Running
from mappings import soql
from mappings.inbound import Reader, Rejected, reader
from mappings.model import PullEntity
from mappings.soql import Window
from state import gone, staging
from state.instants import micros

log = structlog.get_logger()

Method = Literal["poll", "rest", "bulk"]
Outcome = tuple[Stream, Method, errors.SyncError | None]

QUERIES_PER_POLL = 5  # Salesforce: at most five query subrequests in one composite call
LOST_WINDOWS_MAX = 3  # how often one stream may lose its pages in one run
FROM_THE_START = frozenset({"ROWS_MISSING", "LOCATOR_REPEATED"})  # any page may be the one that lacks rows


def read_whole(run: Running, entity: PullEntity) -> list[Rejected]:
    """Stage everything of one entity, as a first read does, but as what is read `again`; returns what could not be read."""
    until = run.app.org.server_time() - run.app.settings.sync.lag
    reading = Reading(run.app, run.pk, run.app.org, pages_of=staging.again(run.pk))
    for _, _, failure in reading.read_all([Stream(entity, Window(None, until), first=True)]):
        if failure is not None:
            raise failure
    return reading.rejected.get(entity.entity, [])


@dataclass(frozen=True)
class _Before:
    """What a reading held of a stream before it was read once more."""

    page: int
    rejected: list[Rejected]
    merged: int


class Reading:
    """Reads streams into staged pages of a run, or of `pages_of`."""

    def __init__(self, app: App, run_pk: int, org: Org, *, pages_of: int | None = None) -> None:
        self._app, self._run_pk, self._org = app, run_pk, org
        self._pages_of = pages_of or run_pk
        self._jobs = BulkStreams(
            app, run_pk, read=self._bulk_rows, pages=partial(self._pages, first=None), drop=self._drop_staged
        )
        self._started: list[Started] = []  # in the order of creation
        self.rejected: dict[str, list[Rejected]] = {}
        self.merged: list[tuple[str, str]] = []  # (loser, winner) of every account read
        self.newest: dict[str, int] = {}  # the latest stamp that was read of each stream
        self.number = 0  # the highest of ours that an account shows
        self.slow: dict[str, errors.SyncError] = {}  # streams that were too much for one query

    def read_all(self, streams: Sequence[Stream]) -> Iterator[Outcome]:
        """Each stream as it is complete, or with what stopped it; a stopped stream does not stop the others, and none of
        its pages stays staged.

        The jobs of large streams are created first and run in the org while the small ones are read.
        """
        resumed = [outcome for stream in streams if (outcome := self._resumed(stream)) is not None]
        yield from resumed
        done = {stream.name for stream, _, _ in resumed}
        streams = [stream for stream in streams if stream.name not in done]
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

    def _resumed(self, stream: Stream) -> Outcome | None:
        """What the job of a run that died brought; None: there is none to go on with."""
        found: list[Stream | None] = []
        method, failure = self._guarded(stream, "bulk", lambda: found.append(self._jobs.resume(stream)))
        if failure is not None:
            return stream, method, failure
        return None if found[0] is None else (found[0], method, None)

    def _start(self, stream: Stream) -> Iterator[Outcome]:
        """Create a bulk job to be read at the end; an outcome only when the org refuses it. Where it takes no more of them
        today, REST pages, unless they cost too many calls."""
        method, failure = self._guarded(
            stream, "bulk", lambda: self._started.append(self._jobs.start(stream))
        )
        if failure is not None and errors.is_bulk_quota(failure):
            rows = narrowing.rows_of(self._app, stream.entity, stream.window)
            if narrowing.affordable(self._app, rows):
                log.warning("pull.read_in_pages", entity=stream.name, code=failure.code)
                yield stream, *self._guarded(stream, "rest", partial(self._pages, stream, None))
                return
        if failure is not None:
            yield stream, method, failure

    def _poll(self, streams: Sequence[Stream]) -> Iterator[Outcome]:
        """First pages of all in one call; a query that is at fault is taken out and the rest asked again."""
        while streams:
            queries = [soql.select(stream.entity, window=stream.window) for stream in streams]
            try:
                pages = self._org.poll(queries)
            except errors.Transient as error:
                if error.at is None and errors.is_too_much(error):
                    yield from self._singly(streams, error)
                    return
                if error.at is None or not errors.is_of_one_read(error):
                    raise
                culprit = streams[error.at]
                streams = [stream for stream in streams if stream is not culprit]
                if isinstance(error, errors.WindowLost):
                    yield from self._in_a_job(
                        culprit, error
                    )  # too much for one query: Bulk has no such limit
                else:
                    yield culprit, "poll", self._stopped(culprit, error)
                continue
            except errors.Misconfigured as error:
                if error.at is None or isinstance(error, errors.WrongOrg):
                    raise
                culprit = streams[error.at]
                streams = [stream for stream in streams if stream is not culprit]
                yield culprit, "poll", self._stopped(culprit, error)
                continue
            for stream, page in zip(streams, pages, strict=True):
                if page.locator is not None and self._method(stream, page.total) == "bulk":
                    yield from self._start(stream)
                else:
                    yield from self._after_poll(stream, page)
            return

    def _singly(self, streams: Sequence[Stream], error: errors.SyncError) -> Iterator[Outcome]:
        """No answer for all of them: each is asked for alone, and what has none even then is too much for one query."""
        if len(streams) == 1:
            yield from self._in_a_job(streams[0], error)
            return
        log.warning("pull.asked_singly", streams=len(streams), code=error.code, seconds=round(error.waited))
        for stream in streams:
            yield from self._poll([stream])

    def _in_a_job(self, stream: Stream, error: errors.SyncError) -> Iterator[Outcome]:
        log.warning("pull.too_much", entity=stream.name, code=error.code, seconds=round(error.waited))
        if errors.is_too_much(error):
            self.slow[stream.name] = error
        yield from self._start(stream)

    def _after_poll(self, stream: Stream, first: Page) -> Iterator[Outcome]:
        """The other pages; where the org gives up on them, a job reads the window from its start."""
        self._reader(stream)  # what was rejected of it so far belongs to what is gone back to
        before = self._now(stream)
        too_much: list[errors.SyncError] = []

        def read() -> None:
            try:
                self._pages(stream, first)
            except errors.Transient as error:
                if not errors.is_too_much(error):
                    raise
                too_much.append(error)

        outcome = self._guarded(stream, "poll" if first.locator is None else "rest", read)
        if too_much:
            self._back_to(stream, before)
            yield from self._in_a_job(stream, too_much[0])
        else:
            yield stream, *outcome

    def _guarded(
        self, stream: Stream, method: Method, read: Callable[[], None]
    ) -> tuple[Method, errors.SyncError | None]:
        try:
            read()
        except errors.WrongOrg:
            raise  # nothing may be read from another org
        except errors.SyncError as error:
            if isinstance(error, errors.Misconfigured) or is_of_one_stream(error):
                return method, self._stopped(stream, error)
            raise
        return method, None

    def _stopped(self, stream: Stream, error: errors.SyncError) -> errors.SyncError:
        """However a stream stopped, nothing that was read of it stays, in this round or before."""
        log.error("pull.stream_stopped", entity=stream.name, code=error.code)
        self._drop_staged(stream)
        return error

    def _method(self, stream: Stream, rows: int | None) -> Literal["rest", "bulk"]:
        if stream.first and self._app.settings.sync.initial_read == "rest":
            return "rest"
        return "rest" if rows is None else choose.choose_read(rows, self._org.usage.budget_left)

    def _pages(self, stream: Stream, first: Page | None) -> None:
        """REST pages in key order. When the org forgets the cursor, go on behind the last row. Where rows are missing
        nobody knows from which page, and behind the last row they would never be asked for: the window begins again."""
        into = self._reader(stream)
        before = self._now(stream)
        after: tuple[int, str] | None = None
        whole: int | None = None  # rows of the window, as its first page says
        lost = seen = behind = 0  # `behind` of the rows seen are not in the present query
        with self._app.progress.step(f"pull {stream.name}", first.total if first else None) as step:
            while True:
                query = soql.select(stream.entity, window=stream.window, after=after)
                try:
                    for page in self._rest(query, first):
                        whole = page.total if whole is None else whole
                        _require_all(stream, whole, behind, page.total)
                        after = self._stage(stream, into, page) or after
                        seen += page.table.num_rows
                        step.advance(page.table.num_rows)
                    return
                except errors.WindowTooWide:
                    raise  # the same again would be too much again
                except errors.WindowLost as error:
                    lost += 1
                    log.warning("pull.window_lost", entity=stream.name, code=error.code, times=lost)
                    if lost >= LOST_WINDOWS_MAX:
                        raise _kept_short(error) if error.code in FROM_THE_START else error from None
                    first = None
                    if error.code in FROM_THE_START:
                        self._back_to(stream, before)
                        step.advance(-seen)
                        after, whole, seen = None, None, 0
                    behind = seen

    def _now(self, stream: Stream) -> _Before:
        with self._app.store.read() as tx:
            page = staging.newest(tx, self._pages_of)
        return _Before(page, self.rejected[stream.name], len(self.merged))

    def _back_to(self, stream: Stream, before: _Before) -> None:
        """Forget what was read since: of an earlier round, or of other pieces of the window, everything stays."""
        self.rejected[stream.name] = before.rejected
        del self.merged[before.merged :]
        with self._app.store.transaction() as tx:
            staging.discard(tx, self._pages_of, stream.name, behind=before.page)

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
        bad = self.rejected[stream.name] = as_last_read(self.rejected[stream.name], batch)
        if len(bad) > IN_MEMORY:  # no need to read the rest of them
            with self._app.store.read() as tx:
                rows = staging.staged_rows(tx, self._pages_of, stream.name) + len(bad)
            require_readable(self._app, stream.entity, rows, bad)
        for name in stream.entity.beside:
            self.number = max(self.number, overtaken.highest(page.table[name]))
        if stream.name == "account":
            for some in (batch.table, batch.gone):
                merged = some.filter(pc.is_valid(some["master_id"]))
                self.merged += zip(merged["id"].to_pylist(), merged["master_id"].to_pylist(), strict=True)
        if batch.table.num_rows or batch.gone.num_rows:
            stamps = (pc.max(some["modstamp"]).as_py() or 0 for some in (batch.table, batch.gone))
            self.newest[stream.name] = max(self.newest.get(stream.name, 0), *stamps)
            with self._app.store.transaction() as tx:
                staging.stage(tx, self._pages_of, stream.name, batch.table)
                gone.stage(tx, self._pages_of, stream.name, batch.gone)
        self._app.pace.attend()
        return _last_key(page.table)


def is_of_one_stream(error: errors.SyncError) -> bool:
    """Whether the others can be read all the same."""
    return errors.is_bulk_quota(error) or errors.is_of_one_read(error)


def _last_key(table: pa.Table) -> tuple[int, str] | None:
    """Stamp and id of the last row of a page, for going on behind it."""
    if table.num_rows == 0:
        return None
    stamp = pc.replace_substring(table.column("SystemModstamp").slice(table.num_rows - 1), "+0000", "+00:00")
    text = stamp[0].as_py().replace("Z", "+00:00")
    return micros(datetime.fromisoformat(text)), table.column("Id")[table.num_rows - 1].as_py()


def _require_all(stream: Stream, whole: int | None, behind: int, total: int | None) -> None:
    """What is left behind a lost cursor and what came before it must be the window: more may have been lost than the
    cursor. Raises WindowLost."""
    if whole is not None and total is not None and behind + total < whole:
        detail = f"{behind + total} of {whole} rows arrived"
        raise errors.WindowLost("ROWS_MISSING", sobject=stream.entity.object, detail=detail)


def _kept_short(error: errors.SyncError) -> errors.Misconfigured:
    """A stream that stays short however often it is read: it stops by name, nothing of it is applied."""
    return errors.Misconfigured(
        error.code, sobject=error.sobject, detail=f"{error.detail or 'its pages repeat'}, {LOST_WINDOWS_MAX} times",
        hint="The pages of a query lack rows that the org counts: look for a proxy between here and the org. "
        "Nothing of them was applied; the next sync reads them again",
    )  # fmt: skip
