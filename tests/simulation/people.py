"""What people and admins do in the org while the program works: through the org's own rules, as they would.

Every action takes small integers and finds its own record by them, so that a tape stays valid when steps are left
out. An action that finds nothing, or that the org refuses, does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from emulator import lifecycle, records
from emulator.auth import expire_sessions
from emulator.context import Context
from emulator.errors import ApiError, RecordError
from emulator.life import permissions_of
from emulator.raw_rows import change, user_named

if TYPE_CHECKING:
    from emulator.org import Org

# Reading stops without these; the last is a field that we write.
HIDEABLE = (
    "Account.Type",
    "OrderItem.TotalPrice",
    "Order.Status",
    "Product2.Family",
    "Account.Rebate_Tier__c",
)
TYPES = ("Channel Partner / Reseller", "Distributor", "Customer - Direct")
FAMILIES = ("Skin care", "Make-up", "Services", "Fragrance")
ZONE = ZoneInfo("America/New_York")


class People:
    """Everybody who works in one org."""

    def __init__(self, org: Org, read: Callable[[str, str, int], bool] = lambda *_: True) -> None:
        self.org = org
        self.read = read  # whether a record, as it was stamped, has been read by the program
        self.admin = user_named(org)
        self.moved: dict[str, int] = {}  # orders that a merge gave to another account, and when (ms)
        self._do: dict[str, Callable[..., None]] = {
            name: getattr(self, f"_{name}")
            for name in (
                "order", "late_order", "give_back", "cancel", "activate", "edit_line", "delete_order",
                "undelete_order", "move_order", "change_type", "change_owner", "change_family", "close_task",
                "delete_task", "owner_leaves", "hide_field", "show_fields", "quota_gone", "quota_back",
                "end_sessions", "merge", "delete_for_good", "empty_the_bin", "edit_standing", "delete_standing",
                "edit_account", "give_task_away", "decide_payout", "save",
            )
        }  # fmt: skip

    def act(self, name: str, args: list[int]) -> str:
        """Do it; says `done`, `nothing` or what the org answered."""
        if name in ("order", "late_order"):
            self.org.faults.settle()  # type: ignore[union-attr]
        if (
            name == "merge"
        ):  # it waits for long transactions that hold the account: no order is left with the loser
            self.org.faults.settle(all_of_them=True)  # type: ignore[union-attr]
        try:
            with self.org.storage.transaction():
                self._do[name](*args)
        except (RecordError, ApiError) as refused:
            return f"refused {refused.code}"
        except LookupError:
            return "nothing"
        return "done"

    # -- finding -----------------------------------------------------------------------------------------

    def _pick(self, number: int, sql: str, *values: Any) -> str:
        found = [str(row[0]) for row in self.org.storage.rows(sql, values)]
        if not found:
            raise LookupError(sql)
        return found[number % len(found)]

    def _account(self, number: int) -> str:
        return self._pick(number, 'SELECT "Id" FROM "Account" WHERE NOT "IsDeleted" ORDER BY "Id"')

    def _order_of(self, number: int, status: str) -> str:
        return self._pick(
            number,
            'SELECT "Id" FROM "Order" WHERE NOT "IsDeleted" AND "StatusCode" = ? ORDER BY "Id" DESC LIMIT 8',
            status,
        )

    def _today(self) -> date:
        return self.org.now().astimezone(ZONE).date()

    # -- orders ------------------------------------------------------------------------------------------

    def _order(self, account: int, first: int, many: int, second: int, day: int, price: int) -> None:
        ctx = Context(self.admin)
        book = self._pick(0, 'SELECT "Id" FROM "Pricebook2" WHERE "IsStandard"')
        when = self._today() - timedelta(days=(0, 0, 0, 1, 3, 30)[day % 6])
        made = records.insert(
            self.org, ctx, "Order",
            {"AccountId": self._account(account), "EffectiveDate": when.isoformat(), "Status": "Draft", "Pricebook2Id": book},
        )  # fmt: skip
        for number, product in enumerate((first, second)[: 1 + second % 2]):
            line = {
                "OrderId": made,
                "PricebookEntryId": self._pick(product, 'SELECT "Id" FROM "PricebookEntry" ORDER BY "Id"'),
                "Quantity": 1 + (many // (1 + number)) % 60,
            }
            if price % 3 == 0:
                line["UnitPrice"] = f"{10 + price % 90}.{price % 100:02d}"
            records.insert(self.org, ctx, "OrderItem", line)
        if price % 11:
            records.update(self.org, ctx, "Order", made, {"Status": "Activated"})

    def _late_order(self, *args: int) -> None:
        """A long transaction: its rows carry the stamps of its start and show up later, all at once."""
        with self.org.faults.late((3, 20, 60, 100)[args[5] % 4]):  # type: ignore[union-attr]
            self._order(*args)

    def _give_back(self, number: int, many: int, *_: int) -> None:
        ctx = Context(self.admin)
        first = self._order_of(number, "Activated")
        row = self.org.storage.row('SELECT "AccountId", "Pricebook2Id" FROM "Order" WHERE "Id" = ?', (first,))
        assert row is not None
        line = self.org.storage.row(
            'SELECT "Id", "PricebookEntryId", "AvailableQuantity" FROM "OrderItem" WHERE "OrderId" = ? AND NOT "IsDeleted" LIMIT 1',
            (first,),
        )
        if line is None or not line[2] or line[2] < 100:
            raise LookupError(first)
        made = records.insert(
            self.org, ctx, "Order",
            {"AccountId": row[0], "EffectiveDate": self._today().isoformat(), "Status": "Draft", "Pricebook2Id": row[1],
             "IsReductionOrder": True, "OriginalOrderId": first},
        )  # fmt: skip
        item = {"OrderId": made, "PricebookEntryId": line[1], "OriginalOrderItemId": line[0]}
        records.insert(self.org, ctx, "OrderItem", item | {"Quantity": -(1 + many % (line[2] // 100))})
        records.update(self.org, ctx, "Order", made, {"Status": "Activated"})

    def _cancel(self, number: int, *_: int) -> None:
        records.update(
            self.org, Context(self.admin), "Order", self._order_of(number, "Activated"), {"Status": "Draft"}
        )

    def _activate(self, number: int, *_: int) -> None:
        records.update(
            self.org, Context(self.admin), "Order", self._order_of(number, "Draft"), {"Status": "Activated"}
        )

    def _edit_line(self, number: int, which: int, many: int, *_: int) -> None:
        order = self._order_of(number, "Activated")
        line = self._pick(
            which, 'SELECT "Id" FROM "OrderItem" WHERE "OrderId" = ? AND NOT "IsDeleted" ORDER BY "Id"', order
        )
        values: dict[str, Any] = (
            {"Quantity": 1 + many % 80} if many % 2 else {"UnitPrice": f"{5 + many % 120}.{many % 100:02d}"}
        )
        records.update(self.org, Context(self.admin), "OrderItem", line, values)

    def _save(self, number: int, which: int, *_: int) -> None:
        """A record is saved as it is: nothing about it changes but its stamp.

        One that was read already: another would be read after what came later than it, and whoever reads by stamps computes
        from that until the next sync, though it was never so in the org.
        """
        sobject = ("Account", "Order", "OrderItem")[which % 3]
        rows = self.org.storage.rows(
            f'SELECT "Id", "SystemModstamp" FROM "{sobject}" WHERE NOT "IsDeleted" ORDER BY "Id" DESC LIMIT 8'
        )
        if not rows:
            raise LookupError(sobject)
        record, stamp = rows[number % len(rows)]
        if not self.read(sobject, record, stamp):
            raise LookupError("it is not read yet")
        change(self.org, sobject, record, self.admin)

    def _delete_order(self, number: int, *_: int) -> None:
        order = self._pick(
            number, 'SELECT "Id" FROM "Order" WHERE NOT "IsDeleted" ORDER BY "Id" DESC LIMIT 8'
        )
        lifecycle.delete(self.org, "Order", order)

    def _undelete_order(self, number: int, *_: int) -> None:
        lifecycle.undelete(
            self.org, "Order", self._pick(number, 'SELECT "Id" FROM "Order" WHERE "IsDeleted" ORDER BY "Id"')
        )

    def _move_order(self, number: int, account: int, *_: int) -> None:
        ctx, order = Context(self.admin), self._order_of(number, "Activated")
        records.update(self.org, ctx, "Order", order, {"Status": "Draft"})
        records.update(self.org, Context(self.admin), "Order", order, {"AccountId": self._account(account)})
        records.update(self.org, Context(self.admin), "Order", order, {"Status": "Activated"})

    # -- accounts, products, tasks, users ----------------------------------------------------------------

    def _change_type(self, number: int, kind: int, *_: int) -> None:
        records.update(
            self.org, Context(self.admin), "Account", self._account(number), {"Type": TYPES[kind % 3]}
        )

    def _change_owner(self, number: int, user: int, *_: int) -> None:
        owner = self._pick(user, 'SELECT "Id" FROM "User" WHERE "IsActive" ORDER BY "Id"')
        records.update(self.org, Context(self.admin), "Account", self._account(number), {"OwnerId": owner})

    def _change_family(self, number: int, family: int, *_: int) -> None:
        product = self._pick(number, 'SELECT "Id" FROM "Product2" ORDER BY "Id"')
        records.update(self.org, Context(self.admin), "Product2", product, {"Family": FAMILIES[family % 4]})

    def _task(self, number: int) -> str:
        return self._pick(
            number,
            'SELECT "Id" FROM "Task" WHERE NOT "IsDeleted" AND NOT "IsClosed" ORDER BY "Id"',
        )

    def _close_task(self, number: int, *_: int) -> None:
        (status,) = self.org.storage.row('SELECT "ApiName" FROM "TaskStatus" WHERE "IsClosed"') or ("",)
        records.update(self.org, Context(self.admin), "Task", self._task(number), {"Status": status})

    def _delete_task(self, number: int, *_: int) -> None:
        lifecycle.delete(self.org, "Task", self._task(number))

    def _owner_leaves(self, number: int, back: int, *_: int) -> None:
        user = self._pick(
            number, 'SELECT "Id" FROM "User" WHERE "Username" LIKE \'%.%@northwind.example\' ORDER BY "Id"'
        )
        change(self.org, "User", user, self.admin, IsActive=int(back % 3 == 0))

    def _give_task_away(self, number: int, user: int, *_: int) -> None:
        owner = self._pick(user, 'SELECT "Id" FROM "User" WHERE "IsActive" ORDER BY "Id"')
        records.update(self.org, Context(self.admin), "Task", self._task(number), {"OwnerId": owner})

    def _merge(self, number: int, other: int, *_: int) -> None:
        winner, loser = self._account(number), self._account(number + 1 + other % 3)
        if winner == loser:
            raise LookupError(winner)
        moved = self.org.storage.rows('SELECT "Id" FROM "Order" WHERE "AccountId" = ?', (loser,))
        lifecycle.merge(self.org, winner, [loser])
        self.moved |= {str(order): self.org.now_ms() for (order,) in moved}

    def _delete_for_good(self, number: int, *_: int) -> None:
        """Past the recycle bin, as a purge or a hard delete by the Bulk API does: no query ever tells of it."""
        order = self._pick(
            number, 'SELECT "Id" FROM "Order" WHERE NOT "IsDeleted" ORDER BY "Id" DESC LIMIT 8'
        )
        lifecycle.delete(self.org, "Order", order, hard=True)

    def _empty_the_bin(self, *_: int) -> None:
        lifecycle.purge(self.org, older_than_days=0)

    # -- what is ours --------------------------------------------------------------------------------------

    def _standing(self, number: int) -> str:
        return self._pick(
            number, 'SELECT "Id" FROM "Rebate_Standing__c" WHERE NOT "IsDeleted" ORDER BY "Sync_Key__c"'
        )

    def _edit_standing(self, number: int, value: int, *_: int) -> None:
        values = (
            {"Rebate__c": f"{value % 5000}.{value % 100:02d}"},
            {"Tier__c": "Diamond"},
            {"Tier__c": None},
        )
        records.update(
            self.org,
            Context(self.admin, system=True),
            "Rebate_Standing__c",
            self._standing(number),
            dict(values[value % 3]),
        )

    def _decide_payout(self, number: int, what: int, *_: int) -> None:
        payout = self._pick(
            number, 'SELECT "Id" FROM "Rebate_Payout__c" WHERE NOT "IsDeleted" ORDER BY "Sync_Key__c"'
        )
        values = {"Status__c": ("Approved", "Paid", "Rejected")[what % 3]}
        records.update(self.org, Context(self.admin, system=True), "Rebate_Payout__c", payout, values)

    def _delete_standing(self, number: int, *_: int) -> None:
        lifecycle.delete(self.org, "Rebate_Standing__c", self._standing(number))

    def _edit_account(self, number: int, value: int, *_: int) -> None:
        values = (
            {"Rebate_Amount__c": f"{value % 5000}.00"},
            {"Rebate_Tier__c": "Diamond"},
            {"Rebate_Tier__c": None},
        )
        records.update(
            self.org,
            Context(self.admin, system=True),
            "Account",
            self._account(number),
            dict(values[value % 3]),
        )

    # -- admins ------------------------------------------------------------------------------------------

    def _hide_field(self, number: int, *_: int) -> None:
        permissions_of(self.org).hide(HIDEABLE[number % len(HIDEABLE)])

    def _show_fields(self, *_: int) -> None:
        permissions_of(self.org).show(*HIDEABLE)

    def _quota_gone(self, left: int, *_: int) -> None:
        self.org.settings.api_max = self.org.usage.used(self.org.now_ms()) + left % 4

    def _quota_back(self, *_: int) -> None:
        self.org.settings.api_max = 100_000

    def _end_sessions(self, *_: int) -> None:
        expire_sessions(self.org)

    def make_peace(self) -> None:
        """Nothing is in anybody's way any more."""
        self._show_fields()
        self._quota_back()
        for (user,) in self.org.storage.rows('SELECT "Id" FROM "User" WHERE NOT "IsActive"'):
            change(self.org, "User", str(user), self.admin, IsActive=1)
        self.org.faults.clear()  # type: ignore[union-attr]
        self.org.faults.settle(all_of_them=True)  # type: ignore[union-attr]
