"""Conditions on what differs from row to row (an order's number, a line's amount), as predicates of the one statement.

Kinds answer for whole groups of rows; an amount or a number has no groups. Such a condition is written out over
scaled integers and exact text, so that SQLite, PostgreSQL and `Condition.holds` give one answer: numbers and days
compare by value, text as it is written, letter by letter, whatever the database's collation.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import date
from fractions import Fraction
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, not_, or_, select, true

from rebates.conditions import Condition, Filter
from rebates.money import parse_number
from rebates.periods import midnight
from rebates.qualifiers import Bucket
from state.dating import OWN, Dated, Days
from state.instants import micros
from state.tables.base import FIRST_AT, LAST_AT
from state.tables.facts import accounts, order_lines, orders, products

_ROOM = 2**63 - 1  # of a BIGINT
_MICRO = 1_000_000
_RANGE = ("at_least", "at_most", "above", "below")


def _account_id() -> ColumnElement[Any]:
    return select(accounts.c.sf_id).where(accounts.c.pk == orders.c.account_pk).scalar_subquery()


def _product_id() -> ColumnElement[Any]:
    return select(products.c.sf_id).where(products.c.pk == order_lines.c.product_pk).scalar_subquery()


# What the store asks of each row; all else that a program may name is part of its kind.
TEXTS: dict[tuple[str, str], ColumnElement[Any]] = {
    ("order", "id"): orders.c.sf_id,
    ("order", "number"): orders.c.number,
    ("order", "account_id"): _account_id(),
    ("order", "original_order_id"): orders.c.original_order_id,
    ("line", "id"): order_lines.c.sf_id,
    ("line", "order_id"): orders.c.sf_id,
    ("line", "product_id"): _product_id(),
}
NUMBERS: dict[tuple[str, str], ColumnElement[Any]] = {
    ("line", "amount"): order_lines.c.amount_e6,
    ("line", "quantity"): order_lines.c.quantity_e6,
}
# An order that has an instant and no day is of the day that it is in the program's time zone, as its period is.
DAYS: dict[tuple[str, str], Dated] = {("order", "ordered_on"): OWN}
# Stamps of the records themselves: no rule of a program can mean them.
NEVER = {
    ("order", "ordered_at"),
    *((side, name) for side in ("order", "line") for name in ("deleted", "modstamp")),
}


def about_rows(condition: Condition) -> bool:
    """Whether a condition is asked of each row instead of its kind."""
    place = (condition.side, condition.field)
    return place in TEXTS or place in NUMBERS or place in DAYS


def why_not_expressible(condition: Condition) -> str | None:
    """What the store would get wrong about a condition; None: nothing."""
    place, name = (condition.side, condition.field), f"{condition.side}.{condition.field}"
    if place in NEVER:
        return f"it filters on {name}, which is no term of a program"
    if place in TEXTS and any(getattr(condition, form) is not None for form in _RANGE):
        return f"it compares {name} as a range; the store can ask whether it is one of some, or begins with a text"
    if (place in NUMBERS or place in DAYS) and (condition.prefix or condition.under):
        return f"it asks how {name} begins; give a range"
    return None


def without(bucket: Bucket) -> Bucket:
    """What a bucket asks of kinds, products and accounts."""
    kept = tuple(one for one in bucket.filter.conditions if not about_rows(one))
    return replace(bucket, filter=Filter(kept))


def written(bucket: Bucket) -> str | None:
    """A bucket's conditions on rows as the store keeps them; None: it has none."""
    mine = [asdict(one) for one in bucket.filter.conditions if about_rows(one)]
    return json.dumps(mine, sort_keys=True) if mine else None


def read(kept: str) -> tuple[Condition, ...]:
    """What `written` wrote."""
    rows: list[dict[str, Any]] = json.loads(kept)
    return tuple(Condition(**{key: _frozen(value) for key, value in one.items()}) for one in rows)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def holds(conditions: Iterable[Condition], zone: str) -> ColumnElement[bool]:
    """The predicate over `orders` and `order_lines` that all conditions hold; days are those of a time zone."""
    return and_(true(), *(_holds(one, zone) for one in conditions))


def _holds(condition: Condition, zone: str) -> ColumnElement[bool]:
    place = (condition.side, condition.field)
    if place in TEXTS:
        return _text(condition, TEXTS[place])
    if place in NUMBERS:
        return _number(condition, NUMBERS[place])
    return _day(condition, DAYS[place], zone)


