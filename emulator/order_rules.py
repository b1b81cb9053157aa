"""Orders and their lines: life from Draft to Activated, reductions, and the amounts the org works out.

Sources: Object Reference, "Order" and "OrderItem"; Salesforce help, "Reduction Orders", "Edit Activated
Orders", "Considerations for Orders". Wordings marked *assumed* below are ours, codes are Salesforce's.
"""

from __future__ import annotations

from typing import Any

from emulator.errors import RecordError
from emulator.rules import AFTER, AFTER_DELETE, BEFORE, BEFORE_DELETE, Write, rule
from emulator.wire import number_of, stored_number

LOCKED = (
    "Unable to modify activated or superseded Order:  cannot delete Order, or add or remove Order Products"
)
STATUS_CODES = {"Draft": "Draft", "Activated": "Activated", "Canceled": "Canceled", "Expired": "Expired"}
"""Category of a status value; an org may add labels (`settings.extra["order_status"]`), unknown ones are Draft."""
FREE_WHILE_ACTIVATING = frozenset({"Status", "StatusCode"})


def status_code(write: Write, status: str | None) -> str:
    own: dict[str, str] = write.org.settings.extra.get("order_status", {})
    return own.get(status or "", STATUS_CODES.get(status or "", "Draft"))


@rule(BEFORE, "Order")
def order_life(write: Write) -> None:
    """Draft first, activation alone, and what is fixed once it is set."""
    new, old, settings = write.new, write.old, write.org.settings
    code = status_code(write, new.get("Status"))
    new["StatusCode"] = code
    if write.ctx.system:
        new.setdefault("TotalAmount", 0)
        new.setdefault("GrandTotalAmount", 0)
        return
    _check_dates(new)
    if old is None:
        _check_new_order(write, code, settings.enable_reduction_orders)
        return
    was = old.get("StatusCode")
    if write.changed("AccountId") and was != "Draft":
        raise _invalid("AccountId", "the account of an order can change only while the order is a draft")
    if write.changed("Pricebook2Id") and old.get("Pricebook2Id") and _line_count(write):
        raise _invalid("Pricebook2Id", "the price book of an order that has products cannot change")
    if write.changed("OriginalOrderId") and was != "Draft":
        raise _invalid("OriginalOrderId", "the original order can change only while the order is a draft")
    if was == "Draft" and code == "Activated":
        _activate(write)
    elif was == "Activated" and code == "Draft":
        _back_to_draft(write)
    elif was != code and (was, code) != ("Draft", "Draft"):
        raise RecordError(
            "INVALID_STATUS", f"an order cannot go from {was} to {code}", ("Status",)
        )  # assumed wording


def _check_dates(new: dict[str, Any]) -> None:
    if new.get("EndDate") and new.get("EffectiveDate") and new["EndDate"] < new["EffectiveDate"]:
        raise RecordError(
            "FIELD_INTEGRITY_EXCEPTION", "Order End Date can't be before Order Start Date.", ("EndDate",)
        )  # assumed wording


def _check_new_order(write: Write, code: str, reductions: bool) -> None:
    new = write.new
    if code != "Draft":
        raise RecordError(
            "FAILED_ACTIVATION",
            "Choose a valid order status and save your changes. Ask your Salesforce admin for details.",
            ("Status",),
        )
    new["TotalAmount"] = new["GrandTotalAmount"] = 0
    if not new.get("IsReductionOrder"):
        return
    if not reductions:
        raise _invalid("IsReductionOrder", "reduction orders are not enabled in this org")
    original = write.parent(
        "Order", new.get("OriginalOrderId"), "StatusCode", "IsReductionOrder", "AccountId"
    )
    if original is None:
        raise RecordError(
            "REQUIRED_FIELD_MISSING", "Required fields are missing: [OriginalOrderId]", ("OriginalOrderId",)
        )
    if original[0] != "Activated" or original[1]:
        raise _invalid(
            "OriginalOrderId", "only an activated order that is no reduction itself can be reduced"
        )
    if new.get("AccountId") != original[2]:
        raise _invalid("AccountId", "a reduction order belongs to the account of its original order")


