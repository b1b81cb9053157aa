"""Sessions: who is calling. The OAuth endpoints are in `auth_rest`.

Source: REST API Developer Guide, "Authorization"; the replies for expired sessions are recorded ones.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from emulator import wire
from emulator.errors import ApiError
from emulator.router import Request

if TYPE_CHECKING:
    from emulator.org import Org

SCHEMES = ("bearer", "oauth")


@dataclass
class Session:
    token: str
    user_id: str
    client_id: str
    scope: str
    issued_ms: int
    expires_ms: int
    grant: str = ""
    """The refresh-token grant this session came from; revoking the grant ends it."""


def start_session(
    org: Org, user_id: str, client_id: str = "", scope: str = "api", grant: str = ""
) -> Session:
    """A new session of `settings.token_ttl` seconds; the token looks like Salesforce's (`00D…!AQ…`)."""
    now = org.now_ms()
    with org.storage.transaction() as connection:
        number = org.next_number("session")
        connection.execute(
            "DELETE FROM _kept WHERE space = 'sessions' AND json_extract(value, '$.expires_ms') <= ?", (now,)
        )
    digest = hmac.new(org.secret, f"{number}:{user_id}:{now}".encode(), hashlib.sha512).digest()
    tail = base64.b64encode(digest, altchars=b"._").decode().rstrip("=")
    session = Session(
        f"{org.id[:15]}!AQ{tail}",
        user_id,
        client_id,
        scope,
        now,
        now + int(org.settings.token_ttl * 1000),
        grant,
    )
    org.storage.keep("sessions", session.token, asdict(session))
    return session


def utc_text(ms: int) -> str:
    """`2026-11-23T15:00:00Z`, as identity replies write it."""
    return wire.datetime_text(ms, "Z").replace(".000Z", "Z")


def find_session(org: Org, token: str) -> Session | None:
    """The session of a token, while it lives."""
    kept = org.storage.kept("sessions", token)
    if kept is None:
        return None
    session = Session(**kept)
    return session if session.expires_ms > org.now_ms() else None


def end_session(org: Org, token: str) -> bool:
    found = org.storage.kept("sessions", token) is not None
    org.storage.keep("sessions", token, None)
    return found


def expire_sessions(org: Org) -> None:
    """Every session is over at once: what an admin does, and what a test wants."""
    org.storage.execute("DELETE FROM _kept WHERE space = 'sessions'")


def login(org: Org, username: str | None = None) -> str:
    """A token without OAuth, for tests and for the org's own console. Default: the administrator."""
    where, values = ('WHERE "Username" = ?', (username,)) if username else ('ORDER BY "Id" LIMIT 1', ())
    row = org.storage.row(f'SELECT "Id" FROM "User" {where}', values)
    if row is None:
        raise LookupError(f"no user {username}")
    return start_session(org, row[0]).token


def authenticate(org: Org, request: Request) -> None:
    """Set `request.user_id` and `request.session`, or raise the 401 of a missing, malformed or expired token."""
    header = request.headers.get("authorization", "")
    scheme, _, token = header.partition(" ")
    if not header:
        raise ApiError(401, "INVALID_SESSION_ID", "Session expired or invalid", headers=(_CHALLENGE,))
    if scheme.lower() not in SCHEMES or not token.strip():
        raise ApiError(401, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE", headers=(_CHALLENGE,))
    session = find_session(org, token.strip())
    if session is None:
        raise expired(org)
    _extend(org, session)
    request.session, request.user_id = session, session.user_id


_CHALLENGE = ("WWW-Authenticate", "Token")


def expired(org: Org) -> ApiError:
    if org.settings.jwt_access_tokens:
        return ApiError(401, "INVALID_AUTH_HEADER", "INVALID_JWT_FORMAT", headers=(_CHALLENGE,))
    return ApiError(401, "INVALID_SESSION_ID", "Session expired or invalid", headers=(_CHALLENGE,))


def _extend(org: Org, session: Session) -> None:
    """A session slides: using it in the second half of its life renews it. Source: help, "Session Settings"."""
    ttl = int(org.settings.token_ttl * 1000)
    if session.expires_ms - org.now_ms() < ttl // 2:
        session.expires_ms = org.now_ms() + ttl
        org.storage.keep("sessions", session.token, asdict(session))
