"""The schema's version: Alembic migrations that live in this package, run inside the caller's transaction."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from state.errors import NewerSchema, OlderSchema

# Two processes may open an empty database at once; SQLite's BEGIN IMMEDIATE already keeps one out.
_UPGRADE_LOCK = 7_262_174_001


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


@cache
def known_revisions() -> tuple[str, ...]:
    """Every revision this version of the program knows, oldest first."""
    script = ScriptDirectory.from_config(_config())
    return tuple(reversed([step.revision for step in script.walk_revisions()]))


def revision(tx: Connection) -> str | None:
    """The revision of the store; None: it is empty."""
    return MigrationContext.configure(tx).get_current_revision()


def require_current(found: str | None, where: str) -> None:
    """Raises unless the store is at the newest revision that we know."""
    known = known_revisions()
    if found is None:
        raise OlderSchema("the store has no tables yet", where=where, hint="run: rebates db upgrade")
    if found not in known:
        raise NewerSchema(f"the store's schema {found} is newer than this program knows", where=where)
    if found != known[-1]:
        raise OlderSchema(f"the store's schema {found} is older than {known[-1]}", where=where)


def upgrade(tx: Connection) -> str:
    """All missing migrations, in `tx`: saved together with it, or not at all. Returns the revision after."""
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")
    config = _config()
    config.attributes["connection"] = tx
    command.upgrade(config, "head")
    return known_revisions()[-1]
