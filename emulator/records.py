"""Insert, update, upsert and read single records; every way in ends here. `deletion` has the rest.

Each call is a transaction of its own, or a savepoint inside the caller's. A refused record raises RecordError
and leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulator import edit_sharing, multi_currency, rules, validation, wire
from emulator import order_rules as _order_rules  # noqa: F401  (registers its rules)
from emulator.context import Context
from emulator.deletion import delete, undelete
from emulator.errors import RecordError, no_such_column
from emulator.rows import existing, fetch, insert_row, sobject_for, update_row
from emulator.schema import Field, SObject
from emulator.storage import quote

if TYPE_CHECKING:
    from emulator.org import Org


__all__ = [
    "ManyMatches", "delete", "existing", "fetch", "insert", "key_of", "read", "sobject_for", "undelete", "update", "upsert",
]  # fmt: skip


@dataclass
class ManyMatches(Exception):
    """An external id leads to more than one record: 300 with the list of their addresses."""

    ids: list[str]


def insert(org: Org, ctx: Context, name: str, values: Mapping[str, Any]) -> str:
    """A new record; its id."""
    with org.storage.transaction():
        sobject = sobject_for(org, ctx, name, "create")
        given = dict(values)
        if not ctx.system and any(key.lower() == "id" for key in given):
            raise RecordError("INVALID_FIELD", "The Id field should not be specified in the sobject data.")
        sent = validation.encode_values(org, ctx, sobject, given, creating=True)
        new = _newborn(org, ctx, sobject)
        new.update({key: value for key, value in sent.items() if value is not None or key not in new})
        new["Id"] = org.ids.next(sobject.key_prefix or "000")
        write = rules.Write(org, ctx, sobject, new, None, frozenset(sent))
        _check(write, None)
        insert_row(org, sobject, new)
        _after(write)
        return str(new["Id"])


def _newborn(org: Org, ctx: Context, sobject: SObject) -> dict[str, Any]:
    """What a record has before the client's values: defaults, audit fields, auto numbers."""
    stamp = ctx.stamp_of(org)
    born = {
        "CreatedDate": stamp,
        "LastModifiedDate": stamp,
        "SystemModstamp": stamp,
        "CreatedById": ctx.user_id,
        "LastModifiedById": ctx.user_id,
        "OwnerId": ctx.user_id,
    }
    new: dict[str, Any] = {}
    for field in sobject.stored_fields():
        if field.name in born:
            new[field.name] = born[field.name]
        elif field.name == multi_currency.ISO_CODE:
            new[field.name] = multi_currency.currency_of(org, ctx.user_id)
        elif field.auto_number:
            new[field.name] = auto_number(field, org.next_number(f"{sobject.name}.{field.name}"))
        elif field.type == "boolean":
            new[field.name] = int(field.default_value in (True, "true"))
        else:
            default = field.default_value
            if default is None:
                default = next((each.value for each in field.picklist_values if each.default), None)
            if default is not None:
                new[field.name] = wire.encode(field, default)
    return new


def auto_number(field: Field, number: int) -> str:
    """`A-{0000}` and 7 → `A-0007`."""
    pattern = field.format or "{0}"
    before, _, rest = pattern.partition("{")
    zeros, _, after = rest.partition("}")
    return f"{before}{str(number).zfill(len(zeros))}{after}"


def update(org: Org, ctx: Context, name: str, record_id: str, values: Mapping[str, Any]) -> None:
    """Change the fields given; null clears. Raises NOT_FOUND, ENTITY_IS_DELETED or what validation says."""
    with org.storage.transaction():
        sobject = sobject_for(org, ctx, name, "edit")
        record_id = validation.record_id_of(sobject, record_id)
        old = existing(org, sobject, record_id)
        edit_sharing.check(org, ctx, sobject, old)
        given = dict(values)
        if any(key.lower() == "id" for key in given):
            raise RecordError("INVALID_FIELD", "The Id field should not be specified in the sobject data.")
        sent = validation.encode_values(org, ctx, sobject, given, creating=False)
        stamp = ctx.stamp_of(org)
        new = {**old, **sent}
        if "SystemModstamp" in old and not (ctx.system and "SystemModstamp" in sent):
            new["SystemModstamp"] = stamp
        if "LastModifiedDate" in old and not (ctx.system and "LastModifiedDate" in sent):
            new["LastModifiedDate"], new["LastModifiedById"] = stamp, ctx.user_id
        write = rules.Write(org, ctx, sobject, new, old, frozenset(sent))
        _check(write, sent)
        update_row(org, sobject, old, new)
        _after(write)


