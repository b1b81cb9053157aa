"""Schemas of PostgreSQL for tests, each with the tables of a store, made once and emptied after each test.

Making 45 tables with their indexes and dropping them again costs the server most of a second; emptying them costs next to nothing.
A schema whose tables a test has changed, or that somebody still works in, is dropped, and the next test gets a new one.
"""

from __future__ import annotations

import itertools
import os
import time
from typing import Any

import psycopg

from state.store import Store

SERVER = os.environ.get("REBATES_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/test")
PLAIN = SERVER.replace("postgresql+psycopg://", "postgresql://")

# Everything that DDL leaves in the catalogs, without the numbers that VACUUM and ANALYZE write there.
SHAPE = """
WITH t AS (SELECT oid FROM pg_class WHERE relnamespace = %(schema)s::regnamespace)
SELECT md5(string_agg(x, ';' ORDER BY x)) FROM (
  SELECT concat_ws(',', 'class', oid, relname, relkind, reloptions, relispartition, relhasrules) x
    FROM pg_class WHERE oid IN (SELECT oid FROM t)
  UNION ALL SELECT concat_ws(',', 'column', attrelid, attnum, attname, atttypid, atttypmod, attnotnull, atthasdef, attisdropped, attidentity)
    FROM pg_attribute WHERE attrelid IN (SELECT oid FROM t)
  UNION ALL SELECT concat_ws(',', 'constraint', oid, conname, convalidated) FROM pg_constraint WHERE conrelid IN (SELECT oid FROM t)
  UNION ALL SELECT concat_ws(',', 'trigger', oid, tgname, tgenabled) FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM t)
  UNION ALL SELECT concat_ws(',', 'default', oid, xmin) FROM pg_attrdef WHERE adrelid IN (SELECT oid FROM t)
  UNION ALL SELECT concat_ws(',', 'routine', oid, xmin) FROM pg_proc WHERE pronamespace = %(schema)s::regnamespace
  UNION ALL SELECT concat_ws(',', 'type', oid, typname) FROM pg_type WHERE typnamespace = %(schema)s::regnamespace
) all_of_it (x)
"""
# Triggers and foreign keys are asleep meanwhile: some tables refuse every change of their rows.
EMPTY = """
DO $$
DECLARE
  one record;
  filled boolean;
BEGIN
  SET LOCAL session_replication_role = replica;
  SET LOCAL lock_timeout = '2s';
  FOR one IN SELECT relname, relkind, oid FROM pg_class
    WHERE relnamespace = '{schema}'::regnamespace AND relkind IN ('r', 'S') LOOP
    IF one.relkind = 'S' THEN
      PERFORM setval(one.oid, 1, false) FROM pg_sequences
        WHERE schemaname = '{schema}' AND sequencename = one.relname AND last_value IS NOT NULL;
      CONTINUE;
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM {schema}.%I)', one.relname) INTO filled;
    IF filled THEN
      EXECUTE format('DELETE FROM {schema}.%I', one.relname);
    END IF;
  END LOOP;
END $$
"""


class Schemas:
    """Lends schemas of one process: `lend(tables=True)` has a store's tables, without it is empty."""

    def __init__(self) -> None:
        self._server: psycopg.Connection[Any] | None = None
        self._numbers = itertools.count()
        self._free: list[str] = []
        self._shapes: dict[str, str] = {}
        self._first_rows: dict[str, list[tuple[Any, ...]]] = {}

    @property
    def server(self) -> psycopg.Connection[Any]:
        """Raises psycopg.OperationalError where there is none."""
        if self._server is None:
            self._server = psycopg.connect(PLAIN, autocommit=True, connect_timeout=3)
        return self._server

    def lend(self, *, tables: bool = True) -> str:
        """The schema's name; nobody else gets it until it is given back."""
        if tables and self._free:
            return self._free.pop()
        name = f"rebates_test_{os.getpid()}_{next(self._numbers)}"
        self.server.execute(f"CREATE SCHEMA {name}")
        if tables:
            Store.open(url_of(name)).close()
            self._shapes[name] = self._shape(name)
            self._first_rows = self._first_rows or self._rows(name)
        return name

    def give_back(self, name: str) -> None:
        if self._as_it_was(name):
            self._free.append(name)
        else:
            self._drop(name)

    def _as_it_was(self, name: str) -> bool:
        if name not in self._shapes or not self._alone(name) or self._shape(name) != self._shapes[name]:
            return False
        try:
            self._empty(name)
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.LockNotAvailable):
            return (
                False  # no superuser, who alone may put triggers to sleep; or a lock that outlived its test
            )
        return True

    def close(self) -> None:
        if self._server is not None:
            for name in self._free:
                self._drop(name)
            self._server.close()

    def _drop(self, name: str) -> None:
        self._shapes.pop(name, None)
        self.server.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")

    def _shape(self, name: str) -> str:
        found = self.server.execute(SHAPE, {"schema": name}).fetchone()
        assert found is not None
        return str(found[0])

    def _alone(self, name: str) -> bool:
        """Whether every connection into the schema is over; one that stays is ended, and the schema not used again."""
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = %s"
        for _ in range(20):
            if not self.server.execute(query, [name]).fetchall():
                return True
            time.sleep(0.01)  # a connection that was closed is gone a little later
        self.server.execute(query.replace("pid", "pg_terminate_backend(pid)"), [name])
        return False

    def _rows(self, name: str) -> dict[str, list[tuple[Any, ...]]]:
        """What the migrations write: by table."""
        tables = self.server.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = %s::regnamespace", [name]
        ).fetchall()
        return {
            table: rows
            for (table,) in tables
            if (rows := self.server.execute(f"SELECT * FROM {name}.{table}").fetchall())
        }

    def _empty(self, name: str) -> None:
        self.server.execute(EMPTY.format(schema=name))
        for table, rows in self._first_rows.items():
            marks = ", ".join(["%s"] * len(rows[0]))
            with self.server.cursor() as cursor:
                cursor.executemany(
                    f"INSERT INTO {name}.{table} OVERRIDING SYSTEM VALUE VALUES ({marks})", rows
                )


def url_of(schema: str) -> str:
    """Its connections bear the schema's name, so that one which was forgotten is found."""
    return f"{SERVER}?application_name={schema}&options=-csynchronous_commit%3Doff%20-csearch_path%3D{schema}"
