"""The port: what the jobs may ask of a Salesforce org, and what comes back.

Nothing here talks to a network. `connector.org.SalesforceOrg` is the real thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

import pyarrow as pa

from connector.errors import STALE_SEQUENCE, Step, classify_row
from mappings.describe import ObjectDescribe

JsonValue = str | int | bool | Decimal | None
Record = Mapping[str, JsonValue]


class Clock(Protocol):
    """The only source of time. `now` is an aware UTC datetime."""

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class Page:
    """Rows of one query reply: string columns named by the SOQL paths as selected, null for null."""

    table: pa.Table
    total: int | None = None  # rows of the whole query, where the org says so
    locator: str | None = None  # where the next page starts; None: this was the last


@dataclass(frozen=True)
class RowResult:
    """What became of one record that was sent; as many as were sent, in the same order."""

    key: str  # the external id or record id that it was sent under
    ok: bool
    id: str | None = None
    created: bool = False
    code: str | None = None  # Salesforce's status code when not ok
    message: str | None = None  # for people, never matched on
    fields: tuple[str, ...] = ()

    @property
    def next_step(self) -> Step | None:
        """The class of `connector.errors` that says what to do with this row; None when it is ok."""
        return None if self.ok else classify_row(self.code or "")

    @property
    def is_superseded(self) -> bool:
        """Refused by our own fence: the org already holds a newer value of this record."""
        return not self.ok and STALE_SEQUENCE in (self.message or "")


@dataclass(frozen=True)
class Usage:
    """API calls: those of this process that count, and what the org last said of its day."""

    calls: int = 0
    org_used: int | None = None
    org_max: int | None = None
    by_kind: Mapping[str, int] = field(default_factory=dict)
    budget_left: int | None = None  # calls that our share still allows; None before the first reply


@dataclass(frozen=True)
class DeployProgress:
    """One look at a running metadata deploy."""

    id: str
    done: bool
    ok: bool
    components: int
    deployed: int
    failures: tuple[tuple[str, str, str], ...] = ()  # (file, component, problem)


class Org(Protocol):
    """One Salesforce org, logged in. Every method may raise the errors of `connector.errors`."""

    org_id: str
    instance_url: str
    api_version: str

    @property
    def usage(self) -> Usage: ...
    def calls_elsewhere(self, calls: int) -> None:
        """Other processes of ours have made so many calls meanwhile: they count against the same share."""

    def while_waiting(self, look: Callable[[], None]) -> None:
        """`look` is called every second or so while a job of the org is waited for, in whichever thread waits; what it
        raises ends the wait, not the job."""

    def server_time(self) -> datetime:
        """The org's clock, from the Date header of its last reply (asks once if there was none)."""

    def describe(self, objects: Sequence[str]) -> dict[str, ObjectDescribe | None]:
        """Descriptions, None where the object does not exist for this user; one composite call per 25."""

    def poll(self, queries: Sequence[str]) -> list[Page]:
        """First pages of up to five queryAll queries in one composite call; `locator` set where more waits.

        When one of them is refused, its error is raised with `at` = its index: nothing is half-answered.
        """

    def query(
        self, soql: str, *, include_deleted: bool = False, locator: str | None = None
    ) -> Iterator[Page]:
        """REST pages of 2,000 rows. `locator` goes on where a page ended; `WindowLost` when it is gone."""

    def tooling_query(self, soql: str) -> list[dict[str, Any]]:
        """Metadata as rows (ValidationRule, CustomField …), as JSON values; for `doctor`, not for data."""

    def bulk_query(
        self,
        soql: str,
        *,
        include_deleted: bool = False,
        job_id: str | None = None,
        on_job: Callable[[str], None] | None = None,
    ) -> Iterator[Page]:
        """Bulk API 2.0: `on_job` hears the id before anything is waited for; `job_id` resumes one. Counts are checked."""

    def bulk_start(self, soql: str, *, include_deleted: bool = False) -> str:
        """Create a bulk query job that runs in the org while other things are done; its id."""

    def bulk_read(self, soql: str, job_id: str) -> Iterator[Page]:
        """The pages of a job of that query; it is waited for and read ahead from this call on. Has `close`."""

    def bulk_abort(self, job_id: str) -> None:
        """End a bulk query that nobody waits for any more; no error when it has ended or is gone."""

    def record_counts(self, objects: Sequence[str]) -> dict[str, int]:
        """About how many records objects have: one call, no query; objects that cannot be seen are left out."""

    def upsert(self, sobject: str, key_field: str, records: Sequence[Record]) -> list[RowResult]: ...
    def create(
        self, sobject: str, records: Sequence[Record], *, key_field: str | None = None
    ) -> list[RowResult]: ...
    def update(self, sobject: str, records: Sequence[Record]) -> list[RowResult]:
        """Records carry `Id`."""

    def bulk_upsert(
        self,
        sobject: str,
        key_field: str,
        records: Sequence[Record],
        *,
        job_id: str | None = None,
        on_job: Callable[[str], None] | None = None,
    ) -> list[RowResult]: ...
    def recover_job(self, sobject: str, key_field: str, job_id: str) -> dict[str, RowResult] | None:
        """What became of a bulk upsert whose sender died: results by key in lower case, as many as there are; None when
        nothing was processed and nothing will be. The job is gone afterwards. Raises StillRunning, JobGone."""

    def abort_open_jobs(self, sobject: str, *, since: datetime) -> int:
        """Abort bulk upserts of ours whose sender died before it knew their ids; how many there were."""

    def notify(
        self, *, type_id: str, recipients: Sequence[str], target_id: str, title: str, body: str
    ) -> None: ...
    def deploy(self, package: bytes, *, check_only: bool = False) -> Iterator[DeployProgress]: ...
