"""Bulk API 2.0 ingest jobs: `/jobs/ingest…`.

A job runs in slices, one when the upload is complete and one at every look at it, so no request takes long and a
client sees InProgress on large jobs. Records go in by 200 (the trigger chunk), each on its own feet; there is no roll
back of a job. Source: Bulk API 2.0 and Bulk API Developer Guide, "Ingest". Assumed: codes of refusals that the guide
does not give.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from itertools import islice
from typing import TYPE_CHECKING, Any

from emulator import bulk_rows, jsontext
from emulator.bulk_csv import BadFile, Reader, Row, written
from emulator.bulk_jobs import (
    DELIMITERS,
    ENDINGS,
    TERMINAL,
    Job,
    Jobs,
    bad_job,
    body_of,
    listed,
    text_format,
    wrong_state,
)
from emulator.errors import ApiError
from emulator.router import Request, Response, json_response, route
from emulator.scratch import Scratch
from emulator.validation import is_key

if TYPE_CHECKING:
    from emulator.org import Org

OPERATIONS = {each.lower(): each for each in ("insert", "update", "upsert", "delete", "hardDelete")}
MAX_UPLOAD = 100_000_000
MAX_MULTIPART = 100_000
CHUNK = 200
INTERNAL_BATCH = 10_000


@dataclass
class IngestJob(Job):
    external_id: str | None = None
    assignment_rule: str | None = None
    failed: int = 0
    upload: bytes | None = None
    header: tuple[str, ...] = ()
    rows: Iterator[Row] | None = None
    successful_rows: Scratch = field(default_factory=Scratch)
    failed_rows: Scratch = field(default_factory=Scratch)
    unprocessed_rows: Scratch = field(default_factory=Scratch)

    def brief(self) -> dict[str, Any]:
        out = self.common()
        if self.external_id is not None:
            out["externalIdFieldName"] = self.external_id
        if self.assignment_rule is not None:
            out["assignmentRuleId"] = self.assignment_rule
        if self.state == "Open":
            out["contentUrl"] = f"services/data/v{self.version}/jobs/ingest/{self.id}/batches"
        return out

    def info(self) -> dict[str, Any]:
        out = self.brief() | {
            "jobType": self.job_type,
            "retries": self.retries,
            "totalProcessingTime": self.milliseconds,
            "apiActiveProcessingTime": self.milliseconds,
            "apexProcessingTime": 0,
            "numberRecordsProcessed": self.processed,
            "numberRecordsFailed": self.failed,
        }
        if self.error is not None:
            out["errorMessage"] = self.error
        return out

    def line(self, values: tuple[str, ...]) -> bytes:
        return written(values, DELIMITERS[self.delimiter], ENDINGS[self.ending]).encode()


def jobs_of(org: Org) -> Jobs[IngestJob]:
    made: Jobs[IngestJob] = org.extensions.setdefault("bulk_ingest", Jobs())
    return made


# -- making ------------------------------------------------------------------------------------------------


@route("POST", "/services/data/{version}/jobs/ingest")
def create(org: Org, request: Request) -> Response:
    content: bytes | None = None
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        body, content = _multipart(request)
    else:
        body = body_of(request)
    with jobs_of(org).lock:
        job = _made(org, request, body)
        jobs_of(org)[job.id] = job
        if content is not None:
            job.upload = content
            job.move(org, "UploadComplete")
        reply = job.brief() | {"jobType": job.job_type}
        if content is not None:
            advance(org, job, looked=False)
    return json_response(reply)


def _made(org: Org, request: Request, body: dict[str, Any]) -> IngestJob:
    asked = str(body.get("operation") or "")
    operation = OPERATIONS.get(asked.lower())
    if operation is None:
        raise bad_job(f"Operation : {asked} is not one of {', '.join(OPERATIONS.values())}")
    sobject = org.schema.sobject(str(body.get("object") or ""))
    if sobject is None or not org.access.allows(request.user_id, sobject, "read"):
        raise bad_job(
            f"InvalidEntity : Entity '{body.get('object')}' is not supported by the Bulk API", "INVALIDENTITY"
        )
    delimiter, ending = text_format(body)
    key = body.get("externalIdFieldName")
    if operation == "upsert":
        known = sobject.field(str(key)) if key else None
        if not key:
            raise bad_job(
                f"External ID was blank for {sobject.name}. An External ID must be specified for upsert."
            )
        if known is None or not is_key(known) or not org.access.readable(request.user_id, sobject, known):
            raise bad_job(f"Field name provided, {key} does not match an External ID for {sobject.name}")
        key = known.name
    return IngestJob(
        jobs_of(org).new_id(org), operation, sobject.name, request.user_id, org.now_ms(), request.version, delimiter,
        ending, "Open", job_type="V2Ingest", external_id=key if operation == "upsert" else None,
        assignment_rule=body.get("assignmentRuleId"),
    )  # fmt: skip


def _multipart(request: Request) -> tuple[dict[str, Any], bytes]:
    """The parts `job` (JSON) and `content` (CSV) of a form."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    parts: dict[str, bytes] = {}
    for part in message_from_bytes(head + request.body).walk():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            parts[name] = payload
    if "job" not in parts or "content" not in parts:
        raise bad_job("A multipart request needs the parts job and content")
    if len(parts["content"].decode("utf-8", "replace")) > MAX_MULTIPART:
        raise bad_job(f"The content of a multipart request may have {MAX_MULTIPART} characters")
    body = jsontext.loads(parts["job"])
    if not isinstance(body, dict):
        raise bad_job("The part job must be a JSON object")
    return body, parts["content"]


