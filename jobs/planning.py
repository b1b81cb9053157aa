"""Plan: what the org should be told, put into the outbox in the transaction of the standings.

A record that equals what the org last acknowledged (or what is on its way) is not written again; the outbox
decides that by key and content. Dry run, preview and push all read the same rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from jobs import alerting
from jobs.primary import primary
from jobs.refusals import TooSurprising, Unusable
from jobs.views import Shown, view_of
from mappings.model import Mapping, PushTarget
from mappings.outbound import record
from rebates.program import Program
from state import acknowledged, addressees, meta, newest, outbox, people, standings
from state.events import EventRow
from state.outbox import Wanted
from state.totals import Cell

if TYPE_CHECKING:
    from jobs.app import App

CELLS_AT_ONCE = 1_000
CONTRIBUTIONS_SHOWN = 10  # on a standing in the org; all of them are in `explain`
FEW = 5  # clearing this many accounts is never a surprise


@dataclass(frozen=True)
class Planned:
    """Rows put into the outbox, by target."""

    standing: int = 0
    account: int = 0
    task: int = 0
    task_closed: int = 0
    notification: int = 0

    @property
    def total(self) -> int:
        return self.standing + self.account + self.task + self.task_closed + self.notification


@dataclass
class Planning:
    """What planning needs of one run."""

    app: App
    tx: Connection
    org_id: str
    now: datetime
    programs: dict[str, Program]
    targets: dict[str, PushTarget]
    run_pk: int
    counts: dict[str, int] = field(default_factory=dict)

    def enqueue(self, target: str, wanted: Sequence[Wanted]) -> None:
        """Put rows into the outbox and count those that were new."""
        if wanted:
            self.counts[target] = self.counts.get(target, 0) + outbox.enqueue(self.tx, wanted, now=self.now)

    def shown(self, rows: Iterable[standings.StandingView]) -> Iterator[Shown]:
        """Saved standings with all that is needed to show them; accounts that are gone are left out."""
        for some in batched_rows(rows, CELLS_AT_ONCE):
            members = people.members(self.tx, {row.cell.member_pk for row in some})
            for row in some:
                program = self.programs.get(row.program)
                member = members[row.cell.member_pk]
                period = program.period_of(row.start) if program else None
                if program is not None and period is not None and not member.gone:
                    yield Shown(row, json.loads(row.document), program, period, member)


def plan(
    app: App,
    tx: Connection,
    programs: Sequence[Program],
    touched: set[Cell],
    news: Sequence[EventRow],
    *,
    turned: bool,
    run_pk: int,
) -> Planned:
    """Outbox rows for standings that changed, the accounts they belong to, and what happened."""
    org_id = meta.org_id(tx)
    if org_id is None:
        raise Unusable("this store does not know its org yet", "run `rebates sync` (or `rebates pull`) once")
    members = people.members(tx, {cell.member_pk for cell in touched}).values()
    addressees.close_of(tx, {member.id for member in members if member.gone}, now=app.clock.now())
    planning = Planning(
        app, tx, org_id, app.clock.now(), {p.key: p for p in programs}, push_targets(app, tx), run_pk
    )
    everything = _mapping_changed(planning)
    cells = {row.cell for row in standings.find(tx)} if everything else touched
    if "standing" in planning.targets:
        _standings(planning, sorted(cells))
    if "account" in planning.targets:
        shown_on = {cell.member_pk for cell in cells}
        if turned:  # a period ended: accounts whose standings did not change may show another one
            shown_on |= {row.cell.member_pk for row in standings.find(tx)}
        _accounts(planning, shown_on)
    alerting.plan_alerts(planning, news, touched, turned=turned)
    counts = planning.counts
    return Planned(
        counts.get("standing", 0),
        counts.get("account", 0),
        counts.get("task", 0),
        counts.get("task_closed", 0),
        counts.get("notification", 0),
    )


def push_targets(app: App, tx: Connection) -> dict[str, PushTarget]:
    """The push tables in use, with the lengths of the org's text fields as preflight found them."""
    from jobs.preflight import fitted_targets

    wanted = app.settings.push.targets
    targets = {name: app.mapping.push[name] for name in wanted if name in app.mapping.push}
    return fitted_targets(tx, {name: target for name, target in targets.items() if target.when != "never"})


