"""Our `requests` session: every byte to and from an org goes through here, also those of simple-salesforce.

It adds the token, pins the host, sets timeouts and a deadline, counts calls, decodes JSON exactly, turns
every failure into a class of `connector.errors`, logs in again once when a token has expired, and repeats
what may be repeated. A reply that leaves `request` is a success.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import requests
from structlog.typing import FilteringBoundLogger

from connector import body, limits, wire
from connector.config import Timeouts
from connector.errors import (
    Ambiguous,
    AuthenticationFailed,
    Misconfigured,
    SyncError,
    Transient,
    UnknownReply,
)
from connector.hosts import HostRefused
from connector.patience import attended
from connector.polling import Attention
from connector.port import Clock
from connector.replies import Call, not_answered, refused
from connector.retry import Policy, Safety, retrying
from connector.sockets import KeepingAdapter
from connector.usage import Meter

CLIENT = "rebate-sync/0.1"
T = TypeVar("T")


class Token(Protocol):
    """What the session needs of a token."""

    @property
    def authorization(self) -> str: ...
    @property
    def instance_url(self) -> str: ...
    @property
    def generation(self) -> int: ...


class Tokens(Protocol):
    """Where tokens come from (`connector.auth.Login`)."""

    def current(self) -> Token: ...
    def refresh(self, seen: int) -> Token:
        """A token newer than generation `seen`; asks for one unless another thread already has."""


class OrgSession(requests.Session):
    """One session for one org. Thread-safe as far as `requests` is: separate requests share a pool."""

    def __init__(
        self,
        *,
        host: str,
        timeouts: Timeouts,
        meter: Meter,
        clock: Clock,
        rng: random.Random,
        log: FilteringBoundLogger,
    ) -> None:
        super().__init__()
        self.trust_env = False  # neither ~/.netrc nor proxy variables may redirect a token
        self.headers.clear()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # the token is all we are known by
        adapter = KeepingAdapter(pool_connections=4, pool_maxsize=16, max_retries=0)
        self.mount("https://", adapter)
        self.mount("http://", adapter)
        self.tokens: Tokens | None = None
        self.meter = meter
        self.policy = Policy()
        self.attention: Attention | None = (
            None  # what looks up while a long call is waited for; None: nobody does
        )
        self._host = host  # as simple-salesforce writes it: host or host:port
        self._timeouts = timeouts
        self._clock = clock
        self._rng = rng
        self._log = log
        self._heard: tuple[datetime, float, datetime] | None = None  # org's Date, our monotonic, our now
        # Its debug lines carry whole addresses, and an address carries SOQL with values.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.WARNING)

    def __repr__(self) -> str:
        return f"<OrgSession {self._host}>"

    def resolve_redirects(self, *_: Any, **__: Any) -> Iterator[Any]:
        """None is followed, nor even prepared: a redirect is an error like any other."""
        return iter(())

    # --- the org's clock -------------------------------------------------------------------------------
    @property
    def heard(self) -> tuple[datetime, float] | None:
        """The Date of the last reply and its age in seconds."""
        if self._heard is None:
            return None
        return self._heard[0], self._clock.monotonic() - self._heard[1]

    @property
    def skew(self) -> float | None:
        """How many seconds the org's clock was ahead of ours at the last reply."""
        return None if self._heard is None else (self._heard[0] - self._heard[2]).total_seconds()

    # --- requests with a token -------------------------------------------------------------------------
    def request(  # type: ignore[override]
        self,
        method: str | bytes,
        url: str | bytes,
        *,
        call: Call | None = None,
        headers: Mapping[str, str | bytes | None] | None = None,
        params: Any = None,
        data: Any = None,
        **unused: Any,
    ) -> requests.Response:
        """Sends to this org, repeating what may be repeated. Raises `SyncError`; never returns an error reply.

        The address is the one simple-salesforce builds (`https://` and the host); it must lead to this org, and
        scheme and host are replaced by the instance of the present token (loopback orgs speak http).
        """
        verb = method.decode() if isinstance(method, bytes) else method
        address = url.decode() if isinstance(url, bytes) else url
        about = call or Call("rest", Safety.READ if verb in {"GET", "HEAD"} else Safety.ONCE)
        path = self._path_of(address)
        deadline = self._clock.monotonic() + (about.seconds or self._longest(about))

        def attempt() -> requests.Response:
            return self._with_token(verb, path, about, deadline, headers=headers, params=params, data=data)

        return self.repeat(about, attempt, deadline)

    def repeat(self, call: Call, attempt: Callable[[], T], deadline: float | None = None) -> T:
        """Runs `attempt` until it succeeds or may not be repeated. Loops may nest: what one gave up on stays so."""
        loop = retrying(
            call.safety,
            clock=self._clock,
            rng=self._rng,
            deadline=self._clock.monotonic() + self._longest(call) if deadline is None else deadline,
            policy=self.policy,
            before_sleep=lambda n, error, wait: self._log.warning(
                "org.retry", kind=call.kind, attempt=n, wait=round(wait, 3), error=str(error)
            ),
        )
        try:
            return loop(attempt)
        except SyncError as error:
            error.gave_up = True
            raise

    def _longest(self, call: Call) -> float:
        """Seconds of a call, its repetitions included: one attempt always has the time that the org may take."""
        return max(self._timeouts.call, self._timeouts.patience(call.answer, call.parts))

    def _path_of(self, address: str) -> str:
        parts = urlsplit(address)
        if parts.scheme != "https" or parts.netloc != self._host or not parts.path.startswith("/services/"):
            raise HostRefused("URL_REFUSED", detail="a request would have left this org", sent=False)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    def _with_token(
        self, verb: str, path: str, call: Call, deadline: float, **parts: Any
    ) -> requests.Response:
        if self.tokens is None:
            raise Misconfigured("NOT_LOGGED_IN", sent=False)
        token = self.tokens.current()
        for replayed in (False, True):
            headers = {
                **{k: v for k, v in (parts["headers"] or {}).items() if k.lower() != "x-prettyprint"},
                "Authorization": token.authorization,
            }
            try:
                return self.exchange(
                    verb,
                    token.instance_url + path,
                    call=call,
                    headers=headers,
                    params=parts["params"],
                    data=parts["data"],
                    deadline=deadline,
                )
            except AuthenticationFailed as expired:
                if replayed or expired.status != 401:
                    raise
                # Whatever the code says: session expired, killed, or a JWT that ran out (INVALID_JWT_FORMAT).
                token = self.tokens.refresh(token.generation)
        raise AssertionError("unreachable: the second refusal is raised")

    # --- one request, no token of its own, no repetition ------------------------------------------------
    def exchange(
        self,
        verb: str,
        address: str,
        *,
        call: Call,
        headers: Mapping[str, Any],
        params: Any = None,
        data: Any = None,
        deadline: float,
    ) -> requests.Response:
        """One attempt. A reply below 300 is returned, anything else raised by its class."""
        remaining = deadline - self._clock.monotonic()
        if remaining <= 0:
            raise Transient(
                "DEADLINE", sobject=call.sobject, detail="no time left for another attempt", sent=False
            )
        self.meter.check(call.kind)
        self.meter.count(call.kind)
        started = self._clock.monotonic()
        patience = min(self._timeouts.patience(call.answer, call.parts), remaining)
        ask = partial(
            self._asked, verb, address, call, headers=headers, params=params, data=data,
            timeout=(min(self._timeouts.connect, remaining), patience), deadline=deadline,
        )  # fmt: skip
        try:
            response, content = self._waited(call, ask)
        except requests.RequestException as error:
            raise self._timed(not_answered(error, call), call, started) from None
        self._listen(response)
        self._log.debug(
            "org.request",
            kind=call.kind,
            method=verb,
            object=call.sobject,
            status=response.status_code,
            seconds=round(self._clock.monotonic() - started, 4),
        )
        if response.status_code < 300 and call.expects == "stream":
            return response
        try:
            return self._answer(response, content, call)
        except SyncError as error:
            raise self._timed(error, call, started) from None

    def _asked(
        self,
        verb: str,
        address: str,
        call: Call,
        *,
        headers: Mapping[str, Any],
        params: Any,
        data: Any,
        timeout: tuple[float, float],
        deadline: float,
    ) -> tuple[requests.Response, bytes | body.BodyCut]:
        """The reply and what stands in it, or where it broke off; a stream is left to whoever asked for it."""
        response = requests.Session.request(
            self,
            verb,
            address,
            params=params,
            data=data,
            headers={
                "Accept": "text/csv" if call.expects == "stream" else "application/json",
                "Accept-Encoding": "gzip",
                "User-Agent": CLIENT,
                "Sforce-Call-Options": f"client={CLIENT}",
                **headers,
            },
            timeout=timeout,
            allow_redirects=False,
            stream=True,
        )
        if response.status_code < 300 and call.expects == "stream":
            return response, b""
        try:
            return response, body.read(response, clock=self._clock, deadline=deadline)
        except body.BodyCut as cut:
            return response, cut

    def _waited(self, call: Call, ask: Callable[[], T]) -> T:
        """What may take minutes is waited for in a thread, so that a stop is heard and the lease kept meanwhile."""
        if self.attention is None or call.answer == "soon":
            return ask()
        last_wait = 0.0 if call.safety is Safety.READ else limits.LAST_WAIT_SECONDS
        return attended(ask, attention=self.attention, last_wait=last_wait)

    def _timed(self, error: SyncError, call: Call, started: float) -> SyncError:
        if call.answer != "soon" and isinstance(error, (Transient, Ambiguous)):
            error.waited = self._clock.monotonic() - started
        return error

    def _answer(
        self, response: requests.Response, content: bytes | body.BodyCut, call: Call
    ) -> requests.Response:
        if isinstance(content, body.BodyCut):
            if response.status_code >= 300:
                content = b""
            elif call.safety is not Safety.READ:
                raise Ambiguous("REPLY_LOST", status=response.status_code, sobject=call.sobject)
            else:
                raise replace_object(content, call.sobject)
        if response.status_code >= 300:
            refusal = refused(response, content, call, is_exhausted=self.meter.is_exhausted)
            if isinstance(refusal, UnknownReply):
                self._log.error("org.unknown_reply", code=refusal.code, status=refusal.status, kind=call.kind)
            raise refusal
        return self._decoded(response, content, call)

    def _listen(self, response: requests.Response) -> None:
        self.meter.hear(response.headers.get("Sforce-Limit-Info"))
        try:
            date = parsedate_to_datetime(response.headers.get("Date", ""))
        except (TypeError, ValueError):
            return  # no usable Date: the last one stands, and `server_time` asks again
        if date.tzinfo is not None:
            self._heard = (date.astimezone(UTC), self._clock.monotonic(), self._clock.now())

    def _decoded(self, response: requests.Response, content: bytes, call: Call) -> requests.Response:
        """Gives the reply its body back, decoded once, exactly, before anybody reads it."""
        response._content = content  # requests has no public way to hand over a body that was read
        response._content_consumed = True  # type: ignore[attr-defined]
        if call.expects == "json" and not (response.status_code == 204 and not content):
            try:
                vars(response)["decoded"] = wire.decode(content, call.numbers)
            except ValueError:
                step = Transient if call.safety is Safety.READ else Ambiguous
                raise step(
                    "NOT_JSON",
                    status=response.status_code,
                    sobject=call.sobject,
                    detail="an empty or cut reply, or a page for people",
                ) from None
        return response


def decoded(response: requests.Response) -> Any:
    """The JSON of a reply that came out of an `OrgSession`."""
    return vars(response).get("decoded")


def replace_object(error: SyncError, sobject: str | None) -> SyncError:
    """The same error, now knowing what it was about."""
    error.sobject = error.sobject or sobject
    return error
