"""Connections to PostgreSQL: which server, how long each side waits for the other, and what a transaction may take.

A host that vanishes (the usual cloud failover, a power cut, a cut network) sends nothing: without limits our statement waits for
the kernel, two hours or more, and the server keeps the locks of a client that is gone as long. So both ends ask after each other
within half a minute. Whatever the URL says goes first, by the names that libpq has for it.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import NoSuchModuleError

from state.errors import BadStoreUrl, StoreError

# Ours: seconds, and milliseconds for the last. A server that is silent for 25 seconds is gone, and so is one that does not
# confirm for 20 seconds what was sent.
PATIENCE = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
# The server's, in the session. A statement of ours takes as long as it takes, whatever the role's default is: `[schedule]
# longest` bounds a run. A process that was stopped in the middle of a transaction lets go of its locks after an hour.
SESSION = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "'1h'",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
PREPARE = "prepare_threshold"  # the driver's: after how many times a statement is prepared; `none`: never


def engine_of(url: URL, where: str) -> Engine:
    """An engine whose connections lead to a server that takes writes."""
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    # Never a standby: it would accept reads of old rows and refuse the writes.
    if "target_session_attrs" not in url.query:
        url = url.update_query_dict({"target_session_attrs": "read-write"})
    arguments: dict[str, Any] = {name: said for name, said in PATIENCE.items() if name not in url.query}
    if PREPARE in url.query:
        arguments[PREPARE] = _threshold(str(url.query[PREPARE]), where)
        url = url.difference_update_query([PREPARE])
    try:
        # The level is said, whatever the server's or the role's default is: under a stricter one every second writer
        # would fail to serialize.
        engine = create_engine(
            url,
            pool_pre_ping=True,
            hide_parameters=True,
            isolation_level="READ COMMITTED",
            connect_args=arguments,
        )
    except (NoSuchModuleError, ImportError) as error:
        raise StoreError("the PostgreSQL driver psycopg is missing", where=where) from error
    session = _session(str(url.query.get("options", "")))

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.autocommit = True
        connection.execute(session)
        connection.autocommit = False

    @event.listens_for(engine, "handle_error")
    def _demoted(context: ExceptionContext) -> None:
        # A server that became a standby under an open connection refuses writes from then on: the next transaction
        # must not get this connection again, but one to the server that leads now.
        reading = context.connection is not None and context.connection.get_execution_options().get(
            "rebates_read", False
        )
        if getattr(context.original_exception, "sqlstate", None) == "25006" and not reading:
            context.is_disconnect = True

    return engine


def may_idle(tx: Connection, *, seconds: int = 0) -> None:
    """This transaction waits for others in the middle: for so long at a time, or however long that takes (0)."""
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{seconds}s'")


def stay_awake(tx: Connection) -> None:
    """Between two waits: what the transaction may wait is counted anew."""
    tx.exec_driver_sql("SELECT 1")


def _session(options: str) -> str:
    """What a new connection says first, without what the URL's `options` say."""
    own = {name.replace("-", "_") for name in re.findall(r"(?:-c\s*|--)([\w.-]+)\s*=", options)}
    return "; ".join(f"SET {name} = {value}" for name, value in SESSION.items() if name not in own) or ";"


def _threshold(text: str, where: str) -> int | None:
    if text.lower() == "none":
        return None
    if not text.isdecimal():
        raise BadStoreUrl(
            f"{PREPARE} is a number or none", where=where, hint=f"write ?{PREPARE}=none behind a PgBouncer"
        )
    return int(text)