def _activate(write: Write) -> None:
    """Source: Object Reference, Order: "To activate, update Status alone"."""
    others = sorted(name for name in write.sent if name not in FREE_WHILE_ACTIVATING and write.changed(name))
    if others:
        raise RecordError(
            "FAILED_ACTIVATION",
            f"An order is activated by changing its status alone; not with {', '.join(others)}.",
            ("Status",),
        )  # assumed wording
    if not _line_count(write):
        raise RecordError(
            "FAILED_ACTIVATION", "An order must have at least one product.", ("Status",)
        )  # assumed wording
    if write.new.get("IsReductionOrder"):
        _take_from_originals(write, 1)
    write.new["ActivatedDate"] = write.ctx.stamp_of(write.org)
    write.new["ActivatedById"] = write.ctx.user_id


def _back_to_draft(write: Write) -> None:
    reduced = write.org.storage.row(
        'SELECT 1 FROM "OrderItem" WHERE "OrderId" = ? AND NOT "IsDeleted" AND "AvailableQuantity" < "Quantity"'
        ' AND "Quantity" > 0 LIMIT 1',
        (write.new["Id"],),
    )
    if reduced:
        raise RecordError(
            "ENTITY_IS_LOCKED", "An order that was reduced cannot be a draft again.", ("Status",)
        )  # assumed wording
    if write.new.get("IsReductionOrder"):
        _take_from_originals(write, -1)
    write.new["ActivatedDate"] = write.new["ActivatedById"] = None


def _take_from_originals(write: Write, sign: int) -> None:
    """Activating a reduction takes its quantities off what is left of the original lines."""
    lines = write.org.storage.rows(
        'SELECT "Id", "OriginalOrderItemId", "Quantity" FROM "OrderItem" WHERE "OrderId" = ? AND NOT "IsDeleted"',
        (write.new["Id"],),
    )
    for _, original, quantity in lines:
        row = write.parent("OrderItem", original, "AvailableQuantity")
        if row is None or row[0] + sign * quantity < 0:
            raise RecordError(
                "FAILED_ACTIVATION", "The reduction is greater than the quantity that is left.", ("Status",)
            )  # assumed wording
        write.org.storage.execute(
            'UPDATE "OrderItem" SET "AvailableQuantity" = "AvailableQuantity" + ?, "SystemModstamp" = ?'
            ' WHERE "Id" = ?',
            (sign * quantity, write.ctx.stamp_of(write.org), original),
        )


def _line_count(write: Write) -> int:
    row = write.org.storage.row(
        'SELECT count(*) FROM "OrderItem" WHERE "OrderId" = ? AND NOT "IsDeleted"', (write.new["Id"],)
    )
    assert row is not None
    return int(row[0])


@rule(BEFORE_DELETE, "Order")
def only_drafts_go(write: Write) -> None:
    if not write.ctx.system and write.new.get("StatusCode") not in (None, "Draft"):
        raise RecordError("ENTITY_IS_LOCKED", LOCKED)


@rule(BEFORE, "OrderItem")
def order_line(write: Write) -> None:
    """Prices come from the price book entry; lines come and go only while the order is a draft."""
    new, old = write.new, write.old
    order = write.parent(
        "Order", new["OrderId"], "StatusCode", "IsReductionOrder", "Pricebook2Id", "OriginalOrderId"
    )
    assert order is not None, "the reference was checked before"
    code, reduction, book, _ = order
    if old is None:
        if code != "Draft" and not write.ctx.system:
            raise RecordError("ENTITY_IS_LOCKED", LOCKED)
        _priced(write, book)
        new["Type"], new["TypeCode"] = new.get("Type") or "Order Product", "Product"
    elif not write.ctx.system and code != "Draft" and _is_reduced(old):
        raise RecordError(
            "ENTITY_IS_LOCKED", "An order product that was reduced cannot be changed."
        )  # assumed wording
    if not write.ctx.system:
        _check_quantity(write, bool(reduction))
        if old is None and reduction:
            _check_reduction_line(write, order[3])
    if old is None or write.changed("Quantity"):
        new["AvailableQuantity"] = 0 if reduction else new["Quantity"]
    new["TotalPrice"] = _total(new["Quantity"], new.get("UnitPrice") or 0)


