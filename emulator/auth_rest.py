"""The OAuth endpoints: token, authorize, introspect, userinfo, revoke, and the identity address.

Sources: Salesforce help, "OAuth 2.0 JWT Bearer Flow", "Client Credentials Flow", "Refresh Token Flow", "Web
Server Flow", "OpenID Connect Token Introspection", "Identity URLs"; error descriptions as recorded.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlencode

import jwt

from emulator import auth, oauth_apps
from emulator.jsontext import dumps
from emulator.oauth_apps import ConnectedApp
from emulator.router import JSON_TYPE, Request, Response, json_response, route

if TYPE_CHECKING:
    from emulator.org import Org

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LOGIN_AUDIENCE = "https://login.salesforce.com"
TEST_AUDIENCE = "https://test.salesforce.com"
JWT_SECONDS_MAX = 300
"""The guide says three minutes; Salesforce's own command line uses five."""
CLOCK_SKEW_SECONDS = 60
CODE_SECONDS = 900


@dataclass
class Refused(Exception):
    """An OAuth error: 400 with `error` and `error_description`."""

    error: str
    description: str
    status: int = 400

    def response(self) -> Response:
        body = {"error": self.error, "error_description": self.description}
        return _no_store(json_response(body, self.status))


def _no_store(response: Response) -> Response:
    response.headers.append(("Pragma", "no-cache"))
    return response


def _form(request: Request) -> dict[str, str]:
    """Parameters of the body and, as Salesforce allows, of the address."""
    try:
        text = request.body.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise Refused("invalid_request", "the request body is not UTF-8") from problem
    return {**dict(request.query), **dict(parse_qsl(text, keep_blank_values=True))}


def _client(org: Org, request: Request, form: dict[str, str], *, secret: bool) -> ConnectedApp:
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


@route("POST", "/services/oauth2/token", auth=False, counts=False)
def token(org: Org, request: Request) -> Response:
    try:
        form = _form(request)
        grant = form.get("grant_type", "")
        if not grant:
            raise Refused("unsupported_grant_type", "grant type not supported")
        with org.storage.transaction():
            return _no_store(_grants(org, request, form, grant))
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
        return _authorization_code(org, request, form)
    if grant == "password":
        # Source: help, "Username-Password Flow blocked by default" (Summer '23).
        raise Refused("invalid_grant", "authentication failure")
    raise Refused("unsupported_grant_type", "grant type not supported")


def _active(org: Org, column: str, value: str, missing: str) -> str:
    user = oauth_apps.user_by(org, column, value)
    if user is None:
        raise Refused("invalid_grant", missing)
    if not user[2]:
        raise Refused("invalid_grant", "inactive user")
    return user[0]


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
    user_id = _active(org, "Username", username, "user hasn't approved this consumer")
    return _issue(org, request, app, user_id)


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
    app = _client(org, request, form, secret=True)
    if not app.run_as:
        raise Refused("invalid_grant", "no client credentials user enabled")
    return _issue(
        org, request, app, _active(org, "Username", app.run_as, "no client credentials user enabled")
    )


def _refresh(org: Org, request: Request, form: dict[str, str]) -> Response:
    app = _client(org, request, form, secret=False)
    wanted = oauth_apps.digest(form.get("refresh_token", ""))
    for grant in oauth_apps.grants(org):
        if grant.client_id != app.client_id:
            continue
        if wanted in grant.spent:
            # A rotated token came back: somebody has a copy, so nobody keeps the grant.
            org.storage.once_over.append(partial(oauth_apps.revoke_grant, org, grant.id))
            raise Refused("invalid_grant", "expired access/refresh token")
        if wanted == grant.current:
            user_id = _active(org, "Id", grant.user_id, "expired access/refresh token")
            rotated = oauth_apps.rotate(org, grant) if app.rotates else None
            return _issue(org, request, app, user_id, grant.id, rotated)
    raise Refused("invalid_grant", "expired access/refresh token")


