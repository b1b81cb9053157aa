"""How the work runs: staged pages, watermarks, runs, leases, workers and their shards, bulk jobs, rejected rows, audit, changed parts, meta."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, Text, UniqueConstraint
from sqlmodel import Field

from state.tables.base import Row, int64, key_part, optional_int64, optional_words, surrogate, table, words


class StagedPage(Row, table=True):
    """One pulled page as a compressed Arrow stream, waiting to be applied; staging writes, applies and removes it."""

    __tablename__ = "staged_pages"
    pk: int | None = surrogate()
    run_pk: int = int64(index=True)
    entity: str = words()
    rows: int = int64()
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Watermark(Row, table=True):
    """How far a stream has been read; moves only in the transaction that saves its rows."""

    __tablename__ = "watermarks"
    stream: str = key_part(Text)
    floor: int = int64()
    ceiling: int = int64()
    run_pk: int | None = optional_int64()
    moved_at: int = int64()


class Run(Row, table=True):
    """One execution of one job for one slot; at most one row a slot, whoever starts it."""

    __tablename__ = "runs"
    __table_args__ = (UniqueConstraint("job", "slot_utc"),)
    pk: int | None = surrogate()
    job: str = words()
    slot_utc: int = int64()
    owner: str = words()
    epoch: int = int64()
    started_at: int = int64()
    heartbeat_at: int = int64()
    finished_at: int | None = optional_int64()
    outcome: str | None = optional_words()
    counts: str = words()
    error: str | None = optional_words()


class Lease(Row, table=True):
    """Who may do a named piece of work, until when; the epoch grows with every new holder."""

    __tablename__ = "leases"
    name: str = key_part(Text)
    owner: str | None = optional_words()
    epoch: int = int64()
    expires_at: int = int64()


class Worker(Row, table=True):
    """Processes that are there to help a run; each writes its own row while it waits, the leader reads them."""

    __tablename__ = "workers"
    owner: str = key_part(Text)
    rules: str = words()  # fingerprint of programs, mapping and settings: only equal ones work together
    seen_at: int = int64()


class Shard(Row, table=True):
    """A share of one run's work: the leader cuts it, whoever claims it does it; `epoch` grows with every claim."""

    __tablename__ = "shards"
    run_pk: int = key_part()
    part: str = key_part(Text)  # compute, push
    number: int = key_part()
    leader_epoch: int = int64()  # of the org's lease: shards die with it
    rules: str = words()
    given: str = words()  # JSON of the leader: what the share is
    state: str = words()  # open, ready, go, done
    owner: str | None = optional_words()
    epoch: int = int64()
    expires_at: int = int64()
    told: str = words()  # JSON of the worker: what came of it
    calls: int = int64()  # API calls that it cost, of all who worked on it


class BulkJob(Row, table=True):
    """A Salesforce bulk job, written down before anything is uploaded, so that a crash finds it again."""

    __tablename__ = "bulk_jobs"
    pk: int | None = surrogate()
    purpose: str = words(index=True)
    run_pk: int | None = optional_int64()
    object: str = words()
    operation: str = words()
    sf_job_id: str | None = optional_words()
    state: str = words()  # open, done, failed, abandoned
    detail: str = words()
    created_at: int = int64()
    finished_at: int | None = optional_int64()


class RejectedRow(Row, table=True):
    """A row that could not be read, with its reason; set aside by pull, cleared when the record is applied later."""

    __tablename__ = "rejected_rows"
    entity: str = key_part(Text)
    sf_id: str = key_part(Text)
    field: str = key_part(Text)
    reason: str = words()
    run_pk: int | None = optional_int64()
    first_seen_at: int = int64()
    last_seen_at: int = int64()
    parent_id: str | None = optional_words()  # a line's order, an order's account, an account's parent


class AuditRow(Row, table=True):
    """Who did what, in a chain of hashes; everything that changes money or takes over work appends to it."""

    __tablename__ = "audit"
    seq: int = key_part()
    at: int = int64()
    actor: str = words()
    action: str = words()
    object: str = words()
    detail: str = words()
    prev_hash: str = words()
    hash: str = words()


class FactPart(Row, table=True):
    """How often the orders and lines of one stretch of order numbers changed; written by dirty, read by snapshots."""

    __tablename__ = "fact_parts"
    part: int = key_part()  # -1: all of them
    changes: int = int64()


class Meta(Row, table=True):
    """The few facts about the store itself: org id, epoch, next sequence number."""

    __tablename__ = "meta"
    key: str = key_part(Text)
    value: str = words()


staged_pages = table(StagedPage)
watermarks = table(Watermark)
runs = table(Run)
leases = table(Lease)
workers = table(Worker)
shards = table(Shard)
bulk_jobs = table(BulkJob)
rejected_rows = table(RejectedRow)
audit = table(AuditRow)
fact_parts = table(FactPart)
meta = table(Meta)
