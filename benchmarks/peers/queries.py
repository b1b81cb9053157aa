"""What everybody asks for: orders and their lines, the fields that our standard mapping reads."""

from __future__ import annotations

SOQL = {
    "order": (
        "SELECT Id, SystemModstamp, IsDeleted, AccountId, OrderNumber, Status, StatusCode, Type, EffectiveDate, "
        "OriginalOrderId FROM Order"
    ),
    "order_line": (
        "SELECT Id, SystemModstamp, IsDeleted, OrderId, Product2Id, Quantity, TotalPrice FROM OrderItem"
    ),
}
