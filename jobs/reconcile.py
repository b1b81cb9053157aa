"""Reconcile, once a night: what no window sees (inventory) and what people changed in our fields (drift).

pull → inventory → drift → compute → push. Everything that is found is repaired in the same run; with `dry_run` the
same steps are taken inside a transaction that is not kept, and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector import errors
from jobs import overrides, steps
from jobs.again import again
from jobs.app import App
from jobs.drift import Drift, repair
from jobs.lost_rows import Accepted, accepted
from jobs.merges_and_gaps import why_nothing_counts
from jobs.rebase import rebase
from jobs.rehearsal import preview
from jobs.run_report import RunReport
from jobs.running import Running, running
from jobs.schema import SchemaSeen, look_at_schema
from jobs.tidying import tidy


@dataclass(kw_only=True)
class Reconciled(RunReport):
    """What was compared, what differed, and what was done about it."""

    schema: SchemaSeen = field(default_factory=SchemaSeen)
    drift: Drift = field(default_factory=Drift)
    tidied: dict[str, int] = field(default_factory=dict)  # rows that nothing needed any more, by kind

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

    def as_json(self) -> dict[str, Any]:
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
            "stopped": self.stopped_as_json(),
            **self.preview.as_json(),
            "api_calls": self.api_calls,
        }


def reconcile(
    app: App, *, slot: datetime | None = None, dry_run: bool = False, accept_missing: Iterable[str] = ()
) -> Reconciled:
    """Compare everything with the org and put it right. `accept_missing`: objects of which a person says that what is
    missing was deleted."""
    app.require_setup()
    accepts = accepted(app, accept_missing)
    return steps.carry_out(
        app,
        lambda: _reconcile(app, slot, dry_run=dry_run, accept_missing=accepts),
        dry_run=dry_run,
    )


def _reconcile(app: App, slot: datetime | None, *, dry_run: bool, accept_missing: Accepted) -> Reconciled:
    report = Reconciled(dry_run=dry_run)
    with running(app, "reconcile", slot) as run:
        again(app, steps.bind_to_org, app)
        overrides.note(run, [f"--accept-missing {name}" for name in sorted(accept_missing.names)])
        steps.look_at_programs(run, report)
        steps.check_the_org(run, report)
        again(app, rebase, run)
        _compare_fields(run, report)
        steps.read_changes(run, report)
        steps.compare_ids(run, report, accept_missing=accept_missing)
        report.drift = again(app, repair, app, accept_missing=accept_missing)
        left = steps.adopt_payouts(run, report)
        steps.read_decisions(run, report, everything=True, accept_missing=accept_missing)
        again(app, run.beat)
        report.waiting = again(app, why_nothing_counts, app)
        if not report.waiting:
            steps.compute_standings(run, report, left)
            steps.look_at_decimals(run, report)
        if dry_run:
            report.preview = preview(app)
        elif not report.waiting:
            steps.send(run, report)
            report.tidied = again(app, tidy, run)
        steps.close(run, report, _own_counts(report))
    return report


def _compare_fields(run: Running, report: Reconciled) -> None:
    """Whether the org's fields still look as they did when the mapping was last well."""
    report.schema = again(run.app, look_at_schema, run.app)
    report.warnings += [f"a field changed in the org: {one}" for one in report.schema.changed]


def _own_counts(report: Reconciled) -> dict[str, int]:
    return {
        "buried": sum(one.buried for one in report.inventory.stock),
        "drifted": report.drift.changed + report.drift.gone,
    }