def _issue(
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


# -- the web server flow -----------------------------------------------------------------------------------


@route("GET", "/services/oauth2/authorize", auth=False, counts=False)
def authorize(org: Org, request: Request) -> Response:
    """Approves at once, as `login_hint` or the administrator: there is no login page to fill in (assumed)."""
    form = _form(request)
    app = oauth_apps.find_app(org, form.get("client_id", ""))
    callback = form.get("redirect_uri", "")
    if app is None or callback not in app.callbacks:
        error = "client identifier invalid" if app is None else "redirect_uri must match configuration"
        code = "invalid_client_id" if app is None else "redirect_uri_mismatch"
        return Refused(code, error).response()
    hint = (
        form.get("login_hint")
        or org.storage.rows('SELECT "Username" FROM "User" ORDER BY "Id" LIMIT 1')[0][0]
    )
    user = oauth_apps.user_by(org, "Username", hint)
    state = [("state", form["state"])] if "state" in form else []
    if form.get("response_type") != "code" or user is None or not user[2]:
        failed = [("error", "access_denied"), ("error_description", "end-user denied authorization"), *state]
        return Response(302, [("Location", f"{callback}?{urlencode(failed)}")])
    with org.storage.transaction():
        seed = f"code:{org.next_number('code')}".encode()
        code = "aPrx" + hmac.new(org.secret, seed, hashlib.sha256).hexdigest()
        kept = {
            "client": app.client_id,
            "user": user[0],
            "callback": callback,
            "challenge": form.get("code_challenge", ""),
            "method": form.get("code_challenge_method", "S256"),
            "ms": org.now_ms(),
        }
        org.storage.keep("codes", code, kept)
    return Response(302, [("Location", f"{callback}?{urlencode([('code', code), *state])}")])


def _authorization_code(org: Org, request: Request, form: dict[str, str]) -> Response:
    code = form.get("code", "")
    kept = org.storage.kept("codes", code)
    app = _client(org, request, form, secret=kept is None or not kept["challenge"])
    if kept is None or kept["client"] != app.client_id or org.now_ms() - kept["ms"] > CODE_SECONDS * 1000:
        raise Refused("invalid_grant", "expired authorization code")
    if form.get("redirect_uri") != kept["callback"]:
        raise Refused("redirect_uri_mismatch", "redirect_uri must match configuration")
    if kept["challenge"]:
        hashed = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(hashed).decode().rstrip("=") != kept["challenge"]:
            raise Refused("invalid_grant", "invalid code verifier")
    org.storage.keep("codes", code, None)
    user_id = _active(org, "Id", kept["user"], "expired authorization code")
    refresh = None
    if "refresh_token" in app.scopes.split():
        refresh = oauth_apps.grant_refresh_token(org, app.client_id, user_id, app.scopes)
    grant = oauth_apps.grants(org)[-1].id if refresh else ""
    return _issue(org, request, app, user_id, grant, refresh)


# -- what a token is ---------------------------------------------------------------------------------------


@route("POST", "/services/oauth2/introspect", auth=False, counts=False)
def introspect(org: Org, request: Request) -> Response:
    try:
        form = _form(request)
        app = _client(org, request, form, secret=True)
    except Refused as refused:
        refused.status = 401
        return refused.response()
    session = auth.find_session(org, form.get("token", ""))
    if session is None or session.client_id != app.client_id:
        return json_response({"active": False})
    user = oauth_apps.user_by(org, "Id", session.user_id)
    return json_response(
        {
            "active": True,
            "scope": session.scope,
            "client_id": session.client_id,
            "username": user[1] if user else None,
            "sub": f"{request.base_url}/id/{org.id}/{session.user_id}",
            "token_type": "access_token",
            "exp": session.expires_ms // 1000,
            "iat": session.issued_ms // 1000,
            "nbf": session.issued_ms // 1000,
        }
    )


def _revoke(org: Org, request: Request) -> Response:
    """Ends a session, or a refresh token with all its sessions."""
    try:
        wanted = _form(request).get("token", "")
    except Refused as refused:
        return refused.response()
    with org.storage.transaction():
        if auth.end_session(org, wanted):
            return Response(200)
        for grant in oauth_apps.grants(org):
            if grant.current == oauth_apps.digest(wanted):
                oauth_apps.revoke_grant(org, grant.id)
                return Response(200)
    return Refused("invalid_token", "the token is unknown or revoked already").response()


route("POST", "/services/oauth2/revoke", auth=False, counts=False)(_revoke)
route("GET", "/services/oauth2/revoke", auth=False, counts=False)(_revoke)


# -- who a token is ----------------------------------------------------------------------------------------

_PROFILE = (
    "Username", "Name", "FirstName", "LastName", "Email", "TimeZoneSidKey", "LocaleSidKey", "LanguageLocaleKey",
    "UserType", "IsActive", "SystemModstamp",
)  # fmt: skip


def _bearer(org: Org, request: Request) -> auth.Session:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    wanted = given.strip() if scheme.lower() in auth.SCHEMES else _form(request).get("oauth_token", "")
    session = auth.find_session(org, wanted) if wanted else None
    if session is None:
        raise Refused("Bad_OAuth_Token" if wanted else "Missing_OAuth_Token", "", 403)
    return session


def _plain(refused: Refused) -> Response:
    """These two addresses answer a bad token with one word of plain text, as recorded."""
    return Response(refused.status, [("Content-Type", "text/html;charset=UTF-8")], refused.error.encode())


def _identity(org: Org, request: Request, user_id: str) -> dict[str, Any]:
    columns = ", ".join(f'"{each}"' for each in _PROFILE)
    row = org.storage.row(f'SELECT {columns} FROM "User" WHERE "Id" = ?', (user_id,))
    if row is None:
        raise Refused("Bad_OAuth_Token", "", 403)
    found = dict(zip(_PROFILE, row, strict=True))
    base, org_id = request.base_url, org.id
    data = f"{base}/services/data/v{{version}}"
    return {
        "id": f"{base}/id/{org_id}/{user_id}",
        "asserted_user": True,
        "user_id": user_id,
        "organization_id": org_id,
        "username": found["Username"],
        "nick_name": str(found["Username"]).split("@")[0],
        "display_name": found["Name"],
        "email": found["Email"],
        "email_verified": True,
        "first_name": found["FirstName"],
        "last_name": found["LastName"],
        "timezone": found["TimeZoneSidKey"],
        "photos": {"picture": f"{base}/profilephoto/005/F", "thumbnail": f"{base}/profilephoto/005/T"},
        "urls": {
            "rest": f"{data}/",
            "sobjects": f"{data}/sobjects/",
            "query": f"{data}/query/",
            "recent": f"{data}/recent/",
            "custom_domain": base,
        },
        "active": bool(found["IsActive"]),
        "user_type": str(found["UserType"] or "Standard").upper(),
        "language": found["LanguageLocaleKey"],
        "locale": found["LocaleSidKey"],
        "utcOffset": 0,
        "last_modified_date": auth.utc_text(found["SystemModstamp"]),
        "is_app_installed": True,
    }


@route("GET", "/id/{org_id}/{user_id}", auth=False, counts=False)
def identity(org: Org, request: Request, org_id: str, user_id: str) -> Response:
    try:
        session = _bearer(org, request)
        if org_id[:15] != org.id[:15] or user_id[:15] != session.user_id[:15]:
            raise Refused("Bad_Id", "", 403)
        return Response(
            200, [("Content-Type", JSON_TYPE)], dumps(_identity(org, request, session.user_id)).encode()
        )
    except Refused as refused:
        return _plain(refused)


def _userinfo(org: Org, request: Request) -> Response:
    try:
        session = _bearer(org, request)
        known = _identity(org, request, session.user_id)
    except Refused as refused:
        return _plain(refused)
    renamed = {
        "sub": "id", "user_id": "user_id", "organization_id": "organization_id", "preferred_username": "username",
        "nickname": "nick_name", "name": "display_name", "email": "email", "email_verified": "email_verified",
        "given_name": "first_name", "family_name": "last_name", "zoneinfo": "timezone", "photos": "photos",
        "urls": "urls", "active": "active", "user_type": "user_type", "language": "language", "locale": "locale",
        "utcOffset": "utcOffset", "updated_at": "last_modified_date",
    }  # fmt: skip
    return json_response({new: known[old] for new, old in renamed.items()})


route("GET", "/services/oauth2/userinfo", auth=False, counts=False)(_userinfo)
route("POST", "/services/oauth2/userinfo", auth=False, counts=False)(_userinfo)
