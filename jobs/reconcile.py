"""Reconcile, once a night: what no window sees (inventory) and what people changed in our fields (drift).

pull → inventory → drift → compute → push. Everything that is found is repaired in the same run; with `dry_run` the
same steps are taken inside a transaction that is not kept, and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector import errors
from jobs.again import again
from jobs.app import App
from jobs.compute import Computed, compute
from jobs.decimals import unwritable
from jobs.drift import Drift, repair
from jobs.inventory import Inventory, take_inventory
from jobs.login_pause import minding_the_login
from jobs.lost_rows import Accepted, accepted
from jobs.merges_and_gaps import why_nothing_counts
from jobs.payouts import ReadBack, read_back
from jobs.preflight import preflight
from jobs.pull import Pulled, pull
from jobs.push import push
from jobs.pushed import Pushed
from jobs.rebase import rebase
from jobs.rehearsal import Preview, leaving_no_store, preview, rehearse
from jobs.running import running
from jobs.schema import SchemaSeen, look_at_schema
from jobs.takeover import Row, adopt_the_rest
from jobs.tidying import tidy
from state import rejected


@dataclass
class Reconciled:
    """What was compared, what differed, and what was done about it."""

    dry_run: bool
    waiting: dict[str, errors.SyncError] = field(default_factory=dict)  # why nothing is computed or pushed
    pulled: Pulled = field(default_factory=Pulled)
    inventory: Inventory = field(default_factory=Inventory)
    schema: SchemaSeen = field(default_factory=SchemaSeen)
    drift: Drift = field(default_factory=Drift)
    payouts: ReadBack = field(default_factory=ReadBack)
    computed: Computed = field(default_factory=Computed)
    pushed: Pushed = field(default_factory=Pushed)
    preview: Preview = field(default_factory=Preview)  # dry run: what a push would send
    api_calls: int = 0
    tidied: dict[str, int] = field(default_factory=dict)  # rows that nothing needed any more, by kind
    invalid: list[str] = field(default_factory=list)  # program files that are not valid: each in a line
    rejected_waiting: int = 0
    payouts_aside: int = 0  # that the org's field cannot hold exactly
    outbox: dict[str, int] = field(default_factory=dict)  # what is left in it, by state
    warnings: list[str] = field(default_factory=list)

    @property
    def stopped(self) -> dict[str, errors.SyncError]:
        return {
            **self.schema.stopped,
            **dict(self.pulled.stopped),
            **self.inventory.stopped,
            **self.drift.stopped,
            **self.payouts.stopped,
            **self.waiting,
            **self.pushed.stopped,
        }

    @property
    def set_aside(self) -> int:
        return (
            self.rejected_waiting
            + self.payouts_aside
            + self.payouts.aside
            + self.outbox.get("quarantined", 0)
        )

    @property
    def put_off(self) -> int:
        return self.outbox.get("pending", 0) + self.outbox.get("inflight", 0)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "dry_run": self.dry_run,
            "changed": self.pulled.changed,
            "inventory": self.inventory.stock,
            "fields_changed": self.schema.changed,
            "drift": {
                "compared": self.drift.compared,
                "changed": self.drift.changed,
                "gone": self.drift.gone,
                "tasks_dismissed": self.drift.tasks.dismissed,
                "tasks_reassigned": self.drift.tasks.reassigned,
                "tasks_closed_again": self.drift.tasks.closed_again,
                "samples": self.drift.samples,
            },
            "payouts": {"read": self.payouts.read, "changed": self.payouts.changed},
            "standings_changed": self.computed.changed,
            "planned": self.computed.planned.total,
            "pushed": self.pushed.done,
            "pushed_by_object": self.pushed.by_object,
            "put_off": self.put_off,
            "tidied": self.tidied,
            "rejected": self.set_aside,
            "stopped": {
                name: {"code": e.code, "detail": e.detail, "hint": e.hint} for name, e in self.stopped.items()
            },
            "changes": self.preview.changes,
            "writes_planned": self.preview.writes,
            "writes_waiting": self.preview.waiting,
            "calls_planned": self.preview.calls,
            "api_calls": self.api_calls,
        }


def reconcile(
    app: App, *, slot: datetime | None = None, dry_run: bool = False, accept_missing: Iterable[str] = ()
) -> Reconciled:
    """Compare everything with the org and put it right. `accept_missing`: objects of which a person says that what is
    missing was deleted."""
    app.require_setup()
    accepts = accepted(app, accept_missing)
    with leaving_no_store(app) if dry_run else nullcontext(), minding_the_login(app):
        if dry_run:

            def rehearsed() -> Reconciled:
                with rehearse(app):
                    return _reconcile(app, slot, dry_run=True, accept_missing=accepts)

            return again(app, rehearsed)
        return _reconcile(app, slot, dry_run=False, accept_missing=accepts)


def _reconcile(app: App, slot: datetime | None, *, dry_run: bool, accept_missing: Accepted) -> Reconciled:
    from jobs.sync import bind_to_org, told_of_programs, what_is_left

    report = Reconciled(dry_run)
    with running(app, "reconcile", slot) as run:
        again(app, bind_to_org, app)
        report.invalid = again(app, told_of_programs, app)
        report.warnings += report.invalid
        report.warnings += [problem.in_a_line for problem in again(app, preflight, app)]
        again(app, rebase, run)
        report.schema = again(app, look_at_schema, app)
        report.warnings += [f"a field changed in the org: {one}" for one in report.schema.changed]
        report.pulled = again(app, pull, run)
        report.warnings += report.pulled.warnings
        without = report.pulled.unreadable
        report.inventory = again(
            app, lambda: take_inventory(run, accept_missing=accept_missing, without=without)
        )
        report.warnings += report.inventory.warnings
        report.drift = again(app, repair, app, accept_missing=accept_missing)
        left: list[Row] = []
        if "account" not in dict(report.pulled.stopped):
            left = again(app, adopt_the_rest, run)
        paid_out = accept_missing.covers("payout", *(one.object for one in [app.written("payout")] if one))
        report.payouts = again(app, read_back, app, everything=True, accept_missing=paid_out)
        report.warnings += report.payouts.said
        again(app, run.beat)
        report.waiting = again(app, why_nothing_counts, app)
        if not report.waiting:
            report.computed = again(app, compute, app, run.pk, left=left)
            report.warnings += [*report.computed.problems, *map(str, report.computed.refused)]
            report.payouts_aside, said = again(app, unwritable, app)
            report.warnings += said
        if dry_run:
            report.preview = preview(app)
        elif not report.waiting:
            report.pushed = push(run)
            report.warnings += report.pushed.warnings
            report.outbox = again(app, what_is_left, app)
            report.tidied = again(app, tidy, run)
        report.rejected_waiting = again(app, _rejected, app)
        report.api_calls = app.calls + run.calls_of_others
        run.partial = bool(
            report.set_aside or report.put_off or report.stopped or report.computed.refused or report.invalid
        )
        run.counts |= {
            "pulled": report.pulled.rows,
            "changed": report.pulled.changed,
            "buried": sum(one.buried for one in report.inventory.stock),
            "drifted": report.drift.changed + report.drift.gone,
            "pushed": report.pushed.done,
            "set_aside": report.set_aside,
            "put_off": report.put_off,
        }
    return report


def _rejected(app: App) -> int:
    with app.store.read() as tx:
        return sum(rejected.counts(tx).values())
