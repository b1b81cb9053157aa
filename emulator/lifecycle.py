"""What people do to an org's records besides the API: merge, undelete, purge, deactivate.

Source: Salesforce help, "Merge Accounts", "Recycle Bin"; Apex Developer Guide, "Merge Statements".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator import deletion, records
from emulator.context import Context
from emulator.errors import RecordError
from emulator.raw_rows import change, find, user_named
from emulator.storage import quote

if TYPE_CHECKING:
    from emulator.org import Org

BIN_DAYS = 15
MERGE_MAX = 2


def merge(org: Org, winner: str, losers: list[str], *, stamp_children: bool = False) -> int:
    """Merge accounts into `winner`; how many children changed their parent.

    Losers go to the recycle bin with MasterRecordId set; their children belong to the winner. Whether that moves
    the children's stamps is not documented: `stamp_children` (Assumed: it does not).
    Raises RecordError for an account that is not there, or more than two losers.
    """
    if not 1 <= len(losers) <= MERGE_MAX or winner in losers:
        raise RecordError("INVALID_INPUT", "merge takes one or two other accounts")
    admin = user_named(org)
    account = org.schema.require("Account")
    moved = 0
    with org.storage.transaction():
        records.existing(org, account, winner)
        for loser in losers:
            records.existing(org, account, loser)
            stamp = org.stamp()
            for child in org.schema.children("Account"):
                if child.field == "MasterRecordId":
                    continue
                owner = org.schema.require(child.sobject)
                stamps = stamp_children and owner.field("SystemModstamp") is not None
                sets = f"{quote(child.field)} = ?" + (', "SystemModstamp" = ?' if stamps else "")
                values = [winner, *([stamp] if stamps else []), loser]
                done = org.storage.execute(
                    f"UPDATE {quote(owner.name)} SET {sets} WHERE {quote(child.field)} = ?", values
                )
                moved += done.rowcount
            org.storage.execute('UPDATE "Account" SET "ParentId" = NULL WHERE "ParentId" = "Id"')
            change(org, "Account", loser, admin, IsDeleted=1, MasterRecordId=winner)
            org.storage.execute(
                "INSERT INTO _deleted VALUES ('Account', ?, ?) ON CONFLICT DO UPDATE SET ms = excluded.ms",
                (loser, stamp),
            )
        change(org, "Account", winner, admin)
    return moved


def delete(org: Org, sobject: str, record_id: str, *, hard: bool = False) -> None:
    """As an administrator: into the recycle bin with what cascades, or (`hard`) gone without a trace."""
    deletion.delete(org, Context(user_named(org), system=True), sobject, record_id, hard=hard)


def undelete(org: Org, sobject: str, record_id: str) -> None:
    deletion.undelete(org, Context(user_named(org), system=True), sobject, record_id)


def purge(org: Org, older_than_days: float = BIN_DAYS) -> int:
    """Empty the recycle bin of what has lain there that long; how many records are gone for good."""
    limit = org.now_ms() - int(older_than_days * 86_400_000)
    gone = 0
    with org.storage.transaction():
        for sobject in org.schema:
            if sobject.field("IsDeleted") is None:
                continue
            done = org.storage.execute(
                f'DELETE FROM {quote(sobject.name)} WHERE "IsDeleted" AND "SystemModstamp" <= ?', (limit,)
            )
            gone += done.rowcount
    return gone


def deactivate(org: Org, username: str, *, active: bool = False) -> str:
    """Let a user leave (or come back); the user's id. Records keep their owner."""
    user = find(org, "User", Username=username)
    if user is None:
        raise LookupError(f"no user {username}")
    change(org, "User", user["Id"], user_named(org), IsActive=int(active))
    return str(user["Id"])
