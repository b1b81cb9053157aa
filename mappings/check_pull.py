"""Pull against the describes: M1xx errors and M2xx warnings."""

from __future__ import annotations

from mappings.canonical import DAY_ATTRIBUTES, ENTITIES, Kind
from mappings.describe import FieldDescribe, ObjectDescribe
from mappings.fieldpaths import Describes, Found, Unknown, follow, report_missing, report_spelling
from mappings.inbound import OF_LINES
from mappings.model import Mapping, PullEntity, Source
from mappings.problems import Finder, Place, nearest
from mappings.vocabulary import NUMBERS
from mappings.where import where_paths

TEXTS = frozenset({"string", "textarea", "picklist", "multipicklist", "combobox", "email", "phone", "url",
                   "encryptedstring"})  # fmt: skip
COMPOUND = frozenset({"address", "location", "complexvalue", "base64", "anyType"})
_KEPT_DECIMALS = 6
_LONGEST_KEPT = 4_000
STOCK = ("Account", "Order", "OrderItem", "Product2", "User")  # every org has them, mapped or not
MIXED = "M111"  # amounts of several currencies, none of them mapped
_FIXED = frozenset({"Id", "CreatedDate", "CreatedById", "OrderNumber", "IsReductionOrder"})
_CURRENCY_ENTITIES = frozenset({"order", "account"})

_ACCEPTED: dict[Kind, frozenset[str]] = {
    "id": frozenset({"id", "reference", "string"}),
    "bool": frozenset({"boolean"}),
    "amount": NUMBERS,
    "quantity": NUMBERS,
    "rate": NUMBERS,
    "day": frozenset({"date"}),
    "moment": frozenset({"datetime"}),
    "stamp": frozenset({"datetime"}),
}


def check_pull(entity: PullEntity, mapping: Mapping, describes: Describes, finder: Finder) -> None:
    """One entity: its object, every path of every source, its condition."""
    if entity.object not in describes:
        finder.warning(
            "M207", f"{entity.object} was not described, so nothing of it is checked", entity.place
        )
        return
    described = describes[entity.object]
    if described is None:
        names = [name for name, found in describes.items() if found is not None]
        near = None if entity.object in STOCK else nearest(entity.object, [*names, *STOCK])
        finder.error(
            "M101",
            f'the org has no object "{entity.object}" that the integration user can see',
            entity.place,
            f'did you mean "{near}"?' if near else None,
            "if the object exists, give the integration user read access to it",
        )
        return
    if not described.queryable:
        finder.error("M110", f"{entity.object} cannot be queried", entity.place)
    if described.name != entity.object:
        finder.error(
            "M104", f"{entity.object} has the wrong letter case", entity.place, f'write "{described.name}"'
        )
    _check_system_fields(entity, described, finder)
    for name, source in entity.fields.items():
        for path in source.needs:
            found = _check_path(path, described, describes, source.place, finder)
            if found is not None:
                _check_field(name, path, found, source, entity, finder)
    _check_where(entity, described, describes, finder)
    _check_currency(entity, mapping, described, finder)
    _check_currency_of_lines(entity, mapping, described, finder)


def _check_system_fields(entity: PullEntity, described: ObjectDescribe, finder: Finder) -> None:
    mapped = {path.lower() for source in entity.fields.values() for path in source.needs}
    for path in entity.paths:
        if path.lower() not in mapped and described.field(path) is None:
            finder.error(
                "M108",
                f"{entity.object} has no {path}, without which changes cannot be followed",
                entity.place,
                help="map another object"
                if path == "SystemModstamp"
                else "map the field under [fields] yourself",
            )

    if entity.deleted == "ignore" and described.field("IsDeleted") is None:
        finder.error(
            "M108",
            f'{entity.object} has no IsDeleted, so deleted = "ignore" cannot be asked for',
            entity.place,
        )


def _check_path(
    path: str, start: ObjectDescribe, describes: Describes, place: Place, finder: Finder
) -> Found | None:
    found = follow(describes, start, path)
    if isinstance(found, Unknown):
        finder.warning("M207", f"{found.object} was not described, so {path} is not checked", place.of(path))
        return None
    if found is None:
        report_missing(finder, describes, start, path, place)
        return None
    report_spelling(finder, found, path, place)
    return found


