"""`rebates reconcile`, `verify`, `pause`, `resume`: for whoever runs this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import Exit, JsonFlag, emit, styled
from cli.sync import LoginAgain

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.reconcile import Reconciled


def register(app: typer.Typer) -> None:
    """Hang the commands on the tree."""
    app.command()(reconcile)
    app.command()(verify)
    app.command()(pause)
    app.command()(resume)


def reconcile(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Compare and report; change nothing here or in the org.")
    ] = False,
    accept_missing: Annotated[
        list[str] | None,
        typer.Option(
            "--accept-missing",
            metavar="OBJECT",
            help="Records of this object (order, account, ...; may be given again; all: of every object) that are no longer "
            "visible were really deleted: reverse them.",
        ),
    ] = None,
    login_again: LoginAgain = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare every record with the org, both ways, and put right what differs. For every night."""
    from cli.opening import opened
    from cli.sync import exit_code, stopped_error
    from jobs.reconcile import reconcile as work

    with opened(context, quiet=as_json, login_again=login_again) as application:
        report = work(application, dry_run=dry_run, accept_missing=accept_missing or ())
    emit(
        "reconcile",
        report.as_json(),
        as_json=as_json,
        human=lambda console: _show_reconciled(console, report),
        warnings=report.warnings,
        exit_code=exit_code(report),
        error=stopped_error(report),
    )


def _show_reconciled(console: Console, report: Reconciled) -> None:
    from rich.table import Table

    from cli.sync import show_left

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("compared")
    for title in ("here", "in the org", "gone", "reversed", "read again"):
        table.add_column(title, justify="right")
    for one in report.inventory.stock:
        counts = (one.live, one.there, one.missing, one.buried, one.read_again)
        table.add_row(one.entity, *(f"{count:,}" for count in counts))
    console.print(table)
    drift = report.drift
    console.print(
        f"our records: {drift.compared:,} compared, {drift.changed:,} were changed by somebody, {drift.gone:,} are gone; "
        f"tasks: {drift.tasks.dismissed:,} closed or deleted by somebody, {drift.tasks.reassigned:,} given to somebody else"
    )
    if drift.tasks.closed_again:
        console.print(
            f"{drift.tasks.closed_again:,} tasks that were closed are open in the org, under a status that closes none: closed again"
        )
    for sample in drift.samples:
        console.print(f"  {sample['object']} {sample['key']} {sample['field']}")
    if report.dry_run:
        console.print(styled(("dry run:", "bold"), " " + "\n".join(report.preview.lines())))
    else:
        written = (
            ", ".join(f"{count:,} {name}" for name, count in report.pushed.by_object.items()) or "nothing"
        )
        console.print(f"written: {written}")
        show_left(console, report)
    for name, error in report.stopped.items():
        console.print(styled((f"{name} stopped:", "bold red"), f" {error}\n  → {error.hint}"))
    console.print(f"{report.api_calls} API calls", style="dim")


def verify(
    context: typer.Context,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep", help="Compute every number from the raw lines again and compare with the org."
        ),
    ] = False,
    login_again: LoginAgain = False,
    as_json: JsonFlag = False,
) -> None:
    """Check every promise that the store can keep. Reads only."""
    from cli.opening import opened
    from jobs.verification import verify as work

    with opened(context, quiet=as_json, reads_store=True, login_again=login_again) as application:
        found = work(application, deep=deep)

    def human(console: Console) -> None:

        for line in [*found.damage, *map(str, found.violations)]:
            console.print(styled(("broken:", "bold red"), f" {line}"))
        for one in found.drift[:20]:
            where = f"{one['object']} {one['key']} {one['field']}"
            console.print(styled(("differs in the org:", "yellow"), f" {where}"))
        if len(found.drift) > 20:
            console.print(f"… and {len(found.drift) - 20} more")
        if found.drift:
            console.print(
                "  → `rebates reconcile` sends again what was ours, and reads back what became of payouts"
            )
        if found.deleted:
            console.print(
                f"payouts deleted in the org: {found.deleted:,}, not made again (`rebates payouts list --status Deleted`)"
            )
        for why in found.behind:
            console.print(styled(("not computed again:", "yellow"), f" {why}"))
        if found.ok:
            compared = f", {found.compared:,} records in the org are as we wrote them" if deep else ""
            held = "every check that could be made holds" if found.behind else "every check holds"
            console.print(f"{held}{compared}")

    data = {
        "ok": found.ok,
        "deep": deep,
        "damage": found.damage,
        "violations": [{"name": v.name, "count": v.count, "example": v.example} for v in found.violations],
        "drift": found.drift,
        "compared": found.compared,
        "behind": found.behind,
        "payouts_deleted": found.deleted,
    }
    error = None
    if not found.ok:
        error = {
            "code": "verify",
            "message": "a promise is broken",
            "hint": "rebates reconcile"
            if found.drift and not (found.damage or found.violations)
            else "rebates reconcile, or docs/operations.md",
        }
    emit(
        "verify",
        data,
        as_json=as_json,
        human=human,
        exit_code=Exit.OK if found.ok else Exit.FAILED,
        error=error,
    )


def pause(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Shown to whoever finds it paused.")] = "paused by hand",
    as_json: JsonFlag = False,
) -> None:
    """Stop everything: no run starts until `rebates resume`. What is running finishes."""
    from cli.opening import opened
    from jobs.person import person
    from state import pausing

    with (
        opened(context, quiet=True, reads_store=True, any_version=True) as application,
        application.store.transaction() as tx,
    ):
        pausing.pause(tx, reason, actor=person(), now=application.clock.now())
    emit(
        "pause",
        {"paused": reason},
        as_json=as_json,
        human=lambda console: console.print(f"paused: {reason}"),
    )


def resume(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Let runs start again."""
    from cli.opening import opened
    from jobs.person import person
    from state import pausing

    with (
        opened(context, quiet=True, reads_store=True, any_version=True) as application,
        application.store.transaction() as tx,
    ):
        was = pausing.resume(tx, actor=person(), now=application.clock.now())
    said = "runs may start again" if was else "nothing was paused"
    emit("resume", {"was": was}, as_json=as_json, human=lambda console: console.print(said))
