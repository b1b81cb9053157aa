"""Bulk API 2.0 query jobs: `/jobs/query…`.

The result is written once, as CSV, into a temporary file with an index of line positions; pages are cut from it, so
memory stays flat whatever the size. Source: Bulk API 2.0 and Bulk API Developer Guide, "Query". Assumed: the codes of
refusals that the guide does not give.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from emulator.bulk_jobs import (
    DELIMITERS,
    ENDINGS,
    TERMINAL,
    Job,
    Jobs,
    bad_job,
    body_of,
    listed,
    locator_position,
    locator_text,
    same_version,
    text_format,
    wrong_state,
)
from emulator.errors import ApiError
from emulator.queries import compiled
from emulator.router import Request, Response, json_response, route
from emulator.scratch import Scratch
from emulator.soql import csv_text
from emulator.soql.parse import parse
from emulator.soql.plan import Plan

if TYPE_CHECKING:
    from emulator.org import Org

BATCH = 2000
PAGES_AT_ONCE = 5
# Source: INVALIDENTITY replies that clients report; objects of setup picklists.
NOT_IN_BULK = {
    "casestatus", "contractstatus", "orderstatus", "partnerrole", "recordtypelocalization", "solutionstatus",
    "taskpriority", "taskstatus", "userrecordaccess",
}  # fmt: skip
REFUSED = {
    "aggregate": "Aggregate Relationships not supported in Bulk Query",
    "child": "Aggregate Relationships not supported in Bulk Query",
    "offset": "OFFSET is not supported in Bulk Query",
    "typeof": "TYPEOF is not supported in Bulk Query",
    "compound": "Selecting compound data not supported in Bulk Query",
    "fields(ALL)": "FIELDS(ALL) is not supported in Bulk Query",
    "fields(CUSTOM)": "FIELDS(CUSTOM) is not supported in Bulk Query",
}


class Result:
    """Lines of CSV in one scratch file, and where each starts in another."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.count = 0
        self._lines, self._starts = Scratch(), Scratch()
        end = 0
        while batch := [each.encode() for each in islice(lines, BATCH)]:
            ends = list(accumulate(map(len, batch), initial=end))
            end = ends.pop()
            self._starts.append(array("Q", ends).tobytes())
            self._lines.append(b"".join(batch))
            self.count += len(batch)
        self._starts.append(array("Q", [end]).tobytes())

    def _start(self, row: int) -> int:
        return array("Q", self._starts.read(row * 8, 8))[0]

    def read(self, first: int, after: int) -> Iterator[bytes]:
        """The bytes of rows [first, after), a chunk at a time."""
        return self._lines.chunks(self._start(first), self._start(after))


@dataclass
class QueryJob(Job):
    statement: str = ""
    heading: bytes = b""
    result: Result | None = None

    def info(self) -> dict[str, Any]:
        out = self.common() | {
            "jobType": self.job_type,
            "numberRecordsProcessed": self.processed,
            "retries": self.retries,
            "totalProcessingTime": self.milliseconds,
            "isPkChunkingSupported": True,
        }
        if self.error is not None:
            out["errorMessage"] = self.error
        return out


def jobs_of(org: Org) -> Jobs[QueryJob]:
    made: Jobs[QueryJob] = org.extensions.setdefault("bulk_query", Jobs())
    return made


# -- making and watching -----------------------------------------------------------------------------------


@route("POST", "/services/data/{version}/jobs/query")
def create(org: Org, request: Request) -> Response:
    body = body_of(request)
    operation = str(body.get("operation") or "")
    if operation.lower() not in ("query", "queryall"):
        raise bad_job(f"Operation : {operation} is not supported: use query or queryAll")
    operation = "queryAll" if operation.lower() == "queryall" else "query"
    statement = body.get("query")
    if not isinstance(statement, str) or not statement.strip():
        raise bad_job("No query was given")
    delimiter, ending = text_format(body)
    plan = checked(org, request.user_id, statement, all_rows=operation == "queryAll")
    with jobs_of(org).lock:
        job = QueryJob(
            jobs_of(org).new_id(org), operation, plan.sobject.name, request.user_id, org.now_ms(), request.version,
            delimiter, ending, "UploadComplete", job_type="V2Query", statement=statement,
        )  # fmt: skip
        jobs_of(org)[job.id] = job
    return json_response(job.common())


def checked(org: Org, user_id: str, statement: str, *, all_rows: bool) -> Plan:
    """The plan of a statement a bulk job may run. Raises the refusal of one it may not."""
    source = parse(statement).sources[0].path.text
    if source.lower() in NOT_IN_BULK:
        raise bad_job(f"Entity '{source}' is not supported by the Bulk API", "INVALIDENTITY")
    plan = compiled(org, user_id, statement, all_rows=all_rows)
    for feature, message in REFUSED.items():
        if feature in plan.features:
            raise bad_job(message, "API_ERROR")
    return plan


@route("GET", "/services/data/{version}/jobs/query/{job}")
def info(org: Org, request: Request, job: str) -> Response:
    found = jobs_of(org).find(job)
    advance(org, found)
    return json_response(found.info())


