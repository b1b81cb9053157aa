"""The files of an offline trial: order lines, accounts, products, rates and targets from CSV.

A row that cannot be read is set aside with its line, field and reason; the rest goes on. A file whose header
lacks a needed column is refused as a whole.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from jobs.refusals import Unusable
from rebates.currency import ALWAYS, DatedRate
from rebates.money import from_micro, parse_number, shown, text, to_micro
from rebates.problems import did_you_mean
from rebates.totals import Target
from rebates.two_readings import both, could_be_thousands

ORDER_COLUMNS = ("order_id", "line_id", "account_id", "date", "quantity", "amount")
OPTIONAL_COLUMNS = (
    "currency", "status", "product_id", "product_code", "product_family", "order_type", "region", "original_order_id",
    "received", "agreement",
)  # fmt: skip
LARGEST = 2**63 - 1  # millionths
AMOUNTS = ("quantity", "amount", "target", "baseline")
T = TypeVar("T")


@dataclass(frozen=True)
class SetAside:
    """A row that could not be read. `line` is its line in the file, the header being line 1."""

    file: str
    line: int
    field: str
    reason: str
    id: str = ""


@dataclass(frozen=True)
class TrialLine:
    """One order line as the file has it; `when` is a day, or an aware instant."""

    number: int
    order_id: str
    line_id: str
    account_id: str
    when: date | datetime
    quantity: Decimal
    amount: Decimal
    currency: str | None
    original_order_id: str | None
    received: date | None
    fields: Mapping[str, str]  # every other column that has a value


@dataclass
class TrialFiles:
    """All that was read, and what was not."""

    lines: list[TrialLine] = field(default_factory=list)
    accounts: dict[str, dict[str, str]] = field(default_factory=dict)
    products: dict[str, dict[str, str]] = field(default_factory=dict)
    rates: list[DatedRate] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)


class _Unreadable(ValueError):
    def __init__(self, field_name: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field_name


@dataclass(frozen=True)
class _Layout:
    """The columns of one kind of file; `aliases` are names that other systems give to them.

    A row is there once by its `key` columns: `one` says in words what they name.
    """

    needed: tuple[str, ...]
    known: tuple[str, ...]
    key: tuple[str, ...]
    one: str
    aliases: Mapping[str, str] = field(default_factory=dict)

    def column(self, name: str) -> str:
        plain = name.strip().lower().replace(" ", "_")
        return self.aliases.get(plain, plain)


_ORDERS = _Layout(
    ORDER_COLUMNS, (*ORDER_COLUMNS, *OPTIONAL_COLUMNS), ("order_id", "line_id"), "order and line"
)
_ACCOUNTS = _Layout(
    ("id",), ("id", "name", "type", "region", "parent_id", "active_from", "active_to"), ("id",), "account",
    {"account_id": "id", "account": "id", "member": "id"},
)  # fmt: skip
_PRODUCTS = _Layout(
    ("id",),
    ("id", "name", "code", "family"),
    ("id",),
    "product",
    {"product_id": "id", "product": "id", "product_code": "code", "product_family": "family"},
)
_RATES = _Layout(
    ("currency", "rate"), ("currency", "rate", "starts_on", "source"), ("currency", "starts_on"), "currency and day",
    {"date": "starts_on", "from": "starts_on", "start_date": "starts_on", "valid_from": "starts_on", "iso_code": "currency"},
)  # fmt: skip
_TARGETS = _Layout(
    ("account_id",), ("account_id", "period", "target", "baseline"), ("account_id", "period"), "account and period",
    {"member": "account_id", "account": "account_id", "id": "account_id"},
)  # fmt: skip


def read_trial_files(
    orders: Path, *, accounts: Path | None = None, products: Path | None = None, rates: Path | None = None,
    targets: Path | None = None,
) -> TrialFiles:  # fmt: skip
    """Read all given files. `Unusable` when one is missing, is no CSV, or lacks a needed column."""
    files = TrialFiles()
    files.lines = list(_read(orders, _ORDERS, _line, files.set_aside))
    if accounts is not None:
        files.accounts = read_accounts(accounts, files.set_aside)
    if products is not None:
        files.products = {row["id"]: row for row in _read(products, _PRODUCTS, _record, files.set_aside)}
    if rates is not None:
        files.rates = list(_read(rates, _RATES, _rate, files.set_aside))
    if targets is not None:
        files.targets = list(_read(targets, _TARGETS, _target, files.set_aside))
    return files


def read_accounts(path: Path, aside: list[SetAside] | None = None) -> dict[str, dict[str, str]]:
    """Account records by id; unreadable rows go to `aside`."""
    return {row["id"]: row for row in _read(path, _ACCOUNTS, _record, [] if aside is None else aside)}


def read_targets(path: Path, text: str | None = None) -> tuple[list[Target], list[SetAside]]:
    """Targets of a file (or of the text that it had), and the rows that could not be read."""
    aside: list[SetAside] = []
    return list(_parse(path, _text_of(path) if text is None else text, _TARGETS, _target, aside)), aside


def _read(
    path: Path, layout: _Layout, make: Callable[[int, dict[str, str]], T], aside: list[SetAside]
) -> Iterator[T]:
    return _parse(path, _text_of(path), layout, make, aside)


def _parse(
    path: Path, text: str, layout: _Layout, make: Callable[[int, dict[str, str]], T], aside: list[SetAside]
) -> Iterator[T]:
    """Every row that can be read, once; the others go to `aside` with the line that they begin in."""
    first, _, _ = text.partition("\n")
    if not text.strip():
        raise Unusable(f"{path}: is empty", f"the first line names the columns: {','.join(layout.needed)}")
    delimiter = max(",;\t", key=first.count)
    thousands = _could_be_thousands(text, layout) if delimiter == ";" else frozenset[str]()
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    seen: dict[tuple[str, ...], int] = {}
    try:
        header = [layout.column(name) for name in next(reader)]
        _check_header(path, header, layout.needed, layout.known)
        following = reader.line_num + 1
        for cells in reader:
            number, following = following, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            row = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if cell.strip()}
            try:
                if len(cells) != len(header):
                    raise _Unreadable("", f"has {len(cells)} columns, the header has {len(header)}")
                for name in thousands & row.keys():
                    _one_reading(row[name], name)
                key = tuple(row.get(name, "") for name in layout.key)
                made = make(number, row)
                first_line = seen.setdefault(key, number)
                if first_line != number:
                    raise _Unreadable(layout.key[-1], f"the same {layout.one} as in line {first_line}")
            except _Unreadable as problem:
                known_as = row.get("line_id") or row.get("id", "")
                aside.append(SetAside(path.name, number, problem.field, str(problem), known_as))
            else:
                yield made
    except csv.Error as error:
        raise Unusable(
            f"{path}: line {reader.line_num}: {error}", "is the file a CSV with one row a line?"
        ) from None


def _could_be_thousands(text: str, layout: _Layout) -> frozenset[str]:
    """Columns of numbers in which no point can only stand before decimals. A file with semicolons mostly comes from where
    the comma does."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=";")
    with suppress(csv.Error):  # which is told where the rows are read
        header = [layout.column(name) for name in next(rows)]
        mine = {n: name for n, name in enumerate(header) if name in AMOUNTS}
        found, decimal = set[str](), set[str]()
        for cells in rows:
            for n, name in mine.items():
                if n < len(cells) and "." in cells[n]:
                    (found if could_be_thousands(cells[n]) else decimal).add(name)
        return frozenset(found - decimal)
    return frozenset()


