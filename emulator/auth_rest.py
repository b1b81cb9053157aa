"""`/services/oauth2/token`: every grant the org gives tokens for.

Sources: Salesforce help, "OAuth 2.0 JWT Bearer Flow", "Client Credentials Flow", "Refresh Token Flow";
descriptions of refusals as recorded.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import jwt

from emulator import oauth_apps
from emulator.oauth_apps import ConnectedApp
from emulator.oauth_requests import Refused, active_user, client_of, issue, no_store, read_form
from emulator.router import Request, Response, route
from emulator.web_login import redeem_code

if TYPE_CHECKING:
    from emulator.org import Org

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LOGIN_AUDIENCE = "https://login.salesforce.com"
TEST_AUDIENCE = "https://test.salesforce.com"
JWT_SECONDS_MAX = 300
"""The guide says three minutes; Salesforce's own command line uses five."""
CLOCK_SKEW_SECONDS = 60


@route("POST", "/services/oauth2/token", auth=False, counts=False)
def token(org: Org, request: Request) -> Response:
    try:
        form = read_form(request)
        grant = form.get("grant_type", "")
        if not grant:
            raise Refused("unsupported_grant_type", "grant type not supported")
        with org.storage.transaction():
            return no_store(_grants(org, request, form, grant))
    except Refused as refused:
        return refused.response()


def _grants(org: Org, request: Request, form: dict[str, str], grant: str) -> Response:
    if grant == JWT_BEARER:
        return _jwt_bearer(org, request, form)
    if grant == "client_credentials":
        return _client_credentials(org, request, form)
    if grant == "refresh_token":
        return _refresh(org, request, form)
    if grant == "authorization_code":
        return redeem_code(org, request, form)
    if grant == "password":
        # Source: help, "Username-Password Flow blocked by default" (Summer '23).
        raise Refused("invalid_grant", "authentication failure")
    raise Refused("unsupported_grant_type", "grant type not supported")


def _jwt_bearer(org: Org, request: Request, form: dict[str, str]) -> Response:
    assertion = form.get("assertion", "")
    try:
        claims: dict[str, Any] = jwt.decode(assertion, options={"verify_signature": False})
        algorithm = jwt.get_unverified_header(assertion).get("alg")
    except jwt.PyJWTError as problem:
        raise Refused("invalid_grant", "invalid assertion") from problem
    app = oauth_apps.find_app(org, str(claims.get("iss", "")))
    if app is None:
        raise Refused("invalid_client_id", "client identifier invalid")
    key = app.public_key()
    if key is None or algorithm != "RS256":
        raise Refused("invalid_grant", "invalid assertion")
    checks = {"verify_exp": False, "verify_aud": False, "verify_nbf": False, "verify_iat": False}
    try:
        jwt.decode(assertion, key, algorithms=["RS256"], options=checks | {"verify_sub": False})  # type: ignore[arg-type]
    except jwt.PyJWTError as problem:
        raise Refused("invalid_grant", "invalid assertion") from problem
    _check_audience(request, app, claims.get("aud"))
    _check_expiry(org, claims.get("exp"))
    username = str(claims.get("sub") or claims.get("prn") or "")
    if app.users and username.lower() not in (each.lower() for each in app.users):
        raise Refused("invalid_grant", "user hasn't approved this consumer")
    user_id = active_user(org, "Username", username, "user hasn't approved this consumer")
    return issue(org, request, app, user_id)


def _check_audience(request: Request, app: ConnectedApp, audience: Any) -> None:
    given = {str(each).rstrip("/") for each in (audience if isinstance(audience, list) else [audience])}
    own = request.base_url.rstrip("/")
    if own in given or (LOGIN_AUDIENCE in given and not app.external):
        return
    if app.external and TEST_AUDIENCE in given:
        raise Refused("app_not_found", "External client app is not installed in this org")
    raise Refused("invalid_grant", "audience is invalid")


def _check_expiry(org: Org, expires: Any) -> None:
    """`exp` in seconds; clients that send it as text are understood, as Salesforce does."""
    try:
        left = int(str(expires)) - org.now_ms() / 1000
    except ValueError as problem:
        raise Refused("invalid_grant", "invalid assertion") from problem
    if left < -CLOCK_SKEW_SECONDS:
        raise Refused("invalid_grant", "expired authorization code")
    if left > JWT_SECONDS_MAX + CLOCK_SKEW_SECONDS:
        raise Refused("invalid_grant", "invalid assertion")


def _client_credentials(org: Org, request: Request, form: dict[str, str]) -> Response:
    app = client_of(org, request, form, secret=True)
    if not app.run_as:
        raise Refused("invalid_grant", "no client credentials user enabled")
    return issue(
        org, request, app, active_user(org, "Username", app.run_as, "no client credentials user enabled")
    )


def _refresh(org: Org, request: Request, form: dict[str, str]) -> Response:
    app = client_of(org, request, form, secret=False)
    wanted = oauth_apps.digest(form.get("refresh_token", ""))
    for grant in oauth_apps.grants(org):
        if grant.client_id != app.client_id:
            continue
        if wanted in grant.spent:
            # A rotated token came back: somebody has a copy, so nobody keeps the grant.
            org.storage.once_over.append(partial(oauth_apps.revoke_grant, org, grant.id))
            raise Refused("invalid_grant", "expired access/refresh token")
        if wanted == grant.current:
            user_id = active_user(org, "Id", grant.user_id, "expired access/refresh token")
            rotated = oauth_apps.rotate(org, grant) if app.rotates else None
            return issue(org, request, app, user_id, grant.id, rotated)
    raise Refused("invalid_grant", "expired access/refresh token")
