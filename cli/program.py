"""`rebates program`: check program files, try one on order files offline, compare two, print the schema."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import Exit, JsonFlag, emit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from jobs.trial_files import TrialLine
    from rebates import Program
    from rebates.totals import Target

app = typer.Typer(
    no_args_is_help=True, help="Check, try and compare rebate programs; no org and no network needed."
)

Csv = typer.Option(exists=True, dir_okay=False, readable=True)


@app.command("check")
def check(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Program files.", exists=True, dir_okay=False)],
    accounts: Annotated[
        Path | None,
        typer.Option(help="Accounts CSV: members of two exclusive programs, rules that match nothing."),
    ] = None,
    store: Annotated[
        bool,
        typer.Option(
            "--store", help="Hold the rules against the accounts, products and orders in the store."
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Problems, warnings and notes of program files, with line and suggestion. Exit 2 when one cannot be used."""
    from jobs.program_check import check_files

    if store:
        from cli.opening import opened
        from jobs.checked_settled import with_settled
        from jobs.store_facts import facts_of_store

        with opened(context, quiet=True, reads_store=True) as application:
            checked = with_settled(application, check_files(files, accounts, facts_of_store(application)))
    else:
        checked = check_files(files, accounts)
    data = {"files": [entry.as_json() for entry in checked]}
    bad = [entry for entry in checked if entry.problems]
    error = None
    if bad:
        count = sum(len(entry.problems) for entry in bad)
        error = {
            "code": "program",
            "message": f"{count} problem{'s' if count > 1 else ''} in {len(bad)} of {len(checked)} file{'s' if len(checked) > 1 else ''}",
            "hint": "mend the lines above; a sync keeps the last valid version meanwhile, where there was one",
        }

    def human(console: Console) -> None:
        for entry in checked:
            for line in entry.lines():
                console.print(line)

    emit(
        "program check",
        data,
        as_json=as_json,
        human=human,
        exit_code=Exit.USAGE if bad else Exit.OK,
        error=error,
    )