def advance(org: Org, job: QueryJob) -> None:
    """One look at the job: it starts, runs, or is done."""
    with jobs_of(org).lock:
        if job.state in TERMINAL:
            return
        if not job.due(org):
            job.move(org, "InProgress")
            return
        failure = org.settings.extra.get("bulk_query_error")
        if failure:
            job.error = str(failure)
            job.move(org, "Failed")
            return
        started = org.now_ms()
        try:
            _run(org, job)
        except ApiError as refused:  # a field was taken away between making the job and running it
            job.error = f"{refused.code}: {refused.message.strip()}"
            job.move(org, "Failed")
            return
        most = org.settings.extra.get("bulk_query_most")
        if most is not None and job.processed > int(str(most)):
            job.error = "InternalServerError : Retried more than fifteen times"
            job.processed, job.result, job.retries = 0, None, 15
            job.move(org, "Failed")
            return
        job.milliseconds = org.now_ms() - started
        job.move(org, "JobComplete")


def _run(org: Org, job: QueryJob) -> None:
    org.storage.teach(csv_text.register)
    plan = checked(org, job.user_id, job.statement, all_rows=job.operation == "queryAll")
    delimiter, ending = DELIMITERS[job.delimiter], ENDINGS[job.ending]
    chosen = [(name, index) for name, index in zip(plan.headings, plan.selected, strict=True) if index >= 0]
    columns = [plan.columns[index] for _, index in chosen]
    job.heading = (delimiter.join(f'"{name}"' for name, _ in chosen) + ending).encode()
    sql = f"SELECT {csv_text.line(columns, delimiter, ending)} {plan.body}{_shuffled(org, plan)}"
    job.result = Result(row[0] for row in org.storage.stream(sql, plan.values, BATCH))
    job.processed = job.result.count


def _shuffled(org: Org, plan: Plan) -> str:
    """Bulk results come in no order. `bulk_shuffle` makes that visible: a seeded permutation by id."""
    seed = org.settings.extra.get("bulk_shuffle")
    if seed is None or "ordered" in plan.features:
        return ""
    own = plan.columns[0].sql
    spread = " + ".join(
        f"unicode(substr({own}, {place}, 1)) * {7919 * place + int(seed)}" for place in (15, 14, 13)
    )
    return f" ORDER BY ({spread}) % 9973, {own}"


@route("PATCH", "/services/data/{version}/jobs/query/{job}")
def abort(org: Org, request: Request, job: str) -> Response:
    found = jobs_of(org).find(job)
    if body_of(request).get("state") != "Aborted":
        raise bad_job("A query job can only be moved to the state Aborted")
    if found.state in TERMINAL:
        raise wrong_state(f"Aborting already {found.state} Job not allowed")
    found.move(org, "Aborted")
    return json_response(found.common())


@route("DELETE", "/services/data/{version}/jobs/query/{job}")
def delete(org: Org, request: Request, job: str) -> Response:
    found = jobs_of(org).find(job)
    if found.state not in TERMINAL:
        raise wrong_state(f"A job in state {found.state} cannot be deleted")
    del jobs_of(org)[found.id]
    return Response(204)


@route("GET", "/services/data/{version}/jobs/query")
def listing(org: Org, request: Request) -> Response:
    return json_response(listed(request, iter(jobs_of(org).values()), "query", QueryJob.info))


# -- results -----------------------------------------------------------------------------------------------


def _completed(org: Org, request: Request, job: str) -> tuple[QueryJob, Result]:
    found = jobs_of(org).find(job)
    same_version(found, request)
    if found.state != "JobComplete" or found.result is None:
        raise wrong_state(f"Results are not available: the job is in state {found.state}")
    return found, found.result


def _size(org: Org, request: Request) -> int:
    asked = request.param("maxRecords")
    if asked is None:
        return org.settings.bulk_records_max
    if not asked.isdigit() or int(asked) == 0:
        raise bad_job(f"maxRecords must be a positive number, not {asked}", "INVALID_PARAMETER")
    return int(asked)


def _first(request: Request, result: Result) -> int:
    first = locator_position(request.param("locator") or locator_text(0))
    if first < 0 or (first >= result.count and first):
        raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    return first


@route("GET", "/services/data/{version}/jobs/query/{job}/results")
def results(org: Org, request: Request, job: str) -> Response:
    found, result = _completed(org, request, job)
    first = _first(request, result)
    after = min(first + _size(org, request), result.count)
    rows = result.read(first, after)

    def body() -> Iterator[bytes]:
        yield found.heading
        yield from rows

    headers = [
        ("Content-Type", "text/csv"),
        ("Sforce-NumberOfRecords", str(after - first)),
        ("Sforce-Locator", locator_text(after) if after < result.count else "null"),
    ]
    return Response(200, headers, body())


@route("GET", "/services/data/{version}/jobs/query/{job}/resultPages")
def result_pages(org: Org, request: Request, job: str) -> Response:
    """Addresses of up to five pages, to be read in parallel. Since v58."""
    if float(request.version) < 58:
        raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
    found, result = _completed(org, request, job)
    size = _size(org, request)
    base = f"/services/data/v{request.version}/jobs/query/{found.id}"
    starts = range(_first(request, result), max(result.count, 1), size)
    pages = [
        {"resultUrl": f"{base}/results?{urlencode({'maxRecords': size, 'locator': locator_text(start)})}"}
        for start in starts[:PAGES_AT_ONCE]
    ]
    reply: dict[str, Any] = {"resultPages": pages, "done": len(starts) <= PAGES_AT_ONCE}
    if not reply["done"]:
        following = urlencode({"maxRecords": size, "locator": locator_text(starts[PAGES_AT_ONCE])})
        reply["nextRecordsUrl"] = f"{base}/resultPages?{following}"
    return json_response(reply)
