"""The web server flow: `/services/oauth2/authorize`, PKCE, and the code's exchange.

Source: Salesforce help, "OAuth 2.0 Web Server Flow". Assumed: there is no login page, approval is immediate.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from emulator import oauth_apps
from emulator.oauth_requests import Refused, active_user, client_of, issue, read_form
from emulator.router import Request, Response, route

if TYPE_CHECKING:
    from emulator.org import Org

CODE_SECONDS = 900


@route("GET", "/services/oauth2/authorize", auth=False, counts=False)
def authorize(org: Org, request: Request) -> Response:
    """Approves at once, as `login_hint` or the administrator: there is no login page to fill in (assumed)."""
    form = read_form(request)
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


def redeem_code(org: Org, request: Request, form: dict[str, str]) -> Response:
    code = form.get("code", "")
    kept = org.storage.kept("codes", code)
    app = client_of(org, request, form, secret=kept is None or not kept["challenge"])
    if kept is None or kept["client"] != app.client_id or org.now_ms() - kept["ms"] > CODE_SECONDS * 1000:
        raise Refused("invalid_grant", "expired authorization code")
    if form.get("redirect_uri") != kept["callback"]:
        raise Refused("redirect_uri_mismatch", "redirect_uri must match configuration")
    if kept["challenge"]:
        hashed = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(hashed).decode().rstrip("=") != kept["challenge"]:
            raise Refused("invalid_grant", "invalid code verifier")
    org.storage.keep("codes", code, None)
    user_id = active_user(org, "Id", kept["user"], "expired authorization code")
    refresh = None
    if "refresh_token" in app.scopes.split():
        refresh = oauth_apps.grant_refresh_token(org, app.client_id, user_id, app.scopes)
    grant = oauth_apps.grants(org)[-1].id if refresh else ""
    return issue(org, request, app, user_id, grant, refresh)
