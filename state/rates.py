"""Currency rates by date, kept by us: Salesforce overwrites the rate of orders and forgets the one before.

A rate is units of a currency per unit of the corporate one, as exact decimal text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, and_, delete, func, insert, select, update

from rebates.currency import ALWAYS, DatedRate, RateBook
from rebates.program import Program
from state import rejected
from state.dialects import upsert
from state.instants import moment
from state.tables.base import FIRST_DAY, LAST_DAY
from state.tables.facts import currency_rates
from state.tables.running import rejected_rows
from state.tables.work import dirty_kinds

Rates = dict[str, list[tuple[int, str]]]  # currency → (first day ordinal, rate), oldest first


def merge(tx: Connection, batch: pa.Table, now: datetime) -> tuple[int, int, int, int]:
    """Apply a pulled batch: (inserted, updated, unchanged, stale).

    A rate without a start day is the org's current one: the first ever seen holds from the beginning of time, a
    different one later from the day of its stamp on, and the old one stays for the days before. The same version of
    the org's record with another rate is no new rate: the mapping was another one, and what it made of it is replaced.
    One that no amount can be divided by is set aside.
    """
    counts = [0, 0, 0, 0]
    rows = batch.to_pylist()
    bad = [row for row in rows if not _usable(row["rate"])]
    for row in rows:
        if row in bad:
            continue
        before = known(tx).get(row["currency"], [])
        starts_on = row["starts_on"]
        if starts_on is None:
            if before and before[-1][1] == row["rate"]:
                _seen_as_late_as(tx, row["currency"], before[-1][0], row["modstamp"])
                counts[2] += 1
                continue
            starts_on = _same_version(tx, row["currency"], row["modstamp"])
            if starts_on is None:
                starts_on = moment(row["modstamp"]).date().toordinal() if before else FIRST_DAY
        counts[_save(tx, row["currency"], starts_on, row["rate"], "org", row["modstamp"])] += 1
    _readmit(tx, [row for row in rows if row not in bad])
    rejected.set_aside(tx, [_rejected(row) for row in bad], now=now)
    if counts[0] or counts[1]:
        _judge_again(tx)
    return counts[0], counts[1], counts[2], counts[3]


_KNOWN = select(currency_rates.c.currency, currency_rates.c.starts_on, currency_rates.c.rate).order_by(
    currency_rates.c.starts_on
)


def known(tx: Connection) -> Rates:
    """All rates. Not those that an earlier version let in although nothing can be divided by them."""
    out: Rates = {}
    for currency, starts_on, rate in tx.execute(_KNOWN):
        if _usable(rate):
            out.setdefault(currency, []).append((starts_on, rate))
    return out


def book(tx: Connection) -> RateBook:
    """All rates as the engine takes them."""
    return RateBook.of(
        DatedRate(currency, Decimal(rate), ALWAYS if starts_on == FIRST_DAY else date.fromordinal(starts_on))
        for currency, dated in known(tx).items()
        for starts_on, rate in dated
    )


def spans(rates: Rates, *, order_currency: str | None, program: Program) -> list[tuple[int, int]]:
    """The half-open spans of days over which an order currency has one rate for a program.

    A policy for whole periods has one for all of them. What growth is compared with may lie outside of the program's
    periods: there is no period whose rate it could take, so each line has that of its own day.
    """
    everything = [(FIRST_DAY, LAST_DAY)]
    policy = program.conversion.policy
    if order_currency is None or order_currency == program.currency or policy == "fixed":
        return everything
    dated = [*rates.get(program.currency, ()), *rates.get(order_currency or "", ())]
    if policy == "line_date":
        cuts = {FIRST_DAY, *(day for day, _ in dated)}
    else:
        own = {(period.start, period.end) for period in program.periods()}
        growth = program.growth
        compared = (
            {span for period in program.periods() for span in growth.windows(period)} if growth else set()
        )
        if compared <= own:
            return everything
        first = program.starts.toordinal()
        cuts = {FIRST_DAY, first, *(day for day, _ in dated if day < first)}
        if any(end > program.starts for _, end in compared - own):
            cuts |= {start.toordinal() for start, _ in own}
    ordered = sorted(cuts)
    return list(zip(ordered, [*ordered[1:], LAST_DAY], strict=True))


def _usable(rate: str) -> bool:
    try:
        return Decimal(rate).is_finite() and Decimal(rate) > 0
    except InvalidOperation:
        return False


def _readmit(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """What was set aside of these, by the row's id or by its currency, can be read now."""
    ids = {name for row in rows for name in (row["id"], row["currency"]) if name}
    mine = and_(rejected_rows.c.entity == "currency_rate", rejected_rows.c.sf_id.in_(sorted(ids)))
    tx.execute(delete(rejected_rows).where(mine))


def _rejected(row: Mapping[str, Any]) -> rejected.RejectedRow:
    """By its currency: that is how rates are kept here."""
    return rejected.RejectedRow("currency_rate", row["currency"], "rate", "rate is not above zero")


def _save(tx: Connection, currency: str, starts_on: int, rate: str, source: str, modstamp: int) -> int:
    """0 inserted, 1 updated, 2 unchanged, 3 stale: an index into the counts of a merge."""
    mine = and_(currency_rates.c.currency == currency, currency_rates.c.starts_on == starts_on)
    found = tx.execute(select(currency_rates.c.rate, currency_rates.c.modstamp).where(mine)).one_or_none()
    if found is None:
        tx.execute(
            insert(currency_rates),
            {
                "currency": currency,
                "starts_on": starts_on,
                "rate": rate,
                "source": source,
                "modstamp": modstamp,
            },
        )
        return 0
    if found.modstamp > modstamp:
        return 3
    if found.rate == rate:
        return 2
    tx.execute(update(currency_rates).where(mine).values(rate=rate, source=source, modstamp=modstamp))
    return 1


def _same_version(tx: Connection, currency: str, modstamp: int) -> int | None:
    """From when on holds what was read of this very version of the org's record."""
    mine = and_(currency_rates.c.currency == currency, currency_rates.c.modstamp == modstamp)
    first: int | None = tx.execute(select(func.min(currency_rates.c.starts_on)).where(mine)).scalar_one()
    return first


def _seen_as_late_as(tx: Connection, currency: str, starts_on: int, modstamp: int) -> None:
    """The record was saved again with the rate that it had."""
    mine = and_(currency_rates.c.currency == currency, currency_rates.c.starts_on == starts_on)
    tx.execute(
        update(currency_rates).where(mine, currency_rates.c.modstamp < modstamp).values(modstamp=modstamp)
    )


def _judge_again(tx: Connection) -> None:
    """Conversions depend on rates: the rules look at them again."""
    tx.execute(upsert(tx, dirty_kinds).values(side="rate", kind_pk=0).on_conflict_do_nothing())
