"""Every saved standing computed once more from its totals, by the same engine, and compared: nothing is written.

What is known to be behind is not compared but named: the next compute looks at it anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from jobs.app import App
from jobs.calculator import Calculator
from jobs.computing import CELLS_PER_BATCH, last_day
from jobs.documents import row_of
from jobs.refused_programs import sort_out_in
from rebates.money import to_micro
from state import gaps, invariants, standings
from state.invariants import Violation
from state.rules import installed
from state.standings import StandingView
from state.totals import Cell

DIFFERS = "a standing is not what its totals come to (E2)"
UNEXPLAINED = "the steps of a standing do not come to its rebate (E2)"
AT_ONCE = CELLS_PER_BATCH


@dataclass
class Rechecked:
    """`behind`: why some were not compared."""

    compared: int = 0
    violations: list[Violation] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)


def recheck(app: App, tx: Connection, advance: Callable[[int], None] = lambda count: None) -> Rechecked:
    """Qualifier, rebate and tier of every standing of a program in force."""
    result = Rechecked()
    if waiting := invariants.pending_work(tx):
        rows = sum(waiting.values())
        result.behind.append(f"{rows:,} changes wait to be computed (rebates compute)")
        return result
    now, wrong, unexplained = app.clock.now(), list[StandingView](), list[StandingView]()
    programs, _ = sort_out_in(tx, app.programs_in_force_read(tx))
    known = installed(tx)
    programs = [program for program in programs if program.key in known]
    for name in sorted(path.name for path in app.programs_changed(tx)):
        result.behind.append(f"{name} changed since the last compute (rebates compute)")
    if result.behind:
        return result
    turned = {one.key for one in programs if last_day(tx, one.key) != one.day_of(now)}
    if turned:
        result.behind.append(f"a day has turned for {', '.join(sorted(turned))} (rebates compute)")
    calculator = Calculator(tx, programs, now, gaps.find(tx, app.local_day(), programs))
    for program in programs:
        if program.key in turned:
            continue
        after: Cell | None = None
        while views := standings.find(tx, program=program.key, limit=AT_ONCE, after=after):
            saved, after = {one.cell: one for one in views}, views[-1].cell
            again = calculator.compute(list(saved))
            stays = calculator.kept(again)
            for found in again:
                row, one = row_of(found.one.cell, found.standing, found.payout), saved[found.one.cell]
                result.compared += 1
                kept = (to_micro(one.qualifier), to_micro(one.rebate), one.tier)
                if (
                    one.cell in stays
                ):  # as it was settled: what came later is in the totals, and does not count
                    differs = row.rebate_e6 != to_micro(one.rebate)
                else:
                    differs = (row.qualifier_e6, row.rebate_e6, row.tier) != kept
                if differs:
                    wrong.append(one)
                steps = found.standing.steps
                if steps[-1].amount != found.standing.rebate:
                    unexplained.append(one)
            advance(len(saved))
    if unexplained:
        first = unexplained[0]
        example = f"{first.member} in {first.program} {first.period}: rebate {first.rebate}"
        result.violations.append(Violation(UNEXPLAINED, len(unexplained), example))
    if wrong:
        first = wrong[0]
        example = f"{first.member} in {first.program} {first.period}: saved {first.rebate}"
        result.violations.append(Violation(DIFFERS, len(wrong), example))
    return result
