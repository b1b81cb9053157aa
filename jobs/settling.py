"""When a closed period may be settled, and what it waits for until then (docs/decisions/0302).

A settled amount is for ever, so nothing is settled on a guess: what counts must have been read past the moment of
closing, no stream may stand still, no standing may lack anything. Periods that were over before their program was
first computed were settled elsewhere, until a person says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Connection

from jobs.unplaced import in_another_currency, some_left
from mappings.problems import MappingProblems
from rebates.periods import Period, midnight
from rebates.program import Program
from state import gaps, inventory_asked, meta, postings, rebasing, rejected, rollover, watermarks
from state.in_force import last_terms
from state.rollover import PeriodRow

if TYPE_CHECKING:
    from jobs.app import App
    from jobs.refused_programs import RefusedProgram

State = Literal["coming", "open", "grace", "closing", "earlier", "settled", "removed"]

GONE = "the file of its program to be put back"
MONEY_STREAMS = ("account", "product", "order", "order_line", "currency_rate")
_ASKED = "settle.asked"
_STOPPED = "stopped."  # + the step that found it


@dataclass(frozen=True)
class PeriodState:
    """One period on its way to being settled. `grace`: it is over and still takes late lines; `closing`: it is to be
    settled and waits for `waits_for` (empty: the next compute settles it); `earlier`: over before we came; `removed`: not
    settled, and the file of its program is gone."""

    program: str
    period: str
    start: date
    end: date
    closes_on: date
    state: State
    waits_for: tuple[str, ...] = ()
    settled_at: datetime | None = None
    pk: int = 0

    @property
    def ready(self) -> bool:
        return self.state == "closing" and not self.waits_for

    def as_json(self) -> dict[str, object]:
        """For `--json`; the last day that counts, as people say it."""
        return {
            "program": self.program,
            "period": self.period,
            "start": self.start,
            "end": date.fromordinal(self.end.toordinal() - 1),
            "closes_on": self.closes_on,
            "state": self.state,
            "waits_for": list(self.waits_for),
            "settled_at": self.settled_at,
        }


@dataclass(frozen=True)
class Facts:
    """What settling depends on besides the standings. `held`: program → why its terms are not to be trusted."""

    read_until: Mapping[str, datetime]
    streams: tuple[str, ...]
    stopped: Mapping[str, str]
    owed: tuple[str, ...]
    held: Mapping[str, str]
    settle_from: date | None = None
    unread_products: int = 0  # that orders have; they matter to programs that ask what a product is
    unplaced: Mapping[tuple[str, str], str] = field(
        default_factory=dict
    )  # program and period → payouts of the org


def facts(app: App, tx: Connection, refused: Iterable[RefusedProgram] = ()) -> Facts:
    """What the store knows of its own completeness."""
    owed = []
    if (why := inventory_asked.why(tx)) is not None:
        owed.append(f"a comparison of all ids with the org ({why})")
    if rebasing.is_unread(tx):
        owed.append("the org's own knowledge, after a restore")
    if inventory_asked.buried(tx):
        owed.append("whose the orders of accounts are that are gone")
    if some_left(tx):
        owed.append("whose some payouts in the org are, after a restore or with a new store")
    if lost := rejected.without_day(tx):
        owed.append(f"{lost} rejected record{'s' if lost > 1 else ''} that could belong to any period")
    held = {one.key: "a program that can be computed" for one in refused}
    for name, program in app.programs_kept(tx).items():
        held[program.key] = f"{name} to be valid again"
    read_until = {mark.stream: mark.ceiling for mark in watermarks.read_all(tx)}
    try:
        mapped = app.mapping.pull.keys()
    except MappingProblems:  # nothing is settled then: a sync stops at it; `status` still says what it knows
        mapped = read_until.keys()
    return Facts(
        read_until,
        tuple(name for name in MONEY_STREAMS if name in mapped),
        stopped(tx),
        tuple(owed),
        held,
        app.settings.payouts.settle_from,
        rejected.products_without_fields(tx),
        in_another_currency(tx),
    )


def note_stopped(
    app: App, step: Literal["pull", "inventory", "schema"], found: Mapping[str, Exception]
) -> None:
    """Write down which streams a step could not read: nothing is settled until the same step reads them."""
    said = {name: str(getattr(error, "code", type(error).__name__)) for name, error in found.items()}
    with app.store.transaction() as tx:
        if json.loads(meta.get(tx, _STOPPED + step) or "{}") != said:
            meta.put(tx, _STOPPED + step, json.dumps(said, sort_keys=True))


def stopped_by(tx: Connection, step: Literal["pull", "inventory", "schema"]) -> dict[str, str]:
    """The same, of one step."""
    found: dict[str, str] = json.loads(meta.get(tx, _STOPPED + step) or "{}")
    return found


def stopped(tx: Connection) -> dict[str, str]:
    """Streams that stand still, with the code of what stopped them."""
    found: dict[str, str] = {}
    for step in ("pull", "inventory", "schema"):
        found |= json.loads(meta.get(tx, _STOPPED + step) or "{}")
    return found


def ask(tx: Connection, program: str, period: str, *, despite: bool) -> None:
    """A person wants this period settled: the next compute does it, when nothing stands against it."""
    asked = _asked(tx)
    asked.setdefault(program, {})[period] = despite
    meta.put(tx, _ASKED, json.dumps(asked, sort_keys=True))


def withdraw(tx: Connection, program: str, period: str) -> None:
    """Nobody asks any more: it was settled, or could not be."""
    asked = _asked(tx)
    asked.get(program, {}).pop(period, None)
    meta.put(tx, _ASKED, json.dumps(asked, sort_keys=True))


def _asked(tx: Connection) -> dict[str, dict[str, bool]]:
    found: dict[str, dict[str, bool]] = json.loads(meta.get(tx, _ASKED) or "{}")
    return found


def look(tx: Connection, programs: Iterable[Program], known: Facts, now: datetime) -> Iterator[PeriodState]:
    """Every period of these programs, in order; what was settled also where the file lacks it: such a file is refused."""
    closed, asked, first = postings.closed_at(tx), _asked(tx), rollover.first_installed(tx)
    for program in programs:
        rows = rollover.periods_of(tx, program.key)
        came = program.day_of(first[program.key]) if program.key in first else program.day_of(now)
        periods = {one.start: one for one in program.periods()}
        for row in rows:
            period, settled_at = periods.get(row.start), closed.get(row.pk)
            if period is None or period.end != row.end:
                if settled_at is None:
                    continue  # the file has another calendar than what was computed last
                period = Period(row.start, row.end, row.name, program.time_zone)
            wish = asked.get(program.key, {}).get(row.name)
            state: State = "settled"
            if settled_at is None:
                state = _state(program, row, period, known, program.day_of(now), came, wish is not None)
            waits = _waits(tx, program, row, period, known, bool(wish)) if state == "closing" else ()
            yield PeriodState(
                program.key, row.name, row.start, row.end, program.settlement.closes_on(period),
                state, tuple(waits), settled_at, row.pk,
            )  # fmt: skip


def left(tx: Connection, removed: Collection[str]) -> Iterator[PeriodState]:
    """The periods of programs that are not there any more, in order: what was settled stays so, the others wait for the file."""
    closed, terms = postings.closed_at(tx), last_terms(tx, removed)
    for key in sorted(terms):
        grace = timedelta(days=terms[key].definition.get("settlement", {}).get("grace_days", 0))
        for row in rollover.periods_left(tx, key):
            settled_at = closed.get(row.pk)
            yield PeriodState(
                key, row.name, row.start, row.end, row.end + grace,
                "removed" if settled_at is None else "settled",
                (GONE,) if settled_at is None else (), settled_at, row.pk,
            )  # fmt: skip


def _state(
    program: Program, row: PeriodRow, period: Period, known: Facts, today: date, came: date, asked: bool
) -> State:
    if today < row.start:
        return "coming"
    if today < row.end:
        return "open"
    closes_on = program.settlement.closes_on(period)
    if today < closes_on:
        return "grace"
    ours = closes_on > came or (known.settle_from is not None and row.start >= known.settle_from)
    return "closing" if ours or asked else "earlier"


def _waits(
    tx: Connection, program: Program, row: PeriodRow, period: Period, known: Facts, despite: bool
) -> Sequence[str]:
    """What stands against settling, as sentences without a customer's value."""
    moment = midnight(program.settlement.closes_on(period), program.time_zone)
    behind = [name for name in known.streams if (mark := known.read_until.get(name)) is None or mark < moment]
    found = [
        f"{name} stopped: {code}" for name, code in sorted(known.stopped.items()) if name in known.streams
    ]
    if behind:
        found.append(f"{', '.join(behind)} to be read past {moment:%Y-%m-%d %H:%M} UTC")
    if program.key in known.held:
        found.append(known.held[program.key])
    if despite:
        return found
    found += known.owed
    if (unplaced := known.unplaced.get((program.key, row.name))) is not None:
        found.append(unplaced)
    if known.unread_products and gaps.asks_of_products(program):
        count = known.unread_products
        found.append(f"{count} product{'s' if count > 1 else ''} that could not be read")
    lacking = postings.incomplete(tx, row.pk)
    if lacking:
        found.append(
            f"{lacking} standing{'s' if lacking > 1 else ''} that {'lack' if lacking > 1 else 'lacks'} something"
        )
    return found
