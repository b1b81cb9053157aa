"""Plan: what the org should be told, put into the outbox in the transaction of the standings.

A record that equals what the org last acknowledged (or what is on its way) is not written again; the outbox
decides that by key and content. Dry run, preview and push all read the same rows.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from jobs import alerting, fuses, losers_of_pulls, whole_plan
from jobs.documents import Kept
from jobs.left_behind import let_go_of_left
from jobs.merged import close_left_records
from jobs.payouts import plan_payouts
from jobs.planning_run import CELLS_AT_ONCE, Planning, batched_rows
from jobs.primary import primary
from jobs.refusals import Unusable
from jobs.schema import targets_held
from jobs.views import Shown
from mappings.model import Mapping as PushMapping
from mappings.model import PushTarget
from mappings.outbound import Writer
from mappings.record_currency import foreign_amounts
from rebates.program import Program
from state import acknowledged, addressees, meta, newest, people, standings
from state.events import EventRow
from state.outbox import Wanted
from state.totals import Cell

if TYPE_CHECKING:
    from jobs.app import App

ACCOUNTS_AT_ONCE = 1_000  # with all their running standings in memory
# In `meta`: the day on which days left were last written to standings. Under "day.told" an earlier version of ours noted it,
# which left those of periods that had ended before it as they were.
DAYS_TOLD = "days.told"
CONTRIBUTIONS_SHOWN = 10  # on a standing in the org; all of them are in `explain`


@dataclass(frozen=True)
class Planned:
    """Rows put into the outbox, by target."""

    standing: int = 0
    account: int = 0
    task: int = 0
    task_closed: int = 0
    notification: int = 0
    payout: int = 0
    without_amounts: int = 0  # accounts looked at whose currency is not that of the standing they show

    @property
    def total(self) -> int:
        return self.standing + self.account + self.task + self.task_closed + self.notification + self.payout


def plan(
    app: App,
    tx: Connection,
    programs: Sequence[Program],
    touched: set[Cell],
    news: Sequence[EventRow],
    *,
    turned: bool,
    run_pk: int,
    now: datetime,
    kept: Mapping[Cell, Kept] | None = None,
    elsewhere: Collection[Cell] | None = None,
) -> Planned:
    """Outbox rows for standings that changed, the accounts they belong to, and what happened.

    `kept`: those of the changed that need not be read back. `elsewhere`: what other processes have planned for this run; what is one for all accounts still is done here.
    """
    planning = _planning(app, tx, programs, run_pk, now)
    planning.kept = kept or {}
    there = set(elsewhere or ()) - touched
    members = people.members(tx, {cell.member_pk for cell in touched | there}).values()
    gone = {member.id for member in members if member.gone} | addressees.lost(tx) | losers_of_pulls.noted(tx)
    plan_payouts(planning, gone)  # first: what waits for a merged account goes to the winner
    addressees.close_of(tx, gone, now=now, keep=close_left_records(planning, gone))
    everything = _mapping_changed(planning)
    cells = standings.cells(tx) - there if everything else touched
    if turned:
        cells = cells | (_moved_by_the_day(planning) - there)
    left = let_go_of_left(planning, again=everything)
    if "standing" in planning.targets:
        _standings(planning, sorted(cells))
    if "account" in planning.targets:
        shown_on = {cell.member_pk for cell in cells} | left
        if turned:  # a period ended: accounts whose standings did not change may show another one
            shown_on |= standings.members(tx)
        shown_on -= {cell.member_pk for cell in there} - {cell.member_pk for cell in touched}
        _accounts(planning, shown_on)
    alerting.plan_alerts(planning, news, touched | there, turned=turned)
    fuses.require_usual(app, tx, planning.unusual)
    fuses.forget(tx)
    return _planned(planning)


def plan_share(
    app: App,
    tx: Connection,
    programs: Sequence[Program],
    touched: set[Cell],
    news: Sequence[EventRow],
    *,
    run_pk: int,
    now: datetime,
    kept: Mapping[Cell, Kept] | None = None,
    sequence: Callable[[int], int] | None = None,
) -> tuple[Planned, Counter[str]]:
    """The same for the accounts of one share, while other processes plan for theirs; and what the fuses look at.

    What looks at all accounts at once is left to `plan`, which comes after. `sequence`: see `outbox.enqueue`.
    """
    planning = _planning(app, tx, programs, run_pk, now)
    planning.kept, planning.sequence = kept or {}, sequence
    if "standing" in planning.targets:
        _standings(planning, sorted(touched))
    if "account" in planning.targets:
        _accounts(planning, {cell.member_pk for cell in touched})
    alerting.plan_news(planning, news)
    return _planned(planning), planning.unusual


def _planning(app: App, tx: Connection, programs: Sequence[Program], run_pk: int, now: datetime) -> Planning:
    org_id = meta.org_id(tx)
    if org_id is None:
        raise Unusable("this store does not know its org yet", "run `rebates sync` (or `rebates pull`) once")
    return Planning(app, tx, org_id, now, {p.key: p for p in programs}, push_targets(app, tx), run_pk)


def _planned(planning: Planning) -> Planned:
    counts = planning.counts
    return Planned(
        counts.get("standing", 0),
        counts.get("account", 0),
        counts.get("task", 0),
        counts.get("task_closed", 0),
        counts.get("notification", 0),
        counts.get("payout", 0),
        len(planning.without_amounts),
    )


def push_targets(app: App, tx: Connection) -> dict[str, PushTarget]:
    """The push tables in use, with the lengths of the org's text fields as preflight found them."""
    from jobs.preflight import fitted_targets

    held = targets_held(tx)
    targets = {name: app.written(name) for name in app.settings.push.targets if name not in held}
    return fitted_targets(tx, {name: target for name, target in targets.items() if target is not None})


