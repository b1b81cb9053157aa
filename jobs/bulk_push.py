"""Writes by Bulk API: each job is written down with the rows it carries, and taken up again when its sender died.

    planned ── id heard ── uploaded ── closed ── processed ── results read ── rows settled ── done
       └ aborted, sent again by key ┘          └ waited for, its results settle the rows ┘

A job whose results were read and whose rows were not settled is gone from the org: its rows are sent again by key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any

import structlog

from connector import errors, upload_csv
from connector.port import RowResult
from jobs.running import Running
from mappings.model import PushTarget
from state import bulk_jobs, outbox, outcomes
from state.bulk_jobs import BulkJob
from state.outbox import Row

log = structlog.get_logger()

TAKEN_FOR = timedelta(minutes=10)
CLOCKS_DIFFER = timedelta(minutes=5)  # between the org and us, at most
Settle = Callable[[str, Sequence[Row], Sequence[RowResult]], None]


def goes_in_jobs(target: PushTarget) -> bool:
    """Whether many of its records may go as one Bulk job: upserts by a key of ours. All else goes call by call, and a
    claim must not be longer than a call or so: a lease, a quota or a stop may end in between."""
    return target.match not in (None, "Id") and target.name not in ("task", "payout")


def send(
    run: Running,
    target: PushTarget,
    rows: Sequence[Row],
    records: Sequence[dict[str, Any]],
    lanes: Collection[int] | None,
) -> list[RowResult]:
    """One upsert by bulk job. A person finds it in Setup > Bulk Data Load Jobs.

    One file has one header, and a word for empty: the few records that leave a field out, or mean that word, go beside it.
    """
    assert target.match is not None
    usual, _ = Counter(frozenset(record) for record in records).most_common(1)[0]
    alike = [record.keys() == usual and upload_csv.carries(record) for record in records]
    other = [record for record, same in zip(records, alike, strict=True) if not same]
    beside = iter(run.app.org.upsert(target.object, target.match, other) if other else ())
    in_file = [at for at, same in enumerate(alike) if same]
    if not in_file:
        return list(beside)
    sent = iter(_send(run, target, [rows[at] for at in in_file], [records[at] for at in in_file], lanes))
    return [next(sent if same else beside) for same in alike]


def _send(
    run: Running,
    target: PushTarget,
    rows: Sequence[Row],
    records: Sequence[dict[str, Any]],
    lanes: Collection[int] | None,
) -> list[RowResult]:
    app = run.app
    assert target.match is not None
    with app.store.transaction() as tx:
        job = bulk_jobs.plan(
            tx, _purpose(target.object, lanes), object=target.object, operation="upsert", now=app.clock.now(),
            run_pk=run.pk,
            detail={"rows": [row.pk for row in rows], "seqs": [row.seq for row in rows], "match": target.match},
        )  # fmt: skip

    def remember(job_id: str) -> None:
        with app.store.transaction() as tx:
            bulk_jobs.created(tx, job, job_id)

    results = app.org.bulk_upsert(target.object, target.match, records, on_job=remember)
    with app.store.transaction() as tx:
        bulk_jobs.end(tx, job, "done", now=app.clock.now())
    return results


def take_up(run: Running, settle: Settle, lanes: Collection[int] | None = None) -> None:
    """Jobs of senders that died or stopped waiting: those of these lanes, or all (nobody else is at work yet)."""
    with run.app.store.read() as tx:
        found = bulk_jobs.unfinished(tx, beginning="push:")
    for job in found:
        # Open jobs of unknown id are looked for only while no other process of ours can have one.
        if lanes is not None and (job.purpose != _purpose(job.object, lanes) or job.sf_job_id is None):
            continue
        try:
            _take_up(run, settle, job)
        except (
            errors.Transient,
            errors.Ambiguous,
            errors.Misconfigured,
        ) as error:  # the next run looks again
            log.warning("bulk.not_taken_up", job=job.sf_job_id, object=job.object, code=error.code)


def _take_up(run: Running, settle: Settle, job: BulkJob) -> None:
    app = run.app
    results: dict[str, RowResult] | None = None
    if job.sf_job_id is None or "match" not in job.detail:
        aborted = app.org.abort_open_jobs(job.object, since=job.created_at - CLOCKS_DIFFER)
        log.warning("bulk.aborted", object=job.object, jobs=aborted)
    else:
        try:
            results = app.org.recover_job(job.object, job.detail["match"], job.sf_job_id)
        except errors.WindowLost as gone:  # too old, or its results were read by whoever died
            log.warning("bulk.gone", job=job.sf_job_id, object=job.object, code=gone.code)
    now = app.clock.now()
    with app.store.transaction() as tx:
        rows = outbox.take_over(
            tx, job.detail.get("rows", ()), owner=app.owner, epoch=run.lease.epoch,
            until=app.lease_time(tx) + TAKEN_FOR,
        )  # fmt: skip
        if results is None:
            outcomes.retry_all(tx, [(row, now) for row in rows], code=None)
            bulk_jobs.end(tx, job.pk, "abandoned", now=now)
    if results is None:
        return
    log.info("bulk.taken_up", job=job.sf_job_id, object=job.object, rows=len(rows), results=len(results))
    # What has another number since (the store was restored) was not sent as it is now, whatever the job says of its key.
    sent = dict(zip(job.detail.get("rows", ()), job.detail.get("seqs", ()), strict=False))
    was_sent = [
        row.ext_key.lower() in results and (row.kind == "event" or sent.get(row.pk, row.seq) == row.seq)
        for row in rows
    ]
    unsent = [row for row, yes in zip(rows, was_sent, strict=True) if not yes]
    answered = [row for row, yes in zip(rows, was_sent, strict=True) if yes]
    settle(job.object, answered, [results[row.ext_key.lower()] for row in answered])
    with app.store.transaction() as tx:
        outcomes.retry_all(tx, [(row, now) for row in unsent], code=None)
        bulk_jobs.end(tx, job.pk, "done", now=now)


def _purpose(object_name: str, lanes: Collection[int] | None) -> str:
    return f"push:{object_name}" + (f":{min(lanes)}" if lanes else "")
