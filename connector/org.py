"""`SalesforceOrg`: the port over a real org (or the emulator), built from settings, clock, chance and log."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from requests.adapters import BaseAdapter
from structlog.typing import FilteringBoundLogger

from connector import limits, metadata, notifications
from connector.auth import Login, is_loopback
from connector.bulk_ingest import BulkIngest
from connector.bulk_jobs import FAMILIES, BulkJobs
from connector.bulk_query import BulkQuery
from connector.collections import Collections
from connector.config import OrgSettings
from connector.errors import Misconfigured, Transient
from connector.facade import OrgApi
from connector.polling import Attention
from connector.port import Clock, DeployProgress, Org, Page, Record, RowResult, Usage
from connector.replies import Call
from connector.rest import Rest
from connector.session import OrgSession, decoded
from connector.token_store import TokenStore
from connector.usage import Meter
from mappings.describe import ObjectDescribe

_VERSION = re.compile(r"\d{2}\.0")


class SalesforceOrg:
    """One org, logged in. See `connector.port.Org` for what each method promises."""

    org_id: str
    instance_url: str
    api_version: str

    def __init__(
        self, settings: OrgSettings, session: OrgSession, login: Login, *, version: str, clock: Clock,
        rng: random.Random, log: FilteringBoundLogger,
    ) -> None:  # fmt: skip
        token = login.current()
        self.org_id = token.org_id
        self.user_id = token.user_id
        self.instance_url = settings.instance_url
        self.api_version = version
        self._settings = settings
        self._session = session
        self._clock = clock
        self._rng = rng
        self._api = OrgApi(session, instance_url=settings.instance_url, version=version)
        overhead = len(f"{settings.instance_url}/services/data/v{version}//?q=")
        self._rest = Rest(self._api, version=version, host_bytes=overhead)
        self._collections = Collections(self._rest, version=version, log=log)
        seconds = settings.timeouts.bulk_job
        self._attention = Attention()
        query_jobs, ingest_jobs = (
            BulkJobs(
                self._api, family, clock=clock, rng=rng, log=log, seconds=seconds, attention=self._attention
            )
            for family in FAMILIES
        )
        self._bulk_query = BulkQuery(
            query_jobs, clock=clock, prefetch=settings.bulk_prefetch, seconds=seconds
        )
        self._bulk_ingest = BulkIngest(ingest_jobs, clock=clock, seconds=seconds)

    @classmethod
    def connect(
        cls,
        settings: OrgSettings,
        *,
        clock: Clock,
        rng: random.Random,
        log: FilteringBoundLogger,
        environ: Mapping[str, str] | None = None,
        base: Path | None = None,
        token_store: TokenStore | None = None,
        calls_before: int = 0,
        transport: BaseAdapter | None = None,
    ) -> Self:
        """Logs in, checks that it is the pinned org, and agrees on an API version.

        `environ` and `base` are where secret references lead (default: this process, and no folder);
        `calls_before` are our API calls of the last 24 hours in earlier runs; `transport` replaces the sockets
        (the simulator answers in process; it also wants `bulk_prefetch = 0`, which starts no threads). Raises AuthenticationFailed,
        WrongOrg, Misconfigured, Transient.
        """
        log = log.bind(org=settings.alias)
        session = OrgSession(
            host=urlsplit(settings.instance_url).netloc,
            timeouts=settings.timeouts,
            meter=Meter(share=settings.api_budget_share, calls_before=calls_before),
            clock=clock,
            rng=rng,
            log=log,
        )
        if settings.proxy is not None and not is_loopback(settings.instance_url):
            session.proxies = {"https": settings.proxy}
        if settings.ca_file is not None:
            session.verify = _certificates(settings.ca_file, base)
        if transport is not None:
            session.mount("https://", transport)
            session.mount("http://", transport)
        login = Login(
            settings,
            exchange=session.exchange,
            skew=lambda: session.skew,
            environ=os.environ if environ is None else environ,
            clock=clock,
            rng=rng,
            log=log,
            store=token_store,
            base=base,
        )
        session.tokens = login
        try:
            login.current()
            version = _agree(versions(session, settings), settings.api_version)
            org = cls(settings, session, login, version=version, clock=clock, rng=rng, log=log)
        except BaseException:
            session.close()
            raise
        if transport is None:  # a simulated org answers in this thread
            session.attention = org._attention
        return org

    def __repr__(self) -> str:
        return f"<SalesforceOrg {self._settings.alias} {self.org_id} v{self.api_version}>"

    def close(self) -> None:
        """Lets go of the sockets; whoever still waits for a job stops waiting."""
        self._attention.closed = True
        self._session.close()

    def while_waiting(self, look: Callable[[], None]) -> None:
        self._attention.look = look

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def usage(self) -> Usage:
        return self._session.meter.usage

    def calls_elsewhere(self, calls: int) -> None:
        self._session.meter.elsewhere(calls)

    def server_time(self) -> datetime:
        """The org's clock, in whole seconds, never ahead of it: the Date header of a reply of this minute."""
        heard = self._session.heard
        if heard is None or heard[1] > limits.DATE_FRESH_SECONDS:
            versions(self._session, self._settings)  # not counted by the org
            heard = self._session.heard
        if heard is None:
            raise Transient("NO_DATE", detail="the org's replies carry no Date header")
        # A Date that is half a minute old would end a window before what people did since.
        return (heard[0].astimezone(UTC) + timedelta(seconds=heard[1])).replace(microsecond=0)

    def describe(self, objects: Sequence[str]) -> dict[str, ObjectDescribe | None]:
        return self._rest.describe(objects)

    def poll(self, queries: Sequence[str]) -> list[Page]:
        return self._rest.poll(queries)

    def query(
        self, soql: str, *, include_deleted: bool = False, locator: str | None = None
    ) -> Iterator[Page]:
        return self._rest.query(soql, include_deleted=include_deleted, locator=locator)

    def tooling_query(self, soql: str) -> list[dict[str, Any]]:
        return self._rest.tooling(soql)

    def bulk_query(
        self, soql: str, *, include_deleted: bool = False, job_id: str | None = None,
        on_job: Callable[[str], None] | None = None,
    ) -> Iterator[Page]:  # fmt: skip
        return self._bulk_query.pages(soql, include_deleted=include_deleted, job_id=job_id, on_job=on_job)

    def bulk_start(self, soql: str, *, include_deleted: bool = False) -> str:
        return self._bulk_query.start(soql, include_deleted=include_deleted)

    def bulk_read(self, soql: str, job_id: str) -> Iterator[Page]:
        return self._bulk_query.read(soql, job_id)

    def bulk_abort(self, job_id: str) -> None:
        self._bulk_query.abort(job_id)

    def record_counts(self, objects: Sequence[str]) -> dict[str, int]:
        return self._rest.record_counts(objects)

    def upsert(self, sobject: str, key_field: str, records: Sequence[Record]) -> list[RowResult]:
        return self._collections.upsert(sobject, key_field, records)

    def create(
        self, sobject: str, records: Sequence[Record], *, key_field: str | None = None
    ) -> list[RowResult]:
        return self._collections.create(sobject, records, key_field=key_field)

    def update(self, sobject: str, records: Sequence[Record]) -> list[RowResult]:
        return self._collections.update(sobject, records)

    def bulk_upsert(
        self, sobject: str, key_field: str, records: Sequence[Record], *, job_id: str | None = None,
        on_job: Callable[[str], None] | None = None,
    ) -> list[RowResult]:  # fmt: skip
        return self._bulk_ingest.upsert(sobject, key_field, records, job_id=job_id, on_job=on_job)

    def recover_job(self, sobject: str, key_field: str, job_id: str) -> dict[str, RowResult] | None:
        return self._bulk_ingest.recover(sobject, key_field, job_id)

    def abort_open_jobs(self, sobject: str, *, since: datetime) -> int:
        return self._bulk_ingest.abort_open(sobject, user_id=self.user_id, since=since)

    def notify(
        self, *, type_id: str, recipients: Sequence[str], target_id: str, title: str, body: str
    ) -> None:
        notifications.notify(
            self._api, type_id=type_id, recipients=recipients, target_id=target_id, title=title, body=body
        )

    def deploy(self, package: bytes, *, check_only: bool = False) -> Iterator[DeployProgress]:
        return metadata.deploy(
            self._api,
            package,
            check_only=check_only,
            clock=self._clock,
            rng=self._rng,
            seconds=self._settings.timeouts.deploy,
        )


