"""What a valid program may still have got wrong: cliffs, falling benefits, tiers nobody reaches, misspelt fields.

`rebates program check` prints these as warnings and notes. What a store alone can know (rules that match nothing,
currencies without a rate) is passed in as facts.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from rebates.calendars import RETAIL
from rebates.case import plain_rungs
from rebates.lint_facts import Facts, Finding, against, filters_of, lint_together
from rebates.methods import Sale, retrospective
from rebates.money import Percentage, exact, percent, plain, round_money, text
from rebates.problems import did_you_mean
from rebates.program import Program

CANONICAL = {
    "account": ("id", "name", "parent_id", "owner_id", "type", "region", "currency"),
    "product": ("id", "name", "code", "family"),
    "order": (
        "id",
        "account_id",
        "number",
        "status",
        "type",
        "currency",
        "ordered_on",
        "original_order_id",
        "region",
    ),
    "line": ("id", "order_id", "product_id", "amount", "quantity", "agreement", "currency"),
}


def lint(program: Program, facts: Facts | None = None) -> list[Finding]:
    """Findings of one program, the gravest first."""
    found = [*_ladder(program), *_cliffs(program), *_periods(program), *_fields(program), *_payment(program)]
    found += _compared_by_date(program) + _average_of_years(program)
    for market in program.markets:
        if market.tiers != program.tiers:
            terms = program.for_market(market.name)
            found += [_in_market(market.name, entry) for entry in (*_ladder(terms), *_cliffs(terms))]
    if facts is not None:
        found += against(program, facts)
    return sorted(found, key=lambda entry: entry.level != "warning")


def _payment(program: Program) -> list[Finding]:
    """Whom and when it pays, where the file says less or something else than it seems to."""
    found = []
    groups = program.hierarchy.unpaid_groups
    if groups:
        found.append(
            Finding(
                "warning",
                "nobody-paid",
                f"nobody says which account is paid for {' and '.join(groups)}",
                'name it in [hierarchy.payees], or share the rebate with pay = "share"; a sync refuses the program',
                ("hierarchy",),
            )
        )
    idle = program.settlement.claw_back in ("invoice", "waive") and not program.counts_over_several_periods
    if idle and program.special.lines != "price_difference":
        found.append(
            Finding(
                "warning",
                "nothing-to-claw-back",
                f'claw_back = "{program.settlement.claw_back}" has nothing to do: without a window over several periods none '
                "comes to less than 0, and returns lower only the period of their own day",
                'returns = "original_period" takes them back where they were bought, a [settlement] window from the '
                "tier so far",
                ("settlement", "claw_back"),
            )
        )
    if program.settlement.claw_back == "carry_forward":
        found.append(
            Finding(
                "note",
                "carry-forward",
                '"carry_forward" does what "next_payout" does: what was paid too much is carried until payouts cover it',
                'write claw_back = "next_payout"',
                ("settlement", "claw_back"),
            )
        )
    return found


def _in_market(name: str, entry: Finding) -> Finding:
    return Finding(
        entry.level,
        entry.code,
        f"market {name}: {entry.message}",
        entry.suggestion,
        ("market", name, *entry.path),
    )


HIGH = Decimal("0.5")


def high_rates(program: Program) -> list[Finding]:
    """Rates of more than half the revenue without a percent sign: `rate = 1` is 100%, and mostly 1% was meant."""
    found = []
    for n, tier in enumerate(program.tiers):
        ends = (tier.start, tier.end) if tier.linear_in == "rate" else ()
        for rate in (tier.rate, *ends):
            if rate is not None and HIGH < rate <= 1 and not isinstance(rate, Percentage):
                words = f"{text(plain(rate))} is {percent(rate)} of what it is paid on"
                hint = f'did you mean "{text(plain(rate))}%"? If not, write "{percent(rate)}"'
                found.append(Finding("warning", "high-rate", words, hint, ("tiers", n)))
    return found


def _ladder(program: Program) -> list[Finding]:
    return [
        *high_rates(program),
        *_neighbors(program),
        *_nothing_below(program),
        *(one for n in range(len(program.tiers)) for one in _out_of_reach(program, n)),
    ]


def _neighbors(program: Program) -> list[Finding]:
    """What each tier pays and where it begins, beside the one below it."""
    found = []
    for n, (low, high) in enumerate(pairwise(program.tiers), start=1):
        alike = low.kind == high.kind
        if alike and not (low.linear or high.linear) and low.per == high.per and high.benefit < low.benefit:
            here, below = (one.benefit_text(program.currency) for one in (high, low))
            words = f"{high.name} pays {here}, less than {low.name} with {below}"
            hint = "a higher tier usually pays more"
            found.append(Finding("warning", "benefit-falls", words, hint, ("tiers", n)))
        elif alike and low.benefit == high.benefit and low.kind != "amount" and not low.linear:
            words = f"{high.name} pays the same as {low.name}"
            found.append(Finding("note", "same-benefit", words, None, ("tiers", n)))
        if _looks_like_a_closed_end(low.threshold, high.threshold):
            end = text(_shorter(high.threshold))
            words = (
                f"{high.name} begins at {text(high.threshold)}; bands have no gap here, so a table that says "
                f'"up to {end}" means {end}'
            )
            hint = f'threshold = "{end}"'
            found.append(Finding("note", "odd-threshold", words, hint, ("tiers", n, "threshold")))
    return found


def _nothing_below(program: Program) -> list[Finding]:
    """Where the first tier begins above zero."""
    tiers, qualifiers = program.tiers, program.qualifiers
    if not tiers or tiers[0].threshold <= 0 or len(qualifiers) != 1:
        return []
    if qualifiers[0].of not in ("amount", "quantity"):
        return []
    words = f"below {text(tiers[0].threshold)} nothing is earned"
    hint = 'a tier with threshold = "0" would change that'
    return [Finding("note", "no-zero-tier", words, hint, ("tiers", 0, "threshold"))]


def _out_of_reach(program: Program, n: int) -> list[Finding]:
    """What keeps anybody from tier `n`, or from being paid more for it."""
    tier, cap, first = program.tiers[n], program.limits.max_payout, program.qualifiers[0]
    alone = len(program.qualifiers) == 1
    found = []
    if alone and first.of == "categories" and tier.threshold > len(first.values):
        words = f"{tier.name} needs {text(tier.threshold)} categories, but only {len(first.values)} count"
        found.append(Finding("warning", "unreachable", words, None, ("tiers", n, "threshold")))
    if alone and first.of == "mix" and tier.threshold > 1:
        words = f"{tier.name} needs a mix of {percent(tier.threshold)}, more than everything"
        found.append(Finding("warning", "unreachable", words, None, ("tiers", n, "threshold")))
    pays_on_all = program.method == "retrospective" and tier.kind == "rate" and first.of == "amount"
    if cap is not None and n and pays_on_all:
        before = program.tiers[n - 1]
        if before.kind == "rate" and before.benefit * tier.threshold >= cap:
            words = (
                f"{tier.name} cannot pay more than {before.name}: the cap of {text(cap)} is reached before "
                f"{text(tier.threshold)}"
            )
            hint = "raise max_payout or drop the tier"
            found.append(Finding("warning", "unreachable", words, hint, ("tiers", n)))
    return found


def _looks_like_a_closed_end(low: Decimal, high: Decimal) -> bool:
    """100.01 after 0, 1001 after 0: somebody copied a table of from-to pairs."""
    shorter = _shorter(high)
    return (
        shorter != high
        and shorter > low
        and len(text(shorter).rstrip("0")) + 2 <= len(text(high).replace(".", ""))
    )


def _shorter(value: Decimal) -> Decimal:
    """100.01 -> 100, 1001 -> 1000; anything else as it is."""
    for step in (Decimal("0.01"), Decimal(1)):
        less = value - step
        if less > 0 and less % 100 == 0:
            return less.quantize(Decimal(1)) if less == less.to_integral_value() else less
    return value


def _cliffs(program: Program) -> list[Finding]:
    """The jump of the rebate at each threshold of a retrospective ladder."""
    if (
        program.method != "retrospective"
        or not program.is_plain
        or any(tier.per is not None for tier in program.tiers)
    ):
        return []
    found = []
    dimension = program.qualifiers[0].dimension
    with exact():
        rungs = plain_rungs(program)
        for n in range(1, len(rungs)):
            at = rungs[n].threshold
            sale = Sale(at, at, at, dimension)
            before = sum((band.rebate for band in retrospective(rungs, n - 1, sale)), Decimal(0))
            after = sum((band.rebate for band in retrospective(rungs, n, sale)), Decimal(0))
            jump = round_money(after - before, program.currency)
            if jump > 0:
                found.append(
                    Finding(
                        "note",
                        "cliff",
                        f"at {text(at)} the rebate jumps by {text(jump)} {program.currency} ({program.tiers[n - 1].name} to {program.tiers[n].name}); a return just below takes it back",
                        'method = "stepped" has no such jump',
                        ("tiers", n),
                    )
                )
    return found


def _periods(program: Program) -> list[Finding]:
    periods = program.periods()
    if len(periods) < 2:
        return []
    usual = max(period.days for period in periods)
    found = []
    for period in (periods[0], periods[-1]):
        if period.days < usual - 3:
            found.append(
                Finding(
                    "warning",
                    "short-period",
                    f"{period.key} has only {period.days} days ({period.start} to {period.last_day}): the program does not begin and end with its periods",
                    'anchor = "program", or [proration] for thresholds and amounts',
                    ("period",),
                )
            )
    return found


def _compared_by_date(program: Program) -> list[Finding]:
    """A week of last year by its dates has other weekdays: four weeks may have lost a Sunday and won a Monday."""
    cut, growth = program.cut, program.growth
    weekly = cut.kind in RETAIL or (cut.every is not None and cut.every[1] == "week")
    if growth is None or growth.baseline == "fixed" or not weekly:
        return []
    first = program.periods()[0]
    return [
        Finding(
            "warning",
            "growth-by-date",
            f"{first.key} is compared with the same dates of the year before ({growth.windows(first)[0][0]} on), not with the same weeks",
            'baseline = "fixed" and a baseline per member and period in the targets file compare weeks with weeks',
            ("growth", "baseline"),
        )
    ]


def _average_of_years(program: Program) -> list[Finding]:
    """Years in which a member bought nothing, or was none yet, are years of zero."""
    growth = program.growth
    if growth is None or growth.baseline != "average" or growth.years < 2:
        return []
    words = f"the average is the sum of {growth.years} years divided by {growth.years}: who has bought for one year only has the others as zero"
    hint = "give who is new a baseline in the targets file, or set minimum"
    return [Finding("note", "average-of-years", words, hint, ("growth", "years"))]


def _fields(program: Program) -> list[Finding]:
    found = []
    for place, filter_ in filters_of(program):
        for condition in filter_.conditions:
            known = CANONICAL[condition.side]
            hint = None if condition.field in known else did_you_mean(condition.field, known)
            if hint:
                found.append(
                    Finding(
                        "warning",
                        "unusual-field",
                        f"{condition.side}.{condition.field} is no field that every org has",
                        hint,
                        (place, condition.field),
                    )
                )
    return found


__all__ = ["Facts", "Finding", "lint", "lint_together"]
