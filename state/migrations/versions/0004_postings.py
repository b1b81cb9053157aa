"""Closed periods and their postings, which nobody can change.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = ("postings", "closed_periods")


def upgrade() -> None:
    op.create_table(
        "closed_periods",
        sa.Column("period_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=False),
        sa.Column("run_pk", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("period_pk", name=op.f("pk_closed_periods")),
    )
    op.create_table(
        "postings",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("member_pk", sa.BigInteger(), nullable=False),
        sa.Column("period_pk", sa.BigInteger(), nullable=False),
        sa.Column("booked_pk", sa.BigInteger(), nullable=False),
        sa.Column("amount_e6", sa.BigInteger(), nullable=False),
        sa.Column("prior_period_e6", sa.BigInteger(), nullable=False),
        sa.Column("rate_e6", sa.BigInteger(), nullable=False),
        sa.Column("qualifier_e6", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=True),
        sa.Column("program_version", sa.BigInteger(), nullable=False),
        sa.Column("posted_at", sa.BigInteger(), nullable=False),
        sa.Column("run_pk", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_postings")),
    )
    op.create_index("ix_postings_member_pk_period_pk", "postings", ["member_pk", "period_pk"])
    op.create_index("ix_postings_member_pk_booked_pk", "postings", ["member_pk", "booked_pk"])
    op.create_index(
        "uq_postings_settled",
        "postings",
        ["member_pk", "period_pk"],
        unique=True,
        sqlite_where=sa.text("kind = 'settled'"),
        postgresql_where=sa.text("kind = 'settled'"),
    )
    _seal()


def _seal() -> None:
    """The database itself refuses to change or remove what was settled."""
    refuse = "postings are append-only"
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_posting_change() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{refuse}'; END $$"
        )
        for table in TABLES:
            op.execute(
                f"CREATE TRIGGER {table}_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION refuse_posting_change()"
            )
        return
    for table in TABLES:
        for deed in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_refuse_{deed.lower()} BEFORE {deed} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{refuse}'); END"
            )


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_posting_change()")
