"""The settings of an org and the secrets they point at."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connector.choose import (
    calls_to_describe,
    calls_to_poll,
    calls_to_read,
    calls_to_write,
    choose_read,
    choose_write,
)
from connector.config import OrgSettings, id18
from connector.secrets import SecretMissing, resolve

BASE: dict[str, Any] = {
    "alias": "prod",
    "instance_url": "https://acme.my.salesforce.com/",
    "client_id": "app",
    "username": "u",
    "private_key": "env:KEY",
}


def test_what_is_left_out_has_its_usual_value() -> None:
    made = OrgSettings(**BASE)
    assert made.instance_url == "https://acme.my.salesforce.com"
    assert made.token_endpoint == "https://acme.my.salesforce.com/services/oauth2/token"
    assert made.jwt_audience == "https://acme.my.salesforce.com"
    assert (made.api_version, made.api_budget_share, made.auth) == ("68.0", 0.2, "jwt")
    assert OrgSettings(**BASE, token_url="https://login.salesforce.com").token_endpoint.endswith(
        "/services/oauth2/token"
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"instanze_url": "x"}, "Extra inputs"),
        ({"instance_url": "https://acme.lightning.force.com"}, "Use https://acme.my.salesforce.com"),
        ({"instance_url": "http://acme.my.salesforce.com"}, "http is for this machine only"),
        ({"token_url": "https://login.salesforce.com/other"}, "ends in /services/oauth2/token"),
        ({"private_key": "-----BEGIN PRIVATE KEY-----canary"}, "never as the secret itself"),
        ({"private_key": "env:"}, "never as the secret itself"),
        ({"private_key": None}, "needs private_key"),
        ({"auth": "client_credentials"}, "needs client_secret"),
        ({"auth": "refresh_token"}, "needs refresh_token"),
        ({"auth": "password"}, "auth"),
        ({"org_id": "0015g000001AbCd"}, "starts with 00D"),
        ({"org_id": "00D5g000001AbCdEAA"}, "do not belong"),
        ({"org_id": "00D"}, "15 or 18"),
        ({"api_version": "latest"}, "api_version"),
        ({"api_version": "52.0"}, "58.0 or newer"),
        ({"api_budget_share": 0}, "greater than 0"),
        ({"api_budget_share": 1.5}, "less than or equal to 1"),
        ({"bulk_prefetch": 9}, "less than or equal to 5"),
        ({"timeouts": {"connect": -1}}, "greater than 0"),
        ({"timeouts": {"conect": 1}}, "Extra inputs"),
        ({"alias": "two words"}, "alias"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_reason_and_without_its_value(
    change: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        OrgSettings(**{**BASE, **change})
    assert told in str(caught.value)
    assert "canary" not in str(caught.value)


def test_secrets_come_from_environment_file_or_keyring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    path.touch(mode=0o600)
    path.write_text("from-file\n")

    class Keyring:
        @staticmethod
        def get_password(service: str, name: str) -> str | None:
            return "from-keyring" if (service, name) == ("rebate-sync", "prod") else None

    monkeypatch.setitem(sys.modules, "keyring", Keyring)
    found = [
        resolve("env:S", environ={"S": "from-env "}),
        resolve("file:secret", environ={}, base=tmp_path),
        resolve(f"file:{path}", environ={}),
        resolve("keyring:prod", environ={}),
    ]
    assert [s.get_secret_value() for s in found] == ["from-env", "from-file", "from-file", "from-keyring"]
    assert "from" not in repr(found)


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("canary-secret", "never as the secret itself"),
        ("env:NOT_SET", "NOT_SET is not set"),
        ("file:missing", "No such file"),
        ("file:empty", "is empty"),
        ("file:open", "can be read by others (mode 0640)"),
        ("file:binary", "not text"),
        ("file:.", "SECRET"),
        ("keyring:nobody", "keyring"),
    ],
)
def test_a_secret_that_is_not_there_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, told: str
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    for name, content, mode in (("empty", b"", 0o600), ("open", b"x", 0o640), ("binary", b"\xff\xfe", 0o600)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SecretMissing) as caught:
        resolve(reference, environ={"NOT_SET": ""}, base=tmp_path)
    assert told in str(caught.value)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", min_size=15, max_size=15))
def test_an_id_of_18_is_itself_and_knows_when_its_case_was_changed(short: str) -> None:
    long = id18(short)
    assert id18(long) == long
    assert long[:15] == short
    if short.swapcase() != short:
        with pytest.raises(ValueError):
            id18(short.swapcase() + long[15:])


def test_a_known_id() -> None:
    assert id18("001D000000IRFma") == "001D000000IRFmaIAH"


# --- REST or Bulk ---------------------------------------------------------------------------------------
def test_small_reads_page_and_large_ones_go_in_bulk() -> None:
    assert choose_read(0) == choose_read(20_000) == "rest"
    assert choose_read(20_001) == "bulk"
    assert choose_write(10_000) == "rest"
    assert choose_write(10_001) == "bulk"


def test_what_does_not_fit_in_the_quota_goes_the_cheaper_way() -> None:
    assert choose_write(10_000, quota_left=9) == "rest"  # bulk would cost more, not less
    assert choose_read(20_000, quota_left=10) == "rest"


@given(rows=st.integers(0, 10_000_000), left=st.none() | st.integers(0, 1000))
def test_bulk_is_never_chosen_for_little_work_that_fits(rows: int, left: int | None) -> None:
    if rows <= 10_000 and (left is None or left >= 10):
        assert choose_write(rows, left) == "rest"
    if choose_read(rows, left) == "bulk":
        assert rows > 20_000 or calls_to_read(rows, "bulk") < calls_to_read(rows, "rest")


def test_what_things_cost_in_calls() -> None:
    assert [calls_to_read(rows, "rest") for rows in (0, 2_000, 2_001)] == [1, 1, 2]
    assert calls_to_read(1_000_000, "bulk") == 30
    assert [calls_to_write(rows, "rest") for rows in (0, 1, 1_000, 1_001)] == [0, 1, 1, 2]
    assert [calls_to_write(rows, "bulk") for rows in (50_000, 100_000)] == [15, 30]
    assert calls_to_write(0, "bulk") == 0
    assert (calls_to_describe(26), calls_to_poll(5)) == (2, 1)
