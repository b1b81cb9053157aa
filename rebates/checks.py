"""What makes a program impossible. All problems at once, each with its place and a way out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from rebates.calendars import MONTHS_OF, RETAIL
from rebates.checks_of_days import day_problems
from rebates.checks_of_limits import limit_problems
from rebates.checks_of_proration import proration_problems
from rebates.checks_of_tiers import ladder_problems
from rebates.checks_of_windows import window_problems
from rebates.hierarchy import overlapping
from rebates.money import parse_number, text
from rebates.problems import Path, Problem, nearest, problem

if TYPE_CHECKING:
    from rebates.program import Program

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def find_problems(program: Program) -> list[Problem]:
    """Everything that keeps this program from being used."""
    found = [*_frame(program), *day_problems(program)]
    sound = not found  # without sound days nothing is looked at that reads periods
    if sound:
        found += window_problems(program)
    found += [
        *_roles(program),
        *ladder_problems(program, program.tiers, ("tiers",)),
    ]
    for market in program.markets:
        if market.tiers:
            found += ladder_problems(program, market.tiers, ("market", market.name, "tiers"))
    return [
        *found,
        *limit_problems(program, program.periods() if sound else ()),
        *proration_problems(program),
        *_others(program),
    ]


def _near(word: str, known: Mapping[str, str]) -> str:
    close = nearest(word, list(known))
    return f'did you mean "{known[close]}"? ' if close else ""


def _frame(program: Program) -> list[Problem]:
    found = []
    if not _KEY.fullmatch(program.key):
        found.append(
            problem(
                ("key",),
                f"{program.key!r} cannot be a key",
                "letters, digits, dot, dash, underscore; at most 80",
            )
        )
    if not re.fullmatch(r"[A-Z]{3}", program.currency):
        found.append(
            problem(
                ("currency",), f"{program.currency!r} is not an ISO 4217 code", 'three capitals, as in "USD"'
            )
        )
    try:
        ZoneInfo(program.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        found.append(
            problem(
                ("time_zone",),
                f"{program.time_zone!r} is not a time zone",
                _near(program.time_zone, {zone.lower(): zone for zone in available_timezones()})
                + 'an IANA name, as in "America/New_York"',
            )
        )
    if program.ends < program.starts:
        found.append(problem(("ends",), f"ends on {program.ends}, before it starts on {program.starts}"))
    if not program.cut.known:
        known = (*MONTHS_OF, "program", "week", *RETAIL)
        near = _near(program.cut.kind, {name: name for name in known})
        found.append(
            problem(
                ("period",),
                f"{program.cut.kind!r} is not a period",
                f'{near}one of {", ".join(known)}, or "2 weeks", "4 months"',
            )
        )
    if not 1 <= program.cut.fiscal_year_starts <= 12:
        found.append(
            problem(("fiscal_year_starts",), f"{program.cut.fiscal_year_starts} is not a month", "1 to 12")
        )
    if program.cut.kind in RETAIL and (
        program.cut.first_week is None or program.cut.first_week > program.starts
    ):
        found.append(
            problem(
                ("first_week",),
                f"a {program.cut.kind} calendar needs the first day of a fiscal year on or before {program.starts}",
            )
        )
    effective = program.effective_from
    if effective is not None and not program.starts <= effective <= program.ends:
        found.append(
            problem(
                ("effective_from",),
                f"{effective} lies outside the program ({program.starts} to {program.ends})",
            )
        )
    return found


def _roles(program: Program) -> list[Problem]:
    found = []
    ratio = [qualifier for qualifier in program.qualifiers if qualifier.of in ("growth", "attainment")]
    if not program.qualifiers:
        found.append(problem(("qualifiers",), "a program needs at least one qualifier"))
    names = [entry.name for entry in (*program.qualifiers, *program.gates)]
    for name in sorted({name for name in names if names.count(name) > 1}):
        found.append(
            problem(
                ("qualifiers",),
                f"the name {name!r} is used twice",
                "each qualifier and gate has its own name",
            )
        )
    if (
        any(entry.of == "growth" for entry in (*program.qualifiers, *program.gates))
        and program.growth is None
    ):
        found.append(
            problem(
                (
                    "qualifier"
                    if program.qualifiers[:1] and program.qualifiers[0].name == "qualifier"
                    else "qualifiers",
                ),
                "growth needs a [growth] table that says what it is compared with",
                'baseline = "same_period_last_year"',
            )
        )
    if program.growth is not None and not ratio and not any(gate.of == "growth" for gate in program.gates):
        found.append(
            problem(
                ("growth",),
                "there is a [growth] table, but no qualifier measures growth",
                'qualifier = "growth"',
            )
        )
    if program.growth is not None and program.growth.years < 1:
        found.append(problem(("growth", "years"), f"{program.growth.years} is not a number of years"))
    several = len(program.qualifiers) > 1
    unsteppable = several or any(qualifier.of in ("categories", "mix") for qualifier in program.qualifiers)
    banded = program.growth is not None and program.growth.mode != "whole"
    if unsteppable and (program.method == "stepped" or banded):
        found.append(
            problem(
                ("method",),
                "bands need exactly one qualifier that measures money or units",
                'method = "retrospective"',
            )
        )
    for place, entry in (
        *((("qualifiers", n), q) for n, q in enumerate(program.qualifiers)),
        *((("gates", n), g) for n, g in enumerate(program.gates)),
    ):
        found += _qualifier(place, entry)
        if place[0] == "gates" and entry.at_least is None:
            found.append(problem((*place, "at_least"), "a gate needs the value that opens it"))
    return found


def _qualifier(place: Path, entry: object) -> list[Problem]:
    from rebates.qualifiers import Qualifier

    assert isinstance(entry, Qualifier)
    found = []
    if entry.name in ("all", "measure") and entry.counts.conditions:
        found.append(problem((*place, "name"), f"{entry.name!r} is taken", "choose another name"))
    if entry.of == "categories":
        side, _, name = entry.field.partition(".")
        if side not in ("product", "order", "account", "line") or not name:
            found.append(
                problem(
                    (*place, "field"),
                    "categories need the field that tells them apart",
                    'field = "product.family"',
                )
            )
        if not entry.values:
            found.append(
                problem(
                    (*place, "values"),
                    "categories need the list of values that count",
                    'values = ["Skin care", "Make-up"]',
                )
            )
    if entry.of == "mix" and not entry.counts.conditions:
        found.append(
            problem(
                (*place, "counts"),
                "a mix needs the part that is compared with everything",
                'counts.product.family = ["Skin care"]',
            )
        )
    return found


def _others(program: Program) -> list[Problem]:
    found = []
    for one, other in overlapping(program.hierarchy.groups):
        found.append(
            problem(
                ("hierarchy", "members"),
                f"{one.account} is in {one.group} and in {other.group} on the same days",
                "end one membership before the other begins",
            )
        )
    groups = {entry.group for entry in program.hierarchy.groups}
    for name in sorted(program.hierarchy.payees.keys() - groups):
        found.append(
            problem(
                ("hierarchy", "payees", name),
                f"there is no group {name!r}",
                f"groups: {', '.join(sorted(groups))}",
            )
        )
    if program.hierarchy.roll_up == "group" and not program.hierarchy.groups:
        found.append(problem(("hierarchy", "members"), "a group program lists who belongs to which group"))
    names = [market.name for market in program.markets]
    found += [
        problem(("market", name), f"the market {name!r} is there twice")
        for name in sorted({n for n in names if names.count(n) > 1})
    ]
    if program.whole_units and not any(q.dimension == "quantity" for q in program.qualifiers):
        found.append(
            problem(
                ("whole_units",), "whole units need a qualifier that is a quantity", 'qualifier = "quantity"'
            )
        )
    for agreement in program.special.agreements:
        if agreement.price > agreement.reference:
            found.append(
                problem(
                    ("ship_and_debit", "agreements"),
                    f"{agreement.name}: the special price {text(agreement.price)} is above the reference {text(agreement.reference)}",
                )
            )
    for condition in (*program.members.conditions, *program.counts.conditions):
        for form in ("at_least", "at_most", "above", "below"):
            bound = getattr(condition, form)
            if bound is not None and not _is_bound(bound):
                found.append(
                    problem(
                        ("members" if condition.side == "account" else "counts", condition.field),
                        f"{bound!r} is neither a number nor a day",
                        'as in "100" or "2026-01-31"',
                    )
                )
    return found


def _is_bound(value: str) -> bool:
    try:
        parse_number(value)
    except ValueError:
        return re.fullmatch(r"\d{4}-\d{2}-\d{2}(T.*)?", value) is not None
    return True