def _text(condition: Condition, column: ColumnElement[Any]) -> ColumnElement[bool]:
    value = func.nullif(column, "")  # an empty text is a missing one
    tests: list[ColumnElement[bool]] = []
    if condition.present is not None:
        tests.append(value.is_not(None) if condition.present else value.is_(None))
    if condition.one_of is not None:
        tests.append(column.in_([one for one in condition.one_of if one]))
    if condition.not_in:
        tests.append(or_(value.is_(None), column.not_in(condition.not_in)))
    if condition.prefix:
        tests.append(or_(*(_begins(func.coalesce(column, ""), one) for one in condition.prefix)))
    if condition.under:
        tests.append(or_(*(or_(value == node, _begins(value, f"{node}/")) for node in condition.under)))
    return and_(true(), *tests)


def _begins(value: ColumnElement[Any], start: str) -> ColumnElement[bool]:
    # No LIKE: SQLite's does not tell A from a.
    return func.substr(value, 1, len(start)) == start


def _number(condition: Condition, column: ColumnElement[Any]) -> ColumnElement[bool]:
    tests: list[ColumnElement[bool]] = []
    if condition.present is not None:
        tests.append(true() if condition.present else false())
    if condition.one_of is not None:
        tests.append(column.in_(_micros(condition.one_of)))
    if condition.not_in:
        tests.append(column.not_in(_micros(condition.not_in)))
    low, high = -_ROOM - 1, _ROOM
    for form in _RANGE:
        bound = getattr(condition, form)
        if bound is None:
            continue
        try:
            exact = Fraction(parse_number(bound)) * _MICRO
        except ValueError:
            return false()  # a number cannot be compared with it
        if form in ("at_least", "above"):
            low = max(low, math.ceil(exact) if form == "at_least" else math.floor(exact) + 1)
        else:
            high = min(high, math.floor(exact) if form == "at_most" else math.ceil(exact) - 1)
    return _between(tests, column, low, high, (-_ROOM - 1, _ROOM))


def _between(
    tests: list[ColumnElement[bool]], column: ColumnElement[Any], low: int, high: int, ends: tuple[int, int]
) -> ColumnElement[bool]:
    if low > high or low > ends[1] or high < ends[0]:
        return false()
    if low > ends[0]:
        tests.append(column >= low)
    if high < ends[1]:
        tests.append(column <= high)
    return and_(true(), *tests)


def _micros(values: Iterable[str]) -> list[int]:
    """Those of the values that an amount can have, in millionths."""
    found = []
    for one in values:
        try:
            exact = parse_number(one)
        except ValueError:
            continue
        scaled = Fraction(exact) * _MICRO
        if scaled.denominator == 1 and abs(scaled) <= _ROOM:
            found.append(int(scaled))
    return found


def _day(condition: Condition, dated: Dated, zone: str) -> ColumnElement[bool]:
    """Days are ordinals here and ISO text in conditions; a longer bound (an instant) lies within its day."""
    has_one = or_(dated.on.is_not(None), dated.at.is_not(None))
    tests: list[ColumnElement[bool]] = []
    if condition.present is not None:
        tests.append(has_one if condition.present else not_(has_one))
    if condition.one_of is not None:
        tests.append(_on_any(_ordinals(condition.one_of), dated, zone))
    if condition.not_in:
        tests.append(or_(not_(has_one), not_(_on_any(_ordinals(condition.not_in), dated, zone))))
    last = date.max.toordinal()
    low, high, bounded = 0, last, False
    for form in _RANGE:
        bound = getattr(condition, form)
        if bound is None:
            continue
        ordinal = next(iter(_ordinals([bound[:10]])), None)
        if ordinal is None:
            return false()  # a day cannot be compared with it
        bounded, within = True, len(bound) > 10
        if form in ("at_least", "above"):
            low = max(low, ordinal + (within or form == "above"))
        else:
            high = min(high, ordinal - (not within and form == "below"))
    if bounded:
        tests.append(_within(low, high, dated, zone))
    return and_(true(), *tests)


def _on_any(days: Iterable[int], dated: Dated, zone: str) -> ColumnElement[bool]:
    return or_(false(), *(_within(day, day, dated, zone) for day in days))


def _within(low: int, high: int, dated: Dated, zone: str) -> ColumnElement[bool]:
    """Between two days, both included; NULL only for an order that has neither."""
    if low > high:
        return false()
    return dated.within(Days(low, high + 1, _begins_at(low, zone), _begins_at(high + 1, zone)))


def _begins_at(ordinal: int, zone: str) -> int:
    """The instant at which a day begins; the calendar's own ends are those of time."""
    if ordinal <= date.min.toordinal() + 1:
        return FIRST_AT
    if ordinal >= date.max.toordinal():
        return LAST_AT
    return micros(midnight(date.fromordinal(ordinal), zone))


def _ordinals(values: Iterable[str]) -> list[int]:
    found = []
    for one in values:
        try:
            day = date.fromisoformat(one)
        except ValueError:
            continue
        if day.isoformat() == one:
            found.append(day.toordinal())
    return found


__all__ = ["about_rows", "holds", "read", "why_not_expressible", "without", "written"]
