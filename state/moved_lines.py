"""A line lies in one order. One that moved to another is found there as new; here its old row goes.

Rows are kept by order, so nothing finds one by its id alone but a look at all of them, and an index for it would cost
every load more than it saves here. So all are looked at once a pull, and only when an id that is new in its order may
have been read before: ids of the org ascend, and one above the last that was ever read is of a line never seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import (
    Connection,
    Insert,
    Select,
    Table,
    and_,
    bindparam,
    case,
    collate,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.types import Boolean

from state import bulk, dirty, fact_checks, meta
from state.dialects import upsert_into
from state.tables.facts import order_lines

LAST = "lines.last"  # first characters of an id → the last such id that was ever read
SERIES = 6  # characters: what kind of record, and which server of the org's gave the number
SHARES = 4  # in so many steps a first load is searched for ids that came twice: bounds memory

# The keys of lines that a batch changed, and whether the store had never seen them.
changed = bulk.scratch("changed_lines", order_pk="int!", sf_id="text!", is_new="bool")
# Ids that may lie in another order as well; what was read of them, and in which batch; the rows that go.
_possible = bulk.scratch("possible_lines", sf_id="text!")
_suspects = bulk.scratch("suspect_lines", sf_id="text!")
_arrived = bulk.scratch(
    "arrived_lines", order_pk="int!", sf_id="text!", modstamp="int", turn="int", is_new="bool"
)
_leaving = bulk.scratch("leaving_lines", order_pk="int!", sf_id="text!", is_new="bool")

_came_new = exists().where(
    _arrived.c.order_pk == changed.c.order_pk, _arrived.c.sf_id == changed.c.sf_id, _arrived.c.is_new
)
CHANGED = select(changed.c.order_pk).distinct()
_CHANGED_FOR_SURE = CHANGED.where(not_(_came_new))
_NEW = select(changed.c.sf_id).where(changed.c.is_new)
_goes = exists().where(_leaving.c.order_pk == _arrived.c.order_pk, _leaving.c.sf_id == _arrived.c.sf_id)
_LEFT = select(_leaving.c.order_pk).where(not_(_leaving.c.is_new)).distinct()
_STAYED = select(_arrived.c.order_pk).where(_arrived.c.is_new, not_(_goes)).distinct()
_stayed_new = exists().where(_arrived.c.sf_id == _leaving.c.sf_id, _arrived.c.is_new, not_(_goes))
_count = select(func.count()).select_from(_leaving)
_TAKEN_BACK = _count.where(_leaving.c.is_new)
_REMOVED = _count.where(not_(_leaving.c.is_new))
_MOVED = select(func.count(_leaving.c.sf_id.distinct())).where(not_(_leaving.c.is_new), _stayed_new)
_REMOVE = delete(order_lines).where(
    tuple_(order_lines.c.order_pk, order_lines.c.sf_id).in_(select(_leaving.c.order_pk, _leaving.c.sf_id))
)


@dataclass(frozen=True)
class Found:
    """Rows that were inserted and are not: `moved` are lines known before, `older` versions of what lies elsewhere."""

    moved: int = 0
    older: int = 0


class Moves:
    """The lines of one pull, as they come; `finish` leaves one row of each.

    `again`: these are read once more by id, because something about them is in doubt, so none is taken for never seen.
    """

    def __init__(self, tx: Connection, scratch: Table, orders: dirty.Orders, *, again: bool) -> None:
        self._tx, self._scratch, self._orders, self._again = tx, scratch, orders, again
        self._last: dict[str, str] | None = None
        self._tails: list[pa.Array] = []
        self._turn = 0
        self._any = False

    def look(self, new: int) -> None:
        """A batch was compared and saved: remember those of its lines that may lie in another order as well."""
        self._turn += 1
        possible = self._note_new(self._tx.execute(_NEW).scalars().all()) if new else set()
        if self._again:
            self._suspect(self._scratch)
        elif possible:
            bulk.empty(self._tx, _possible)
            bulk.fill_tuples(self._tx, _possible, ["sf_id"], [(one,) for one in possible])
            self._suspect(_possible)
        if self._any:
            statement = _arriving(self._tx.dialect.name, self._scratch)
            self._tx.execute(statement, {"turn_now": self._turn})

    def mark_changed(self) -> None:
        """The orders of what a batch changed are dirty; of what is in doubt, at the end."""
        self._orders.mark(_CHANGED_FOR_SURE if self._any else CHANGED)

    def note_first(self, ids: pa.ChunkedArray) -> None:
        """A batch of a first load: there is nothing but what itself brings twice."""
        self._tails.append(_tails(ids))
        ends = pc.min_max(ids).as_py()
        alike = ends["min"] is not None and ends["min"][:SERIES] == ends["max"][:SERIES]
        self._note_last([ends["max"]] if alike else ids.to_pylist())

    def finish_first(
        self, batches: Callable[[Callable[[pa.ChunkedArray], pa.Array]], Iterator[pa.Table]]
    ) -> Found:
        """The same at the end of a first load. `batches` gives the rows once more, only those that a test on ids lets pass."""
        twice = _twice(self._tails) if len(self._tails) > 1 else []
        self._tails = []
        if len(twice):
            self._again = True
            for rows in batches(lambda ids: pc.is_in(_tails(ids), value_set=twice)):
                bulk.empty(self._tx, self._scratch, changed)
                bulk.fill(self._tx, self._scratch, rows)
                self._tx.execute(_all_new(self._scratch))
                self.look(rows.num_rows)
        return self.finish()

    def finish(self) -> Found:
        """Of each line the newest row stays, of equal stamps the one that was read last."""
        if self._last is not None:
            meta.put(self._tx, LAST, json.dumps(self._last, sort_keys=True))
        if not self._any:
            return Found()
        tx = self._tx
        bulk.settle(tx, _suspects, _arrived)
        bulk.empty(tx, _leaving)
        tx.execute(_finding())
        bulk.settle(tx, _leaving)
        older, removed, moved = (int(tx.execute(one).scalar_one()) for one in (_TAKEN_BACK, _REMOVED, _MOVED))
        if older or removed:
            tx.execute(_REMOVE)
        self._orders.mark(_LEFT)
        self._orders.mark(_STAYED)
        fact_checks.note_fewer(tx, "order_line", removed - moved)
        return Found(moved, older)

    def _note_new(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids, new in their order, that may have been read before."""
        last = self._known_last()
        possible = {one for one in ids if one <= last.get(one[:SERIES], "")}
        self._note_last(ids)
        return possible

    def _suspect(self, source: Table) -> None:
        if not self._any:
            bulk.empty(self._tx, _suspects, _arrived)
            self._any = True
        self._tx.execute(_suspecting(self._tx.dialect.name, source))

    def _known_last(self) -> dict[str, str]:
        if self._last is None:
            noted = meta.get(self._tx, LAST)
            self._last = json.loads(noted) if noted is not None else _read_last(self._tx)
        return self._last

    def _note_last(self, ids: Iterable[str]) -> None:
        last = self._last = {} if self._last is None else self._last
        for one in ids:
            if one > last.get(one[:SERIES], ""):
                last[one[:SERIES]] = one


