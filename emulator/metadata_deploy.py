"""A package meets the org: everything is tried on a copy of the schema first, then done in one transaction.

Sources: Metadata API Developer Guide, "deploy()", "DeployResult", "DeployMessage", `rollbackOnError`,
"Deleting Components from an Organization". A deploy again with the same content changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from emulator import permission_metadata
from emulator.formula_syntax import FormulaError, references
from emulator.formulas import Formulas
from emulator.life import permissions_of, rules_of
from emulator.metadata_fields import Refused, custom_field, custom_object, picklist_values
from emulator.metadata_read import Component, Package, Problem
from emulator.raw_rows import change, find, put
from emulator.schema import ACTIVITY, NUMBER_TYPES, Field, PicklistValue, Schema, SObject
from emulator.storage import column_type, quote
from emulator.validation_rules import Rule
from emulator.xml_tree import Element

if TYPE_CHECKING:
    from emulator.org import Org

ORDER = (
    "CustomObject", "CustomField", "StandardValueSet", "ValidationRule", "CustomNotificationType",
    "CustomPermission", "CustomLabel", "Layout", "CompactLayout", "ListView", "CustomTab", "PermissionSet",
)  # fmt: skip
PREFIXES = {
    "CustomObject": "01I", "CustomField": "00N", "ValidationRule": "03d", "CustomNotificationType": "0ML",
    "PermissionSet": "0PS", "CustomLabel": "101", "Layout": "00h", "ListView": "00B", "CustomTab": "01r",
    "LightningComponentBundle": "0Rb", "CompactLayout": "0AH", "FlexiPage": "0M0",
}  # fmt: skip
STANDARD_VALUE_SETS = {
    "AccountType": ("Account", "Type"), "AccountRating": ("Account", "Rating"), "Industry": ("Account", "Industry"),
    "OrderType": ("Order", "Type"), "Product2Family": ("Product2", "Family"), "TaskType": ("Task", "Type"),
}  # fmt: skip


@dataclass(frozen=True)
class Done:
    """One component that was, or with checkOnly would be, deployed or deleted."""

    type: str
    full_name: str
    file: str
    id: str
    created: bool = False
    changed: bool = False
    deleted: bool = False


@dataclass
class Outcome:
    done: list[Done] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    applied: bool = False

    @property
    def status(self) -> str:
        if not self.problems:
            return "Succeeded"
        return "SucceededPartial" if self.applied and self.done else "Failed"


def deploy(
    org: Org, package: Package, user_id: str, *, check_only: bool = False, rollback_on_error: bool = True
) -> Outcome:
    """Try it all; apply it unless `check_only`, or unless something failed and `rollback_on_error`."""
    attempt = _Attempt(org, package, user_id)
    attempt.run()
    outcome = Outcome(problems=[*package.problems, *attempt.problems])
    outcome.done = [done for done, _ in attempt.steps]
    if check_only or (outcome.problems and rollback_on_error):
        return outcome
    with org.storage.transaction():
        for _, step in attempt.steps:
            step()
    permissions_of(org).forget()
    org.schema.version += 1
    outcome.applied = True
    return outcome


def trial_of(schema: Schema) -> Schema:
    """A copy that can be changed without the org noticing."""
    copy = Schema()
    copy.features = schema.features
    for sobject in schema:
        copy.add_sobject(replace(sobject, fields=dict(sobject.fields)))
    return copy


Step = Callable[[], object]


class _Attempt:
    def __init__(self, org: Org, package: Package, user_id: str) -> None:
        self.org, self.package, self.user_id = org, package, user_id
        self.schema = trial_of(org.schema)
        self.formulas = Formulas(self.schema, org.now, lambda: ZoneInfo("UTC"))
        self.steps: list[tuple[Done, Step]] = []
        self.problems: list[Problem] = []
        self.extras: dict[tuple[str, str], dict[str, Any]] = {}

    def run(self) -> None:
        self._delete(self.package.delete_first, "destructiveChangesPre.xml")
        by_type: dict[str, list[Component]] = {}
        for each in self.package.components:
            by_type.setdefault(each.type, []).append(each)
        for kind in [*ORDER, *sorted(by_type.keys() - set(ORDER))]:
            for each in by_type.get(kind, ()):
                self._try(each)
            if kind == "CustomField":
                self._check_formulas(by_type.get(kind, ()))
        self._delete(self.package.delete_last, "destructiveChanges.xml")

    def _try(self, component: Component) -> None:
        makers: dict[str, Callable[[Component], Step]] = {
            "CustomObject": self._object,
            "CustomField": self._field,
            "ValidationRule": self._rule,
            "StandardValueSet": self._value_set,
            "CustomNotificationType": self._notification_type,
            "PermissionSet": self._permission_set,
        }
        try:
            make = makers.get(component.type)
            step: Step = make(component) if make else _nothing
        except (Refused, FormulaError) as error:
            self.problems.append(component.fails(str(error)))
            return
        known = self.org.storage.kept("metadata", f"{component.type}:{component.full_name}")
        same = known is not None and _bare(known["body"]) == _bare(component.body.plain())
        record_id = known["id"] if known else self._new_id(component)
        done = Done(component.type, component.full_name, component.file, record_id, known is None, not same)
        self.steps.append((done, self._remembering(component, done, known, step)))

    def _new_id(self, component: Component) -> str:
        table = {"PermissionSet": "Name", "CustomNotificationType": "DeveloperName"}.get(component.type)
        row = find(self.org, component.type, **{table: component.full_name}) if table else None
        return str(row["Id"]) if row else self.org.ids.next(PREFIXES.get(component.type, "0XY"))

    def _remembering(self, component: Component, done: Done, known: Any, step: Step) -> Step:
        def remembered() -> None:
            step()
            if not done.changed:
                return
            stamp = self.org.stamp()
            kept = {
                **(known or {"created": stamp, "by": self.user_id}),
                "id": done.id, "file": component.file, "body": component.body.plain(), "changed": stamp,
                **self.extras.get((component.type, component.full_name), {}),
            }  # fmt: skip
            self.org.storage.keep("metadata", f"{component.type}:{component.full_name}", kept)

        return remembered

    # -- objects and fields ------------------------------------------------------------------------------

    def _object(self, component: Component) -> Step:
        name = component.full_name
        if not name.endswith("__c"):
            if name.lower() != "activity" and self.schema.sobject(name) is None:
                raise Refused(f"Entity Enumeration Or ID: no CustomObject named {name} found")
            return _nothing
        known = self.schema.sobject(name)
        prefix = (
            known.key_prefix
            if known and known.key_prefix
            else f"a{self.org.next_number('custom object') - 1:02x}"
        )
        made = custom_object(name, component.body, prefix, detail=self._is_detail(name))
        self.extras["CustomObject", name] = {"prefix": prefix}
        if known is not None:
            made.fields = {**known.fields, "name": made.fields["name"]}
        self.schema.add_sobject(made)
        return lambda: self.org.add_sobject(_merged(made, self.org.schema.sobject(name)))

    def _is_detail(self, name: str) -> bool:
        for each in self.package.components:
            mine = each.type == "CustomField" and each.full_name.startswith(f"{name}.")
            if mine and each.body.get("type") == "MasterDetail":
                return True
        known = self.schema.sobject(name)
        return known is not None and any(each.cascade_delete for each in known.fields.values())

    def _field(self, component: Component) -> Step:
        owner, _, name = component.full_name.partition(".")
        targets = [self.schema.sobject(each) for each in (ACTIVITY if owner == "Activity" else (owner,))]
        target = targets[0]
        if target is None:
            raise Refused(f"Entity Enumeration Or ID: no CustomObject named {owner} found")
        if not name.endswith("__c"):
            if target.field(name) is None:
                raise Refused(f"Field {name} does not exist on {owner}")
            return _nothing  # a standard field's label or history setting: nothing that the API shows
        made = custom_field(name, target.name, component.body, self.schema)
        known = target.field(name)
        if known is not None:
            self._may_change(target, known, made)
        if made.unique:
            self._no_duplicates(target, made)
        self.schema.add_field(owner, made)
        return lambda: self._apply_field(owner, known, made)

    def _may_change(self, target: SObject, known: Field, made: Field) -> None:
        if known.calculated != made.calculated:
            raise Refused(f"Cannot change {made.name} between a formula and a stored field")
        if not made.stored:
            return
        numbers = {known.type, made.type} <= NUMBER_TYPES
        texts = known.type not in NUMBER_TYPES and column_type(known) == column_type(made) == "TEXT"
        fixed = {"reference", "date", "time", "boolean", "datetime"}
        if known.type != made.type and (not (numbers or texts) or {known.type, made.type} & fixed):
            raise Refused(f"Cannot change field type from {known.type} to {made.type}")
        if known.type == "reference" and known.reference_to != made.reference_to:
            raise Refused(f"Cannot change the object that {made.name} refers to")

    def _no_duplicates(self, target: SObject, made: Field) -> None:
        living = self.org.schema.sobject(target.name)
        if living is None or living.field(made.name) is None:
            return
        row = self.org.storage.row(
            f"SELECT 1 FROM {quote(target.name)} WHERE {quote(made.name)} IS NOT NULL"
            f" GROUP BY {quote(made.name)} COLLATE {'BINARY' if made.case_sensitive else 'NOCASE'}"
            " HAVING count(*) > 1 LIMIT 1"
        )
        if row is not None:
            raise Refused(f"Cannot make {made.name} unique: records hold duplicate values")

    def _apply_field(self, owner: str, known: Field | None, made: Field) -> None:
        self.org.add_field(owner, made)
        if known is None or not made.stored or known.type not in NUMBER_TYPES or known.scale == made.scale:
            return
        column, shift = quote(made.name), made.scale - known.scale
        factor = 10 ** abs(shift)
        new = (
            f"{column} * {factor}"
            if shift > 0
            else f"({column} + CASE WHEN {column} < 0 THEN -1 ELSE 1 END * {factor // 2}) / {factor}"
        )
        self.org.storage.execute(f"UPDATE {quote(owner)} SET {column} = {new} WHERE {column} IS NOT NULL")

    def _check_formulas(self, components: Iterable[Component]) -> None:
        """Formulas may read fields that came later in the same deploy, so they are compiled at the end."""
        failed = {(each.type, each.full_name) for each in self.problems}
        for each in components:
            owner, _, name = each.full_name.partition(".")
            sobject = self.schema.sobject("Task" if owner == "Activity" else owner)
            made = sobject.field(name) if sobject else None
            if (
                made is None
                or sobject is None
                or not made.calculated
                or (each.type, each.full_name) in failed
            ):
                continue
            try:
                self.formulas.check_field(sobject.name, made)
                self.formulas.sql(sobject.name, made.name, "t")
            except FormulaError as error:
                self.problems.append(each.fails(str(error), each.body.first("formula")))
                self.steps = [step for step in self.steps if step[0].full_name != each.full_name]

    def _rule(self, component: Component) -> Step:
        owner, _, name = component.full_name.partition(".")
        sobject = self.schema.sobject(owner)
        if sobject is None:
            raise Refused(f"Entity Enumeration Or ID: no CustomObject named {owner} found")
        rule = _rule_of(self.formulas, sobject.name, name, component.body)
        if rule.field and sobject.field(rule.field) is None:
            raise Refused(f"Field {rule.field} does not exist. Check spelling.")
        return lambda: rules_of(self.org).add(sobject.name, rule)

    # -- other components with an effect -----------------------------------------------------------------

    def _value_set(self, component: Component) -> Step:
        target = STANDARD_VALUE_SETS.get(component.full_name)
        if target is None:
            raise Refused(f"Entity type: StandardValueSet '{component.full_name}' is not kept here")
        picks = picklist_values(component.body, "standardValue")
        _set_picklist(self.schema, *target, picks)
        return lambda: _set_picklist(self.org.schema, *target, picks)

    def _notification_type(self, component: Component) -> Step:
        body, name = component.body, component.full_name
        for tag in ("customNotifTypeName", "masterLabel"):
            if not body.get(tag):
                raise Refused(f"Required field is missing: {tag}")
        if not (body.flag("desktop") or body.flag("mobile")):
            raise Refused("Select at least one channel for the notification type: desktop or mobile")
        values = {
            "DeveloperName": name, "CustomNotifTypeName": body.get("customNotifTypeName"), "Language": "en_US",
            "MasterLabel": body.get("masterLabel"), "Description": body.get("description") or None,
            "Desktop": int(body.flag("desktop")), "Mobile": int(body.flag("mobile")),
        }  # fmt: skip
        return lambda: self._write("CustomNotificationType", name, "DeveloperName", values)

    def _permission_set(self, component: Component) -> Step:
        wanted, problems = permission_metadata.read(component, self.schema)
        if problems:
            self.problems.extend(problems[1:])
            raise Refused(problems[0].problem)

        def step() -> None:
            values = {"Name": component.full_name, **wanted.columns}
            parent = self._write("PermissionSet", component.full_name, "Name", values)
            permission_metadata.apply(self.org, self.user_id, parent, wanted)

        return step

    def _write(self, table: str, name: str, key: str, values: dict[str, Any]) -> str:
        """Make or change the record behind a component; the id that the deploy reported is the record's."""
        known = find(self.org, table, **{key: name})
        if known:
            if any(known.get(column) != value for column, value in values.items() if column in known):
                change(self.org, table, known["Id"], self.user_id, **values)
            return str(known["Id"])
        record_id = next(done.id for done, _ in self.steps if (done.type, done.full_name) == (table, name))
        return put(self.org, table, self.user_id, Id=record_id, **values)

    # -- deletions ---------------------------------------------------------------------------------------

    def _delete(self, listed: list[tuple[str, str]], file: str) -> None:
        for kind, name in sorted(listed, key=lambda each: -ORDER.index(each[0]) if each[0] in ORDER else 0):
            known = self.org.storage.kept("metadata", f"{kind}:{name}")
            if known is None:
                self.problems.append(
                    Problem(file, kind, name, f"No {kind} named: {name} found", kind="Warning")
                )
                continue
            going = {each for _, each in listed}
            reader = self._reader_of(name, going) if kind == "CustomField" else None
            if reader:
                problem = f"This custom field is referenced elsewhere in salesforce.com : {reader}"
                self.problems.append(Problem(file, kind, name, problem))
                continue
            if kind == "CustomField":
                owner, _, field_name = name.partition(".")
                self.schema.remove_field(owner, field_name)
            elif kind == "CustomObject":
                self.schema.remove_sobject(name)
            done = Done(kind, name, file, known["id"], changed=True, deleted=True)
            self.steps.append((done, lambda kind=kind, name=name: forget(self.org, kind, name)))  # type: ignore[misc]

    def _reader_of(self, full_name: str, going: set[str]) -> str | None:
        """A formula or rule that still reads a field."""
        owner, _, name = full_name.partition(".")
        sobject = self.schema.sobject(owner)
        for each in sobject.fields.values() if sobject else ():
            if each.calculated and f"{owner}.{each.name}" not in going and sobject:
                node = self.formulas.check_field(sobject.name, each)
                if any(ref.path == (name,) for ref in references(node)):
                    return f"Custom Field - {each.name}"
        for rule in rules_of(self.org).of(owner):
            gone = f"{owner}.{rule.name}" in going
            if not gone and any(ref.path == (name,) for ref in references(rule.condition)):
                return f"Validation Rule - {rule.name}"
        return None


