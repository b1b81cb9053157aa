"""UserRecordAccess: what a user may do with some records. It has no rows of its own; a query names the user and the records.

Source: Object Reference, "UserRecordAccess": filters on one UserId and up to 200 RecordIds, selects RecordId and access
fields, filtered by an access field only RecordId; records that the asking user cannot read are left out. The message
about 200 was seen in a real org; the other wordings are assumed, and so is that deleted records have no access.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from emulator import edit_sharing
from emulator.errors import ApiError
from emulator.ids import to_18
from emulator.raw_rows import by_id
from emulator.soql import tree

if TYPE_CHECKING:
    from emulator.org import Org

NAME = "UserRecordAccess"
RECORDS_MAX = 200
ACCESS = ("hasreadaccess", "haseditaccess", "hasdeleteaccess", "hastransferaccess", "hasallaccess")


def answer(org: Org, asking: str, query: tree.Query) -> None:
    """Make the rows that a query asks for, or raise why it cannot be asked."""
    user_id, record_ids, by_access = _filters(query)
    selected = {
        item.expression.text.lower()
        for item in query.select
        if isinstance(item, tree.Item) and isinstance(item.expression, tree.Path)
    }
    allowed = {"recordid"} if by_access else {"recordid", "maxaccesslevel", *ACCESS}
    if "recordid" not in selected or selected - allowed or len(selected) != len(query.select):
        raise _refused(f"select RecordId{'' if by_access else ' and access fields'} only")
    with org.storage.transaction():
        org.storage.execute(f'DELETE FROM "{NAME}" WHERE "UserId" = ?', (user_id,))
        rows = [row for each in dict.fromkeys(record_ids) for row in _row(org, asking, user_id, each)]
        columns = ("Id", "UserId", "RecordId", "HasReadAccess", "HasEditAccess", "HasDeleteAccess",
                   "HasTransferAccess", "HasAllAccess", "MaxAccessLevel")  # fmt: skip
        org.storage.load(NAME, columns, rows)


def _row(org: Org, asking: str, user_id: str, record_id: str) -> Iterator[tuple[object, ...]]:
    sobject = org.schema.by_prefix(record_id[:3])
    record = by_id(org, sobject.name, record_id) if sobject is not None else None
    if (
        sobject is None
        or record is None
        or record.get("IsDeleted")
        or not org.access.allows(asking, sobject, "read")
    ):
        return
    read = org.access.allows(user_id, sobject, "read")
    edit = read and edit_sharing.may_edit(org, user_id, sobject, record)
    full = edit and org.access.allows(user_id, sobject, "delete")
    level = "All" if full else "Edit" if edit else "Read" if read else "None"
    yield (
        f"{user_id}{record_id}",
        user_id,
        record_id,
        int(read),
        int(edit),
        int(full),
        int(full),
        int(full),
        level,
    )


def _filters(query: tree.Query) -> tuple[str, list[str], bool]:
    """The user, the records, and whether an access field is filtered on, too."""
    where = query.where
    parts = where.operands if isinstance(where, tree.All) else (where,)
    users, records, by_access = list[str](), list[str](), False
    for part in parts:
        if not isinstance(part, (tree.Compare, tree.InList)) or not isinstance(part.left, tree.Path):
            raise _refused("filter by UserId, RecordId and an access field only")
        name = part.left.text.lower()
        equal = isinstance(part, tree.Compare) and part.operator == "="
        values = [part.right] if isinstance(part, tree.Compare) else list(part.values)
        if name == "userid" and equal:
            users += [str(each.value) for each in values]
        elif name == "recordid" and (equal or (isinstance(part, tree.InList) and not part.negated)):
            records += [str(each.value) for each in values]
        elif name in ACCESS and equal:
            by_access = True
        else:
            raise _refused("filter by UserId, RecordId and an access field only")
    if len(users) != 1 or not records:
        raise _refused("filter by one UserId and by RecordId")
    if len(records) > RECORDS_MAX:
        raise ApiError(400, "MALFORMED_QUERY", f"Number of records exceeds limit:{RECORDS_MAX}")
    return to_18(users[0]) or users[0], [to_18(each) or each for each in records], by_access


def _refused(what: str) -> ApiError:
    return ApiError(400, "MALFORMED_QUERY", f"{NAME}: {what}")
