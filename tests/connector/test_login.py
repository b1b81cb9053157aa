"""Logging in: three flows, one refresh at a time, the pinned org, and no hammering."""

from __future__ import annotations

import os
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from connector.config import OrgSettings
from connector.errors import AuthenticationFailed, Misconfigured, Transient, WrongOrg
from connector.hosts import HostRefused
from connector.secrets import SecretMissing
from connector.token_store import FileTokenStore

NO_ROWS = {"totalSize": 0, "done": True, "records": []}


def changed(settings: OrgSettings, **values: Any) -> OrgSettings:
    return OrgSettings(**{**settings.model_dump(exclude_none=True), **values})


@pytest.fixture
def rotating(settings: OrgSettings, tmp_path: Path) -> tuple[OrgSettings, Path]:
    path = tmp_path / "refresh"
    path.touch(mode=0o600)
    path.write_text("first-refresh\n")
    return changed(settings, auth="refresh_token", refresh_token=f"file:{path}"), path


def test_a_jwt_login_signs_what_salesforce_asks_for(
    scripted: Any, connect: Any, settings: OrgSettings, private_key: str
) -> None:
    connect(settings)
    form = scripted.calls("/services/oauth2/token")[0].form
    public = serialization.load_pem_private_key(private_key.encode(), None).public_key()
    claims = jwt.decode(
        form["assertion"], public, algorithms=["RS256"], audience=scripted.url, options={"verify_exp": False}
    )
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert claims["iss"] == "app"
    assert claims["sub"] == "sync@example.com"
    assert isinstance(claims["exp"], int)
    assert claims["exp"] == int((scripted.clock.at + timedelta(seconds=180)).timestamp())


def test_audience_and_token_url_are_two_settings(scripted: Any, connect: Any, settings: OrgSettings) -> None:
    connect(
        changed(
            settings,
            audience="https://login.salesforce.com",
            token_url=f"{scripted.url}/services/oauth2/token",
        )
    )
    form = scripted.calls("/services/oauth2/token")[0].form
    claims = jwt.decode(form["assertion"], options={"verify_signature": False})
    assert claims["aud"] == "https://login.salesforce.com"


def test_client_credentials_send_id_and_secret(scripted: Any, connect: Any, settings: OrgSettings) -> None:
    org = connect(
        changed(settings, auth="client_credentials", client_secret="env:SECRET"), environ={"SECRET": "s3cret"}
    )
    form = scripted.calls("/services/oauth2/token")[0].form
    assert form == {"grant_type": "client_credentials", "client_id": "app", "client_secret": "s3cret"}
    assert org.org_id == "00D5g000001AbCdEAK"


def test_a_replaced_refresh_token_is_on_disk_before_the_new_access_token_is_used(
    scripted: Any, connect: Any, rotating: tuple[OrgSettings, Path], make: Any
) -> None:
    settings, path = rotating
    stored: list[str] = []
    scripted.on(
        "POST", "/services/oauth2/token", make.reply(scripted.token_body(refresh_token="second-refresh"))
    )

    def look_at_the_file(_: Any) -> Any:
        stored.append(path.read_text().strip())
        return make.reply([{"version": "68.0"}])

    scripted.on("GET", "/services/data/", look_at_the_file)
    connect(settings)
    assert stored == ["second-refresh"]
    assert path.stat().st_mode & 0o077 == 0


