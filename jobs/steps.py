"""The steps that a sync and a reconcile have in common; each writes into the report what came of it and what people are told.

Which steps a run takes, and in what order, stands in `jobs.sync` and `jobs.reconcile`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

from jobs import login_pause
from jobs.again import again
from jobs.app import App
from jobs.compute import compute
from jobs.decimals import unwritable
from jobs.inventory import take_inventory
from jobs.login_pause import minding_the_login
from jobs.lost_rows import NOTHING, Accepted
from jobs.payouts import read_back
from jobs.preflight import preflight
from jobs.pull import pull
from jobs.push import push
from jobs.rehearsal import leaving_no_store, rehearse
from jobs.run_report import RunReport
from jobs.running import Running
from jobs.takeover import Row, adopt_the_rest
from state import meta, outbox, rebasing, rejected

R = TypeVar("R", bound=RunReport)


def carry_out(app: App, work: Callable[[], R], *, dry_run: bool, asks_org: bool = True) -> R:
    """Do a whole job, so that a login which the org refuses is remembered; with `dry_run`, undo it and leave no store."""
    login = minding_the_login(app) if asks_org else nullcontext()
    if not dry_run:
        with login:
            return work()

    app.engine = "sql"  # a snapshot would outlive what is undone

    def rehearsed() -> R:
        with rehearse(app):
            return work()

    with leaving_no_store(app), login:
        return again(app, rehearsed)


def bind_to_org(app: App) -> str:
    """Log in; at first use the store is bound to this org, and no other is accepted ever after."""
    org_id = app.org.org_id
    with app.store.read() as tx:
        known, refused = meta.org_id(tx), login_pause.is_noted(tx)
    if refused:
        with app.store.transaction() as tx:
            login_pause.note_worked(tx)
    if known != org_id:
        with app.store.transaction() as tx:
            meta.pin_org(tx, org_id, where=app.store.where)
            if known is None:  # what another store wrote there before is read before anything is sent
                rebasing.enter(tx, rebasing.Stage.NEW)
    return org_id


def look_at_programs(run: Running, report: RunReport, *, needed: bool = True) -> None:
    """Program files that are not valid, and what is computed instead. `needed`: this run computes, and is not whole without them."""
    told = again(run.app, _told_of_programs, run.app)
    report.warnings += told
    report.invalid = told if needed else []


def check_the_org(run: Running, report: RunReport) -> None:
    """What the org lacks for what we want of it."""
    report.warnings += [problem.in_a_line for problem in again(run.app, preflight, run.app)]


def read_changes(run: Running, report: RunReport) -> None:
    """What changed in the org since the last time."""
    report.pulled = again(run.app, pull, run)
    report.warnings += report.pulled.warnings


def compare_ids(run: Running, report: RunReport, *, accept_missing: Accepted = NOTHING) -> None:
    """Every id here with every id there."""
    without = report.pulled.unreadable
    report.inventory = again(run.app, take_inventory, run, accept_missing=accept_missing, without=without)
    report.warnings += report.inventory.warnings


def adopt_payouts(run: Running, report: RunReport) -> list[Row]:
    """Payouts in the org that have no place here yet; returns those that find theirs only when programs are installed."""
    return [] if "account" in dict(report.pulled.stopped) else again(run.app, adopt_the_rest, run)


def read_decisions(
    run: Running, report: RunReport, *, everything: bool, accept_missing: Accepted = NOTHING
) -> None:
    """What finance decided about payouts in the org."""
    app = run.app
    deleted = accept_missing.covers("payout", *(one.object for one in [app.written("payout")] if one))
    report.payouts = again(app, read_back, app, everything=everything, accept_missing=deleted)
    report.warnings += report.payouts.said


def compute_standings(run: Running, report: RunReport, left: Sequence[Row], *, helped: bool = False) -> None:
    """Everything that moved. `left`: as `adopt_payouts` returned them; `helped`: other processes take a share of the work."""
    app = run.app
    report.computed = again(app, compute, app, run.pk, run if helped else None, left=left)
    report.warnings += [*report.computed.problems, *map(str, report.computed.refused)]


def look_at_decimals(run: Running, report: RunReport) -> None:
    """Payouts that the org's field cannot hold to the last digit are not sent."""
    report.payouts_aside, said = again(run.app, unwritable, run.app)
    report.warnings += said


def send(run: Running, report: RunReport) -> None:
    """Tell the org what it should know, and count what did not arrive."""
    report.pushed = push(run)
    report.warnings += report.pushed.warnings
    report.outbox = again(run.app, _what_is_left, run.app)


def close(run: Running, report: RunReport, own_counts: Mapping[str, Any]) -> None:
    """What goes into the run's row: how it ended, and its counts. `own_counts`: those of this job alone."""
    app = run.app
    report.rejected_waiting = again(app, _rejected, app)
    report.api_calls = app.calls + run.calls_of_others
    run.partial = report.partial
    run.counts |= {
        "pulled": report.pulled.rows,
        "changed": report.pulled.changed,
        **own_counts,
        "pushed": report.pushed.done,
        "set_aside": report.set_aside,
        "put_off": report.put_off,
    }


def _told_of_programs(app: App) -> list[str]:
    """Program files that are not valid, each in a line with what is computed instead."""
    with app.store.read() as tx:
        return app.invalid_programs(tx)


def _what_is_left(app: App) -> dict[str, int]:
    """After a push: rows of the outbox that did not arrive, by state."""
    with app.store.read() as tx:
        found = outbox.counts(tx)
    return {state: found[state] for state in ("pending", "inflight", "quarantined") if state in found}


def _rejected(app: App) -> int:
    with app.store.read() as tx:
        return sum(rejected.counts(tx).values())
