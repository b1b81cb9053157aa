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


def test_ending_rebates_emulator_ends_the_emulator(tmp_path):
    import os
    import signal
    import socket
    import time
    from pathlib import Path

    root = Path(__file__).parents[2]
    ready = tmp_path / "ready.json"
    command = [sys.executable, "-m", "cli.main", "emulator", "--seed", "empty", "--ready-file", str(ready)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(300):
        if ready.exists() and ready.read_text():
            break
        time.sleep(0.1)
    port = int(json.loads(ready.read_text())["url"].rsplit(":", 1)[1])
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=30)
    with socket.socket() as gone:
        gone.settimeout(2)
        assert gone.connect_ex(("127.0.0.1", port)) != 0
