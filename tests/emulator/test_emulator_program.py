"""`python -m emulator` as a program of its own: ready, used, stopped, and kept in a file."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from emulator.__main__ import main, moment

ROOT = Path(__file__).parents[2]


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "emulator", "--ready-file", str(ready), *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(400):
            if ready.exists() and ready.read_text():
                break
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.05)
        yield json.loads(ready.read_text()), process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=20)


def token(settings: dict[str, Any], verify: Any = True) -> str:
    key = Path(settings["private_key"].removeprefix("file:")).read_text()
    claims = {"iss": settings["client_id"], "sub": settings["username"], "aud": settings["audience"]}
    claims["exp"] = int(datetime.fromisoformat("2026-11-24T15:02:00+00:00").timestamp())  # type: ignore[assignment]
    grant = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}
    grant["assertion"] = jwt.encode(claims, key, algorithm="RS256")
    reply = requests.post(settings["token_url"], data=grant, timeout=10, verify=verify)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["access_token"])


def test_the_written_configuration_logs_in(tmp_path: Path) -> None:
    config = tmp_path / "rebates.toml"
    with running(tmp_path, "--write-config", str(config), "--programs", str(ROOT / "programs")) as (
        ready,
        process,
    ):
        settings = tomllib.loads(config.read_text())
        assert settings["default_org"] == "main"
        assert settings["programs"] == str(ROOT / "programs")
        org = settings["org"]["main"]
        assert (org["org_id"], org["instance_url"]) == (ready["org_id"], ready["url"])
        assert (tmp_path / "rebates.key").stat().st_mode & 0o777 == 0o600
        limits = requests.get(
            f"{ready['url']}/services/data/v68.0/limits",
            headers={"Authorization": f"Bearer {token(org)}"},
            timeout=10,
        )
        assert limits.status_code == 200
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert err == ""
    assert out == f"emulator: {ready['url']} org {ready['org_id']} user integration@northwind.example\n"


def test_tls_is_verified_by_its_own_authority(tmp_path: Path) -> None:
    config, folder = tmp_path / "rebates.toml", tmp_path / "tls"
    arguments = ("--tls", "--tls-folder", str(folder), "--write-config", str(config), "--quiet")
    with running(tmp_path, *arguments) as (ready, _):
        assert ready["url"].startswith("https://127.0.0.1:")
        org = tomllib.loads(config.read_text())["org"]["main"]
        assert org["ca_file"] == ready["ca_file"]
        assert token(org, verify=org["ca_file"])
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(ready["url"], timeout=5)
        assert (folder / "emulator-key.pem").stat().st_mode & 0o777 == 0o600
        ssl.create_default_context(cafile=ready["ca_file"])


def test_an_org_in_a_file_is_seeded_once_and_not_mixed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = ("--file", str(tmp_path / "org.db"), "--seed", "generated", "--accounts", "5", "--orders", "20")
    with running(tmp_path, *kept) as (first, _):
        pass
    with running(tmp_path, *kept) as (again, _):
        assert again["org_id"] == first["org_id"]
    with pytest.raises(SystemExit) as refused:
        main([*kept[:-1], "21"])
    assert refused.value.code == 2
    assert "name another --file" in capsys.readouterr().err


def test_an_org_of_several_currencies_has_their_rates_and_says_so_on_every_record(tmp_path: Path) -> None:
    config, kept = tmp_path / "rebates.toml", tmp_path / "org.db"
    arguments = ("--multi-currency", "EUR=0.92,JPY=155.3", "--write-config", str(config), "--file", str(kept))
    for _ in range(2):  # and after a restart
        with running(tmp_path, *arguments, "--quiet") as (ready, _process):
            org = tomllib.loads(config.read_text())["org"]["main"]
            headers = {"Authorization": f"Bearer {token(org)}"}

            def rows(soql: str, url: str = ready["url"], headers: Any = headers) -> list[dict[str, Any]]:
                address = f"{url}/services/data/v68.0/query"
                reply = requests.get(address, params={"q": soql}, headers=headers, timeout=10)
                assert reply.status_code == 200, reply.text
                found: list[dict[str, Any]] = reply.json()["records"]
                return [{k: v for k, v in each.items() if k != "attributes"} for each in found]

            rates = "SELECT IsoCode, ConversionRate, DecimalPlaces, IsCorporate FROM CurrencyType ORDER BY IsoCode"
            assert rows(rates) == [
                {"IsoCode": "EUR", "ConversionRate": 0.92, "DecimalPlaces": 2, "IsCorporate": False},
                {"IsoCode": "JPY", "ConversionRate": 155.3, "DecimalPlaces": 0, "IsCorporate": False},
                {"IsoCode": "USD", "ConversionRate": 1.0, "DecimalPlaces": 2, "IsCorporate": True},
            ]
            currencies = {each["CurrencyIsoCode"] for each in rows("SELECT CurrencyIsoCode FROM User")}
            assert currencies == {"USD"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--host", "0.0.0.0"], "loopback only"),
        (["--now", "yesterday"], "no moment"),
        (["--now", "2026-11-23T15:00:00"], "no time zone"),
        (["--seed", "other"], "invalid choice"),
        (["--accounts", "0"], "1 or more"),
        (["--multi-currency", "EUR"], "write EUR=0.92"),
        (["--multi-currency", "EUR=much"], "write EUR=0.92"),
        (["--multi-currency", "EUR=0.92,EUR=0.93"], "every currency once"),
        (["--multi-currency", "USD=1"], "without USD"),
    ],
)
def test_arguments_that_cannot_be_are_refused(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2
    assert problem in capsys.readouterr().err


def test_a_moment_is_read_in_any_zone() -> None:
    assert moment("2026-11-23T10:00:00-05:00") == datetime(2026, 11, 23, 15, tzinfo=UTC)
