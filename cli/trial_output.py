"""What `rebates program try` shows: JSON for programs, the arithmetic for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from rich.console import Console

    from jobs.trial import Trial, TrialStanding


def trial_json(trial: Trial) -> dict[str, Any]:
    """`data` of `program try --json`, as docs/programs.md describes it."""
    return {
        "as_of": trial.as_of,
        "programs": [{"key": p.key, "name": p.name, "currency": p.currency} for p in trial.programs],
        "standings": [standing_json(row) for row in trial.standings],
        "excluded": [
            {
                "program": key,
                "order_id": e.line.order_id,
                "line_id": e.line.line_id,
                "line": e.line.number,
                "reason": e.reason,
            }
            for key, e in trial.excluded
        ],
        "rejected": [
            {"file": row.file, "line": row.line, "id": row.id, "field": row.field, "reason": row.reason}
            for row in trial.set_aside
        ],
    }


def standing_json(row: TrialStanding) -> dict[str, Any]:
    """One standing as `program try --json` documents it. `period_end` is the last day that counts."""
    from rebates.money import money_text, text

    at = row.standing
    currency = at.working.program.currency
    axis = at.working.program.qualifiers[0].dimension

    def money(value: Any) -> str | None:
        return None if value is None else money_text(value, currency)

    def on_axis(value: Any) -> str | None:
        return money(value) if axis == "amount" else None if value is None else text(value)

    return {
        "program": at.program,
        "member": at.member,
        "period": at.period.key,
        "period_start": at.period.start,
        "period_end": at.period.last_day,
        "currency": currency,
        "qualifying_amount": money(at.qualifying_amount),
        "qualifying_quantity": text(at.qualifying_quantity),
        "tier": at.tier,
        "rebate": money(at.rebate),
        "next_tier": at.next_tier,
        "to_next_tier": on_axis(at.to_next_tier),
        "rebate_at_next_tier": money(at.rebate_at_next_tier),
        "uplift": money(at.uplift),
        "higher_tiers": [
            {
                "tier": level.tier,
                "need": on_axis(level.need),
                "rebate": money(level.rebate),
                "additional": money(level.additional),
            }
            for level in at.higher_tiers
        ],
        "status": at.status,
        "days_left": at.days_left,
        "payout": money(row.paid),
        "carried": money(row.carried),
        "invoiced": money(row.invoiced),
        "shares": [{"account": account, "rebate": money(share)} for account, share in row.shares],
        "adjustments": [
            {
                "period": a.period,
                "prior_period": money(a.prior_period),
                "rate": money(a.rate),
                "total": money(a.total),
            }
            for a in row.adjustments
        ],
        "incomplete": list(at.incomplete),
        "steps": [step.as_dict() for step in at.steps],
    }


def _in(need: Decimal | None) -> str:
    return "" if need is None else f" in {need}"


def _paid_lines(row: TrialStanding) -> Iterator[str]:
    """What becomes of the rebate: corrections of closed periods, the payout where it is another amount, who gets it."""
    from rebates.explain import payout_steps
    from rebates.money import money_text

    at = row.standing
    currency = at.working.program.currency

    def money(value: Decimal) -> str:
        return f"{money_text(value, currency)} {currency}"

    for one in row.adjustments:
        parts = f"late lines {money(one.prior_period)}, tier and terms {money(one.rate)}"
        yield f"adjustment {money(one.total)} for {one.period} ({parts})"
    said = [step.text for step in payout_steps(at, row.made)] if row.made is not None else []
    yield from said
    if not said and row.paid != at.rebate:
        yield f"payout {money(row.paid)}"
    for account, share in row.shares:
        yield f"of it {account}: {money(share)}"


def show(console: Console, trial: Trial) -> None:
    """The same for people: the arithmetic of each standing, then what did not count."""
    from rebates.money import money_text

    if not trial.standings:
        console.print("No line counts for any member.")
    for row in trial.standings:
        at = row.standing
        currency = at.working.program.currency
        head = f"{at.program}  {at.member}  {at.period.key} ({at.period.start} to {at.period.last_day})"
        tier = at.tier or "no tier"
        console.print(f"{head}: {tier}, rebate {money_text(at.rebate, currency)} {currency}", style="bold")
        for step in at.steps:
            console.print(f"    {step.text}")
        for line in _paid_lines(row):
            console.print(f"    {line}")
        for level in at.higher_tiers[:1]:
            console.print(
                f"    next: {level.tier}{_in(level.need)}, rebate then {money_text(level.rebate, currency)} {currency}",
            )
    if trial.excluded:
        console.print(f"{len(trial.excluded)} line(s) did not count:")
        for _, entry in trial.excluded[:20]:
            console.print(f"    line {entry.line.number}, order {entry.line.order_id}: {entry.reason}")
    for aside in trial.set_aside[:20]:
        console.print(f"set aside: {aside.file} line {aside.line}: {aside.field} {aside.reason}")
