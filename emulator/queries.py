"""Running compiled queries: who asks, what they may see, and rows kept so that pages do not move.

A query's rows are read once, in one snapshot, and spooled to a file beyond a few pages; later pages come from the
spool. Source: SOQL and SOSL Reference, "query(), queryMore()". Assumed: child records are read when the page of
their parents is.
"""

from __future__ import annotations

import json
import marshal
from array import array
from collections.abc import Iterable, Iterator
from datetime import UTC
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from emulator import formulas, user_record_access
from emulator.scratch import Scratch
from emulator.soql import functions
from emulator.soql.columns import Environment
from emulator.soql.compile import compile_query
from emulator.soql.parse import parse
from emulator.soql.periods import Calendar
from emulator.soql.plan import ChildPlan, Plan, Shape

if TYPE_CHECKING:
    from emulator.org import Org

Row = tuple[Any, ...]


def environment(org: Org, user_id: str, *, all_rows: bool = False) -> Environment:
    """Everything a statement's meaning depends on, for one user at this moment."""
    org.storage.teach(functions.register)
    org.storage.teach(formulas.register)
    user = org.storage.row('SELECT "TimeZoneSidKey" FROM "User" WHERE "Id" = ?', (user_id,))
    company = org.storage.row('SELECT "FiscalYearStartMonth" FROM "Organization"')
    try:
        zone = ZoneInfo(str(user[0])) if user and user[0] else ZoneInfo("UTC")
    except ZoneInfoNotFoundError:
        zone = ZoneInfo("UTC")
    fiscal = int(company[0]) if company and company[0] else 1
    return Environment(
        schema=org.schema,
        calendar=Calendar.at(org.now().astimezone(UTC), zone, fiscal),
        readable=lambda sobject, field: org.access.readable(user_id, sobject, field),
        open=lambda sobject: org.access.allows(user_id, sobject, "read"),
        formula=org.formulas.sql,
        user_id=user_id,
        all_rows=all_rows,
    )


def compiled(org: Org, user_id: str, statement: str, *, all_rows: bool = False) -> Plan:
    if user_record_access.NAME.lower() in statement.lower():
        query = parse(statement)
        if query.sources[0].path.text.lower() == user_record_access.NAME.lower():
            user_record_access.answer(org, user_id, query)
    return compile_query(statement, environment(org, user_id, all_rows=all_rows))


def rows_of(org: Org, plan: Plan) -> Iterable[Row]:
    """The rows of one snapshot; inside a transaction of this thread, with that transaction's own writes."""
    if org.storage.in_transaction:
        return org.storage.rows(plan.sql, plan.values)
    return org.storage.stream(plan.sql, plan.values)


class Spool:
    """Rows in their order, readable from any position, with at most a few blocks in memory."""

    BLOCK = 200
    IN_MEMORY = 20

    def __init__(self, rows: Iterable[Row]) -> None:
        self.count = 0
        self._blocks: list[list[Row]] = []
        self._ends = array("Q", [0])
        self._rest: Scratch | None = None
        source = iter(rows)
        while block := list(islice(source, self.BLOCK)):
            self.count += len(block)
            if len(self._blocks) < self.IN_MEMORY:
                self._blocks.append(block)
                continue
            self._rest = self._rest or Scratch()
            self._rest.append(marshal.dumps(block))
            self._ends.append(self._rest.size)

    def read(self, start: int, size: int) -> Iterator[Row]:
        """Up to `size` rows from position `start`."""
        stop = min(start + size, self.count)
        while start < stop:
            number, inside = divmod(start, self.BLOCK)
            block = self._block(number)[inside : inside + stop - start]
            yield from block
            start += len(block)

    def _block(self, number: int) -> list[Row]:
        if number < len(self._blocks):
            return self._blocks[number]
        assert self._rest is not None
        place = number - len(self._blocks)
        start, end = self._ends[place], self._ends[place + 1]
        block: list[Row] = marshal.loads(self._rest.read(start, end - start))
        return block


def children_of(
    org: Org, plans: list[ChildPlan], shape: Shape, rows: list[Row]
) -> list[dict[str, list[Row]]]:
    """For every child plan: the child rows of these parents, by the parent's id."""
    parents = json.dumps([row[shape.id_index] for row in rows])
    found: list[dict[str, list[Row]]] = []
    for plan in plans:
        children = org.storage.rows(plan.sql, [*plan.values, parents])
        by_parent = groupby(children, key=lambda row: row[plan.parent_index])
        found.append({str(parent): list(group) for parent, group in by_parent})
    return found
