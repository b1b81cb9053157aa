"""jsforce, as published on npm, goes its whole way through the emulator."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from emulator.org import Org
from emulator.server import Served

HERE = Path(__file__).parent / "jsforce"
pytestmark = pytest.mark.node


def installed() -> None:
    """Skips by name without Node.js; where CI=true, its absence is a failure."""
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{' and '.join(missing)} must be installed where CI=true")
        pytest.skip(f"needs {' and '.join(missing)}")
    if (HERE / "node_modules" / "jsforce").exists():
        return
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        if os.environ.get("CI") == "true":
            pytest.fail(f"npm ci failed: {done.stderr[-2000:]}")
        pytest.skip("needs jsforce: npm ci could not install it")


@pytest.fixture
def seen(judged: Org, served: Served, token: str) -> dict[str, Any]:
    installed()
    environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    done = subprocess.run(
        ["node", "journey.mjs", served.url, token],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_jsforce_describes_writes_reads_pages_and_loads(seen: dict[str, Any], judged: Org) -> None:
    assert seen["described"]
    assert seen["versions"]
    assert seen["created"]
    assert seen["upserted"]
    assert seen["record"] == {
        "Name": 'Zürich "AG"',
        "Phone": "0441",
        "Site": "HQ",
        "AnnualRevenue": 12345678,
    }
    assert seen["collected"] == 450
    assert seen["paged"] == {"total": 450, "fetched": 450, "distinct": 450}
    assert seen["firstPage"] == {"done": False, "records": 200}
    assert seen["secondPage"]["records"] > 0
    assert seen["parents"] == {"owner": "Ada Admin", "contacts": None}
    assert seen["refused"]["code"] == "INVALID_FIELD"
    assert "ERROR at Row:1:Column:8" in seen["refused"]["message"]
    assert seen["loaded"]["successful"] == [["B-1", "true"], ["M-1", "false"]]
    ((key, error),) = seen["loaded"]["failed"]
    assert key == "B-2"
    assert error.startswith("REQUIRED_FIELD_MISSING:")
    assert seen["loaded"]["unprocessed"] == 0
    assert seen["bulk"]["rows"] == 452
    assert seen["bulk"]["name"] == 'Zürich "AG"'
    assert seen["bulk"]["revenue"] == "1.2345678E7"
    assert seen["bulk"]["created"].endswith("Z")
    assert seen["aborted"] == {
        "states": ["Open", "Aborted"], "successful": 0, "failed": 0, "unprocessed": ["Never loaded", "Nor this"],
    }  # fmt: skip
    assert seen["ended"] == {"state": "JobComplete", "processed": 2, "failed": 1}
    assert "not supported in Bulk Query" in seen["unfit"]
    assert seen["types"] == 0
    assert seen["destroyed"]
    assert seen["deleted"] == {"visible": 0, "all": 1}
    stored = judged.storage.row('SELECT "Name" FROM "Account" WHERE "Erp_Key__c" = \'M-1\'')
    assert stored == ('Many one, "changed"',)
