"""Bulk API 2.0 query: create, wait, and hand on verified pages, some of them fetched ahead.

The org may give rows in any order, so nothing here or above depends on it. A page is handed on only when it
has as many rows as its header says; after the last one the sum must be what the job processed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from connector import limits, result_csv
from connector.ahead import Ahead
from connector.body import BodyCut
from connector.bulk_jobs import BulkJobs, Job
from connector.errors import BulkJobFailed, Misconfigured, SyncError, Transient, WindowLost
from connector.port import Clock, Page
from connector.select_list import columns_of, object_of


@dataclass(frozen=True)
class _Opened:
    """A page whose headers have arrived."""

    following: str | None  # locator of the page after it
    read: Callable[[], Page]


class BulkQuery:
    """Queries of one org; `prefetch` pages are fetched ahead by threads, 0 uses none."""

    def __init__(self, jobs: BulkJobs, *, clock: Clock, prefetch: int, seconds: float) -> None:
        self._jobs = jobs
        self._clock = clock
        self._prefetch = prefetch
        self._seconds = seconds

    def start(self, soql: str, *, include_deleted: bool) -> str:
        """Create a job and return its id; it runs while nobody looks. The org refuses a bad query at once."""
        sobject = object_of(soql)
        if not columns_of(soql):
            raise Misconfigured("MALFORMED_QUERY", sobject=sobject, detail="COUNT() cannot be asked in bulk")
        asked = {
            "operation": "queryAll" if include_deleted else "query",
            "query": soql,
            "contentType": "CSV",
            "columnDelimiter": "COMMA",
            "lineEnding": "LF",
        }
        return self._jobs.create(asked, sobject).id

    def read(self, soql: str, job_id: str) -> Iterator[Page]:
        """Pages of a job that was started: waited for and fetched from now on, unless no threads are wanted.

        The job is deleted when the reader has all pages, not when they are here: until then it can be resumed.
        """
        if self._prefetch == 0:
            return self.pages(soql, job_id=job_id)
        tidy = partial(self._jobs.delete, job_id, object_of(soql))
        ahead = self.pages(soql, job_id=job_id, tidy=False)
        return Ahead(ahead, size=1, at_end=tidy, meanwhile=lambda: self._jobs.attention.look())

    def abort(self, job_id: str) -> None:
        """End a job and tidy it away, as far as it is still there."""
        try:
            self._jobs.set_state(job_id, "Aborted", None)
        except SyncError as refused:  # it ended meanwhile, or is gone
            self._jobs.log.info("bulk.not_aborted", job=job_id, code=refused.code)
        self._jobs.delete(job_id, None)

    def pages(
        self,
        soql: str,
        *,
        include_deleted: bool = False,
        job_id: str | None = None,
        on_job: Callable[[str], None] | None = None,
        tidy: bool = True,
    ) -> Iterator[Page]:
        """Pages of up to 50,000 rows. `on_job` hears the id before anything is waited for; `job_id` resumes.

        Raises BulkJobFailed (narrow the window), StillRunning (resume with its job id), WindowLost (the job is
        gone, or rows are missing: begin the window again).
        """
        columns, sobject = columns_of(soql), object_of(soql)
        if job_id is None:
            job_id = self.start(soql, include_deleted=include_deleted)
            if on_job is not None:
                on_job(job_id)
        job = self._jobs.wait(job_id, sobject)
        if job.state != "JobComplete":
            raise BulkJobFailed(f"JOB_{job.state.upper()}", job_id=job_id, sobject=sobject)
        rows = 0
        for page in self._results(job, columns, sobject):
            rows += page.table.num_rows
            yield page
        if rows != job.processed:
            raise WindowLost(
                "ROWS_MISSING", sobject=sobject, detail=f"{rows} of {job.processed} rows arrived"
            )
        if tidy:
            self._jobs.delete(job_id, sobject)

    # --- results ---------------------------------------------------------------------------------------
    def _results(self, job: Job, columns: tuple[str, ...], sobject: str | None) -> Iterator[Page]:
        if self._prefetch == 0:
            locator: str | None = ""
            while locator is not None:
                page, locator = self._whole(job, columns, sobject, locator)
                yield page
            return
        yield from self._ahead(job, columns, sobject)

    def _ahead(self, job: Job, columns: tuple[str, ...], sobject: str | None) -> Iterator[Page]:
        """A page names the next one in its headers, so the next can start while this one's rows still arrive.

        At most `prefetch` pages are under way or waiting, besides the one in use: memory stays bounded.
        """
        with ThreadPoolExecutor(self._prefetch, thread_name_prefix="bulk-page") as pool:
            waiting: deque[Future[Page]] = deque()
            locator: str | None = ""
            seen = {""}
            try:
                while waiting or locator is not None:
                    while locator is not None and len(waiting) < self._prefetch:
                        opened = self._open(job, columns, sobject, locator)
                        waiting.append(pool.submit(self._finish, opened, job, columns, sobject, locator))
                        locator = _once(opened.following, seen, sobject)
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _finish(
        self, opened: _Opened, job: Job, columns: tuple[str, ...], sobject: str | None, locator: str
    ) -> Page:
        """Reads an opened page; when it breaks off, the page is fetched again by itself."""
        try:
            return opened.read()
        except BodyCut as cut:
            self._jobs.log.warning("bulk.page_again", job=job.id, object=sobject, error=str(cut))
            return self._whole(job, columns, sobject, locator)[0]

    def _whole(
        self, job: Job, columns: tuple[str, ...], sobject: str | None, locator: str
    ) -> tuple[Page, str | None]:
        """One page, tried up to three times when it breaks off."""
        for attempt in range(3):
            opened = self._open(job, columns, sobject, locator)
            try:
                page = opened.read()
            except BodyCut as cut:
                if attempt == 2:
                    cut.sobject = sobject
                    raise
                self._jobs.log.warning("bulk.page_again", job=job.id, object=sobject, error=str(cut))
                continue
            return page, _once(opened.following, {locator}, sobject)
        raise AssertionError("unreachable: the third break is raised")

    def _open(self, job: Job, columns: tuple[str, ...], sobject: str | None, locator: str) -> _Opened:
        return self._jobs.repeat(lambda: self._open_once(job, columns, sobject, locator))

    def _open_once(self, job: Job, columns: tuple[str, ...], sobject: str | None, locator: str) -> _Opened:
        path = f"{self._jobs.path}/{job.id}/results?maxRecords={limits.BULK_PAGE_ROWS}"
        if locator:
            path += f"&locator={quote(locator, safe='')}"
        try:
            response = self._jobs.fetch(path, sobject, seconds=self._seconds)
        except Misconfigured as refused:
            if refused.status in {400, 404, 409, 410, 412}:  # purged, or asked under another API version
                raise WindowLost("RESULTS_GONE", status=refused.status, sobject=sobject) from None
            raise
        stated = response.headers.get("Sforce-NumberOfRecords", "")
        following = response.headers.get("Sforce-Locator")
        if not stated.isdecimal() or following is None:
            response.close()
            raise Transient(
                "HEADERS_MISSING",
                sobject=sobject,
                detail="a page came without Sforce-NumberOfRecords or Sforce-Locator",
                hint="A proxy between here and the org must let Sforce-* headers through.",
            )
        deadline = self._clock.monotonic() + self._seconds

        def read() -> Page:
            source = result_csv.stream(response, clock=self._clock, deadline=deadline)
            try:
                if int(stated) == 0 and result_csv.is_empty(source):
                    names = list(columns)  # no rows, and no header line either: nothing is missing
                else:
                    names = _names(result_csv.header_of(source), columns, sobject)
                table = result_csv.rows_of(source, names)
            finally:
                response.close()
            if table.num_rows != int(stated):
                raise BodyCut(
                    "ROWS_CUT", sobject=sobject, detail=f"{table.num_rows} of {stated} rows of a page"
                )
            more = None if following in {"", "null"} else following
            return Page(table.select(list(columns)), job.processed, more)

        return _Opened(None if following in {"", "null"} else following, read)


def _once(locator: str | None, seen: set[str], sobject: str | None) -> str | None:
    if locator is not None:
        if locator in seen:
            raise WindowLost("LOCATOR_REPEATED", sobject=sobject)
        seen.add(locator)
    return locator


def _names(header: list[str], columns: tuple[str, ...], sobject: str | None) -> list[str]:
    """Our spelling for each column of the file. Every selected column must be there, and no other."""
    ours = {column.lower(): column for column in columns}
    names = [ours.get(name.strip().lower(), "") for name in header]
    if not header:
        raise BodyCut("CSV_CUT", sobject=sobject, detail="not even a header line arrived")
    if sorted(names) != sorted(columns):
        raise BodyCut(
            "CSV_COLUMNS", sobject=sobject, detail="the header line has other columns than the query"
        )
    return names
