"""Which lines of a settled period came too late to count, where a program ignores late lines.

The store keeps every line as it is now, and of what was counted when a period was settled the totals. A line that came, or
was changed, after the closing shows that by its own stamp or its order's; a stamp alone does not tell a late line from one
that was only looked at again. So what is left without them is held against what was counted. Where not exactly one answer
fits, the difference stands beside the lines, so that what is listed always adds up to what was settled.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import combinations
from typing import Any, NamedTuple

from rebates.program import Program
from rebates.versions import terms_on
from state.evidence import ContributionView, LineView

LATE = "came after the period was settled on {day}: late lines do not count"
UNSURE = "came or was changed after the period was settled on {day}, which stays as it was"
FEW = 8  # lines of which every part is held against what was counted


class Sum(NamedTuple):
    """What lines come to."""

    amount: Decimal
    quantity: Decimal
    lines: int

    def __sub__(self, other: Sum) -> Sum:
        return Sum(self.amount - other.amount, self.quantity - other.quantity, self.lines - other.lines)


@dataclass(frozen=True)
class AsSettled:
    """What was counted when a period was settled: orders as far as they are as they were, late lines with the reason, and
    `otherwise`, what was counted in a way that the lines do not show any more."""

    counted: list[ContributionView]
    late: list[tuple[LineView, str]]
    otherwise: Sum | None = None


def as_settled(
    program: Program,
    counted: Sequence[ContributionView],
    lines: Sequence[LineView],
    document: Mapping[str, Any],
    settled_at: datetime,
) -> AsSettled:
    """`counted` and `lines`: what counts by the rules now; `document`: the standing as it was settled."""
    own = program.qualifiers[0].bucket
    goal = Sum(
        Decimal(document["qualifying_amount"]), Decimal(document["qualifying_quantity"]), document["lines"]
    )
    one_currency = all(one.currency in ("", document["currency"]) for one in counted)
    changed = [line for line in lines if line.changed_at > settled_at]
    touched = [line for line in lines if max(line.changed_at, line.order_changed_at) > settled_at]
    day = f"{settled_at:%Y-%m-%d}"

    def lacking(some: Collection[LineView]) -> Sum:
        found = goal - _sum(_without(program, counted, some), own)
        return found if one_currency else found._replace(amount=Decimal(0))

    late = next((some for some in (touched, changed, []) if not any(lacking(some))), None)
    if late is None and len(touched) <= FEW:
        fitting = [some for some in _parts(touched) if not any(lacking(some))]
        late = list(fitting[0]) if len(fitting) == 1 else None
    if late is not None:
        return AsSettled(_without(program, counted, late), [(line, LATE.format(day=day)) for line in late])
    reasons = [(line, UNSURE.format(day=day)) for line in touched]
    return AsSettled(_without(program, counted, touched), reasons, lacking(touched) if one_currency else None)


def _parts(lines: Sequence[LineView]) -> Iterator[tuple[LineView, ...]]:
    for many in range(1, len(lines)):
        yield from combinations(lines, many)


def _without(
    program: Program, counted: Sequence[ContributionView], lines: Collection[LineView]
) -> list[ContributionView]:
    """What orders add without some of their lines; those of which nothing is left are not there."""
    found = []
    for one in counted:
        mine = [
            line
            for line in lines
            if line.order_id == one.order_id and one.bucket in _buckets_of(line, program)
        ]
        kept = replace(
            one,
            amount=one.amount - sum((line.amount for line in mine), Decimal(0)),
            quantity=one.quantity - sum((line.quantity for line in mine), Decimal(0)),
            lines=one.lines - len(mine),
        )
        if kept.lines or not mine:
            found.append(kept)
    return found


def _buckets_of(line: LineView, program: Program) -> set[str]:
    """The counters that a line counts in."""
    when = line.ordered_on or line.ordered_at
    terms = program if when is None else terms_on(program, program.day_of(when))
    fields = line.asked(terms)
    names = {bucket.name for bucket in terms.own_buckets if bucket.why_not(*fields) is None}
    return names if terms.effective == program.effective else {terms.name_before(name) for name in names}


def _sum(counted: Sequence[ContributionView], bucket: str) -> Sum:
    """Of one counter, over all versions."""
    mine = [one for one in counted if one.bucket.partition("@")[0] == bucket]
    return Sum(
        sum((one.amount for one in mine), Decimal(0)),
        sum((one.quantity for one in mine), Decimal(0)),
        sum(one.lines for one in mine),
    )
