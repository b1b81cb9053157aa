"""Names to SQL: which table and column a field path means, and which parents must be joined for it.

A column that the schema does not have and one the user may not see are refused alike.
Source: SOQL and SOSL Reference, "Understanding Relationship Names", "Using Relationship Queries".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from emulator.errors import ApiError
from emulator.schema import COMPOUND_TYPES, Field, Schema, SObject, make_field
from emulator.soql.periods import Calendar
from emulator.soql.refusals import malformed, no_such_column, no_such_parent, refusal
from emulator.soql.tree import Path
from emulator.storage import quote

MAX_PARENTS = 5


@dataclass(frozen=True)
class Environment:
    """What a statement's meaning depends on besides its text."""

    schema: Schema
    calendar: Calendar
    readable: Callable[[SObject, Field], bool]
    """Whether the user may see the field."""
    open: Callable[[SObject], bool]
    """Whether the user may read the object."""
    formula: Callable[[str, str, str], str]
    """(object, field, table alias) → SQL of a formula field."""
    user_id: str = ""
    all_rows: bool = False
    """Deleted rows too (queryAll)."""
    pages: int = 2000


@dataclass(frozen=True)
class Column:
    """An SQL expression with the field whose type, scale and encoding it has."""

    sql: str
    field: Field
    name: str
    """The key in the reply when no alias is given."""
    aggregate: bool = False
    average_of: Column | None = None
    """Set for AVG: exact comparisons go through sum and count."""
    parts: tuple[tuple[str, Column], ...] = ()
    """Components of a compound field, by their key in the reply."""

    @property
    def type(self) -> str:
        return self.field.type


@cache
def result_field(kind: str, scale: int = 0) -> Field:
    """A field for the result of a function."""
    return make_field({"name": kind, "type": kind, "label": kind, "scale": scale})


@dataclass
class Parent:
    """One reachable object: its candidates as (object, table alias); several when the reference is polymorphic."""

    candidates: tuple[tuple[SObject, str], ...]
    key: str
    """SQL of its id, as the child's reference gives it."""
    polymorphic: bool
    relationship: str
    step: tuple[str, ...]


@dataclass
class Parameters:
    """Values of one SQL statement, bound by number so that pieces may be put together in any order."""

    values: list[Any] = field(default_factory=list)

    def bind(self, value: Any) -> str:
        self.values.append(value)
        return f"?{len(self.values)}"


