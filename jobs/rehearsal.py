"""Dry run: the real steps inside one transaction that is never kept, and what would have been sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from connector import choose
from jobs import alerting
from jobs.app import App
from jobs.bulk_push import goes_in_jobs
from state import outbox, people
from state.store import Store

SHOWN = 20


@dataclass(frozen=True)
class Change:
    """One write that would be made."""

    object: str
    account: str
    fields: dict[str, str]


class RehearsalStore:
    """A store whose transactions are all parts of one, which is undone at the end."""

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


class _Undo(Exception):
    """Carries nothing: it only undoes."""


@contextmanager
def rehearse(app: App) -> Iterator[None]:
    """Inside, `app.store` forgets everything at the end."""
    real = app.store
    try:
        with real.transaction() as tx:
            app.__dict__["store"] = RehearsalStore(real, tx)
            yield
            raise _Undo
    except _Undo:
        return
    finally:
        app.__dict__["store"] = real


def preview(app: App) -> tuple[list[Change], int]:
    """The first writes that wait in the outbox, and the API calls that all of them would cost."""
    with app.store.read() as tx:
        rows = outbox.listed(tx, states={"pending"}, limit=1_000_000)
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
            {n: _said(v) for n, v in row.payload.items() if v is not None},
        )
        for row in rows[:SHOWN]
    ]
    return changes, calls


def _calls(app: App, object_name: str, count: int) -> int:
    if object_name == alerting.BELL:
        return count + 1  # a bell is a call of its own; the type's id is asked for once
    by_jobs = any(goes_in_jobs(one) for one in app.mapping.push.values() if one.object == object_name)
    return choose.calls_to_write(count, choose.choose_write(count) if by_jobs else "rest")


def _said(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "…"
