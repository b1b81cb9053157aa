"""Records written by the org itself (deploys, admin actions, seeds): encoded values, audit fields added, no rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.storage import quote

if TYPE_CHECKING:
    from emulator.org import Org


def user_named(org: Org, profile: str = "System Administrator") -> str:
    """The first active user of a profile, in the order they were made."""
    row = org.storage.row(
        'SELECT u."Id" FROM "User" u JOIN "Profile" p ON p."Id" = u."ProfileId"'
        ' WHERE p."Name" = ? AND u."IsActive" = 1 ORDER BY u."Id" LIMIT 1',
        (profile,),
    )
    if row is None:
        raise LookupError(f"no active user with the profile {profile}")
    return str(row[0])


def audit(org: Org, user_id: str, *, created: bool) -> dict[str, Any]:
    """Created, modified and system stamps of one write."""
    stamp = org.stamp()
    out: dict[str, Any] = {"LastModifiedDate": stamp, "LastModifiedById": user_id, "SystemModstamp": stamp}
    if created:
        out |= {"CreatedDate": stamp, "CreatedById": user_id}
    return out


def put(org: Org, name: str, user_id: str, **values: Any) -> str:
    """A new record; returns its id. Booleans that are not given are false, or their default."""
    sobject = org.schema.require(name)
    values.setdefault("Id", org.ids.next(sobject.key_prefix or "000"))
    row = {**audit(org, user_id, created=True), **values}
    for each in sobject.stored_fields():
        if each.type == "boolean":
            row.setdefault(each.name, int(bool(each.default_value)))
    known = {each.name for each in sobject.stored_fields()}
    row = {column: value for column, value in row.items() if column in known}
    org.storage.load(sobject.name, list(row), [list(row.values())])
    return str(values["Id"])


def change(org: Org, name: str, record_id: str, user_id: str, **values: Any) -> None:
    """New values for one record; its stamps move."""
    sobject = org.schema.require(name)
    known = {each.name for each in sobject.stored_fields()}
    row = {**audit(org, user_id, created=False), **values}
    row = {column: value for column, value in row.items() if column in known}
    sets = ", ".join(f"{quote(column)} = ?" for column in row)
    org.storage.execute(f'UPDATE {quote(sobject.name)} SET {sets} WHERE "Id" = ?', [*row.values(), record_id])


def find(org: Org, name: str, **values: Any) -> dict[str, Any] | None:
    """One record by the values of its columns (in any case), whole."""
    sobject = org.schema.require(name)
    columns = [each.name for each in sobject.stored_fields()]
    where = " AND ".join(f"{quote(column)} = ? COLLATE NOCASE" for column in values)
    row = org.storage.row(
        f"SELECT {', '.join(map(quote, columns))} FROM {quote(sobject.name)} WHERE {where}",
        list(values.values()),
    )
    return dict(zip(columns, row, strict=True)) if row else None


def by_id(org: Org, name: str, record_id: str) -> Mapping[str, Any] | None:
    return find(org, name, Id=record_id)
