"""Rows of the org, as text, into a typed batch and the rows that could not be read.

A bad row is a value here, never an exception: good rows flow, bad ones say which field and why, and never carry
a customer's data into a message. A row that says it is deleted is a deletion, whatever else of it cannot be read, and so
is one that the mapping skips and an order that is not active. Such an order needs no day, either: it counts on none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from mappings import columns, scalars
from mappings.canonical import DAY_ATTRIBUTES, ENTITIES, GONE, Field
from mappings.columns import Column
from mappings.expression import CannotCompute, Expression
from mappings.model import SYSTEM_FIELDS, Mapping, PullEntity, Source

# Which column says whose a record is.
PARENT = {"order_line": "order_id", "order": "account_id", "account": "parent_id"}
KIND_CAP = 40  # a value of a list is as long at most; a longer one is a sentence of somebody
FEW_DIGITS = 4  # more are a number of somebody
OF_LINES = ("currency", "order_currency")  # of an order line: its own currency, and its order's
SKIP = "skip"  # `other`: a record of such a value is none of ours
WHOSE = ("account_id", "active")  # of an order: whose it is, and whether it counts


@dataclass(frozen=True)
class Rejected:
    """A row set aside. `field` is the canonical name; `code` a key of `scalars.REASONS`. No value of the row is in it,
    but one that a list of values (`values`) lacks: it names a kind, not a person (docs/decisions/0345)."""

    entity: str
    object: str
    id: str
    field: str
    code: str
    message: str
    parent: str | None = (
        None  # of a line its order's id, of an order its account's, of an account its parent's, if readable
    )


@dataclass(frozen=True)
class Inbound:
    """`table` has the schema of the entity; read rows = its rows + those of `gone` + rejected + skipped."""

    table: pa.Table
    rejected: tuple[Rejected, ...] = ()
    gone: pa.Table = field(default_factory=GONE.empty_table)  # deleted or skipped, and not readable otherwise
    skipped: int = 0  # by `other = "skip"`, where the entity cannot carry a deletion


class MissingColumn(ValueError):
    """A page without a column that the mapping selected: a fault of ours, not of a row."""


def reader(entity: PullEntity, mapping: Mapping) -> Reader:
    """A reader for the pages of one entity; keep it for all of them."""
    return Reader(entity, ZoneInfo(mapping.time_zone), one_currency=mapping.currency == "corporate")


class Reader:
    """Reads pages whose columns are the SOQL paths as selected, all text."""

    def __init__(self, pull: PullEntity, zone: ZoneInfo, *, one_currency: bool = False) -> None:
        self.pull = pull
        self.entity = ENTITIES[pull.entity]
        self._zone = zone
        self._one_currency = one_currency
        self._attributes = pull.attributes

    def read(self, page: pa.Table) -> Inbound:
        """The rows that could be read, in the page's order, and the rest with reasons. Raises MissingColumn."""
        page_columns = _Page(page)
        rows = page.num_rows
        bad: dict[int, tuple[str, str]] = {}  # row -> first bad field, code
        skipped: set[int] = set()
        arrays: dict[str, pa.Array] = {}
        unclear: set[int] = set()  # rows that do not tell whom an account was merged into
        idle: set[int] = set()  # orders that are not active
        for one in self.entity.fields:
            column = self._column(one, page_columns, rows)
            _note(bad, one.name, column)
            skipped |= column.skip
            if one.required and column.array.null_count:
                for row in _null_rows(column.array):
                    if row not in column.skip:
                        bad.setdefault(row, (one.name, "missing"))
            if one.name == "master_id":
                unclear |= column.bad.keys()
            if (self.entity.name, one.name) == ("order", "active"):
                idle = _not_active(column)
            arrays[one.name] = column.array
        self._require_a_day(arrays, bad, idle)
        self._require_the_orders_currency(page_columns, rows, bad)
        if self.entity.has_attributes:
            arrays["attributes"] = self._attributes_json(page_columns, rows, bad, skipped)
        skipped -= unclear
        if skipped:
            self._leave_out(arrays, skipped, bad)
        if nobodys := idle & bad.keys():
            arrays["deleted"] = _with_true(arrays["deleted"], nobodys)
        gone = self._gone(arrays, (bad.keys() | skipped) - unclear)
        skipped.difference_update(gone, bad)
        table = pa.table([arrays[name] for name in self.entity.schema.names], schema=self.entity.schema)
        if bad or skipped or gone:
            out = bad.keys() | skipped | set(gone)
            keep = pa.array([row not in out for row in range(rows)], pa.bool_())
            table = table.filter(keep)
        parents = arrays.get(PARENT.get(self.entity.name, ""))
        for row in gone:
            bad.pop(row, None)
        rejected = self._rejected(page_columns, bad, parents)
        return Inbound(table, rejected, _deletions(arrays, gone), len(skipped))

    @property
    def telling(self) -> tuple[str, ...]:
        """The paths that tell which records `read` leaves out although the org shows them; empty where it leaves out none."""
        sources = [source for source in self.pull.fields.values() if source.other == SKIP]
        paths = [path for source in sources for path in source.needs]
        if sources and self.entity.field("master_id") is not None:
            merged = self.pull.fields.get("master_id")
            paths += [SYSTEM_FIELDS["master_id"]] if merged is None else merged.needs
        if self._has_drafts:
            paths += [path for name in WHOSE for path in self.pull.fields[name].needs]
        return tuple({path.lower(): path for path in paths}.values())

    def left_out(self, page: pa.Table) -> set[int]:
        """Which rows of a page with the columns of `telling` are none of ours: those that the mapping skips, and orders that
        have no account and are not active."""
        page_columns, rows = _Page(page), page.num_rows
        out: set[int] = set()
        for name, source in self.pull.fields.items():
            if source.other == SKIP:
                out |= self._told_by(name, page_columns, rows).skip
        if out and (master := self.entity.field("master_id")) is not None:
            out -= self._column(master, page_columns, rows).bad.keys()
        if self._has_drafts:
            account, active = (self._told_by(name, page_columns, rows) for name in WHOSE)
            out |= set(_null_rows(account.array)) & _not_active(active) - account.bad.keys()
        return out

    @property
    def _has_drafts(self) -> bool:
        return self.entity.name == "order" and self.pull.fields.keys() >= set(WHOSE)

    def _told_by(self, name: str, page: _Page, rows: int) -> Column:
        """A column by its left-hand name, an attribute as JSON."""
        field = self.entity.field(name)
        return self._attribute(name, page, rows) if field is None else self._column(field, page, rows)

    def _column(self, field: Field, page: _Page, rows: int) -> Column:
        source = self.pull.fields.get(field.name)
        if source is None:
            system = SYSTEM_FIELDS.get(field.name)
            if system is None:
                return Column(pa.nulls(rows, self.entity.schema.field(field.name).type))
            source = Source(paths=(system,))
        texts, bad = _texts(source, page, rows)
        column = columns.convert(field.kind, source, texts, self._zone)
        column.bad.update(bad)
        if (self.entity.name, field.name) == ("order", "active"):
            column.array = pc.fill_null(column.array, _when_empty(source))
        return column

    def _attributes_json(
        self, page: _Page, rows: int, bad: dict[int, tuple[str, str]], skipped: set[int]
    ) -> pa.Array:
        """Sorted keys, put together column by column."""
        if not self._attributes:
            return pa.repeat("{}", rows)
        pieces: list[pa.Array | pa.Scalar] = []
        for index, name in enumerate(self._attributes):
            column = self._attribute(name, page, rows)
            _note(bad, name, column)
            skipped |= column.skip
            pieces.append(pa.scalar(f'{"{" if index == 0 else ", "}"{name}": '))
            pieces.append(pc.fill_null(column.array, "null"))
        return pc.binary_join_element_wise(*pieces, pa.scalar("}"), pa.scalar(""))

    def _attribute(self, name: str, page: _Page, rows: int) -> Column:
        source = self.pull.fields[name]
        texts, failed = _texts(source, page, rows)
        is_day = name in DAY_ATTRIBUTES.get(self.entity.name, ())
        column = columns.convert_attribute(source, texts, self._zone, is_day=is_day)
        column.bad.update(failed)
        return column

    def _require_a_day(
        self, arrays: dict[str, pa.Array], bad: dict[int, tuple[str, str]], idle: set[int]
    ) -> None:
        """An order that counts has a business day or a business instant; one that is not active may get it later."""
        if self.entity.name != "order" or not arrays["ordered_on"].null_count:
            return
        neither = pc.and_(pc.is_null(arrays["ordered_on"]), pc.is_null(arrays["ordered_at"]))
        mapped = "ordered_on" if "ordered_on" in self.pull.fields else "ordered_at"
        for row in set(pc.indices_nonzero(neither).to_pylist()) - idle:
            bad.setdefault(row, (mapped, "missing"))

    def _require_the_orders_currency(self, page: _Page, rows: int, bad: dict[int, tuple[str, str]]) -> None:
        """A line counts in its order's currency: one of our own objects may have another one."""
        if (
            self._one_currency
            or self.entity.name != "order_line"
            or not self.pull.fields.keys() >= set(OF_LINES)
        ):
            return
        own, theirs = (self._column(Field(name, "text"), page, rows).array for name in OF_LINES)
        for row in pc.indices_nonzero(pc.fill_null(pc.not_equal(own, theirs), False)).to_pylist():
            bad.setdefault(row, (OF_LINES[0], "other_currency"))

    def _leave_out(
        self, arrays: dict[str, pa.Array], skipped: set[int], bad: dict[int, tuple[str, str]]
    ) -> None:
        """Rows that are not ours: nobody has to mend what else of them cannot be read. Those that are whole stand in the
        batch as deleted and leave `skipped`; the others are deletions by their id."""
        if self.entity.field("deleted") is None:
            for row in skipped:
                bad.pop(row, None)
            return
        arrays["deleted"] = _with_true(arrays["deleted"], skipped)
        whole = self._whole_rows(arrays, skipped)
        for row in whole:
            bad.pop(row, None)
        skipped -= whole

    def _gone(self, arrays: dict[str, pa.Array], bad: set[int]) -> list[int]:
        """Those of the bad rows that are deletions: which record, and as of when, is all that has to be known."""
        if not bad or self.entity.field("deleted") is None:
            return []
        deleted, ids, stamps = arrays["deleted"], arrays["id"], arrays["modstamp"]
        return [
            row for row in sorted(bad) if deleted[row].as_py() and ids[row].is_valid and stamps[row].is_valid
        ]

    def _whole_rows(self, arrays: dict[str, pa.Array], rows: set[int]) -> set[int]:
        """Those of the rows that have every required value, so that they can stand in the batch as deleted."""
        required = [arrays[field.name] for field in self.entity.fields if field.required]
        return {row for row in rows if all(array[row].is_valid for array in required)}

    def _rejected(
        self, page: _Page, bad: dict[int, tuple[str, str]], parents: pa.Array | None
    ) -> tuple[Rejected, ...]:
        ids = page.texts("Id") if bad else None
        out = []
        for row, (name, code) in sorted(bad.items()):
            id_ = _presentable_id(ids[row].as_py()) if ids is not None else ""
            out.append(
                Rejected(
                    self.pull.entity,
                    self.pull.object,
                    id_,
                    name,
                    code,
                    f"{self._where(name)} {scalars.REASONS[code]}{self._without_rule(page, row, name, code)}",
                    None if parents is None else parents[row].as_py(),
                )
            )
        return tuple(out)

    def _without_rule(self, page: _Page, row: int, name: str, code: str) -> str:
        """Which value it was that the list has no rule for: `: "Shipped"`. Not what looks like no name of a kind."""
        source = self.pull.fields.get(name)
        if code != "no_rule" or source is None:
            return ""
        found = (page.texts(path)[row].as_py() for path in source.paths)
        value = next((text for text in found if text is not None), None)
        if (
            value is None
            or len(value) > KIND_CAP
            or "@" in value
            or sum(map(str.isdigit, value)) > FEW_DIGITS
        ):
            return ""
        return f': "{value}"'

    def _where(self, name: str) -> str:
        """`amount (TotalPrice)`: our name and the org's."""
        source = self.pull.fields.get(name)
        paths = source.needs if source is not None else (SYSTEM_FIELDS.get(name, ""),)
        return f"{name} ({', '.join(path for path in paths if path)})"


