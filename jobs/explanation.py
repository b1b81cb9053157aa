"""Why a number is what it is: the ladder, every order that counted, every line that did not and the reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from jobs import periods
from jobs.app import App
from jobs.late_lines import Sum, as_settled
from jobs.refusals import Unusable
from jobs.settling import PeriodState
from rebates.hierarchy import SHARE
from rebates.program import Program
from rebates.totals import ALL
from rebates.versions import terms_on
from state import evidence, people, postings, standings
from state.evidence import ContributionView, LineView, Span
from state.people import Member
from state.postings import PostingView
from state.standings import StandingView

_ID = re.compile(r"\b[0-9A-Za-z]{18}\b")


@dataclass(frozen=True)
class NotCounted:
    """A line that does not count, and why."""

    line: LineView
    reason: str


@dataclass(frozen=True)
class Explanation:
    """Everything behind one standing."""

    standing: StandingView
    document: dict[str, Any]
    contributions: list[ContributionView]
    not_counted: list[NotCounted]
    postings: list[PostingView] = field(default_factory=list)
    period: PeriodState | None = None
    otherwise: Sum | None = None  # counted when it was settled, in a way that the lines do not show any more
    counter: str = ALL  # the counter that the tier is taken from
    names: Mapping[str, str] = field(
        default_factory=dict
    )  # of accounts and orders that the steps tell of by their ids

    def named(self, text: str) -> str:
        """A step for people: names and order numbers, the ids behind them."""
        return _ID.sub(
            lambda id_: f"{self.names[id_[0]]} ({id_[0]})" if id_[0] in self.names else id_[0], text
        )

    @property
    def orders(self) -> list[ContributionView]:
        """What counts for the tier, one row an order: together the total that the standing says. Of who is a part of a group,
        what it brought: together the volume of its share."""
        mine = [one for one in self.contributions if one.bucket.partition("@")[0] == self.counter]
        return _by_order(mine or [one for one in self.contributions if one.bucket.startswith(SHARE)])

    @property
    def elsewhere(self) -> list[ContributionView]:
        """Orders of which nothing counts for the tier, but something in another counter: what is paid on, a gate, special prices.
        What a buyer brought to its group, or an earlier program is paid on, is no counter of its own: its name is in brackets."""
        there = {one.order_id for one in self.orders}
        rest = [one for one in self.contributions if one.order_id not in there]
        return _by_order(one for one in rest if not one.bucket.startswith("("))

    @property
    def settled(self) -> Decimal | None:
        """What the period was settled at, with its adjustments; None: it was not."""
        about = [one.amount for one in self.postings if one.period == self.standing.period]
        return sum(about, Decimal(0)) if about else None

    def as_json(self) -> dict[str, Any]:
        """Money as text, days as ISO."""
        row = self.standing
        return {
            "account": row.member,
            "account_name": row.member_name,
            "program": row.program,
            "program_name": row.program_name,
            "program_version": row.program_version,
            "period": row.period,
            "period_start": row.start,
            "period_end": date.fromordinal(row.end.toordinal() - 1),
            **self.document,
            "contributions": [
                {
                    "order_id": one.order_id,
                    "order_number": one.order_number,
                    "account": one.account_id,
                    "date": one.ordered_on or one.ordered_at,
                    "bucket": one.bucket,
                    "amount": one.amount,
                    "quantity": one.quantity,
                    "lines": one.lines,
                    "currency": one.currency or row.currency,
                }
                for one in self.contributions
            ],
            "not_counted": [
                {
                    "line_id": one.line.line_id,
                    "order_id": one.line.order_id,
                    "order_number": one.line.order_number,
                    "date": one.line.ordered_on or one.line.ordered_at,
                    "amount": one.line.amount,
                    "quantity": one.line.quantity,
                    "currency": one.line.order_fields.get("currency") or row.currency,
                    "product": one.line.product_fields.get("name"),
                    "reason": one.reason,
                }
                for one in self.not_counted
            ],
            "counted_otherwise": None if self.otherwise is None else self.otherwise._asdict(),
            "settlement": None if self.period is None else self.period.as_json(),
            "settled": self.settled,
            "postings": [_posting(one) for one in self.postings],
            "changed_at": row.changed_at,
            "run": row.run_pk,
        }


def _by_order(some: Iterable[ContributionView]) -> list[ContributionView]:
    found: dict[tuple[str, str, str], ContributionView] = {}
    for one in some:
        have = found.get(key := (one.order_id, one.bucket.partition("@")[0], one.currency))
        found[key] = one if have is None else replace(
            have, amount=have.amount + one.amount, quantity=have.quantity + one.quantity, lines=have.lines + one.lines,
        )  # fmt: skip
    return list(found.values())


def _posting(one: PostingView) -> dict[str, Any]:
    told = {} if one.told_apart else {"prior_period": None, "rate": None}
    return {**asdict(one), "type": one.type, **told}


def find_account(tx: Connection, text: str) -> Member:
    """The account that a person means by an id or a part of a name; says which there are when it is not clear."""
    found = people.find_members(tx, text)
    if not found:
        raise Unusable(
            f'no account "{text}" in the store',
            "give an id or a part of the name; `rebates status` says when the org was last read",
        )
    if len(found) > 1:
        listed = "".join(f"\n  - {member.name} ({member.id})" for member in found)
        raise Unusable(f'"{text}" fits {len(found)} accounts:{listed}', "give more of the name, or the id")
    return found[0]


def explain(
    app: App, account: str, *, program: str | None = None, period: str | None = None
) -> list[Explanation]:
    """The standings of an account: of one program, of one period (left out: the periods that are open)."""
    now = app.clock.now()
    with app.store.read() as tx:
        member = find_account(tx, account)
        programs = {one.key: one for one in app.programs_in_force_read(tx)}
        if program is not None and program not in programs:
            from jobs.configuration import suggest

            raise Unusable(
                f'there is no program "{program}"', suggest(program, programs) or "rebates program check"
            )
        rows = standings.find(tx, account=member.id, program=program, period=period)
        if period is None:
            days = {key: one.day_of(now) for key, one in programs.items()}
            rows = [row for row in rows if row.program in days and row.start <= days[row.program] < row.end]
        if not rows:
            every = sorted({f"{row.program} {row.period}" for row in standings.find(tx, account=member.id)})
            raise Unusable(
                f"{member.name} has no standing there",
                f"it has: {', '.join(every)}"
                if every
                else "it takes part in no program; see `rebates program check`",
            )
        ways = {(one.program, one.start): one for one in periods.states(app, tx)}
        return [
            _explanation(tx, row, programs[row.program], ways.get((row.program, row.start)))
            for row in rows
            if row.program in programs
        ]


def _explanation(
    tx: Connection, row: StandingView, program: Program, period: PeriodState | None
) -> Explanation:
    counted = evidence.contributions_of(tx, row.cell, since=_since(row, program))
    lines = list(evidence.lines_near(tx, row.cell, since=_since(row, program)))
    not_counted = _not_counted(tx, row, program, lines, {one.order_id for one in counted})
    document, about, otherwise = json.loads(row.document), postings.about(tx, row.cell), None
    if (when := _kept_since(tx, row, program, period, about)) is not None:
        out = {one.line.line_id for one in not_counted}
        orders = {one.order_id for one in counted}
        fitting = [line for line in lines if line.line_id not in out and line.order_id in orders]
        found = as_settled(program, counted, fitting, document, when)
        counted, otherwise = found.counted, found.otherwise
        not_counted = sorted([*not_counted, *(NotCounted(*one) for one in found.late)], key=_in_order)
    own = program.qualifiers[0].bucket
    numbers = {one.order_id: one.order_number for one in counted if one.order_number}
    numbers |= {line.order_id: line.order_number for line in lines if line.order_number}
    told = {id_ for step in document["steps"] for id_ in _ID.findall(step["text"])}
    names = {id_: numbers[id_] for id_ in told if id_ in numbers} | people.names(tx, told)
    return Explanation(row, document, counted, not_counted, about, period, otherwise, own, names)


def _kept_since(
    tx: Connection,
    row: StandingView,
    program: Program,
    period: PeriodState | None,
    about: list[PostingView],
) -> datetime | None:
    """Since when a standing stays what it was settled at, whatever comes late; None: it does not, or it is a share of what
    its group was settled at."""
    if program.settlement.late_lines != "ignore" or program.hierarchy.is_shared:
        return None
    if period is None or period.settled_at is None:
        return None
    booked = [one.posted_at for one in about if one.period == row.period]
    if not booked and row.cell.member_pk in postings.left_out(tx, row.cell.period_pk):
        return None
    return max(booked, default=period.settled_at)


def _since(row: StandingView, program: Program) -> date:
    """The first day whose orders count in a standing: its tier may be taken from a longer window."""
    own = program.own_period(row.start, row.end)
    return row.start if own is None else program.window(own)[0].start


def _not_counted(
    tx: Connection, row: StandingView, program: Program, lines: list[LineView], counted: set[str]
) -> list[NotCounted]:
    found, fitting = [], []
    for line in lines:
        day = line.ordered_on or line.ordered_at
        reason = why_not(line, program if day is None else terms_on(program, program.day_of(day)))
        if reason is not None:
            found.append(NotCounted(line, reason))
        elif line.order_id not in counted:
            fitting.append(line)
    spans = evidence.spans_of(tx, row.cell, {str(line.account_fields["id"]) for line in fitting})
    for line in fitting:
        reason = _counts_elsewhere(line, row, program, spans)
        if reason is not None:
            found.append(NotCounted(line, reason))
    return sorted(found, key=_in_order)


def _in_order(one: NotCounted) -> tuple[str, str]:
    return str(one.line.ordered_on or one.line.ordered_at), one.line.line_id


def _counts_elsewhere(line: LineView, row: StandingView, program: Program, spans: list[Span]) -> str | None:
    """Why an order that fits the rules is no part of the standing: its account did not count for the member that day."""
    when = line.ordered_on or line.ordered_at
    if when is None or line.order_fields["original_order_id"]:
        return None  # a return may count on another order's day
    day = program.day_of(when)
    mine = [one for one in spans if one.account_id == line.account_fields["id"]]
    there = [one for one in mine if one.holds(day)]
    if any(one.member_id == row.member for one in there):
        return None
    if there:
        names = ", ".join(dict.fromkeys(one.member_name or one.member_id for one in there))
        return f"counts for {names} on that day"
    here = [one for one in mine if one.member_id == row.member]
    joins = next((one.first for one in here if one.first is not None and day < one.first), None)
    before_all = bool(here) and joins == here[0].first
    # Where growth is measured an account has a span before the program, too: its baseline.
    if joins is not None and (before_all or program.growth is not None):
        return f"from before {line.account_fields['name']} takes part ({joins})"
    if here and here[-1].after is not None and here[-1].after <= day:
        last = here[-1].after - timedelta(days=1)
        return f"from after {line.account_fields['name']} took part (until {last})"
    return f"{line.account_fields['name']} does not take part on that day"


def why_not(line: LineView, program: Program) -> str | None:
    """The first reason why a line does not count; None when it counts."""
    if line.deleted:
        return "deleted in Salesforce"
    if not line.order_active:
        return f"the order is not active (status {line.order_fields.get('status') or 'unknown'})"
    return program.why_not(*line.asked(program))
