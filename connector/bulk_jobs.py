"""What Bulk API 2.0 query and ingest jobs have in common: create, look, wait, delete."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import requests
from structlog.typing import FilteringBoundLogger

from connector.errors import Ambiguous, Misconfigured, StillRunning, SyncError, Transient, WindowLost
from connector.facade import OrgApi
from connector.polling import Attention, pause, waits
from connector.port import Clock
from connector.replies import Call
from connector.retry import Safety

T = TypeVar("T")
Family = Literal["query", "ingest"]
Wanted = Literal["UploadComplete", "Aborted"]
FAMILIES: tuple[Family, Family] = ("query", "ingest")
_ENDED = frozenset({"JobComplete", "Failed", "Aborted"})
_STATES = _ENDED | {"Open", "UploadComplete", "InProgress"}
# The states that a job which was moved to the first one may be found in.
_REACHED: Mapping[Wanted, frozenset[str]] = {
    "UploadComplete": _STATES - {"Open"},
    "Aborted": frozenset({"Aborted"}),
}


@dataclass(frozen=True)
class Job:
    """One look at a job. Counts are rows."""

    id: str
    state: str
    object: str | None
    processed: int
    failed: int
    error: str | None

    @property
    def has_ended(self) -> bool:
        return self.state in _ENDED


class JobGone(WindowLost):
    """The org does not know this job any more (results are kept for seven days)."""


class BulkJobs:
    """Jobs of one family in one org."""

    def __init__(
        self,
        api: OrgApi,
        family: Family,
        *,
        clock: Clock,
        rng: random.Random,
        log: FilteringBoundLogger,
        seconds: float,
        attention: Attention | None = None,
    ) -> None:
        self.attention = attention or Attention()
        self.api = api
        self.kind = f"bulk_{family}"
        self.path = f"jobs/{family}"
        self.log = log.bind(family=family)
        self._clock = clock
        self._rng = rng
        self._seconds = seconds

    def create(self, payload: Mapping[str, Any], sobject: str | None) -> Job:
        """A new job. A lost answer leaves an idle job that costs nothing, so the create may be repeated."""
        job = read_job(self.api.post(self.path, payload, Call(self.kind, Safety.KEYED, sobject)))
        self.log.info("bulk.job_created", job=job.id, object=sobject)
        return job

    def look(self, job_id: str, sobject: str | None = None) -> Job:
        """The job as it stands. Raises JobGone when there is no such job."""
        try:
            reply = self.api.send(
                "GET", f"{self.path}/{check_id(job_id)}", None, Call(self.kind, sobject=sobject)
            )
        except Misconfigured as refused:
            if refused.status == 404:
                raise JobGone("JOB_GONE", status=404, sobject=sobject, detail=f"job {job_id}") from None
            raise
        return read_job(reply)

    def set_state(self, job_id: str, state: Wanted, sobject: str | None) -> Job:
        """Closes or aborts a job. Saying it twice is the same as once: the org refuses the second, which comes about
        when the answer to the first was lost, and then the job itself says whether it had been heard."""
        call = Call(self.kind, Safety.KEYED, sobject)
        try:
            reply = self.api.send("PATCH", f"{self.path}/{check_id(job_id)}", {"state": state}, call)
        except Misconfigured as refused:
            if refused.code.upper() != "INVALIDJOBSTATE":
                raise
            job = self.look(job_id, sobject)
            if job.state not in _REACHED[state]:
                raise
            self.log.warning("bulk.state_was_set", job=job_id, object=sobject, state=job.state)
            return job
        return read_job(reply)

    def wait(self, job_id: str, sobject: str | None = None) -> Job:
        """Looks until the job has ended. A failing look never touches the job: it is only looked at again.

        Raises StillRunning at the deadline; the id resumes the wait. So does what looks up meanwhile (`Attention`).
        """
        until = self._clock.monotonic() + self._seconds
        for looks, wait in enumerate(waits(self._rng), start=1):
            try:
                job = self.look(job_id, sobject)
                if job.has_ended:
                    self.log.info(
                        "bulk.job_ended",
                        job=job_id,
                        object=sobject,
                        state=job.state,
                        rows=job.processed,
                        looks=looks,
                    )
                    return job
            except WindowLost:
                raise
            except Transient as error:
                self.log.warning("bulk.look_failed", job=job_id, error=str(error))
            if self._clock.monotonic() + wait > until:
                break
            pause(wait, clock=self._clock, attention=self.attention)
            if self.attention.closed:
                break
        raise StillRunning("JOB_DEADLINE", job_id=job_id, sobject=sobject)

    def repeat(self, attempt: Callable[[], T]) -> T:
        """Repeats a read whose reply can be wrong in ways that only its reader sees."""
        return self.api.repeat(Call(self.kind), attempt)

    def first_waits(self, count: int) -> list[float]:
        """The first few waits, for a step that is repeated a few times."""
        return list(islice(waits(self._rng), count))

    def fetch(self, path: str, sobject: str | None, *, seconds: float | None = None) -> requests.Response:
        """A CSV below the job, to be streamed by the caller."""
        call = Call(self.kind, Safety.READ, sobject, expects="stream", seconds=seconds)
        return self.api._call_salesforce("GET", self.api.base_url + path, call=call)

    def listed(self, path: str) -> Iterator[Mapping[str, Any]]:
        """Every job of the org's list, all pages, as the org describes it."""
        following: str | None = path
        seen: set[str] = set()
        while following is not None and following not in seen:
            seen.add(following)
            reply = self.api.send("GET", following, None, Call(self.kind))
            if not isinstance(reply, dict) or not isinstance(reply.get("records"), list):
                raise Ambiguous("NOT_A_JOB_LIST", detail="the answer does not list bulk jobs")
            yield from reply["records"]
            more = reply.get("nextRecordsUrl")
            # The path within our API: whatever host or version the org writes before it is not followed.
            following = f"{self.path}?{urlsplit(str(more)).query}" if more else None

    def delete(self, job_id: str, sobject: str | None) -> None:
        """Tidies up after ourselves; the org does so after seven days in any case."""
        try:
            self.api.send(
                "DELETE",
                f"{self.path}/{check_id(job_id)}",
                None,
                Call(self.kind, Safety.READ, sobject, expects="nothing"),
            )
        except SyncError as error:
            self.log.warning("bulk.job_not_deleted", job=job_id, object=sobject, error=str(error))


def check_id(job_id: str) -> str:
    if not (job_id.isascii() and job_id.isalnum() and len(job_id) in {15, 18}):
        raise Misconfigured("JOB_ID", detail="not the id of a bulk job", sent=False)
    return job_id


def read_job(reply: object) -> Job:
    """A job as the API states it. Raises Ambiguous for anything else, also for a state that does not exist."""
    if (
        not isinstance(reply, dict)
        or not isinstance(reply.get("id"), str)
        or reply.get("state") not in _STATES
    ):
        raise Ambiguous("NOT_A_JOB", detail="the answer does not describe a bulk job")
    return Job(
        id=check_id(reply["id"]),
        state=reply["state"],
        object=reply.get("object"),
        processed=int(reply.get("numberRecordsProcessed") or 0),
        failed=int(reply.get("numberRecordsFailed") or 0),
        error=reply.get("errorMessage"),
    )
