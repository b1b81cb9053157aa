"""A syntax tree and a schema, to one SQLite statement and the shape of its reply.

Parents become LEFT JOINs, semi-joins become IN (SELECT …), child queries statements of their own that run for a page
of parents. Source: SOQL and SOSL Reference.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from emulator.schema import COMPOUND_TYPES, Child, SObject
from emulator.soql.clauses import Clauses, limits, text
from emulator.soql.columns import Column, Environment, Tables, result_field
from emulator.soql.functions import column_of
from emulator.soql.grouping import Grouping, is_grouped
from emulator.soql.parse import parse
from emulator.soql.plan import ByType, ChildPlan, ChildSet, Compound, Leaf, Member, Plan, Shape
from emulator.soql.refusals import malformed, no_such_child, no_such_type, refusal
from emulator.soql.tree import Call, ChildQuery, Expression, Item, Path, Query, TypeOf
from emulator.storage import quote

MAX_FIELDS_LIMIT = 200


def compile_query(statement: str, environment: Environment) -> Plan:
    """The plan of a statement. Raises ApiError with Salesforce's codes."""
    tree = parse(statement)
    source = tree.sources[0]
    if len(source.path.parts) > 1:
        raise no_such_type(statement, source.path.at, source.path.text)
    clauses = Clauses(statement, environment)
    tables = clauses.tables(tree, clauses.sobject(source.path))
    clauses.check_tail(tree)
    plan = (
        Grouping(clauses).plan(tree, tables) if is_grouped(tree) else _Compiler(clauses).records(tree, tables)
    )
    plan.values = clauses.parameters.values
    return plan


@dataclass
class _Block:
    """One SELECT under way: its tables and the columns it needs so far."""

    tables: Tables
    columns: list[Column] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    selected: list[int] = field(default_factory=list)
    children: list[ChildPlan] = field(default_factory=list)
    features: set[str] = field(default_factory=set)

    def add(self, column: Column) -> int:
        for index, known in enumerate(self.columns):
            if known.sql == column.sql and known.field is column.field:
                return index
        self.columns.append(column)
        return len(self.columns) - 1


