"""Who may change which records, beyond the object's permission: the org-wide defaults of sharing.

A new emulator shares everything, so that most tests need not think of it; an admin may say otherwise, object by object:
`owner`: only the owner may edit (Private and Public Read Only; who may read is another matter, see the console's `sharing`);
`parent`: whoever may edit the account (of activities: Controlled by Parent). Modify All Data lets a user edit everything,
Modify All Records an object but activities. Sources: Salesforce help, "Organization-Wide Sharing Defaults" and "Access to
Activities"; SOAP API guide, INSUFFICIENT_ACCESS_OR_READONLY. Not modelled: role hierarchy, sharing rules, teams.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.context import Context
from emulator.errors import RecordError
from emulator.raw_rows import by_id
from emulator.schema import ACTIVITY, SObject

if TYPE_CHECKING:
    from emulator.org import Org

MODES = ("all", "owner", "parent")
_MODIFY_ALL = (
    'SELECT 1 FROM "ObjectPermissions" WHERE "SobjectType" = ? COLLATE NOCASE AND "PermissionsModifyAllRecords"'
    ' AND "ParentId" IN (SELECT "PermissionSetId" FROM "PermissionSetAssignment" WHERE "AssigneeId" = ?)'
)


def share(org: Org, modes: Mapping[str, str]) -> None:
    """`{"Task": "owner", "Account": "owner"}`; `all` shares an object again. Raises LookupError, ValueError."""
    for name, mode in modes.items():
        sobject = org.schema.sobject(name)
        if sobject is None or sobject.field("OwnerId") is None:
            raise LookupError(f"no object {name} with an owner")
        if mode not in MODES or (mode == "parent" and sobject.field("AccountId") is None):
            raise ValueError(f"{name} cannot be shared as {mode}")
        org.storage.keep("edit_sharing", sobject.name, None if mode == "all" else mode)


def check(org: Org, ctx: Context, sobject: SObject, record: Mapping[str, Any]) -> None:
    """Raises the refusal that a user gets who may see a record and not change it."""
    if not ctx.system and not may_edit(org, ctx.user_id, sobject, record):
        raise RecordError("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")


def may_edit(org: Org, user_id: str, sobject: SObject, record: Mapping[str, Any]) -> bool:
    if not org.access.allows(user_id, sobject, "edit"):
        return False
    mode = org.storage.kept("edit_sharing", sobject.name)
    if mode is None or record.get("OwnerId") == user_id or _modifies_all(org, user_id, sobject):
        return True
    account = (
        by_id(org, "Account", record["AccountId"]) if mode == "parent" and record.get("AccountId") else None
    )
    return account is not None and may_edit(org, user_id, org.schema.require("Account"), account)


def _modifies_all(org: Org, user_id: str, sobject: SObject) -> bool:
    from emulator.life import permissions_of

    if permissions_of(org).has(user_id, "ModifyAllData"):
        return True
    return sobject.name not in ACTIVITY and org.storage.row(_MODIFY_ALL, (sobject.name, user_id)) is not None
