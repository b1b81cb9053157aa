"""Logging in: JWT bearer, client credentials or refresh token; the org pinned; one refresh at a time.

No user name with password and no SOAP login: Salesforce is removing both.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import jwt
import requests
from pydantic import SecretStr
from structlog.typing import FilteringBoundLogger

from connector import limits
from connector.config import OrgSettings, id18
from connector.errors import Ambiguous, AuthenticationFailed, Misconfigured, SyncError, Transient, WrongOrg
from connector.hosts import LOOPBACK, check_origin
from connector.port import Clock
from connector.refresh_tokens import RefreshToken
from connector.replies import Call
from connector.retry import Safety, retrying
from connector.secrets import required
from connector.session import decoded
from connector.token_store import TokenStore

_GRANT = {
    "jwt": "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "client_credentials": "client_credentials",
    "refresh_token": "refresh_token",
}
_IDENTITY = re.compile(r"/id/(00D[A-Za-z0-9]{12,15})/(005[A-Za-z0-9]{12,15})/?")


@dataclass(frozen=True)
class AccessToken:
    """A token and where it is good. Its text appears in no repr."""

    secret: SecretStr
    instance_url: str
    org_id: str
    user_id: str
    generation: int

    @property
    def authorization(self) -> str:
        return f"Bearer {self.secret.get_secret_value()}"


class Exchange(Protocol):
    """One request without a token (`OrgSession.exchange`)."""

    def __call__(
        self, verb: str, address: str, *, call: Call, headers: Mapping[str, Any], data: Any, deadline: float
    ) -> requests.Response: ...


class Login:
    """Keeps one org's token. `refresh` is safe from several threads: one asks, the others take its answer."""

    def __init__(
        self,
        settings: OrgSettings,
        *,
        exchange: Exchange,
        skew: Callable[[], float | None],
        environ: Mapping[str, str],
        clock: Clock,
        rng: random.Random,
        log: FilteringBoundLogger,
        store: TokenStore | None = None,
        base: Path | None = None,
    ) -> None:
        self._settings = settings
        self._exchange = exchange
        self._skew = skew
        self._environ = environ
        self._clock = clock
        self._rng = rng
        self._log = log
        self._base = base
        self._refresh_token = RefreshToken(
            settings, environ=environ, base=base, clock=clock, log=log, store=store
        )
        self._lock = threading.Lock()
        self._token: AccessToken | None = None
        self._refused: tuple[AuthenticationFailed, float] | None = None
        self._pinned = settings.org_id

    def __repr__(self) -> str:
        return f"<Login {self._settings.alias} {self._settings.auth}>"

    def current(self) -> AccessToken:
        token = self._token
        return token if token is not None else self.refresh(0)

    def refresh(self, seen: int) -> AccessToken:
        """A token newer than generation `seen`. Raises AuthenticationFailed, WrongOrg, Misconfigured, Transient."""
        with self._lock:
            if self._token is not None and self._token.generation > seen:
                return self._token
            pause, now = limits.LOGIN_PAUSE_SECONDS, self._clock.monotonic()
            if self._refused is not None and now - self._refused[1] < pause:
                raise self._refused[0]
            try:
                self._token = self._ask(seen + 1)
            except SyncError as error:
                error.gave_up = (
                    True  # the request that needed the token must not start another round of logins
                )
                if not isinstance(error, AuthenticationFailed):
                    raise
                refused = error
                self._refused = (refused, self._clock.monotonic())
                self._log.error(
                    "auth.failed", org=self._settings.alias, code=refused.code, status=refused.status
                )
                raise
            self._refused = None
            self._log.info("auth.refreshed", org=self._settings.alias, generation=self._token.generation)
            return self._token

    # --- one login -------------------------------------------------------------------------------------
    def _ask(self, generation: int) -> AccessToken:
        deadline = self._clock.monotonic() + self._settings.timeouts.call
        # A rotating refresh token that was sent may be spent: asking again with it would revoke the grant.
        safety = Safety.ONCE if self._settings.auth == "refresh_token" else Safety.READ
        loop = retrying(safety, clock=self._clock, rng=self._rng, deadline=deadline)
        with self._refresh_token.held(deadline) if safety is Safety.ONCE else nullcontext():
            skew = self._relevant_skew()
            form = self._form(skew)
            try:
                try:
                    reply = loop(self._post, form, safety, deadline)
                except AuthenticationFailed:
                    other = self._other_form(form, skew)
                    if other is None:
                        raise
                    reply = loop(self._post, other, safety, deadline)
            except Ambiguous as lost:
                raise Transient(lost.code, status=lost.status, detail="the login's reply was lost") from None
            return self._read(reply, generation)

    def _other_form(self, refused: Mapping[str, str], skew: float) -> dict[str, str] | None:
        """What may be asked once more after a refusal; None: nothing is known that was not known before."""
        found = self._relevant_skew()
        if self._settings.auth == "jwt" and found != skew:
            # The refusal's Date header says that our clock is off: once more with the org's time.
            self._log.warning("auth.clock_skew", org=self._settings.alias, seconds=round(found))
            return self._form(found)
        if self._settings.auth == "refresh_token":
            # Whoever knows nothing of our lock (another host, a person) may have stored another one meanwhile.
            other = self._form(found)
            return other if other["refresh_token"] != refused["refresh_token"] else None
        return None

    def _relevant_skew(self) -> float:
        skew = self._skew() or 0.0
        return skew if abs(skew) > limits.CLOCK_SKEW_SECONDS else 0.0

    def _post(self, form: Mapping[str, str], safety: Safety, deadline: float) -> Any:
        try:
            response = self._exchange(
                "POST",
                self._settings.token_endpoint,
                call=Call("login", safety),
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                data=dict(form),
                deadline=deadline,
            )
        except Transient:
            raise
        except (AuthenticationFailed, Misconfigured) as refused:
            if refused.status is None or refused.status in {404, 405, 410}:
                raise
            raise AuthenticationFailed(
                refused.code,
                status=refused.status,
                detail=refused.detail,
                hint=_login_hint(refused, self._settings),
            ) from None
        return decoded(response)

    def _form(self, skew: float) -> dict[str, str]:
        s = self._settings
        form = {"grant_type": _GRANT[s.auth]}
        match s.auth:
            case "jwt":
                form["assertion"] = self._assertion(skew)
            case "client_credentials":
                form |= {"client_id": s.client_id, "client_secret": self._secret(s.client_secret)}
            case "refresh_token":
                form |= {"client_id": s.client_id, "refresh_token": self._refresh_token.current()}
                if s.client_secret is not None:
                    form["client_secret"] = self._secret(s.client_secret)
        return form

    def _assertion(self, skew: float) -> str:
        s = self._settings
        expires = self._clock.now() + timedelta(seconds=skew + limits.JWT_LIFE_SECONDS)
        claims = {
            "iss": s.client_id,
            "sub": s.username,
            "aud": s.jwt_audience,
            "exp": int(expires.timestamp()),
        }
        try:
            return jwt.encode(claims, self._secret(s.private_key), algorithm="RS256")
        except (jwt.PyJWTError, ValueError, TypeError):
            raise Misconfigured(
                "PRIVATE_KEY", detail=f"{s.private_key} is not an RSA private key in PEM form", sent=False
            ) from None

    def _secret(self, reference: str | None) -> str:
        return required(reference, alias=self._settings.alias, environ=self._environ, base=self._base)

    # --- its answer ------------------------------------------------------------------------------------
    def _read(self, reply: Any, generation: int) -> AccessToken:
        if not isinstance(reply, dict):
            raise Misconfigured("TOKEN_REPLY", detail="the login answered something else than a token")
        access, instance, identity = (reply.get(key) for key in ("access_token", "instance_url", "id"))
        if not (
            isinstance(access, str) and access and isinstance(instance, str) and isinstance(identity, str)
        ):
            raise Misconfigured(
                "TOKEN_REPLY", detail="the login's answer lacks access_token, instance_url or id"
            )
        if self._settings.auth == "refresh_token":
            self._refresh_token.keep(reply.get("refresh_token"))
        who = _IDENTITY.fullmatch(urlsplit(identity).path)
        if who is None:
            raise Misconfigured("TOKEN_REPLY", detail="the login's answer names no org")
        org_id = id18(who[1][:15])
        if self._pinned is not None and org_id != self._pinned:
            raise WrongOrg("WRONG_ORG", detail=f"logged in to {org_id}, but {self._pinned} is pinned")
        self._pinned = org_id
        return AccessToken(SecretStr(access), self._instance(instance), org_id, id18(who[2][:15]), generation)

    def _instance(self, url: str) -> str:
        origin = check_origin(url)
        if is_loopback(origin) != is_loopback(self._settings.instance_url):
            raise Misconfigured("TOKEN_REPLY", detail="the login names an instance that cannot be this org's")
        return origin


def is_loopback(origin: str) -> bool:
    return (urlsplit(origin).hostname or "") in LOOPBACK


def _login_hint(refused: SyncError, settings: OrgSettings) -> str:
    match settings.auth:
        case "jwt":
            return (
                f"Check that the app is approved for {settings.username}, that its certificate belongs to "
                f"{settings.private_key}, and that audience is {settings.jwt_audience}"
            )
        case "client_credentials":
            return (
                "Check client_id and client_secret, and that the app has a run-as user; use the My Domain URL"
            )
        case _:
            return "The grant was revoked or used up: authorize the app once more and store the new refresh token"
