"""Shards of one run that several processes take, who is there to take them, and the lane of each outbox row.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import zlib

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

LANES = 64  # as `state.outbox` has it; written here as it was when this migration was made
ROWS_AT_ONCE = 5_000


def upgrade() -> None:
    op.create_table(
        "workers",
        sa.Column("owner", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_workers")),
    )
    op.create_table(
        "shards",
        sa.Column("run_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leader_epoch", sa.BigInteger(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("given", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run_pk", "part", "number", name=op.f("pk_shards")),
    )
    op.add_column("outbox", sa.Column("lane", sa.BigInteger(), nullable=False, server_default="0"))
    _put_into_lanes()


def _put_into_lanes() -> None:
    """Rows that still wait; what is over needs no lane."""
    connection = op.get_bind()
    outbox = sa.table(
        "outbox",
        sa.column("pk", sa.BigInteger()),
        sa.column("account_id", sa.Text()),
        sa.column("ext_key", sa.Text()),
        sa.column("state", sa.Text()),
        sa.column("lane", sa.BigInteger()),
    )
    alive = sa.select(outbox.c.pk, outbox.c.account_id, outbox.c.ext_key).where(
        outbox.c.state.in_(("pending", "inflight", "quarantined"))
    )
    rows = [
        {"at_pk": row.pk, "to_lane": zlib.crc32((row.account_id or row.ext_key).encode()) % LANES}
        for row in connection.execute(alive)
    ]
    move = sa.update(outbox).where(outbox.c.pk == sa.bindparam("at_pk")).values(lane=sa.bindparam("to_lane"))
    for at in range(0, len(rows), ROWS_AT_ONCE):
        connection.execute(move, rows[at : at + ROWS_AT_ONCE])


def downgrade() -> None:
    op.drop_column("outbox", "lane")
    op.drop_table("shards")
    op.drop_table("workers")
