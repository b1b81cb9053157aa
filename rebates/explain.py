"""A standing in words and numbers: what counted, the ladder, the arithmetic, caps, rounding.

Command line, task text, portal and card all print these steps; none of them computes anything.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from rebates.case import Case
from rebates.money import Exact, exact, fraction, money_text, percent, round_money, shown, text, units_text
from rebates.pieces import baseline_words, prorated_words
from rebates.program import Program
from rebates.settle import BELOW, Payout
from rebates.standing import Standing, outcome
from rebates.totals import NOTHING, Share, anything_in


class Step(NamedTuple):
    """One line of working. `kind` names it for machines, `text` for people; `amount` is what it comes to."""

    kind: str
    text: str
    tier: str | None = None
    amount: Decimal | None = None
    paid_on: Decimal | None = None

    def as_dict(self) -> dict[str, str | None]:
        """For JSON: money as strings."""
        return {
            "kind": self.kind,
            "text": self.text,
            "tier": self.tier,
            "paid_on": None if self.paid_on is None else text(self.paid_on),
            "amount": None if self.amount is None else text(self.amount),
        }


def explain(at: Standing) -> tuple[Step, ...]:
    """The steps from the totals to the rebate."""
    with exact():
        return tuple(_steps(at))


def _steps(at: Standing) -> list[Step]:
    terms, totals, inputs = at.working
    case, index, bands, capped = outcome(at)
    tally = totals.get(case.scales[0].qualifier.bucket, NOTHING)
    counted = f"{tally.lines} line{'' if tally.lines == 1 else 's'} counted: {money_text(tally.amount, terms.currency)} {terms.currency}, {units_text(tally.quantity)}"
    steps = [Step("counted", f"{counted}, {_since(at)} to {at.period.last_day}", amount=shown(tally.amount))]
    steps += [Step("note", note) for note in inputs.notes]
    if inputs.reduction:
        before = f"{money_text(inputs.reduction, terms.currency)} {terms.currency} that earlier programs paid on these lines is not paid on again"
        steps.append(Step("reduced", before, amount=shown(inputs.reduction)))
    steps += [Step("prorated", words) for words in prorated_words(terms, at.period, inputs)]
    if (words := baseline_words(terms, at.period, at.member, inputs)) is not None:
        steps.append(Step("baseline", words))
    steps += [Step("missing", reason) for reason in at.incomplete]
    steps += [Step("closed", reason) for reason in case.closed if reason not in at.incomplete]
    for scale in case.scales:
        steps += _reached(at, scale)
    bought = anything_in(totals)
    if not bought:
        words = "nothing that could be counted" if at.incomplete else "nothing was bought"
        steps.append(Step("no_lines", f"{words}, so nothing is paid", amount=Decimal(0)))
    elif index < 0 and inputs.across is not None:
        words = f"no tier is reached on the terms from {terms.effective}"
        steps.append(Step("no_tier", f"{words}: see above what each of the terms pays"))
    elif index < 0:
        words = "no tier is reached, so there is no rebate"
        steps.append(Step("no_tier", f"{words}{_nothing_taken_back(at, case)}", amount=Decimal(0)))
    for band in bands if bought else ():  # of several versions there are none: the notes tell the parts
        tier = terms.tiers[band.tier]
        if tier.kind == "amount" and tier.per is None and not tier.linear:
            words = f"{tier.name}: {tier.benefit_text(terms.currency)} fixed"
            if band.rebate != fraction(tier.benefit):
                words += f", here {money_text(band.rebate, terms.currency)}"
        else:
            money = f"{money_text(band.paid_on, terms.currency)} {terms.currency}"
            paid_on = units_text(band.paid_on) if tier.kind == "per_unit" else money
            cap = " (at its cap)" if band.capped else ""
            words = f"{tier.name}: {tier.benefit_text(terms.currency)} on {paid_on}{cap} = {money_text(band.rebate, terms.currency)}"
        steps.append(Step("band", words, tier.name, shown(band.rebate), shown(band.paid_on)))
    differences = terms.special.due(totals) if inputs.across is None else ()  # the notes tell those, too
    for agreement, sold in differences:
        words, due = agreement.words(sold, terms.currency), agreement.on(sold)
        steps.append(Step("price_difference", words, amount=shown(due), paid_on=shown(sold.quantity)))
    if capped.by_cap is not None:
        steps.append(
            Step("cap", f"capped at {text(capped.by_cap)} {terms.currency}", amount=shown(capped.by_cap))
        )
    if capped.by_guarantee is not None:
        steps.append(
            Step(
                "guarantee",
                f"raised to the guaranteed {text(capped.by_guarantee)} {terms.currency}",
                amount=shown(capped.by_guarantee),
            )
        )
    rounded = round_money(capped.rebate, terms.currency)
    steps.append(Step("rounded", _rounding(capped.rebate, rounded, terms.currency), at.tier, rounded))
    return steps + _decided_by_others(at)


def _nothing_taken_back(at: Standing, case: Case[Any]) -> str:
    """What becomes of more returns than purchases: a period pays at least 0, and what it has beyond is nobody's."""
    terms, first = at.working.program, case.scales[0]
    of_itself = not terms.counts_over_several_periods and terms.settlement.returns == "own_period"
    if not of_itself or first.qualifier.of not in ("amount", "quantity") or first.value >= 0:
        return ""
    return (
        "; more was returned than bought, and that takes nothing back of what other periods paid "
        '(returns = "original_period" would)'
    )