def versions(session: OrgSession, settings: OrgSettings) -> list[str]:
    """The API versions that the org lists, oldest first. Needs no login and costs no API call."""
    address = f"https://{urlsplit(settings.instance_url).netloc}/services/data/"
    reply = decoded(session.request("GET", address, call=Call("versions")))
    found = (
        [item.get("version") for item in reply if isinstance(item, dict)] if isinstance(reply, list) else []
    )
    listed = [version for version in found if isinstance(version, str) and _VERSION.fullmatch(version)]
    if not listed:
        raise Transient("NOT_VERSIONS", detail="the org does not list its API versions")
    return sorted(listed, key=float)


def _certificates(name: str, base: Path | None) -> str:
    path = Path(name).expanduser()
    path = path if base is None or path.is_absolute() else base / path
    if not path.is_file():
        raise Misconfigured(
            "CA_FILE", detail=f"{path} is not a file of certificates", hint="Check ca_file", sent=False
        )
    return str(path)


def _agree(listed: Sequence[str], wanted: str) -> str:
    """The configured version or, where the org does not have it yet, its newest."""
    newest = listed[-1]
    if float(newest) < float(wanted):
        chosen = newest
    elif wanted in listed:
        chosen = wanted
    else:
        raise Misconfigured(
            "UNSUPPORTED_API_VERSION",
            detail=f"the org lists {listed[0]} to {newest}, not {wanted}",
            sent=False,
        )
    if float(chosen) < 58:
        raise Misconfigured(
            "UNSUPPORTED_API_VERSION", detail=f"the org's newest version is {newest}", sent=False
        )
    return chosen


if TYPE_CHECKING:

    def _keeps_the_port(org: SalesforceOrg) -> Org:
        return org
