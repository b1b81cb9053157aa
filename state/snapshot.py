"""A Parquet copy of the facts for engines outside the store: orders and their lines, part by part.

A cache that can be removed at any time, never the truth. It is brought up to date by writing again the parts whose
version moved (`state/parts.py`). The store remembers the seal of the last manifest it gave: a copy of another store,
or of this one before a restore, does not carry it and is written anew.

    manifest.json                        stamp (org, epoch, watermarks), columns, and by part: version, files, rows
    orders-000000-1.0-ID.parquet         one file a table and part; readers find them by the manifest, whose id they bear:
    order_lines-000000-1.0-ID.parquet    who reads one copy never reads another's rows under the same name

What lies there is removed by name, so the folder must be the copy's own: one that holds something else is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Text, select

from state import meta, parquet, parts, watermarks
from state.errors import StoreError
from state.store import Store
from state.tables.facts import order_lines, orders

FORMAT = 1
MANIFEST = "manifest.json"
BEGINNING = '{\n "columns": {'  # of each manifest of ours, of one that was cut short, too
ASKED = "rebates-asked-"  # folders in which an engine works
BY_ORDER: dict[str, Column[Any]] = {"orders": orders.c.pk, "order_lines": order_lines.c.order_pk}
Columns = Mapping[str, frozenset[str]]
_FILE = re.compile(rf"(?:{'|'.join(BY_ORDER)})-\d{{6,}}-\d+\.\d+(?:-[0-9a-f]{{16}})?\.parquet(?:\.partial)?")


@dataclass(frozen=True)
class File:
    """One table of one part."""

    name: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class Part:
    """One stretch of orders as it was at `version`."""

    version: str
    files: dict[str, File]


@dataclass(frozen=True)
class Manifest:
    """What the copy holds, and of what."""

    id: str
    stamp: dict[str, Any]
    columns: dict[str, list[str]]
    parts: dict[int, Part] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True, indent=1)

    @property
    def seal(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def key(self) -> str:
        """Where the store keeps the seal."""
        return f"snapshot.{self.id}"

    @property
    def versions(self) -> dict[int, str]:
        return {number: part.version for number, part in self.parts.items()}


@dataclass(frozen=True)
class Refreshed:
    """What bringing it up to date took."""

    parts: int
    written: int
    orders: int
    lines: int
    bytes: int


OWN_FOLDER = "name a folder of its own in [engine] snapshot: an empty one, or one that does not exist yet"


class SnapshotFailed(StoreError):
    """The folder of the copy cannot be written. The store itself is as it was."""

    code = "snapshot_failed"
    hint = "free space or give access to the folder of [engine] snapshot, or compute with --engine sql"


class Snapshot:
    """The copy in one folder. One process at a time may bring it up to date."""

    def __init__(self, folder: Path, *, now: datetime) -> None:
        self.folder = folder
        self._now = now

    def refresh(
        self, store: Store, needed: Columns | None = None, said: Callable[[int], None] = lambda parts: None
    ) -> Refreshed:
        """Bring it up to date outside of any transaction of the caller. `said` hears of each part written."""
        with self._explained():
            with store.read() as tx:
                found, written = self._renewed(tx, needed, said)
            if written is not None:
                with store.transaction() as tx:
                    meta.put(tx, found.key, found.seal)
                self._keep(found)
        return _counted(found, written or 0)

    def current(self, tx: Connection, needed: Columns | None = None) -> Manifest:
        """The manifest of the facts as `tx` sees them; what is stale is written again first."""
        with self._explained():
            found, written = self._renewed(tx, needed, lambda parts: None)
            if written is not None:
                meta.put(tx, found.key, found.seal)
                self._keep(found)
        return found

    def files(self, found: Manifest, table: str) -> list[Path]:
        return [self.folder / part.files[table].name for _, part in sorted(found.parts.items())]

    def _renewed(
        self, tx: Connection, needed: Columns | None, said: Callable[[int], None]
    ) -> tuple[Manifest, int | None]:
        """The manifest for `tx`, and how many parts were written; None: nothing had to be."""
        known = self._known(tx)
        columns = _wanted(known, needed)
        kept = known.parts if known is not None and known.columns == columns else {}
        made: dict[int, Part] = {}
        written = 0
        self._claim(tx)
        name = known.id if known is not None else self._new_id()
        for number, version in parts.versions(tx).items():
            old = kept.get(number)
            if old is not None and old.version == version and self._whole(old):
                made[number] = old
            else:
                made[number] = self._write(tx, number, version, columns, name)
                written += 1
                said(1)
        if known is not None and made == known.parts and columns == known.columns:
            return known, None
        return Manifest(name, _stamp(tx), columns, made), written

    def _claim(self, tx: Connection) -> None:
        """Make the folder; one that is there must hold a copy of ours, or nothing. Raises SnapshotFailed."""
        # It holds every order's amounts, as the store does, which is its user's alone. One that is there keeps its rights.
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        last = self._last()
        if last is None:
            foreign = sorted(path.name for path in self.folder.iterdir() if not _is_ours(path))
            if foreign:
                more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
                raise SnapshotFailed(
                    f"the folder of the snapshot holds what no snapshot left: {foreign[0]}{more}; nothing was touched",
                    where=str(self.folder),
                    hint=OWN_FOLDER,
                )
            return
        theirs, ours = last.stamp.get("org_id"), meta.org_id(tx)
        if theirs and ours and theirs != ours:
            raise SnapshotFailed(
                f"the folder of the snapshot holds the orders of another org, {theirs}; nothing was touched",
                where=str(self.folder),
                hint=OWN_FOLDER,
            )

    def _last(self) -> Manifest | None:
        """The manifest on disk, whichever store it is of."""
        path = self.folder / MANIFEST
        try:
            return _read(path.read_text()) if path.exists() else None
        except (ValueError, KeyError, TypeError, AttributeError):
            return None  # cut short or of another version: it is only a cache

    def _known(self, tx: Connection) -> Manifest | None:
        """The same if it is one that this store gave last."""
        found = self._last()
        return found if found is not None and meta.get(tx, found.key) == found.seal else None

    def _whole(self, part: Part) -> bool:
        paths = ((self.folder / file.name, file.bytes) for file in part.files.values())
        return all(path.exists() and path.stat().st_size == size for path, size in paths)

    def _write(
        self, tx: Connection, number: int, version: str, columns: dict[str, list[str]], copy: str
    ) -> Part:
        first = number * parts.ORDERS_PER_PART
        files = {}
        for name, key in BY_ORDER.items():
            table = key.table
            chosen = [table.c[column] for column in columns[name]]
            mine = select(*chosen).where(key >= first, key < first + parts.ORDERS_PER_PART)
            target = self.folder / f"{name}-{number:06d}-{version}-{copy}.parquet"
            rows = parquet.write(tx, mine, chosen, target)
            files[name] = File(target.name, rows, target.stat().st_size)
        return Part(version, files)

    def _keep(self, found: Manifest) -> None:
        partial = self.folder / f"{MANIFEST}.partial"
        partial.write_text(found.text)
        os.replace(partial, self.folder / MANIFEST)
        used = {file.name for part in found.parts.values() for file in part.files.values()}
        for path in self.folder.glob("*.parquet*"):
            if _FILE.fullmatch(path.name) and path.name not in used:
                path.unlink(missing_ok=True)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            said = error.strerror or str(error)
            raise SnapshotFailed(f"the snapshot cannot be written: {said}", where=str(self.folder)) from error

    def _new_id(self) -> str:
        return hashlib.sha256(f"{self.folder.resolve()} {self._now.isoformat()}".encode()).hexdigest()[:16]


def _is_ours(path: Path) -> bool:
    """Whether a copy, whole or begun, leaves something of that name. What a name hides (`.DS_Store`) is nobody's."""
    if path.name == MANIFEST:
        said = path.read_text(errors="replace")
        return not said or said.startswith(BEGINNING[: len(said)])
    if path.name.startswith(ASKED):
        return path.is_dir()
    return path.name.startswith(".") or path.name == f"{MANIFEST}.partial" or bool(_FILE.fullmatch(path.name))