def fingerprint(mapping: Mapping) -> str:
    """Changes when what we write does: every standing is then compared again."""
    text = repr(sorted((name, repr(target)) for name, target in mapping.push.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _mapping_changed(planning: Planning) -> bool:
    found = fingerprint(planning.app.mapping) + ":" + ",".join(sorted(planning.targets))
    if meta.get(planning.tx, "push.mapping") == found:
        return False
    meta.put(planning.tx, "push.mapping", found)
    return True


def _standings(planning: Planning, cells: Sequence[Cell]) -> None:
    target = planning.targets["standing"]
    assert target.match is not None
    for some in batched_rows(cells, CELLS_AT_ONCE):
        traces = newest.recent(planning.tx, some, limit=CONTRIBUTIONS_SHOWN)
        wanted = []
        for shown in planning.shown(standings.find(planning.tx, cells=some)):
            if not _within_closed(planning, shown):
                continue
            today = shown.program.day_of(planning.now)
            view = view_of(shown, org_id=planning.org_id, today=today, traces=traces.get(shown.row.cell, ()))
            payload = record(target, view)
            key = str(payload.pop(target.match))
            wanted.append(Wanted("state", target.object, key, _lasting(target, payload), shown.member.id))
        planning.enqueue("standing", wanted)


def _within_closed(planning: Planning, shown: Shown) -> bool:
    """Standings of long closed periods are written only as far back as the settings say."""
    limit = planning.app.settings.push.closed_periods
    if limit is None:
        return True
    periods = shown.program.periods()
    today = shown.program.day_of(planning.now)
    current = next((n for n, p in enumerate(periods) if today < p.end), len(periods))
    return periods.index(shown.period) >= current - limit


def _accounts(planning: Planning, member_pks: set[int]) -> None:
    """The most useful standing of each account; fields of an account that has none any more are cleared."""
    target = planning.targets["account"]
    members = people.members(planning.tx, member_pks)
    known = acknowledged.hashes(planning.tx, [(target.object, member.id) for member in members.values()])
    chosen: dict[int, list[tuple[Shown, Any]]] = {}
    days = {program.day_of(planning.now) for program in planning.programs.values()}
    seen: set[Cell] = set()
    for day in sorted(days):
        for shown in planning.shown(standings.find(planning.tx, on=day, members=member_pks)):
            if shown.row.cell not in seen:
                seen.add(shown.row.cell)
                today = shown.program.day_of(planning.now)
                chosen.setdefault(shown.row.cell.member_pk, []).append((shown, today))
    wanted, cleared = [], 0
    for pk in sorted(member_pks):
        member = members[pk]
        if member.gone:
            continue
        best = primary(chosen.get(pk, ()))
        if best is not None:
            view = view_of(best, org_id=planning.org_id, today=best.program.day_of(planning.now))
            payload = _lasting(target, record(target, view))
        elif (target.object, member.id) in known:
            payload = {name: None for name in target.fields if name not in target.volatile}
            cleared += 1
        else:
            continue
        payload.pop("Id", None)
        wanted.append(Wanted("state", target.object, member.id, payload, member.id))
    if cleared:
        _guard_mass_clear(planning, cleared, acknowledged.count(planning.tx, target.object))
    planning.enqueue("account", wanted)


def _guard_mass_clear(planning: Planning, cleared: int, shown: int) -> None:
    """A real period end clears a few accounts; a short read or a lost program clears most."""
    app = planning.app
    if cleared > max(FEW, shown * app.settings.push.clear_share) and not app.allow_mass_clear:
        raise TooSurprising(
            f"this would clear the rebate fields of {cleared} of {shown} accounts. That is usual when a program ends; "
            "more often the orders came back short or a program file is gone. Nothing was changed",
            "look with `rebates sync --dry-run`; if it is right: `rebates sync --allow-mass-clear`",
            cleared=cleared,
            shown=shown,
        )


def _lasting(target: PushTarget, payload: dict[str, Any]) -> dict[str, Any]:
    """Without what changes on every write: it is added when the record is sent."""
    volatile = target.volatile
    return {name: value for name, value in payload.items() if name not in volatile}


def batched_rows(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of at most `size`."""
    batch: list[Any] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