@app.command("try")
def try_(
    files: Annotated[
        list[Path],
        typer.Argument(help="Program files; files of one key are its versions.", exists=True, dir_okay=False),
    ],
    orders: Annotated[
        Path,
        typer.Option(
            help="Order lines: order_id, line_id, account_id, date, quantity, amount, …",
            exists=True,
            dir_okay=False,
        ),
    ],
    accounts: Annotated[
        Path | None,
        typer.Option(
            help="account_id and any of name, type, region, parent_id, active_from, active_to, …",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    products: Annotated[
        Path | None,
        typer.Option(help="product_id and any of name, code, family, …", exists=True, dir_okay=False),
    ] = None,
    rates: Annotated[
        Path | None,
        typer.Option(
            help="currency, rate (units for one of the base currency), starts_on", exists=True, dir_okay=False
        ),
    ] = None,
    targets: Annotated[
        Path | None,
        typer.Option(help="account_id and any of period, target, baseline", exists=True, dir_okay=False),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(help="Day of the view; later lines do not count (default: day of the last line)."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Standings of programs on order files, with the arithmetic. Exit 3 when rows had to be set aside."""
    from datetime import date

    from cli.trial_output import show, trial_json
    from jobs.refusals import Unusable
    from jobs.targets import read_with_targets
    from jobs.trial import run_trial
    from jobs.trial_files import read_trial_files

    try:
        day = None if as_of is None else date.fromisoformat(as_of)
    except ValueError:
        raise Unusable(f"--as-of {as_of}: is not a day", "--as-of 2026-11-24") from None
    programs = [read_with_targets(file) for file in files]
    read = read_trial_files(orders, accounts=accounts, products=products, rates=rates, targets=targets)
    trial = run_trial(programs, read, as_of=day)
    aside = len(trial.set_aside)
    warnings = (
        [
            f"{aside} row{'s' if aside > 1 else ''} could not be read and {'were' if aside > 1 else 'was'} set aside"
        ]
        if aside
        else []
    )
    warnings += [
        f"{row.standing.member} {row.standing.period.key}: incomplete, {reason}"
        for row in trial.standings
        for reason in row.standing.incomplete
    ]
    judged_by = sorted({c.field for p in programs for c in p.members.conditions} - {"id", "region"})
    if accounts is None and judged_by and not trial.standings:
        warnings.append(
            f"[members] asks for {', '.join(judged_by)}, which an accounts file would tell: --accounts CSV"
        )
    warnings += [
        *_targets_of_no_period(programs, read.targets),
        *_unfinished_that_count(programs, read.lines),
    ]
    emit(
        "program try", trial_json(trial), as_json=as_json, human=lambda console: show(console, trial), warnings=warnings,
        exit_code=Exit.REJECTED_ROWS if aside else Exit.OK,
    )  # fmt: skip


def _targets_of_no_period(programs: Sequence[Program], targets: Iterable[Target]) -> list[str]:
    """A target for 2026-q1 would silently leave 2026-Q1 with the member's general one."""
    from rebates.problems import did_you_mean

    keys = [period.key for program in programs for period in program.periods()]
    unknown = sorted({one.period for one in targets if one.period is not None} - set(keys))
    return [
        f"the targets name the period {one!r}, which no program has: {did_you_mean(one, keys) or f'as in {keys[0]}'}"
        for one in unknown
    ]


UNFINISHED = frozenset({"draft", "cancelled", "canceled"})


def _unfinished_that_count(programs: Sequence[Program], lines: Iterable[TrialLine]) -> list[str]:
    """A file's status means nothing unless a program says so; most people would not expect drafts to count."""
    looked_at = all(
        any(c.side == "order" and c.field == "status" for c in p.counts.conditions) for p in programs
    )
    found = [line for line in lines if line.fields.get("status", "").lower() in UNFINISHED]
    if looked_at or not found:
        return []
    return [
        f"{len(found)} line{'s have' if len(found) > 1 else ' has'} the status Draft or Cancelled and count all the same: "
        'no [counts] order.status = ["Activated"] in the program'
    ]


@app.command("schema")
def schema(as_json: JsonFlag = False) -> None:
    """The JSON Schema of program files, for editors."""
    from rebates.schema import json_schema

    made = json_schema()
    emit("program schema", made, as_json=as_json, human=lambda _: print_schema(made))


def print_schema(made: dict[str, Any]) -> None:
    """The bare schema, so that it can be redirected into a file."""
    sys.stdout.write(json.dumps(made, ensure_ascii=False, indent=2) + "\n")


@app.command("diff")
def diff(
    context: typer.Context,
    old: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    new: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    orders: Annotated[
        Path | None,
        typer.Option(
            help="Order lines to show what the change does to every standing.", exists=True, dir_okay=False
        ),
    ] = None,
    accounts: Annotated[Path | None, typer.Option(exists=True, dir_okay=False)] = None,
    products: Annotated[Path | None, typer.Option(exists=True, dir_okay=False)] = None,
    rates: Annotated[Path | None, typer.Option(exists=True, dir_okay=False)] = None,
    targets: Annotated[Path | None, typer.Option(exists=True, dir_okay=False)] = None,
    store: Annotated[
        bool, typer.Option("--store", help="Show what the change does to every standing in the store.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """What changed between two versions of a program; with --orders or --store what that does to every standing."""
    from jobs.program_diff import diff_files
    from jobs.targets import read_with_targets
    from jobs.trial_files import read_trial_files

    files = (
        None
        if orders is None
        else read_trial_files(orders, accounts=accounts, products=products, rates=rates, targets=targets)
    )
    if store:
        from cli.opening import opened
        from jobs.store_facts import diff_store

        with opened(context, quiet=True, reads_store=True) as application:
            found = diff_store(application, read_with_targets(old), read_with_targets(new))
    else:
        found = diff_files(read_with_targets(old), read_with_targets(new), files)

    def human(console: Console) -> None:
        for line in found.lines():
            console.print(line)

    aside = len(files.set_aside) if files is not None else 0
    emit(
        "program diff",
        found.as_json(),
        as_json=as_json,
        human=human,
        exit_code=Exit.REJECTED_ROWS if aside else Exit.OK,
    )
