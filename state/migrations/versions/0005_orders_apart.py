"""Rules about single rows, and returns that count on the day of the order they take back from.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("buckets", sa.Column("row_rules", sa.Text(), nullable=True))
    op.add_column(
        "programs",
        sa.Column("returns_to_original", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.create_index(
        "ix_orders_original_order_id",
        "orders",
        ["original_order_id"],
        sqlite_where=sa.text("original_order_id IS NOT NULL"),
        postgresql_where=sa.text("original_order_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_orders_original_order_id", "orders")
    op.drop_column("programs", "returns_to_original")
    op.drop_column("buckets", "row_rules")