def _wanted(known: Manifest | None, needed: Columns | None) -> dict[str, list[str]]:
    """In the tables' order: what every statement reads (no texts), what this one reads, what is there already."""
    wanted = {}
    for name, key in BY_ORDER.items():
        more = {*(needed or {}).get(name, ()), *(known.columns[name] if known else ())}
        wanted[name] = [
            column.name
            for column in key.table.columns
            if column.name in more or (not isinstance(column.type, Text) and column.name != "modstamp")
        ]
    return wanted


def _stamp(tx: Connection) -> dict[str, Any]:
    ceilings = {one.stream: one.ceiling.isoformat() for one in watermarks.read_all(tx)}
    return {"org_id": meta.org_id(tx), "epoch": meta.epoch(tx), "watermarks": ceilings}


def _read(text: str) -> Manifest:
    raw = json.loads(text)
    if raw.pop("format") != FORMAT:
        raise ValueError("another format")
    made = {
        int(number): Part(
            one["version"], {table: File(**each) for table, each in sorted(one["files"].items())}
        )
        for number, one in raw.pop("parts").items()
    }
    return Manifest(**raw, parts=made)


def _counted(found: Manifest, written: int) -> Refreshed:
    files = [(table, file) for part in found.parts.values() for table, file in part.files.items()]
    return Refreshed(
        parts=len(found.parts),
        written=written,
        orders=sum(file.rows for table, file in files if table == "orders"),
        lines=sum(file.rows for table, file in files if table == "order_lines"),
        bytes=sum(file.bytes for _, file in files),
    )
