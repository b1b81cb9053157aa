"""Alembic's entry: runs the migrations on the connection that `state.schema` hands over."""

from __future__ import annotations

from alembic import context

from state.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
)
# No context.begin_transaction(): the caller owns the transaction.
context.run_migrations()
