"""Why a number is not what it was: the standing then and now, and everything that moved between."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection

from jobs.app import App
from jobs.explanation import find_account
from jobs.refusals import Unusable
from jobs.settled_changes import MOVED, asked_of_accounts, value_text
from rebates.money import money_text, units_text
from rebates.program import Program
from rebates.versions import terms_on
from state import acknowledged, audit, changes, evidence, postings, runs, standings
from state.changes import ChangedLine
from state.standings import Past, StandingView

_AT_LAST = {"elsewhere": 1, "posting": 2, "uncounted": 3}  # the order in which people are told
AUDITED = 1_000  # deeds looked at, the newest first
Noted = dict[
    str, list[tuple[object, object] | None]
]  # field → value before and now, each time it moved something
OUR_WRITE = timedelta(minutes=5)  # so far our clock and the org's may be apart about one write


class Cause(NamedTuple):
    """One thing that moved. `kind`: line, return, gone, order, version, rate, account, product, and posting, which is what
    it came to in money; `uncounted`: it moved nothing now, because the program does not count it; `elsewhere`: an order that
    was changed and counts in another period now."""

    kind: str
    text: str
    order: str | None = None
    amount: Decimal | None = None

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "text": self.text, "order": self.order, "amount": self.amount}


@dataclass(frozen=True)
class WhyChanged:
    """One standing then and now. `before` is None where it was not there yet."""

    standing: StandingView
    before: Past | None
    after: Past
    causes: tuple[Cause, ...]

    @property
    def change(self) -> Decimal:
        return self.after.rebate - (self.before.rebate if self.before else Decimal(0))

    def as_json(self) -> dict[str, Any]:
        """Money as text."""
        return {
            "program": self.standing.program,
            "period": self.standing.period,
            "before": _past(self.before),
            "after": _past(self.after),
            "change": self.change,
            "causes": [cause.as_json() for cause in self.causes],
        }

    def lines(self) -> list[str]:
        """For people."""
        currency = self.standing.currency
        then = (
            f"{self.before.tier or 'no tier'}, {money_text(self.before.rebate, currency)}"
            if self.before
            else "no standing"
        )
        now = f"{self.after.tier or 'no tier'}, {money_text(self.after.rebate, currency)}"
        head = (
            f"{self.standing.program} {self.standing.period}: {then} -> {now} {currency} "
            f"({money_text(self.change, currency)})"
        )
        return [head, *(f"  {cause.kind}: {cause.text}" for cause in self.causes)]


@dataclass(frozen=True)
class Answer:
    """Every standing of an account that moved, and how many stayed."""

    account: str
    account_name: str | None
    since: datetime
    moved: tuple[WhyChanged, ...]
    unchanged: int

    def as_json(self) -> dict[str, Any]:
        return {
            "account": self.account,
            "account_name": self.account_name,
            "since": self.since,
            "standings": [one.as_json() for one in self.moved],
            "unchanged": self.unchanged,
        }


def why_changed(app: App, account: str, since: str, *, program: str | None = None) -> Answer:
    """What moved an account's standings since a day, an instant or a run (its number)."""
    with app.store.read() as tx:
        member = find_account(tx, account)
        settled, changed = _since(tx, since)
        programs = {one.key: one for one in app.programs_in_force_read(tx)}
        target = app.mapping.push.get("account")
        written = acknowledged.seen_at(tx, target.object, member.id) if target is not None else None
        moved, unchanged = [], 0
        for row in standings.find(tx, account=member.id, program=program, vanished=True):
            past = standings.history(tx, row.cell, since=settled)
            before = past[0] if past[0].changed_at <= settled else None
            if before is None and past[0].revision > 1:
                raise Unusable(
                    f"what {row.program} {row.period} was on {settled:%Y-%m-%d} is no longer kept ([retention] history)",
                    f"--since {past[0].changed_at:%Y-%m-%dT%H:%M:%SZ} or later",
                )
            if past[-1] is before:
                unchanged += 1
                continue
            causes = [
                *_causes(tx, row, before, past[-1], changed),
                *_of_records(tx, row, programs.get(row.program), changed, member.id, written),
                *_of_lines(tx, row, programs.get(row.program), changed),
                *_of_postings(tx, row, settled),
            ]
            causes.sort(key=lambda cause: _AT_LAST.get(cause.kind, 0))
            moved.append(WhyChanged(row, before, past[-1], tuple(causes)))
        return Answer(member.id, member.name, settled, tuple(moved), unchanged)