class _Page:
    """The text columns of a page by path, without regard to letter case, each cleaned once."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._by_name = {name.lower(): index for index, name in enumerate(table.column_names)}
        self._texts: dict[str, pa.Array] = {}

    def texts(self, path: str) -> pa.Array:
        key = path.lower()
        if key not in self._texts:
            if key not in self._by_name:
                raise MissingColumn(f"the page has no column {path}")
            self._texts[key] = columns.text_array(self._table.column(self._by_name[key]))
        return self._texts[key]


def _texts(source: Source, page: _Page, rows: int) -> tuple[pa.Array, dict[int, str]]:
    """The raw texts of a source, and the rows for which `expr` has no value."""
    if source.const is not None:
        return pa.repeat(columns.scalar_text(source.const), rows), {}
    if source.expr is not None:
        return _computed(source.expr, page, rows)
    if len(source.paths) == 1:
        return page.texts(source.paths[0]), {}
    return pc.coalesce(*(page.texts(path) for path in source.paths)), {}


def _computed(expr: Expression, page: _Page, rows: int) -> tuple[pa.Array, dict[int, str]]:
    inputs: list[tuple[str, list[str | None]]] = [(path, page.texts(path).to_pylist()) for path in expr.paths]
    results: list[str | None] = []
    bad: dict[int, str] = {}
    for row in range(rows):
        try:
            value = expr.value({path: texts[row] for path, texts in inputs})
            results.append(None if value is None else columns.scalar_text(value))
        except CannotCompute:
            bad[row] = "not_computable"
            results.append(None)
        except scalars.BadValue as error:
            bad[row] = error.code
            results.append(None)
    return pa.array(results, pa.string()), bad


def _note(bad: dict[int, tuple[str, str]], name: str, column: Column) -> None:
    for row, code in column.bad.items():
        bad.setdefault(row, (name, code))


def _not_active(active: Column) -> set[int]:
    """Orders that say they are not active: carts, drafts, what was cancelled. They count for nobody, so there is nothing to
    mend; what such an order was before counts no more, and it comes back once it is active and can be read."""
    return (
        set(pc.indices_nonzero(pc.fill_null(pc.equal(active.array, False), False)).to_pylist())
        - active.bad.keys()
    )


def _null_rows(array: pa.Array) -> list[int]:
    rows: list[int] = pc.indices_nonzero(pc.is_null(array)).to_pylist()
    return rows


def _deletions(arrays: dict[str, pa.Array], rows: list[int]) -> pa.Table:
    if not rows:
        return GONE.empty_table()
    nobody = pa.nulls(len(rows), pa.string())
    return pa.table(
        [arrays[name].take(pa.array(rows)) if name in arrays else nobody for name in GONE.names], schema=GONE
    )


def _with_true(array: pa.Array, rows: set[int]) -> pa.Array:
    values = array.to_pylist()
    for row in rows:
        values[row] = True
    return pa.array(values, pa.bool_())


def _when_empty(source: Source) -> bool:
    """Whether an order counts that the org says nothing of, where the mapping asks: as any other status that no rule knows,
    and else not. Null is left to mappings that do not ask."""
    return source.other if isinstance(source.other, bool) else False


def _presentable_id(text: str | None) -> str:
    try:
        return scalars.record_id(text or "")
    except scalars.BadValue:
        return ""
