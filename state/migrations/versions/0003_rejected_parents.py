"""Whose a row is that could not be read.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rejected_rows", sa.Column("parent_id", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("rejected_rows", "parent_id")
