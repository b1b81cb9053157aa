"""The first schema: facts, rules, work and runs.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sf_id", sa.Text(), nullable=False),
        sa.Column("known", sa.Boolean(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("parent_pk", sa.BigInteger(), nullable=True),
        sa.Column("owner_id", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("master_pk", sa.BigInteger(), nullable=True),
        sa.Column("attributes", sa.Text(), nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("modstamp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_accounts")),
        sa.UniqueConstraint("sf_id", name=op.f("uq_accounts_sf_id")),
    )
    op.create_index(op.f("ix_accounts_parent_pk"), "accounts", ["parent_pk"], unique=False)
    op.create_table(
        "acknowledged",
        sa.Column("object", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("ext_key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("payload_hash", sa.Text(), nullable=False),
        sa.Column("sf_id", sa.Text(), nullable=True),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("object", "ext_key", name=op.f("pk_acknowledged")),
    )
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("prev_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_table(
        "bucket_line_kinds",
        sa.Column("bucket_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("bucket_pk", "kind_pk", name=op.f("pk_bucket_line_kinds")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "bucket_order_kinds",
        sa.Column("bucket_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("start_day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("end_day", sa.Integer(), nullable=False),
        sa.Column("start_at", sa.BigInteger(), nullable=False),
        sa.Column("end_at", sa.BigInteger(), nullable=False),
        sa.Column("conversion_pk", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("bucket_pk", "kind_pk", "start_day", name=op.f("pk_bucket_order_kinds")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "bucket_products",
        sa.Column("bucket_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("product_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("bucket_pk", "product_pk", name=op.f("pk_bucket_products")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "buckets",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_pk", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_buckets")),
        sa.UniqueConstraint("program_pk", "name", name=op.f("uq_buckets_program_pk_name")),
    )
    op.create_table(
        "bulk_jobs",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("run_pk", sa.BigInteger(), nullable=True),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("sf_job_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_bulk_jobs")),
    )
    op.create_index(op.f("ix_bulk_jobs_purpose"), "bulk_jobs", ["purpose"], unique=False)
    op.create_table(
        "contributions",
        sa.Column("order_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bucket_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("period_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("conversion_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("amount_e6", sa.BigInteger(), nullable=False),
        sa.Column("quantity_e6", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "order_pk", "bucket_pk", "member_pk", "period_pk", "conversion_pk", name=op.f("pk_contributions")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "conversions",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_pk", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("from_day", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_conversions")),
        sa.UniqueConstraint(
            "program_pk", "currency", "from_day", name=op.f("uq_conversions_program_pk_currency_from_day")
        ),
    )
    op.create_table(
        "currency_rates",
        sa.Column("currency", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("starts_on", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rate", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("modstamp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("currency", "starts_on", name=op.f("pk_currency_rates")),
    )
    op.create_table(
        "dirty_accounts",
        sa.Column("account_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("account_pk", name=op.f("pk_dirty_accounts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dirty_cells",
        sa.Column("member_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("period_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("member_pk", "period_pk", name=op.f("pk_dirty_cells")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dirty_kinds",
        sa.Column("side", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("kind_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("side", "kind_pk", name=op.f("pk_dirty_kinds")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dirty_orders",
        sa.Column("order_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("order_pk", name=op.f("pk_dirty_orders")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dirty_products",
        sa.Column("product_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("judged", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("product_pk", name=op.f("pk_dirty_products")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dirty_programs",
        sa.Column("program_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("program_pk", name=op.f("pk_dirty_programs")),
    )
    op.create_table(
        "events",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("member_pk", sa.BigInteger(), nullable=False),
        sa.Column("period_pk", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("run_pk", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_events")),
        sa.UniqueConstraint("identity", name=op.f("uq_events_identity")),
    )
    op.create_index(op.f("ix_events_member_pk"), "events", ["member_pk"], unique=False)
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "line_kinds",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_line_kinds")),
        sa.UniqueConstraint("signature", name=op.f("uq_line_kinds_signature")),
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
    )
    op.create_table(
        "order_kinds",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("attributes", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_order_kinds")),
        sa.UniqueConstraint("signature", name=op.f("uq_order_kinds_signature")),
    )
    op.create_table(
        "order_lines",
        sa.Column("order_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sf_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("product_pk", sa.BigInteger(), nullable=False),
        sa.Column("kind_pk", sa.BigInteger(), nullable=False),
        sa.Column("quantity_e6", sa.BigInteger(), nullable=False),
        sa.Column("amount_e6", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("modstamp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("order_pk", "sf_id", name=op.f("pk_order_lines")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "orders",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sf_id", sa.Text(), nullable=False),
        sa.Column("known", sa.Boolean(), nullable=False),
        sa.Column("account_pk", sa.BigInteger(), nullable=False),
        sa.Column("kind_pk", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("ordered_on", sa.Integer(), nullable=True),
        sa.Column("ordered_at", sa.BigInteger(), nullable=True),
        sa.Column("original_order_id", sa.Text(), nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("modstamp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_orders")),
        sa.UniqueConstraint("sf_id", name=op.f("uq_orders_sf_id")),
    )
    op.create_index(op.f("ix_orders_account_pk"), "orders", ["account_pk"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("ext_key", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("payload_hash", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("retry_at", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
        sa.Column("claimed_until", sa.BigInteger(), nullable=True),
        sa.Column("sf_id", sa.Text(), nullable=True),
        sa.Column("stuck", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("enqueued_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_outbox")),
        sa.UniqueConstraint("object", "ext_key", "seq", name=op.f("uq_outbox_object_ext_key_seq")),
    )
    op.create_index("ix_outbox_state_retry_at", "outbox", ["state", "retry_at", "pk"], unique=False)
    op.create_index(
        "uq_outbox_event_key",
        "outbox",
        ["object", "ext_key"],
        unique=True,
        sqlite_where=sa.text("kind = 'event'"),
        postgresql_where=sa.text("kind = 'event'"),
    )
    op.create_table(
        "periods",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("program_pk", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("start_day", sa.Integer(), nullable=False),
        sa.Column("end_day", sa.Integer(), nullable=False),
        sa.Column("start_at", sa.BigInteger(), nullable=False),
        sa.Column("end_at", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_periods")),
        sa.UniqueConstraint(
            "program_pk", "start_day", "end_day", name=op.f("uq_periods_program_pk_start_day_end_day")
        ),
    )
    op.create_table(
        "products",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sf_id", sa.Text(), nullable=False),
        sa.Column("known", sa.Boolean(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("family", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=True),
        sa.Column("attributes", sa.Text(), nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("modstamp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_products")),
        sa.UniqueConstraint("sf_id", name=op.f("uq_products_sf_id")),
    )
    op.create_table(
        "program_members",
        sa.Column("account_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bucket_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("start_day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("end_day", sa.Integer(), nullable=False),
        sa.Column("start_at", sa.BigInteger(), nullable=False),
        sa.Column("end_at", sa.BigInteger(), nullable=False),
        sa.Column("program_pk", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "account_pk", "bucket_pk", "member_pk", "start_day", name=op.f("pk_program_members")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_program_members_member_pk"), "program_members", ["member_pk"], unique=False)
    op.create_table(
        "program_versions",
        sa.Column("program_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("installed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("program_pk", "version", name=op.f("pk_program_versions")),
    )
    op.create_table(
        "programs",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_programs")),
        sa.UniqueConstraint("key", name=op.f("uq_programs_key")),
    )
    op.create_table(
        "rejected_rows",
        sa.Column("entity", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("sf_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("field", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("run_pk", sa.BigInteger(), nullable=True),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entity", "sf_id", "field", name=op.f("pk_rejected_rows")),
    )
    op.create_table(
        "runs",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("slot_utc", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_runs")),
        sa.UniqueConstraint("job", "slot_utc", name=op.f("uq_runs_job_slot_utc")),
    )
    op.create_table(
        "staged_pages",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run_pk", sa.BigInteger(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_staged_pages")),
    )
    op.create_index(op.f("ix_staged_pages_run_pk"), "staged_pages", ["run_pk"], unique=False)
    op.create_table(
        "standing_history",
        sa.Column("member_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("period_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("program_version", sa.BigInteger(), nullable=False),
        sa.Column("qualifier_e6", sa.BigInteger(), nullable=False),
        sa.Column("rebate_e6", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=True),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("run_pk", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("member_pk", "period_pk", "revision", name=op.f("pk_standing_history")),
    )
    op.create_table(
        "standings",
        sa.Column("member_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("period_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("program_pk", sa.BigInteger(), nullable=False),
        sa.Column("program_version", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("qualifier_e6", sa.BigInteger(), nullable=False),
        sa.Column("rebate_e6", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=True),
        sa.Column("next_tier", sa.Text(), nullable=True),
        sa.Column("to_next_e6", sa.BigInteger(), nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("run_pk", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("member_pk", "period_pk", name=op.f("pk_standings")),
    )
    op.create_index(op.f("ix_standings_program_pk"), "standings", ["program_pk"], unique=False)
    op.create_table(
        "tasks",
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("sf_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("member_pk", sa.BigInteger(), nullable=False),
        sa.Column("period_pk", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_tasks")),
    )
    op.create_index(op.f("ix_tasks_member_pk"), "tasks", ["member_pk"], unique=False)
    op.create_table(
        "totals",
        sa.Column("member_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("period_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bucket_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("conversion_pk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("amount_e6", sa.BigInteger(), nullable=False),
        sa.Column("quantity_e6", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "member_pk", "period_pk", "bucket_pk", "conversion_pk", name=op.f("pk_totals")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "users",
        sa.Column("sf_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("modstamp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sf_id", name=op.f("pk_users")),
    )
    op.create_table(
        "watermarks",
        sa.Column("stream", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("floor", sa.BigInteger(), nullable=False),
        sa.Column("ceiling", sa.BigInteger(), nullable=False),
        sa.Column("run_pk", sa.BigInteger(), nullable=True),
        sa.Column("moved_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk_watermarks")),
    )

    # The product of lines without one (NO_PRODUCT), and the store's own counters.
    op.execute("INSERT INTO products (pk, sf_id, known, deleted, modstamp) VALUES (0, '', true, false, 0)")
    op.execute("INSERT INTO meta (key, value) VALUES ('epoch', '1'), ('next_seq', '1')")
    _seal_audit()


def _seal_audit() -> None:
    """The database itself refuses to change or remove a row of the audit trail."""
    refuse = "the audit trail is append-only"
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{refuse}'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
        )
        return
    for deed in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_refuses_{deed.lower()} BEFORE {deed} ON audit "
            f"BEGIN SELECT RAISE(ABORT, '{refuse}'); END"
        )


def downgrade() -> None:
    op.drop_table("watermarks")
    op.drop_table("users")
    op.drop_table("totals")
    op.drop_table("tasks")
    op.drop_table("standings")
    op.drop_table("standing_history")
    op.drop_table("staged_pages")
    op.drop_table("runs")
    op.drop_table("rejected_rows")
    op.drop_table("programs")
    op.drop_table("program_versions")
    op.drop_table("program_members")
    op.drop_table("products")
    op.drop_table("periods")
    op.drop_table("outbox")
    op.drop_table("orders")
    op.drop_table("order_lines")
    op.drop_table("order_kinds")
    op.drop_table("meta")
    op.drop_table("line_kinds")
    op.drop_table("leases")
    op.drop_table("events")
    op.drop_table("dirty_programs")
    op.drop_table("dirty_products")
    op.drop_table("dirty_orders")
    op.drop_table("dirty_kinds")
    op.drop_table("dirty_cells")
    op.drop_table("dirty_accounts")
    op.drop_table("currency_rates")
    op.drop_table("conversions")
    op.drop_table("contributions")
    op.drop_table("bulk_jobs")
    op.drop_table("buckets")
    op.drop_table("bucket_products")
    op.drop_table("bucket_order_kinds")
    op.drop_table("bucket_line_kinds")
    op.drop_table("audit")
    op.drop_table("acknowledged")
    op.drop_table("accounts")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_audit_change()")
