"""What does not go with a window over several periods: a value for one period, held against all since the window began."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rebates.calendars import RETAIL
from rebates.problems import Problem, problem

if TYPE_CHECKING:
    from rebates.program import Program

_WORDS = {"half_year": "half year"}
_INSTEAD = 'leave [settlement] window out, or settle once for all of it: period = "{}"'


def window_problems(program: Program) -> list[Problem]:
    """Problems of `[settlement] window`; only for a program whose days and periods are sound."""
    if program.settlement.window == "period":
        return []
    found = [*_retail(program), *_ratios(program), *_limits(program), *_prorated(program)]
    return found if found and program.counts_over_several_periods else []


def _words(program: Program) -> tuple[str, str]:
    """What the window is called, and what to write instead of it."""
    window = program.settlement.window
    return _WORDS.get(window, window), _INSTEAD.format(window)


def _retail(program: Program) -> list[Problem]:
    kind, (window, _) = program.cut.kind, _words(program)
    if kind not in RETAIL or program.settlement.window == "program":
        return []
    return [
        problem(
            ("settlement", "window"),
            f"the {window} would begin with a calendar month, which is no beginning of a {window} of the {kind} calendar",
            f'window = "program", in a program of one {window}',
        )
    ]


def _ratios(program: Program) -> list[Problem]:
    window, instead = _words(program)
    found = []
    if program.growth is not None:
        found.append(
            problem(
                ("growth",),
                f"the baseline is that of one period, but what is held against it is bought over the {window} so far",
                instead,
            )
        )
    attained = any(entry.of == "attainment" for entry in (*program.qualifiers, *program.gates))
    named = sorted({one.period for one in program.given if one.period and one.target is not None})
    if attained and named:
        found.append(
            problem(
                ("targets",),
                f"a target for {named[0]} alone would be held against what is bought over the {window} so far",
                f"give a member one target for the whole {window}, with no period, or {instead}",
            )
        )
    return found


def _limits(program: Program) -> list[Problem]:
    window, instead = _words(program)
    own = {"max_payout": program.limits.max_payout, "guarantee": program.limits.guarantee}
    found = []
    for place, written in ((), own), *((("market", one.name), one.limits or {}) for one in program.markets):
        if written.get("max_payout") is not None:
            found.append(
                problem(
                    (*place, "max_payout"),
                    f"the most of one period would be the most of the whole {window}",
                    "max_payout_program caps all periods together, max_measure in a tier what it is paid on in the "
                    f"{window}; or {instead}",
                )
            )
        if written.get("guarantee"):
            found.append(
                problem(
                    (*place, "guarantee"),
                    f"the least of one period would be the least of the whole {window}, and paid once",
                    instead,
                )
            )
    return found


def _prorated(program: Program) -> list[Problem]:
    window, instead = _words(program)
    found = []
    if program.proration.by != "none" and program.proration.of:
        found.append(
            problem(
                ("proration", "of"),
                f"the piece of one period that a member took part in is not its piece of the {window} so far",
                instead,
            )
        )
    if program.proration.annual:
        found.append(
            problem(
                ("proration", "annual"),
                f"one period's part of a year would be held against what is bought over the {window} so far",
                f"write the values of a {window} and leave annual out, or {instead}",
            )
        )
    return found
