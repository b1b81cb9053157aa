"""The steps of one compute: what begins it, and working off cells. `jobs.compute` puts them in order.

What begins it is one statement for all accounts, and the leader's; cells are worked off by whoever has a share of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection

from jobs import own_currency, strangers
from jobs.app import App
from jobs.calculated import Calculated
from jobs.calculator import Calculator
from jobs.closing import Ledger
from jobs.documents import Kept, document_of, row_with
from jobs.refused_programs import RefusedProgram, sort_out_in
from rebates.events import Event, events
from rebates.program import Program
from rebates.standing import Standing, Working
from state import (
    chains,
    changed_accounts,
    computed_by,
    contributions,
    dirty,
    gaps,
    meta,
    rollover,
    rules,
    standings,
    told_again,
)
from state import events as event_log
from state.engines import Engine
from state.events import EventRow
from state.rules import Installed
from state.standings import Saved, save_standings
from state.totals import Cell, Late, Share, waiting_cells

CELLS_PER_BATCH = 2_000  # bounds memory; each batch is a few statements
KEPT_AT_MOST = 2_000  # documents, of some kilobytes each
_DAY = "day."  # in `meta`, with the key of a program: see `last_day`
BY_EARLIER_RULES = (
    "the store was computed by an earlier version of Rebate Sync, which came to other amounts in places: everything was "
    "computed again; CHANGELOG.md says what moves"
)
# In `meta`, over a crash between the shares of a run and the rest of it:
TURNED = "days_turned"  # a day has turned and not everything that depends on it was looked at
UNFINISHED = "compute.unfinished"  # runs whose shares were saved and whose rest was not


class Begun(NamedTuple):
    """A compute that knows its programs and which standings wait."""

    everything: list[Program]
    programs: list[Program]
    refused: list[RefusedProgram]
    installed: Installed
    turned: bool
    by_new_rules: bool  # an older version computed what is there, and all of it is computed again
    calculator: Calculator


@dataclass
class Worked:
    """Cells that were worked off: those that changed, what happened, and numbers."""

    touched: set[Cell] = field(default_factory=set)
    emptied: set[Cell] = field(default_factory=set)  # those of them that nothing was bought for
    news: list[EventRow] = field(default_factory=list)
    kept: dict[Cell, Kept] = field(
        default_factory=dict
    )  # of those that changed, as many as memory is given to
    looked: int = 0
    incomplete: int = 0


@dataclass(frozen=True)
class Before:
    """What the engine needs to know of the former standing to tell news from old."""

    tier: str | None
    capped: bool
    rebate: Decimal
    working: Working


def begin(app: App, tx: Connection, now: datetime, engine: Engine, *, scratch: bool) -> Begun:
    """Programs, contributions, totals, and every standing that has to be computed again: all where other rules computed
    them (`rebates.answers`). Raises NewerRules."""
    computed_by.require_known(tx, app.store.where)
    behind = computed_by.is_behind(tx)
    everything = app.programs_in_force(tx)
    programs, refused = sort_out_in(tx, everything)
    records = chains.changed_accounts(tx)
    own_currency.tell_again(tx)
    installed = rules.install_programs(
        tx, programs, now, keep={one.key for one in refused}, judge_again=behind
    )
    if not behind:
        changed_accounts.note_terms(tx, installed.new_terms)
    else:  # a newer version of ours may spell terms otherwise that nobody changed
        installed = replace(installed, problems=(*installed.problems, BY_EARLIER_RULES))
    if scratch or behind:
        contributions.rebuild(tx, engine=engine)
        dirty.mark_all_cells(tx)
    else:
        contributions.recompute_dirty(tx, engine=engine)
    computed_by.note(tx)
    if _turn_of_the_day(tx, programs, now, fresh={*installed.added, *installed.changed}):
        meta.put(tx, TURNED, "yes")
    strangers.mark(app, tx, programs)
    missing = gaps.find(tx, app.local_day(), programs)
    gaps.mark_changed(tx, missing)
    calculator = Calculator(tx, programs, now, missing)
    calculator.widen(records)
    turned = meta.get(tx, TURNED) is not None
    return Begun(everything, programs, refused, installed, turned, behind, calculator)


def note_unfinished(tx: Connection, run_pk: int) -> None:
    """Shares of a run are being saved: what looks at all accounts is still to come."""
    meta.put(tx, UNFINISHED, json.dumps(sorted({*_unfinished(tx), run_pk})))


def touched_before(tx: Connection, run_pk: int) -> set[Cell]:
    """Standings that shares of earlier runs have changed, where the rest of the run never came."""
    earlier = [one for one in _unfinished(tx) if one != run_pk]
    return {cell for one in earlier for cell in standings.cells(tx, changed_by=one)}


def finish(tx: Connection, refused: Iterable[RefusedProgram]) -> None:
    """The run is whole."""
    told_again.forget(tx)
    changed_accounts.forget(tx, [one.key for one in refused])
    meta.drop(tx, TURNED)
    meta.drop(tx, UNFINISHED)


def _unfinished(tx: Connection) -> list[int]:
    found: list[int] = json.loads(meta.get(tx, UNFINISHED) or "[]")
    return found


def work_off(
    tx: Connection,
    calculator: Calculator,
    *,
    now: datetime,
    run_pk: int,
    ledger: Ledger | None = None,
    share: Share | Late | None = None,
    advance: Callable[[int], None] = lambda cells: None,
) -> Worked:
    """Compute and save every standing that waits: all, those of a share, or those that are late. `ledger` books what is corrected."""
    done = Worked()
    while cells := waiting_cells(tx, limit=CELLS_PER_BATCH, share=share):
        looked_at = calculator.compute(cells)
        computed = _unless_kept(tx, calculator, looked_at)
        documents = [document_of(found.standing, found.payout) for found in computed]
        rows = [row_with(f.one.cell, f.standing, doc) for f, doc in zip(computed, documents, strict=True)]
        saved = save_standings(tx, rows, now=now, run_pk=run_pk)
        _keep(done, computed, documents, saved)
        done.news += event_log.record(tx, list(_news(computed, saved, now, run_pk)))
        _drop_unknown(tx, cells, computed)  # and the marks of what stays as it was settled
        calculator.after_change(_changed_tier(computed, saved), among=set(cells))
        if ledger is not None:
            calculator.after_correction(ledger.correct(computed, saved))
        moved = {one.cell for one in saved if one.before is not None}
        done.touched |= {one.cell for one in saved}
        done.emptied |= {one.cell for one, _, _ in computed if one.cell in moved and not one.totals}
        done.looked += len(computed)
        done.incomplete += sum(bool(found.standing.incomplete) for found in computed)
        advance(len(cells))
    return done


def _unless_kept(tx: Connection, calculator: Calculator, computed: list[Calculated]) -> list[Calculated]:
    """Those to save: not a settled standing that stays, and that already says what was settled."""
    kept = calculator.kept(computed)
    if not kept:
        return computed
    there = {row.cell for row in standings.find(tx, cells=kept) if row.rebate == kept[row.cell]}
    return [found for found in computed if found.one.cell not in there]


def _keep(
    done: Worked,
    computed: Sequence[Calculated],
    documents: Sequence[dict[str, Any]],
    saved: Sequence[Saved],
) -> None:
    """Remember what was saved, while there is room; one that is saved again is remembered as it is now."""
    changed = {one.cell for one in saved}
    for (one, _, _), document in zip(computed, documents, strict=True):
        cell = one.cell
        if cell in changed and (len(done.kept) < KEPT_AT_MOST or cell in done.kept):
            done.kept[cell] = Kept(cell, one.program.key, one.period, document)


def last_day(tx: Connection, program: str) -> date | None:
    """The program's local day when what time alone changes was last looked at; None: it never was."""
    found = meta.get(tx, f"{_DAY}{program}")
    return date.fromisoformat(found) if found else None