def _nothing() -> None:
    """The component is kept and listed; nothing in the org follows from it."""


def _bare(plain: list[Any]) -> list[Any]:
    """An element without its place in the file."""
    return [plain[0], plain[3], [_bare(child) for child in plain[4]]]


def _merged(made: SObject, living: SObject | None) -> SObject:
    """A redeployed object keeps the fields it has."""
    if living is not None:
        made.fields = {**living.fields, "name": made.fields["name"]}
    else:
        made.fields = {key: each for key, each in made.fields.items() if not each.custom}
    return made


def _rule_of(formulas: Formulas, sobject: str, name: str, body: Element) -> Rule:
    for tag in ("errorConditionFormula", "errorMessage", "active"):
        if not body.get(tag):
            raise Refused(f"Required field is missing: {tag}")
    if len(body.get("errorMessage")) > 255:
        raise Refused("Error Message: data value too large (max length=255)")
    node = formulas.check_rule(sobject, body.get("errorConditionFormula"))
    return Rule(
        name, node, body.get("errorMessage"), body.get("errorDisplayField") or None, body.flag("active")
    )


def _set_picklist(schema: Schema, sobject: str, name: str, picks: list[dict[str, Any]]) -> None:
    target = schema.require(sobject)
    values = tuple(
        PicklistValue(each["value"], each["label"], each["active"], each["default"]) for each in picks
    )
    target.fields[name.lower()] = replace(target.fields[name.lower()], picklist_values=values)
    schema.version += 1


