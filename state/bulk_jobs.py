"""Salesforce bulk jobs, written down before anything is sent, so that a crash finds them again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import Connection, Select, bindparam, insert, select, update

from state.instants import micros, moment
from state.tables.running import bulk_jobs

Ended = Literal["done", "failed", "abandoned"]


@dataclass(frozen=True)
class BulkJob:
    """`purpose` says what it was for ("pull:order_line", "push:Rebate_Standing__c"); `sf_job_id` is None until the
    org answered. `detail` is the caller's own: the query's window, the keys it carries."""

    pk: int
    purpose: str
    object: str
    operation: str
    sf_job_id: str | None
    state: str
    detail: Mapping[str, Any]
    run_pk: int | None
    created_at: datetime


def plan(
    tx: Connection,
    purpose: str,
    *,
    object: str,
    operation: str,
    now: datetime,
    run_pk: int | None = None,
    detail: Mapping[str, Any] | None = None,
) -> int:
    """Write down that a job is about to be created. Commit before calling the org."""
    statement = insert(bulk_jobs).values(
        purpose=purpose,
        object=object,
        operation=operation,
        run_pk=run_pk,
        state="open",
        detail=json.dumps(detail or {}, sort_keys=True),
        created_at=micros(now),
    )
    return int(tx.execute(statement.returning(bulk_jobs.c.pk)).scalar_one())


def created(tx: Connection, pk: int, sf_job_id: str) -> None:
    """The org gave the job an id. Commit before uploading or waiting."""
    tx.execute(update(bulk_jobs).where(bulk_jobs.c.pk == pk).values(sf_job_id=sf_job_id))


def end(tx: Connection, pk: int, how: Ended, *, now: datetime) -> None:
    tx.execute(update(bulk_jobs).where(bulk_jobs.c.pk == pk).values(state=how, finished_at=micros(now)))


def unfinished(tx: Connection, purpose: str | None = None, *, beginning: str | None = None) -> list[BulkJob]:
    """Jobs that were never ended, of one purpose or of those that begin so: with an id they can be resumed, without
    one nothing was sent."""
    named = {} if purpose is None else {"named": purpose}
    return [
        BulkJob(
            row.pk,
            row.purpose,
            row.object,
            row.operation,
            row.sf_job_id,
            row.state,
            json.loads(row.detail),
            row.run_pk,
            moment(row.created_at),
        )
        for row in tx.execute(_open(purpose is not None, beginning), named)
    ]


@lru_cache(maxsize=64)
def _open(named: bool, beginning: str | None) -> Select[Any]:
    """Asked for every stream of every run, with few beginnings: built once for each."""
    query = select(bulk_jobs).where(bulk_jobs.c.state == "open").order_by(bulk_jobs.c.pk)
    if named:
        query = query.where(bulk_jobs.c.purpose == bindparam("named"))
    if beginning is not None:
        query = query.where(bulk_jobs.c.purpose.startswith(beginning, autoescape=True))
    return query
