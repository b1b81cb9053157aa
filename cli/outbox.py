"""`rebates outbox …`: what waits to be written, what the org refused and why, and trying again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import JsonFlag, emit

if TYPE_CHECKING:
    from rich.console import Console

    from state.outbox import Stuck

app = typer.Typer(help="What waits to be written into the org.", no_args_is_help=True)


@app.command("list")
def list_rows(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Also what is done or superseded.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many rows.")] = 100,
    as_json: JsonFlag = False,
) -> None:
    """Rows that wait, and rows that are set aside with their reason."""
    from cli.opening import opened
    from state import outbox

    with opened(context, quiet=True, reads_store=True) as application, application.store.read() as tx:
        counts = outbox.counts(tx)
        states = set(counts) if every else None
        rows = outbox.listed(tx, states=states, limit=limit)

    def human(console: Console) -> None:
        from rich.table import Table

        if not rows:
            console.print("the outbox is empty")
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("row", "object", "account", "state", "tries", "why", "code", "message"):
            table.add_column(title)
        for row in rows:
            table.add_row(
                str(row.pk), row.object, row.account_id or "", row.state, str(row.attempts), row.stuck or "",
                row.code or "", row.message or "",
            )  # fmt: skip
        console.print(table)

    data = {
        "counts": counts,
        "rows": [
            {
                "row": row.pk,
                "object": row.object,
                "key": row.ext_key,
                "account": row.account_id,
                "state": row.state,
                "attempts": row.attempts,
                "not_before": row.retry_at,
                "stuck": row.stuck,
                "code": row.code,
                "message": row.message,
            }
            for row in rows
        ],
    }
    emit("outbox list", data, as_json=as_json, human=human)


@app.command()
def retry(
    context: typer.Context,
    rows: Annotated[
        list[int] | None, typer.Argument(help="Row numbers; left out: every row that is set aside.")
    ] = None,
    code: Annotated[str | None, typer.Option(help="Only rows refused with this Salesforce code.")] = None,
    why: Annotated[str | None, typer.Option(help="Only rows set aside for this reason.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Let rows that were set aside go with the next push."""
    from cli.opening import opened
    from jobs.person import person
    from jobs.refusals import Unusable
    from state import audit, outbox

    reason = _reason(why)
    with opened(context, quiet=True, reads_store=True) as application, application.store.transaction() as tx:
        freed = outbox.retry(tx, now=application.clock.now(), pks=rows or None, code=code, stuck=reason)
        if rows and freed < len(set(rows)):
            raise Unusable(
                f"{len(set(rows)) - freed} of these rows are not set aside, or a newer one took their place; none was freed",
                "rebates outbox list",
            )
        if freed:
            which = {"numbers": sorted(set(rows or ())), "code": code, "why": why}
            told = {name: said for name, said in which.items() if said}
            audit.append(
                tx, actor=person(), action="tried again", object="outbox", detail={"rows": freed, **told},
                now=application.clock.now(),
            )  # fmt: skip
    emit(
        "outbox retry",
        {"freed": freed},
        as_json=as_json,
        human=lambda console: console.print(
            f"{freed} row{'' if freed == 1 else 's'} will go with the next `rebates push` or `rebates sync`"
        ),
    )


def _reason(why: str | None) -> Stuck | None:
    from jobs.configuration import suggest
    from state.outbox import Stuck

    if why is None:
        return None
    try:
        return Stuck(why)
    except ValueError:
        known = [one.value for one in Stuck]
        raise typer.BadParameter(
            f"{why!r} is no reason; {suggest(why, known) or 'one of: ' + ', '.join(known)}"
        ) from None
