"""Validation rules: a record is refused when a rule's condition is true of it.

Source: Salesforce help, "Define Validation Rules"; the refusal is FIELD_CUSTOM_VALIDATION_EXCEPTION with the
admin's own message and the field the error is shown at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from emulator.errors import RecordError
from emulator.formula_functions import Value
from emulator.formula_syntax import Node
from emulator.formula_values import Look, Moment, evaluate
from emulator.raw_rows import by_id
from emulator.schema import NUMBER_TYPES, Field, SObject
from emulator.wire import moment, number_of

if TYPE_CHECKING:
    from emulator.org import Org


@dataclass(frozen=True)
class Rule:
    name: str
    condition: Node
    message: str
    field: str | None  # where the message is shown; None: at the top of the page
    active: bool = True


def plain_value(field: Field, stored: Any) -> Value:
    """A stored value as a formula sees it; a percent is a fraction (15 % is 0.15)."""
    if stored is None or stored == "":
        return None
    if field.type in NUMBER_TYPES:
        return number_of(stored, field.scale + (2 if field.type == "percent" else 0))
    if field.type == "boolean":
        return bool(stored)
    if field.type == "date":
        return date.fromisoformat(stored)
    if field.type == "datetime":
        return moment(stored)
    return str(stored)


class ValidationRules:
    """The rules of one org, by object."""

    def __init__(self, time_zone: Callable[[], ZoneInfo]) -> None:
        self._rules: dict[str, dict[str, Rule]] = {}
        self._time_zone = time_zone

    def add(self, sobject: str, rule: Rule) -> None:
        self._rules.setdefault(sobject.lower(), {})[rule.name.lower()] = rule

    def remove(self, sobject: str, name: str) -> None:
        self._rules.get(sobject.lower(), {}).pop(name.lower(), None)

    def of(self, sobject: str) -> list[Rule]:
        return list(self._rules.get(sobject.lower(), {}).values())

    def check(self, org: Org, sobject: SObject, new: dict[str, Any], old: dict[str, Any] | None) -> None:
        """Raises RecordError for the first active rule that is true of the record being saved."""
        rules = [rule for rule in self.of(sobject.name) if rule.active]
        if not rules:
            return
        now = org.now()
        prior = _look(org, sobject, old) if old is not None else None
        at = Moment(_look(org, sobject, new), prior, now, now.astimezone(self._time_zone()).date())
        for rule in rules:
            try:
                broken = evaluate(rule.condition, at)
            except ArithmeticError as error:
                problem = f'The validation formula "{rule.name}" references a value that is an error: {error}'
                raise RecordError("FIELD_CUSTOM_VALIDATION_EXCEPTION", problem) from error  # Assumed
            if broken:
                fields = (rule.field,) if rule.field else ()
                raise RecordError("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.message, fields)


def _look(org: Org, sobject: SObject, row: dict[str, Any]) -> Look:
    """Reads a record's values by path; parents are fetched when a rule asks for them."""

    def value(path: tuple[str, ...]) -> Value:
        if path[0].lower() == "$user":
            user = by_id(org, "User", str(row.get("LastModifiedById"))) or {}
            return user.get(next((name for name in user if name.lower() == path[1].lower()), ""))
        if path[0].lower() == "$organization":
            return org.id if path[1].lower() == "id" else None
        if path[0].startswith("$"):
            return None
        at: SObject | None = sobject
        values: Any = row
        for step in path[:-1]:
            reference = at.reference_by_relationship(step) if at else None
            target = values.get(reference.name) if reference and values else None
            if target is None:
                return None
            at = org.schema.by_prefix(target[:3])
            values = by_id(org, at.name, target) if at else None
        field = at.field(path[-1]) if at else None
        if field is None or not values or at is None:
            return None
        if field.calculated:
            return _formula(org, at, field, str(values.get("Id")))
        return plain_value(field, values.get(field.name))

    return value


def _formula(org: Org, sobject: SObject, field: Field, record_id: str) -> Value:
    """Assumed: a rule that reads a formula field sees it as last saved."""
    sql = org.formulas.sql(sobject.name, field.name, "t")
    row = org.storage.row(f'SELECT {sql} FROM "{sobject.name}" t WHERE t."Id" = ?', (record_id,))
    return plain_value(field, row[0]) if row else None
