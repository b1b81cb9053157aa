"""Copies of a SQLite store, made while it is in use, and the way back.

A restored store is older than the org: it starts a new epoch, so that everything it sends is newer than
anything sent before, and what was in flight is asked about again.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, update
from sqlalchemy.exc import DBAPIError

from state import audit, computed_by, leases, meta, one_host, rebasing, schema
from state.errors import CorruptStore, OlderSchema, StoreError
from state.outbox import close_outdated
from state.paths_in_urls import in_a_url
from state.store import Store
from state.tables.work import outbox


def backup(store: Store, target: Path) -> int:
    """Copy the store to `target`, which must not exist; returns its size in bytes. Writers are not stopped.

    The copy is checked before it gets its name: a file at `target` is whole.
    """
    source = store.path
    if source is None:
        raise StoreError(
            "a PostgreSQL store is backed up by the server", where=store.where, hint="use pg_dump"
        )
    partial = target.with_name(target.name + ".partial")
    _require_free(target, partial)
    try:
        # Made with these rights from the start: a store holds personal data.
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(sqlite3.connect(source)) as reading, closing(sqlite3.connect(partial)) as writing:
            reading.backup(writing)
            writing.execute("PRAGMA journal_mode = DELETE")
        _require_whole(partial)
        os.replace(partial, target)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"the backup could not be written: {error}", where=str(target), hint="check the disk"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return target.stat().st_size


def _require_free(target: Path, partial: Path) -> None:
    """Raises unless both names can be given to files, and the folder is there."""
    try:
        if target.exists():
            raise StoreError(
                "there is a file already", where=str(target), hint="choose another name for the backup"
            )
        if not target.resolve().parent.is_dir():
            raise StoreError(
                "the folder of the backup does not exist", where=str(target), hint="create the folder first"
            )
        partial.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"no backup can have this name: {error.strerror}",
            where=str(target),
            hint="choose another name for the backup",
        ) from error


def restore(url: str, source: Path, *, actor: str, now: datetime) -> Path | None:
    """Put a backup in the place of the store at `url`, which nobody may use meanwhile.

    Returns where the store that was there before is kept; None: there was none. The next sync reads the org first.
    Raises `StoreLocked` while a run is under way: it would go on writing into the file that is set aside.
    """
    if not _is_file(source):
        raise StoreError("there is no such backup", where=str(source), hint="check the path")
    there = Store.attach(url)
    place = there.path
    if place is None:
        raise StoreError(
            "a PostgreSQL store is restored by the server",
            where=there.where,
            hint="restore it with its own tools, then: rebates db restored",
        )
    if place.exists() and source.samefile(place):
        raise StoreError(
            "this is the store itself, not a backup of it",
            where=str(source),
            hint="name a file that `rebates db backup` made",
        )
    _require_whole(source)
    _require_store(source)
    replaced = _require_idle(there, now) if place.exists() else None
    kept: Path | None = None
    fresh = place.with_name(place.name + ".restoring")
    _remove(fresh)
    try:
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        shutil.copyfile(source, fresh)
        # Its trail goes on from the backup's: what was done since then stands only in the file that is kept.
        _prepare(
            fresh, actor, now, **({"replaced": "up to deed {}, {}".format(*replaced)} if replaced else {})
        )
    except BaseException as error:
        _remove(fresh)
        if isinstance(error, OSError):
            raise StoreError(
                f"the backup could not be put in place: {error.strerror}",
                where=str(source),
                hint="check the disk; the store is as it was",
            ) from error
        raise
    if place.exists():
        kept = place.with_name(f"{place.name}.before-restore-{now:%Y%m%dT%H%M%SZ}")
        while kept.exists():
            kept = kept.with_name(kept.name + "-again")
        # The write-ahead log belongs to the file that it lies beside, not to the one that comes.
        for ending in ("-wal", "-shm"):
            beside = place.with_name(place.name + ending)
            if beside.exists():
                os.replace(beside, kept.with_name(kept.name + ending))
        try:
            os.link(
                place, kept
            )  # two names for a moment: there is a store at every moment, also if we die here
        except OSError:
            os.replace(place, kept)
    os.replace(fresh, place)
    return kept


def begin_epoch(store: Store, *, actor: str, now: datetime, **detail: str) -> int:
    """The store was put back to an older state: what it sends from now on is newer than all before, and the next run
    reads the org before it writes. Returns the epoch. `detail` goes into the trail."""
    with store.transaction() as tx:
        return new_epoch(tx, where=store.where, actor=actor, now=now, **detail)


def new_epoch(
    tx: Connection, *, where: str, actor: str, now: datetime, action: str = "restore", **detail: str
) -> int:
    """The same in a transaction that is under way."""
    if schema.revision(tx) is None:
        raise StoreError("the backup is not a store", where=where)
    epoch = meta.bump_epoch(tx)
    # The fate of what was in flight is unknown by now: the same key and payload are sent again.
    tx.execute(
        update(outbox)
        .where(outbox.c.state == "inflight")
        .values(state="pending", owner=None, claimed_until=None)
    )
    close_outdated(tx, now=now)
    rebasing.renumber(tx)
    known_before = (
        rebasing.ANOTHER_STORE, rebasing.BY_ITSELF, rebasing.HANDED_OVER, rebasing.AHEAD, rebasing.PLACE,
    )  # fmt: skip
    for known in known_before:  # a person looked, or we write it anew
        meta.drop(tx, known)
    rebasing.enter(tx, rebasing.Stage.RESTORED)
    audit.append(tx, actor=actor, action=action, object="store", detail={"epoch": epoch, **detail}, now=now)
    return epoch


def _require_idle(store: Store, now: datetime) -> tuple[int, str] | None:
    """Nobody works with it, as far as it can be read. Its last connection, ours, folds the write-ahead log into it.
    Returns the head of its trail; None: it cannot be read."""
    try:
        with store.read() as tx:
            if schema.revision(tx) is not None:
                leases.require_nobody(tx, now, where=store.where, then="restore")
                return audit.head(tx)
        return None
    except (CorruptStore, DBAPIError):
        return None  # that is what backups are for
    finally:
        store.close()


def _prepare(path: Path, actor: str, now: datetime, **detail: str) -> None:
    store = Store.attach(f"sqlite:///{in_a_url(str(path))}")
    try:
        begin_epoch(store, actor=actor, now=now, **detail)
        with store.engine.connect() as connection:
            connection.exec_driver_sql("ROLLBACK")
            connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    finally:
        store.close()
    for ending in ("-wal", "-shm", one_host.ENDING):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


def _remove(path: Path) -> None:
    """A file that was begun, and what the database keeps beside one."""
    for ending in ("", "-wal", "-shm", one_host.ENDING):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _require_whole(path: Path) -> None:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            rows = [row[0] for row in connection.execute("PRAGMA integrity_check(1)")]
    except sqlite3.Error as error:
        raise CorruptStore(f"not a whole SQLite file: {error}", where=str(path)) from error
    if rows != ["ok"]:
        raise CorruptStore(f"not a whole SQLite file: {rows[0]}", where=str(path))


def _require_store(path: Path) -> None:
    """An empty file is whole, too, and so is another program's database. Raises NewerSchema where a newer version of ours made
    it: the store that is there can be used."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        ours = tables >= {"alembic_version", "meta", outbox.name}
        revision = list(connection.execute("SELECT version_num FROM alembic_version")) if ours else []
        rules = list(connection.execute("SELECT value FROM meta WHERE key = 'rules'")) if ours else []
    if not ours:
        raise StoreError(
            "the backup is not a store", where=str(path), hint="name a file that `rebates db backup` made"
        )
    with suppress(OlderSchema):  # `db upgrade` brings it up to date
        schema.require_current(next((row[0] for row in revision), None), str(path))
    computed_by.refuse_newer(next((row[0] for row in rules), None), str(path))
