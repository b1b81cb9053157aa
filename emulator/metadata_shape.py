"""What a deploy does to one field, object, rule or picklist of the live schema."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emulator.formulas import Formulas
from emulator.metadata_fields import Refused
from emulator.schema import NUMBER_TYPES, Field, PicklistValue, Schema, SObject
from emulator.storage import column_type, quote
from emulator.validation_rules import Rule
from emulator.xml_tree import Element

if TYPE_CHECKING:
    from emulator.org import Org


def check_change(known: Field, made: Field) -> None:
    """Refuses a new shape that the values which are there could not take."""
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


def check_no_duplicates(org: Org, target: SObject, made: Field) -> None:
    """Refuses to make a field unique whose records are not."""
    living = org.schema.sobject(target.name)
    if living is None or living.field(made.name) is None:
        return
    row = org.storage.row(
        f"SELECT 1 FROM {quote(target.name)} WHERE {quote(made.name)} IS NOT NULL"
        f" GROUP BY {quote(made.name)} COLLATE {'BINARY' if made.case_sensitive else 'NOCASE'}"
        " HAVING count(*) > 1 LIMIT 1"
    )
    if row is not None:
        raise Refused(f"Cannot make {made.name} unique: records hold duplicate values")


def apply_field(org: Org, owner: str, known: Field | None, made: Field) -> None:
    """Add or change the field; amounts keep their value when its scale changes."""
    org.add_field(owner, made)
    if known is None or not made.stored or known.type not in NUMBER_TYPES or known.scale == made.scale:
        return
    column, shift = quote(made.name), made.scale - known.scale
    factor = 10 ** abs(shift)
    new = (
        f"{column} * {factor}"
        if shift > 0
        else f"CAST(({column} + CASE WHEN {column} < 0 THEN -1 ELSE 1 END * {factor // 2}) / {factor} AS INTEGER)"
    )
    org.storage.execute(f"UPDATE {quote(owner)} SET {column} = {new} WHERE {column} IS NOT NULL")


def merged(made: SObject, living: SObject | None) -> SObject:
    """A redeployed object keeps the fields it has."""
    if living is not None:
        made.fields = {**living.fields, "name": made.fields["name"]}
    else:
        made.fields = {key: each for key, each in made.fields.items() if not each.custom}
    return made


def rule_of(formulas: Formulas, sobject: str, name: str, body: Element) -> Rule:
    """A validation rule from its metadata. Raises Refused, or FormulaError for its condition."""
    for tag in ("errorConditionFormula", "errorMessage", "active"):
        if not body.get(tag):
            raise Refused(f"Required field is missing: {tag}")
    if len(body.get("errorMessage")) > 255:
        raise Refused("Error Message: data value too large (max length=255)")
    node = formulas.check_rule(sobject, body.get("errorConditionFormula"))
    return Rule(
        name, node, body.get("errorMessage"), body.get("errorDisplayField") or None, body.flag("active")
    )


def set_picklist(schema: Schema, sobject: str, name: str, picks: list[dict[str, Any]]) -> None:
    """New values for a standard picklist."""
    target = schema.require(sobject)
    values = tuple(
        PicklistValue(each["value"], each["label"], each["active"], each["default"]) for each in picks
    )
    target.fields[name.lower()] = replace(target.fields[name.lower()], picklist_values=values)
    schema.version += 1
