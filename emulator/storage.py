"""The org's records on SQLite: one table per object, one column per stored field.

Encodings: currency, double, percent → INTEGER scaled by 10**scale (REAL with more decimals); int → INTEGER; boolean → 0/1; datetime →
INTEGER milliseconds since 1970 UTC; date, time, text → TEXT; ids and references → TEXT of 18 characters.
Deleted rows stay with IsDeleted = 1. An org "in memory" lives in a temporary file that goes with it, because
only a file gives readers a snapshot while a writer works.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emulator.schema import Field, SObject

INTEGER_TYPES = frozenset({"currency", "double", "percent", "int", "boolean", "datetime"})
INDEXED_STANDARD = {
    "order": ("AccountId", "OriginalOrderId", "EffectiveDate"),
    "orderitem": ("OrderId", "OriginalOrderItemId"),
    "pricebookentry": ("Product2Id",),
    "task": ("WhatId",),
    "contact": ("AccountId",),
    "fieldpermissions": ("ParentId",),
    "permissionsetassignment": ("AssigneeId",),
}
"""References worth an index on standard objects; custom references and external ids always get one."""
IDLE_MAX = 4  # connections kept for the next streams


def quote(name: str) -> str:
    """An SQL identifier. Names come from the schema, never from a request."""
    return '"' + name.replace('"', '""') + '"'


def column_type(field: Field) -> str:
    return "INTEGER" if field.type in INTEGER_TYPES else "TEXT"


def _wants_index(field: Field) -> bool:
    return field.external_id or field.unique or (field.custom and field.type == "reference")


class Storage:
    """One writer connection behind a lock, and a reader connection per thread that sees committed rows only."""

    def __init__(self, path: Path | str | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="emulator-") if path is None else None
        self.path = Path(self._folder.name) / "org.db" if self._folder else Path(str(path))
        self.persistent = path is not None
        self._lock = threading.RLock()
        self._depth = 0
        self._owner: int | None = None
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._readers_lock = threading.Lock()
        # Of streams that are over, with how many lessons they know.
        self._idle: list[tuple[sqlite3.Connection, int]] = []
        self._closed = False
        self._lessons: list[Callable[[sqlite3.Connection], None]] = []
        self._columns: dict[str, set[str]] = {}
        self.before_commit: list[Callable[[], None]] = []
        """Called inside the outermost transaction, just before it commits (counters, clocks)."""
        self.after_rollback: list[Callable[[], None]] = []
        self.once_over: list[Callable[[], None]] = []
        """Called once, when the running transaction is over either way (a revocation must outlive a refusal)."""
        self._writer = self._connect()
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.execute(
            "CREATE TABLE IF NOT EXISTS _kept (space TEXT, key TEXT, value TEXT, PRIMARY KEY (space, key))"
        )

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=30, cached_statements=512
        )
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if self.persistent else 'OFF'}")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA cache_size = -65536")
        for lesson in self._lessons:
            lesson(connection)
        return connection

    def teach(self, lesson: Callable[[sqlite3.Connection], None]) -> None:
        """Give every connection, open ones too, the SQL functions that `lesson` creates. Once per lesson."""
        if lesson in self._lessons:  # every query asks; readers must not wait for a writer
            return
        with self._lock:
            if lesson not in self._lessons:
                self._lessons.append(lesson)
                for connection in [self._writer, *self._readers]:
                    lesson(connection)

    # -- shape -------------------------------------------------------------------------------------------

    def ensure_table(self, sobject: SObject) -> None:
        """Create the object's table, or add the columns it lacks."""
        with self.transaction():
            known = self._known_columns(sobject.name)
            if not known:
                columns = ", ".join(
                    f"{quote(each.name)} {column_type(each)}"
                    + (" PRIMARY KEY NOT NULL" if each.name == "Id" else "")
                    for each in sobject.stored_fields()
                )
                self._writer.execute(f"CREATE TABLE {quote(sobject.name)} ({columns}) WITHOUT ROWID")
                self._columns[sobject.name] = {each.name.lower() for each in sobject.stored_fields()}
                if sobject.field("SystemModstamp"):
                    self._index(sobject, "SystemModstamp")
                for name in INDEXED_STANDARD.get(sobject.name.lower(), ()):
                    self._index(sobject, name)
            known = self._known_columns(sobject.name)
            for each in sobject.stored_fields():
                if each.name.lower() not in known or _wants_index(each):
                    self.ensure_column(sobject, each)

    def ensure_column(self, sobject: SObject, field: Field) -> None:
        """Add the field's column when it is missing, and its index when it is a key or a custom reference."""
        if not field.stored:
            return
        with self.transaction():
            known = self._known_columns(sobject.name)
            if field.name.lower() not in known:
                self._writer.execute(
                    f"ALTER TABLE {quote(sobject.name)} ADD COLUMN {quote(field.name)} {column_type(field)}"
                )
                known.add(field.name.lower())
                if field.type == "boolean":
                    self._writer.execute(
                        f"UPDATE {quote(sobject.name)} SET {quote(field.name)} = ?",
                        (int(bool(field.default_value)),),
                    )
            if _wants_index(field):
                self._index(sobject, field.name)
                if column_type(field) == "TEXT" and field.type != "reference" and not field.case_sensitive:
                    self._index(sobject, field.name, " COLLATE NOCASE")

    def _known_columns(self, table: str) -> set[str]:
        if table not in self._columns:
            rows = self._writer.execute(f"PRAGMA table_info({quote(table)})").fetchall()
            if not rows:
                return set()
            self._columns[table] = {str(row[1]).lower() for row in rows}
        return self._columns[table]

    def _index(self, sobject: SObject, column: str, collation: str = "") -> None:
        """`collation`: keys are looked up in any case, so they need an index that knows none."""
        name = f"ix_{sobject.name}_{column}{'_any_case' if collation else ''}"
        self._writer.execute(
            f"CREATE INDEX IF NOT EXISTS {quote(name)} ON {quote(sobject.name)} ({quote(column)}{collation})"
        )

    # -- writing -----------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing. Nested calls are savepoints: an error undoes the inner part only."""
        with self._lock:
            depth, self._depth, self._owner = self._depth, self._depth + 1, threading.get_ident()
            name = f"level{depth}"
            self._writer.execute("BEGIN IMMEDIATE" if depth == 0 else f"SAVEPOINT {name}")
            try:
                yield self._writer
                if depth == 0:
                    for hook in self.before_commit:
                        hook()
                self._writer.execute("COMMIT" if depth == 0 else f"RELEASE {name}")
            except BaseException:
                if depth == 0:
                    self._writer.execute("ROLLBACK")
                    self._columns.clear()
                    for hook in self.after_rollback:
                        hook()
                else:
                    self._columns.clear()
                    self._writer.execute(f"ROLLBACK TO {name}")
                    self._writer.execute(f"RELEASE {name}")
                raise
            finally:
                self._depth = depth
                if depth == 0:
                    self._owner = None
                    over, self.once_over = self.once_over, []
                    for hook in over:
                        hook()

    @property
    def in_transaction(self) -> bool:
        """Whether this thread is inside `transaction()`, so that reading must see its own writes."""
        return self._owner == threading.get_ident()

    def execute(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """One writing statement, in the running transaction or in one of its own."""
        with self.transaction() as connection:
            return connection.execute(sql, values)

    def load(self, sobject: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """The fast way in for seeds: rows already encoded, no validation, no triggers. Returns the row count."""
        names = ", ".join(quote(each) for each in columns)
        marks = ", ".join("?" * len(columns))
        with self.transaction() as connection:
            before = connection.total_changes
            connection.executemany(f"INSERT INTO {quote(sobject)} ({names}) VALUES ({marks})", rows)
            return connection.total_changes - before

    # -- reading -----------------------------------------------------------------------------------------

    def _reader(self) -> sqlite3.Connection:
        if self.in_transaction:
            return self._writer
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
            self._local.connection = connection
            with self._readers_lock:
                self._readers.append(connection)
        return connection

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a read; inside a transaction of this thread it sees that transaction's writes."""
        return self._reader().execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        cursor = self._reader().execute(sql, values)
        found: tuple[Any, ...] | None = cursor.fetchone()
        cursor.close()
        return found

    def stream(self, sql: str, values: Sequence[Any] = (), size: int = 2000) -> Iterator[tuple[Any, ...]]:
        """Rows of one snapshot, a block at a time, on a connection that nobody else uses meanwhile."""
        connection, known = self._lent()
        cursor = connection.cursor()
        try:
            cursor.execute(sql, values)
            while block := cursor.fetchmany(size):
                yield from block
        finally:
            cursor.close()  # and with it the snapshot
            self._given_back(connection, known)

    def _lent(self) -> tuple[sqlite3.Connection, int]:
        with self._readers_lock:
            connection, known = self._idle.pop() if self._idle else (None, 0)
        lessons = self._lessons[:]
        if connection is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
        else:
            for lesson in lessons[known:]:
                lesson(connection)
        return connection, len(lessons)

    def _given_back(self, connection: sqlite3.Connection, known: int) -> None:
        with self._readers_lock:
            keep = len(self._idle) < IDLE_MAX and not self._closed
            if keep:
                self._idle.append((connection, known))
        if not keep:
            connection.close()

    # -- small things kept beside the records ------------------------------------------------------------

    def keep(self, space: str, key: str, value: Any) -> None:
        """Remember one JSON value (`None` forgets it) under a name that survives a restart."""
        with self.transaction() as connection:
            if value is None:
                connection.execute("DELETE FROM _kept WHERE space = ? AND key = ?", (space, key))
            else:
                connection.execute(
                    "INSERT INTO _kept VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                    (space, key, json.dumps(value)),
                )

    def kept(self, space: str, key: str) -> Any:
        row = self.row("SELECT value FROM _kept WHERE space = ? AND key = ?", (space, key))
        return None if row is None else json.loads(row[0])

    def kept_all(self, space: str) -> dict[str, Any]:
        rows = self.rows("SELECT key, value FROM _kept WHERE space = ? ORDER BY rowid", (space,))
        return {key: json.loads(value) for key, value in rows}

    def close(self) -> None:
        with self._lock:
            with self._readers_lock:
                self._closed = True
                connections = [*self._readers, *(idle for idle, _ in self._idle), self._writer]
                self._readers.clear()
                self._idle.clear()
            for connection in connections:
                connection.close()
            self._local = threading.local()
            if self._folder:
                self._folder.cleanup()
