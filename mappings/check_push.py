"""Push against the describes: M3xx errors. Everything that Salesforce would refuse later, row by row, is said here."""

from __future__ import annotations

from dataclasses import replace

from mappings.check_picklists import check_values
from mappings.check_pull import COMPOUND, TEXTS
from mappings.describe import FieldDescribe, ObjectDescribe
from mappings.fieldpaths import EDIT_NOTE, Describes, suggestion
from mappings.model import DAILY, Mapping, PushTarget, Value
from mappings.problems import Finder, Place
from mappings.push_table import with_namespace
from mappings.record_currency import may_lack
from mappings.rounding import BY_CURRENCY, USUAL_SCALE
from mappings.texts_out import fits, units
from mappings.vocabulary import DAYS_READ, LENGTHS, NUMBERS, REFERS_TO, Kind, kind_of

_TEXT_KINDS = TEXTS | {"id", "reference"}
_ACCEPTED: dict[Kind, frozenset[str]] = {
    "id": frozenset({"reference", "id", "string"}),
    "text": TEXTS,
    "enum": TEXTS,
    "json": frozenset({"textarea", "string"}),
    "amount": NUMBERS,
    "quantity": NUMBERS,
    "qualifier": NUMBERS,
    "rate": NUMBERS,
    "int": NUMBERS,
    "day": frozenset({"date"}),
    "moment": frozenset({"datetime"}),
    "bool": frozenset({"boolean"}),
}
CREATES = frozenset({"standing", "payout", "task"})
_UPDATES = frozenset({"standing", "account"})
KEYS = {"task": "task.key", "payout": "payout.key"}
_FEW = 3  # missing fields that are still named one by one
_ROOMY_DIGITS = 9  # digits before the point that an amount field should have


def check_push(target: PushTarget, mapping: Mapping, describes: Describes, finder: Finder) -> None:
    """One target: its object, its match field, every field written, and those it must write."""
    if not target.object or target.when == "never":
        return
    if target.object not in describes:
        finder.warning(
            "M207", f"{target.object} was not described, so nothing of it is checked", target.place
        )
        return
    described = describes[target.object]
    if described is None:
        finder.error(
            "M101",
            f'the org has no object "{target.object}" that the integration user can see',
            target.place,
            _namespace_help(target.object, mapping, [name for name, found in describes.items() if found]),
            "it comes with the package: `rebates org deploy`; then assign the permission set to the integration user",
        )
        return
    creates, updates = target.name in CREATES, target.name in _UPDATES
    if (creates and not described.createable) or (updates and not described.updateable):
        verb = "create" if creates and not described.createable else "edit"
        finder.error(
            "M308", f"the integration user may not {verb} {target.object}", target.place, note=EDIT_NOTE
        )
    _check_match(target, described, finder)
    missing = [name for name in target.fields if described.field(name) is None and not may_lack(target, name)]
    if len(missing) > _FEW and 2 * len(missing) > len(target.fields):  # no package or no rights: one problem
        finder.error(
            "M102",
            f"{described.name} lacks or hides {len(missing)} of the {len(target.fields)} fields that are written: "
            + ", ".join(missing[:3])
            + f" and {len(missing) - 3} more",
            target.place,
            _namespace_help(missing[0], mapping, described.fields),
            EDIT_NOTE,
        )
        return
    for name, value in target.fields.items():
        _check_written(name, value, target, mapping, described, finder)
    _check_daily(target, described, finder)
    if creates:
        _check_required(target, described, finder)
    for left, name in target.reads.items():
        _check_read(left, name, target, described, finder)


def _check_read(left: str, name: str, target: PushTarget, described: ObjectDescribe, finder: Finder) -> None:
    """A field that people write and we read back."""
    field = described.field(name)
    if field is None:
        finder.error(
            "M102",
            f'{described.name} has no field "{name}" that the integration user can see',
            target.place,
            _suggested(name, described, finder),
            EDIT_NOTE,
        )
        return
    label = f"{described.name}.{field.name}"
    if field.type in COMPOUND or (left in DAYS_READ and field.type not in {"date", "datetime"} | TEXTS):
        needs = "a date" if left in DAYS_READ else "a single value"
        finder.error("M307", f"{label} is {field.type}, and {left} is read from {needs}", target.place)
    elif left in DAYS_READ and field.type in TEXTS:
        finder.warning(
            "M213",
            f"{label} is {field.type}: a payout whose {left} is not written as 2026-11-30 is told as unreadable",
            target.place,
            "read it from a date field",
        )


