"""DuckDB inside this process: an accelerator for one machine. Memory is bounded, what does not fit goes to disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from state.engines.outside import EngineFailed, Outside
from state.snapshot import Snapshot


class Duck(Outside):
    """`memory` as DuckDB writes it: `2GB`."""

    name = "duckdb"
    dialect = "duckdb"

    def __init__(self, snapshot: Snapshot, memory: str) -> None:
        super().__init__(snapshot)
        self._memory = memory

    def answer(self, sql: str, tables: Mapping[str, Sequence[Path]], work: Path) -> list[Path]:
        import duckdb

        target = work / "answer.parquet"
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": self._memory,
            "temp_directory": str(work / "spilled"),
            "autoinstall_known_extensions": "false",
        }
        try:
            with duckdb.connect(":memory:", config=settings) as engine:
                engine.execute("SET enable_progress_bar = false")  # it would be drawn into our results
                for name, files in tables.items():
                    listed = ", ".join(map(_quoted, files))
                    engine.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{listed}])")
                engine.execute(f"COPY ({sql}) TO {_quoted(target)} (FORMAT parquet)")
        except duckdb.Error as error:
            raise EngineFailed(f"DuckDB: {error}", where=str(self.snapshot.folder)) from error
        return [target]


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