def test_a_replaced_refresh_token_that_cannot_be_kept_is_said_at_once_and_without_its_text(
    scripted: Any,
    connect: Any,
    rotating: tuple[OrgSettings, Path],
    make: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings, path = rotating
    scripted.on(
        "POST", "/services/oauth2/token", make.reply(scripted.token_body(refresh_token="second-refresh"))
    )

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", "second-refresh")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Misconfigured, match="TOKEN_NOT_STORED") as caught:
        connect(settings)
    assert "No space left" in str(caught.value)
    assert "second-refresh" not in str(caught.value) + repr(caught.value)
    assert list(path.parent.glob(".token-*")) == []


def test_a_refresh_token_that_was_stored_wins_over_the_configured_one(
    scripted: Any, connect: Any, settings: OrgSettings, tmp_path: Path
) -> None:
    store = FileTokenStore(tmp_path / "kept")
    store.save("newest-refresh")
    configured = changed(settings, auth="refresh_token", refresh_token="env:RT")
    connect(configured, environ={"RT": "old"}, token_store=store)
    assert scripted.calls("/services/oauth2/token")[0].form["refresh_token"] == "newest-refresh"


def test_a_refresh_token_from_the_keyring_is_replaced_there(
    scripted: Any, connect: Any, settings: OrgSettings, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = {("rebate-sync", "prod"): "first-refresh"}

    class Keyring:
        @staticmethod
        def get_password(service: str, name: str) -> str | None:
            return entries.get((service, name))

        @staticmethod
        def set_password(service: str, name: str, secret: str) -> None:
            entries[service, name] = secret

    monkeypatch.setitem(sys.modules, "keyring", Keyring)
    reply = make.reply(scripted.token_body(refresh_token="second-refresh"))
    scripted.on("POST", "/services/oauth2/token", reply)
    configured = changed(settings, auth="refresh_token", refresh_token="keyring:prod")
    connect(configured)
    assert entries == {("rebate-sync", "prod"): "second-refresh"}
    connect(configured)
    used = [each.form["refresh_token"] for each in scripted.calls("/services/oauth2/token")]
    assert used == ["first-refresh", "second-refresh"]


def test_a_refresh_token_that_another_process_stored_is_used_from_the_keyring(
    scripted: Any,
    connect: Any,
    settings: OrgSettings,
    make: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    entries = {("rebate-sync", "prod"): "first-refresh"}

    class Keyring:
        @staticmethod
        def get_password(service: str, name: str) -> str | None:
            return entries.get((service, name))

        @staticmethod
        def set_password(service: str, name: str, secret: str) -> None:
            entries[service, name] = secret

    monkeypatch.setitem(sys.modules, "keyring", Keyring)
    body = scripted.token_body(refresh_token="second-refresh")
    scripted.on("POST", "/services/oauth2/token", make.reply(body))
    org = connect(changed(settings, auth="refresh_token", refresh_token="keyring:prod"), base=tmp_path)
    entries["rebate-sync", "prod"] = "of-another-process"
    scripted.data("GET", "query", make.refusal("INVALID_SESSION_ID", 401), make.reply(NO_ROWS))
    list(org.query("SELECT Id FROM Account"))
    used = [each.form["refresh_token"] for each in scripted.calls("/services/oauth2/token")]
    assert used == ["first-refresh", "of-another-process"]
    assert entries == {("rebate-sync", "prod"): "second-refresh"}


def test_a_refresh_token_that_could_not_be_stored_is_remembered_while_the_spent_one_is_there(
    scripted: Any,
    connect: Any,
    rotating: tuple[OrgSettings, Path],
    make: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings, path = rotating
    org = connect(settings)
    scripted.data("GET", "query", make.refusal("INVALID_SESSION_ID", 401), make.reply(NO_ROWS))
    body = scripted.token_body(refresh_token="second-refresh")
    scripted.on("POST", "/services/oauth2/token", make.reply(body))
    with monkeypatch.context() as patch, pytest.raises(Misconfigured, match="TOKEN_NOT_STORED"):
        patch.setattr(os, "fsync", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        list(org.query("SELECT Id FROM Account"))
    assert path.read_text().strip() == "first-refresh"
    scripted.data("GET", "query", make.refusal("INVALID_SESSION_ID", 401), make.reply(NO_ROWS))
    list(org.query("SELECT Id FROM Account"))
    assert scripted.calls("/services/oauth2/token")[-1].form["refresh_token"] == "second-refresh"


def test_while_another_process_logs_in_with_the_refresh_token_we_wait(
    scripted: Any, connect: Any, rotating: tuple[OrgSettings, Path]
) -> None:
    fcntl = pytest.importorskip("fcntl")
    settings, path = rotating
    with path.with_name(".refresh.lock").open("w") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        with pytest.raises(Transient, match="LOGIN_BUSY"):
            connect(settings)
        assert not scripted.calls("/services/oauth2/token"), "the token was not used meanwhile"
    connect(settings)


def test_a_lost_reply_to_a_rotating_login_is_not_asked_for_again(
    scripted: Any, connect: Any, rotating: tuple[OrgSettings, Path], make: Any
) -> None:
    scripted.on("POST", "/services/oauth2/token", make.Reply(drop=True))
    with pytest.raises(Transient):
        connect(rotating[0])
    assert len(scripted.calls("/services/oauth2/token")) == 1


def test_nor_when_it_is_lost_in_the_middle_of_a_run(
    scripted: Any, connect: Any, rotating: tuple[OrgSettings, Path], make: Any
) -> None:
    org = connect(rotating[0])
    scripted.data("GET", "query", make.refusal("INVALID_SESSION_ID", 401))
    scripted.on("POST", "/services/oauth2/token", make.Reply(drop=True))
    with pytest.raises(Transient):
        list(org.query("SELECT Id FROM Account"))
    assert len(scripted.calls("/services/oauth2/token")) == 2


def test_an_unreachable_login_is_tried_five_times_not_twenty_five(
    scripted: Any, connect: Any, settings: OrgSettings, make: Any
) -> None:
    org = connect(settings)
    scripted.data("GET", "query", make.refusal("INVALID_SESSION_ID", 401))
    scripted.on("POST", "/services/oauth2/token", make.Reply(503, b"", {}))
    with pytest.raises(Transient):
        list(org.query("SELECT Id FROM Account"))
    assert len(scripted.calls("/services/oauth2/token")) == 6


def test_another_org_than_the_pinned_one_is_refused_before_any_other_call(
    scripted: Any, connect: Any, settings: OrgSettings, make: Any
) -> None:
    other = "https://login.salesforce.com/id/00D5g000009ZzZzEAK/0055g00000AbCdEAAV"
    scripted.on("POST", "/services/oauth2/token", make.reply(scripted.token_body(id=other)))
    with pytest.raises(WrongOrg) as caught:
        connect(settings)
    assert "00D5g000001AbCdEAK is pinned" in str(caught.value)
    assert len(scripted.asked) == 1


def test_a_15_character_org_id_pins_as_well(connect: Any, settings: OrgSettings) -> None:
    assert connect(changed(settings, org_id="00D5g000001AbCd")).org_id == "00D5g000001AbCdEAK"


def test_a_refused_login_is_not_repeated_for_a_quarter_of_an_hour(
    scripted: Any, connect: Any, settings: OrgSettings, make: Any, clock: Any
) -> None:
    org = connect(settings)
    refusal = make.reply(
        {"error": "invalid_grant", "error_description": "user hasn't approved this consumer"}, 400
    )
    scripted.on("POST", "/services/oauth2/token", refusal)
    scripted.data("GET", "query", make.refusal("INVALID_SESSION_ID", 401))
    for _ in range(4):
        with pytest.raises(AuthenticationFailed) as caught:
            list(org.query("SELECT Id FROM Account"))
        assert caught.value.code == "invalid_grant"
        assert "approved for sync@example.com" in caught.value.hint
    assert len(scripted.calls("/services/oauth2/token")) == 2
    clock.ticks += 901
    with pytest.raises(AuthenticationFailed):
        list(org.query("SELECT Id FROM Account"))
    assert len(scripted.calls("/services/oauth2/token")) == 3


def test_a_login_server_in_trouble_is_asked_again(
    scripted: Any, connect: Any, settings: OrgSettings, make: Any
) -> None:
    html = make.Reply(503, b"<html>maintenance</html>", {"Content-Type": "text/html"})
    scripted.on("POST", "/services/oauth2/token", html, html, scripted.give_token)
    connect(settings)
    assert len(scripted.calls("/services/oauth2/token")) == 3


IN_TROUBLE = ["unknown_error", "server_error", "temporarily_unavailable"]


@pytest.mark.parametrize("code", IN_TROUBLE)
def test_a_login_that_asks_to_try_again_is_tried_again(
    scripted: Any, connect: Any, settings: OrgSettings, make: Any, code: str
) -> None:
    trouble = make.reply({"error": code, "error_description": "retry your request"}, 400)
    scripted.on("POST", "/services/oauth2/token", trouble, trouble, scripted.give_token)
    connect(settings)
    assert len(scripted.calls("/services/oauth2/token")) == 3


@pytest.mark.parametrize("code", IN_TROUBLE)
def test_a_login_server_that_stays_in_trouble_starts_no_pause(
    scripted: Any, connect: Any, settings: OrgSettings, make: Any, code: str
) -> None:
    org = connect(settings)
    scripted.on("POST", "/services/oauth2/token", make.reply({"error": code}, 400))
    scripted.data("GET", "query", make.refusal("INVALID_SESSION_ID", 401))
    with pytest.raises(Transient, match=code) as caught:
        list(org.query("SELECT Id FROM Account"))
    assert "again by itself" in caught.value.hint or "retried by itself" in caught.value.hint
    scripted.on("POST", "/services/oauth2/token", scripted.give_token)
    scripted.data("GET", "query", make.refusal("INVALID_SESSION_ID", 401), make.reply(NO_ROWS))
    assert list(org.query("SELECT Id FROM Account"))


def test_a_rotating_login_that_asks_to_try_again_waits_for_the_next_run(
    scripted: Any, connect: Any, rotating: tuple[OrgSettings, Path], make: Any
) -> None:
    trouble = make.reply({"error": "unknown_error", "error_description": "retry your request"}, 400)
    scripted.on("POST", "/services/oauth2/token", trouble, scripted.give_token)
    with pytest.raises(Transient):
        connect(rotating[0])
    assert len(scripted.calls("/services/oauth2/token")) == 1, (
        "it may be spent: it is never sent twice in a row"
    )
    connect(rotating[0])


def test_a_wrong_clock_of_ours_is_corrected_by_the_orgs_date(
    scripted: Any, connect: Any, settings: OrgSettings, make: Any, clock: Any
) -> None:
    scripted.date = lambda: clock.at + timedelta(minutes=10)
    expired = make.reply({"error": "invalid_grant", "error_description": "expired authorization code"}, 400)
    scripted.on("POST", "/services/oauth2/token", expired, scripted.give_token)
    connect(settings)
    second = jwt.decode(scripted.asked[1].form["assertion"], options={"verify_signature": False})
    assert second["exp"] == pytest.approx((clock.at + timedelta(seconds=780)).timestamp(), abs=2)


def test_threads_that_meet_an_expired_token_cause_one_login(scripted: Any, org: Any, make: Any) -> None:
    def by_token(asked: Any) -> Any:
        if asked.headers["authorization"].endswith("-1"):
            return make.refusal("INVALID_SESSION_ID", 401)
        return make.reply({"totalSize": 0, "done": True, "records": []})

    scripted.data("GET", "query", by_token)
    threads = [threading.Thread(target=lambda: list(org.query("SELECT Id FROM Account"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scripted.tokens == 2


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ([], Misconfigured),
        ({"access_token": "x"}, Misconfigured),
        ({"access_token": "x", "instance_url": "https://evil.example", "id": "https://a/id/00D5g000001AbCd/0055g00000AbCdE"}, HostRefused),
        ({"access_token": "x", "instance_url": "https://acme.my.salesforce.com", "id": "https://a/id/00D5g000001AbCd/0055g00000AbCdE"}, Misconfigured),
        ({"access_token": "x", "instance_url": "http://127.0.0.1:1", "id": "https://a/nothing"}, Misconfigured),
    ],
)  # fmt: skip
def test_a_strange_token_reply_is_refused(
    scripted: Any, connect: Any, settings: OrgSettings, make: Any, body: Any, error: type[Exception]
) -> None:
    scripted.on("POST", "/services/oauth2/token", make.reply(body))
    with pytest.raises(error):
        connect(settings)
    assert len(scripted.asked) == 1


def test_a_key_that_is_no_key_is_named_without_its_content(
    connect: Any, settings: OrgSettings, key_file: Path
) -> None:
    key_file.write_text("-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n")
    with pytest.raises(Misconfigured) as caught:
        connect(settings)
    assert caught.value.code == "PRIVATE_KEY"
    assert "canary" not in str(caught.value)


def test_a_key_file_that_others_can_read_is_refused(
    connect: Any, settings: OrgSettings, key_file: Path
) -> None:
    key_file.chmod(0o644)
    with pytest.raises(SecretMissing) as caught:
        connect(settings)
    assert caught.value.hint == f"chmod 600 {key_file}"


def test_the_older_of_configured_and_offered_version_is_spoken(
    scripted: Any, connect: Any, settings: OrgSettings, make: Any
) -> None:
    scripted.on("GET", "/services/data/", make.reply([{"version": "66.0"}, {"version": "67.0"}]))
    assert connect(settings).api_version == "67.0"
    scripted.on("GET", "/services/data/", make.reply([{"version": "67.0"}, {"version": "69.0"}]))
    with pytest.raises(Misconfigured, match=r"not 68\.0"):
        connect(settings)
