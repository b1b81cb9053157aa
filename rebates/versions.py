"""Versions of a program: which terms hold when, and what a change in the middle of a period pays.

`latest`: the newest version's terms hold for everything, past and future (a correction). `as_of`: each line is
paid on the terms of its own day (a new price list); the tier is still that of the whole period.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from rebates.buying import lies_in
from rebates.caps import limited
from rebates.case import set_out
from rebates.money import exact, fraction, money_text, round_money, text
from rebates.next_tier import rebate_of
from rebates.periods import Period
from rebates.problems import InvalidProgram, problem
from rebates.program import Program
from rebates.standing import Standing, due_of, standing
from rebates.tiers import Tier
from rebates.totals import NO_INPUTS, NOTHING, Inputs, Tally, Totals, add_totals


class Segment(NamedTuple):
    """The part of a period that one version's terms hold for, half-open."""

    terms: Program
    start: date
    end: date


def in_order(versions: Sequence[Program]) -> tuple[Program, ...]:
    """Versions of one key that still hold, oldest first: what comes before a correction (`latest`) holds no more.

    `InvalidProgram` when two begin on one day or their frames differ.
    """
    ordered = tuple(sorted(versions, key=lambda version: version.effective))
    found = []
    for low, high in pairwise(ordered):
        if low.effective == high.effective:
            found.append(
                problem(
                    ("effective_from",),
                    f"two versions of {high.key} begin on {high.effective}",
                    "give the newer one its own day",
                )
            )
        if low.key != high.key:
            found.append(problem(("key",), f"{low.key} and {high.key} are not versions of one program"))
        if (low.currency, low.time_zone, low.cut) != (high.currency, high.time_zone, high.cut):
            found.append(
                problem(
                    ("period",),
                    "versions must agree on currency, time zone and periods",
                    "a program with others is a new program",
                )
            )
    if found:
        raise InvalidProgram(ordered[0].key, found)
    corrected = max((n for n, version in enumerate(ordered) if version.amendment == "latest"), default=0)
    return ordered[corrected:]


def folded(programs: Iterable[Program]) -> list[Program]:
    """One program a key, the newest version, which knows the earlier ones whose terms still hold for their days."""
    families: dict[str, list[Program]] = {}
    for program in programs:
        families.setdefault(program.key, []).append(program)
    newest = []
    for family in families.values():
        *before, last = in_order(family)
        newest.append(replace(last, earlier=tuple(before)) if before else last)
    return newest


class Reign(NamedTuple):
    """The days on which the terms of a version hold: from `start` (None: since ever) to before `end` (None: still)."""

    terms: Program
    start: date | None
    end: date | None
    newest: bool

    def bucket(self, name: str) -> str:
        """What a counter of this version is called among all of the program."""
        return name if self.newest else self.terms.name_before(name)


def reigns(program: Program) -> tuple[Reign, ...]:
    """The versions of a folded program, oldest first; a program without versions reigns for ever."""
    versions = (*program.earlier, program)
    starts = [None, *(version.effective for version in versions[1:])]
    ends = [*starts[1:], None]
    return tuple(
        Reign(version, start, end, version is program)
        for version, start, end in zip(versions, starts, ends, strict=True)
    )


def terms_on(program: Program, day: date) -> Program:
    """The version of a folded program whose terms hold on a day."""
    return next(reign.terms for reign in reigns(program) if reign.end is None or day < reign.end)


def parts_of(program: Program, period: Period, totals: Totals) -> list[tuple[Program, Totals]]:
    """The totals of a period's window by the version that they were counted under, for `standing_across`."""
    since = program.window(period)[0].start
    parts: list[tuple[Program, Totals]] = []
    for reign in reigns(program):
        if (reign.end is None or reign.end > since) and (reign.start is None or reign.start < period.end):
            names = [bucket.name for bucket in reign.terms.own_buckets]
            own = {name: totals[reign.bucket(name)] for name in names if reign.bucket(name) in totals}
            parts.append((reign.terms, own))
    return parts


def in_force(versions: Sequence[Program], day: date) -> Program:
    """The terms that hold on a day: the newest version that has begun (before the first, the first)."""
    ordered = in_order(versions)
    return next((version for version in reversed(ordered) if version.effective <= day), ordered[0])


def segments(versions: Sequence[Program], period: Period) -> tuple[Segment, ...]:
    """A period's window (the period itself, or all since the year began, say) cut where the terms change."""
    ordered = in_order(versions)
    since = ordered[-1].window(period)[0].start
    if len(ordered) == 1:
        return (Segment(ordered[-1], since, period.end),)
    cuts = [version.effective for version in ordered[1:] if since < version.effective < period.end]
    edges = [since, *cuts, period.end]
    return tuple(Segment(in_force(ordered, start), start, end) for start, end in pairwise(edges))


