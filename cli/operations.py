"""`rebates verify`, `pause`, `resume`: for whoever runs this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import Exit, JsonFlag, emit

if TYPE_CHECKING:
    from rich.console import Console


def register(app: typer.Typer) -> None:
    """Hang the commands on the tree."""
    app.command()(verify)
    app.command()(pause)
    app.command()(resume)


def verify(
    context: typer.Context,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep", help="Compute every number from the raw lines again and compare with the org."
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check every promise that the store can keep. Reads only."""
    from cli.opening import opened
    from jobs.verification import verify as work

    with opened(context, quiet=as_json, reads_store=True) as application:
        found = work(application, deep=deep)

    def human(console: Console) -> None:
        for line in [*found.damage, *map(str, found.violations)]:
            console.print(f"[bold red]broken:[/] {line}", highlight=False)
        for one in found.drift[:20]:
            console.print(f"[yellow]differs in the org:[/] {one['object']} {one['key']} {one['field']}")
        if len(found.drift) > 20:
            console.print(f"… and {len(found.drift) - 20} more")
        if found.ok:
            compared = f", {found.compared:,} records in the org are as we wrote them" if deep else ""
            console.print(f"every check holds{compared}")

    data = {
        "ok": found.ok,
        "deep": deep,
        "damage": found.damage,
        "violations": [{"name": v.name, "count": v.count, "example": v.example} for v in found.violations],
        "drift": found.drift,
        "compared": found.compared,
    }
    error = None
    if not found.ok:
        error = {
            "code": "verify",
            "message": "a promise is broken",
            "hint": "rebates reconcile, or docs/operations.md",
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
    from state import meta

    with opened(context, quiet=True) as application, application.store.transaction() as tx:
        meta.put(tx, "paused", reason)
    emit(
        "pause",
        {"paused": reason},
        as_json=as_json,
        human=lambda console: console.print(f"paused: {reason}", markup=False),
    )


def resume(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Let runs start again."""
    from cli.opening import opened
    from state import meta

    with opened(context, quiet=True) as application, application.store.transaction() as tx:
        was = meta.get(tx, "paused")
        meta.drop(tx, "paused")
    said = "runs may start again" if was else "nothing was paused"
    emit("resume", {"was": was}, as_json=as_json, human=lambda console: console.print(said))
