"""What query and ingest jobs of Bulk API 2.0 share: their record, their states, how they are listed.

A job moves when it is looked at; in the stock org it is done at the first look. Jobs live as long as the process.
Knobs, keys of `org.settings.extra`:
`bulk_polls`, `bulk_seconds`    how many looks a job stays InProgress; seconds it needs at least
`bulk_shuffle`                  a seed: query results come in another order, as in a real org
`bulk_query_error`              query jobs end Failed with this message
`bulk_query_most`               query jobs of more rows end Failed, as one does that was retried fifteen times
`bulk_batch`                    rows an ingest job takes at one look (10,000)
`bulk_ingest_stop_after`        an ingest job ends Failed after so many rows, the rest unprocessed
Source: Bulk API 2.0 and Bulk API Developer Guide, "Get Information About All Query Jobs", job states.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from emulator import wire
from emulator.errors import ApiError
from emulator.jsontext import Number
from emulator.router import Request

if TYPE_CHECKING:
    from emulator.org import Org

DELIMITERS = {"BACKQUOTE": "`", "CARET": "^", "COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "TAB": "\t"}
ENDINGS = {"LF": "\n", "CRLF": "\r\n"}
TERMINAL = frozenset({"JobComplete", "Failed", "Aborted"})
LIST_PAGE = 1000
PREFIX = "750"


@dataclass
class Job:
    """One job of either kind."""

    id: str
    operation: str
    object: str
    user_id: str
    created_ms: int
    version: str
    delimiter: str
    ending: str
    state: str
    stamp_ms: int = 0
    error: str | None = None
    processed: int = 0
    retries: int = 0
    polls: int = 0
    milliseconds: int = 0
    job_type: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def common(self) -> dict[str, Any]:
        """The keys every reply about a job has."""
        return {
            "id": self.id,
            "operation": self.operation,
            "object": self.object,
            "createdById": self.user_id,
            "createdDate": wire.datetime_text(self.created_ms),
            "systemModstamp": wire.datetime_text(self.stamp_ms or self.created_ms),
            "state": self.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": Number(self.version),
            "lineEnding": self.ending,
            "columnDelimiter": self.delimiter,
        }

    def move(self, org: Org, state: str) -> None:
        self.state = state
        self.stamp_ms = org.now_ms()

    def due(self, org: Org) -> bool:
        """Whether the job is done at this look, by the knobs."""
        self.polls += 1
        extra = org.settings.extra
        waited = org.now_ms() - (
            self.stamp_ms if self.state == "UploadComplete" and self.stamp_ms else self.created_ms
        )
        return (
            self.polls > int(extra.get("bulk_polls", 0))
            and waited >= int(extra.get("bulk_seconds", 0)) * 1000
        )


J = TypeVar("J", bound=Job)


class Jobs(dict[str, J]):
    """Jobs by id, oldest first. `lock` is taken before the storage's, never inside a transaction."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.RLock()

    def new_id(self, org: Org) -> str:
        """Remembered with the org, so that a job of an earlier process is not taken for a new one."""
        with org.storage.transaction():
            return org.ids.next(PREFIX)

    def find(self, job_id: str) -> J:
        found = self.get(job_id) or next((each for key, each in self.items() if key[:15] == job_id), None)
        if found is None:
            raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
        return found


def bad_job(message: str, code: str = "INVALIDJOB") -> ApiError:
    return ApiError(400, code, message)


def wrong_state(message: str) -> ApiError:
    return ApiError(400, "INVALIDJOBSTATE", message)


def body_of(request: Request) -> dict[str, Any]:
    found = request.json()
    if not isinstance(found, dict):
        raise ApiError(400, "JSON_PARSER_ERROR", "Cannot deserialize instance of Job from the request's body")
    return found


def text_format(body: dict[str, Any]) -> tuple[str, str]:
    """Column delimiter and line ending by name; COMMA and LF when left out."""
    kind = str(body.get("contentType") or "CSV").upper()
    if kind != "CSV":
        raise bad_job(f"ContentType : {body['contentType']} is not supported: use CSV")
    delimiter = str(body.get("columnDelimiter") or "COMMA").upper()
    ending = str(body.get("lineEnding") or "LF").upper()
    if delimiter not in DELIMITERS:
        raise bad_job(f"ColumnDelimiter : {body['columnDelimiter']} is not one of {', '.join(DELIMITERS)}")
    if ending not in ENDINGS:
        raise bad_job(f"LineEnding : {body['lineEnding']} is not one of {', '.join(ENDINGS)}")
    return delimiter, ending


def same_version(job: Job, request: Request) -> None:
    """Results are read through the API version the job was made with, or not at all: 409."""
    if job.version != request.version:
        raise ApiError(
            409,
            "API_VERSION_CONFLICT",
            f"This job was created with API version {job.version}, not {request.version}",
        )


def locator_text(position: int) -> str:
    return base64.b64encode(str(position).encode()).decode().rstrip("=")


def locator_position(text: str) -> int:
    """Raises INVALID_QUERY_LOCATOR for anything that is not one of our own."""
    try:
        return int(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
    except (binascii.Error, ValueError):
        raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator") from None


def listed(request: Request, jobs: Iterator[Job], path: str, infos: Any) -> dict[str, Any]:
    """A page of the job list, newest filters applied; 1,000 jobs a page."""
    mode, kind = request.param("concurrencyMode"), request.param("jobType")
    chunked = (request.param("isPkChunkingEnabled") or "false").lower() == "true"
    wanted = [
        each
        for each in jobs
        if (mode is None or mode.lower() == "parallel") and (kind is None or kind.lower() == each.job_type.lower())
        and not chunked
    ]  # fmt: skip
    start = locator_position(request.param("queryLocator") or locator_text(0))
    page = wanted[start : start + LIST_PAGE]
    after = start + len(page)
    done = after >= len(wanted)
    url = (
        None if done else f"/services/data/v{request.version}/jobs/{path}?queryLocator={locator_text(after)}"
    )
    return {"done": done, "nextRecordsUrl": url, "records": [infos(each) for each in page]}
