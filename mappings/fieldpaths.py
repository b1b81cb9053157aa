"""Following a field path through the describes: `Order.Account.Region__c` from OrderItem up to Account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from mappings.describe import FieldDescribe, ObjectDescribe
from mappings.problems import Finder, Place, did_you_mean, nearest

Describes = Mapping[str, ObjectDescribe | None]

_QUITE_ALIKE = Fraction(4, 5)  # labels are ordinary words, which are alike by chance

FLS_NOTE = (
    "if the field exists, give the integration user read access to it (field-level security): "
    "`rebates mapping permission-set` writes a permission set with exactly the mapped fields"
)
EDIT_NOTE = (
    "fields of ours come with `rebates org deploy`; a field that is there needs edit access for the integration user "
    "(field-level security): the permission set Rebate Sync Integration, or `rebates mapping permission-set` (a user with the "
    "license Salesforce Integration first needs the permission set license Salesforce API Integration)"
)


@dataclass(frozen=True)
class Found:
    """A path that leads to a field. `steps` are the reference fields on the way, with the objects they are on."""

    object: ObjectDescribe
    field: FieldDescribe
    steps: tuple[tuple[ObjectDescribe, FieldDescribe], ...] = ()


@dataclass(frozen=True)
class Unknown:
    """A path that could not be followed because an object on it has not been described."""

    object: str


def follow(describes: Describes, start: ObjectDescribe, path: str) -> Found | Unknown | None:
    """Where a path leads, without regard to letter case; None when some step does not exist."""
    *parents, last = path.split(".")
    current = [start]
    steps: list[tuple[ObjectDescribe, FieldDescribe]] = []
    for name in parents:
        step = next(((o, f) for o in current if (f := relationship(o, name)) is not None), None)
        if step is None:
            return None
        steps.append(step)
        targets = step[1].reference_to
        missing = [target for target in targets if target not in describes]
        current = [found for target in targets if (found := describes.get(target)) is not None]
        if not current:
            return Unknown(missing[0]) if missing else None
    for object_ in current:
        found_field = object_.field(last)
        if found_field is not None:
            return Found(object_, found_field, tuple(steps))
    return None


def relationship(object_: ObjectDescribe, name: str) -> FieldDescribe | None:
    """The reference field behind a relationship name, without regard to letter case."""
    return next(
        (f for f in object_.fields.values() if (f.relationship_name or "").lower() == name.lower()), None
    )


def objects_on(describes: Describes, start: str, path: str) -> set[str]:
    """Objects that must be described to follow the path and are not yet."""
    *parents, _ = path.split(".")
    current = {start}
    for name in parents:
        missing = {target for target in current if target not in describes}
        if missing:
            return missing
        above: set[str] = set()
        for target in current:
            described = describes[target]
            step = relationship(described, name) if described is not None else None
            if step is not None:
                above.update(step.reference_to)
        current = above
    return {target for target in current if target not in describes}


def report_missing(
    finder: Finder,
    describes: Describes,
    start: ObjectDescribe,
    path: str,
    place: Place,
    note: str = FLS_NOTE,
    field_code: str = "M102",
) -> None:
    """Says which step of a path does not exist, with the name that was probably meant."""
    current = start
    *parents, last = path.split(".")
    for name in parents:
        step = relationship(current, name)
        if step is None:
            names = [f.relationship_name for f in current.fields.values() if f.relationship_name]
            help_ = did_you_mean(name, names)
            reference = current.field(name)
            if reference is not None and reference.relationship_name:
                help_ = (
                    f'did you mean "{reference.relationship_name}"? that is how {reference.name} is followed'
                )
            elif finder.is_there(current.name, f"{name}Id"):
                help_ = None  # it is hidden: another one was not meant
            finder.error("M103", f'{current.name} has no relationship "{name}"', place.of(name), help_, note)
            return
        above = [d for target in step.reference_to if (d := describes.get(target)) is not None]
        if not above:
            return
        current = next((d for d in above if d.field(last) is not None), above[0])
    at = place.of(path).of(last, len(path) - len(last))
    finder.error(
        field_code,
        f'{current.name} has no field "{last}" that the integration user can see',
        at,
        None if finder.is_there(current.name, last) else suggestion(last, current.fields.values()),
        note,
    )


def suggestion(name: str, fields: Iterable[FieldDescribe]) -> str | None:
    """`did you mean "Region__c" (picklist, label "Region")?`, by API name first and then by label."""
    by_name = {field.name: field for field in fields}
    custom = name.lower().endswith("__c")  # whoever writes __c means a field of the org's own
    stems = {_stem(other): other for other in by_name if other.lower().endswith("__c") == custom}
    stem = nearest(_stem(name), stems)
    near = stems[stem] if stem is not None else None
    if near is None:
        by_label = {field.label: field for field in by_name.values()}
        label = nearest(_stem(name).replace("_", " "), by_label, _QUITE_ALIKE)
        near = by_label[label].name if label is not None else None
    if near is None:
        return None
    field = by_name[near]
    return f'did you mean "{field.name}" ({field.type}, label "{field.label}")?'


def _stem(name: str) -> str:
    return name[:-3] if name.lower().endswith("__c") else name


def report_spelling(finder: Finder, found: Found, path: str, place: Place) -> None:
    """M104: the org spells it with other letter case."""
    spelled = ".".join([*(step.relationship_name or "" for _, step in found.steps), found.field.name])
    if spelled != path:
        finder.error(
            "M104",
            f"{found.object.name}: {path} has the wrong letter case",
            place.of(path),
            f'write "{spelled}"',
        )
