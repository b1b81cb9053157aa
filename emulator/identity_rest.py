"""What a token is and whose: introspect, revoke, userinfo, and the identity address.

Sources: Salesforce help, "OpenID Connect Token Introspection", "Revoke OAuth Tokens", "Identity URLs".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator import auth, oauth_apps
from emulator.oauth_requests import Refused, client_of, read_form
from emulator.router import Request, Response, json_response, route

if TYPE_CHECKING:
    from emulator.org import Org


@route("POST", "/services/oauth2/introspect", auth=False, counts=False)
def introspect(org: Org, request: Request) -> Response:
    try:
        form = read_form(request)
        app = client_of(org, request, form, secret=True)
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
        wanted = read_form(request).get("token", "")
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


_PROFILE = (
    "Username", "Name", "FirstName", "LastName", "Email", "TimeZoneSidKey", "LocaleSidKey", "LanguageLocaleKey",
    "UserType", "IsActive", "SystemModstamp",
)  # fmt: skip


def _bearer(org: Org, request: Request) -> auth.Session:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    wanted = given.strip() if scheme.lower() in auth.SCHEMES else read_form(request).get("oauth_token", "")
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
        return json_response(_identity(org, request, session.user_id))
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
