"""Bulk API 2.0 upsert: one job per file, taken up from whatever state it is in, every row answered for.

A job cannot be rolled back and the org gives results in any order: rows are matched by their key, and as many
must come back as were sent. What the org did not get to is reported as UNPROCESSED, to be sent again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from connector import body, limits
from connector.bulk_jobs import BulkJobs, Job
from connector.collections import keys_of
from connector.errors import Ambiguous, Misconfigured, SyncError, Transient
from connector.port import Clock, Record, RowResult
from connector.replies import Call
from connector.retry import Safety
from connector.upload_csv import Upload, uploads

_CSV = {"Content-Type": "text/csv; charset=UTF-8"}
# A successful row as the three files have it: id, created, error.
_Outcome = tuple[str, RowResult]


class BulkIngest:
    """Upserts into one org."""

    def __init__(self, jobs: BulkJobs, *, clock: Clock, seconds: float) -> None:
        self._jobs = jobs
        self._clock = clock
        self._seconds = seconds

    def upsert(
        self,
        sobject: str,
        key_field: str,
        records: Sequence[Record],
        *,
        job_id: str | None = None,
        on_job: Callable[[str], None] | None = None,
        upload_bytes: int = limits.BULK_UPLOAD_BYTES,
    ) -> list[RowResult]:
        """One result per record, in the order given. `on_job` hears each id before its upload.

        `job_id` takes up a job that was made for exactly these records. Raises StillRunning (resume later),
        Ambiguous (results do not add up: the same upsert again is safe), JobGone (a new job is needed).
        """
        keys = keys_of(records, key_field, sobject)
        files = list(uploads(records, key_field, at_most=upload_bytes))
        if job_id is not None and len(files) != 1:
            raise Misconfigured(
                "JOB_FOR_MANY_FILES", sobject=sobject, detail="resume with the records of one job"
            )
        results: list[RowResult] = []
        for number, file in enumerate(files):
            own = keys[file.rows.start : file.rows.stop]
            try:
                results += self._one(sobject, key_field, own, file, job_id, on_job)
            except SyncError as error:
                if number == 0:
                    raise
                code = "OUTCOME_UNKNOWN" if isinstance(error, Ambiguous) else "UNPROCESSED"
                self._jobs.log.warning("bulk.stopped", object=sobject, done=len(results), error=str(error))
                results += [RowResult(key, False, code=code) for key in keys[len(results) :]]
                break
        return results

    def _one(
        self,
        sobject: str,
        key_field: str,
        keys: Sequence[str],
        file: Upload,
        job_id: str | None,
        on_job: Callable[[str], None] | None,
    ) -> list[RowResult]:
        if job_id is None:
            job = self._create(sobject, key_field)
            if on_job is not None:
                on_job(job.id)
        else:
            job = self._jobs.look(job_id, sobject)
        if job.state == "Open":
            self._upload(job, file, sobject, resumed=job_id is not None)
            job = self._jobs.set_state(job.id, "UploadComplete", sobject)
        if not job.has_ended:
            job = self._jobs.wait(job.id, sobject)
        results = self._results(job, key_field, keys, sobject)
        self._jobs.delete(job.id, sobject)
        return results

    def _create(self, sobject: str, key_field: str) -> Job:
        payload = {
            "object": sobject,
            "operation": "upsert",
            "externalIdFieldName": key_field,
            "contentType": "CSV",
            "columnDelimiter": "COMMA",
            "lineEnding": "LF",
        }
        try:
            return self._jobs.create(payload, sobject)
        except Misconfigured as refused:
            refused.detail = refused.detail or f"an upsert by {key_field} is not possible"
            raise

    def _upload(self, job: Job, file: Upload, sobject: str, *, resumed: bool) -> None:
        """Sends the file. A job takes one upload only, so after a lost answer (or in a resumed job) a refusal
        means that the first had arrived; the count of the results proves it in the end."""
        api = self._jobs.api
        path = f"{self._jobs.path}/{job.id}/batches"
        call = Call(self._jobs.kind, Safety.ONCE, sobject, expects="nothing", seconds=self._seconds)
        may_be_there = resumed
        for wait in (*self._jobs.first_waits(2), None):
            try:
                api._call_salesforce("PUT", api.base_url + path, call=call, data=file.content, headers=_CSV)
                return
            except (Ambiguous, Transient) as lost:
                if wait is None:
                    raise
                may_be_there = may_be_there or lost.sent
                self._jobs.log.warning("bulk.upload_again", job=job.id, object=sobject, error=str(lost))
                self._clock.sleep(wait)
            except Misconfigured as refused:
                if not may_be_there or refused.status not in {400, 409}:
                    raise
                self._jobs.log.warning(
                    "bulk.upload_was_there", job=job.id, object=sobject, error=str(refused)
                )
                return

    # --- jobs of runs that died ------------------------------------------------------------------------
    def recover(self, sobject: str, key_field: str, job_id: str) -> dict[str, RowResult] | None:
        """What became of the records of a job whose sender died: results by key in lower case, as many as there are.

        None: nothing was processed and nothing will be (a job that was not closed yet is aborted). A job that is being
        processed is waited for. The job is gone afterwards. Raises StillRunning (look again later), JobGone.
        """
        job = self._jobs.look(job_id, sobject)
        if job.state == "Open":
            self._jobs.set_state(job.id, "Aborted", sobject)
            self._jobs.delete(job.id, sobject)
            return None
        if not job.has_ended:
            job = self._jobs.wait(job.id, sobject)
        found: dict[str, RowResult] = {}
        for name, read in _FILES:
            for line in self._lines(job, name, sobject):
                key, result = read(line, _key_of(line, key_field, sobject))
                found[key.lower()] = result
        self._jobs.delete(job.id, sobject)
        return found

    def abort_open(self, sobject: str, *, user_id: str, since: datetime) -> int:
        """Aborts our user's upserts into an object that were created since then and never closed: nobody knows their
        ids, because whoever created them died before the answer came. Returns how many."""
        aborted, path = 0, f"{self._jobs.path}?jobType=V2Ingest"
        for job in self._jobs.listed(path):
            mine = (job.get("object"), job.get("operation"), job.get("state"), job.get("createdById"))
            if mine != (sobject, "upsert", "Open", user_id) or _instant(job.get("createdDate")) < since:
                continue
            self._jobs.set_state(str(job["id"]), "Aborted", sobject)
            self._jobs.delete(str(job["id"]), sobject)
            aborted += 1
        return aborted

    # --- results ---------------------------------------------------------------------------------------
    def _results(self, job: Job, key_field: str, keys: Sequence[str], sobject: str) -> list[RowResult]:
        done: dict[str, RowResult] = {}
        rows = 0
        for name, read in _FILES:
            if name == "failedResults" and job.state == "JobComplete" and rows == len(keys):
                break  # all succeeded: two calls saved
            for line in self._lines(job, name, sobject):
                key, result = read(line, _key_of(line, key_field, sobject))
                rows += 1
                done[key.lower()] = result
        missing = [key for key in keys if key.lower() not in done]
        if rows != len(keys) or missing:
            raise Ambiguous(
                "RESULTS_DO_NOT_ADD_UP",
                sobject=sobject,
                detail=f"job {job.id}: {rows} results for {len(keys)} records, {len(missing)} without one",
            )
        return [done[key.lower()] for key in keys]

    def _lines(self, job: Job, name: str, sobject: str) -> list[Mapping[str, str]]:
        """One result file, whole: it cannot be larger than what we uploaded and its ids. Cut: fetched again."""
        for attempt in range(3):
            response = self._jobs.fetch(f"{self._jobs.path}/{job.id}/{name}", sobject, seconds=self._seconds)
            stated = response.headers.get("Sforce-NumberOfRecords")
            try:
                deadline = self._clock.monotonic() + self._seconds
                content = body.read(
                    response, clock=self._clock, deadline=deadline, at_most=4 * limits.BULK_UPLOAD_BYTES
                )
                lines = _parse(content)
                if stated is not None and stated.isdecimal() and int(stated) != len(lines):
                    raise body.BodyCut("ROWS_CUT", sobject=sobject, detail=f"{len(lines)} of {stated} rows")
                return lines
            except body.BodyCut as cut:
                if attempt == 2:
                    raise
                self._jobs.log.warning("bulk.page_again", job=job.id, object=sobject, error=str(cut))
        raise AssertionError("unreachable: the third break is raised")


def _parse(content: bytes) -> list[Mapping[str, str]]:
    """Lines by column name. Raises BodyCut when a line has another number of cells than the header."""
    try:
        text = content.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise body.BodyCut("CSV_CUT", detail=type(error).__name__) from None
    rows = [row for row in rows if row]
    if not rows:
        return []
    header, lines = rows[0], rows[1:]
    if any(len(line) != len(header) for line in lines):
        raise body.BodyCut("CSV_CUT", detail="a line has too few cells")
    return [dict(zip(header, line, strict=True)) for line in lines]


def _key_of(line: Mapping[str, str], key_field: str, sobject: str) -> str:
    for name, value in line.items():
        if name.lower() == key_field.lower():
            return value
    raise Ambiguous(
        "RESULTS_WITHOUT_KEY", sobject=sobject, detail=f"the result files have no column {key_field}"
    )


def _succeeded(line: Mapping[str, str], key: str) -> _Outcome:
    created = line.get("sf__Created", "").lower() == "true"
    record_id = line.get("sf__Id")
    if not record_id:
        return key, RowResult(key, False, code="OUTCOME_UNKNOWN")
    return key, RowResult(key, True, record_id, created)


def _failed(line: Mapping[str, str], key: str) -> _Outcome:
    """`CODE:message:FieldA FieldB --`; the message may hold colons, so it is cut at both ends."""
    code, _, rest = line.get("sf__Error", "").partition(":")
    message, _, tail = rest.rpartition(":")
    fields = tuple(name for name in tail.removesuffix("--").split() if name)
    return key, RowResult(
        key, False, line.get("sf__Id") or None, False, code or "UNKNOWN", message or rest, fields
    )


def _unprocessed(line: Mapping[str, str], key: str) -> _Outcome:
    return key, RowResult(key, False, code="UNPROCESSED")


_FILES: tuple[tuple[str, Callable[[Mapping[str, str], str], _Outcome]], ...] = (
    ("successfulResults", _succeeded),
    ("failedResults", _failed),
    ("unprocessedrecords", _unprocessed),
)


def _instant(text: object) -> datetime:
    """`2026-11-24T15:00:00.000+0000`. Raises Ambiguous for anything else."""
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        raise Ambiguous("NOT_A_JOB", detail="a job in the list has no createdDate") from None
