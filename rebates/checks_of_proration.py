"""What is to shrink with a piece of a period or a year, and cannot: a value that would silently stay as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rebates.calendars import RETAIL
from rebates.problems import Problem, problem

if TYPE_CHECKING:
    from rebates.program import Program

# What to write where thresholds are measured against something that is not made smaller.
_INSTEAD = {
    "attainment": "write the target of each period (of a piece of one for who joins within it) in the targets file",
    "growth": '[growth] new_members = "prorate" shortens the baselines of who joins within a period',
    "categories": "leave it out: a number of categories stays as it is",
    "mix": "leave it out: a share stays as it is",
}


def proration_problems(program: Program) -> list[Problem]:
    """Values of `[proration]` that would have no effect, or one that nobody can have meant."""
    proration = program.proration
    found = [*_baseline(program), *_threshold(program)]
    if proration.of and proration.by == "none":
        found.append(
            problem(
                ("proration", "of"),
                "nothing shrinks while nobody says how a piece of a period is counted",
                'by = "days" or by = "months"',
            )
        )
    if proration.annual and program.cut.kind in RETAIL:
        found.append(
            problem(
                ("proration", "annual"),
                f"the periods of a {program.cut.kind} calendar have four or five weeks, and its years 52 or 53: they are no fixed part of an amount for a year",
                "leave it out, and write what holds for one period",
            )
        )
    return found


def _baseline(program: Program) -> list[Problem]:
    ways = {
        "of": '[growth] new_members = "prorate" shortens the baselines of who joins within a period',
        "annual": "write the baseline of each period: per member and period in the targets file",
    }
    return [
        problem(("proration", name), "a baseline is not made smaller here", instead)
        for name, instead in ways.items()
        if "baseline" in getattr(program.proration, name)
    ]


def _threshold(program: Program) -> list[Problem]:
    if not program.qualifiers or any(one.is_sum for one in program.qualifiers):
        return []
    of = program.qualifiers[0].of
    words = {"attainment": "parts of a target", "growth": "measured against a baseline"}
    return [
        problem(
            ("proration", name),
            f"the thresholds are {words.get(of, 'no sums of money or units')}, and do not shrink",
            _INSTEAD[of],
        )
        for name in ("of", "annual")
        if "threshold" in getattr(program.proration, name)
    ]