def forget(org: Org, kind: str, name: str) -> None:
    """Take one deployed component out of the org, with its data."""
    org.storage.keep("metadata", f"{kind}:{name}", None)
    owner, _, rest = name.partition(".")
    if kind == "CustomField":
        for target in ACTIVITY if owner == "Activity" else (owner,):
            sobject = org.schema.require(target)
            made = sobject.field(rest)
            if made is not None and made.stored:
                org.storage.execute(f"UPDATE {quote(sobject.name)} SET {quote(made.name)} = NULL")
            org.storage.execute('DELETE FROM "FieldPermissions" WHERE "Field" = ?', (f"{target}.{rest}",))
        org.schema.remove_field(owner, rest)
    elif kind == "CustomObject":
        org.storage.execute(f"DELETE FROM {quote(name)}")
        org.storage.execute('DELETE FROM "ObjectPermissions" WHERE "SobjectType" = ?', (name,))
        org.storage.execute('DELETE FROM "FieldPermissions" WHERE "SobjectType" = ?', (name,))
        for key in org.storage.kept_all("metadata"):
            if key.partition(":")[2].startswith(f"{name}."):
                org.storage.keep("metadata", key, None)
        for rule in rules_of(org).of(name):
            rules_of(org).remove(name, rule.name)
        org.schema.remove_sobject(name)
    elif kind == "ValidationRule":
        rules_of(org).remove(owner, rest)
    elif kind == "PermissionSet":
        row = find(org, "PermissionSet", Name=name)
        if row:
            for table, column in permission_metadata.TABLES:
                org.storage.execute(f"DELETE FROM {quote(table)} WHERE {quote(column)} = ?", (row["Id"],))
            org.storage.execute('DELETE FROM "PermissionSet" WHERE "Id" = ?', (row["Id"],))
    elif kind == "CustomNotificationType":
        org.storage.execute('DELETE FROM "CustomNotificationType" WHERE "DeveloperName" = ?', (name,))