def _turn_of_the_day(
    tx: Connection, programs: Iterable[Program], now: datetime, *, fresh: Collection[str]
) -> bool:
    """Look again at what time alone changes; once per program and local day. True when any day turned.

    Those that are `fresh` (new, or changed today) may have other periods and members, who have one to see today already.
    """
    turned = False
    for program in programs:
        today = program.day_of(now)
        last = last_day(tx, program.key)
        if last == today and program.key not in fresh:
            continue
        turned = turned or last != today
        since = last or today
        rows = rollover.periods_of(tx, program.key)
        closes = {p.start: program.settlement.closes_on(p) for p in program.periods()}
        rollover.mark_again(tx, [row.pk for row in rows if row.start <= today and closes[row.start] >= since])
        for number, row in enumerate(rows):
            if row.start <= today and row.end > since:  # those that passed without a sync, too
                rollover.open_for(tx, row.pk, [earlier.pk for earlier in rows[:number]])
        meta.put(tx, f"{_DAY}{program.key}", today.isoformat())
    return turned


def _changed_tier(computed: Sequence[Calculated], saved: Sequence[Saved]) -> list[Calculated]:
    """Standings that came to another tier than they had; a new one had none."""
    former = {one.cell: None if one.before is None else json.loads(one.before)["tier"] for one in saved}
    return [
        found
        for found in computed
        if found.one.cell in former and former[found.one.cell] != found.standing.tier
    ]


def _news(
    computed: Sequence[Calculated], saved: Sequence[Saved], now: datetime, run_pk: int
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
    known = Before(document["tier"], document["capped"], Decimal(document["rebate"]), at.working)
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


def _drop_unknown(tx: Connection, asked: Sequence[Cell], answered: Sequence[Calculated]) -> None:
    """Cells of retired programs or periods: their marks must go, or they would be asked for again for ever. Planning lets
    their standings go (`jobs.left_behind`)."""
    gone = sorted(set(asked) - {found.one.cell for found in answered})
    if gone:
        standings.clear(tx, gone)
