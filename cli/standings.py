"""`rebates status` and `rebates explain`: what is known, and why."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import JsonFlag, emit, styled

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from jobs.explanation import Explanation
    from state.evidence import ContributionView

AGE_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))

PAYOUTS_SAID = {
    "Deleted": ": in the org no more, see `rebates payouts list --status Deleted`",
    "Rejected": ": still owed, see `rebates payouts list --status Rejected`",
}
SAID = {
    "grace": "over; still takes late lines until it closes on {day}",
    "closing": "closing, waiting for {why}",
    "earlier": "over before the program was first computed: not settled here",
}


def register(app: typer.Typer) -> None:
    """Hang the commands on the tree."""
    app.command()(status)
    app.command()(explain)
    app.command(name="why-changed")(why_changed)


def status(context: typer.Context, as_json: JsonFlag = False) -> None:
    """When the org was last read, what waits, what is set aside, and how the last runs ended."""
    from cli.opening import opened
    from jobs import status as work

    with opened(context, quiet=True, reads_store=True) as application:
        found = work.status(application)
    emit(
        "status", found, as_json=as_json, human=lambda console: _show_status(console, found),
        warnings=found["programs"]["warnings"],
    )  # fmt: skip


def _show_status(console: Console, found: dict[str, Any]) -> None:
    from rich.table import Table

    console.print(f"org {found['org_id'] or 'not read yet'} · {found['store']}")
    if found["paused"]:
        console.print(styled(("paused:", "bold yellow"), f" {found['paused']} (go on with `rebates resume`)"))
    for one in found["late"]:
        since = f"since {one['last_success']:%Y-%m-%d %H:%M} UTC" if one["last_success"] else "yet"
        said = f" {one['job']} has not succeeded {since}; is a scheduler running?"
        console.print(styled(("late:", "bold red"), said))
    for name, code in found["stopped"].items():
        console.print(styled((f"{name} stands still:", "bold red"), f" {code} (docs/operations.md)"))
    for one in found["running"]:
        console.print(f"running: {one['owner']} until {one['until']:%H:%M:%S} UTC")
    for stream in found["streams"]:
        console.print(
            f"  {stream['entity']:<12} read until {stream['read_until']:%Y-%m-%d %H:%M:%S} UTC, {_age(stream['age_seconds'])} ago"
        )
    waiting = {name: count for name, count in found["outbox"].items() if name not in ("done", "superseded")}
    console.print(
        "outbox: " + (", ".join(f"{count:,} {name}" for name, count in sorted(waiting.items())) or "empty")
    )
    aside = found["set_aside"]
    if aside["records"]:
        console.print(
            styled(
                (f"set aside: {aside['records']:,} records", "yellow"),
                "; they come back by themselves when mended",
            )
        )
        for row in aside["first"]:
            console.print(f"  {row['entity']} {row['id']} {row['field']}: {row['reason']}")
        if aside["first"]:
            one = aside["first"][0]
            said = f"rebates mapping explain {one['entity']}.{one['field']} --id {one['id']}"
            console.print(f"  how a record was read: {said}", soft_wrap=True)
    for one in aside["payouts"]:
        said = f"set aside: a payout of {one['program']} {one['period']}, whose amount the org's field cannot hold"
        console.print(said, style="yellow")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("run", "job", "started (UTC)", "outcome", "read", "changed", "written", "API calls"):
        table.add_column(title)
    for run in found["runs"]:
        counts = run["counts"]
        table.add_row(
            str(run["run"]), run["job"], f"{run['started_at']:%Y-%m-%d %H:%M:%S}", run["outcome"],
            *(str(counts.get(name, "")) for name in ("pulled", "changed", "pushed", "api_calls")),
        )  # fmt: skip
    if found["runs"]:
        console.print(table)
    _show_programs(console, found)
    for name, when in found["next"].items():
        console.print(f"next {name}: {when:%Y-%m-%d %H:%M} UTC")


def _show_programs(console: Console, found: dict[str, Any]) -> None:
    """Programs and periods that are not as their files and the calendar say, and what was settled."""
    from mappings.template import money

    for one in found["programs"]["last_valid_version"]:
        said = f"program {one['program']}: runs as its last valid version, {one['file']} is not valid now"
        console.print(said)
    for file in found["programs"]["unknown"]:
        console.print(f"{file} was never valid: its program is not computed")
    for one in found["programs"]["refused"]:
        console.print(f"program {one['program']} is not computed: {one['reason']}")
    for one in found["periods"]["closing"]:
        why = "; ".join(one["waits_for"]) or "the next sync"
        console.print(f"{one['program']} {one['period']}: closing, waiting for {why}")
    for one in found["payouts"]:
        total = money(one["amount"], one["currency"])
        more = PAYOUTS_SAID.get(one["status"], "")
        console.print(f"payouts {one['status']}: {one['payouts']:,}, {total}{more}")
    if found["open_balances"]:
        count = len(found["open_balances"])
        stuck = sum(not one["follows"] for one in found["open_balances"])
        more = f", {stuck:,} of them with no payout to follow" if stuck else ""
        said = f"open balances after settled periods: {count:,}{more}; see `rebates payouts list`"
        console.print(said)
    for program, count in found["periods"]["earlier"].items():
        console.print(
            f"{program}: {count} period{'s' if count > 1 else ''} before its first sync, not settled here "
            f"(`rebates periods list --program {program}`)",
        )


def _age(seconds: int) -> str:
    for size, unit in AGE_UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return "0 s"


def explain(
    context: typer.Context,
    account: Annotated[str, typer.Argument(help="Account id, or a part of its name.")],
    program: Annotated[str | None, typer.Option(help="Only this program.")] = None,
    period: Annotated[
        str | None, typer.Option(help="A period such as 2026-11 or 2026-Q3; left out: the open ones.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """The arithmetic behind a standing: the ladder, every order that counted, every line that did not and why."""
    from cli.opening import opened
    from jobs.explanation import explain as work

    with opened(context, quiet=True, reads_store=True) as application:
        found = work(application, account, program=program, period=period)

    def human(console: Console) -> None:
        for one in found:
            show_explanation(console, one)

    emit("explain", {"standings": [one.as_json() for one in found]}, as_json=as_json, human=human)


def _beginning(threshold: str | None, by_units: bool, currency: str) -> str:
    """Where a tier begins; a dash where there is nothing to measure it against."""
    from mappings.template import money, units

    if threshold is None:
        return "—"
    return units(Decimal(threshold)) if by_units else money(Decimal(threshold), currency)


def _amount(amount: Decimal, currency: str) -> str:
    """With its currency and at least as many decimals as that has: amounts below each other may be of several."""
    from rebates.money import money_text

    return f"{Decimal(money_text(amount, currency)):,f} {currency}"


def _orders(title: str, more: tuple[str, ...] = ()) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    for name in ("order", "date"):
        table.add_column(name)
    for name in ("lines", "quantity", "amount"):
        table.add_column(name, justify="right")
    for name in more:
        table.add_column(name)
    return table


def _order(part: ContributionView, currency: str) -> tuple[str, ...]:
    when = part.ordered_on or (part.ordered_at.date() if part.ordered_at else "")
    number = part.order_number or part.order_id
    return (
        number,
        str(when),
        str(part.lines),
        f"{part.quantity:,f}",
        _amount(part.amount, part.currency or currency),
    )


def show_explanation(console: Console, one: Explanation) -> None:
    """One standing on one screen."""
    from rich.table import Table

    from mappings.template import money, units

    row, document = one.standing, one.document
    currency = row.currency
    last = date.fromordinal(row.end.toordinal() - 1)
    console.print(
        styled(
            (row.member_name or row.member, "bold"),
            f" · {row.program_name} · {row.period} ({row.start} to {last}) · program version {row.program_version}",
        )
    )
    by_units = document["ladder"]["qualifier"] == "quantity"
    for tier in document["ladder"]["tiers"]:
        mark = "●" if tier["reached"] else "○"
        start = _beginning(tier["threshold"], by_units, currency)
        here = "  ← here" if tier["name"] == document["tier"] else ""
        console.print(
            styled(f"  {mark} {tier['name']:<12} from {start:>12}   {tier['benefit']}", (here, "bold"))
        )
    console.print()
    for step in document["steps"]:
        console.print(f"  {one.named(step['text'])}")
    if document["to_next_tier"] is not None:
        gap = Decimal(document["to_next_tier"])
        needed = units(gap) if by_units else money(gap, currency)
        promise = ""  # none where a rival takes it, or where the period stays as it was settled
        if document["rebate_at_next_tier"] is not None:
            promise = (
                f": the rebate would be {money(Decimal(document['rebate_at_next_tier']), currency)}, "
                f"{money(Decimal(document['uplift']), currency)} more"
            )
        console.print(styled("  ", (f"{needed} to {document['next_tier']}", "bold"), promise))
    elif document["next_tier"] is not None and document["rebate_at_next_tier"] is not None:
        console.print(
            styled(
                "  ",
                (document["next_tier"], "bold"),
                " needs what is not reached above: the rebate would be "
                f"{money(Decimal(document['rebate_at_next_tier']), currency)}",
            )
        )
    console.print()
    table = _orders("counted")
    for part in one.orders:
        table.add_row(*_order(part, currency))
    if (rest := one.otherwise) is not None:
        left = f"{rest.quantity:,f}", _amount(rest.amount, currency)
        table.add_row("as settled", "", str(rest.lines), *left)
    console.print(table)
    if one.otherwise is not None:
        console.print("  as settled: lines that were changed or deleted since, as they were counted then")
    if one.elsewhere:
        table = _orders("not for the tier, but counted in", more=("in",))
        for part in one.elsewhere:
            table.add_row(*_order(part, currency), part.bucket.partition("@")[0])
        console.print(table)
    if one.period is not None and one.period.state in SAID:
        why = "; ".join(one.period.waits_for) or "the next sync"
        console.print(f"  {SAID[one.period.state].format(why=why, day=one.period.closes_on)}")
    for posting in one.postings:
        parts = (
            f" (late lines {money(posting.prior_period, currency)}, tier and terms {money(posting.rate, currency)})"
            if posting.kind == "adjustment" and posting.told_apart
            else ""
        )
        console.print(
            f"  {posting.type}: {money(posting.amount, currency)} for {posting.period}, booked in "
            f"{posting.booked_in} on {posting.posted_at:%Y-%m-%d}{parts}",
        )
    if one.not_counted:
        table = Table(
            box=None, pad_edge=False, header_style="bold", title="not counted", title_justify="left"
        )
        for title in ("order", "date", "product"):
            table.add_column(title)
        table.add_column("amount", justify="right")
        table.add_column("why")
        for line in one.not_counted:
            about, own = line.line, str(line.line.order_fields.get("currency") or currency)
            table.add_row(
                about.order_number or about.order_id, str(about.ordered_on or about.ordered_at or ""),
                str(about.product_fields.get("name") or ""), _amount(about.amount, own), line.reason,
            )  # fmt: skip
        console.print(table)
    console.print()


def why_changed(
    context: typer.Context,
    account: Annotated[str, typer.Argument(help="Account id, or a part of its name.")],
    since: Annotated[str, typer.Option(help="A day, a moment (UTC) or the number of a run.")],
    program: Annotated[str | None, typer.Option(help="Only this program.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """What moved an account's rebates since then: lines, returns, new terms, rates, account records."""
    from cli.opening import opened
    from jobs.why_changed import why_changed as work

    with opened(context, quiet=True, reads_store=True) as application:
        found = work(application, account, since, program=program)

    def human(console: Console) -> None:
        console.print(f"{found.account_name or found.account}, since {found.since:%Y-%m-%d %H:%M} UTC")
        for one in found.moved:
            for line in one.lines():
                console.print(line)
        if not found.moved:
            console.print("nothing moved")
        console.print(f"{found.unchanged} standings stay as they were")

    emit("why-changed", found.as_json(), as_json=as_json, human=human)
