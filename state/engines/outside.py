"""What DuckDB and Spark have in common: they read Parquet files, answer in Parquet files, and know nothing of the store."""

from __future__ import annotations

import shutil
import stat
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, select

from state import parquet, parts
from state.engines import Query
from state.errors import StoreError
from state.snapshot import ASKED, BY_ORDER, Snapshot
from state.tables import metadata


class EngineFailed(StoreError):
    """The other engine did not answer. Nothing was saved; the store can answer by itself."""

    code = "engine_failed"
    hint = "mend it, or let the store do it: rebates compute --engine sql"


class FactsMoved(StoreError):
    """Somebody else changed orders while they were being computed. Nothing was saved."""

    code = "facts_moved"
    hint = "run the same command again"


class Outside(ABC):
    """An engine beside the store: facts from the snapshot, rules from the transaction, the answer back into it."""

    name: str
    dialect: str  # sqlglot's name

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    @abstractmethod
    def answer(self, sql: str, tables: Mapping[str, Sequence[Path]], work: Path) -> list[Path]:
        """Run `sql` over the files of each table; the files of the answer in its order. Raises EngineFailed."""

    def fill(self, tx: Connection, table: Table, query: Query) -> None:
        from state.engines.spelling import spelled

        key = tuple(column.name for column in table.primary_key.columns)
        asked = spelled(query, self.dialect, order=key)
        facts = self.snapshot.current(tx, asked.columns)
        for left in self.snapshot.folder.glob(f"{ASKED}*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=ASKED, dir=self.snapshot.folder) as folder:
            work = Path(folder)
            # Who may read and write the snapshot may so here: the workers of a cluster, perhaps as somebody else.
            work.chmod(stat.S_IMODE(self.snapshot.folder.stat().st_mode))
            files: dict[str, Sequence[Path]] = {}
            for name in sorted(asked.columns):
                if name in BY_ORDER:
                    files[name] = self.snapshot.files(facts, name)
                else:
                    files[name] = [_rules(tx, metadata.tables[name], work)]
            if all(files[name] for name in asked.columns):  # no part at all: no orders, no answer
                parquet.load(tx, table, self.answer(asked.sql, files, work))
        if parts.versions(tx) != facts.versions:
            raise FactsMoved("orders changed while they were being computed", where=str(self.snapshot.folder))


def _rules(tx: Connection, table: Table, work: Path) -> Path:
    target = work / f"{table.name}.parquet"
    columns: list[Any] = list(table.columns)
    parquet.write(tx, select(*columns), columns, target)
    return target
