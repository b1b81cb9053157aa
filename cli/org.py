"""`rebates org …`: the Salesforce package."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import JsonFlag, emit, emit_text

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(help="The Salesforce package: fields, permission sets, card.", no_args_is_help=True)


@app.command()
def deploy(
    context: typer.Context,
    check_only: Annotated[
        bool, typer.Option("--check-only", help="Let the org check everything and change nothing.")
    ] = False,
    username: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="USERNAME",
            help="Who gets the permission set of the service, where an administrator deploys.",
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="PART", help="Leave a part out that the rest does without: dashboard."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Put the package into the org: objects, fields, permission sets, notification type, components.

    What is there already is brought up to date; nothing of yours is ever deleted.
    """
    from cli.opening import opened
    from jobs import deploy as work

    with opened(context, quiet=as_json) as application:
        done = work.deploy(application, check_only=check_only, username=username, without=without or ())

    def human(console: Console) -> None:
        what = "would deploy" if check_only else "deployed"
        console.print(f"{what} {done.components} components ({done.api_calls} API calls)")
        for name in done.kept:
            console.print(f"stays as the org has it: {name}")
        if done.permission_set:
            console.print(
                f"permission set {work.PERMISSION_SET}: {done.permission_set} ({done.assigned_to})",
            )

    warnings = [f"one step is left to an administrator: {done.manual}"] if done.manual else []
    emit("org deploy", done, as_json=as_json, human=human, warnings=warnings)


@app.command()
def undeploy(
    context: typer.Context,
    check_only: Annotated[
        bool, typer.Option("--check-only", help="List what removal would take; change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Take the package out of the org. Rebate records and fields go with it, with everything in them."""
    from cli.opening import opened
    from jobs import deploy as work
    from jobs.refusals import Unusable

    if not check_only and not yes:
        if not sys.stdin.isatty():
            raise Unusable(
                "this removes fields and records from the org",
                "look with --check-only, then run it with --yes",
            )
        typer.confirm(
            "Remove our fields, objects and all records in them from the org?", abort=True, err=True
        )
    with opened(context, quiet=as_json) as application:
        done = work.undeploy(application, check_only=check_only)

    def human(console: Console) -> None:
        console.print("would remove:" if check_only else "removed:")
        for kind, names in sorted(done.components.items()):
            console.print(
                f"  {kind}: {', '.join(names[:6])}"
                + (f" and {len(names) - 6} more" if len(names) > 6 else ""),
            )
        for name, count in done.records.items():
            console.print(f"  {count:,} records of {name}")

    emit("org undeploy", done, as_json=as_json, human=human)


@app.command("permission-set")
def permission_set(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Print a permission set with exactly what the configured mapping reads and writes, as metadata XML."""
    from cli.opening import opened
    from mappings.check import gather
    from mappings.permissions import permission_set_xml

    with opened(context, quiet=True) as application:
        described = gather(application.mapping, application.org.describe)
        made = permission_set_xml(application.mapping, described)
    emit_text("org permission-set", {"xml": made}, made, as_json=as_json)
