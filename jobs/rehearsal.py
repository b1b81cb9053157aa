"""Dry run: the real steps inside one transaction that is never kept, and what would have been sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import Any, cast

from sqlalchemy import Connection

from connector import choose
from connector.errors import AuthenticationFailed
from jobs import alerting
from jobs.app import App
from jobs.bulk_push import goes_in_jobs
from jobs.login_pause import note_refused
from jobs.planning import push_targets
from jobs.push import objects_sent
from state import outbox, people, postgres, schema
from state.errors import StoreError
from state.paths_in_urls import in_a_url
from state.store import Store
from state.urls import file_of

SHOWN = 20
FIELDS_SHOWN = 6
CLEARED = "(cleared)"


@dataclass(frozen=True)
class Change:
    """One write that would be made."""

    object: str
    account: str
    fields: dict[str, str]


class RehearsalStore:
    """Answers for a `Store`: all its transactions are parts of one, which is undone at the end."""

    rehearses = True

    def __init__(self, store: Store, tx: Connection) -> None:
        self._store, self._tx = store, tx
        self.where = store.where
        self.dialect = store.dialect
        self.shared = False  # what is undone at the end is nobody else's to see

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with self._tx.begin_nested():
            yield self._tx

    @contextmanager
    def read(self) -> Iterator[Connection]:
        yield self._tx

    def close(self) -> None:
        self._store.close()


@contextmanager
def leaving_no_store(app: App) -> Iterator[None]:
    """Around a dry run: where there is no store yet it works with one that is thrown away, and makes none, but to remember
    that the org refused the login."""
    if app.store_is_open or not app.makes_store or not _is_new(app):
        yield
        return
    with TemporaryDirectory(prefix="rebates-dry-run-") as folder:
        thrown_away = Store.open(f"sqlite:///{in_a_url(folder)}/rebates.db")
        refused: AuthenticationFailed | None = None
        try:
            with app.working_with(thrown_away):
                yield
        except AuthenticationFailed as error:
            refused = error
            raise
        finally:
            thrown_away.close()
            if refused is not None:  # that is kept, in a store: else somebody in a hurry locks the user out
                with suppress(StoreError), app.store.transaction() as tx:  # what counts is the refusal
                    note_refused(tx, refused, app.clock.now())


def _is_new(app: App) -> bool:
    url = app.settings.state.url
    if file_of(url) is not None:
        return not app.has_store
    store = Store.attach(url)
    try:
        with store.read() as tx:
            return schema.revision(tx) is None
    finally:
        store.close()


class _Undo(Exception):
    """Carries nothing: it only undoes."""


@contextmanager
def rehearse(app: App) -> Iterator[None]:
    """Inside, `app.store` forgets everything at the end."""
    real = app.store
    try:
        with real.transaction() as tx:
            postgres.may_idle(tx)  # it waits for the org, for as long as a bulk job takes
            with app.working_with(cast(Store, RehearsalStore(real, tx))):
                yield
            raise _Undo
    except _Undo:
        return


@dataclass(frozen=True)
class Preview:
    """What a push would send now: the first writes, how many they are and the API calls that they cost; and how many more
    wait, because they are not due yet or `[push] targets` leaves their object out."""

    changes: list[Change] = field(default_factory=list)
    writes: int = 0
    calls: int = 0
    waiting: int = 0

    def as_json(self) -> dict[str, Any]:
        """For `--json`, in the report of the run."""
        return {
            "changes": self.changes,
            "writes_planned": self.writes,
            "writes_waiting": self.waiting,
            "calls_planned": self.calls,
        }

    def lines(self) -> list[str]:
        """For people."""
        writes = "1 write" if self.writes == 1 else f"{self.writes:,} writes"
        calls = "1 API call" if self.calls == 1 else f"{self.calls:,} API calls"
        said = [f"{writes} would be sent, in {calls}; nothing was changed"]
        for one in self.changes:
            fields = ", ".join(f"{name} → {value}" for name, value in list(one.fields.items())[:FIELDS_SHOWN])
            said.append(f"  {one.object} {one.account}: {fields}")
        if self.writes > len(self.changes):
            said.append(f"  … and {self.writes - len(self.changes):,} more")
        if self.waiting:
            said.append(
                f"{self.waiting:,} more would stay in the outbox: not due yet, or not among [push] targets"
            )
        return said


def preview(app: App) -> Preview:
    """What waits in the outbox and would be sent, as `Preview` says."""
    with app.store.read() as tx:
        everything = outbox.listed(tx, states={"pending"}, limit=1_000_000)
        sent = objects_sent(push_targets(app, tx))
        now = app.clock.now()
        rows = [row for row in everything if row.object in sent and row.retry_at <= now]
        names: dict[str, str] = {}
        for row in rows[:SHOWN]:
            if row.account_id and row.account_id not in names:
                found = people.find_members(tx, row.account_id, limit=1)
                names[row.account_id] = (found[0].name or row.account_id) if found else row.account_id
    calls = sum(_calls(app, name, count) for name, count in Counter(row.object for row in rows).items())
    changes = [
        Change(
            row.object,
            names.get(row.account_id or "", ""),
            _fields(row.payload),
        )
        for row in rows[:SHOWN]
    ]
    return Preview(changes, len(rows), calls, len(everything) - len(rows))


def _fields(payload: Mapping[str, Any]) -> dict[str, str]:
    """What would be written; of a record that is cleared, that its fields are."""
    filled = {name: _said(value) for name, value in payload.items() if value is not None}
    return filled or dict.fromkeys(payload, CLEARED)


def _calls(app: App, object_name: str, count: int) -> int:
    if object_name == alerting.BELL:
        return count + 1  # a bell is a call of its own; the type's id is asked for once
    by_jobs = any(goes_in_jobs(one) for one in app.mapping.push.values() if one.object == object_name)
    return choose.calls_to_write(count, choose.choose_write(count) if by_jobs else "rest")


def _said(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "…"