def _one_reading(raw: str, name: str) -> None:
    if could_be_thousands(raw):
        thousands, decimals = both(raw)
        raise _Unreadable(
            name, f"{raw!r} is {thousands} to some and {decimals} to others: write {thousands}, or {decimals}"
        )


def _text_of(path: Path) -> str:
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unusable(
            f"{path}: is not UTF-8 text (byte {error.start})", "save the file as CSV UTF-8"
        ) from None
    if "\0" in text:  # UTF-16 without its mark reads as UTF-8 with a zero beside every letter
        raise Unusable(
            f"{path}: is not UTF-8 text (zero at byte {text.index(chr(0))})", "save the file as CSV UTF-8"
        )
    return text


def _check_header(path: Path, header: list[str], needed: tuple[str, ...], known: tuple[str, ...]) -> None:
    missing = [name for name in needed if name not in header]
    if missing:
        extra = [name for name in header if name not in known]
        near = [f"{name}: {hint}" for name in missing if (hint := did_you_mean(name, extra))]
        raise Unusable(
            f"{path}: the column{'s' if len(missing) > 1 else ''} {', '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing",
            "; ".join(near) or f"the first line names the columns: {','.join(needed)}",
        )
    doubled = sorted({name for name in header if name and header.count(name) > 1})
    if doubled:
        raise Unusable(f"{path}: the column {doubled[0]} is there twice")


