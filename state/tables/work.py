"""Work in progress and its results: what is dirty, what counts where, standings, events, what the org knows."""

from __future__ import annotations

from sqlalchemy import Index, Text, UniqueConstraint
from sqlalchemy import text as sql

from state.tables.base import (
    CLUSTERED,
    Row,
    flag,
    int64,
    key_part,
    optional_int64,
    optional_words,
    surrogate,
    table,
    words,
)


class DirtyOrder(Row, table=True):
    """Orders whose contributions may be out of date; written by staging and rules, cleared by contributions."""

    __tablename__ = "dirty_orders"
    __table_args__ = CLUSTERED
    order_pk: int = key_part()


class DirtyAccount(Row, table=True):
    """Accounts whose membership may have changed; written by staging, cleared by rules."""

    __tablename__ = "dirty_accounts"
    __table_args__ = CLUSTERED
    account_pk: int = key_part()


class DirtyProduct(Row, table=True):
    """Products that may count elsewhere now; written by staging, cleared by rules."""

    __tablename__ = "dirty_products"
    __table_args__ = CLUSTERED
    product_pk: int = key_part()
    judged: bool = flag()  # false: no rule has seen it, so every order with it is dirty already


class DirtyKind(Row, table=True):
    """Kinds of order or line that the rules have not judged yet; written by staging, cleared by rules."""

    __tablename__ = "dirty_kinds"
    __table_args__ = CLUSTERED
    side: str = key_part(Text)  # order, line
    kind_pk: int = key_part()


class DirtyProgram(Row, table=True):
    """Programs to compute from scratch; written by rules, cleared by contributions."""

    __tablename__ = "dirty_programs"
    program_pk: int = key_part()


class DirtyCell(Row, table=True):
    """Standings to compute again; written by contributions and totals, cleared by standings."""

    __tablename__ = "dirty_cells"
    __table_args__ = CLUSTERED
    member_pk: int = key_part()
    period_pk: int = key_part()


class Contribution(Row, table=True):
    """What one order adds to one total: the trace behind every number; contributions writes, explain reads."""

    __tablename__ = "contributions"
    __table_args__ = CLUSTERED
    order_pk: int = key_part()
    bucket_pk: int = key_part()
    member_pk: int = key_part()
    period_pk: int = key_part()
    conversion_pk: int = key_part()
    amount_e6: int = int64()
    quantity_e6: int = int64()
    lines: int = int64()


class Total(Row, table=True):
    """The sum of the contributions of a cell, kept by signed difference; read to compute its standing."""

    __tablename__ = "totals"
    __table_args__ = CLUSTERED
    member_pk: int = key_part()
    period_pk: int = key_part()
    bucket_pk: int = key_part()
    conversion_pk: int = key_part()
    amount_e6: int = int64()
    quantity_e6: int = int64()
    lines: int = int64()


class Standing(Row, table=True):
    """The current standing of a member in a period; standings writes, plan, status and explain read."""

    __tablename__ = "standings"
    member_pk: int = key_part()
    period_pk: int = key_part()
    program_pk: int = int64(index=True)
    program_version: int = int64()
    revision: int = int64()
    qualifier_e6: int = int64()
    rebate_e6: int = int64()
    tier: str | None = optional_words()
    next_tier: str | None = optional_words()
    to_next_e6: int | None = optional_int64()
    document: str = words()  # canonical JSON of the whole standing, with its steps
    content_hash: str = words()
    changed_at: int = int64()
    run_pk: int | None = optional_int64(index=True)


class StandingHistory(Row, table=True):
    """What a standing was after each run that changed it; standings appends, why-changed reads."""

    __tablename__ = "standing_history"
    member_pk: int = key_part()
    period_pk: int = key_part()
    revision: int = key_part()
    program_version: int = int64()
    qualifier_e6: int = int64()
    rebate_e6: int = int64()
    tier: str | None = optional_words()
    changed_at: int = int64()
    run_pk: int | None = optional_int64()


class ClosedPeriod(Row, table=True):
    """Periods that are closed for good; postings writes them once, with what was settled then."""

    __tablename__ = "closed_periods"
    period_pk: int = key_part()
    closed_at: int = int64()
    run_pk: int | None = optional_int64()


