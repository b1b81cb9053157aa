"""What a push costs in API calls and seconds: idle, and after so many standings changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from benchmarks.measuring import table
from benchmarks.worlds import NOW, Size, World, world
from connector import choose, limits

STANDING = "Rebate_Standing__c"
IDLE_CALLS = 2
MORE_CALLS = (
    5  # than a thousand records a composite call, which is the least that Salesforce allows below Bulk
)


def measure(lines: int, changes: Sequence[int]) -> tuple[dict[str, Any], str]:
    """A first sync, an idle one, and pushes of changed standings."""
    rows: list[list[object]] = []
    with world(Size.of_lines(lines)) as org:
        first = org.rebates("sync", "--json", "--allow-many-tasks").require()
        told = json.loads(first.out)["data"]
        rows.append(
            [f"first sync, {told['pushed']:,} writes", told["api_calls"], "", first.seconds, first.cpu]
        )
        idle = org.rebates("sync", "--json").require()
        calls = json.loads(idle.out)["data"]["api_calls"]
        rows.append(["idle sync", calls, "", idle.seconds, idle.cpu])
        found = {"first": told["api_calls"], "idle": calls}
        if calls > IDLE_CALLS:
            raise RuntimeError(f"an idle sync cost {calls} API calls")
        for count in changes:
            changed = _change(org, count)
            done = org.rebates("push", "--json").require()
            data = json.loads(done.out)["data"]
            least = choose.calls_to_write(changed, choose.choose_write(changed))
            rows.append([f"push of {changed:,} standings", data["api_calls"], least, done.seconds, done.cpu])
            found[str(changed)] = data["api_calls"]
            if data["pushed"] != changed:
                raise RuntimeError(f"{data['pushed']} of {changed} were written")
            allowed = -(-changed // limits.COMPOSITE_ROWS) + MORE_CALLS
            if data["api_calls"] > allowed:
                raise RuntimeError(
                    f"{changed} standings cost {data['api_calls']} API calls, {allowed} are allowed"
                )
    heads = ["what", "API calls, login and looks included", "planned for the writes", "wall s", "CPU s"]
    return {"api_calls": found}, table(f"Writing back, {told['standings']:,} standings", heads, rows)


def _change(org: World, count: int) -> int:
    """As if so many standings had moved by a cent."""
    from state import outbox
    from state.outbox import Wanted
    from state.store import Store

    store = Store.open(f"sqlite:///{org.store}")
    with store.transaction() as tx:
        known = list(outbox.last_done(tx, STANDING).items())[:count]
        wanted = [
            Wanted(
                "state",
                STANDING,
                key,
                {**payload, "Rebate__c": Decimal(payload["Rebate__c"]) + Decimal("0.01")},
            )
            for key, payload in known
        ]
        enqueued = outbox.enqueue(tx, wanted, now=NOW)
    store.close()
    return enqueued