class _Compiler:
    """Compiles a query for records, and the child queries in it."""

    def __init__(self, clauses: Clauses) -> None:
        self._clauses = clauses

    def records(self, tree: Query, tables: Tables) -> Plan:
        if tree.having is not None:
            raise malformed(self._clauses.statement, tree.at, "HAVING needs GROUP BY")
        block = _Block(tables)
        shape = self._shape(tree, block)
        where = self._clauses.where(tree, tables)
        order = self._clauses.order(tree, tables)
        body = f"FROM {tables.sql()}{where}{order}{limits(tree)}"
        sql = f"SELECT {', '.join(each.sql for each in block.columns)} {body}"
        if tree.offset is not None:
            block.features.add("offset")
        if tree.order or tree.limit is not None:
            block.features.add("ordered")
        return Plan(
            tables.sobject, block.columns, body, [], shape,
            children=block.children, sql=sql, headings=tuple(block.headings), selected=tuple(block.selected),
            features=frozenset(block.features),
        )  # fmt: skip

    def _shape(self, tree: Query, block: _Block) -> Shape:
        tables = block.tables
        id_index = block.add(tables.column(Path(("Id",), tree.at)))
        shape = Shape("", tables.sobject.name, id_index)
        parents: dict[tuple[str, ...], Shape] = {}
        seen: set[str] = set()
        for item in tree.select:
            match item:
                case ChildQuery(query, at):
                    block.features.add("child")
                    shape.members.append(self._child(query, block, id_index, at))
                case TypeOf() as by_type:
                    block.features.add("typeof")
                    shape.members.append(self._by_type(by_type, block))
                case Item(Call(name) as call) if name.upper() == "FIELDS":
                    block.features.add(f"fields({self._fields_kind(call)})")
                    before = set(block.features)
                    for name in self._fields(call, tree, tables):
                        if name.lower() not in seen:
                            seen.add(name.lower())
                            self._leaf(Path((name,), call.at), None, block, shape, parents)
                    block.features.intersection_update(before)  # a compound nobody asked for by name
                case Item(expression, alias):
                    if isinstance(expression, Path) and alias is not None:
                        raise malformed(
                            self._clauses.statement, item.at, "only aggregate expressions use field aliasing"
                        )
                    written = text(expression).lower()
                    if written in seen and alias is None:
                        raise refusal(
                            "INVALID_FIELD",
                            self._clauses.statement,
                            item.at,
                            f"duplicate field selected: {text(expression)}",
                        )
                    seen.add(written)
                    if isinstance(expression, Call) and expression.name.upper() not in (
                        "TOLABEL",
                        "CONVERTCURRENCY",
                    ):
                        column_of(tables, expression)  # an unknown function is refused as that
                        raise malformed(
                            self._clauses.statement,
                            item.at,
                            f"Field must be grouped or aggregated: {expression.name}",
                        )
                    self._leaf(expression, alias, block, shape, parents)
        return shape

    def _leaf(
        self,
        expression: Expression,
        alias: str | None,
        block: _Block,
        root: Shape,
        parents: dict[tuple[str, ...], Shape],
    ) -> None:
        column = column_of(block.tables, expression)
        path = expression if isinstance(expression, Path) else expression.args[0]
        assert isinstance(path, Path)
        steps, _ = block.tables.resolve(path)
        shape, walked = root, ""
        if alias is None:
            for end in range(1, len(steps) + 1):
                shape = self._parent_shape(steps[:end], path.at, block, shape, parents)
                walked += shape.name + "."
        name = alias or column.name
        block.headings.append(walked + name)
        if column.type in COMPOUND_TYPES:
            block.features.add("compound")
            leaves = tuple(Leaf(key, block.add(part), part) for key, part in column.parts)
            shape.members.append(Compound(name, leaves))
            block.selected.append(-1)
            return
        index = block.add(column)
        block.selected.append(index)
        member: Member = Leaf(name, index, column)
        shape.members.append(member)

    def _parent_shape(
        self,
        steps: tuple[str, ...],
        at: int,
        block: _Block,
        child: Shape,
        parents: dict[tuple[str, ...], Shape],
    ) -> Shape:
        key = tuple(each.lower() for each in steps)
        if key in parents:
            return parents[key]
        parent = block.tables.parent(steps, at)
        assert parent is not None
        id_index = block.add(Column(parent.key, result_field("id"), "Id"))
        type_index = None
        if len(parent.candidates) > 1:
            kind = block.tables.column(Path((*steps, "Type"), at))
            type_index = block.add(kind)
        shape = Shape(
            parent.relationship, parent.candidates[0][0].name, id_index, type_index, parent.polymorphic
        )
        parents[key] = shape
        child.members.append(shape)
        return shape

    def _by_type(self, asked: TypeOf, block: _Block) -> ByType:
        """Source: SOQL and SOSL Reference, "TYPEOF": polymorphic relationships only, fields per object type."""
        steps, name = block.tables.resolve(asked.path)
        whole = (*steps, name)
        parent = block.tables.parent(whole, asked.at)
        if parent is None or not parent.polymorphic:
            raise malformed(
                self._clauses.statement,
                asked.at,
                f"TYPEOF needs a polymorphic relationship, and {name} is none",
            )

        def leaf(column: Column) -> Leaf:
            block.tables.refuse_compound(column, asked.at, "used in TYPEOF")
            return Leaf(column.name, block.add(column), column)

        branches = []
        for kind, paths in asked.branches:
            found = [block.tables.of_kind(parent, kind, path) for path in paths]
            chosen = [each for each in found if each is not None]
            if not chosen:
                raise no_such_type(self._clauses.statement, asked.at, kind)
            branches.append((chosen[0][0], tuple(leaf(column) for _, column in chosen)))
        otherwise = tuple(
            leaf(block.tables.column(Path((*whole, *path.parts), path.at))) for path in asked.otherwise
        )
        kind_index = block.add(block.tables.column(Path((*whole, "Type"), asked.at)))
        id_index = block.add(Column(parent.key, result_field("id"), "Id"))
        return ByType(parent.relationship, id_index, kind_index, tuple(branches), otherwise)

    def _fields_kind(self, call: Call) -> str:
        kind = call.args[0].text.upper() if len(call.args) == 1 and isinstance(call.args[0], Path) else ""
        if kind not in ("ALL", "STANDARD", "CUSTOM"):
            raise malformed(self._clauses.statement, call.at, "FIELDS takes ALL, STANDARD or CUSTOM")
        return kind

    def _fields(self, call: Call, tree: Query, tables: Tables) -> list[str]:
        """Source: SOQL and SOSL Reference, FIELDS(): ALL and CUSTOM are bounded by LIMIT 200."""
        kind = self._fields_kind(call)
        if kind != "STANDARD" and (tree.limit is None or tree.limit.number > MAX_FIELDS_LIMIT):
            raise malformed(
                self._clauses.statement,
                call.at,
                f"The SOQL FIELDS function must have a LIMIT of at most {MAX_FIELDS_LIMIT}",
            )
        return [
            each.name
            for each in tables.sobject.fields.values()
            if self._clauses.environment.readable(tables.sobject, each)
            and (kind == "ALL" or each.custom == (kind == "CUSTOM"))
        ]

    # -- children ----------------------------------------------------------------------------------------

    def _child(self, tree: Query, parent: _Block, id_index: int, at: int) -> ChildSet:
        source = tree.sources[0].path
        steps, name = parent.tables.resolve(source)
        relation = self._relation(parent.tables.sobject, name) if not steps else None
        sobject = self._clauses.environment.schema.sobject(relation.sobject) if relation else None
        if relation is None or sobject is None or not self._clauses.environment.open(sobject):
            raise no_such_child(self._clauses.statement, source.at, source.text)
        if is_grouped(tree):
            raise malformed(
                self._clauses.statement, source.at, "Child queries cannot use aggregate functions or GROUP BY"
            )
        own = Clauses(self._clauses.statement, self._clauses.environment, self._clauses.prefixes)
        plan = _Compiler(own)._child_plan(tree, sobject, relation)
        parent.children.append(plan)
        return ChildSet(plan.name, len(parent.children) - 1, id_index)

    def _relation(self, sobject: SObject, name: str) -> Child | None:
        return next(
            (
                each
                for each in self._clauses.environment.schema.children(sobject.name)
                if (each.relationship_name or "").lower() == name.lower()
            ),
            None,
        )

    def _child_plan(self, tree: Query, sobject: SObject, relation: Child) -> ChildPlan:
        self._clauses.check_tail(tree)
        tables = self._clauses.tables(tree, sobject)
        block = _Block(tables)
        shape = self._shape(tree, block)
        key = f"{tables.base}.{quote(relation.field)}"
        parent_index = block.add(Column(key, result_field("reference"), relation.field))
        order = self._clauses.order(tree, tables) or f' ORDER BY {tables.base}."Id"'
        where = self._clauses.where(tree, tables)
        chosen = f"{key} IN (SELECT value FROM json_each(?{len(self._clauses.parameters.values) + 1}))"
        where = f"{where} AND {chosen}" if where else f" WHERE {chosen}"
        names = [f"c{index}" for index in range(len(block.columns))]
        columns = ", ".join(f"{each.sql} AS {name}" for each, name in zip(block.columns, names, strict=True))
        first = tree.offset.number if tree.offset else 0
        upto = f" AND n <= {first + tree.limit.number}" if tree.limit else ""
        sql = (
            f"SELECT {', '.join(names)} FROM (SELECT {columns}, ROW_NUMBER() OVER (PARTITION BY {key}{order}) AS n"
            f" FROM {tables.sql()}{where}) WHERE n > {first}{upto} ORDER BY c{parent_index}, n"
        )
        name = relation.relationship_name or ""
        return ChildPlan(name, sql, self._clauses.parameters.values, parent_index, shape, block.children)
