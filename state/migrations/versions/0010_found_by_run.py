"""What a run changed is found by the run: a tidy asks it of every old run, and several processes at work of theirs.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("standings", "postings"):
        op.create_index(op.f(f"ix_{table}_run_pk"), table, ["run_pk"])


def downgrade() -> None:
    for table in ("standings", "postings"):
        op.drop_index(op.f(f"ix_{table}_run_pk"), table)
