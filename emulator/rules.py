"""What the standard objects do to their own records, beyond describe: the org's built-in triggers.

A rule gets a `Write` and may change `write.new` or raise RecordError. `order_rules` adds those of orders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulator import task_statuses
from emulator.context import Context
from emulator.errors import RecordError
from emulator.schema import SObject

if TYPE_CHECKING:
    from emulator.org import Org


@dataclass
class Write:
    """One record on its way: `new` is the whole record after, `old` before (None on insert), both encoded."""

    org: Org
    ctx: Context
    sobject: SObject
    new: dict[str, Any]
    old: dict[str, Any] | None
    sent: frozenset[str]
    """Names of the fields the client set."""

    @property
    def inserting(self) -> bool:
        return self.old is None

    def changed(self, name: str) -> bool:
        return self.old is None or self.old.get(name) != self.new.get(name)

    def parent(self, sobject: str, record_id: str | None, *columns: str) -> tuple[Any, ...] | None:
        """Some columns of another record."""
        if record_id is None:
            return None
        listed = ", ".join(f'"{each}"' for each in columns)
        return self.org.storage.row(f'SELECT {listed} FROM "{sobject}" WHERE "Id" = ?', (record_id,))


Rule = Callable[[Write], None]
BEFORE: dict[str, list[Rule]] = {}
AFTER: dict[str, list[Rule]] = {}
BEFORE_DELETE: dict[str, list[Rule]] = {}
AFTER_DELETE: dict[str, list[Rule]] = {}


def rule(when: dict[str, list[Rule]], *sobjects: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        for name in sobjects:
            when.setdefault(name, []).append(function)
        return function

    return register


def run(when: dict[str, list[Rule]], write: Write) -> None:
    for each in when.get(write.sobject.name, ()):
        each(write)


def check_owner(write: Write) -> None:
    """A record cannot be given to a user who left. Source: SOAP API guide, INACTIVE_OWNER_OR_USER."""
    owner = write.new.get("OwnerId")
    if "OwnerId" not in write.sent or owner is None or not write.changed("OwnerId"):
        return
    row = write.parent("User", owner, "IsActive")
    if row is not None and not row[0]:
        raise RecordError(
            "INACTIVE_OWNER_OR_USER",
            f"operation performed with inactive user [{owner[:15]}] as owner of {write.sobject.label.lower()}",
        )


@rule(BEFORE, "User", "Contact")
def full_name(write: Write) -> None:
    parts = [write.new.get("FirstName"), write.new.get("LastName")]
    write.new["Name"] = " ".join(part for part in parts if part) or None


@rule(BEFORE, "Task")
def task_state(write: Write) -> None:
    """IsClosed follows Status by the org's list of statuses; a task belongs to the account of what it is about."""
    new = write.new
    new["IsClosed"] = int(task_statuses.is_closed(write.org, new.get("Status")))
    new["IsHighPriority"] = int(new.get("Priority") == "High")
    if not new["IsClosed"]:
        new["CompletedDateTime"] = None
    elif write.old is None or not write.old.get("IsClosed"):
        new["CompletedDateTime"] = write.ctx.stamp_of(write.org)
    new["AccountId"] = _account_of(write, new.get("WhatId")) or _account_of(write, new.get("WhoId"))
    if not new.get("TaskSubtype"):
        new["TaskSubtype"] = "Task"


@rule(BEFORE, "Event")
def event_account(write: Write) -> None:
    write.new["AccountId"] = _account_of(write, write.new.get("WhatId")) or _account_of(
        write, write.new.get("WhoId")
    )


def _account_of(write: Write, about: str | None) -> str | None:
    if about is None:
        return None
    if about.startswith("001"):
        return about
    holder = {"801": "Order", "003": "Contact", "800": "Contract"}.get(about[:3])
    row = write.parent(holder, about, "AccountId") if holder else None
    return row[0] if row else None


@rule(BEFORE, "Account")
def no_circular_parent(write: Write) -> None:
    """Source: SOAP API Developer Guide, CIRCULAR_DEPENDENCY."""
    parent = write.new.get("ParentId") if write.changed("ParentId") and not write.inserting else None
    while parent is not None:
        if parent == write.new["Id"]:
            raise RecordError(
                "CIRCULAR_DEPENDENCY", "attempt to violate hierarchy constraints", ("ParentId",)
            )
        row = write.parent("Account", parent, "ParentId")
        parent = row[0] if row else None


