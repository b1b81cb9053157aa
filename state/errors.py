"""What can be wrong with the store itself: what, where, and the next command, each as its own class."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError


class StoreError(Exception):
    """The store cannot be used as asked. `where` names it without any password, `hint` is the next command."""

    code = "store_error"
    hint = "run: rebates db check"
    passes = False  # whether the same work, begun again in a moment, may well succeed

    def __init__(self, what: str, *, where: str, hint: str | None = None) -> None:
        super().__init__(f"{what} ({where})")
        self.what = what
        self.where = where
        self.hint = hint or type(self).hint


class BadStoreUrl(StoreError):
    """The URL leads to no kind of store that there is: a setting must change."""

    code = "store_url"
    hint = "use sqlite:///rebates.db or postgresql+psycopg://user@host/database"


class StoreUnreachable(StoreError):
    """No server answers at the URL, or it refuses us."""

    code = "store_unreachable"
    hint = "check [state] url, that the server runs, and the user's rights; then run: rebates doctor"


class ConnectionLost(StoreUnreachable):
    """PostgreSQL is restarting, fails over, or ended our connection. What was not committed is undone; a commit that was
    under way may have been kept, which the same step finds when it begins again."""

    hint = "is the server running? check [state] url and the user's rights; then run the same command: it goes on"
    passes = True


class StoreLocked(StoreError):
    """Another process kept the store longer than we wait. Nothing was written; the same command may run again."""

    code = "store_locked"
    hint = "another run is writing: wait for it, or see it with: rebates status"


class LeaseInUse(StoreLocked):
    """A transaction that is under way keeps the lease as it is: of its holder, or of a dry run."""

    code = "lease_in_use"


class AnotherHost(StoreLocked):
    """A process of another machine has this SQLite file open, over a network file system: together they would corrupt it."""

    code = "store_on_two_hosts"
    hint = (
        "stop Rebate Sync there first; for several hosts move to PostgreSQL: rebates db copy (docs/scale.md)"
    )


class StatementCancelled(StoreError):
    """PostgreSQL ended a statement of ours because it took too long for somebody, or a person cancelled it."""

    code = "store_cancelled"
    hint = (
        "did somebody call pg_cancel_backend, or does `options` in [state] url set a statement_timeout? Take it out, then "
        "run the same command: it goes on"
    )


class PooledStatements(StoreError):
    """A pooler gave our next transaction another connection of the server than the one that knows the statement."""

    code = "store_pooler"
    hint = (
        "behind PgBouncer in transaction mode add prepare_threshold=none to [state] url (docs/operations.md)"
    )


class Conflict(StoreError):
    """PostgreSQL undid the transaction because of another one. Nothing was written; run the whole step again."""

    code = "store_conflict"
    hint = "run the same command again"
    passes = True


class DiskFull(StoreError):
    code = "store_disk_full"
    hint = (
        "free space on the disk of the store, then run the same command again: it continues. If it says that another "
        "run holds the lock: this one could not give it back, and it frees itself within 15 minutes"
    )


class ReadOnly(StoreError):
    code = "store_read_only"
    hint = "give this user write access to the file and its folder"


class LacksRight(ReadOnly):
    """PostgreSQL lets this role do less than the command needs: whoever runs syncs may not change tables."""

    code = "store_lacks_right"
    hint = (
        "run it as the owner of the tables (for `rebates db upgrade`, and the first command on an empty database); for "
        "anything else let that owner grant this user the right to read and write them"
    )


class Demoted(ReadOnly):
    """The PostgreSQL server became a standby under our connection; the next connection finds the one that leads."""

    hint = "run the same command again; if it stays: does [state] url lead to the primary server?"
    passes = True


class CorruptStore(StoreError):
    code = "store_corrupt"
    hint = "keep the file, then run: rebates db restore BACKUP"


class AmountsTooLarge(StoreError):
    """What the orders of a standing come to does not fit: the store keeps millionths in 64 bits. Nothing was written."""

    code = "amounts_too_large"
    hint = (
        "a standing holds 9.2 trillion at most: correct the order in Salesforce if an amount is wrong; else cut "
        "the program into shorter periods, or map amounts in thousands (an expression on `amount`)"
    )


class NewerSchema(StoreError):
    """A newer version of this program has upgraded the store."""

    code = "store_newer_schema"
    hint = "install the newer version of rebate-sync, or restore a backup made before the upgrade"


class NewerRules(NewerSchema):
    """A newer version of this program has computed in the store; the amounts of this one may be others."""

    code = "store_newer_rules"
    hint = (
        "install the newer version of rebate-sync here, too, and stop what still runs this one (`rebates schedule run`, "
        "`rebates work`); or restore a backup made before the upgrade"
    )


class OlderSchema(StoreError):
    """The store wants an upgrade first; it is not done behind anybody's back."""

    code = "store_older_schema"
    hint = "run: rebates db backup FILE (PostgreSQL: pg_dump), then: rebates db upgrade"


class UpgradeFailed(StoreError):
    """A step of the upgrade met something in the database that no version of ours has made."""

    code = "store_upgrade_failed"
    hint = (
        "is there a table or a row that something else made? Take it away, then run: rebates db upgrade; until then the version "
        "before goes on with the store"
    )


class NoTables(OlderSchema):
    """An empty database: nothing was read into it yet."""

    code = "store_empty"
    hint = "`rebates sync` makes them, or `rebates db upgrade`"


class LostLease(StoreError):
    """Someone else holds our lease by now: this transaction must not be saved."""

    code = "lease_lost"
    hint = "another process took over; see: rebates status"


