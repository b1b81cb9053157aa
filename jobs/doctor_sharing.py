"""Doctor on sharing: may our user change the records that it will have to change? An object permission is not enough.

Where activities are private (as in a new org), only a task's owner and people above may close it; where accounts are private
or read-only for others, each row of account fields is refused. The org says it record by record, for a few of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connector import errors
from jobs.app import App
from jobs.findings import Finding
from jobs.task_statuses import task_target
from mappings import soql
from mappings.model import PushTarget
from state import people, tasks

LOOKED_AT = 50  # of each kind; the org answers for 200 at a time
ACTIVITIES = (
    "in Setup > Sharing Settings set Activity to Controlled by Parent, and give our user edit access to the accounts (below, or as "
    "it is); or give it a role above the owners; or Modify All Data in a small permission set of its own"
)
ACCOUNTS = (
    "give our user edit access: a sharing rule that shares accounts with it as Read/Write, a role above their owners, or Modify All "
    "on Account in a small permission set of its own"
)


def sharing(app: App, *, has_store: bool) -> Iterator[Finding]:
    """One finding for accounts and one for tasks, as far as they are written."""
    user_id = getattr(app.org, "user_id", None)
    if user_id is None:
        return
    account = app.written("account")
    if account is not None:
        yield _told(
            app,
            user_id,
            "account sharing",
            "accounts",
            _accounts(app, account, has_store=has_store),
            ACCOUNTS,
        )
    if task_target(app) is not None:
        yield _told(
            app, user_id, "task sharing", "open tasks of ours", _tasks(app, has_store=has_store), ACTIVITIES
        )


def _told(app: App, user_id: str, check: str, what: str, ids: Sequence[str], mend: str) -> Finding:
    try:
        access = _edit_access(app, user_id, ids) if ids else {}
    except (errors.Misconfigured, errors.RowRefused) as refused:
        return Finding(check, "skip", f"the org does not say who may edit {what} ({refused.code})")
    if not access:
        return Finding(check, "skip", f"there are no {what} yet to look at")
    closed = sorted(one for one, may in access.items() if not may)
    if not closed:
        return Finding(check, "ok", f"our user may edit the {len(access)} {what} that were looked at")
    said = f"our user may not edit {len(closed)} of {len(access)} {what} (such as {closed[0]}): what is written to them is refused"
    return Finding(check, "fail", said, mend)


def _edit_access(app: App, user_id: str, ids: Sequence[str]) -> dict[str, bool]:
    """By record; those that our user cannot see, or that are gone, are left out."""
    some = ", ".join(soql.record_id(one) for one in ids)
    query = (
        f"SELECT RecordId, HasEditAccess FROM UserRecordAccess WHERE UserId = {soql.record_id(user_id)}"
        f" AND RecordId IN ({some})"
    )
    return {
        row["RecordId"]: row["HasEditAccess"] == "true"
        for page in app.org.query(query)
        for row in page.table.to_pylist()
    }


def _accounts(app: App, target: PushTarget, *, has_store: bool) -> list[str]:
    """Spread over those that we know: they have many owners. Before the first sync, some that the org has."""
    known = list[str]()
    if has_store:
        with app.store.read() as tx:
            known = people.some_ids(tx)
    if known:
        return known[:: max(1, len(known) // LOOKED_AT)][:LOOKED_AT]
    query = f"SELECT Id FROM {target.object} LIMIT {LOOKED_AT}"
    return [value for page in app.org.query(query) for value in page.table.column("Id").to_pylist()]


def _tasks(app: App, *, has_store: bool) -> list[str]:
    if not has_store:
        return []
    with app.store.read() as tx:
        ids = [task.sf_id for task in tasks.still_open(tx) if task.sf_id is not None]
    return ids[:: max(1, len(ids) // LOOKED_AT)][:LOOKED_AT]