def _check_match(target: PushTarget, described: ObjectDescribe, finder: Finder) -> None:
    if target.match is None:
        return
    field = described.field(target.match)
    place = target.match_place
    if field is None:
        if target.match in target.fields:
            return  # reported where it is written
        finder.error(
            "M102",
            f'{described.name} has no field "{target.match}" that the integration user can see',
            place,
            _suggested(target.match, described, finder),
            EDIT_NOTE,
        )
        return
    if field.type == "id":
        return
    if not field.external_id and not field.id_lookup:
        keys = [f.name for f in described.fields.values() if f.external_id]
        finder.error(
            "M301",
            f"{described.name}.{field.name} is not an external id, so records cannot be matched on it",
            place,
            f"external ids on {described.name}: {', '.join(keys) or 'none'}",
        )
    elif not field.unique:
        finder.error(
            "M301",
            f"{described.name}.{field.name} is not unique, so one key could match several records",
            place,
            "tick Unique on the field",
        )
    if target.match not in target.fields:
        finder.error("M309", f"{target.match} is matched on and not written", place,
                     f'add {target.match} = "{KEYS.get(target.name, "standing.key")}" to the fields')  # fmt: skip


def _suggested(name: str, described: ObjectDescribe, finder: Finder) -> str | None:
    """The field that was probably meant; None for one that was there before, which is hidden or gone."""
    return None if finder.is_there(described.name, name) else suggestion(name, described.fields.values())


def _may_be_left_out(target: PushTarget, name: str) -> bool:
    """The fence on accounts came after the first package: an org that has not got it yet goes on without."""
    return target.name == "account" and name == target.fence


def left_out(target: PushTarget, described: ObjectDescribe) -> frozenset[str]:
    """Fields of the mapping that this org does not have and that a record is complete without."""
    alone = {name for name in target.fields if may_lack(target, name) and described.field(name) is None}
    return awaited(target, described) | alone


def awaited(target: PushTarget, described: ObjectDescribe) -> frozenset[str]:
    """Those of them that the next deploy brings."""
    fields = ((name, described.field(name)) for name in target.fields if _may_be_left_out(target, name))
    return frozenset(name for name, field in fields if field is None or not field.updateable)


def _check_daily(target: PushTarget, described: ObjectDescribe, finder: Finder) -> None:
    """What is another every day is written every day: that has its price, and a formula of the org has none."""
    if target.name not in ("standing", "account"):
        return
    whose = "standing whose period is open" if target.name == "standing" else "account that shows a standing"
    for name in sorted(target.daily):
        value = target.fields[name]
        (what, *_) = sorted(value.reads & DAILY)
        finder.warning(
            "M216",
            f"{described.name}.{name} says {what}, which is another every day: every {whose} is written at the first sync "
            "of a day, some 200 of them with a call",
            _key_place(name, value.place),
            'map "period.last_day", and let a formula of the org count the days (the package has Days_Left__c on the standing)',
        )


def _check_written(
    name: str, value: Value, target: PushTarget, mapping: Mapping, described: ObjectDescribe, finder: Finder
) -> None:
    field = described.field(name)
    at = _key_place(name, value.place)
    label = f"{described.name}.{name}"
    if _may_be_left_out(target, name) and (field is None or not field.updateable):
        finder.warning(
            "M211",
            f"{label} is not there or cannot be written, and is left out: a worker that was overtaken could "
            "write older values over newer ones",
            at,
            "the package brings it: `rebates org deploy`",
        )
        return
    if field is None and may_lack(target, name):
        return
    if field is None:
        finder.error(
            "M102",
            f'{described.name} has no field "{name}" that the integration user can see',
            at,
            _namespace_help(name, mapping, described.fields) or _suggested(name, described, finder),
            EDIT_NOTE,
        )
        return
    if field.name != name:
        finder.error("M104", f"{label} has the wrong letter case", at, f'write "{field.name}"')
    _check_both_spellings(name, mapping, described, at, finder)
    may = (field.createable or target.name not in CREATES) and (
        field.updateable or target.name not in _UPDATES
    )
    if not may:
        why = "formula" if field.calculated else "read-only" if not field.createable else "no edit access"
        note = None if field.calculated else EDIT_NOTE
        if field.createable and not field.updateable and field.type == "reference":
            why, note = (
                "only on creation",
                "a master-detail field that can be re-parented can be written again",
            )
        finder.error("M302", f"{label} cannot be written ({why})", at, note=note)
        return
    if not _check_type(label, value, field, at, finder):
        return
    if field.type == "currency" and value.as_ is None and kind_of(value.from_ or "") == "qualifier":
        finder.warning(
            "M217",
            f"{label} is a field of money, and programs that count units write theirs into it",
            at,
            'write from = "standing.amount_to_next_tier" (empty where units count), or write to a Number field'
            if value.from_ == "standing.to_next_tier"
            else "write to a Number field",
        )
    check_values(label, value, field, finder)
    _check_size(label, value, field, at, finder)


def _check_type(label: str, value: Value, field: FieldDescribe, at: Place, finder: Finder) -> bool:
    accepted, what = _accepted(value)
    if field.type not in accepted:
        help_ = None
        if field.type in TEXTS:
            help_ = 'add as = "text"'
        elif field.type == "date" and "datetime" in accepted:
            help_ = 'add as = "date"'
        finder.error("M307", f"{label} is {field.type} and cannot hold {what}", at, help_)
        return False
    refers = REFERS_TO.get(value.from_ or "")
    if field.type == "reference" and refers and field.reference_to and refers not in field.reference_to:
        finder.error(
            "M307",
            f"{label} refers to {' or '.join(field.reference_to[:4])}, and {value.from_} is a {refers}",
            at,
        )
        return False
    if field.type == "percent" and value.from_ and kind_of(value.from_) == "rate" and value.as_ != "percent":
        finder.error(
            "M307", f"{label} is a percentage: 0.5 would read as half a percent", at, 'add as = "percent"'
        )
        return False
    return True


