"""What `[proration]` would leave as it is, or shrink by another part than is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rebates.calendars import RETAIL
from rebates.problems import Problem, problem

if TYPE_CHECKING:
    from rebates.program import Program


def proration_problems(program: Program) -> list[Problem]:
    """Problems of what shrinks with a piece of a period, and of what is written for a year."""
    proration = program.proration
    found = []
    if proration.of and proration.by == "none":
        found.append(
            problem(
                ("proration", "of"),
                "nothing shrinks, because nobody says how the piece of a period is counted",
                'by = "days" (or "months")',
            )
        )
    for name in ("of", "annual"):
        if "threshold" in getattr(proration, name):
            found += _thresholds(program, name)
    every = program.cut.every
    if proration.annual and (
        program.cut.kind in RETAIL or (every is not None and every[1] == "week" and every[0] > 1)
    ):
        found.append(
            problem(
                ("proration", "annual"),
                f'weeks ("{program.cut.kind}") are no months, and those of a year are not the whole of it',
                "write the values for one period",
            )
        )
    return found


def _thresholds(program: Program, name: str) -> list[Problem]:
    """Thresholds that are no money and no units: the ladder would stay as it is, or a target would."""
    kinds = {entry.of for entry in program.qualifiers}
    if "attainment" in kinds:
        return [
            problem(
                ("proration", name),
                '"threshold" shrinks no target: a member would be held against the whole of it',
                "leave it out, and give such a member a target of its own for the period in the targets file",
            )
        ]
    if any(entry.is_volume for entry in program.qualifiers) or not kinds:
        return []
    remedy = "leave it out"
    if "growth" in kinds:
        remedy += '; new_members = "prorate" in [growth] shortens the baseline of who joined'
    return [
        problem(
            ("proration", name),
            f'"threshold" has nothing to shrink: the tiers ask for {" and ".join(sorted(kinds))}',
            remedy,
        )
    ]
