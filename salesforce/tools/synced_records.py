"""Records for the browser check as a real sync wrote them: package deployed, story org synced, org asked by REST.

    python -m salesforce.tools.synced_records FOLDER

Writes FOLDER/standings.json and FOLDER/payouts.json, each the reply of a REST query. Everything runs in this
process, against the emulator over HTTP on loopback, through the command line that people use.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock
from urllib.parse import urlencode

from cli.main import run
from emulator.auth import login
from emulator.clock import MovableClock
from emulator.org import Org
from emulator.router import Request
from emulator.seed_story import seed_story
from emulator.server import serve
from emulator.write_config import write_config
from salesforce.tools.metadata_check import load
from salesforce.tools.metadata_check.nodes import parse

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)  # the story org has a week left
USER = "integration@northwind.example"
_PARENT = ("Account__r.Name", "Account__r.BillingState", "Account__r.BillingCountry")


class StepFailed(RuntimeError):
    """A command of the journey did not end well; carries what it printed."""


def readable_fields(sobject: str) -> list[str]:
    """What the integration user may read, by the package itself: granted fields and required ones."""
    files = load(ROOT / "salesforce")
    granted = parse(files["permissionsets/Rebate_Sync_Integration.permissionset-meta.xml"])
    prefix = f"{sobject}."
    names = {
        node.text.removeprefix(prefix)
        for node in granted.all("fieldPermissions/field")
        if node.text.startswith(prefix)
    }
    names |= {"Id", "Name", "Account__c", "Sync_Key__c"}
    return sorted(names)


def synced(folder: Path) -> dict[str, object]:
    """{"standings": reply, "payouts": reply} of an org that was empty of us, then deployed to and synced."""
    clock = MovableClock(NOW)
    org = Org.create(clock=clock, seed=7)
    seed_story(org)
    with contextlib.closing(org), serve(org) as served:
        config = folder / "rebates.toml"
        write_config(org, served.url, config, USER, ROOT / "programs")
        for command in (("org", "deploy"), ("sync",)):
            heard = io.StringIO()
            with (
                mock.patch.dict(os.environ, {"REBATES_CLOCK": NOW.isoformat()}),
                contextlib.redirect_stdout(heard),
                contextlib.redirect_stderr(heard),
            ):
                code = int(run(["--config", str(config), *command, "--json"]))
            if code:
                raise StepFailed(f"rebates {' '.join(command)} ended with {code}:\n{heard.getvalue()}")
        clock.advance(seconds=timedelta(minutes=5).total_seconds())
        replies = {
            "standings": _query(org, "Rebate_Standing__c", _PARENT),
            "payouts": _query(org, "Rebate_Payout__c", ()),
        }
    return replies


def _query(org: Org, sobject: str, more: tuple[str, ...]) -> object:
    soql = (
        f"SELECT {', '.join([*readable_fields(sobject), *more])} FROM {sobject} ORDER BY Rebate__c DESC"
        if more
        else (f"SELECT {', '.join(readable_fields(sobject))} FROM {sobject}")
    )
    headers = {"Authorization": f"Bearer {login(org, USER)}"}
    reply = org.handle(Request.to("GET", f"/services/data/v62.0/query?{urlencode({'q': soql})}", headers))
    if reply.status != 200:
        raise StepFailed(f"{soql}\n{reply.body!r}")
    assert isinstance(reply.body, bytes)
    return json.loads(reply.body)


def main(arguments: list[str]) -> int:
    target = Path(arguments[0])
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, reply in synced(Path(folder)).items():
            (target / f"{name}.json").write_text(
                json.dumps(reply, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