def _read_last(tx: Connection) -> dict[str, str]:
    """By their bytes, as Python compares them; a server may sort otherwise."""
    one = collate(order_lines.c.sf_id, "C" if tx.dialect.name == "postgresql" else "BINARY")
    series = func.substr(order_lines.c.sf_id, 1, SERIES)
    return {row[0]: row[1] for row in tx.execute(select(series, func.max(one)).group_by(series))}


@cache
def _suspecting(dialect: str, source: Table) -> Insert:
    rows = select(source.c.sf_id).where(literal(True))
    return upsert_into(dialect, _suspects).from_select(["sf_id"], rows).on_conflict_do_nothing()


@cache
def _arriving(dialect: str, scratch: Table) -> Insert:
    """What a batch says of suspects, and in which of the batches."""
    same = and_(changed.c.order_pk == scratch.c.order_pk, changed.c.sf_id == scratch.c.sf_id)
    suspect = exists().where(_suspects.c.sf_id == scratch.c.sf_id)
    is_new = func.coalesce(changed.c.is_new, literal(False))
    rows = select(
        scratch.c.order_pk, scratch.c.sf_id, scratch.c.modstamp, bindparam("turn_now", type_=_arrived.c.turn.type),
        type_coerce(is_new, Boolean),
    ).select_from(scratch.outerjoin(changed, same)).where(suspect)  # fmt: skip
    statement = upsert_into(dialect, _arrived).from_select([c.name for c in _arrived.columns], rows)
    return statement.on_conflict_do_update(
        index_elements=["order_pk", "sf_id"],
        set_={"modstamp": statement.excluded.modstamp, "turn": statement.excluded.turn},
    )


@cache
def _all_new(scratch: Table) -> Insert:
    rows = select(scratch.c.order_pk, scratch.c.sf_id, literal(True))
    return insert(changed).from_select(["order_pk", "sf_id", "is_new"], rows)


@cache
def _finding() -> Insert:
    """The one look at all lines: every row of a suspect but the best."""
    same = and_(_arrived.c.order_pk == order_lines.c.order_pk, _arrived.c.sf_id == order_lines.c.sf_id)
    # What was read and was older than the row itself says nothing about when that one was read.
    turn = case((_arrived.c.modstamp >= order_lines.c.modstamp, _arrived.c.turn), else_=0)
    best_first = (order_lines.c.modstamp.desc(), turn.desc(), order_lines.c.order_pk.desc())
    place = func.row_number().over(partition_by=order_lines.c.sf_id, order_by=best_first)
    is_new = func.coalesce(_arrived.c.is_new, literal(False))
    homes: Select[Any] = (
        select(order_lines.c.order_pk, order_lines.c.sf_id, is_new.label("is_new"), place.label("place"))
        .select_from(order_lines.outerjoin(_arrived, same))
        .where(order_lines.c.sf_id.in_(select(_suspects.c.sf_id)))
    )
    found = homes.subquery()
    rows = select(found.c.order_pk, found.c.sf_id, found.c.is_new).where(found.c.place > 1)
    return insert(_leaving).from_select(["order_pk", "sf_id", "is_new"], rows)


def _tails(ids: pa.ChunkedArray) -> pa.Array:
    """Eight characters of each id as a number: those that count up. Equal ids have equal ones."""
    texts = ids.combine_chunks().cast(pa.binary())
    shortest = pc.min(pc.binary_length(texts)).as_py() or 0
    if shortest < 15:  # none of the org's
        return pa.repeat(pa.scalar(0, pa.int64()), len(texts))
    return pc.binary_slice(texts, 7, 15).cast(pa.binary(8)).view(pa.int64())


def _twice(tails: list[pa.Array]) -> pa.Array:
    """Those that came more than once."""
    found = []
    for share in range(SHARES):
        # The last character is in the highest byte, and differs most.
        mine = [
            one.filter(pc.equal(pc.bit_wise_and(pc.shift_right(one, 56), SHARES - 1), share)) for one in tails
        ]
        values = pa.concat_arrays(mine)
        if len(values) > 1:
            ordered = values.take(pc.array_sort_indices(values))
            after = ordered.slice(1)
            found.append(after.filter(pc.equal(after, ordered.slice(0, len(after)))))
    return pc.unique(pa.concat_arrays(found)) if found else pa.array([], pa.int64())