def upsert(
    org: Org, ctx: Context, name: str, key_field: str, key: Any, values: Mapping[str, Any]
) -> tuple[str, bool]:
    """Update the record with this key, or make it: (id, created)."""
    with org.storage.transaction():
        sobject = sobject_for(org, ctx, name, "edit")
        field = key_of(org, ctx, sobject, key_field)
        given = {each: value for each, value in values.items() if each.lower() != field.name.lower()}
        if field.type == "id":
            if key in (None, ""):
                return insert(org, ctx, name, given), True
            record_id = validation.record_id_of(sobject, str(key))
            update(org, ctx, name, record_id, given)
            return record_id, False
        encoded = wire.encode(field, key, bulk=ctx.bulk)
        if encoded is None:
            raise RecordError("MISSING_ARGUMENT", f"{field.name} not specified", (field.name,))
        found = validation.find_by_key(org, sobject, field, encoded)
        if len(found) > 1:
            raise ManyMatches(found)
        if found:
            update(org, ctx, name, found[0], given)
            return found[0], False
        return insert(org, ctx, name, {**given, field.name: key}), True


def key_of(org: Org, ctx: Context, sobject: SObject, name: str) -> Field:
    """The field records are addressed by, or the 404 an unknown or unreadable one gets."""
    field = sobject.field(name)
    if field is None or not validation.is_key(field) or not org.access.readable(ctx.user_id, sobject, field):
        raise RecordError(
            "NOT_FOUND", f"Provided external ID field does not exist or is not accessible: {name}"
        )
    return field


def read(
    org: Org, user_id: str, sobject: SObject, record_id: str, fields: list[str] | None = None
) -> dict[str, Any]:
    """Encoded values by field name, formula fields included, in describe's order or the order asked for.

    Compound fields are left to the caller (they have no column). Raises INVALID_FIELD for an unknown name.
    """
    existing(org, sobject, record_id)
    wanted: list[Field] = []
    for name in fields if fields is not None else [each.name for each in sobject.fields.values()]:
        field = sobject.field(name)
        if field is None or not org.access.readable(user_id, sobject, field):
            if fields is None:
                continue
            raise no_such_column(name, sobject.name)
        wanted.append(field)
    sql = [
        quote(each.name) if each.stored else org.formulas.sql(sobject.name, each.name, "t")
        for each in wanted
        if each.stored or each.calculated
    ]
    row = org.storage.row(
        f'SELECT {", ".join(sql) or 1} FROM {quote(sobject.name)} t WHERE t."Id" = ?', (record_id,)
    )
    assert row is not None
    values = iter(row)
    return {each.name: next(values) if each.stored or each.calculated else None for each in wanted}


def _check(write: rules.Write, sent: Mapping[str, Any] | None) -> None:
    org, sobject, new = write.org, write.sobject, write.new
    validation.check_required(sobject, new, sent)
    if not write.ctx.system:
        rules.check_owner(write)
    rules.run(rules.BEFORE, write)
    if not write.ctx.system:
        for each in org.validation_rules:
            each(org, sobject, new, write.old)
    keys = new if sent is None else {key: new[key] for key in sent}
    validation.check_unique(org, sobject, str(new["Id"]), keys)


def _after(write: rules.Write) -> None:
    rules.run(rules.AFTER, write)
    for each in write.org.after_write:
        each(write.org, write.sobject, write.new, write.old)