def _since(at: Standing) -> date:
    """The first day whose lines count: of the period, or of the window that its tier is taken from."""
    terms = at.working.program
    return at.period.start if terms.settlement.window == "period" else terms.window(at.period)[0].start


def payout_steps(at: Standing, made: Payout) -> tuple[Step, ...]:
    """From the rebate to the payout, where it is another amount or needs a word: what was settled, carried, taken back."""
    terms, inputs = at.working.program, at.working.inputs

    def money(value: Decimal) -> str:
        return f"{money_text(value, terms.currency)} {terms.currency}"

    parts = []
    if any(by.kind == "beaten" for by in inputs.overruled):
        # What it earned is not its own; where it earned less to date than was paid, that is taken back all the same.
        back = inputs.carried - made.due
        if back > 0:
            parts.append(f"{money(back)} of what was paid in the periods before is not earned any more")
    elif inputs.settled:
        before = f"less {money(inputs.settled - inputs.waived)} to date in the period before"
        before += f" and {money(inputs.waived)} that was waived" if inputs.waived else ""
        parts.append(f"{money(at.rebate)} to date {before}")
    if inputs.carried > 0:
        parts.append(f"{money(inputs.carried)} carried in from the periods before")
    if inputs.carried < 0:
        parts.append(f"{money(-inputs.carried)} still to be taken back from the periods before")
    if fate := _fate(at, made, money):
        parts.append(fate)
    if not parts:
        return ()
    return (Step("payout", f"payout {money(made.paid)}: {'; '.join(parts)}", amount=made.settles),)


def _fate(at: Standing, made: Payout, money: Callable[[Decimal], str]) -> str:
    """What becomes of an amount that is not simply paid."""
    if made.invoiced:
        return f"{money(made.invoiced)} was paid too much and is to be invoiced"
    if made.waived:
        return f"{money(made.waived)} was paid too much and is waived"
    if made.carried < 0:
        way = (
            "no payout follows: it stays open, to be billed or waived by hand"
            if at.is_last
            else "it is taken from the next payout"
        )
        return f"{money(-made.carried)} was paid too much, and {way}"
    least = at.working.program.limits.min_payout
    why = made.reason if least is None else made.reason.replace(BELOW, f"{BELOW} of {money(least)}")
    if made.carried > 0:
        return f"{money(made.carried)} is {why or 'carried forward'}"
    return why


def _decided_by_others(at: Standing) -> list[Step]:
    """What becomes of a rebate beside others; the last of these steps comes to the standing's own."""
    inputs, terms = at.working.inputs, at.working.program
    if not inputs.overruled and not inputs.shares:
        return []
    steps = [Step(by.kind, by.text, amount=by.rebate) for by in inputs.overruled if by.kind != "kept"]
    steps += [_shared(share, terms) for share in inputs.shares]
    if len(inputs.shares) > 1:
        whole = sum((share.rebate for share in inputs.shares), Decimal(0))
        steps.append(
            Step(
                "shares", f"{money_text(whole, terms.currency)} {terms.currency} of all groups", amount=whole
            )
        )
    return steps + [Step(by.kind, by.text, amount=by.rebate) for by in inputs.overruled if by.kind == "kept"]


def _shared(share: Share, terms: Program) -> Step:
    unit = "units" if terms.paid_on == "quantity" else terms.currency
    words = (
        f"share of {share.group}: {text(share.volume)} of {text(share.whole)} {unit}, "
        f"so {money_text(share.rebate, terms.currency)} of {money_text(share.total, terms.currency)} {terms.currency}"
    )
    return Step("share", words, amount=share.rebate, paid_on=share.volume)


def _rounding(before: Exact, after: Decimal, currency: str) -> str:
    how = "exact" if before == after else f"{text(before)} rounded half up"
    return f"rebate {text(after)} {currency} ({how})"


def _reached(at: Standing, scale: Any) -> list[Step]:
    qualifier = scale.qualifier
    steps = []
    if scale.base is not None and scale.base.usable and scale.base.value:
        share = fraction(scale.value) / scale.base.value
        what = {"growth": "baseline", "attainment": "target", "mix": "everything"}[qualifier.of]
        steps.append(
            Step("ratio", f"{text(scale.value)} is {percent(share)} of the {what} {text(scale.base.value)}")
        )
    if scale.base is not None and not scale.base.usable:
        return steps  # there is nothing to measure the thresholds against
    counted = f"{_name(qualifier)} {text(scale.value)}"
    for tier, rung in zip(at.working.program.tiers, scale.rungs, strict=True):
        holds = scale.value > rung.threshold or (scale.value == rung.threshold and not rung.exceed)
        sign = (">" if rung.exceed else ">=") if holds else ("<=" if rung.exceed else "<")
        words = (
            f"{tier.name}: {counted} {sign} {text(rung.threshold)}, {'reached' if holds else 'not reached'}"
        )
        steps.append(Step("threshold", words, tier.name, shown(rung.threshold)))
    return steps


def _name(qualifier: Any) -> str:
    return (
        str(qualifier.of)
        if qualifier.name in (qualifier.of, "qualifier")
        else f"{qualifier.name} ({qualifier.of})"
    )