def _since(tx: Connection, given: str) -> tuple[datetime, datetime]:
    """When the former standings held, and from when on the org's records count as changed."""
    if given.isdecimal():
        run = runs.get(tx, int(given))
        if run is None:
            raise Unusable(
                f"there is no run {given}, or it is no longer kept ([retention] runs)",
                "`rebates status` lists the last runs; a day or a moment can be asked for, too",
            )
        return run.finished_at or run.started_at, run.started_at
    try:
        if len(given) == 10:
            day = datetime.combine(date.fromisoformat(given), time(), UTC)
            return day, day
        at = datetime.fromisoformat(given)
    except ValueError:
        raise Unusable(
            f"{given!r} is no day, moment or run",
            "--since 2026-11-01, 2026-11-01T08:00:00Z, or the number of a run",
        ) from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return at, at


def _causes(
    tx: Connection, row: StandingView, before: Past | None, after: Past, since: datetime
) -> Iterator[Cause]:
    if before is not None and before.program_version != after.program_version:
        versions = (before.program_version, after.program_version)
        yield from _versions(*changes.definitions(tx, row.program, versions), versions)
    for rate in changes.rates_since(tx, row.cell, since):
        start = f" from {rate.starts_on}" if rate.starts_on else ""
        yield Cause("rate", f"{rate.currency} is {rate.rate}{start} ({rate.source})")


def _of_records(
    tx: Connection,
    row: StandingView,
    program: Program | None,
    since: datetime,
    account_id: str,
    written: datetime | None,
) -> Iterator[Cause]:
    """Records that decide who takes part. One that we saved last moved by that, whoever saved it before."""
    asked = asked_of_accounts(program) if program is not None else frozenset[str]()
    noted = _noted(tx, row.program, since)
    for one in changes.accounts_since(tx, row.cell, since):
        at, name = f"{one.changed_at:%Y-%m-%d %H:%M} UTC", one.name or one.id
        ours = one.id == account_id and written is not None and abs(written - one.changed_at) <= OUR_WRITE
        moved = noted.get(one.id, {})
        if ours and not moved:
            yield Cause("uncounted", f"the record of {name} was last saved by our own write, {at}")
        else:
            yield Cause("account", f"the record of {name} changed {at}{_asked(one.fields, moved, asked)}")
    for product in changes.products_since(tx, row.cell, since):
        name = product.name or product.id
        words = f"the record of {name} ({product.family or 'no family'} now) changed {product.changed_at:%Y-%m-%d %H:%M} UTC"
        yield Cause("product", words)


def _noted(tx: Connection, program: str, since: datetime) -> dict[str, Noted]:
    """By account what a sync found changed when it moved what the program had settled."""
    found: dict[str, Noted] = {}
    for deed in audit.entries(tx, limit=AUDITED, action=MOVED):  # the newest first
        if deed.at > since and deed.detail.get("program") == program:
            fields, values = deed.detail["changed"], deed.detail.get("values", {})
            for account in deed.object.split(", ") if isinstance(fields, list) else ():
                mine, both = found.setdefault(account, {}), values.get(account, {})
                for name in both or (() if values else fields):
                    step, steps = tuple(both[name]) if name in both else None, mine.setdefault(name, [])
                    if steps[:1] != [step]:  # one change that moved two amounts for two reasons is two deeds
                        steps.insert(0, step)
    return found


def _asked(fields: Mapping[str, object], moved: Noted, asked: frozenset[str]) -> str:
    """Which field it was, where a sync noted it, from what to what; else which ones the program asks about, with what is
    in them now: what they were is not kept."""
    if moved:
        return ": " + ", ".join(_way(name, moved[name], fields.get(name)) for name in sorted(moved))
    names = sorted(asked & fields.keys())
    if not names:
        return ""
    values = ", ".join(f"{name} is {value_text(fields.get(name))} now" for name in names)
    return f"; of what the program asks about, {values}"


