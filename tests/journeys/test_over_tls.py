"""The written configuration is enough, also over TLS: deploy, sync and doctor against an emulator of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import run

ROOT = Path(__file__).parents[2]
STARTS = "2026-11-24T15:00:00+00:00"


@pytest.fixture
def over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """`python -m emulator --tls --write-config`, and we stand in the folder it wrote to."""
    ready = tmp_path / "ready.json"
    command = [
        sys.executable, "-m", "emulator", "--quiet", "--tls", "--tls-folder", str(tmp_path / "tls"), "--now", STARTS,
        "--write-config", str(tmp_path / "rebates.toml"), "--ready-file", str(ready), "--programs", str(ROOT / "programs"),
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(400):
            if ready.exists() and ready.read_text():
                break
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.05)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("REBATES_CLOCK", STARTS)
        yield json.loads(ready.read_text())
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_deploy_sync_and_doctor_over_tls_with_nothing_but_the_written_configuration(
    over_tls: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    def command(*words: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = run([*words, "--json"])
        return int(code), json.loads(capsys.readouterr().out)

    assert over_tls["url"].startswith("https://")
    assert command("org", "deploy")[0] == 0
    code, synced = command("sync")
    assert code == 0, synced
    assert synced["data"]["pushed"] > 0
    code, found = command("doctor")
    checks = {each["check"]: each["level"] for each in found["data"]["findings"]}
    assert (checks["login"], checks["fence"]) == ("ok", "ok")


def test_without_the_authority_the_certificate_is_refused_and_the_setting_named(
    over_tls: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    config = Path("rebates.toml")
    lines = config.read_text().splitlines()
    config.write_text("\n".join(line for line in lines if not line.startswith("ca_file")))
    code = run(["sync", "--json"])
    error = json.loads(capsys.readouterr().out)["error"]
    assert code in (1, 2)
    assert "ca_file" in error["hint"] + error["message"]
