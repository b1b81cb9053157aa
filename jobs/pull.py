"""Pull: what changed in the org since the watermark, staged page by page, applied in one transaction.

A window is `[ceiling - lookback, org now - lag)`, fixed before the first request from the org's own clock; where that
is in doubt (`org_time`), the ceiling stays where it certainly was. All
changed streams are looked at in one composite call; a stream that has more goes on in REST pages or in Bulk. What is
known to be large is read in Bulk at once, all jobs side by side (`bulk_streams`).
When reading took long, what changed meanwhile is read as well, into the same snapshot.
Nothing that is staged is seen by anybody before every stream is complete. An account that was merged away takes
the winner's orders and children along: their own stamps may not have moved (docs/operations.md, Merged accounts).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
from sqlalchemy import Connection

from connector import errors
from jobs import losers_of_pulls, org_time, overtaken
from jobs.app import App
from jobs.bulk_streams import Stream, fingerprint
from jobs.counting import Counted, count_rows, note_counted, note_day
from jobs.inventory import set_aside
from jobs.merges_and_gaps import follow_merges, note_gap
from jobs.orders_of_lines import look_for_orders
from jobs.org_time import TOLERANCE
from jobs.reading import Method, Outcome, Reading
from jobs.rejecting import CODE as TOO_MANY
from jobs.running import Running
from jobs.settling import note_stopped
from mappings.soql import Window
from state import inventory_asked, meta, staging, watermarks
from state.instants import moment
from state.staging import Applied

# Parents before children: fewer placeholders, and a crash half-way leaves nothing odd to look at.
STREAMS = ("user", "currency_rate", "product", "account", "order", "order_line")
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)  # before any org
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
    slow: tuple[tuple[str, errors.SyncError], ...] = field(default=())  # too much for one query: read by jobs
    uncounted: tuple[tuple[str, errors.SyncError], ...] = field(default=())  # too many for the org to count

    @property
    def warnings(self) -> list[str]:
        """What a person should know although everything was read."""
        return [
            f"{name}: the org gave up on one query for all that changed ({error.code}), so bulk jobs read it: run syncs more "
            'often, or ask Salesforce Support for an index (docs/operations.md, "An org that takes long")'
            for name, error in self.slow
        ] + [
            f"{name}: the org gave up counting ({error.code}), so nobody looked today whether records vanished from sight: "
            'rebates reconcile looks by id (docs/operations.md, "An org that takes long")'
            for name, error in self.uncounted
        ]

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
    reading = Reading(app, run_pk, app.org)
    read: dict[str, tuple[Stream, Method]] = {}
    by: dict[str, Method] = {}
    stopped: list[tuple[str, errors.SyncError]] = []
    for _ in range(1 + CATCH_UPS_MAX):
        for stream, method, failure in _read(app, reading, streams):
            by[stream.name] = method
            if failure is not None:
                # Its pages are dropped, those of an earlier round too: nothing of it was read.
                read.pop(stream.name, None)
                stopped.append((stream.name, failure))
            elif stream.name in read:
                first, how = read[stream.name]
                window = Window(first.window.since, stream.window.until)
                later = replace(first, window=window, sure=stream.sure, asked_at=stream.asked_at)
                read[stream.name] = later, how
            else:
                read[stream.name] = stream, method
            run.beat()
        streams = _left_behind(app, [stream for stream, _ in read.values()], by)
        if not streams:
            break
    _require_some(read, stopped)
    stopped += reading.unreadable(read)
    done = list(read.values())
    losers = follow_merges(app, run_pk, reading, set(read))
    results = []
    clock = org_time.heard(app)
    done = [(_as_sure_as_known(app, stream), method) for stream, method in done]
    pa.default_memory_pool().release_unused()  # of the pages that were read: applying needs room of its own
    with app.progress.step("apply") as step, app.store.transaction() as tx:
        now = app.clock.now()
        for stream, method in sorted(done, key=lambda item: STREAMS.index(item[0].name)):
            bad = reading.rejected.get(stream.name, [])
            applied = staging.apply(tx, run_pk, stream.name, now=now)
            # Last: an earlier round may have read what cannot be read any more.
            set_aside(tx, bad, run_pk=run_pk, now=now)
            ceiling = _ceiling(stream, before.get(stream.name), reading.newest.get(stream.name, 0))
            if stream.healed:
                watermarks.reset(tx, stream.name)
            since = min(stream.window.since or BEGINNING, ceiling)
            watermarks.advance(tx, stream.name, floor=since, ceiling=ceiling, run_pk=run_pk, now=now)
            meta.put(tx, _fingerprint_key(stream.name), fingerprint(stream.entity, app.mapping))
            if stream.entity.refresh == "daily":
                meta.put(tx, _refreshed_key(stream.name), app.local_day().isoformat())
            note_gap(tx, app, stream, before.get(stream.name))
            results.append(StreamPulled(stream.name, method, applied, len(bad)))
            step.advance(applied.rows)
        losers_of_pulls.note(tx, losers)
        overtaken.note_ahead(tx, reading.number)
        org_time.note(app, tx, clock, now=now)
        _note_healed(tx, [stream for stream, _ in done], before)
    counted = Counted()
    whole = bool(done) and (not before or all(stream.first for stream, _ in done))
    if whole:
        with app.store.transaction() as tx:
            note_day(tx, app, [stream.name for stream, _ in done])  # everything was just seen
            note_counted(tx)
    elif done:
        counted = count_rows(run, {stream.name for stream, _ in done})
        stopped += counted.vanished
    look_for_orders(run, {stream.name for stream, _ in done})
    note_stopped(app, "pull", dict(stopped))
    return Pulled(tuple(results), tuple(stopped), tuple(reading.slow.items()), tuple(counted.uncounted))


def _read(app: App, reading: Reading, streams: Sequence[Stream]) -> Iterator[Outcome]:
    """As `Reading.read_all`; a stream that is refused is asked for once more without what stands beside its rows: that may
    be hidden, and is no reason to stop it."""
    plain: list[Stream] = []
    for stream, method, failure in reading.read_all(streams):
        beside = stream.entity.beside
        if failure is not None and beside and _may_be_about(failure, beside):
            plain.append(replace(stream, entity=replace(stream.entity, beside=())))
        else:
            yield stream, method, failure
    for stream, method, failure in reading.read_all(plain) if plain else ():
        if failure is None:
            with app.store.transaction() as tx:
                overtaken.ask_no_more_today(app, tx)
        yield stream, method, failure


def _require_some(read: Mapping[str, object], stopped: Sequence[tuple[str, errors.SyncError]]) -> None:
    """Where every stream met a fault of the org's that may pass, it is the org's trouble and none of theirs. Raises it."""
    failures = [error for _, error in stopped]
    if failures and not read and all(map(errors.may_pass, failures)):
        raise failures[0]


def _may_be_about(failure: errors.SyncError, fields: Sequence[str]) -> bool:
    """Whether the stream could be read without these fields: not where its rows cannot be used, or the org names another."""
    if failure.code == "INVALID_FIELD" and failure.detail:
        return any(name.lower() in failure.detail.lower() for name in fields)
    return isinstance(failure, errors.Misconfigured) and failure.code != TOO_MANY


def plan_streams(app: App) -> list[Stream]:
    """Which entities to read and how far: everything when it is the first time, or when its mapping changed."""
    clock = org_time.heard(app)
    until, sure = clock.now - app.settings.sync.lag, clock.sure - app.settings.sync.lag
    streams: list[Stream] = []
    with app.store.read() as tx:
        ceilings = {mark.stream: mark.ceiling for mark in watermarks.read_all(tx)}
        # What lies beyond a clock that is believed was put there by one that was wrong.
        future = {name for name, end in ceilings.items() if not clock.excess and end > until + TOLERANCE}
        # The org's clock was there already, when another process read it: a window never ends before that.
        until = max([until, *(end for name, end in ceilings.items() if name not in future)])
        for name in STREAMS:
            entity = app.mapping.pull.get(name)
            if entity is None:
                continue
            if name == "account":
                entity = replace(entity, beside=overtaken.asked_beside(app, tx))
            mark = watermarks.read(tx, name)
            same = meta.get(tx, _fingerprint_key(name)) == fingerprint(entity, app.mapping)
            if mark is None or not same:
                again = None if mark is None else "its mapping changed"
                streams.append(
                    Stream(entity, Window(None, until), True, again, sure, clock.ours, healed=name in future)
                )
                continue
            if (
                entity.refresh == "daily"
                and meta.get(tx, _refreshed_key(name)) != app.local_day().isoformat()
            ):
                streams.append(
                    Stream(
                        entity,
                        Window(None, until),
                        True,
                        "once a day",
                        sure,
                        clock.ours,
                        healed=name in future,
                    )
                )
                continue
            since = min(mark.ceiling, until) - app.settings.sync.lookback
            if name in future:  # where the run began that put it there, if its own beginning was right
                since = min(since, mark.floor)
            streams.append(
                Stream(entity, Window(since, until), False, None, sure, clock.ours, healed=name in future)
            )
    return streams


def _left_behind(app: App, read: Sequence[Stream], by: Mapping[str, Method]) -> list[Stream]:
    """What became of the org while it was read, when that took long: a row that somebody edited meanwhile is newer than
    its window and thus missing, and what is computed without it would be of an org that never was. A Bulk job looks at
    the org when it comes to it, or did so for a run that died: what it read is never taken for of just now.

    All streams or none: they end at one moment, and one call asks for all of them.
    """
    clock = org_time.heard(app)
    until, sure = clock.now - app.settings.sync.lag, clock.sure - app.settings.sync.lag
    ends = {stream.name: end for stream in read if (end := stream.read_until) is not None and end < until}
    windows = {stream.name: stream.window.until for stream in read}

    def is_behind(name: str) -> bool:
        # Where the org's clock is in doubt, what was read may be newer than what is certain.
        at = windows[name]
        just_now = at is not None and until - CATCH_UP_AFTER <= at <= until
        return by[name] == "bulk" or (until - ends[name] > CATCH_UP_AFTER and not just_now)

    if not any(is_behind(name) for name in ends):
        return []
    lookback = app.settings.sync.lookback
    return [
        Stream(
            stream.entity,
            Window(ends[stream.name] - lookback, until),
            first=False,
            sure=sure,
            asked_at=clock.ours,
        )
        for stream in read
        if stream.name in ends
    ]


def _as_sure_as_known(app: App, stream: Stream) -> Stream:
    """Held against all that the headers of this run have told by now."""
    if stream.sure is None or stream.asked_at is None:
        return stream
    lag = app.settings.sync.lag
    return replace(stream, sure=org_time.certain(app, stream.sure + lag, stream.asked_at) - lag)


def _ceiling(stream: Stream, before: datetime | None, newest: int) -> datetime:
    """Where the next window begins. Where the org's clock is in doubt: no further than is certain, or than the stamps of
    what was read, which the org's own database gives."""
    until, sure = stream.window.until, stream.read_until
    assert until is not None
    assert sure is not None
    if sure == until or stream.healed:
        return sure
    return max(sure, moment(newest), before or BEGINNING)


def _note_healed(tx: Connection, done: Sequence[Stream], before: Mapping[str, datetime]) -> None:
    """What was entered before a watermark that lay in the future may never have been read: only ids and stamps tell."""
    healed = [stream.name for stream in done if stream.healed]
    if healed and inventory_asked.why(tx) is None:
        ahead = before[healed[0]]
        inventory_asked.ask(
            tx, f"{healed[0]} was read up to {ahead:%Y-%m-%d %H:%M} UTC, later than the org's clock"
        )


def _fingerprint_key(entity: str) -> str:
    return f"mapping.{entity}"


def _refreshed_key(entity: str) -> str:
    return f"refreshed.{entity}"