def _way(name: str, steps: Sequence[tuple[object, object] | None], now: object) -> str:
    """A field from what it was to what it came to, each time that it moved something."""
    known = [step for step in steps if step is not None]
    if not known:  # noted by a version of ours that did not write down the values
        return f"{name} is {value_text(now)} now"
    values = [known[0][0], *(value for step in known for value in step[1:])]
    return f"{name} {' -> '.join(map(value_text, values))}"


def _of_postings(tx: Connection, row: StandingView, since: datetime) -> Iterator[Cause]:
    """What was settled or corrected since: the money behind the movement."""
    for one in postings.about(tx, row.cell):
        if one.posted_at > since and one.period == row.period:
            amount = money_text(one.amount, row.currency)
            words = (
                f"{amount} {row.currency} {one.kind} on {one.posted_at:%Y-%m-%d}, booked in {one.booked_in}"
            )
            yield Cause("posting", words, amount=one.amount)


def _of_lines(tx: Connection, row: StandingView, program: Program | None, since: datetime) -> Iterator[Cause]:
    """Lines that moved, and those that the program does not count as what they are."""
    moved = changes.lines_since(tx, row.cell, since)
    views = {one.line_id: one for one in evidence.lines_near(tx, row.cell)} if moved and program else {}
    for line in moved:
        day, view = line.ordered_on or line.ordered_at, views.get(line.line_id)
        reason = None
        if view is not None and program is not None:
            terms = program if day is None else terms_on(program, program.day_of(day))
            reason = terms.why_not(*view.asked(terms))
        yield _line(line, row.currency, reason)
    for order in changes.orders_elsewhere_since(tx, row.cell, since):
        number = order.number or order.id
        now = f"is of {order.day} now" if order.day else "is not active and has no day now"
        words = f"order {number} {now}: where it was of {row.period} before, that moved it"
        yield Cause("elsewhere", words, number)


def _line(line: ChangedLine, currency: str, reason: str | None = None) -> Cause:
    order = line.order_number or line.order_id
    when = line.ordered_on or (line.ordered_at.date() if line.ordered_at else None)
    words = f"order {order} of {when}: {money_text(line.amount, currency)}, {units_text(line.quantity)}"
    if reason is not None:
        return Cause("uncounted", f"{words}, does not count: {reason}", order, line.amount)
    if line.deleted:
        return Cause("gone", f"{words}, deleted", order, line.amount)
    if not line.active:
        return Cause(
            "gone", f"{words}, the order is not active: it counts no more, if it ever did", order, line.amount
        )
    if line.amount < 0:
        return Cause("return", words, order, line.amount)
    if line.order_only:
        return Cause("order", f"{words}, its order changed", order, line.amount)
    return Cause("line", words, order, line.amount)


def _versions(old: str | None, new: str | None, numbers: tuple[int, int]) -> Iterator[Cause]:
    head = f"version {numbers[0]} became version {numbers[1]}"
    if old is None or new is None:
        yield Cause("version", head)
        return
    before, after = dict(_flat(json.loads(old), "")), dict(_flat(json.loads(new), ""))
    for key in [*before, *(key for key in after if key not in before)]:
        if before.get(key) != after.get(key):
            was, now = before.get(key, "not set"), after.get(key, "not set")
            yield Cause("version", f"{head}: {key}: {was} -> {now}")


def _flat(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """A definition as one line a term; tiers and the like by their names."""
    if isinstance(value, dict):
        for name, one in value.items():
            if not key and name == "earlier":
                continue  # terms of earlier days: each has been a version of its own
            yield from _flat(one, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for number, one in enumerate(value, 1):
            name = one.get("name") if isinstance(one, dict) else None
            yield from _flat(one, f"{key}[{name or number}]")
    elif value is not None:
        yield key, str(value)


def _past(past: Past | None) -> dict[str, Any] | None:
    if past is None:
        return None
    return {
        "tier": past.tier,
        "rebate": past.rebate,
        "qualifier": past.qualifier,
        "program_version": past.program_version,
        "changed_at": past.changed_at,
        "run": past.run_pk,
    }