class Posting(Row, table=True):
    """What was settled for a closed period, and each later correction; appended by postings, never changed.

    `period_pk` is what it is about, `booked_pk` the period it is booked in. The amounts of one member and
    period add up to what they are worth now.
    """

    __tablename__ = "postings"
    __table_args__ = (
        Index("ix_postings_member_pk_period_pk", "member_pk", "period_pk"),
        Index("ix_postings_member_pk_booked_pk", "member_pk", "booked_pk"),
        Index(
            "uq_postings_settled",
            "member_pk",
            "period_pk",
            unique=True,
            sqlite_where=sql("kind = 'settled'"),
            postgresql_where=sql("kind = 'settled'"),
        ),
    )
    pk: int | None = surrogate()
    kind: str = words()  # settled, adjustment
    member_pk: int = int64()
    period_pk: int = int64()
    booked_pk: int = int64()
    amount_e6: int = int64()
    prior_period_e6: int = int64()
    rate_e6: int = int64()
    qualifier_e6: int = int64()
    tier: str | None = optional_words()
    program_version: int = int64()
    posted_at: int = int64()
    run_pk: int | None = optional_int64(index=True)


class Event(Row, table=True):
    """A tier reached, lost, or near; events writes it once for ever (`identity`), alerts reads it."""

    __tablename__ = "events"
    pk: int | None = surrogate()
    identity: str = words(unique=True)
    kind: str = words()
    member_pk: int = int64(index=True)
    period_pk: int = int64()
    tier: str | None = optional_words()
    document: str = words()
    occurred_at: int = int64()
    run_pk: int | None = optional_int64()


class OutboxRow(Row, table=True):
    """What the org should be told; jobs enqueue in the transaction of the standings, push claims and acknowledges.

    kind `state`: only the newest of a key matters. kind `event`: created once, never replaced.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("object", "ext_key", "seq"),
        Index(
            "uq_outbox_event_key",
            "object",
            "ext_key",
            unique=True,
            sqlite_where=sql("kind = 'event'"),
            postgresql_where=sql("kind = 'event'"),
        ),
        Index("ix_outbox_state_retry_at", "state", "retry_at", "pk"),
    )
    pk: int | None = surrogate()
    kind: str = words()
    object: str = words()
    ext_key: str = words()
    account_id: str | None = (
        optional_words()
    )  # rows of one account go together, so that its lock is taken once
    lane: int = int64(default=0)  # of the account: rows of one account are never sent by two workers at once
    seq: int = int64()
    payload: str = words()
    payload_hash: str = words()
    state: str = words()  # pending, inflight, done, superseded, quarantined
    attempts: int = int64(default=0)
    retry_at: int = int64()  # not before
    owner: str | None = optional_words()
    epoch: int | None = optional_int64()
    claimed_until: int | None = optional_int64()
    sf_id: str | None = optional_words()
    stuck: str | None = optional_words()
    code: str | None = optional_words()
    message: str | None = optional_words()
    enqueued_at: int = int64()
    finished_at: int | None = optional_int64()


class Acknowledged(Row, table=True):
    """What the org last confirmed under a key; outbox writes it with the acknowledgement, plan compares with it."""

    __tablename__ = "acknowledged"
    object: str = key_part(Text)
    ext_key: str = key_part(Text)
    seq: int = int64()
    payload_hash: str = words()
    sf_id: str | None = optional_words()
    seen_at: int = int64()


class Task(Row, table=True):
    """A task that we made in the org and look after; alerts writes and closes it."""

    __tablename__ = "tasks"
    key: str = key_part(Text)
    sf_id: str | None = optional_words()
    kind: str = words()
    member_pk: int = int64(index=True)
    period_pk: int = int64()
    state: str = words()  # open, closed (by us), dismissed (by a person)
    owner_id: str | None = optional_words()
    document: str = words()
    opened_at: int = int64()
    closed_at: int | None = optional_int64()


dirty_orders = table(DirtyOrder)
dirty_accounts = table(DirtyAccount)
dirty_products = table(DirtyProduct)
dirty_kinds = table(DirtyKind)
dirty_programs = table(DirtyProgram)
dirty_cells = table(DirtyCell)
contributions = table(Contribution)
totals = table(Total)
standings = table(Standing)
standing_history = table(StandingHistory)
closed_periods = table(ClosedPeriod)
postings = table(Posting)
events = table(Event)
outbox = table(OutboxRow)
acknowledged = table(Acknowledged)
tasks = table(Task)
