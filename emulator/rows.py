"""Whole rows of the database: fetch one, put one in, change one, and whether an object may be written at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.context import Context
from emulator.errors import RecordError
from emulator.schema import SObject
from emulator.storage import quote

if TYPE_CHECKING:
    from emulator.org import Org


def sobject_for(org: Org, ctx: Context, name: str, action: str) -> SObject:
    """The object, if it exists, can be written this way at all, and the user may."""
    sobject = org.schema.sobject(name)
    if sobject is None:
        raise RecordError("INVALID_TYPE", f"sObject type '{name}' is not supported.")
    flag = {"create": "createable", "edit": "updateable", "delete": "deletable"}[action]
    if not ctx.system and not sobject.flag(flag):
        verb = {"create": "created", "edit": "updated", "delete": "deleted"}[action]
        raise RecordError(
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type {sobject.name} cannot be {verb}"
        )
    if not ctx.system and not org.access.allows(ctx.user_id, sobject, action):
        raise RecordError(
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
            if action == "create"
            else "INSUFFICIENT_ACCESS_OR_READONLY",
            f"entity type cannot be inserted: {sobject.label}"
            if action == "create"
            else "insufficient access rights on object id",
        )
    return sobject


def fetch(org: Org, sobject: SObject, record_id: str) -> dict[str, Any] | None:
    """All stored columns of a record, deleted or not, encoded as in the database."""
    names = [each.name for each in sobject.stored_fields()]
    row = org.storage.row(
        f'SELECT {", ".join(map(quote, names))} FROM {quote(sobject.name)} WHERE "Id" = ?', (record_id,)
    )
    return None if row is None else dict(zip(names, row, strict=True))


def existing(org: Org, sobject: SObject, record_id: str) -> dict[str, Any]:
    """A living record, or why there is none."""
    found = fetch(org, sobject, record_id)
    if found is None:
        raise RecordError("NOT_FOUND", "The requested resource does not exist")
    if found.get("IsDeleted"):
        raise RecordError("ENTITY_IS_DELETED", "entity is deleted")
    return found


def insert_row(org: Org, sobject: SObject, new: Mapping[str, Any]) -> None:
    names = ", ".join(map(quote, new))
    org.storage.execute(
        f"INSERT INTO {quote(sobject.name)} ({names}) VALUES ({', '.join('?' * len(new))})",
        list(new.values()),
    )


def update_row(org: Org, sobject: SObject, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    changed = {key: value for key, value in new.items() if old.get(key) != value}
    if changed:
        sets = ", ".join(f"{quote(key)} = ?" for key in changed)
        org.storage.execute(
            f'UPDATE {quote(sobject.name)} SET {sets} WHERE "Id" = ?', [*changed.values(), old["Id"]]
        )