def _is_reduced(line: dict[str, Any]) -> bool:
    quantity, left = line["Quantity"], line.get("AvailableQuantity")
    return quantity > 0 and left is not None and left < quantity


def _priced(write: Write, book: str | None) -> None:
    new = write.new
    entry = write.parent(
        "PricebookEntry", new["PricebookEntryId"], "Pricebook2Id", "Product2Id", "UnitPrice", "IsActive"
    )
    assert entry is not None, "the reference was checked before"
    if not write.ctx.system:
        if entry[0] != book:
            raise RecordError(
                "FIELD_INTEGRITY_EXCEPTION",
                "field integrity exception: PricebookEntryId (pricebook entry is in a different pricebook than"
                " the one assigned to the order)",
                ("PricebookEntryId",),
            )
        if not entry[3]:
            raise RecordError(
                "FIELD_INTEGRITY_EXCEPTION",
                "field integrity exception: PricebookEntryId (pricebook entry is inactive)",
                ("PricebookEntryId",),
            )
        if new.get("Product2Id") not in (None, entry[1]):
            raise _invalid("Product2Id", "the product is not the product of the price book entry")
    new["Product2Id"], new["ListPrice"] = entry[1], entry[2]
    if new.get("UnitPrice") is None:
        new["UnitPrice"] = entry[2]


def _check_quantity(write: Write, reduction: bool) -> None:
    quantity = write.new["Quantity"]
    if reduction and quantity >= 0:
        raise _invalid("Quantity", "the quantity of a reduction order product must be less than zero")
    if not reduction and quantity <= 0 and not (quantity and write.org.settings.enable_negative_quantity):
        raise _invalid("Quantity", "the quantity of an order product must be greater than zero")


def _check_reduction_line(write: Write, original_order: str | None) -> None:
    new = write.new
    original = write.parent(
        "OrderItem", new.get("OriginalOrderItemId"), "OrderId", "AvailableQuantity", "PricebookEntryId"
    )
    if original is None:
        raise RecordError(
            "REQUIRED_FIELD_MISSING",
            "Required fields are missing: [OriginalOrderItemId]",
            ("OriginalOrderItemId",),
        )
    if original[0] != original_order:
        raise _invalid("OriginalOrderItemId", "the original order product is not one of the original order")
    if -new["Quantity"] > original[1]:
        raise _invalid("Quantity", "the reduction is greater than the quantity that is left")


@rule(BEFORE_DELETE, "OrderItem")
def lines_of_drafts_go(write: Write) -> None:
    order = write.parent("Order", write.new["OrderId"], "StatusCode")
    if not write.ctx.system and order is not None and order[0] != "Draft":
        raise RecordError("ENTITY_IS_LOCKED", LOCKED)


@rule(AFTER, "OrderItem")
@rule(AFTER_DELETE, "OrderItem")
def order_total(write: Write) -> None:
    """TotalAmount is the sum of the lines. Whether its stamp follows is a setting (assumed: it does not)."""
    before = 0 if write.old is None or write.old.get("IsDeleted") else write.old.get("TotalPrice") or 0
    after = 0 if write.new.get("IsDeleted") else write.new.get("TotalPrice") or 0
    stamp = write.ctx.stamp_of(write.org) if write.org.settings.order_stamp_follows_lines else None
    write.org.storage.execute(
        'UPDATE "Order" SET "TotalAmount" = coalesce("TotalAmount", 0) + ?,'
        ' "GrandTotalAmount" = coalesce("GrandTotalAmount", 0) + ?,'
        ' "SystemModstamp" = coalesce(?, "SystemModstamp") WHERE "Id" = ?',
        (after - before, after - before, stamp, write.new["OrderId"]),
    )


def _total(quantity: int | float, price: int | float) -> int | float:
    """With all its digits, whatever the field shows (assumed)."""
    return stored_number(number_of(quantity, 2) * number_of(price, 2), 2)


def _invalid(field: str, why: str) -> RecordError:
    return RecordError("FIELD_INTEGRITY_EXCEPTION", f"field integrity exception: {field} ({why})", (field,))
