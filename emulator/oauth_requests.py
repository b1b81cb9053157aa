"""What every OAuth endpoint shares: reading the form, knowing the app, refusing, and the token reply.

Source: Salesforce help, "OAuth 2.0 Authorization Flows", "OAuth Error Codes"; error descriptions as recorded.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from emulator import auth, oauth_apps
from emulator.oauth_apps import ConnectedApp
from emulator.router import Request, Response, json_response

if TYPE_CHECKING:
    from emulator.org import Org


@dataclass
class Refused(Exception):
    """An OAuth error: 400 with `error` and `error_description`."""

    error: str
    description: str
    status: int = 400

    def response(self) -> Response:
        body = {"error": self.error, "error_description": self.description}
        return no_store(json_response(body, self.status))


def no_store(response: Response) -> Response:
    response.headers.append(("Pragma", "no-cache"))
    return response


def read_form(request: Request) -> dict[str, str]:
    """Parameters of the body and, as Salesforce allows, of the address."""
    try:
        text = request.body.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise Refused("invalid_request", "the request body is not UTF-8") from problem
    return {**dict(request.query), **dict(parse_qsl(text, keep_blank_values=True))}


def client_of(org: Org, request: Request, form: dict[str, str], *, secret: bool) -> ConnectedApp:
    """The app a request comes from: by HTTP Basic or by the form. `secret`: it must prove itself."""
    client_id, client_secret = form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, basic = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(basic, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as problem:
            raise Refused("invalid_client", "invalid client credentials") from problem
        first, _, second = pair.partition(":")
        client_id, client_secret = unquote(first), unquote(second)
    app = oauth_apps.find_app(org, client_id)
    if app is None:
        raise Refused("invalid_client_id", "client identifier invalid")
    if (secret or client_secret) and not hmac.compare_digest(
        app.client_secret.encode(), client_secret.encode()
    ):
        raise Refused("invalid_client", "invalid client credentials")
    return app


def active_user(org: Org, column: str, value: str, missing: str) -> str:
    user = oauth_apps.user_by(org, column, value)
    if user is None:
        raise Refused("invalid_grant", missing)
    if not user[2]:
        raise Refused("invalid_grant", "inactive user")
    return user[0]


def issue(
    org: Org,
    request: Request,
    app: ConnectedApp,
    user_id: str,
    grant: str = "",
    refresh_token: str | None = None,
) -> Response:
    """The token reply; `signature` proves `id` and `issued_at` to whoever knows the app's secret."""
    session = auth.start_session(org, user_id, app.client_id, app.scopes, grant)
    identity = f"{request.base_url}/id/{org.id}/{user_id}"
    issued = str(session.issued_ms)
    mac = hmac.new(app.client_secret.encode(), (identity + issued).encode(), hashlib.sha256).digest()
    body = {"access_token": session.token}
    if refresh_token:
        body["refresh_token"] = refresh_token
    body |= {
        "signature": base64.b64encode(mac).decode(),
        "scope": app.scopes,
        "instance_url": request.base_url,
        "id": identity,
        "token_type": "Bearer",
        "issued_at": issued,
    }
    return json_response(body)
