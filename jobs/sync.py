"""One sync, read this first: pull → compute → push. Each line is a noun that you can open next."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from connector import errors
from jobs import overrides, own_currency, steps
from jobs.again import again
from jobs.app import App
from jobs.engines import engine_name, keep_snapshot
from jobs.inventory import follow_the_lost, is_needed
from jobs.merges_and_gaps import why_nothing_counts
from jobs.rebase import Rebased, rebase, wants_a_sync
from jobs.rehearsal import preview
from jobs.run_report import RunReport
from jobs.running import Running, running
from jobs.schema import stopped_pushes
from jobs.takeover import Row
from state import meta

Part = Literal["pull", "compute", "push"]
EVERYTHING: tuple[Part, ...] = ("pull", "compute", "push")


@dataclass(kw_only=True)
class SyncReport(RunReport):
    """What one sync did, in numbers; `stopped` names streams or objects that could not go on."""

    org_id: str
    run: int
    held: dict[str, errors.SyncError] = field(
        default_factory=dict
    )  # targets whose fields do not fit any more
    rebased: Rebased | None = None  # after a restore
    seconds: timedelta = timedelta(0)

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

    def as_json(self) -> dict[str, Any]:
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
            "stopped": self.stopped_as_json(),
            "rebased": self.rebased,
            "inventory": self.inventory.stock,
            **self.preview.as_json(),
        }


def sync(
    app: App, *, slot: datetime | None = None, parts: tuple[Part, ...] = EVERYTHING, dry_run: bool = False
) -> SyncReport:
    """Bring the store up to date with the org and the org with the store.

    `parts` leaves some out; `dry_run` does everything but keep it: the store is as it was, nothing is sent.
    """
    started = app.clock.monotonic()
    app.require_setup()
    report = steps.carry_out(
        app,
        lambda: _sync(app, slot, parts, dry_run=dry_run),
        dry_run=dry_run,
        asks_org=parts != ("compute",),
    )
    report.seconds = timedelta(seconds=app.clock.monotonic() - started)
    return report


def _sync(app: App, slot: datetime | None, parts: tuple[Part, ...], *, dry_run: bool) -> SyncReport:
    job = "sync" if parts == EVERYTHING else "+".join(parts)
    with running(app, job, slot) as run:
        report = SyncReport(org_id=again(app, _org_id, app, parts), run=run.pk, dry_run=dry_run)
        overrides.note(run, overrides.allowed(app))
        left: list[Row] = []
        steps.look_at_programs(run, report, needed="compute" in parts)
        if parts != ("compute",):
            _get_ready(run, report, parts)
        if "pull" in parts:
            left = _read(run, report)
        if parts != ("pull",):
            report.waiting |= again(app, why_nothing_counts, app)
        if engine_name(app) != "sql" and parts != ("push",):
            again(app, keep_snapshot, app, run.beat)
        if "compute" in parts and not report.waiting:
            steps.compute_standings(run, report, left, helped=True)
            report.warnings += own_currency.without_amounts(report.computed.planned.without_amounts)
            steps.look_at_decimals(run, report)
        if dry_run:
            report.preview = preview(app)
        elif "push" in parts and not report.waiting:
            steps.send(run, report)
        steps.close(run, report, {"standings_changed": report.computed.changed})
    return report


def _org_id(app: App, parts: tuple[Part, ...]) -> str:
    """The org that the store belongs to; computing alone needs no login once it is known."""
    if parts == ("compute",):
        with app.store.read() as tx:
            known = meta.org_id(tx)
        if known is not None:
            return known
    return steps.bind_to_org(app)


def _get_ready(run: Running, report: SyncReport, parts: tuple[Part, ...]) -> None:
    """Before the org is read or written: whether it has what we need, and whether it is as the store believes."""
    steps.check_the_org(run, report)
    report.held = again(run.app, stopped_pushes, run.app)
    if parts == ("push",):
        report.waiting = again(run.app, wants_a_sync, run.app)
    if not report.waiting:
        report.rebased = again(run.app, rebase, run)


def _read(run: Running, report: SyncReport) -> list[Row]:
    """What changed in the org, what went missing there, and what became of payouts; returns those without a place yet."""
    app = run.app
    steps.read_changes(run, report)
    if (why := again(app, is_needed, app)) is not None:
        report.warnings.append(f"every id was compared with the org: {why}")
        steps.compare_ids(run, report)
    gone = why is not None  # which accounts are gone was just looked at: payouts tell where to
    if not {"account", "order"} & dict(report.pulled.stopped).keys():
        gone |= again(app, follow_the_lost, run)
    left = steps.adopt_payouts(run, report)
    steps.read_decisions(run, report, everything=gone)
    return left
