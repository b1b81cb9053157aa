"""`rebates db …`: the local store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import Exit, JsonFlag, emit

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(help="The local store: upgrade, check, back up, restore, tidy.", no_args_is_help=True)

AFTER_UPGRADE = (
    "next: rebates mapping check, rebates org deploy, rebates doctor, rebates resume, rebates sync --dry-run, rebates sync, "
    "rebates verify --deep (docs/operations.md, When you upgrade)"
)


@app.command()
def upgrade(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Bring the store's tables to this version of the program. Back up first."""
    from cli.opening import configuration_of
    from jobs.clock import system_clock
    from state.store import Store

    store = Store.attach(configuration_of(context).settings.state.url)
    try:
        before, after = store.upgrade(system_clock().now())
    finally:
        store.close()
    said = f"already at {after}" if before == after else f"upgraded from {before or 'nothing'} to {after}"
    if before is not None and before != after:
        said += f"\n{AFTER_UPGRADE}"
    emit(
        "db upgrade",
        {"before": before, "after": after},
        as_json=as_json,
        human=lambda console: console.print(said, soft_wrap=True),
    )


@app.command()
def check(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Whether the database is whole and every promise of the store holds. Reads only."""
    from cli.opening import opened
    from state import invariants

    with opened(context, quiet=True, reads_store=True, any_version=True) as application:
        damage = application.store.check()
        other = None if damage else application.store.other_version()
        with application.store.read() as tx:
            broken = [] if damage or other else invariants.check(tx)
    unchecked = f"its promises were not checked: {other.what}; {other.hint}" if other else None
    lines = [*damage, *map(str, broken)]

    def human(console: Console) -> None:
        for line in lines:
            console.print(line)
        if not lines:
            console.print("the store is whole")

    error = (
        {"code": "store_check", "message": f"{len(lines)} problems", "hint": "docs/operations.md"}
        if lines
        else None
    )
    emit(
        "db check", {"problems": lines}, as_json=as_json, human=human, warnings=[unchecked] if unchecked else [],
        exit_code=Exit.FAILED if lines else Exit.OK, error=error,
    )  # fmt: skip


@app.command()
def backup(
    context: typer.Context,
    target: Annotated[Path, typer.Argument(help="A file that does not exist yet.")],
    as_json: JsonFlag = False,
) -> None:
    """Copy the store while it is in use (SQLite; PostgreSQL has its own tools). The copy is checked."""
    from cli.opening import opened
    from state.backup import backup as work

    with opened(context, quiet=True, reads_store=True, any_version=True) as application:
        size = work(application.store, target)
    emit(
        "db backup", {"file": target, "bytes": size}, as_json=as_json,
        human=lambda console: console.print(f"{target}: {size:,} bytes, checked"),
    )  # fmt: skip


@app.command()
def restore(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="A file that `rebates db backup` made.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Put a backup in the place of the store. What was there is kept beside it; the next sync reads the org first."""
    from cli.opening import configuration_of
    from jobs.clock import system_clock
    from jobs.person import person
    from jobs.refusals import Unusable
    from state.backup import restore as work
    from state.urls import shown_text

    url = configuration_of(context).settings.state.url
    if not yes:
        import sys

        if not sys.stdin.isatty():
            raise Unusable("a restore replaces the store", "run it with --yes")
        typer.confirm(f"Replace the store {shown_text(url)} by {source}?", abort=True, err=True)
    kept = work(url, source, actor=person(), now=system_clock().now())
    said = f"restored from {source}" + (f"; the former store is {kept}" if kept else "")
    emit(
        "db restore",
        {"source": source, "kept": kept},
        as_json=as_json,
        human=lambda console: console.print(said),
    )


@app.command()
def restored(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Say that the database was put back to an older state by other tools (PostgreSQL): the next sync reads the org first."""
    from cli.opening import opened
    from jobs.person import person
    from state.backup import begin_epoch

    with opened(context, quiet=True, reads_store=True) as application:
        epoch = begin_epoch(application.store, actor=person(), now=application.clock.now())
    emit(
        "db restored",
        {"epoch": epoch},
        as_json=as_json,
        human=lambda console: console.print(
            "noted: the next `rebates sync` reads from the org what it knows before it writes"
        ),
    )


@app.command()
def snapshot(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Bring the Parquet copy of orders and lines up to date that other engines read. A cache: it may be removed."""
    from cli.opening import opened
    from jobs.engines import keep_snapshot, snapshot_of
    from jobs.running import running

    with opened(context, quiet=as_json, reads_store=True) as application:
        folder = snapshot_of(application).folder
        with running(application, "snapshot") as run:
            done = keep_snapshot(application, run.beat)
    said = f"{done.lines:,} lines of {done.orders:,} orders in {done.bytes:,} bytes, {done.written} of {done.parts} parts written"
    emit(
        "db snapshot", {"folder": folder, "snapshot": done}, as_json=as_json,
        human=lambda console: console.print(f"{folder}: {said}"),
    )  # fmt: skip


@app.command()
def tidy(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would go; change nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Remove what nothing needs any more, as `rebates reconcile` does every night (\\[retention]). Never money."""
    from cli.opening import opened
    from jobs import tidying
    from jobs.running import running

    with opened(context, quiet=as_json, reads_store=True) as application:
        if dry_run:
            rows = tidying.due(application)
        else:
            with running(application, "tidy") as run:
                rows = tidying.tidy(run)
    would = "would go" if dry_run else "removed"
    said = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in rows.items())
    emit(
        "db tidy", {"dry_run": dry_run, "rows": rows}, as_json=as_json,
        human=lambda console: console.print(f"{said} {would}"),
    )  # fmt: skip


@app.command()
def copy(
    source: Annotated[str, typer.Argument(help="URL of the store: sqlite:///rebates.db")],
    target: Annotated[
        str, typer.Argument(help="URL of an empty database: postgresql+psycopg://user@host/name")
    ],
    as_json: JsonFlag = False,
) -> None:
    """Copy a store into another database, whole or not at all. Run `rebates pause` first, and `resume` on the copy."""
    from jobs.alerting import BELL
    from jobs.clock import system_clock
    from jobs.person import person
    from state.copy import move as work
    from state.errors import NoTables
    from state.store import Store

    try:
        reading = Store.open(source, upgrade=False)
    except NoTables as error:
        hint = "is the first URL the store's? `rebates status` names it"
        raise NoTables("there is nothing to copy", where=error.where, hint=hint) from None
    try:
        writing = Store.open(target)
        try:
            moved = work(reading, writing, actor=person(), now=system_clock().now(), unkeyed={BELL})
            where = writing.where
        finally:
            writing.close()
    finally:
        reading.close()
    rows, total = moved.rows, sum(moved.rows.values())
    bells = "1 notification waits and is" if moved.left == 1 else f"{moved.left:,} notifications wait and are"
    said = (
        f"{bells} left to the store that was copied, which may send at any time: it is not paused. To hand over "
        "what waits: rebates pause, then copy it again into an empty database"
    )
    emit(
        "db copy", {"source": reading.where, "target": where, "rows": rows}, as_json=as_json,
        human=lambda console: console.print(
            f"{total:,} rows in {len(rows)} tables copied to {where}\nnext: set [state] url to it, then rebates resume",
        ),
        warnings=[said] if moved.left else [],
    )  # fmt: skip
