"""`rebates sync`, and its parts alone: `pull`, `compute`, `plan`, `push`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.output import Exit, JsonFlag, emit, styled

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.app import App
    from jobs.run_report import RunReport
    from jobs.sync import Part, SyncReport

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would change and what it would cost; change nothing.")
]
MassClear = Annotated[
    bool, typer.Option("--allow-mass-clear", help="Clear the fields of many accounts at once.")
]
ManyTasks = Annotated[
    bool, typer.Option("--allow-many-tasks", help="Make more tasks than [alerts] max_tasks.")
]
ManyCorrections = Annotated[
    bool,
    typer.Option("--allow-many-corrections", help="Correct most of what closed periods were settled at."),
]
LoginAgain = Annotated[
    bool,
    typer.Option(
        "--login-again", help="Ask the org at once although it refused the login less than 15 minutes ago."
    ),
]
Workers = Annotated[
    int,
    typer.Option(
        "--workers",
        min=1,
        help="Processes that compute and push different accounts at once (PostgreSQL only).",
    ),
]

EngineName = Annotated[
    Literal["sql", "duckdb", "spark"] | None,
    typer.Option("--engine", help="Who computes from scratch, instead of \\[engine] use (docs/scale.md)."),
]
Full = Annotated[
    bool,
    typer.Option(
        "--full", help="From scratch: every contribution, total and standing, not only what changed."
    ),
]


def register(app: typer.Typer) -> None:
    """Hang the commands on the tree."""
    app.command()(sync)
    app.command()(pull)
    app.command()(compute)
    app.command()(plan)
    app.command()(push)


def sync(
    context: typer.Context,
    dry_run: DryRun = False,
    no_push: Annotated[
        bool,
        typer.Option("--no-push", help="Read and compute; what the org should be told waits in the outbox."),
    ] = False,
    allow_mass_clear: MassClear = False,
    allow_many_tasks: ManyTasks = False,
    allow_many_corrections: ManyCorrections = False,
    workers: Workers = 1,
    login_again: LoginAgain = False,
    as_json: JsonFlag = False,
) -> None:
    """Read what changed in the org, compute the standings, write back what changed."""
    parts: tuple[Part, ...] = ("pull", "compute") if no_push else ("pull", "compute", "push")
    asked = Asked(
        dry_run=dry_run,
        allow_mass_clear=allow_mass_clear,
        allow_many_tasks=allow_many_tasks,
        allow_many_corrections=allow_many_corrections,
        workers=workers,
        login_again=login_again,
    )
    _run(context, "sync", parts, asked, as_json)


def pull(context: typer.Context, login_again: LoginAgain = False, as_json: JsonFlag = False) -> None:
    """Only read: accounts, products, orders and their lines into the local store."""
    _run(context, "pull", ("pull",), Asked(login_again=login_again), as_json)


def compute(
    context: typer.Context,
    allow_mass_clear: MassClear = False,
    allow_many_tasks: ManyTasks = False,
    allow_many_corrections: ManyCorrections = False,
    workers: Workers = 1,
    engine: EngineName = None,
    full: Full = False,
    login_again: LoginAgain = False,
    as_json: JsonFlag = False,
) -> None:
    """Only compute: standings from what is in the local store; what the org should be told waits in the outbox."""
    asked = Asked(
        allow_mass_clear=allow_mass_clear,
        allow_many_tasks=allow_many_tasks,
        allow_many_corrections=allow_many_corrections,
        workers=workers,
        engine=engine,
        full=full,
        login_again=login_again,
    )
    _run(context, "compute", ("compute",), asked, as_json)


def plan(context: typer.Context, login_again: LoginAgain = False, as_json: JsonFlag = False) -> None:
    """Show what a push would write, and its cost in API calls, from what is in the local store. Changes nothing."""
    _run(context, "plan", ("compute",), Asked(dry_run=True, login_again=login_again), as_json)


def push(
    context: typer.Context,
    workers: Workers = 1,
    login_again: LoginAgain = False,
    as_json: JsonFlag = False,
) -> None:
    """Only write: send what waits in the outbox."""
    _run(context, "push", ("push",), Asked(workers=workers, login_again=login_again), as_json)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the flags ask of a run, whichever parts it has."""

    dry_run: bool = False
    allow_mass_clear: bool = False
    allow_many_tasks: bool = False
    allow_many_corrections: bool = False
    workers: int = 1
    engine: str | None = None
    full: bool = False
    login_again: bool = False

    def tell(self, application: App) -> None:
        """Tell the application; raises Unusable where several workers cannot be had."""
        application.allow_mass_clear = self.allow_mass_clear
        application.allow_many_tasks = self.allow_many_tasks
        application.allow_many_corrections = self.allow_many_corrections
        application.engine = self.engine
        application.from_scratch = self.full
        application.workers = self.workers
        if self.workers > 1:
            application.require_shared_store()


