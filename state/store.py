"""The store: one database, opened by URL, used one transaction at a time.

    store = Store.open("sqlite:///rebates.db")
    with store.transaction() as tx:
        watermarks.advance(tx, ...)

SQLite: WAL, `synchronous=FULL` (docs/decisions/0001), writers start with BEGIN IMMEDIATE and wait ten seconds.
PostgreSQL: READ COMMITTED for writers, one repeatable snapshot for readers.
"""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, NoSuchModuleError
from sqlalchemy.pool import PoolProxiedConnection

from state import computed_by, leases, postgres, schema
from state.dialects import database_time
from state.errors import (
    BadStoreUrl,
    CorruptStore,
    NewerSchema,
    NoTables,
    OlderSchema,
    StoreError,
    StoreUnreachable,
    explained,
    without_values,
)
from state.one_host import OneHost
from state.urls import EXAMPLES, file_of, parsed, shown

BUSY_MS = 10_000  # how long a writer waits for another
CACHE_KIB = 64 * 1024  # page cache of one SQLite connection
READING = (
    "rebates_read"  # in the notes that the pool keeps about a connection: its next transactions only read
)
OLDEST_SQLITE = (3, 35, 0)  # upsert from a select, RETURNING, UPDATE FROM


class Store:
    """One open store. Not tied to a thread; a forked child gets connections of its own."""

    rehearses = False  # whether what is written is undone at the end

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._driver_error: type[Exception] = engine.dialect.loaded_dbapi.Error
        self.where = shown(engine.url)
        self._one_host = _claims.get(engine)
        self.guard: Callable[[Connection], None] | None = None  # may refuse a transaction at its start
        self.at_end: Callable[[Connection], None] | None = None  # is asked before a transaction is saved

    @classmethod
    def open(cls, url: str, *, upgrade: bool = True, any_version: bool = False) -> Store:
        """Open the store at `url`; an empty one gets its tables (with `upgrade`), an older or newer one is refused (unless
        `any_version`: for what must work before an upgrade).

        Raises `StoreError` or one of its kinds: each says what, where, and the next command.
        """
        store = cls(_engine(url))
        file = file_of(url)
        if not upgrade and file is not None and not file.exists():
            raise NoTables("there is no store yet", where=store.where)  # nor is one made by looking
        try:
            with store.transaction() as tx:
                found = schema.revision(tx)
                if found is None and upgrade:
                    schema.upgrade(tx, store.where)
                elif found is None or not any_version:
                    schema.require_current(found, store.where)
                    computed_by.require_known(tx, store.where)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def attach(cls, url: str) -> Store:
        """Open without looking at the schema: for `db upgrade` and `db check`."""
        return cls(_engine(url))

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @property
    def shared(self) -> bool:
        """Whether processes on several hosts may work on it side by side."""
        return self.dialect == "postgresql"

    @property
    def path(self) -> Path | None:
        """The file of a SQLite store."""
        return Path(self.engine.url.database or "") if self.dialect == "sqlite" else None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Everything inside is saved together or not at all."""
        with self._explained(), self.engine.begin() as tx:
            if self.guard is not None:
                self.guard(tx)
            yield tx
            if self.at_end is not None:
                self.at_end(tx)

    @contextmanager
    def aside(self) -> Iterator[Connection]:
        """A transaction beside the others that no guard is asked for: what holds whoever has the lease."""
        with self._explained(), self.engine.begin() as tx:
            yield tx

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent look; writing inside is an error."""
        with self._explained(), self.engine.connect() as plain:
            if self.dialect == "postgresql":
                options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
                tx = plain.execution_options(rebates_read=True, **options)
                try:
                    yield tx
                finally:
                    if not tx.invalidated:
                        tx.rollback()
                return
            file = plain.connection
            file.info[READING] = True
            cursor = file.cursor()
            cursor.execute("PRAGMA query_only = 1")
            try:
                yield plain
            finally:
                plain.rollback()
                cursor.execute("PRAGMA query_only = 0")
                del file.info[READING]

    def upgrade(self, now: datetime) -> tuple[str | None, str]:
        """Bring the schema up to date in one transaction: (revision before, revision after).

        Raises `StoreLocked` while a run is under way: it would go on with tables that are other ones now.
        """
        with self.transaction() as tx:
            before, newest = schema.revision(tx), schema.known_revisions()[-1]
            if before == newest:
                return before, newest
            if before is not None:
                if before not in schema.known_revisions():
                    schema.require_current(before, self.where)
                leases.require_nobody(
                    tx, database_time(tx) or now, where=self.where, then="run: rebates db upgrade"
                )
                if self.shared:  # who waits for a lock on a table holds up all that come after
                    tx.exec_driver_sql(f"SET LOCAL lock_timeout = {leases.PATIENCE_MS}")
            return before, schema.upgrade(tx, self.where)

    def other_version(self) -> StoreError | None:
        """What a command says that needs the tables of this version, where they are those of another."""
        try:
            with self.read() as tx:
                schema.require_current(schema.revision(tx), self.where)
                computed_by.require_known(tx, self.where)
        except (NewerSchema, OlderSchema) as other:
            return other
        return None

    def check(self) -> list[str]:
        """Damage that the database itself can see, as sentences; empty: none. Read-only."""
        if self.dialect != "sqlite":
            with self.read() as tx:
                tx.exec_driver_sql("SELECT 1")
            return []
        try:
            with self.read() as tx:
                rows = [str(row[0]) for row in tx.exec_driver_sql("PRAGMA quick_check")]
        except CorruptStore as error:
            return [error.what]
        return [row for row in rows if row != "ok"]

    def close(self) -> None:
        self.engine.dispose()
        if self._one_host is not None:
            self._one_host.give_up()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, self._driver_error) as error:  # COPY speaks to the driver, past SQLAlchemy
            better = explained(error, self.where)
            if better is None:
                without_values(error)
                raise
            raise better from error


