"""`rebates periods …`: how far each period is on its way to being settled, and settling one by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import JsonFlag, emit

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(help="Which periods are settled, which wait and for what.", no_args_is_help=True)


@app.command("list")
def list_periods(
    context: typer.Context,
    program: Annotated[str | None, typer.Option(help="Only this program.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Every period: coming, open, in its days of grace, closing, settled; `earlier`: over before we came; `removed`: its program is gone."""
    from cli.opening import opened
    from jobs import periods as work

    with opened(context, quiet=True, reads_store=True) as application:
        found = work.listed(application, program=program)

    def human(console: Console) -> None:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("program", "period", "state", "closes on", "settled (UTC)", "waits for"):
            table.add_column(title)
        for one in found:
            settled = f"{one.settled_at:%Y-%m-%d %H:%M}" if one.settled_at else ""
            table.add_row(
                one.program, one.period, one.state, str(one.closes_on), settled, "; ".join(one.waits_for)
            )
        console.print(table)

    emit("periods list", {"periods": [one.as_json() for one in found]}, as_json=as_json, human=human)


@app.command("close")
def close_period(
    context: typer.Context,
    program: Annotated[str, typer.Argument(help="Key of the program.")],
    period: Annotated[str, typer.Argument(help="The period, such as 2026-11 or 2026-Q3.")],
    despite_incomplete: Annotated[
        bool,
        typer.Option(
            "--despite-incomplete",
            help="Leave out standings that lack something; they are booked as adjustments once they are whole.",
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Settle a period that is not settled by itself, for ever: one from before the first sync, or one that waits."""
    from cli.opening import opened
    from jobs import periods as work

    with opened(context, quiet=as_json, reads_store=True) as application:
        settled = work.close(application, program, period, despite_incomplete=despite_incomplete)
    said = f"{program} {period} is settled: {settled:,} standings"
    data = {"program": program, "period": period, "settled": settled}
    emit("periods close", data, as_json=as_json, human=lambda console: console.print(said))