def _need(row: Mapping[str, str], name: str) -> str:
    if name not in row:
        raise _Unreadable(name, "is empty")
    return row[name]


def _number(row: Mapping[str, str], name: str) -> Decimal:
    raw = _need(row, name)
    try:
        return parse_number(raw)
    except ValueError as error:
        raise _Unreadable(name, str(error)) from None


def _amount(row: Mapping[str, str], name: str) -> Decimal:
    """A number that the store can hold: six decimals, 64 bits of millionths."""
    value = _number(row, name)
    try:
        micro = to_micro(value)
    except ValueError as error:
        raise _Unreadable(name, f"{error}: round it first, as in {text(shown(Fraction(value)))}") from None
    if abs(micro) > LARGEST:
        raise _Unreadable(name, f"{text(value)} is larger than {text(from_micro(LARGEST))}")
    return value


def _when(row: Mapping[str, str], name: str) -> date | datetime:
    raw = _need(row, name)
    try:
        if len(raw) == 10:
            return date.fromisoformat(raw)
        moment = datetime.fromisoformat(raw)
    except ValueError:
        raise _Unreadable(
            name, f"{raw!r} is not a day (2026-01-31) or a moment (2026-01-31T10:00:00Z)"
        ) from None
    if not MINYEAR < moment.year < MAXYEAR:  # elsewhere on earth it is a day that no calendar here has
        raise _Unreadable(name, f"{raw!r} is too far away")
    return moment.date() if moment.tzinfo is None else moment.astimezone(UTC)


def _day(row: Mapping[str, str], name: str) -> date | None:
    if name not in row:
        return None
    found = _when(row, name)
    return found.date() if isinstance(found, datetime) else found


def _line(number: int, row: dict[str, str]) -> TrialLine:
    known = (*ORDER_COLUMNS, "currency", "original_order_id", "received")
    return TrialLine(
        number, _need(row, "order_id"), _need(row, "line_id"), _need(row, "account_id"), _when(row, "date"),
        _amount(row, "quantity"), _amount(row, "amount"), (row.get("currency") or "").upper() or None,
        row.get("original_order_id"), _day(row, "received"),
        {name: value for name, value in row.items() if name not in known},
    )  # fmt: skip


def _record(number: int, row: dict[str, str]) -> dict[str, str]:
    _need(row, "id")
    for name in ("active_from", "active_to"):
        if name in row:
            _when(row, name)
            row[name] = datetime.fromisoformat(row[name]).date().isoformat()  # the day as it is written
    return row


def _rate(number: int, row: dict[str, str]) -> DatedRate:
    rate = _number(row, "rate")
    if rate <= 0:
        raise _Unreadable("rate", f"{row['rate']} is not above zero")
    return DatedRate(
        _need(row, "currency").upper(), rate, _day(row, "starts_on") or ALWAYS, row.get("source", "")
    )


def _target(number: int, row: dict[str, str]) -> Target:
    member = _need(row, "account_id")
    target = _amount(row, "target") if "target" in row else None
    baseline = _amount(row, "baseline") if "baseline" in row else None
    return Target(member, row.get("period"), target, baseline)
