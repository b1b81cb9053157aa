"""One sync, read this first: pull → compute → push. Each line is a noun that you can open next."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from connector import errors
from jobs import login_pause, own_currency
from jobs.again import again
from jobs.app import App
from jobs.compute import Computed, compute
from jobs.decimals import unwritable
from jobs.engines import engine_name, keep_snapshot
from jobs.inventory import Inventory, follow_the_lost, is_needed, take_inventory
from jobs.login_pause import minding_the_login
from jobs.merges_and_gaps import why_nothing_counts
from jobs.payouts import ReadBack, read_back
from jobs.preflight import preflight
from jobs.pull import Pulled, pull
from jobs.push import push
from jobs.pushed import Pushed
from jobs.rebase import Rebased, rebase, wants_a_sync
from jobs.rehearsal import Preview, leaving_no_store, preview, rehearse
from jobs.running import Running, running
from jobs.schema import stopped_pushes
from jobs.takeover import Row, adopt_the_rest
from state import meta, outbox, rebasing, rejected

Part = Literal["pull", "compute", "push"]
EVERYTHING: tuple[Part, ...] = ("pull", "compute", "push")


@dataclass
class SyncReport:
    """What one sync did, in numbers; `stopped` names streams or objects that could not go on."""

    org_id: str
    run: int
    dry_run: bool
    held: dict[str, errors.SyncError] = field(
        default_factory=dict
    )  # targets whose fields do not fit any more
    rebased: Rebased | None = None  # after a restore
    waiting: dict[str, errors.SyncError] = field(default_factory=dict)  # why nothing is computed or pushed
    pulled: Pulled = field(default_factory=Pulled)
    inventory: Inventory = field(default_factory=Inventory)  # after a long gap, a restore, a changed filter
    payouts: ReadBack = field(default_factory=ReadBack)
    computed: Computed = field(default_factory=Computed)
    pushed: Pushed = field(default_factory=Pushed)
    preview: Preview = field(default_factory=Preview)  # dry run: what a push would send
    api_calls: int = 0
    seconds: timedelta = timedelta(0)
    invalid: list[str] = field(default_factory=list)  # program files that are not valid: each in a line
    rejected_waiting: int = 0
    payouts_aside: int = 0  # that the org's field cannot hold exactly
    outbox: dict[str, int] = field(default_factory=dict)  # what is left in it, by state
    warnings: list[str] = field(default_factory=list)

    @property
    def stopped(self) -> dict[str, errors.SyncError]:
        return {
            **self.held,
            **dict(self.pulled.stopped),
            **self.inventory.stopped,
            **self.payouts.stopped,
            **self.waiting,
            **self.pushed.stopped,
        }

    @property
    def set_aside(self) -> int:
        """Records that are not in the numbers: rows that could not be read, writes that the org refused or would round."""
        return (
            self.rejected_waiting
            + self.payouts_aside
            + self.payouts.aside
            + self.outbox.get("quarantined", 0)
        )

    @property
    def put_off(self) -> int:
        """Writes that a push left for later, of this run or earlier ones."""
        return self.outbox.get("pending", 0) + self.outbox.get("inflight", 0)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "org_id": self.org_id,
            "run": self.run,
            "dry_run": self.dry_run,
            "api_calls": self.api_calls,
            "pulled": self.pulled.rows,
            "changed": self.pulled.changed,
            "standings": self.computed.standings,
            "standings_changed": self.computed.changed,
            "incomplete": self.computed.incomplete,
            "events": self.computed.events,
            "payouts_decided": self.payouts.changed,
            "planned": self.computed.planned.total,
            "without_amounts": self.computed.planned.without_amounts,
            "pushed": self.pushed.done,
            "overtaken": self.pushed.overtaken,
            "retrying": self.pushed.retrying,
            "put_off": self.put_off,
            "rejected": self.set_aside,
            "seconds": self.seconds,
            "streams": [
                {
                    "entity": stream.entity,
                    "method": stream.method,
                    "rows": stream.rows,
                    "changed": stream.applied.inserted + stream.applied.updated,
                    "rejected": stream.rejected,
                }
                for stream in self.pulled.streams
            ],
            "pushed_by_object": self.pushed.by_object,
            "refused": [{"object": o, "code": c, "account": a} for o, c, a in self.pushed.refused[:20]],
            "stopped": {
                name: {"code": e.code, "detail": e.detail, "hint": e.hint} for name, e in self.stopped.items()
            },
            "rebased": self.rebased,
            "inventory": self.inventory.stock,
            "changes": self.preview.changes,
            "writes_planned": self.preview.writes,
            "writes_waiting": self.preview.waiting,
            "calls_planned": self.preview.calls,
        }


def sync(
    app: App, *, slot: datetime | None = None, parts: tuple[Part, ...] = EVERYTHING, dry_run: bool = False
) -> SyncReport:
    """Bring the store up to date with the org and the org with the store.

    `parts` leaves some out; `dry_run` does everything but keep it: the store is as it was, nothing is sent.
    """
    started = app.clock.monotonic()
    app.require_setup()
    trace = leaving_no_store(app) if dry_run else nullcontext()
    with trace, nullcontext() if parts == ("compute",) else minding_the_login(app):
        if dry_run:
            app.engine = "sql"  # a snapshot would outlive what is undone here

            def rehearsed() -> SyncReport:
                with rehearse(app):
                    return _timed(_sync(app, slot, parts, dry_run=True), app, started)

            return again(app, rehearsed)
        return _timed(_sync(app, slot, parts, dry_run=False), app, started)


def _sync(app: App, slot: datetime | None, parts: tuple[Part, ...], *, dry_run: bool) -> SyncReport:
    job = "sync" if parts == EVERYTHING else "+".join(parts)
    with running(app, job, slot) as run:
        report = SyncReport(again(app, _org_id, app, parts), run.pk, dry_run)
        told = again(app, told_of_programs, app)
        report.warnings += told
        report.invalid = told if "compute" in parts else []
        left: list[Row] = []
        if "pull" in parts or "push" in parts:
            report.warnings += [problem.in_a_line for problem in again(app, preflight, app)]
            report.held = again(app, stopped_pushes, app)
            if parts == ("push",):
                report.waiting = again(app, wants_a_sync, app)
            if not report.waiting:
                report.rebased = again(app, rebase, run)
        if "pull" in parts:
            report.pulled = again(app, pull, run)
            report.warnings += report.pulled.warnings
            if (why := again(app, is_needed, app)) is not None:
                report.warnings.append(f"every id was compared with the org: {why}")
                without = report.pulled.unreadable
                report.inventory = again(app, take_inventory, run, without=without)
                report.warnings += report.inventory.warnings
            gone = why is not None  # which accounts are gone was just looked at: payouts tell where to
            if not {"account", "order"} & dict(report.pulled.stopped).keys():
                gone |= again(app, follow_the_lost, run)
            if "account" not in dict(report.pulled.stopped):
                left = again(app, adopt_the_rest, run)
            report.payouts = again(app, read_back, app, everything=gone)
            report.warnings += report.payouts.said
        if parts != ("pull",):
            report.waiting |= again(app, why_nothing_counts, app)
        if engine_name(app) != "sql" and parts != ("push",):
            again(app, keep_snapshot, app, run.beat)
        if "compute" in parts and not report.waiting:
            report.computed = again(app, compute, app, run.pk, run, left=left)
            report.warnings += [*report.computed.problems, *map(str, report.computed.refused)]
            report.warnings += own_currency.without_amounts(report.computed.planned.without_amounts)
            report.payouts_aside, said = again(app, unwritable, app)
            report.warnings += said
        if dry_run:
            report.preview = preview(app)
        elif "push" in parts and not report.waiting:
            report.pushed = push(run)
            report.warnings += report.pushed.warnings
            report.outbox = again(app, what_is_left, app)
        again(app, _close, run, report)
    return report


def told_of_programs(app: App) -> list[str]:
    """Program files that are not valid, each in a line with what is computed instead."""
    with app.store.read() as tx:
        return app.invalid_programs(tx)


def what_is_left(app: App) -> dict[str, int]:
    """After a push: rows of the outbox that did not arrive, by state."""
    with app.store.read() as tx:
        found = outbox.counts(tx)
    return {state: found[state] for state in ("pending", "inflight", "quarantined") if state in found}


def _org_id(app: App, parts: tuple[Part, ...]) -> str:
    """The org that the store belongs to; computing alone needs no login once it is known."""
    if parts == ("compute",):
        with app.store.read() as tx:
            known = meta.org_id(tx)
        if known is not None:
            return known
    return bind_to_org(app)


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


def _close(run: Running, report: SyncReport) -> None:
    report.api_calls = run.calls_of_others
    with run.app.store.read() as tx:
        report.rejected_waiting = sum(rejected.counts(tx).values())
    left = report.set_aside or report.put_off or report.stopped or report.computed.refused or report.invalid
    run.partial = bool(left)
    run.counts |= {
        "pulled": report.pulled.rows,
        "changed": report.pulled.changed,
        "standings_changed": report.computed.changed,
        "pushed": report.pushed.done,
        "set_aside": report.set_aside,
        "put_off": report.put_off,
    }


def _timed(report: SyncReport, app: App, started: float) -> SyncReport:
    report.api_calls += app.calls
    report.seconds = timedelta(seconds=app.clock.monotonic() - started)
    return report
