"""The schema's version: Alembic migrations that live in this package, run inside the caller's transaction.

Alembic itself is loaded where something is to migrate: it costs a twelfth of the start of a command.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from state.errors import NewerSchema, NoTables, OlderSchema, UpgradeFailed, explained

_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION_TABLE = "alembic_version"

# Two processes may open an empty database at once; SQLite's BEGIN IMMEDIATE already keeps one out.
_UPGRADE_LOCK = 7_262_174_001


@cache
def known_revisions() -> tuple[str, ...]:
    """Every revision this version of the program knows, oldest first: each is the number that its file begins with."""
    files = (_MIGRATIONS / "versions").glob("[0-9]*_*.py")
    return tuple(sorted(file.name.partition("_")[0] for file in files))


def revision(tx: Connection) -> str | None:
    """The revision of the store; None: it is empty."""
    if not inspect(tx).has_table(_VERSION_TABLE):
        return None
    found: str | None = tx.exec_driver_sql(f"SELECT version_num FROM {_VERSION_TABLE}").scalar_one_or_none()
    return found


def require_current(found: str | None, where: str) -> None:
    """Raises unless the store is at the newest revision that we know."""
    known = known_revisions()
    if found is None:
        raise NoTables("the store has no tables yet", where=where)
    if found not in known:
        raise NewerSchema(f"the store's schema {found} is newer than this program knows", where=where)
    if found != known[-1]:
        raise OlderSchema(f"the store's schema {found} is older than {known[-1]}", where=where)


def upgrade(tx: Connection, where: str) -> str:
    """All missing migrations, in `tx`: saved together with it, or not at all. Returns the revision after."""
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    applied: list[str] = []
    config.attributes["connection"] = tx
    config.attributes["applied"] = applied
    before = revision(tx)
    try:
        command.upgrade(config, "head")
    except DBAPIError as error:
        if explained(error, where) is not None:
            raise  # a lock, a full disk, a right that lacks: what it is has a name
        at = max([before or "", *applied])
        failed = next(one for one in known_revisions() if one > at)
        said = getattr(getattr(error.orig, "diag", None), "message_primary", None) or str(error.orig)
        raise UpgradeFailed(
            f"the step to {failed} of the upgrade failed: {said}; nothing was changed", where=where
        ) from error
    return known_revisions()[-1]
