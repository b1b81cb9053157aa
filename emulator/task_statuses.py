"""The statuses that tasks may have: which are closed, which is the default. An admin may rename or replace them.

Task.Status is no restricted picklist: the API takes a value that is not among them, and such a task is open.
Sources: Object Reference, "TaskStatus" and "Task"; Salesforce help, "Customize Activity Picklists". Assumed: the key
prefix; what the admin replaces leaves the status of older tasks as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from emulator.raw_rows import audit
from emulator.schema import PicklistValue

if TYPE_CHECKING:
    from emulator.org import Org

CLOSED_WHEN_NEW = "Completed"
"""The one closed status of a new org in English."""


@dataclass(frozen=True)
class Status:
    """One value, in the order of the list."""

    name: str
    closed: bool = False
    default: bool = False


def restore(org: Org) -> None:
    """On opening an org: its own statuses, or those that a new org has."""
    kept = org.storage.kept("org", "task_statuses")
    if kept is not None:
        _show(org, [Status(*each) for each in kept])
    elif org.storage.row('SELECT 1 FROM "TaskStatus"') is None:
        field = org.schema.require("Task").fields["status"]
        _write(
            org,
            [
                Status(each.value, each.value == CLOSED_WHEN_NEW, each.default)
                for each in field.picklist_values
            ],
        )


def replace_all(org: Org, statuses: Sequence[Status]) -> None:
    """An admin's new list. Raises ValueError for one that Salesforce would not keep: without a closed value or a default."""
    if not any(each.closed for each in statuses) or sum(each.default for each in statuses) != 1:
        raise ValueError("at least one status is closed, and exactly one is the default")
    with org.storage.transaction():
        org.storage.keep(
            "org", "task_statuses", [[each.name, each.closed, each.default] for each in statuses]
        )
        _write(org, statuses)
        _show(org, statuses)


def is_closed(org: Org, status: str | None) -> bool:
    """Whether a task of this status is closed; one that is on no list is open."""
    row = org.storage.row('SELECT "IsClosed" FROM "TaskStatus" WHERE "ApiName" = ?', (status,))
    return row is not None and bool(row[0])


def _write(org: Org, statuses: Sequence[Status]) -> None:
    org.storage.execute('DELETE FROM "TaskStatus"')
    admin = org.storage.row('SELECT "Id" FROM "User" ORDER BY "Id" LIMIT 1')
    assert admin is not None, "an org without users"
    stamps = audit(org, admin[0], created=True)
    rows: list[dict[str, Any]] = [
        {"Id": org.ids.next("01U"), "ApiName": each.name, "MasterLabel": each.name, "SortOrder": number,
         "IsDefault": int(each.default), "IsClosed": int(each.closed), **stamps}
        for number, each in enumerate(statuses, 1)
    ]  # fmt: skip
    org.storage.load("TaskStatus", list(rows[0]), [list(row.values()) for row in rows])


def _show(org: Org, statuses: Sequence[Status]) -> None:
    """The picklist of Task.Status, as describe has it."""
    fields = org.schema.require("Task").fields
    default = next(each.name for each in statuses if each.default)
    fields["status"] = replace(
        fields["status"],
        default_value=default,
        picklist_values=tuple(PicklistValue(each.name, each.name, default=each.default) for each in statuses),
    )
    org.schema.version += 1