def fingerprint(mapping: PushMapping) -> str:
    """Changes when what we write does: every standing is then compared again."""
    text = repr(sorted((name, repr(target)) for name, target in mapping.push.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _mapping_changed(planning: Planning) -> bool:
    found = fingerprint(planning.app.mapping) + ":" + ",".join(sorted(planning.targets))
    return whole_plan.is_due(planning.tx, found)


def _moved_by_the_day(planning: Planning) -> set[Cell]:
    """Standings whose record says how many days are left, or the day itself: of periods that are open, and of those that ended
    since such were last told: all where they never were."""
    target = planning.targets.get("standing")
    days = sorted(planning.today(program) for program in planning.programs.values())
    if target is None or not target.daily or not days:
        return set()
    told = meta.get(planning.tx, DAYS_TOLD)
    since = date.min if told is None else min(days[0], date.fromisoformat(told))
    meta.put(planning.tx, DAYS_TOLD, days[0].isoformat())
    return standings.cells_between(planning.tx, since, days[-1])


def _standings(planning: Planning, cells: Sequence[Cell]) -> None:
    target = planning.targets["standing"]
    assert target.match is not None
    writer = _lasting(target)
    for some in batched_rows(cells, CELLS_AT_ONCE):
        planning.app.pace.look()
        traces = newest.recent(planning.tx, some, limit=CONTRIBUTIONS_SHOWN)
        wanted = []
        for shown in planning.shown(planning.saved(some)):
            if not _within_closed(planning, shown):
                continue
            today = planning.today(shown.program)
            view = planning.views.of(shown, today=today, traces=traces.get(shown.cell, ()))
            payload = writer.record(view)
            key = str(payload.pop(target.match))
            wanted.append(Wanted("state", target.object, key, payload, shown.member.id))
        planning.enqueue("standing", wanted)


def _within_closed(planning: Planning, shown: Shown) -> bool:
    """Standings of long closed periods are written only as far back as the settings say."""
    limit = planning.app.settings.push.closed_periods
    if limit is None:
        return True
    periods = shown.program.periods()
    today = planning.today(shown.program)
    current = next((n for n, p in enumerate(periods) if today < p.end), len(periods))
    its = next((n for n, p in enumerate(periods) if shown.period.start < p.end), len(periods))
    return its >= current - limit


def _accounts(planning: Planning, member_pks: set[int]) -> None:
    """The most useful standing of each account; fields of an account that has none any more are cleared."""
    for some in batched_rows(sorted(member_pks), ACCOUNTS_AT_ONCE):
        planning.app.pace.look()
        _some_accounts(planning, set(some))


def _some_accounts(planning: Planning, member_pks: set[int]) -> None:
    target = planning.targets["account"]
    members = planning.members(member_pks)
    known = acknowledged.hashes(planning.tx, [(target.object, member.id) for member in members.values()])
    chosen: dict[int, list[tuple[Shown, Any]]] = {}
    days = {planning.today(program) for program in planning.programs.values()}
    seen: set[Cell] = set()
    for day in sorted(days):
        for shown in planning.shown(planning.running(day, member_pks)):
            if shown.cell not in seen:
                seen.add(shown.cell)
                today = planning.today(shown.program)
                chosen.setdefault(shown.cell.member_pk, []).append((shown, today))
    wanted, cleared, writer = [], [], _lasting(target)
    empty = fuses.emptied(target)
    for pk in sorted(member_pks):
        member = members[pk]
        if member.gone:
            continue
        best = primary(chosen.get(pk, ()))
        if best is not None:
            view = planning.views.of(best, today=planning.today(best.program))
            payload = writer.record(view)
            payload.pop("Id", None)
            if foreign := foreign_amounts(target, view):
                payload |= dict.fromkeys(foreign)
                planning.without_amounts.add(member.id)
            wanted.append(Wanted("state", target.object, member.id, payload, member.id))
        elif (target.object, member.id) in known:
            cleared.append(Wanted("state", target.object, member.id, empty, member.id))
    planning.enqueue("account", wanted)
    # What is empty already, or was asked for before, is not cleared by this run.
    planning.unusual["cleared"] += planning.enqueue("account", cleared)


def _lasting(target: PushTarget) -> Writer:
    """Without what changes on every write: it is added when the record is sent."""
    return Writer(target, leave_out=target.volatile)