class Tables:
    """One FROM: the base table and the parents joined to it so far."""

    def __init__(
        self,
        environment: Environment,
        statement: str,
        sobject: SObject,
        prefix: str,
        names: dict[str, tuple[str, ...]],
    ) -> None:
        self.environment = environment
        self.statement = statement
        self.sobject = sobject
        self.base = f"{prefix}0"
        self._prefix = prefix
        self._names = names
        """Aliases of FROM, lower case, and the relationship steps each stands for."""
        self._joins: list[str] = []
        self._parents: dict[tuple[str, ...], Parent] = {}
        self._count = 0

    def sql(self) -> str:
        return " ".join([f"{quote(self.sobject.name)} AS {self.base}", *self._joins])

    # -- parents -----------------------------------------------------------------------------------------

    def parent(self, steps: tuple[str, ...], at: int) -> Parent | None:
        """The object at the end of the relationship steps, joined; None for the base object itself."""
        found: Parent | None = None
        if len(steps) > MAX_PARENTS:
            raise malformed(
                self.statement,
                at,
                f"Relationship path {'.'.join(steps)} is too deep: at most {MAX_PARENTS} levels of parents",
            )
        for end in range(1, len(steps) + 1):
            key = tuple(step.lower() for step in steps[:end])
            known = self._parents.get(key)
            found = known or self._join(found, steps[end - 1], key, at)
            self._parents[key] = found
        return found

    def _join(self, child: Parent | None, step: str, key: tuple[str, ...], at: int) -> Parent:
        candidates = child.candidates if child else ((self.sobject, self.base),)
        if len(candidates) != 1:
            raise no_such_parent(self.statement, at, step)
        sobject, alias = candidates[0]
        reference = sobject.reference_by_relationship(step)
        if reference is None or not self.environment.readable(sobject, reference):
            raise no_such_parent(self.statement, at, step)
        own = self.field_sql(sobject, reference, alias)
        joined: list[tuple[SObject, str]] = []
        for name in reference.reference_to:
            target = self.environment.schema.sobject(name)
            if target is None:
                continue
            self._count += 1
            to = f"{self._prefix}{self._count}"
            self._joins.append(f'LEFT JOIN {quote(target.name)} AS {to} ON {to}."Id" = {own}')
            joined.append((target, to))
        if not joined:
            raise no_such_parent(self.statement, at, step)
        relationship = reference.relationship_name or step
        polymorphic = len(reference.reference_to) > 1
        path = (*(child.step if child else ()), relationship)
        return Parent(
            tuple(joined), own if polymorphic else f'{joined[0][1]}."Id"', polymorphic, relationship, path
        )

    def resolve(self, path: Path) -> tuple[tuple[str, ...], str]:
        """Relationship steps and field name of a path; FROM aliases and the object's own name are taken off."""
        steps, name = path.parts[:-1], path.parts[-1]
        if steps:
            first = steps[0].lower()
            if first in self._names:
                steps = (*self._names[first], *steps[1:])
            elif first == self.sobject.name.lower() and not self.sobject.reference_by_relationship(first):
                steps = steps[1:]
        return steps, name

    # -- columns -----------------------------------------------------------------------------------------

    def column(self, path: Path) -> Column:
        """The column of a field path. Raises INVALID_FIELD, pointing at the path."""
        steps, name = self.resolve(path)
        parent = self.parent(steps, path.at)
        if parent is None:
            return self._own(self.sobject, self.base, name, path.at)
        if not parent.polymorphic:
            return self._own(*parent.candidates[0], name, path.at)
        return self._of_any(parent, name, path.at)

    def _own(self, sobject: SObject, alias: str, name: str, at: int) -> Column:
        found = sobject.field(name)
        if found is None or not self.environment.readable(sobject, found):
            raise no_such_column(self.statement, at, name, sobject.name)
        if found.type in COMPOUND_TYPES:
            return Column("NULL", found, found.name, parts=self._parts(sobject, alias, found))
        return Column(self.field_sql(sobject, found, alias), found, found.name)

    def _parts(self, sobject: SObject, alias: str, compound: Field) -> tuple[tuple[str, Column], ...]:
        stem = compound.name.removesuffix("Address").removesuffix("__c")
        parts = (
            (key[:1].lower() + key[1:], Column(self.field_sql(sobject, each, alias), each, each.name))
            for each in sobject.fields.values()
            if each.compound_field_name == compound.name and self.environment.readable(sobject, each)
            for key in [each.name.removeprefix(stem)]
        )
        return tuple(sorted(parts, key=lambda part: part[0]))

    def of_kind(self, parent: Parent, kind: str, path: Path) -> tuple[str, Column] | None:
        """A polymorphic parent's field when the parent is of that kind; None when it never is."""
        for sobject, alias in parent.candidates:
            if sobject.name.lower() == kind.lower():
                if len(path.parts) > 1:
                    raise malformed(
                        self.statement, path.at, f"{path.text}: a branch of TYPEOF lists fields only"
                    )
                return sobject.name, self._own(sobject, alias, path.parts[0], path.at)
        return None

    def _of_any(self, parent: Parent, name: str, at: int) -> Column:
        """A field of a polymorphic parent: what all "Name" objects have, whichever table the row is in."""
        wanted = name.lower()
        if wanted == "id":
            return Column(parent.key, result_field("id"), "Id")
        if wanted == "type":
            cases = " ".join(
                f"WHEN {alias}.\"Id\" IS NOT NULL THEN '{each.name}'" for each, alias in parent.candidates
            )
            return Column(f"CASE {cases} END", result_field("string"), "Type")
        found: list[Column] = []
        for sobject, alias in parent.candidates:
            own = sobject.name_field if wanted == "name" else sobject.field(name)
            if own is not None and self.environment.readable(sobject, own):
                found.append(Column(self.field_sql(sobject, own, alias), own, own.name))
        if not found:
            raise no_such_column(self.statement, at, name, "Name")
        called = "Name" if wanted == "name" else found[0].name
        sql = found[0].sql if len(found) == 1 else f"COALESCE({', '.join(each.sql for each in found)})"
        return Column(sql, found[0].field, called)

    def field_sql(self, sobject: SObject, own: Field, alias: str) -> str:
        if own.calculated:
            return f"({self.environment.formula(sobject.name, own.name, alias)})"
        return f"{alias}.{quote(own.name)}"

    def refuse_compound(self, column: Column, at: int, what: str) -> None:
        if column.type in COMPOUND_TYPES:
            raise self.not_possible(column, at, what)

    def not_possible(self, column: Column, at: int, what: str) -> ApiError:
        return refusal(
            "INVALID_FIELD", self.statement, at, f"field '{column.name}' can not be {what} in a query call"
        )
