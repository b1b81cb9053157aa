"""From a failed request to the error that says what to do next."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import requests
import urllib3

from connector import wire
from connector.config import Answer
from connector.errors import Ambiguous, Misconfigured, QuotaReached, SyncError, Transient, classify
from connector.problems import names_in, problems_in
from connector.retry import Safety


@dataclass(frozen=True)
class Call:
    """What the session must know of a request: what it is counted as, and whether it may be repeated."""

    kind: str  # query, composite, describe, tooling, bulk_query, bulk_ingest, deploy, notify, login, …
    safety: Safety = Safety.READ
    sobject: str | None = None
    numbers: wire.Numbers = "decimal"
    expects: Literal["json", "nothing", "stream"] = "json"  # stream: the caller reads the body
    seconds: float | None = None  # deadline of this call, retries included
    answer: Answer = "soon"  # how long the org itself may take for it (`connector.config.Timeouts`)
    parts: int = 1  # queries in it, which the org runs one after the other


def not_answered(error: requests.RequestException, call: Call) -> SyncError:
    chain = _chain(error)
    sobject, detail = call.sobject, type(error).__name__
    if any(isinstance(e, ssl.SSLCertVerificationError) for e in chain):
        return Misconfigured(
            "TLS_REFUSED",
            hint="The host's certificate is not one we trust; behind a company's proxy set ca_file.",
            sent=False,
            sobject=sobject,
            detail=detail,
        )
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader)):
        return Misconfigured("URL_REFUSED", sent=False, sobject=sobject, detail=detail)
    before = (
        urllib3.exceptions.NewConnectionError,
        urllib3.exceptions.ConnectTimeoutError,
        urllib3.exceptions.SSLError,
        ssl.SSLError,
    )
    if isinstance(error, (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError)) or any(
        isinstance(e, before) for e in chain
    ):
        host = urlsplit(str(error.request.url)).netloc if error.request is not None else ""
        return Transient(
            "NO_CONNECTION", sent=False, sobject=sobject, detail=f"{host} ({detail})" if host else detail
        )
    step = Transient if call.safety is Safety.READ else Ambiguous
    silence = step("NO_ANSWER", sobject=sobject, detail=detail)
    silence.timed_out = call.answer != "soon" and isinstance(error, requests.exceptions.ReadTimeout)
    return silence


def refused(
    response: requests.Response, content: bytes, call: Call, *, is_exhausted: bool | None
) -> SyncError:
    """The error that a reply of 300 and above stands for."""
    status = response.status_code
    problems = problems_in(_json_or_none(content))
    problem = problems[0] if problems else None
    is_write = call.safety is not Safety.READ
    step = classify(problem.code if problem else None, status, is_write=is_write)
    code = problem.code if problem else f"HTTP_{status}"
    if 301 <= status <= 308:
        code = "REDIRECT_REFUSED"
    unsure = status >= 500 and (problem is None or problem.code == "UNKNOWN_EXCEPTION")
    if step is Transient and unsure and is_write:
        step = Ambiguous  # a gateway, or an error after the work: it may have been done
    if step is QuotaReached and is_exhausted is False and code == "REQUEST_LIMIT_EXCEEDED":
        step = Transient  # calls are left: the limit is the one on concurrent long requests
    return step(
        code,
        status=status,
        sobject=call.sobject,
        detail=names_in(problem) if problem else None,
        retry_after=_retry_after(response.headers.get("Retry-After")),
    )


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    todo: list[BaseException] = [error]
    while todo and len(found) < 20:
        one = todo.pop()
        found.append(one)
        reason = getattr(one, "reason", None)
        todo += [
            e
            for e in (*one.args, reason, one.__cause__, one.__context__)
            if isinstance(e, BaseException) and e not in found
        ]
    return found


def _json_or_none(content: bytes) -> object:
    try:
        return wire.decode(content)
    except ValueError:
        return None  # HTML, empty or cut: the status alone decides


def _retry_after(header: str | None) -> float | None:
    """Seconds. The date form is not used by this API and counts as absent."""
    return float(header) if header and header.strip().isdecimal() else None