def _check_field(
    name: str, path: str, found: Found, source: Source, entity: PullEntity, finder: Finder
) -> None:
    field = found.field
    place = source.place.of(path)
    canonical = ENTITIES[entity.entity].field(name)
    kind: Kind = canonical.kind if canonical is not None else "text"
    label = f"{found.object.name}.{field.name}"
    if entity.refresh != "daily":
        _check_staleness(path, label, found, entity, place, finder)
    if source.expr is not None:
        if field.type in COMPOUND:
            finder.error("M106", f"{label} is {field.type}, which has no single value", place)
        return
    _check_type(entity.entity, name, kind, label, field, found, source, place, finder)
    if source.values is not None and field.picklist_values:
        _check_picklist(label, field, source, finder)
    if kind in ("amount", "quantity") and field.type in NUMBERS and field.scale > _KEPT_DECIMALS:
        finder.warning(
            "M208",
            f"{label} keeps {field.scale} decimals and {_KEPT_DECIMALS} are kept here; finer values are rounded when read",
            place,
        )
    if kind == "text" and field.length > _LONGEST_KEPT:
        finder.warning("M209", f"{label} holds {field.length} characters; {_LONGEST_KEPT} are kept", place)


def _check_staleness(
    path: str, label: str, found: Found, entity: PullEntity, place: Place, finder: Finder
) -> None:
    """What may change while the record's own stamp does not move: no window sees it, nor does an inventory."""
    if found.field.calculated:
        finder.warning(
            "M201",
            f"{label} is a formula; Salesforce does not touch SystemModstamp when its value changes",
            place,
            'map the fields it is made of with expr, or set refresh = "daily" on this table',
        )
    elif found.steps and not (len(found.steps) == 1 and found.field.name == "Id"):
        finder.warning(
            "M201",
            f"{path} is a field of another record; Salesforce does not touch SystemModstamp of {entity.object} when it changes",
            place,
            'set refresh = "daily" on this table, or let programs choose by the field where it is mapped itself',
        )


def _check_type(
    entity: str,
    name: str,
    kind: Kind,
    label: str,
    field: FieldDescribe,
    found: Found,
    source: Source,
    place: Place,
    finder: Finder,
) -> None:
    if field.type in COMPOUND:
        parts = [f.name for f in found.object.fields.values() if f.compound_field == field.name]
        finder.error(
            "M106",
            f"{label} is {'an' if field.type[0] in 'aeiou' else 'a'} {field.type}, which has no single value",
            place,
            "map one of its parts: " + ", ".join(parts[:6]) if parts else None,
        )
        return
    if source.values is not None:
        return  # translated by text; the results were checked with the file
    if kind == "text":
        if name in DAY_ATTRIBUTES.get(entity, ()) and source.as_ != "date" and field.type != "date":
            finder.error(
                "M105",
                f"{label} is {field.type}, {name} is a date",
                place,
                'add as = "date"' if field.type in {*TEXTS, "datetime"} else "map a date field",
            )
            return
        _check_text_as(name, label, field, source, place, finder)
        return
    if field.type in _ACCEPTED[kind]:
        return
    if kind == "day" and field.type == "datetime":
        if source.as_ != "date":
            finder.error(
                "M105",
                f"{label} is a date-time, {name} is a date",
                place,
                'add as = "date"; the day is taken in the file\'s time_zone',
            )
        return
    by_text = {"day": "date", "moment": "datetime", "bool": "bool"}.get(kind, "decimal")
    if field.type in TEXTS and kind != "id":
        if source.as_ == by_text or source.as_ == "percent":
            return
        finder.error("M106", f"{label} is {field.type}, {name} needs {_needs(kind)}", place,
                     f'when it holds such values as text, add as = "{by_text}"')  # fmt: skip
        return
    finder.error("M106", f"{label} is {field.type}, {name} needs {_needs(kind)}", place)


def _check_text_as(
    name: str, label: str, field: FieldDescribe, source: Source, place: Place, finder: Finder
) -> None:
    fits = {
        "date": TEXTS | {"date", "datetime"},
        "datetime": TEXTS | {"datetime"},
        "decimal": TEXTS | NUMBERS,
        "percent": TEXTS | NUMBERS,
        "bool": TEXTS | {"boolean"},
    }
    if source.as_ in fits and field.type not in fits[source.as_]:
        finder.error(
            "M106", f'{label} is {field.type} and cannot be read as "{source.as_}" for {name}', place
        )


