"""The demo's stage: a story org in the emulator, started as a program of its own, and what a rep sees in it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from jobs.app import App
from jobs.refusals import Refused

TODAY = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)  # a week before the month ends
RETAILER = "Lumière Beauty Retail"
DISTRIBUTOR = "Midwest Auto Parts Distribution"
START_SECONDS = 30


@dataclass(frozen=True)
class Stage:
    """A running emulator with its configuration file."""

    url: str
    config: Path
    pid: int

    def tell(self, path: str, what: dict[str, Any] | None = None) -> dict[str, Any]:
        """Do something in the org that is not ours to do: a partner orders, time passes."""
        return self._console("POST", path, what)

    def ask(self, path: str) -> dict[str, Any]:
        """Look at something that the API does not show: which bells rang."""
        return self._console("GET", path, None)

    def _console(self, method: str, path: str, what: dict[str, Any] | None) -> dict[str, Any]:
        address = f"{self.url}/emulator/{path}"
        reply = requests.request(method, address, json=what, headers={"X-Emulator": "admin"}, timeout=30)
        reply.raise_for_status()
        found: dict[str, Any] = reply.json()
        return found


@contextmanager
def stage(folder: Path, programs: Path, *, keep: bool = False) -> Iterator[Stage]:
    """Start the story org and end it again; with `keep` it goes on until someone ends its process."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "rebates.toml"
    log = (folder / "emulator.log").open("w")
    command = [
        sys.executable, "-m", "emulator", "--port", "0", "--seed", "story", "--now", f"{TODAY:%Y-%m-%dT%H:%M:%SZ}",
        "--write-config", str(config), "--programs", str(programs),
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=keep)
    try:
        yield Stage(_address(process, folder), config, process.pid)
    finally:
        if not keep:
            process.terminate()
            process.wait(timeout=20)
        log.close()


def _address(process: subprocess.Popen[str], folder: Path) -> str:
    """The emulator says one line when it is ready."""
    assert process.stdout is not None
    started = time.monotonic()
    for line in process.stdout:
        for word in line.split():
            if word.startswith(("http://", "https://")):
                return word.rstrip("/")
        if time.monotonic() - started > START_SECONDS:
            break
    process.terminate()
    raise Refused("the emulator did not start", f"see {folder / 'emulator.log'}")


def rows(app: App, query: str) -> list[dict[str, Any]]:
    """What the org answers, as a person's list view would show it."""
    return [row for page in app.org.query(query) for row in page.table.to_pylist()]


def account_screen(app: App, name: str) -> dict[str, Any]:
    """The rebate fields, open tasks and standings on one account, read back from the org."""
    from mappings.soql import text

    (account,) = rows(
        app,
        "SELECT Id, Name, Rebate_Program__c, Rebate_Period__c, Rebate_Tier__c, Rebate_Benefit__c, Rebate_Status__c, "
        "Rebate_Amount__c, Rebate_Next_Tier__c, Rebate_To_Next_Tier__c, Rebate_At_Next_Tier__c, Rebate_Uplift__c, "
        f"Rebate_Period_End__c FROM Account WHERE Name = {text(name)}",
    )
    account["tasks"] = rows(
        app,
        "SELECT Subject, Status, IsClosed, ActivityDate, Owner.Name FROM Task "
        f"WHERE WhatId = '{account['Id']}' ORDER BY ActivityDate",
    )
    return account
