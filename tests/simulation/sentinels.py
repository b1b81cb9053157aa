"""Known-bad variants of the program: each breaks one promise, and the simulator must see it.

A simulator that finds nothing may be blind. These are mistakes that real integrations make; each is put in by
replacing one function, and a seed budget says how soon it must be noticed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import connector.collections
import jobs.alerting
import jobs.inventory
import jobs.pull
import jobs.push
import jobs.running
import jobs.task_changes
import jobs.tasks_at_night
import state.events
import state.leases
import state.outbox
from connector import errors
from connector.org import SalesforceOrg
from connector.port import RowResult
from connector.replies import Call
from connector.rest import Rest
from emulator.validation_rules import ValidationRules
from mappings.soql import Window
from state import staging, watermarks
from state.tables.work import events as events_table
from tests.simulation.processes import LOOKBACK
from tests.simulation.tape import people_save

Patches = Iterator[Any]
SENTINELS: dict[str, tuple[Callable[[], Patches], int]] = {}
KNOWN: dict[str, int] = {}  # a seed on which it was noticed: where a quick test looks first
ONLY_ON: dict[str, Callable[[int], bool]] = {}  # the seeds on which it can be noticed, where those are few


def seeds_for(name: str) -> Iterator[int]:
    """Where a quick test looks: the known seed, then those within the budget on which the mistake can show."""
    yield KNOWN[name]
    can_show = ONLY_ON.get(name, lambda _: True)
    yield from filter(can_show, range(SENTINELS[name][1]))


def sentinel(
    budget: int, *, seed: int, only_on: Callable[[int], bool] | None = None
) -> Callable[[Callable[[], Patches]], Callable[[], Patches]]:
    """Register a variant that must be noticed within `budget` seeds, and was on `seed`."""

    def register(make: Callable[[], Patches]) -> Callable[[], Patches]:
        SENTINELS[make.__name__] = (make, budget)
        KNOWN[make.__name__] = seed
        if only_on is not None:
            ONLY_ON[make.__name__] = only_on
        return make

    return register


@contextmanager
def broken(name: str) -> Iterator[None]:
    """The program with one mistake in it."""
    make, _ = SENTINELS[name]
    with ExitStack() as stack:
        for each in make():
            stack.enter_context(each)
        yield


Sending = jobs.push.Sending


@sentinel(60, seed=4)
def a_new_key_for_every_try() -> Patches:
    """Create, and when in doubt create again: nothing tells the org that it is the same task."""
    right, sent = SalesforceOrg.create, set()

    def wrong(self: Any, object_name: str, records: Any, *, key_field: str) -> Any:
        names = {}
        for record in records:
            key = record[key_field]
            names[f"{key}-{self._clock.now():%H%M%S}" if key in sent else key] = key
            sent.add(key)
        changed = [{**one, key_field: new} for one, new in zip(records, names, strict=True)]
        return [
            replace(one, key=names[one.key]) for one in right(self, object_name, changed, key_field=key_field)
        ]

    yield patch.object(SalesforceOrg, "create", wrong)
    yield patch.object(Sending, "_find", lambda *_: {})


@sentinel(40, seed=2)
def acknowledged_before_it_was_sent() -> Patches:
    right = Sending._send

    def wrong(self: Any, name: str, rows: Any) -> Any:
        if name in ("Rebate_Standing__c", "Account"):
            self.settle(name, rows, [RowResult(row.ext_key, ok=True) for row in rows])
        return right(self, name, rows)

    yield patch.object(Sending, "_send", wrong)


@sentinel(40, seed=13)
def the_cursor_moves_before_the_rows() -> Patches:
    right = jobs.pull.plan_streams

    def wrong(app: Any) -> Any:
        streams = right(app)
        with app.store.transaction() as tx:
            for stream in streams:
                mark = watermarks.read(tx, stream.name)
                if mark is not None and stream.window.until >= mark.ceiling:
                    watermarks.advance(
                        tx, stream.name, floor=mark.floor, ceiling=stream.window.until, now=app.clock.now()
                    )
        return streams

    yield patch.object(jobs.pull, "plan_streams", wrong)


@sentinel(60, seed=12)
def nothing_is_read_twice() -> Patches:
    """No look-back: what commits later than it was stamped is never seen."""
    right = jobs.pull.plan_streams

    def wrong(app: Any) -> Any:
        return [
            stream if stream.window.since is None
            else replace(stream, window=Window(min(stream.window.since + LOOKBACK, stream.window.until), stream.window.until))
            for stream in right(app)
        ]  # fmt: skip

    yield patch.object(jobs.pull, "plan_streams", wrong)


@sentinel(120, seed=10)
def pages_are_applied_as_they_come() -> Patches:
    """No staging: what is computed may be half of what was read."""
    right = staging.stage

    def wrong(tx: Any, run_pk: int, entity: str, table: Any) -> int:
        rows = right(tx, run_pk, entity, table)
        staging.apply(tx, run_pk, entity, now=datetime.fromisoformat("2026-11-24T15:00:00+00:00"))
        return rows

    yield patch.object(staging, "stage", wrong)


@sentinel(150, seed=6)
def no_fence_in_the_org() -> Patches:
    """A sender that slept through its claim writes an older standing over a newer one."""
    yield patch.object(ValidationRules, "check", lambda *_: None)


@sentinel(60, seed=6)
def no_fence_in_the_store() -> Patches:
    yield patch.object(state.leases, "check", lambda *_: None)


@sentinel(40, seed=17)
def a_403_is_swallowed() -> Patches:
    right = Sending._send

    def wrong(self: Any, name: str, rows: Any) -> Any:
        try:
            return right(self, name, rows)
        except errors.SyncError as error:
            if error.status != 403:
                raise
            return [RowResult(row.ext_key, ok=True) for row in rows]

    yield patch.object(Sending, "_send", wrong)


@sentinel(120, seed=50)
def short_results_are_zipped() -> Patches:
    """The org answered for fewer records than were sent; the rest is taken for done."""
    right = connector.collections._rows

    def wrong(body: Any, keys: Any, *, always_new: bool) -> Any:
        found = list(body) if isinstance(body, list) else []
        rows = right(found, keys[: len(found)], always_new=always_new)
        return rows + [RowResult(key, True, None) for key in keys[len(found) :]]

    yield patch.object(connector.collections, "_rows", wrong)


@sentinel(40, seed=2)
def money_is_a_float() -> Patches:
    yield patch.object(
        sys.modules["rebates.standing"],  # the package's name `standing` is the function
        "round_money",
        lambda value, currency: Decimal(str(round(float(value), 2))),
    )


@sentinel(60, seed=10)
def the_watermark_follows_our_own_clock() -> Patches:
    yield patch.object(SalesforceOrg, "server_time", lambda self: self._clock.now().replace(microsecond=0))


@sentinel(40, seed=5)
def older_rows_are_sent_too() -> Patches:
    """No coalescing: two versions of one standing wait side by side."""
    right = state.outbox._close
    yield patch.object(
        state.outbox,
        "_close",
        lambda tx, which, to, now: None if to == "superseded" else right(tx, which, to, now),
    )


@sentinel(60, seed=2)
def a_task_comes_back_the_next_day() -> Patches:
    """An event is news each day: the person who closed the task is asked again."""
    right, key = state.events.record, jobs.alerting.event_key
    today: list[str] = []

    def wrong(tx: Any, rows: Any) -> Any:
        right(tx, rows)
        today[:] = [str(row.occurred_at.date()) for row in rows[:1]] or today
        return [
            replace(
                row,
                pk=tx.execute(events_table.select().where(events_table.c.identity == row.identity))
                .first()
                .pk,
            )
            for row in rows
        ]

    def with_day(*args: Any) -> str:
        return f"{key(*args)[:28]}{''.join(today)[5:].replace('-', '')}"

    yield patch.object(state.events, "record", wrong)
    yield patch.object(jobs.alerting, "event_key", with_day)


@sentinel(60, seed=7)
def tasks_are_closed_in_english() -> Patches:
    """What closes a task is called Completed everywhere: the org takes the word, and the rep keeps the task."""

    def english(*_: Any) -> str:
        return "Completed"

    yield patch.object(jobs.alerting, "closing_status", english)
    yield patch.object(jobs.task_changes, "closing_status", english)
    yield patch.object(jobs.tasks_at_night, "left_open_by", lambda *_: False)


@sentinel(60, seed=4)
def nobody_reads_back() -> Patches:
    """What may have been sent before is sent again without a look, and so is what the org says that it has already."""
    yield patch.object(Sending, "_find", lambda *_: {})


@sentinel(40, seed=26)
def every_run_ends_well() -> Patches:
    right = jobs.running._end
    yield patch.object(jobs.running, "_end", lambda run, outcome, error: right(run, "ok", None))


@sentinel(40, seed=9)
def deleted_rows_are_not_asked_for() -> Patches:
    def wrong(self: Rest, queries: Any) -> Any:
        call = Call("poll", numbers="text")
        return self._api.repeat(call, lambda: self._composite_queries(queries, "query", call))

    yield patch.object(Rest, "poll", wrong)


@sentinel(60, seed=2)
def claims_of_the_dead_are_kept() -> Patches:
    yield patch.object(state.outbox, "sweep", lambda tx, now, unkeyed=(), sender=None: 0)


@sentinel(600, seed=502, only_on=people_save)
def what_is_saved_meanwhile_is_taken_for_deleted() -> Patches:
    """The nightly comparison does not look a last time: a record that was saved while the ids were read is buried."""
    yield patch.object(jobs.inventory, "shown_after_all", lambda *_, **__: set())


__all__ = ["SENTINELS", "broken", "seeds_for"]
