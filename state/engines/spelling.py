"""One statement in the words of another engine: SQLAlchemy spells it for PostgreSQL, sqlglot for the others."""

from __future__ import annotations

from dataclasses import dataclass

import sqlglot
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlglot import exp

from state.engines import Query

# `named`: the default style would double every percent sign of a text.
_POSTGRESQL = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Spelled:
    """The statement for one engine, and what it reads: columns by table."""

    sql: str
    columns: dict[str, frozenset[str]]


def spelled(query: Query, dialect: str, *, order: tuple[str, ...] = ()) -> Spelled:
    """`dialect` is `duckdb` or `spark`; `order` names columns of the answer to sort it by."""
    answer = query.subquery("answer")
    whole = select(*answer.columns).order_by(*(answer.c[name] for name in order))
    text = str(whole.compile(dialect=_POSTGRESQL, compile_kwargs={"literal_binds": True}))
    tree = sqlglot.parse_one(text, read="postgres").transform(_bytewise)
    return Spelled(tree.sql(dialect=dialect), _columns(tree))


def _bytewise(node: exp.Expr) -> exp.Expr:
    """Both engines compare texts byte by byte unless told otherwise, which is what COLLATE "C" asks of PostgreSQL."""
    if isinstance(node, exp.Collate) and node.expression.name == "C":
        inner: exp.Expr = node.this
        return inner
    return node


def _columns(tree: exp.Expr) -> dict[str, frozenset[str]]:
    inside = {cte.alias for cte in tree.find_all(exp.CTE)}
    tables: dict[str, set[str]] = {}
    for table in tree.find_all(exp.Table):
        if table.name not in inside:
            tables.setdefault(table.alias_or_name, set()).add(table.name)
    found: dict[str, set[str]] = {name: set() for names in tables.values() for name in names}
    for column in tree.find_all(exp.Column):
        for name in tables.get(column.table, ()):
            found[name].add(column.name)
    return {name: frozenset(columns) for name, columns in found.items()}
