"""`rebates audit`: who did what. Reads the store only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import JsonFlag, emit

if TYPE_CHECKING:
    from rich.console import Console


def register(app: typer.Typer) -> None:
    """Hang the command on the tree."""
    app.command()(audit)


def audit(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """Who asked for what, and what was sealed, newest first: settled periods, payouts made again, restores, pauses,
    fuses let through, rows tried again, what was decided about payouts."""
    from cli.opening import opened
    from state.audit import entries

    with opened(context, quiet=True, reads_store=True) as application, application.store.read() as tx:
        found = entries(tx, limit=limit)

    def human(console: Console) -> None:
        from rich.table import Table

        if not found:
            console.print("nothing was asked for yet")
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("when (UTC)", "who", "what", "of", "more"):
            table.add_column(title)
        for one in found:
            more = ", ".join(f"{name} {value}" for name, value in one.detail.items())
            table.add_row(f"{one.at:%Y-%m-%d %H:%M:%S}", one.actor, one.action, one.object, more)
        console.print(table)

    deeds = [
        {
            "seq": one.seq, "at": one.at, "who": one.actor, "what": one.action, "of": one.object,
            "detail": dict(one.detail), "hash": one.hash,
        }
        for one in found
    ]  # fmt: skip
    emit("audit", {"entries": deeds}, as_json=as_json, human=human)
