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
        assert token(org, verify=ready["ca_file"])
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


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--host", "0.0.0.0"], "loopback only"),
        (["--now", "yesterday"], "no moment"),
        (["--now", "2026-11-23T15:00:00"], "no time zone"),
        (["--seed", "other"], "invalid choice"),
        (["--accounts", "0"], "1 or more"),
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