def _engine(url: str) -> Engine:
    read = parsed(url)
    where = shown(read)
    backend = read.get_backend_name()
    if backend == "sqlite":
        return _sqlite(read, where)
    if backend == "postgresql":
        return _safe_after_fork(postgres.engine_of(read, where))
    raise BadStoreUrl(f"no store on {backend!r}", where=where)


def _sqlite(url: URL, where: str) -> Engine:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old, 3.35 is needed", where=where)
    if not url.database or url.database == ":memory:":
        raise BadStoreUrl("a store lives in a file: in memory it would be lost", where=where, hint=EXAMPLES)
    if not Path(url.database).resolve().parent.is_dir():
        raise StoreUnreachable(
            "the folder of the store does not exist", where=where, hint="create the folder first"
        )
    try:
        engine = create_engine(
            url,
            hide_parameters=True,  # an error that nobody foresaw is printed with its traceback: no customer's values
            connect_args={"timeout": BUSY_MS / 1000, "check_same_thread": False},
        )
    except NoSuchModuleError:
        raise BadStoreUrl(f"no store on {url.drivername!r}", where=where) from None

    @event.listens_for(engine, "do_connect")
    def _private(_dialect: Any, _record: Any, _arguments: Any, _parameters: Any) -> None:
        # A new file belongs to its user alone, as a backup does: a store holds personal data.
        if not str(url.database).startswith("file:") and not Path(str(url.database)).exists():
            with suppress(OSError):  # what is wrong is said by the connection itself
                os.close(os.open(str(url.database), os.O_CREAT | os.O_RDWR, 0o600))

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # Python's sqlite3 would open transactions by itself, and only for some statements: we do it (below).
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout = {BUSY_MS}",
            "journal_mode = WAL",
            "synchronous = FULL",
            f"cache_size = -{CACHE_KIB}",
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    def begin(connection: PoolProxiedConnection) -> None:
        # IMMEDIATE: a writer waits at its start. A transaction that reads first and then wants to write
        # would fail at once when another has written in between.
        connection.cursor().execute("BEGIN" if READING in connection.info else "BEGIN IMMEDIATE")

    # Not a listener of the engine's: with one, every statement of every transaction would look for others.
    engine.dialect.do_begin = begin  # type: ignore[method-assign,assignment]
    return _on_one_host(_safe_after_fork(engine))


# Of an engine, not of a store: several stores over one engine must not each hold a lock on the file.
_claims: weakref.WeakKeyDictionary[Engine, OneHost] = weakref.WeakKeyDictionary()


def _on_one_host(engine: Engine) -> Engine:
    """A SQLite file is open on one machine at a time: claimed with the first connection, until the store is closed."""
    file = str(engine.url.database)
    if file.startswith("file:"):
        return engine
    claim = _claims[engine] = OneHost(Path(file))

    @event.listens_for(engine, "do_connect", insert=True)
    def _claim(_dialect: Any, _record: Any, _arguments: Any, _parameters: Any) -> None:
        claim.claim()

    return engine


def _safe_after_fork(engine: Engine) -> Engine:
    """A connection carried into a forked child corrupts a SQLite file; the child starts with none."""
    known = weakref.ref(engine)

    def forget() -> None:
        living = known()
        if living is not None:
            living.dispose(close=False)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)
    return engine