@route("PUT", "/services/data/{version}/jobs/ingest/{job}/batches")
def upload(org: Org, request: Request, job: str) -> Response:
    found = jobs_of(org).find(job)
    kind = request.headers.get("content-type", "text/csv").lower()
    if not kind.startswith("text/csv"):
        raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", f"Content-Type {kind} is not supported: use text/csv")
    if len(request.body) > MAX_UPLOAD:
        raise bad_job("The upload is larger than 100 MB: 150 MB after base64 encoding", "CLIENT_INPUT_ERROR")
    with jobs_of(org).lock:
        if found.state != "Open":
            raise wrong_state(f"Data can be uploaded while a job is Open, this one is {found.state}")
        if found.upload is not None:
            raise bad_job(
                f"Found multiple contents for job: <{found.id}>, please 'Close' / 'Abort' / 'Delete' the current Job"
                " then create a new Job and make sure you only do 'PUT' once on a given Job.",
                "CLIENT_INPUT_ERROR",
            )
        found.upload = request.body
    return Response(201)


@route("PATCH", "/services/data/{version}/jobs/ingest/{job}")
def change(org: Org, request: Request, job: str) -> Response:
    found = jobs_of(org).find(job)
    wanted = body_of(request).get("state")
    with jobs_of(org).lock:
        if wanted == "UploadComplete":
            if found.state != "Open":
                raise wrong_state(f"Closing already {found.state} Job not allowed")
            found.move(org, "UploadComplete")
            reply = found.brief()
            advance(org, found, looked=False)
            return json_response(reply)
        if wanted == "Aborted":
            if found.state in TERMINAL:
                raise wrong_state(f"Aborting already {found.state} Job not allowed")
            _stop(org, found, "Aborted", None)
            return json_response(found.brief())
    raise bad_job("A job can be moved to the states UploadComplete and Aborted")


# -- running -----------------------------------------------------------------------------------------------


def advance(org: Org, job: IngestJob, *, looked: bool = True) -> None:
    """One slice of work, if the knobs let the job run yet."""
    with jobs_of(org).lock:
        if job.state not in ("UploadComplete", "InProgress"):
            return
        delayed = int(org.settings.extra.get("bulk_polls", 0)) or int(
            org.settings.extra.get("bulk_seconds", 0)
        )
        if (delayed and not looked) or (looked and not job.due(org)):
            if looked and job.state == "UploadComplete":
                job.move(org, "InProgress")
            return
        started = org.now_ms()
        try:
            _slice(org, job)
        except BadFile as bad:
            _stop(org, job, "Failed", str(bad))
        job.milliseconds += org.now_ms() - started


