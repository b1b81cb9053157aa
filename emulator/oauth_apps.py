"""What an admin sets up before anyone can log in: connected apps, their keys, their refresh-token grants.

Source: Salesforce help, "Connected Apps", "External Client Apps", "OAuth Authorization Flows".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

if TYPE_CHECKING:
    from emulator.org import Org

GRANTS_MAX = 5
"""Approvals one user can give one app; the sixth revokes the oldest."""


@dataclass
class ConnectedApp:
    """One app. `key_pem` is a certificate or a public key; `run_as` the user of client credentials."""

    client_id: str
    client_secret: str
    key_pem: str = ""
    run_as: str = ""
    scopes: str = "api refresh_token"
    rotates: bool = False
    """Refresh Token Rotation: each refresh token works once."""
    external: bool = False
    """An External Client App: the audience must be the org's own address."""
    users: list[str] = field(default_factory=list)
    """Usernames admin-approved for the app; empty means everyone."""
    callbacks: list[str] = field(default_factory=list)

    def public_key(self) -> RSAPublicKey | None:
        """The key JWTs are verified with; None when the app has none or it is not RSA."""
        if not self.key_pem:
            return None
        data = self.key_pem.encode()
        key = (
            load_pem_x509_certificate(data).public_key()
            if b"BEGIN CERTIFICATE" in data
            else load_pem_public_key(data)
        )
        return key if isinstance(key, RSAPublicKey) else None


def register_app(org: Org, app: ConnectedApp) -> ConnectedApp:
    """Add or replace an app."""
    org.storage.keep("apps", app.client_id, asdict(app))
    return app


def find_app(org: Org, client_id: str) -> ConnectedApp | None:
    kept = org.storage.kept("apps", client_id)
    return ConnectedApp(**kept) if kept else None


@dataclass
class Grant:
    """A user's approval of an app: the refresh token that works now, and digests of those that did."""

    id: str
    user_id: str
    client_id: str
    scope: str
    current: str
    spent: list[str] = field(default_factory=list)


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _new_token(org: Org, grant_id: str) -> str:
    number = org.next_number("refresh")
    mac = hmac.new(org.secret, f"refresh:{grant_id}:{number}".encode(), hashlib.sha512).digest()
    return "5Aep861" + base64.urlsafe_b64encode(mac).decode().rstrip("=").replace("-", ".")


def grant_refresh_token(org: Org, client_id: str, user_id: str, scope: str) -> str:
    """What ends a web login: a refresh token for the app and the user."""
    with org.storage.transaction():
        grant = Grant(f"{org.next_number('grant'):08d}", user_id, client_id, scope, "")
        token = _new_token(org, grant.id)
        grant.current = digest(token)
        org.storage.keep("grants", grant.id, asdict(grant))
        same = [each for each in grants(org) if (each.user_id, each.client_id) == (user_id, client_id)]
        for old in same[:-GRANTS_MAX]:
            revoke_grant(org, old.id)
    return token


def grants(org: Org) -> list[Grant]:
    return [Grant(**kept) for _, kept in sorted(org.storage.kept_all("grants").items())]


def rotate(org: Org, grant: Grant) -> str:
    """A new refresh token in place of the current one."""
    token = _new_token(org, grant.id)
    grant.spent.append(grant.current)
    grant.current = digest(token)
    org.storage.keep("grants", grant.id, asdict(grant))
    return token


def revoke_grant(org: Org, grant_id: str) -> None:
    """The refresh token and every session that came from it are over."""
    with org.storage.transaction():
        org.storage.keep("grants", grant_id, None)
        for token, session in org.storage.kept_all("sessions").items():
            if session["grant"] == grant_id:
                org.storage.keep("sessions", token, None)


def user_by(org: Org, column: str, value: str) -> tuple[str, str, bool] | None:
    """(id, username, active) of a user; usernames ignore case."""
    assert column in ("Id", "Username")
    row = org.storage.row(
        f'SELECT "Id", "Username", "IsActive" FROM "User" WHERE "{column}" = ? COLLATE NOCASE', (value,)
    )
    return None if row is None else (row[0], row[1], bool(row[2]))
