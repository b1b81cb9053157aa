"""Who sees and changes what: object permissions, field-level security, system permissions.

A custom field that arrives by metadata is invisible, also to an administrator, until a permission set of the
user grants it; required and master-detail fields always show. Sources: Metadata API Developer Guide,
"PermissionSet"; Salesforce help, "Field-Level Security". Assumed: standard fields are visible by profile, but for those
of tasks and events that have field-level security: the profile of users who may only use the API grants none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulator.raw_rows import find, put
from emulator.rules import AFTER, AFTER_DELETE, Write, rule
from emulator.schema import Field, SObject

if TYPE_CHECKING:
    from emulator.org import Org

ADMIN_PROFILE = "System Administrator"
API_ONLY_PROFILE = "Minimum Access - API Only Integrations"
HIDDEN_BY_API_ONLY = frozenset(("task", "event"))
ACTIONS = ("create", "read", "edit", "delete")
GOVERNED = frozenset(("account", "contact", "contract", "order", "product2", "pricebook2"))
"""Standard objects that need an object permission; the rest is open to every user (Assumed)."""
BY_PARENT = {"orderitem": "order", "pricebookentry": "pricebook2"}
SETUP = frozenset(
    ("permissionset", "permissionsetassignment", "fieldpermissions", "objectpermissions", "user")
)
SYSTEM_PERMISSIONS = frozenset(
    (
        "ApiEnabled", "AssignPermissionSets", "CreateAuditFields", "CustomizeApplication", "EditTask",
        "EditEvent", "ManageUsers", "ModifyAllData", "ModifyMetadata", "SendCustomNotifications",
        "ViewAllData", "ViewSetup", "ActivateOrder", "EditActivatedOrders", "ViewRoles", "RunReports",
        "ApiUserOnly", "LightningExperienceUser", "PasswordNeverExpires", "ViewAllUsers", "BulkApiHardDelete",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Grants:
    """What one user has, from profile and permission sets together."""

    admin: bool
    api_only: bool  # by profile, which grants no fields
    system: frozenset[str]
    objects: frozenset[tuple[str, str]]  # (object, action), lower case
    readable: frozenset[str]  # "account.rebate_tier__c"
    editable: frozenset[str]


class Permissions:
    """`org.access` and `org.permissions`: the rules above over the org's own records."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._known: dict[str, Grants] = {}
        self._hidden = frozenset(org.storage.kept("permissions", "hidden") or ())

    def forget(self) -> None:
        """Something about permissions changed; ask again."""
        self._known.clear()
        self._org.schema.version += 1  # what was compiled or described for a user is stale too

    def grants(self, user_id: str) -> Grants:
        if user_id not in self._known:
            self._known[user_id] = self._read(user_id)
        return self._known[user_id]

    def _read(self, user_id: str) -> Grants:
        rows = self._org.storage.rows
        profile = rows(
            'SELECT p."Name" FROM "User" u JOIN "Profile" p ON p."Id" = u."ProfileId" WHERE u."Id" = ?',
            (user_id,),
        )
        admin = bool(profile) and profile[0][0] == ADMIN_PROFILE
        mine = '(SELECT "PermissionSetId" FROM "PermissionSetAssignment" WHERE "AssigneeId" = ?)'
        sets = rows(f'SELECT "Id" FROM "PermissionSet" WHERE "Id" IN {mine}', (user_id,))
        system = {
            name for (each,) in sets for name in self._org.storage.kept("permissions.system", each) or ()
        }
        listed = sorted(each for each in SYSTEM_PERMISSIONS if self._column(f"Permissions{each}"))
        for row in rows(
            f'SELECT {", ".join(f"Permissions{each}" for each in listed)} FROM "PermissionSet" WHERE "Id" IN {mine}',
            (user_id,),
        ):
            system.update(name for name, on in zip(listed, row, strict=True) if on)
        objects: set[tuple[str, str]] = set()
        columns = ", ".join(f'"Permissions{action.title()}"' for action in ACTIONS)
        for name, *flags in rows(
            f'SELECT "SobjectType", {columns} FROM "ObjectPermissions" WHERE "ParentId" IN {mine}', (user_id,)
        ):
            objects.update((name.lower(), action) for action, on in zip(ACTIONS, flags, strict=True) if on)
        fields = rows(
            f'SELECT lower("Field"), "PermissionsRead", "PermissionsEdit" FROM "FieldPermissions" WHERE "ParentId" IN {mine}',
            (user_id,),
        )
        return Grants(
            admin,
            bool(profile) and profile[0][0] == API_ONLY_PROFILE,
            frozenset(system),
            frozenset(objects),
            frozenset(name for name, read, edit in fields if read or edit),
            frozenset(name for name, _, edit in fields if edit),
        )

    def _column(self, name: str) -> bool:
        return self._org.schema.require("PermissionSet").field(name) is not None

    # -- the questions the rest of the org asks ----------------------------------------------------------

    def readable(self, user_id: str, sobject: SObject, field: Field) -> bool:
        name = f"{sobject.name}.{field.name}".lower()
        if name in self._hidden:
            return False
        if sobject.field(field.name) is None or not self._granted_by_name(user_id, sobject, field):
            return True
        return name in self.grants(user_id).readable

    def editable(self, user_id: str, sobject: SObject, field: Field) -> bool:
        if not self._granted_by_name(user_id, sobject, field):
            return self.readable(user_id, sobject, field)
        name = f"{sobject.name}.{field.name}".lower()
        return name not in self._hidden and name in self.grants(user_id).editable

    def _granted_by_name(self, user_id: str, sobject: SObject, field: Field) -> bool:
        """Whether the user sees the field only where a permission set names it."""
        if not field.permissionable:
            return False
        return field.custom or (sobject.name.lower() in HIDDEN_BY_API_ONLY and self.grants(user_id).api_only)

    visible = readable

    def allows(self, user_id: str, sobject: SObject, action: str) -> bool:
        """Whether the user may create, read, edit or delete records of the object."""
        name = BY_PARENT.get(sobject.name.lower(), sobject.name.lower())
        grants = self.grants(user_id)
        if grants.admin or "ModifyAllData" in grants.system:
            return True
        if name in SETUP and action != "read":
            needed = "AssignPermissionSets" if name == "permissionsetassignment" else "ManageUsers"
            return needed in grants.system
        if name in ("task", "event") and action != "read":
            return f"Edit{name.title()}" in grants.system
        if name not in GOVERNED and not sobject.custom:
            return True
        if name != sobject.name.lower() and action != "read":
            action = "edit"  # lines of an order, prices of a book: whoever edits the parent
        return (name, action) in grants.objects

    def has(self, user_id: str, permission: str) -> bool:
        """A system permission by its name in metadata (`SendCustomNotifications`)."""
        grants = self.grants(user_id)
        return grants.admin or permission in grants.system

    # -- what an admin does ------------------------------------------------------------------------------

    def hide(self, *fields: str) -> None:
        """Take `Account.Type` away from everyone, as an admin does by profile."""
        self._keep_hidden(self._hidden | {each.lower() for each in fields})

    def show(self, *fields: str) -> None:
        """Give back what `hide` took."""
        self._keep_hidden(self._hidden - {each.lower() for each in fields})

    def _keep_hidden(self, hidden: frozenset[str]) -> None:
        self._hidden = hidden
        self._org.storage.keep("permissions", "hidden", sorted(hidden) or None)
        self._org.schema.version += 1

    def assign(self, username: str, permission_set: str) -> str:
        """Give a permission set to a user; the assignment's id. Raises LookupError for an unknown name."""
        user = find(self._org, "User", Username=username)
        chosen = find(self._org, "PermissionSet", Name=permission_set)
        if user is None or chosen is None:
            raise LookupError(f"no user {username} or no permission set {permission_set}")
        known = find(
            self._org, "PermissionSetAssignment", AssigneeId=user["Id"], PermissionSetId=chosen["Id"]
        )
        if known:
            return str(known["Id"])
        values: dict[str, Any] = {"AssigneeId": user["Id"], "PermissionSetId": chosen["Id"], "IsActive": 1}
        made = put(self._org, "PermissionSetAssignment", user["Id"], **values)
        self.forget()
        return made


@rule(AFTER, "PermissionSet", "PermissionSetAssignment", "FieldPermissions", "ObjectPermissions", "User")
@rule(AFTER_DELETE, "PermissionSet", "PermissionSetAssignment", "FieldPermissions", "ObjectPermissions")
def permissions_changed(write: Write) -> None:
    access = write.org.access
    if isinstance(access, Permissions):
        access.forget()
