"""`rebates org …`: the Salesforce package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import JsonFlag, emit

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(help="The Salesforce package: fields, permission sets, card.", no_args_is_help=True)


@app.command()
def deploy(
    context: typer.Context,
    check_only: Annotated[
        bool, typer.Option("--check-only", help="Let the org check everything and change nothing.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Put the package into the org: objects, fields, permission sets, notification type, components.

    What is there already is brought up to date; nothing of yours is ever deleted.
    """
    from cli.opening import opened
    from jobs import deploy as work

    with opened(context, quiet=as_json) as application:
        done = work.deploy(application, check_only=check_only)

    def human(console: Console) -> None:
        what = "would deploy" if check_only else "deployed"
        console.print(f"{what} {done.components} components ({done.api_calls} API calls)")
        if done.permission_set:
            console.print(f"permission set {work.PERMISSION_SET}: {done.permission_set}")

    warnings = [f"one step is left to an administrator: {done.manual}"] if done.manual else []
    emit("org deploy", done, as_json=as_json, human=human, warnings=warnings)