def _accepted(value: Value) -> tuple[frozenset[str], str]:
    if value.text is not None:
        return frozenset(TEXTS), "a text"
    if value.const is not None:
        if isinstance(value.const, bool):
            return frozenset({"boolean"}), "true or false"
        if isinstance(value.const, str):
            return frozenset(_TEXT_KINDS | {"date", "datetime"}), "a text"
        return NUMBERS, "a number"
    path = value.from_ or ""
    if value.as_ == "text":
        return frozenset(TEXTS), f"{path} as text"
    if value.as_ == "date":
        return frozenset({"date"}), f"{path} as a date"
    kind = kind_of(path) or "text"
    return _ACCEPTED[kind], f"{path} ({kind})"


def _check_size(label: str, value: Value, field: FieldDescribe, at: Place, finder: Finder) -> None:
    if (
        value.from_ in LENGTHS
        and 0 < field.length < LENGTHS[value.from_]
        and field.type not in ("reference", "id")
    ):
        finder.error(
            "M304",
            f"{label} holds {field.length} characters, {value.from_} needs {LENGTHS[value.from_]}",
            at,
            f"make the field at least {LENGTHS[value.from_]} long",
        )
    if isinstance(value.const, str) and not fits(value.const, field.length or None):
        told = f"{label} holds {field.length} characters, the text has {units(value.const)}"
        finder.error("M304", told, at)
    kind = kind_of(value.from_ or "")
    if field.type not in NUMBERS or kind not in ("amount", "quantity", "qualifier", "rate"):
        return
    if field.type == "int" and value.round != 0:
        finder.error("M304", f"{label} holds whole numbers", at, "add round = 0")
    elif value.round == BY_CURRENCY and field.scale < USUAL_SCALE:
        finder.warning(
            "M210",
            f"{label} keeps {field.scale} decimals, and most currencies have {USUAL_SCALE}",
            at,
            f"give the field {USUAL_SCALE} decimals, or add round = {field.scale}",
        )
    elif kind != "rate" and field.type != "int" and (value.round is None or _is_more(value.round, field)):
        written = "all" if value.round is None else value.round
        finder.warning(
            "M210",
            f"{label} keeps {field.scale} decimals and {written} would be written; they are rounded to what it shows",
            at,
            f"add round = {field.scale}",
        )
    if (
        kind in ("amount", "qualifier")
        and field.precision > 0
        and field.precision - field.scale < _ROOMY_DIGITS
    ):
        digits = field.precision - field.scale
        finder.warning(
            "M210", f"{label} has room for {digits} digits before the point; larger amounts are refused", at
        )


def _is_more(places: int | str, field: FieldDescribe) -> bool:
    return isinstance(places, int) and places > field.scale


def _check_required(target: PushTarget, described: ObjectDescribe, finder: Finder) -> None:
    """A record that lacks a required field is refused on creation."""
    written = {name.lower() for name in target.fields}
    missing = [
        field
        for field in described.fields.values()
        if field.required_on_create and field.name.lower() not in written
    ]
    if missing:
        names = ", ".join(f"{field.name} ({field.type})" for field in missing)
        finder.error("M306", f"{described.name} cannot be created without {names}", target.place,
                     f'add {missing[0].name} = {{ const = "..." }} to [push.{target.name}.fields]')  # fmt: skip


def _namespace_help(name: str, mapping: Mapping, names: object) -> str | None:
    """The same name with or without a namespace, where the org has that one."""
    have = [str(n) for n in names] if hasattr(names, "__iter__") else []
    plain = name.removeprefix(f"{mapping.namespace}__") if mapping.namespace else name
    for other in have:
        if (
            other != name
            and (other == plain or other.endswith(f"__{plain}"))
            and other.count("__") != name.count("__")
        ):
            space = other.removesuffix(plain).removesuffix("__")
            return f'the org has "{other}": set namespace = "{space}"'
    return None


def _check_both_spellings(
    name: str, mapping: Mapping, described: ObjectDescribe, at: Place, finder: Finder
) -> None:
    if not mapping.namespace or not name.startswith(f"{mapping.namespace}__"):
        return
    plain = name.removeprefix(f"{mapping.namespace}__")
    if plain in described.fields and with_namespace(plain, mapping.namespace) == name:
        finder.warning("M205", f'the org has both "{name}" and "{plain}"; the first is written', at)


def _key_place(name: str, place: Place) -> Place:
    """The left side of the line, when the name stands on it."""
    bare = name.split("__", 1)[1] if name.count("__") > 1 else name
    start = place.excerpt.find(bare)
    return replace(place, column=start + 1, length=len(bare)) if start >= 0 else place