class WrongOrg(StoreError):
    """This store belongs to another Salesforce org."""

    code = "wrong_org"
    hint = "check [org] in the configuration, or use another [state] url for this org"


# By SQLite's primary result code (the low byte of the extended one).
_SQLITE: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_BUSY: (StoreLocked, "the store is locked by another process"),
    sqlite3.SQLITE_LOCKED: (StoreLocked, "the store is locked by another connection"),
    sqlite3.SQLITE_FULL: (DiskFull, "the disk of the store is full"),
    sqlite3.SQLITE_READONLY: (ReadOnly, "the store is read-only for this user"),
    sqlite3.SQLITE_PERM: (ReadOnly, "this user may not open the store"),
    sqlite3.SQLITE_CANTOPEN: (StoreUnreachable, "the store's file cannot be opened"),
    sqlite3.SQLITE_CORRUPT: (CorruptStore, "the store's file is damaged"),
    sqlite3.SQLITE_NOTADB: (CorruptStore, "the file is not a SQLite database"),
    sqlite3.SQLITE_IOERR: (StoreError, "the disk of the store reports an error"),
}

TOO_LARGE = "the amounts of a standing add up to more than the store can hold"
_TOO_LARGE = (AmountsTooLarge, TOO_LARGE)

# By SQLSTATE, whole or class (first two characters).
_POSTGRES: dict[str, tuple[type[StoreError], str]] = {
    "40": (Conflict, "PostgreSQL undid this transaction"),
    "40001": (Conflict, "PostgreSQL could not serialize this transaction"),
    "40P01": (Conflict, "PostgreSQL broke a deadlock by undoing this transaction"),
    "22003": _TOO_LARGE,
    "55P03": (StoreLocked, "another run holds the rows"),
    "57014": (StatementCancelled, "PostgreSQL cancelled the statement"),
    "26000": (PooledStatements, "PostgreSQL does not know a statement that we prepared"),
    "42P05": (PooledStatements, "PostgreSQL knows already a statement that we are preparing"),
    "53100": (DiskFull, "the disk of the PostgreSQL server is full"),
    "25P03": (ConnectionLost, "PostgreSQL ended a transaction in which nothing was asked for too long"),
    "25P04": (ConnectionLost, "PostgreSQL ended a transaction that took too long"),
    "25006": (Demoted, "this PostgreSQL server is read-only (a standby?)"),
    "42501": (LacksRight, "this PostgreSQL user lacks a right"),
    "XX001": (CorruptStore, "PostgreSQL reports damaged data"),
    "XX002": (CorruptStore, "PostgreSQL reports a damaged index"),
    "08": (ConnectionLost, "the connection to PostgreSQL is gone"),
    "28": (StoreUnreachable, "PostgreSQL refuses the login"),
    "3D": (StoreUnreachable, "there is no such PostgreSQL database"),
    "57": (ConnectionLost, "PostgreSQL is shutting down, starting, or ended the connection"),
    "53": (ConnectionLost, "PostgreSQL is out of a resource"),
    "58": (StoreError, "the disk of the PostgreSQL server reports an error"),
}


FULL_BELOW = 256 * 1024  # bytes: less than SQLite needs beside a store to begin anything


def _is_full(where: str) -> bool:
    folder = Path(where.removeprefix("sqlite:///")).parent
    try:
        return shutil.disk_usage(folder).free < FULL_BELOW
    except OSError:
        return False


def explained(error: Exception, where: str) -> StoreError | None:
    """The store error that a database error (SQLAlchemy's or the driver's own) stands for; None: not about the store,
    it stays what it is."""
    original: Any = error.orig if isinstance(error, DBAPIError) else error
    broken = isinstance(error, DBAPIError) and error.connection_invalidated
    if isinstance(original, sqlite3.Error):
        number = getattr(original, "sqlite_errorcode", None)
        found = _SQLITE.get(number & 0xFF) if number is not None else None
        if number is not None and number & 0xFF == sqlite3.SQLITE_IOERR and _is_full(where):
            # It could not even make the file beside the store in which it keeps its place.
            found = _SQLITE[sqlite3.SQLITE_FULL]
        if (
            number == sqlite3.SQLITE_ERROR and str(original) == "integer overflow"
        ):  # it has no number of its own
            found = _TOO_LARGE
    else:
        state = getattr(original, "sqlstate", None)
        if state is None:
            # psycopg raises without a state when no connection could be made, none in time, or it broke.
            found = (
                (ConnectionLost, "the connection to PostgreSQL failed")
                if broken or any(kind.__name__ == "OperationalError" for kind in type(original).__mro__)
                else None
            )
        else:
            found = _POSTGRES.get(state) or _POSTGRES.get(state[:2])
    if found is None:
        return None
    kind, what = found
    said = getattr(getattr(original, "diag", None), "message_primary", None)
    if kind is LacksRight and said:  # names a table or a schema, and never a value
        what = f"{what}: {said}"
    return kind(what, where=where)


def without_values(error: Exception) -> None:
    """Takes from an error of the database, which goes on with its traceback, what the server adds to its first line: the
    rows that it was about (`Key (name)=(…)`). SQLite names none."""
    original: Any = error.orig if isinstance(error, DBAPIError) else error
    said = getattr(getattr(original, "diag", None), "message_primary", None)
    if said is None:
        return
    whole = str(original)
    original.args = (said,)
    if isinstance(error, DBAPIError):
        error.args = (str(error.args[0]).replace(whole, said), *error.args[1:])
