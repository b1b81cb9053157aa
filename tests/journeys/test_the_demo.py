"""`make demo` as a newcomer runs it: a process of its own, the emulator another one."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal


def test_the_demo_tells_its_story_and_leaves_nothing_behind(tmp_path):
    command = [sys.executable, "-m", "cli.main", "demo", "--json"]
    import os
    from pathlib import Path

    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=180, cwd=tmp_path, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["data"]
    before, after = told["before"], told["after"]
    assert Decimal(before["Rebate_To_Next_Tier__c"]) == Decimal("4812")
    assert [task["IsClosed"] for task in before["tasks"]] == ["false"]
    assert {stream["method"] for stream in told["first"]["streams"]} == {"bulk"}
    assert after["Rebate_Tier__c"] == "Gold"
    assert [task["IsClosed"] for task in after["tasks"]] == ["true"]
    assert told["second"]["pushed"] < told["first"]["pushed"]
    assert (told["idle"]["pushed"], told["idle"]["api_calls"]) == (0, 1)
    assert list(tmp_path.iterdir()) == []