def _run(context: typer.Context, name: str, parts: tuple[Part, ...], asked: Asked, as_json: bool) -> None:
    from cli.opening import opened
    from cli.work import helpers
    from jobs.sync import sync as work

    with opened(
        context, quiet=as_json, reads_store=name == "plan", login_again=asked.login_again
    ) as application:
        asked.tell(application)
        others = 0 if asked.dry_run else asked.workers - 1  # nobody else sees what will be undone
        with helpers(context, others):
            report = work(application, parts=parts, dry_run=asked.dry_run)
    emit(
        name,
        report.as_json(),
        as_json=as_json,
        human=lambda console: show(console, report),
        warnings=report.warnings,
        exit_code=exit_code(report),
        error=stopped_error(report),
    )


def exit_code(report: RunReport) -> int:
    """For `sync` and `reconcile`. 2: a stream, object or program could not go on for lack of set-up; 1: a stream met a
    fault of the org's that may pass; 3: records are set aside, or writes were put off."""
    from connector.errors import may_pass

    passes = [may_pass(error) for error in report.stopped.values()]
    if report.computed.refused or report.invalid or not all(passes):
        return Exit.USAGE
    if passes:
        return Exit.FAILED
    return Exit.REJECTED_ROWS if report.set_aside or report.put_off else Exit.OK


def stopped_error(report: RunReport) -> dict[str, str | None] | None:
    if not report.stopped:
        said = [*map(str, report.computed.refused), *report.invalid]
        if not said:
            return None
        return {"code": "program", "message": said[0], "hint": "rebates program check FILE"}
    name, error = next(iter(report.stopped.items()))
    return {"code": error.code, "message": f"{name} stopped: {error}", "hint": error.hint}


def show_left(console: Console, report: RunReport) -> None:
    """What a push did not bring to the org."""
    if report.put_off:
        console.print(
            styled((f"{_writes(report.put_off)} put off", "yellow"), "; the next syncs send what is due")
        )
    if report.payouts_aside:
        many = "1 payout is" if report.payouts_aside == 1 else f"{report.payouts_aside:,} payouts are"
        console.print(styled((f"{many} set aside", "yellow"), " (see the warning)"))
    if stuck := report.outbox.get("quarantined"):
        console.print(styled((f"{_writes(stuck)} set aside", "yellow"), " (see `rebates outbox list`)"))


def _writes(count: int) -> str:
    return "1 write is" if count == 1 else f"{count:,} writes are"


def show(console: Console, report: SyncReport) -> None:
    """A sync on one screen."""
    from rich.table import Table

    if report.pulled.streams:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("read")
        for title in ("rows", "changed", "set aside"):
            table.add_column(title, justify="right")
        table.add_column("by")
        for stream in report.pulled.streams:
            changed = stream.applied.inserted + stream.applied.updated
            table.add_row(
                stream.entity, f"{stream.rows:,}", f"{changed:,}", f"{stream.rejected:,}", stream.method
            )
        console.print(table)
    computed = report.computed
    found = f"standings: {computed.standings:,} computed, {computed.changed:,} changed"
    more = f"; {computed.events:,} events" if computed.events else ""
    if computed.incomplete:
        console.print(styled(found, ", ", (f"{computed.incomplete:,} incomplete", "yellow"), more))
    else:
        console.print(styled(found, more))
    if report.dry_run:
        console.print(styled(("dry run:", "bold"), " " + "\n".join(report.preview.lines())))
    else:
        by_object = (
            ", ".join(f"{count:,} {name}" for name, count in report.pushed.by_object.items())
            or "nothing to write"
        )
        console.print(f"written: {by_object}")
        for name, code, account in report.pushed.refused[:10]:
            said = f" {name} of {account}: {code} (see `rebates outbox list`)"
            console.print(styled("  ", ("refused:", "yellow"), said))
    show_left(console, report)
    if report.rejected_waiting:
        console.print(
            styled(
                (f"{report.rejected_waiting:,} records are set aside", "yellow"), " (see `rebates status`)"
            )
        )
    for name, error in report.stopped.items():
        console.print(styled((f"{name} stopped:", "bold red"), f" {error}\n  → {error.hint}"))
    calls = "1 API call" if report.api_calls == 1 else f"{report.api_calls:,} API calls"
    console.print(f"{calls}, {report.seconds.total_seconds():.2f} s", style="dim")
