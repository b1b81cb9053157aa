"""What still reads a field: such a field is not deleted. Source: Salesforce help, "Delete Fields"."""

from __future__ import annotations

from emulator.formula_syntax import references
from emulator.formulas import Formulas
from emulator.schema import Schema
from emulator.validation_rules import ValidationRules


def reader_of(
    full_name: str, going: set[str], formulas: Formulas, schema: Schema, rules: ValidationRules
) -> str | None:
    """A formula or rule that reads the field and is not `going` too; None when there is none."""
    owner, _, name = full_name.partition(".")
    sobject = schema.sobject(owner)
    for each in sobject.fields.values() if sobject else ():
        if each.calculated and f"{owner}.{each.name}" not in going and sobject:
            node = formulas.check_field(sobject.name, each)
            if any(ref.path == (name,) for ref in references(node)):
                return f"Custom Field - {each.name}"
    for rule in rules.of(owner):
        gone = f"{owner}.{rule.name}" in going
        if not gone and any(ref.path == (name,) for ref in references(rule.condition)):
            return f"Validation Rule - {rule.name}"
    return None
