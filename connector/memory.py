"""`MemoryOrg`: an org in a dictionary, for tests of what uses an org. Keeps the same contract as the real one.

It refuses what an org refuses: unknown fields and objects, missing and too long values, doubled keys, writes to
deleted records. It has no network, so nothing here is ever transient.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from connector import limits
from connector.bulk_jobs import JobGone
from connector.choose import calls_to_describe, calls_to_write
from connector.collections import keys_of
from connector.errors import Misconfigured, SyncError, WindowLost
from connector.memory_records import MemoryRecords
from connector.memory_soql import parse
from connector.port import Clock, DeployProgress, Org, Page, Record, RowResult, Usage
from mappings.describe import ObjectDescribe


class MemoryOrg:
    """See `connector.port.Org`. `records.rows[sobject][id]` holds the records; tests may look and write there."""

    def __init__(
        self, describes: Mapping[str, ObjectDescribe], *, clock: Clock, org_id: str = "00D5g000001AbCdEAK"
    ) -> None:
        self.org_id = org_id
        self.instance_url = "http://127.0.0.1:0"
        self.api_version = "68.0"
        self.records = MemoryRecords(describes, clock=clock)
        self.notifications: list[Mapping[str, Any]] = []
        self.packages: list[bytes] = []
        self._clock = clock
        self._calls: Counter[str] = Counter()
        self._pages: dict[str, list[Page]] = {}
        self._jobs: dict[str, str | None] = {}  # the query of a query job, None for an upsert

    # --- what the port asks for ------------------------------------------------------------------------
    @property
    def usage(self) -> Usage:
        return Usage(calls=sum(self._calls.values()), by_kind=dict(sorted(self._calls.items())))

    def calls_elsewhere(self, calls: int) -> None:
        """Nothing is limited here."""

    def server_time(self) -> datetime:
        return self._clock.now().replace(microsecond=0)

    def describe(self, objects: Sequence[str]) -> dict[str, ObjectDescribe | None]:
        self._call("describe", calls_to_describe(len(objects)))
        return {name: self.records.described(name) for name in objects}

    def poll(self, queries: Sequence[str]) -> list[Page]:
        if not 1 <= len(queries) <= limits.COMPOSITE_QUERIES:
            raise Misconfigured(
                "POLL_SIZE", detail=f"one to {limits.COMPOSITE_QUERIES} queries, not {len(queries)}"
            )
        self._call("poll")
        pages = []
        for index, soql in enumerate(queries):
            try:
                pages.append(self._cut(soql, include_deleted=True)[0])
            except SyncError as error:
                error.at = index
                raise
        return pages

    def tooling_query(self, soql: str) -> list[dict[str, Any]]:
        """An org in memory has no metadata of its own: nothing is found."""
        self._call("tooling")
        return []

    def query(
        self, soql: str, *, include_deleted: bool = False, locator: str | None = None
    ) -> Iterator[Page]:
        if locator is None:
            pages = self._cut(soql, include_deleted=include_deleted)
        elif locator in self._pages:
            pages = self._pages[locator]
        else:
            raise WindowLost("INVALID_QUERY_LOCATOR", status=400)
        for page in pages:
            self._call("query")
            yield page

    def bulk_query(
        self,
        soql: str,
        *,
        include_deleted: bool = False,
        job_id: str | None = None,
        on_job: Callable[[str], None] | None = None,
    ) -> Iterator[Page]:
        self._call("bulk_query", 4)
        if job_id is None:
            table = self.records.select(
                soql, include_deleted=include_deleted
            )  # the org refuses a bad query at once
            job_id = self.records.new_id("750")
            self._jobs[job_id] = soql
            if on_job is not None:
                on_job(job_id)
        else:
            known = self._jobs.get(job_id)
            if not isinstance(known, str):
                raise JobGone("JOB_GONE", status=404, detail=f"job {job_id}")
            table = self.records.select(known, include_deleted=include_deleted)
        yield Page(table, table.num_rows, None)
        del self._jobs[job_id]

    def bulk_start(self, soql: str, *, include_deleted: bool = False) -> str:
        self._call("bulk_query", 1)
        self.records.select(soql, include_deleted=include_deleted)
        job_id = self.records.new_id("750")
        self._jobs[job_id] = soql
        return job_id

    def bulk_read(self, soql: str, job_id: str) -> Iterator[Page]:
        return self.bulk_query(soql, include_deleted=True, job_id=job_id)

    def while_waiting(self, look: Callable[[], None]) -> None:
        """Nothing here takes time."""

    def bulk_abort(self, job_id: str) -> None:
        self._call("bulk_query", 2)
        self._jobs.pop(job_id, None)

    def record_counts(self, objects: Sequence[str]) -> dict[str, int]:
        self._call("record_count", 1)
        return {
            name: self.records.select(f"SELECT Id FROM {name}", include_deleted=False).num_rows
            for name in objects
            if self.records.described(name) is not None
        }

    def upsert(self, sobject: str, key_field: str, records: Sequence[Record]) -> list[RowResult]:
        keys = keys_of(records, key_field, sobject)
        self._call("collections", calls_to_write(len(records), "rest"))
        return self.records.upsert(sobject, key_field, keys, records)

    def create(
        self, sobject: str, records: Sequence[Record], *, key_field: str | None = None
    ) -> list[RowResult]:
        keys = keys_of(records, key_field, sobject) if key_field else [str(n) for n in range(len(records))]
        self._call("collections", calls_to_write(len(records), "rest"))
        self.records.known(sobject)
        return [self.records.insert(sobject, key, record) for key, record in zip(keys, records, strict=True)]

    def update(self, sobject: str, records: Sequence[Record]) -> list[RowResult]:
        keys = keys_of(records, "Id", sobject)
        self._call("collections", calls_to_write(len(records), "rest"))
        self.records.known(sobject)
        return [
            self.records.change(sobject, key, key, record) for key, record in zip(keys, records, strict=True)
        ]

    def bulk_upsert(
        self,
        sobject: str,
        key_field: str,
        records: Sequence[Record],
        *,
        job_id: str | None = None,
        on_job: Callable[[str], None] | None = None,
    ) -> list[RowResult]:
        keys = keys_of(records, key_field, sobject)
        self._call("bulk_ingest", calls_to_write(len(records), "bulk"))
        if job_id is None:
            job_id = self.records.new_id("750")
            self._jobs[job_id] = None
            if on_job is not None:
                on_job(job_id)
        elif job_id not in self._jobs:
            raise JobGone("JOB_GONE", status=404, detail=f"job {job_id}")
        results = self.records.upsert(sobject, key_field, keys, records)
        del self._jobs[job_id]
        return results

    def recover_job(self, sobject: str, key_field: str, job_id: str) -> dict[str, RowResult] | None:
        self._call("bulk_ingest", 3)
        if job_id not in self._jobs:  # here a job is done when its upsert returns, and gone
            raise JobGone("JOB_GONE", status=404, detail=f"job {job_id}")
        del self._jobs[job_id]
        return None

    def abort_open_jobs(self, sobject: str, *, since: datetime) -> int:
        self._call("bulk_ingest", 1)
        unsent = [job_id for job_id, query in self._jobs.items() if query is None]
        for job_id in unsent:
            del self._jobs[job_id]
        return len(unsent)

    def notify(
        self, *, type_id: str, recipients: Sequence[str], target_id: str, title: str, body: str
    ) -> None:
        self._call("notify")
        self.notifications.append(
            {
                "type_id": type_id,
                "recipients": tuple(recipients),
                "target_id": target_id,
                "title": title,
                "body": body,
            }
        )

    def deploy(self, package: bytes, *, check_only: bool = False) -> Iterator[DeployProgress]:
        self._call("deploy", 2)
        if not check_only:
            self.packages.append(package)
        yield DeployProgress(self.records.new_id("0Af"), done=True, ok=True, components=1, deployed=1)

    # --- what users of the org do ----------------------------------------------------------------------
    def delete(self, sobject: str, record_id: str) -> None:
        """To the recycle bin, as a user does it."""
        row = self.records.rows[sobject][record_id]
        row["IsDeleted"] = True
        row["SystemModstamp"] = self.records.stamp()

    # --- small things ----------------------------------------------------------------------------------
    def _cut(self, soql: str, *, include_deleted: bool) -> list[Page]:
        query = parse(soql)
        table = self.records.select(soql, include_deleted=include_deleted)
        if query.is_count:
            return [Page(pa.table({}), table.num_rows)]
        pages: list[Page] = []
        size = limits.QUERY_PAGE_ROWS
        starts = range(0, max(table.num_rows, 1), size)
        names = [
            f"/services/data/v68.0/query/{self.records.new_id('01g')}-{start + size}" for start in starts
        ]
        for start, name in zip(starts, names, strict=True):
            last = start + size >= table.num_rows
            pages.append(Page(table.slice(start, size), table.num_rows, None if last else name))
        for index, name in enumerate(names[:-1]):
            self._pages[name] = pages[index + 1 :]
        return pages

    def _call(self, kind: str, calls: int = 1) -> None:
        self._calls[kind] += calls


if TYPE_CHECKING:

    def _keeps_the_port(org: MemoryOrg) -> Org:
        return org