@rule(BEFORE, "PricebookEntry")
def price_entry(write: Write) -> None:
    """A price in a price book needs the standard price first, and a product has one price a book."""
    new = write.new
    product = write.parent("Product2", new["Product2Id"], "Name", "ProductCode")
    book = write.parent("Pricebook2", new["Pricebook2Id"], "IsStandard")
    assert product is not None
    assert book is not None
    new["Name"], new["ProductCode"] = product
    if write.ctx.system:
        return
    entries = dict(
        write.org.storage.rows(
            'SELECT e."Pricebook2Id", e."UnitPrice" FROM "PricebookEntry" e'
            ' WHERE e."Product2Id" = ? AND NOT e."IsDeleted" AND e."Id" <> ?',
            (new["Product2Id"], new.get("Id") or ""),
        )
    )
    if new["Pricebook2Id"] in entries:
        raise RecordError("DUPLICATE_VALUE", "This price definition already exists in this price book")
    if book[0]:
        return
    standard = write.org.storage.row('SELECT "Id" FROM "Pricebook2" WHERE "IsStandard"')
    if standard is None or standard[0] not in entries:
        raise RecordError("STANDARD_PRICE_NOT_DEFINED", "No standard price defined for this product")
    if new.get("UseStandardPrice"):
        new["UnitPrice"] = entries[standard[0]]


@rule(AFTER, "Product2")
def product_renamed(write: Write) -> None:
    if not write.inserting and (write.changed("Name") or write.changed("ProductCode")):
        write.org.storage.execute(
            'UPDATE "PricebookEntry" SET "Name" = ?, "ProductCode" = ? WHERE "Product2Id" = ?',
            (write.new.get("Name"), write.new.get("ProductCode"), write.new["Id"]),
        )


@rule(BEFORE_DELETE, "Account")
def no_activated_orders(write: Write) -> None:
    """Source: SOAP API Developer Guide, DELETE_FAILED; Salesforce help, "Delete an Account"."""
    rows = write.org.storage.rows(
        'SELECT "OrderNumber" FROM "Order" WHERE "AccountId" = ? AND NOT "IsDeleted" AND "StatusCode" <> \'Draft\''
        " ORDER BY 1 LIMIT 5",
        (write.new["Id"],),
    )
    if rows and not write.ctx.system:
        raise RecordError(
            "DELETE_FAILED",
            f"Your attempt to delete {write.new.get('Name')} could not be completed because it is associated with"
            f" the following orders.: {', '.join(row[0] for row in rows)}\n",
        )


@rule(BEFORE, "User")
def username_once(write: Write) -> None:
    """Source: SOAP API Developer Guide, DUPLICATE_USERNAME."""
    if not write.changed("Username"):
        return
    if "@" not in str(write.new["Username"]):
        raise RecordError(
            "INVALID_EMAIL_ADDRESS", "Username must be in the form of an email address", ("Username",)
        )
    if _taken(write, ("Username",)):
        raise RecordError(
            "DUPLICATE_USERNAME", "Duplicate Username.The username already exists.", ("Username",)
        )


@rule(BEFORE, "FieldPermissions", "ObjectPermissions", "PermissionSetAssignment")
def permission_once(write: Write) -> None:
    """One row for each permission set and field, object or user."""
    keys = {
        "FieldPermissions": ("ParentId", "SobjectType", "Field"),
        "ObjectPermissions": ("ParentId", "SobjectType"),
        "PermissionSetAssignment": ("PermissionSetId", "AssigneeId"),
    }[write.sobject.name]
    taken = _taken(write, keys) if write.inserting else None
    if taken:
        raise RecordError(
            "DUPLICATE_VALUE",
            f"duplicate value found: {', '.join(keys)} duplicates value on record with id: {taken[:15]}",
        )


def _taken(write: Write, columns: tuple[str, ...]) -> str | None:
    """The id of another record with the same values, text compared without case."""
    where = " AND ".join(f'"{each}" = ? COLLATE NOCASE' for each in columns)
    row = write.org.storage.row(
        f'SELECT "Id" FROM "{write.sobject.name}" WHERE {where} AND "Id" <> ?',
        (*(write.new.get(each) for each in columns), write.new["Id"]),
    )
    return None if row is None else str(row[0])
