"""A package meets the org: everything is tried on a copy of the schema first, then done in one transaction.

Sources: Metadata API Developer Guide, "deploy()", "DeployResult", "DeployMessage", `rollbackOnError`,
"Deleting Components from an Organization". A deploy again with the same content changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from emulator import permission_metadata
from emulator.formula_syntax import FormulaError
from emulator.formulas import Formulas
from emulator.life import permissions_of, rules_of
from emulator.metadata_fields import Refused, custom_field, custom_object, picklist_values
from emulator.metadata_kept import ORDER, STANDARD_VALUE_SETS, forget
from emulator.metadata_outcome import Done, Outcome
from emulator.metadata_read import Component, Package, Problem
from emulator.metadata_references import reader_of
from emulator.metadata_shape import (
    apply_field,
    check_change,
    check_no_duplicates,
    merged,
    rule_of,
    set_picklist,
)
from emulator.multi_currency import with_currency
from emulator.raw_rows import change, find, put
from emulator.schema import ACTIVITY, Schema
from emulator.xml_tree import Element

if TYPE_CHECKING:
    from emulator.org import Org

PREFIXES = {
    "CustomObject": "01I", "CustomField": "00N", "ValidationRule": "03d", "CustomNotificationType": "0ML",
    "PermissionSet": "0PS", "CustomLabel": "101", "Layout": "00h", "ListView": "00B", "CustomTab": "01r",
    "LightningComponentBundle": "0Rb", "CompactLayout": "0AH", "FlexiPage": "0M0",
}  # fmt: skip


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
            "Dashboard": self._dashboard,
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

    def _dashboard(self, component: Component) -> Step:
        """One that runs as whoever looks is one of a few that an edition allows (kept as `limits`, `dynamic_dashboards`; not
        kept: enough). Source: Salesforce help, "Dynamic Dashboards". The wording is assumed."""
        allowed = self.org.storage.kept("limits", "dynamic_dashboards")
        if allowed is None or component.body.get("dashboardType") != "LoggedInUser":
            return _nothing
        there = {
            name.partition(":")[2]
            for name, each in self.org.storage.kept_all("metadata").items()
            if name.startswith("Dashboard:")
            and Element.of(each["body"]).get("dashboardType") == "LoggedInUser"
        }
        if len(there | {component.full_name}) > allowed:
            raise Refused("You have reached the limit of dynamic dashboards for your organization")
        return _nothing

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
        made = with_currency(
            self.org, custom_object(name, component.body, prefix, detail=self._is_detail(name))
        )
        self.extras["CustomObject", name] = {"prefix": prefix}
        if known is not None:
            made.fields = {**known.fields, "name": made.fields["name"]}
        self.schema.add_sobject(made)
        return lambda: self.org.add_sobject(merged(made, self.org.schema.sobject(name)))

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
            check_change(known, made)
        if made.unique:
            check_no_duplicates(self.org, target, made)
        self.schema.add_field(owner, made)
        return lambda: apply_field(self.org, owner, known, made)

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
        rule = rule_of(self.formulas, sobject.name, name, component.body)
        if rule.field and sobject.field(rule.field) is None:
            raise Refused(f"Field {rule.field} does not exist. Check spelling.")
        return lambda: rules_of(self.org).add(sobject.name, rule)

    # -- other components with an effect -----------------------------------------------------------------

    def _value_set(self, component: Component) -> Step:
        target = STANDARD_VALUE_SETS.get(component.full_name)
        if target is None:
            raise Refused(f"Entity type: StandardValueSet '{component.full_name}' is not kept here")
        picks = picklist_values(component.body, "standardValue")
        set_picklist(self.schema, *target, picks)
        return lambda: set_picklist(self.org.schema, *target, picks)

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
            reader = (
                reader_of(name, going, self.formulas, self.schema, rules_of(self.org))
                if kind == "CustomField"
                else None
            )
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


def _nothing() -> None:
    """The component is kept and listed; nothing in the org follows from it."""


def _bare(plain: list[Any]) -> list[Any]:
    """An element without its place in the file."""
    return [plain[0], plain[3], [_bare(child) for child in plain[4]]]