def _needs(kind: Kind) -> str:
    words = {
        "id": "a record id",
        "bool": "a checkbox",
        "day": "a date",
        "moment": "a date-time",
        "stamp": "a date-time",
    }
    return words.get(kind, "a number")


def _check_picklist(label: str, field: FieldDescribe, source: Source, finder: Finder) -> None:
    assert source.values is not None
    have = field.picklist_values
    unknown = [value for value in source.values if value not in have]
    if unknown:
        hints = [f'did you mean "{near}"?' for value in unknown if (near := nearest(value, have)) is not None]
        finder.warning(
            "M202",
            f"{label} has no picklist value {_listed(unknown)}",
            source.place.of(unknown[0]),
            hints[0] if len(unknown) == 1 and hints else "it has: " + ", ".join(have[:12]),
        )
    left = [value for value in have if value not in source.values]
    if left and source.other == "error" and source.case is None:
        finder.warning(
            "M203",
            f"no rule for {label} = {', '.join(left)}; such records are set aside",
            source.place.of("values"),
            "add them to values, or say other = a value for the rest",
        )


def _check_where(entity: PullEntity, described: ObjectDescribe, describes: Describes, finder: Finder) -> None:
    if not entity.where:
        return
    changing = []
    for path in where_paths(entity.where):
        found = _check_path(path, described, describes, entity.where_place, finder)
        if found is None:
            continue
        if not found.field.filterable:
            finder.error("M109", f"{path} cannot be used in a condition", entity.where_place.of(path))
        if found.steps or not _never_changes(found.field):
            changing.append(path)
    if changing:  # a whole read does not see it either: what it lacks may be hidden, which only the comparison of ids asks
        article = "an" if entity.entity[0] in "aeiou" else "a"
        finder.warning(
            "M206",
            f"{article} {entity.entity} that stops meeting the condition goes on counting until the next reconcile: "
            f"{', '.join(changing)} can change",
            entity.where_place.of(changing[0]),
            "map the field instead, and let programs choose by it (an order that is not active counts nowhere); "
            'refresh = "daily" does not see it either',
        )


def _never_changes(field: FieldDescribe) -> bool:
    """Whether a record keeps its value from its first day on. That our user may not write a field says nothing: other people
    do, and `StatusCode` follows `Status`."""
    is_detail = field.type == "reference" and not field.nillable and not field.updateable
    return field.name in _FIXED or is_detail


def _check_currency_of_lines(
    entity: PullEntity, mapping: Mapping, described: ObjectDescribe, finder: Finder
) -> None:
    """A line of a standard object has the currency of what it is a line of; one of a custom object may have one of its own,
    and an amount in it would be counted as one in the order's."""
    order = mapping.pull.get("order")
    if (
        entity.entity != "order_line"
        or not entity.object.endswith("__c")
        or (order is not None and order.object == entity.object)
        or mapping.currency == "corporate"
        or entity.fields.keys() >= set(OF_LINES)
        or described.field("CurrencyIsoCode") is None
    ):
        return
    (path, *_) = entity.fields["order_id"].needs or ("Order__c",)
    above = f"{path.removesuffix('__c')}__r" if path.endswith("__c") else path.removesuffix("Id")
    finder.warning(
        "M229",
        f"{described.name} has a currency of its own, and each line counts in its order's: nobody looks whether they differ",
        entity.place,
        f'add currency = "CurrencyIsoCode" and order_currency = "{above}.CurrencyIsoCode": lines in another currency are then '
        "set aside by name",
    )


def _check_currency(entity: PullEntity, mapping: Mapping, described: ObjectDescribe, finder: Finder) -> None:
    if (
        entity.entity not in _CURRENCY_ENTITIES
        or mapping.currency == "corporate"
        or "currency" in entity.fields
    ):
        return
    if described.field("CurrencyIsoCode") is not None:
        # Orders of several currencies would be added up as if they were in one.
        say, code = (finder.error, MIXED) if entity.entity == "order" else (finder.warning, "M204")
        shown = (
            ": amounts in another currency would be shown in the account's"
            if entity.entity == "account"
            else ""
        )
        say(
            code,
            f"the org has several currencies, and {entity.entity}.currency is not mapped{shown}",
            entity.place,
            'add currency = "CurrencyIsoCode", or say currency = "corporate" at the top when all amounts are in one',
        )


def _listed(values: list[str]) -> str:
    return ", ".join(f'"{value}"' for value in values)