def _slice(org: Org, job: IngestJob) -> None:
    """The next internal batch. Raises BadFile when the upload cannot be read on."""
    if job.rows is None:
        reader = Reader(job.upload or b"", DELIMITERS[job.delimiter], ENDINGS[job.ending])
        job.header, job.rows = reader.header, iter(reader)
        bulk_rows.check_header(org, job, reader.header)
    job.state = "InProgress"
    stop_after = org.settings.extra.get("bulk_ingest_stop_after")
    successes: list[bytes] = []
    failures: list[bytes] = []
    try:
        for _ in range(int(org.settings.extra.get("bulk_batch", INTERNAL_BATCH)) // CHUNK or 1):
            if stop_after is not None and job.processed >= int(stop_after):
                raise BadFile("InternalServerError : the job was retried 20 times and given up")
            chunk = list(islice(job.rows, CHUNK))
            if not chunk:
                job.rows = job.upload = None
                job.move(org, "JobComplete")
                return
            _chunk(org, job, chunk, successes, failures)
    finally:
        order = random.Random(f"{job.id}{job.processed}")
        for lines, kept in ((successes, job.successful_rows), (failures, job.failed_rows)):
            order.shuffle(lines)  # Source: the guide promises no order of results
            kept.append(b"".join(lines))


def _chunk(org: Org, job: IngestJob, chunk: list[Row], successes: list[bytes], failures: list[bytes]) -> None:
    """One trigger chunk: records saved together, refused one by one."""
    for row, outcome in zip(chunk, bulk_rows.write(org, job, chunk), strict=True):
        job.processed += 1
        if outcome.error is None:
            successes.append(job.line((outcome.id, "true" if outcome.created else "false", *row.values)))
        else:
            job.failed += 1
            failures.append(job.line((outcome.id, outcome.error, *row.values)))


def _stop(org: Org, job: IngestJob, state: str, error: str | None) -> None:
    """The job ends early: what was done stays done, the rest is unprocessed."""
    if job.rows is None and job.upload:
        try:
            reader = Reader(job.upload, DELIMITERS[job.delimiter], ENDINGS[job.ending])
            job.header, job.rows = reader.header, iter(reader)
        except BadFile:
            job.rows = None
    try:
        for row in job.rows or ():
            job.unprocessed_rows.append(job.line(row.values))
    except BadFile as bad:
        error = error or str(bad)
    job.rows = job.upload = None
    job.error = error
    job.move(org, state)


# -- watching ----------------------------------------------------------------------------------------------


@route("GET", "/services/data/{version}/jobs/ingest/{job}")
def info(org: Org, request: Request, job: str) -> Response:
    found = jobs_of(org).find(job)
    advance(org, found)
    return json_response(found.info())


@route("GET", "/services/data/{version}/jobs/ingest")
def listing(org: Org, request: Request) -> Response:
    return json_response(listed(request, iter(jobs_of(org).values()), "ingest", IngestJob.info))


@route("DELETE", "/services/data/{version}/jobs/ingest/{job}")
def delete(org: Org, request: Request, job: str) -> Response:
    found = jobs_of(org).find(job)
    if found.state in ("Open", "InProgress"):
        raise wrong_state(f"A job in state {found.state} cannot be deleted")
    del jobs_of(org)[found.id]
    return Response(204)


def _results(org: Org, job: str, kept: str, extra: tuple[str, ...]) -> Response:
    found = jobs_of(org).find(job)
    if found.state not in TERMINAL:
        raise wrong_state(f"Results are not available: the job is in state {found.state}")
    rows: Scratch = getattr(found, kept)

    def body() -> Iterator[bytes]:
        yield found.line((*extra, *found.header)) if found.header or extra else b""
        yield from rows.chunks(0, rows.size)

    return Response(200, [("Content-Type", "text/csv")], body())


@route("GET", "/services/data/{version}/jobs/ingest/{job}/successfulResults")
def successful(org: Org, request: Request, job: str) -> Response:
    return _results(org, job, "successful_rows", ("sf__Id", "sf__Created"))


@route("GET", "/services/data/{version}/jobs/ingest/{job}/failedResults")
def failed(org: Org, request: Request, job: str) -> Response:
    return _results(org, job, "failed_rows", ("sf__Id", "sf__Error"))


@route("GET", "/services/data/{version}/jobs/ingest/{job}/unprocessedrecords")
def unprocessed(org: Org, request: Request, job: str) -> Response:
    return _results(org, job, "unprocessed_rows", ())