def standing_across(
    parts: Sequence[tuple[Program, Totals]],
    period: Period,
    *,
    as_of: date,
    member: str | None = None,
    inputs: Inputs = NO_INPUTS,
) -> Standing:
    """One standing over several versions: the tier from all lines, each part paid on its own version's terms."""
    whole = add_totals(totals for _, totals in parts)
    terms = parts[-1][0]
    last = standing(terms, period, whole, as_of=as_of, member=member, inputs=inputs)
    if len(parts) == 1:
        return last
    with exact():
        pieces = _pieces(parts, period, member, inputs)
        earned = _together(parts, pieces)
        notes = [
            f"{text(totals.get(version.measure_bucket, NOTHING).amount)} {version.currency} on the terms from "
            f"{version.effective}: {_terms_in_words(version, period, whole, member, inputs)}{money_text(piece, version.currency)}"
            for (version, totals), piece in zip(parts, pieces, strict=True)
        ]
        if (below := sum(pieces, Fraction(0))) != earned:
            notes.append(
                f"the tiers of all terms together come to less than 0, and pay nothing: {money_text(below, terms.currency)} "
                f"is {money_text(earned, terms.currency)}"
            )
        notes += [
            f"of it {agreement.words(sold, version.currency)} at the prices from {version.effective}"
            for version, totals in parts
            for agreement, sold in version.special.due(totals)
        ]
        capped = due_of(earned, terms, period, whole, inputs)
        at_next = None
        if last.to_next_tier is not None and last.rebate_at_next_tier is not None:
            # What is still to be bought is bought on the newest terms.
            more = (*parts[:-1], (terms, _with_more(terms, parts[-1][1], last.to_next_tier)))
            then = _together(more, _pieces(more, period, member, inputs))
            at_next = round_money(
                limited(then, terms.limits, terms.proration, period, inputs).rebate, terms.currency
            )
    working = last.working._replace(inputs=replace(inputs, notes=(*inputs.notes, *notes), across=earned))
    return replace(
        last,
        rebate=round_money(capped.rebate, terms.currency),
        rebate_at_next_tier=at_next,
        capped=capped.by_cap is not None,
        working=working,
    )


def _pieces(
    parts: Sequence[tuple[Program, Totals]], period: Period, member: str | None, inputs: Inputs
) -> list[Fraction]:
    """What each part pays, exact."""
    whole = add_totals(totals for _, totals in parts)
    pieces = []
    before: Totals = {}
    for version, totals in parts:
        if version.method == "stepped":  # its own stretch of the bands, after the earlier parts
            now = add_totals((before, totals))
            pieces.append(
                _all(version, period, now, member, inputs) - _all(version, period, before, member, inputs)
            )
            before = now
        else:  # its share of what the period's tier pays on everything, and its own units at its own special prices
            on_tiers = _all(version, period, whole, member, inputs) - version.special.owed(whole)
            share = _share(version, totals, parts, _tier_of(version, period, whole, member, inputs))
            pieces.append(on_tiers * share + version.special.owed(totals))
    return pieces


def _together(parts: Sequence[tuple[Program, Totals]], pieces: Sequence[Fraction]) -> Fraction:
    """What the parts come to. Tiers pay nothing below zero, here as on one ladder; price differences are taken back."""
    owed = sum((version.special.owed(totals) for version, totals in parts), Fraction(0))
    return max(Fraction(0), sum(pieces, Fraction(0)) - owed) + owed


def _share(
    version: Program, totals: Totals, parts: Sequence[tuple[Program, Totals]], tier: Tier | None
) -> Fraction:
    """A version's part of what the period's tier pays on everything: that of its lines in what is paid on.

    A rate or an amount per unit goes with each line, a return too. Anything else is paid for the whole: it is shared by what
    was bought on which terms, and returns are no purchase. Where nobody bought for anything, by the lines.
    """
    if tier is None:
        return Fraction(0)
    bucket, of = version.measure_bucket, version.paid_on
    by_line = tier.kind != "amount" and tier.per is None and not tier.linear and tier.max_measure is None
    if by_line:
        of = "quantity" if tier.kind == "per_unit" else "amount"
    volumes = [fraction(some.get(bucket, NOTHING).of(of)) for _, some in parts]
    own = fraction(totals.get(bucket, NOTHING).of(of))
    if by_line and (whole := sum(volumes, Fraction(0))) > 0:
        return own / whole
    if bought := sum((max(Fraction(0), one) for one in volumes), Fraction(0)):
        return max(Fraction(0), own) / bought
    lines = [_lines(version, some) for _, some in parts]
    return Fraction(_lines(version, totals), sum(lines)) if any(lines) else Fraction(0)


def _lines(version: Program, totals: Totals) -> int:
    """How many lines of a part there are in what decides the tier."""
    return totals.get(version.qualifiers[0].bucket, NOTHING).lines


def _tier_of(
    version: Program, period: Period, totals: Totals, member: str | None, inputs: Inputs
) -> Tier | None:
    index = set_out(version, period, totals, member, inputs).index()
    return version.tiers[index] if index >= 0 else None


def _terms_in_words(
    version: Program, period: Period, whole: Totals, member: str | None, inputs: Inputs
) -> str:
    """Which tier of a version everything reaches, and what that pays; of bands only which is the highest."""
    tier = _tier_of(version, period, whole, member, inputs)
    if tier is None:
        return "no tier, "
    if version.method == "stepped":
        return f"steps up to {tier.name}, "
    return f"{tier.name}, {tier.benefit_text(version.currency)}: "


def _all(version: Program, period: Period, totals: Totals, member: str | None, inputs: Inputs) -> Fraction:
    case = set_out(version, period, totals, member, inputs)
    return fraction(rebate_of(case, case.index(), case.scales[0].value))


def _with_more(terms: Program, totals: Totals, gap: Decimal) -> Totals:
    in_units = terms.qualifiers[0].dimension == "quantity"
    more = Tally(Decimal(0), gap) if in_units else Tally(gap, Decimal(0))
    names = {terms.qualifiers[0].bucket}
    if lies_in(terms.qualifiers[0].counts, terms.measure_counts):
        names.add(terms.measure_bucket)
    return {**totals, **{name: totals.get(name, NOTHING) + more for name in names}}