def restore(org: Org) -> None:
    """After opening a file: the schema and rules that were deployed to it."""
    kept = org.storage.kept_all("metadata")
    ordered = sorted(kept.items(), key=lambda item: _rank(item[0]))
    details = {
        key.partition(":")[2].partition(".")[0]
        for key, each in kept.items()
        if key.startswith("CustomField:") and Element.of(each["body"]).get("type") == "MasterDetail"
    }
    formulas = org.formulas
    assert isinstance(formulas, Formulas)
    with org.storage.transaction():
        for key, each in ordered:
            kind, _, name = key.partition(":")
            owner, _, rest = name.partition(".")
            body = Element.of(each["body"])
            if kind == "CustomObject" and name.endswith("__c"):
                org.add_sobject(custom_object(name, body, each["prefix"], detail=name in details))
            elif kind == "CustomField" and rest.endswith("__c"):
                target = "Task" if owner == "Activity" else owner
                org.add_field(owner, custom_field(rest, target, body, org.schema))
            elif kind == "StandardValueSet":
                picks = picklist_values(body, "standardValue")
                _set_picklist(org.schema, *STANDARD_VALUE_SETS[name], picks)
            elif kind == "ValidationRule":
                rules_of(org).add(owner, _rule_of(formulas, owner, rest, body))


def _rank(key: str) -> int:
    kind = key.partition(":")[0]
    return ORDER.index(kind) if kind in ORDER else len(ORDER)
