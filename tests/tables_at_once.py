"""The tables of a new store without the price of Alembic: its statements are kept the first time, and said again for others.

`state.schema.upgrade` makes the tables of one store of each database kind in a session; every other empty store hears the same
statements in the same order, in the caller's transaction as before. A store that has tables is upgraded by Alembic itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from sqlalchemy import Connection, event

from state import schema

Said = tuple[str, Any]
LOCK = "pg_advisory_xact_lock"


def _is_reading(statement: str) -> bool:
    return statement.lstrip().startswith(("SELECT", "PRAGMA"))


class Tables:
    """What was said to make the tables, by the kind of the database."""

    def __init__(self) -> None:
        self._alembic = schema.upgrade
        self._said: dict[str, list[Said]] = {}

    def upgrade(self, tx: Connection, where: str) -> str:
        """As `state.schema.upgrade`."""
        kind = tx.dialect.name
        if kind == "postgresql":
            tx.exec_driver_sql(f"SELECT {LOCK}({schema._UPGRADE_LOCK})")
        if schema.revision(tx) is not None:
            return self._alembic(tx, where)
        if kind not in self._said:
            self._said[kind] = self._heard(tx, where)
        else:
            self._say_again(tx, self._said[kind])
        return schema.known_revisions()[-1]

    def _heard(self, tx: Connection, where: str) -> list[Said]:
        said: list[Said] = []

        def hear(_tx: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
            assert not many
            if not _is_reading(statement):
                said.append((statement, parameters))

        event.listen(tx, "before_cursor_execute", hear)
        self._alembic(tx, where)
        event.remove(tx, "before_cursor_execute", hear)
        return said

    def _say_again(self, tx: Connection, said: list[Said]) -> None:
        cursor = tx.connection.cursor()
        if tx.dialect.name == "postgresql" and not any(parameters for _, parameters in said):
            cursor.execute(";\n".join(statement for statement, _ in said))
        else:
            for statement, parameters in said:
                cursor.execute(statement, parameters)
        cursor.close()


@contextmanager
def tables_at_once() -> Iterator[None]:
    with patch.object(schema, "upgrade", Tables().upgrade):
        yield


@contextmanager
def tables_by_alembic() -> Iterator[None]:
    """What a test of the migrations themselves wants."""
    with patch.object(schema, "upgrade", _ALEMBIC):
        yield


_ALEMBIC = schema.upgrade
