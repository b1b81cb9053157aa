"""Compute: dirty orders to contributions to totals to standings, and what that means for the org, in ONE transaction.

Only the standings whose totals moved are computed, each from its totals and from zero. When a program's local
day has turned, the standings of its open periods are looked at again, because time alone changes some of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast

from sqlalchemy import Connection

from jobs import inputs
from jobs.app import App
from jobs.closing import Ledger
from jobs.documents import row_of
from jobs.inputs import Calculator
from jobs.planning import Planned, plan
from jobs.refused_programs import RefusedProgram, sort_out
from rebates.events import Event, events
from rebates.program import Program
from rebates.standing import Standing, Working
from state import chains, contributions, gaps, meta, rollover, rules
from state import events as event_log
from state.events import EventRow
from state.standings import Saved, save_standings
from state.totals import Cell, waiting_cells

CELLS_PER_BATCH = 2_000  # bounds memory; each batch is a few statements


@dataclass(frozen=True)
class Computed:
    """What one compute did."""

    standings: int = 0  # looked at
    changed: int = 0
    incomplete: int = 0
    events: int = 0
    planned: Planned = field(default_factory=Planned)
    programs_changed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    refused: tuple[RefusedProgram, ...] = ()


@dataclass(frozen=True)
class Before:
    """What the engine needs to know of the former standing to tell news from old."""

    tier_number: int
    capped: bool
    rebate: Decimal
    working: Working


def compute(app: App, run_pk: int) -> Computed:
    """Bring every standing up to date and put what the org should be told into the outbox."""
    now = app.clock.now()
    with app.progress.step("compute") as step, app.store.transaction() as tx:
        everything = app.programs_in_force(tx)
        programs, refused = sort_out(everything)
        records = chains.changed_accounts(tx)
        installed = rules.install_programs(tx, programs, now, keep={one.key for one in refused})
        contributions.recompute_dirty(tx)
        turned = _turn_of_the_day(tx, programs, now)
        missing = gaps.find(tx, app.local_day())
        gaps.mark_changed(tx, missing)
        calculator = Calculator(tx, programs, now, missing)
        calculator.widen(records)
        ledger = Ledger(tx, programs, now, run_pk)
        changed: list[Saved] = []
        news: list[EventRow] = []
        looked = incomplete = 0
        while cells := waiting_cells(tx, limit=CELLS_PER_BATCH):
            computed = calculator.compute(cells)
            rows = [row_of(found.one.cell, found.standing, found.payout) for found in computed]
            saved = save_standings(tx, rows, now=now, run_pk=run_pk)
            news += event_log.record(tx, list(_news(computed, saved, now, run_pk)))
            _drop_unknown(tx, cells, computed)
            calculator.after_change(_changed_tier(computed, saved))
            ledger.correct(computed, saved)
            changed += [Saved(s.cell, s.revision, None, "") for s in saved]  # the documents stay in the store
            looked += len(computed)
            incomplete += sum(bool(found.standing.incomplete) for found in computed)
            step.advance(len(cells))
        ledger.close()
        planned = plan(
            app, tx, everything, {saved.cell for saved in changed}, news, turned=turned, run_pk=run_pk
        )
    return Computed(
        looked,
        len(changed),
        incomplete,
        len(news),
        planned,
        (*installed.added, *installed.changed, *installed.retired),
        installed.problems,
        tuple(refused),
    )


def _turn_of_the_day(tx: Connection, programs: Iterable[Program], now: datetime) -> bool:
    """Look again at what time alone changes; once per program and local day. True when any day turned."""
    turned = False
    for program in programs:
        today = program.day_of(now)
        key = f"day.{program.key}"
        last = meta.get(tx, key)
        if last == today.isoformat():
            continue
        turned = True
        since = date.fromisoformat(last) if last else today
        rows = rollover.periods_of(tx, program.key)
        closes = {p.start: program.settlement.closes_on(p) for p in program.periods()}
        rollover.mark_again(tx, [row.pk for row in rows if row.start <= today and closes[row.start] >= since])
        for number, row in enumerate(rows):
            if row.start <= today < row.end:
                rollover.open_for(tx, row.pk, [earlier.pk for earlier in rows[:number]])
        meta.put(tx, key, today.isoformat())
    return turned


def _changed_tier(computed: Sequence[inputs.Computed], saved: Sequence[Saved]) -> list[inputs.Computed]:
    """Standings that came to another tier than they had."""
    former = {one.cell: one.before for one in saved}
    return [
        found
        for found in computed
        if (before := former.get(found.one.cell)) is not None
        and json.loads(before)["tier"] != found.standing.tier
    ]


def _news(
    computed: Sequence[inputs.Computed], saved: Sequence[Saved], now: datetime, run_pk: int
) -> Iterable[EventRow]:
    """Events of the standings that changed; those of periods that are over are no news to anybody."""
    former = {one.cell: one.before for one in saved}
    for one, at, _ in computed:
        if one.cell not in former or at.as_of >= one.period.end or at.as_of < one.period.start:
            continue
        text = former[one.cell]
        before = _before(json.loads(text), at) if text is not None else None
        for event in events(one.program, before, at, at.as_of):
            if before is None and event.kind == "tier_reached":
                continue  # the first look at a member is no news
            yield _row(event, one.cell, now, run_pk)


def _before(document: dict[str, Any], at: Standing) -> Standing:
    known = Before(document["tier_number"], document["capped"], Decimal(document["rebate"]), at.working)
    return cast(Standing, known)


def _row(event: Event, cell: Cell, now: datetime, run_pk: int) -> EventRow:
    document = {
        "text": event.text,
        "amount": None if event.amount is None else format(event.amount, "f"),
        "due": event.due.isoformat() if event.due else None,
    }
    return EventRow(
        identity=json.dumps(event.identity, ensure_ascii=False),
        kind=event.kind,
        cell=cell,
        tier=event.tier or None,
        document=json.dumps(document, sort_keys=True, ensure_ascii=False),
        occurred_at=now,
        run_pk=run_pk,
    )


def _drop_unknown(tx: Connection, asked: Sequence[Cell], answered: Sequence[inputs.Computed]) -> None:
    """Cells of retired programs or periods: their marks must go, or they would be asked for again for ever."""
    from state import standings

    gone = sorted(set(asked) - {found.one.cell for found in answered})
    if gone:
        standings.clear(tx, gone)


__all__ = ["Computed", "compute"]
