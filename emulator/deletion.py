"""Delete and undelete: the recycle bin, and what goes in and comes out together.

Source: SOAP API Developer Guide, "delete()", "undelete()"; Salesforce help, "Recycle Bin"; getDeleted for the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator import rules, validation
from emulator.context import Context
from emulator.errors import RecordError
from emulator.rows import existing, fetch, sobject_for, update_row
from emulator.schema import SObject
from emulator.storage import quote

if TYPE_CHECKING:
    from emulator.org import Org


def delete(org: Org, ctx: Context, name: str, record_id: str, *, hard: bool = False) -> None:
    """Into the recycle bin, with the children that cannot live without the record; `hard` leaves no row."""
    with org.storage.transaction():
        sobject = sobject_for(org, ctx, name, "delete")
        record_id = validation.record_id_of(sobject, record_id)
        old = existing(org, sobject, record_id)
        _delete(org, ctx, sobject, old, hard=hard, cascading=False)


def _delete(
    org: Org, ctx: Context, sobject: SObject, old: dict[str, Any], *, hard: bool, cascading: bool
) -> None:
    stamp = ctx.stamp_of(org)
    new: dict[str, Any] = {**old, "IsDeleted": 1, "SystemModstamp": stamp, "LastModifiedDate": stamp}
    write = rules.Write(org, ctx, sobject, new, old, frozenset())
    if not cascading:
        rules.run(rules.BEFORE_DELETE, write)
    for child in org.schema.children(sobject.name):
        owner = org.schema.require(child.sobject)
        if child.cascade_delete:
            alive = ' AND NOT "IsDeleted"' if owner.field("IsDeleted") else ""
            rows = org.storage.rows(
                f'SELECT "Id" FROM {quote(owner.name)} WHERE {quote(child.field)} = ?{alive}', (old["Id"],)
            )
            for (child_id,) in rows:
                found = fetch(org, owner, child_id)
                if found is not None:
                    _delete(org, ctx, owner, found, hard=hard, cascading=True)
        elif child.field.endswith("__c"):
            org.storage.execute(
                f"UPDATE {quote(owner.name)} SET {quote(child.field)} = NULL WHERE {quote(child.field)} = ?",
                (old["Id"],),
            )
    if hard or sobject.field("IsDeleted") is None:
        org.storage.execute(f'DELETE FROM {quote(sobject.name)} WHERE "Id" = ?', (old["Id"],))
    else:
        kept = {key: new[key] for key in old}
        update_row(org, sobject, old, kept)
    org.storage.execute(
        "INSERT INTO _deleted VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET ms = excluded.ms",
        (sobject.name, old["Id"], stamp),
    )
    rules.run(rules.AFTER_DELETE, write)


def undelete(org: Org, ctx: Context, name: str, record_id: str) -> None:
    """Out of the recycle bin, with the children that went in by the same deletion."""
    with org.storage.transaction():
        sobject = sobject_for(org, ctx, name, "delete")
        record_id = validation.record_id_of(sobject, record_id)
        found = fetch(org, sobject, record_id)
        if found is None or not found.get("IsDeleted"):
            raise RecordError(
                "UNDELETE_FAILED",
                "Entity is not in the recycle bin" if found else "invalid record id",
                ("Id",),
            )
        _undelete(org, ctx, sobject, found)


def _undelete(org: Org, ctx: Context, sobject: SObject, found: dict[str, Any]) -> None:
    stamp, when = ctx.stamp_of(org), found["SystemModstamp"]
    new = {**found, "IsDeleted": 0, "SystemModstamp": stamp}
    update_row(org, sobject, found, new)
    org.storage.execute('DELETE FROM _deleted WHERE sobject = ? AND "Id" = ?', (sobject.name, found["Id"]))
    rules.run(rules.AFTER, rules.Write(org, ctx, sobject, new, found, frozenset()))
    for child in org.schema.children(sobject.name):
        owner = org.schema.require(child.sobject)
        if child.cascade_delete and owner.field("IsDeleted"):
            rows = org.storage.rows(
                f'SELECT "Id" FROM {quote(owner.name)} WHERE {quote(child.field)} = ?'
                ' AND "IsDeleted" AND "SystemModstamp" = ?',
                (found["Id"], when),
            )
            for (child_id,) in rows:
                row = fetch(org, owner, child_id)
                assert row is not None
                _undelete(org, ctx, owner, row)
