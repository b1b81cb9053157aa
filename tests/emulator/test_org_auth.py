"""Logging in: every OAuth flow the org offers, and every way it says no."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from emulator.auth import expire_sessions, login
from emulator.birth import ADMIN_USERNAME
from emulator.oauth_apps import ConnectedApp, grant_refresh_token, register_app
from emulator.router import Request

BASE = "http://127.0.0.1:9"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def app(org, key):
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return register_app(
        org,
        ConnectedApp(
            "3MVG9app", "s3cret", key_pem=pem, run_as=ADMIN_USERNAME, callbacks=["http://127.0.0.1:1/cb"]
        ),
    )


@pytest.fixture
def post(org):
    def send(path, headers=None, **form):
        body = urlencode(form).encode()
        return org.handle(Request.to("POST", f"/services/oauth2/{path}", headers or {}, body, BASE))

    return send


@pytest.fixture
def assertion(org, key, app):
    def make(signer=key, **claims):
        now = int(org.now().timestamp())
        payload = {
            "iss": app.client_id,
            "sub": ADMIN_USERNAME,
            "aud": "https://login.salesforce.com",
            "exp": now + 180,
        }
        return jwt.encode(payload | claims, signer, algorithm="RS256")

    return make


def told(response):
    body = response.json()
    return response.status, body["error"], body["error_description"]


def whoami(org, token, scheme="Bearer"):
    return org.handle(
        Request.to("GET", "/services/data/v68.0/limits", {"Authorization": f"{scheme} {token}"})
    ).status


def test_a_signed_assertion_gives_a_token_that_works(org, app, post, assertion):
    response = post("token", grant_type=JWT_BEARER, assertion=assertion())
    found = response.json()
    assert response.status == 200
    assert set(found) == {
        "access_token",
        "signature",
        "scope",
        "instance_url",
        "id",
        "token_type",
        "issued_at",
    }
    assert found["instance_url"] == BASE
    assert found["access_token"].startswith(f"{org.id[:15]}!AQ")
    assert found["issued_at"].isdigit()
    assert len(found["issued_at"]) == 13
    assert whoami(org, found["access_token"]) == 200
    assert whoami(org, found["access_token"], "OAuth") == 200


def test_the_signature_is_the_hmac_of_identity_and_time(app, post, assertion):
    found = post("token", grant_type=JWT_BEARER, assertion=assertion()).json()
    expected = hmac.new(b"s3cret", (found["id"] + found["issued_at"]).encode(), hashlib.sha256).digest()
    assert found["signature"] == base64.b64encode(expected).decode()


def test_the_audience_may_be_the_org_itself_and_exp_may_be_text(org, post, assertion):
    late = str(int(org.now().timestamp()) + 100)
    assert post("token", grant_type=JWT_BEARER, assertion=assertion(aud=BASE, exp=late)).status == 200


@pytest.mark.parametrize(
    ("claims", "error", "description"),
    [
        ({"iss": "stranger"}, "invalid_client_id", "client identifier invalid"),
        ({"aud": "https://elsewhere.example"}, "invalid_grant", "audience is invalid"),
        ({"exp": 1}, "invalid_grant", "expired authorization code"),
        ({"exp": 4102444800}, "invalid_grant", "invalid assertion"),
        ({"exp": "soon"}, "invalid_grant", "invalid assertion"),
        ({"sub": "nobody@acme.example"}, "invalid_grant", "user hasn't approved this consumer"),
    ],
)
def test_a_wrong_claim_is_named(post, assertion, claims, error, description):
    assert told(post("token", grant_type=JWT_BEARER, assertion=assertion(**claims))) == (
        400,
        error,
        description,
    )


def test_a_signature_of_another_key_and_a_foreign_algorithm_are_refused(post, assertion, app):
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    unsigned = jwt.encode({"iss": app.client_id, "sub": ADMIN_USERNAME}, None, algorithm="none")
    for each in (assertion(signer=stranger), unsigned, "not.a.jwt", ""):
        assert told(post("token", grant_type=JWT_BEARER, assertion=each))[1:] == (
            "invalid_grant",
            "invalid assertion",
        )


def test_an_external_client_app_knows_only_its_own_org(org, post, assertion, app):
    app.external = True
    register_app(org, app)
    found = told(post("token", grant_type=JWT_BEARER, assertion=assertion(aud="https://test.salesforce.com")))
    assert found[1] == "app_not_found"
    assert told(post("token", grant_type=JWT_BEARER, assertion=assertion()))[2] == "audience is invalid"
    assert post("token", grant_type=JWT_BEARER, assertion=assertion(aud=BASE)).status == 200


def test_a_user_who_left_cannot_log_in(org, post, assertion):
    org.storage.execute('UPDATE "User" SET "IsActive" = 0 WHERE "Username" = ?', (ADMIN_USERNAME,))
    assert told(post("token", grant_type=JWT_BEARER, assertion=assertion()))[2] == "inactive user"


def test_an_app_may_be_for_some_users_only(org, post, assertion, app):
    app.users = ["someone@acme.example"]
    register_app(org, app)
    found = told(post("token", grant_type=JWT_BEARER, assertion=assertion()))
    assert found[2] == "user hasn't approved this consumer"


def test_client_credentials_come_in_the_form_or_in_the_header(org, post, app):
    in_form = post("token", grant_type="client_credentials", client_id="3MVG9app", client_secret="s3cret")
    basic = base64.b64encode(b"3MVG9app:s3cret").decode()
    in_header = post("token", {"Authorization": f"Basic {basic}"}, grant_type="client_credentials")
    for each in (in_form, in_header):
        assert each.status == 200
        assert "refresh_token" not in each.json()
        assert whoami(org, each.json()["access_token"]) == 200


def test_client_credentials_are_refused_in_words(org, post, app):
    grant = {"grant_type": "client_credentials", "client_id": "3MVG9app"}
    assert told(post("token", **grant, client_secret="wrong")) == (
        400,
        "invalid_client",
        "invalid client credentials",
    )
    assert (
        told(post("token", grant_type="client_credentials", client_id="x", client_secret="y"))[1]
        == "invalid_client_id"
    )
    app.run_as = ""
    register_app(org, app)
    found = told(post("token", **grant, client_secret="s3cret"))
    assert found == (400, "invalid_grant", "no client credentials user enabled")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "unsupported_grant_type"),
        ({"grant_type": "magic"}, "unsupported_grant_type"),
        ({"grant_type": "password", "username": ADMIN_USERNAME, "password": "x"}, "invalid_grant"),
    ],
)
def test_other_grants_are_refused(post, app, form, error):
    assert told(post("token", **form))[:2] == (400, error)


def refresh(post, token):
    return post(
        "token", grant_type="refresh_token", client_id="3MVG9app", client_secret="s3cret", refresh_token=token
    )


@pytest.fixture
def refresh_token(org, app):
    admin = org.storage.row('SELECT "Id" FROM "User" WHERE "Username" = ?', (ADMIN_USERNAME,))[0]
    return lambda: grant_refresh_token(org, app.client_id, admin, app.scopes)


def test_a_refresh_token_works_again_and_again(post, refresh_token):
    token = refresh_token()
    for _ in range(3):
        found = refresh(post, token)
        assert found.status == 200
        assert "refresh_token" not in found.json()


def test_a_rotated_refresh_token_works_once_and_its_return_ends_the_grant(org, post, app, refresh_token):
    app.rotates = True
    register_app(org, app)
    first = refresh_token()
    answer = refresh(post, first).json()
    second = answer["refresh_token"]
    assert second != first
    assert told(refresh(post, first)) == (400, "invalid_grant", "expired access/refresh token")
    assert told(refresh(post, second)) == (400, "invalid_grant", "expired access/refresh token")
    assert whoami(org, answer["access_token"]) == 401


def test_the_sixth_approval_revokes_the_oldest(post, refresh_token):
    tokens = [refresh_token() for _ in range(6)]
    assert [refresh(post, each).status for each in tokens] == [400, 200, 200, 200, 200, 200]


def test_introspection_tells_the_app_about_its_token(org, post, app):
    token = post(
        "token", grant_type="client_credentials", client_id="3MVG9app", client_secret="s3cret"
    ).json()
    credentials = {"client_id": "3MVG9app", "client_secret": "s3cret"}
    found = post("introspect", token=token["access_token"], **credentials).json()
    assert (found["active"], found["username"], found["sub"]) == (True, ADMIN_USERNAME, token["id"])
    assert found["exp"] - found["iat"] == 7200
    assert post("introspect", token="nonsense", **credentials).json() == {"active": False}
    assert post("introspect", token=token["access_token"], client_id="3MVG9app").status == 401


def test_a_revoked_token_is_over(org, post, app, refresh_token):
    token = refresh_token()
    access = refresh(post, token).json()["access_token"]
    assert post("revoke", token=token).status == 200
    assert whoami(org, access) == 401
    assert refresh(post, token).status == 400
    assert told(post("revoke", token=token))[1] == "invalid_token"


def test_the_identity_tells_who_and_a_bad_token_gets_one_plain_word(org, token):
    path = f"/id/{org.id}/{org.storage.row('SELECT Id FROM User')[0]}"
    found = org.handle(Request.to("GET", path, {"Authorization": f"Bearer {token}"}, base_url=BASE)).json()
    assert (found["username"], found["organization_id"], found["id"]) == (ADMIN_USERNAME, org.id, BASE + path)
    bad = org.handle(Request.to("GET", path, {"Authorization": "Bearer x"}))
    assert (bad.status, bad.content()) == (403, b"Bad_OAuth_Token")
    none = org.handle(Request.to("GET", path))
    assert (none.status, none.content()) == (403, b"Missing_OAuth_Token")
    info = org.handle(
        Request.to("GET", "/services/oauth2/userinfo", {"Authorization": f"Bearer {token}"}, base_url=BASE)
    )
    assert (info.json()["preferred_username"], info.json()["sub"]) == (ADMIN_USERNAME, BASE + path)


def test_the_web_server_flow_with_pkce_ends_in_a_refresh_token(org, post, app):
    verifier = "v" * 64
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    asked = urlencode(
        {
            "response_type": "code",
            "client_id": app.client_id,
            "redirect_uri": app.callbacks[0],
            "state": "s 1",
        }
        | {"code_challenge": challenge, "code_challenge_method": "S256"}
    )
    sent = org.handle(Request.to("GET", f"/services/oauth2/authorize?{asked}", base_url=BASE))
    assert sent.status == 302
    answer = parse_qs(urlsplit(sent.header("Location")).query)
    assert answer["state"] == ["s 1"]
    form = {"grant_type": "authorization_code", "client_id": app.client_id, "redirect_uri": app.callbacks[0]}
    wrong = post("token", **form, code=answer["code"][0], code_verifier="w" * 64)
    assert told(wrong)[1:] == ("invalid_grant", "invalid code verifier")
    found = post("token", **form, code=answer["code"][0], code_verifier=verifier).json()
    assert refresh(post, found["refresh_token"]).status == 200
    again = post("token", **form, client_secret="s3cret", code=answer["code"][0], code_verifier=verifier)
    assert told(again)[2] == "expired authorization code"
    strange = quote("http://evil.example/cb", safe="")
    refused = org.handle(
        Request.to(
            "GET",
            f"/services/oauth2/authorize?response_type=code&client_id={app.client_id}&redirect_uri={strange}",
        )
    )
    assert told(refused)[1] == "redirect_uri_mismatch"


def test_a_session_lives_two_hours_from_its_last_use(org, clock):
    token = login(org)
    clock.advance(hours=1, minutes=30)
    assert whoami(org, token) == 200
    clock.advance(hours=1, minutes=30)
    assert whoami(org, token) == 200
    clock.advance(hours=2, seconds=1)
    assert whoami(org, token) == 401


@pytest.mark.parametrize(
    ("jwt_tokens", "code", "message"),
    [
        (False, "INVALID_SESSION_ID", "Session expired or invalid"),
        (True, "INVALID_AUTH_HEADER", "INVALID_JWT_FORMAT"),
    ],
)
def test_an_expired_session_answers_in_both_known_shapes(org, call, jwt_tokens, code, message):
    org.settings.jwt_access_tokens = jwt_tokens
    expire_sessions(org)
    response = call("GET", "limits")
    assert response.status == 401
    assert response.json() == [{"message": message, "errorCode": code}]
    assert response.header("Sforce-Limit-Info") is None


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Token x"])
def test_a_header_nobody_understands_is_told_apart(org, header):
    response = org.handle(Request.to("GET", "/services/data/v68.0/limits", {"Authorization": header}))
    assert response.json() == [{"message": "INVALID_HEADER_TYPE", "errorCode": "INVALID_AUTH_HEADER"}]


def test_sessions_that_ended_do_not_pile_up(org, clock):
    for _ in range(3):
        login(org)
        clock.advance(hours=3)
    assert len(org.storage.kept_all("sessions")) == 1
