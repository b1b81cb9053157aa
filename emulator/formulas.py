"""Formulas over the live schema: what a query asks for a formula field, and what a deploy checks.

A formula field has no column: its value is worked out on reading and its change never moves SystemModstamp.
Source: Salesforce help, "Tips for Building Formulas"; SOAP API Developer Guide, "SystemModstamp".
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from emulator.formula_connection import register
from emulator.formula_sql import SqlCompiler
from emulator.formula_syntax import FormulaError, Node, parse
from emulator.formula_types import Checker, Shape
from emulator.schema import Field, Schema

__all__ = ["FormulaError", "Formulas", "SchemaFields", "register"]

FORMULA_RESULTS = {
    "n": {"currency", "double", "percent", "int"},
    "t": {"string"},
    "b": {"boolean"},
    "d": {"date"},
    "m": {"datetime"},
    "x": {"currency", "double", "percent", "int", "string", "date", "datetime"},
}


class SchemaFields:
    """The schema as the formula compiler asks it."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def field(self, sobject: str, name: str) -> Shape | None:
        found = self._schema.sobject(self._real(sobject))
        field = found.field(name) if found else None
        if field is None:
            return None
        return Shape(
            name=field.name,
            type=field.type,
            scale=field.scale,
            formula=field.calculated_formula if field.calculated else None,
            blank_as_zero=field.formula_treat_null_number_as_zero,
        )

    def parent(self, sobject: str, relationship: str) -> tuple[str, str] | None:
        found = self._schema.sobject(self._real(sobject))
        reference = found.reference_by_relationship(relationship) if found else None
        if reference is None or not reference.reference_to:
            return None
        parents = [name for name in reference.reference_to if self._schema.sobject(name)]
        return (reference.name, "User" if "User" in parents else parents[0]) if parents else None

    @staticmethod
    def _real(sobject: str) -> str:
        return "Task" if sobject.lower() == "activity" else sobject


class Formulas:
    """`org.formulas`."""

    def __init__(
        self, schema: Schema, clock: Callable[[], datetime], time_zone: Callable[[], ZoneInfo]
    ) -> None:
        self._fields = SchemaFields(schema)
        self._clock, self._time_zone = clock, time_zone

    @property
    def fields(self) -> SchemaFields:
        return self._fields

    def compiler(self, user_id: str = "") -> SqlCompiler:
        """For one query: `now` and `today` stand still for all its rows. TODAY() is a day of the org's time zone."""
        now = self._clock()
        return SqlCompiler(self._fields, now, now.astimezone(self._time_zone()).date(), user_id)

    def sql(self, sobject: str, field: str, alias: str, user_id: str = "") -> str:
        """A formula field as SQL over `alias`, in the encoding a column of its type would have.

        The connection must know the functions of `register`. Raises FormulaError when the formula refers to
        itself or to a field that was removed since.
        """
        return self.compiler(user_id).field_sql(sobject, field, alias)

    def check_field(self, sobject: str, field: Field) -> Node:
        """Raises FormulaError in the words a deploy reports: syntax, unknown field, wrong type, wrong result."""
        text = field.calculated_formula or ""
        node = parse(text)
        letter = Checker(self._fields, sobject).type_of(node)
        if letter == "p" or field.type not in FORMULA_RESULTS[letter]:
            names = {
                "n": "Number",
                "t": "Text",
                "b": "Checkbox",
                "d": "Date",
                "m": "DateTime",
                "p": "Picklist",
            }
            raise FormulaError(
                f"Formula result is data type ({names.get(letter, 'Null')}), "
                f"incompatible with expected data type ({field.type})."
            )
        return node

    def check_rule(self, sobject: str, text: str) -> Node:
        """The tree of a validation rule's condition; it must be true or false."""
        node = parse(text)
        letter = Checker(self._fields, sobject, rule=True).type_of(node)
        if letter not in "bx":
            raise FormulaError("Formula result must be a Boolean (true or false).")
        return node
