"""`rebates payouts list`: what was settled, for whom, and what finance made of it. Reads the store only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import JsonFlag, emit

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.owed import Owed
    from state.payouts_listed import PayoutView

DELETED = "Deleted"

app = typer.Typer(help="Settled amounts and what finance made of them.", no_args_is_help=True)


@app.command("list")
def list_payouts(
    context: typer.Context,
    program: Annotated[str | None, typer.Option(help="Only this program.")] = None,
    period: Annotated[str | None, typer.Option(help="Only this period, such as 2026-11 or 2026-Q3.")] = None,
    status: Annotated[
        str | None,
        typer.Option(help="Only this status, as in the org (SystemCalculated, Approved, Paid …), or unsent."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Every settled amount and every later correction, oldest first, with its status as the org last showed it; then what is
    still open: payouts that were rejected, and what settled periods left over."""
    from cli.opening import opened
    from jobs import owed
    from jobs import payouts as work

    with opened(context, quiet=True, reads_store=True) as application:
        found = work.listed(application, program=program, period=period, status=status)
        with application.store.read() as tx:
            still = owed.look(tx, program=program, period=period)
    sums = work.sums(found)

    def human(console: Console) -> None:
        from rich.table import Table

        from mappings.template import money

        if not found:
            console.print("no payouts")
            _show_open(console, still)
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("account", "program", "period", "type", "booked in"):
            table.add_column(title)
        table.add_column("amount", justify="right")
        for title in ("status", "approved by", "paid on", "reference"):
            table.add_column(title)
        for one in found:
            due = one.due
            table.add_row(
                one.member_name or one.member, due.program, due.period, due.type, due.booked_in,
                money(due.amount, due.currency), one.state, one.approved_by or "",
                str(one.paid_on or ""), one.reference or "",
            )  # fmt: skip
        console.print(table)
        for status_, currency, amount, count in sums:
            console.print(f"{status_}: {count:,} payouts, {money(amount, currency)}")
        for one in found:
            if one.state == DELETED and one.key is not None:
                console.print(_deleted(one))
        _show_open(console, still)

    data = {
        "payouts": [_as_json(one) for one in found],
        "sums": [
            {"status": word, "currency": currency, "amount": amount, "payouts": count}
            for word, currency, amount, count in sums
        ],
        **still.as_json(),
    }
    emit("payouts list", data, as_json=as_json, human=human)


def _show_open(console: Console, still: Owed) -> None:
    for said in still.lines():
        console.print(said)


def _deleted(one: PayoutView) -> str:
    due, whose = one.due, one.member_name or one.member
    return (
        f"{whose} {due.program} {due.period}: deleted in the org, and not paid again. On purpose: nothing to do. "
        f"By mistake: `rebates payouts make-again {one.key}`"
    )


@app.command("make-again")
def make_again(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Key of a payout that was deleted in the org.")],
    as_json: JsonFlag = False,
) -> None:
    """Have the next sync make a payout again that was deleted in the org by mistake: same key, same amount, once."""
    from cli.opening import opened
    from jobs.payouts_gone import make_again as work

    with opened(context, quiet=as_json, reads_store=True) as application:
        work(application, key)
    said = f"{key} is made again by the next sync (`rebates sync`)"
    emit("payouts make-again", {"key": key}, as_json=as_json, human=lambda console: console.print(said))


def _as_json(one: PayoutView) -> dict[str, object]:
    due = one.due
    return {
        "account": one.member,
        "account_name": one.member_name,
        "program": due.program,
        "period": due.period,
        "type": due.type,
        "booked_in": due.booked_in,
        "amount": due.amount,
        "late_lines": due.prior_period if due.told_apart else None,
        "tier_and_terms": due.rate if due.told_apart else None,
        "currency": due.currency,
        "settled_at": due.posted_at,
        "key": one.key,
        "id": one.sf_id,
        "status": one.state,
        "approved_by": one.approved_by,
        "paid_on": one.paid_on,
        "reference": one.reference,
    }
