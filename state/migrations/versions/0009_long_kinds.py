"""The signature of a kind with long values becomes a digest: PostgreSQL's indexes take no long texts.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SIGNED_BYTES = 1_000  # as `state.keys` has it; written here as it was when this migration was made
ROWS_AT_ONCE = 5_000


def upgrade() -> None:
    for name in ("order_kinds", "line_kinds"):
        _shorten(sa.table(name, sa.column("pk", sa.BigInteger()), sa.column("signature", sa.Text())))


def _shorten(kinds: sa.TableClause) -> None:
    """One look at each row, and only the long ones are read and written: some at a time, memory does not grow with them."""
    connection = op.get_bind()
    size = (
        sa.func.octet_length(kinds.c.signature)
        if connection.dialect.name == "postgresql"
        else sa.func.length(sa.cast(kinds.c.signature, sa.LargeBinary()))
    )
    long = sa.select(kinds.c.pk, kinds.c.signature).where(size > SIGNED_BYTES).order_by(kinds.c.pk)
    move = (
        sa.update(kinds).where(kinds.c.pk == sa.bindparam("at_pk")).values(signature=sa.bindparam("signed"))
    )
    after = 0
    while rows := connection.execute(long.where(kinds.c.pk > after).limit(ROWS_AT_ONCE)).all():
        connection.execute(move, [{"at_pk": row.pk, "signed": _digest(row.signature)} for row in rows])
        after = rows[-1].pk


def _digest(signature: str) -> str:
    return f"sha256:{hashlib.sha256(signature.encode()).hexdigest()}"


def downgrade() -> None:
    """Digests stay: the version before writes a kind that it does not find a second time, which changes no answer."""
