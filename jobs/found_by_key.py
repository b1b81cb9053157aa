"""Which records of a request without an answer are in the org: asked by key before anything is sent again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from jobs.app import App
from jobs.drift import same
from mappings import soql
from mappings.model import PushTarget
from state import payouts_gone
from state.outbox import Row

KEYS_PER_QUERY = 200


def states_in_org(app: App, target: PushTarget, rows: Sequence[Row]) -> dict[str, str]:
    """Record ids by key of the state rows that the org holds just as they were sent: under our very sequence number, and
    with what they say. A database that lost its last commits gives a number out a second time, for something else. An
    object without a number tells nothing: its rows are sent again by key, and end the same."""
    key, fence = target.match, target.fence
    if key is None or fence is None:
        return {}
    sent = {row.ext_key: row for row in rows}
    found: dict[str, str] = {}
    keys = list(sent)
    says = sorted({name for row in rows for name in row.payload} & target.fields.keys())
    columns = ", ".join(dict.fromkeys(("Id", key, fence, *says)))
    for start in range(0, len(keys), KEYS_PER_QUERY):
        some = ", ".join(soql.text(one) for one in keys[start : start + KEYS_PER_QUERY])
        query = f"SELECT {columns} FROM {target.object} WHERE {key} IN ({some})"
        for page in app.org.query(query):
            for row in page.table.to_pylist():
                ours = sent.get(row[key])
                if ours is not None and _is_as_sent(ours, row, fence, says):
                    found[row[key]] = row["Id"]
    return found


def _is_as_sent(ours: Row, shown: Mapping[str, Any], fence: str, says: Sequence[str]) -> bool:
    if shown[fence] is None or Decimal(shown[fence]) != ours.seq:
        return False
    return all(same(ours.payload[name], shown[name]) for name in says if name in ours.payload)


def ids_of_keys(app: App, target: PushTarget, keys: Sequence[str]) -> dict[str, str]:
    """Record ids by key of those that the org has, or had until somebody deleted them."""
    match = target.match
    found: dict[str, str] = {}
    with app.store.read() as tx:
        replaced = payouts_gone.replaced(tx)
    for start in range(0, len(keys), KEYS_PER_QUERY):
        some = ", ".join(soql.text(key) for key in keys[start : start + KEYS_PER_QUERY])
        query = f"SELECT Id, {match}, IsDeleted FROM {target.object} WHERE {match} IN ({some})"
        for page in app.org.query(query, include_deleted=True):
            for row in page.table.to_pylist():
                if row["IsDeleted"] != "true" or row["Id"] not in replaced:
                    found[str(row[match])] = row["Id"]
    return found
