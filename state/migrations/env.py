"""Alembic's entry: runs the migrations on the connection that `state.schema` hands over."""

from __future__ import annotations

from alembic import context

from state.tables import metadata

connection = context.config.attributes["connection"]
applied = context.config.attributes.get("applied", [])  # for whoever wants to know how far it came
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    on_version_apply=lambda step, **_: applied.append(step.up_revision_id),
)
# No context.begin_transaction(): the caller owns the transaction.
context.run_migrations()
