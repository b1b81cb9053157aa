"""What the store says about program files before they are activated: standings that would move, rules that match nothing."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from jobs import own_currency, program_look
from jobs.app import App
from jobs.calculator import Calculator
from jobs.program_diff import ProgramDiff, Standings, compared, require_versions
from jobs.refusals import Unusable
from jobs.refused_programs import out_of_frame, sort_out_in, why_refused
from jobs.rehearsal import rehearse
from rebates.diff import terms_diff
from rebates.frames import NEW_PROGRAM
from rebates.lint_facts import Facts
from rebates.program import Program
from rebates.sequence import lined_up
from rebates.versions import folded
from state import chains, contributions, frames, known_values, people, rules

CELLS_AT_ONCE = 2_000


def diff_store(app: App, old: Program, new: Program) -> ProgramDiff:
    """What a change does to every standing of the program in the store, beside the other programs in force.

    Both versions are installed and computed in a rehearsal: the store is as it was afterwards.
    """
    require_versions(old, new)
    changes = tuple(terms_diff(old, new))
    with app.store.read() as tx:
        old, new = _with_versions(app, tx, old, new)
        contradicting = out_of_frame(tx, [new]).get(new.key)
    for program in (old, new):
        reason = why_refused(program)
        if reason is not None:
            raise Unusable(
                f"a sync cannot compute {program.key}: {reason}", "give --orders to try it on files"
            )
    if contradicting is not None:
        raise Unusable(f"a sync does not compute {new.key}: {contradicting}", NEW_PROGRAM)
    with rehearse(app):
        with app.store.transaction() as tx:
            before = _standings(app, tx, old)
            after = _standings(app, tx, new)
            named = people.names(tx, {member for member, _ in before.keys() | after.keys()})
        return replace(compared(new.currency, changes, before, after), names=named)


def _with_versions(app: App, tx: Connection, old: Program, new: Program) -> tuple[Program, Program]:
    """Both with the versions in force that are earlier, and under `as_of` the new one with the old."""
    mine = next((one for one in app.programs_in_force_read(tx) if one.key == old.key), None)
    known = () if mine is None else (*mine.earlier, replace(mine, earlier=()))
    before = [one for one in known if one.effective < min(old.effective, new.effective)]
    versions = [*before, old, new] if new.effective > old.effective else [*before, new]
    return folded([*before, old])[0], folded(versions)[0]


def facts_of_store(app: App) -> Facts:
    """Accounts, values in use, currencies, rates and programs in force: what a linter can hold rules against."""
    with app.store.read() as tx:
        known, programs = known_values.read(tx), tuple(app.programs_in_force_read(tx))
        settled, inactive = frames.settled(tx), own_currency.inactive(tx)
    seen = (known.accounts, known.values, known.currencies, known.rated)
    return Facts(*seen, programs, settled, inactive, program_look.mapped(app))


def _standings(app: App, tx: Connection, program: Program) -> Standings:
    accepted, refused = sort_out_in(tx, app.programs_in_force_read(tx))
    programs = lined_up([program, *(one for one in accepted if one.key != program.key)])
    now = app.clock.now()
    rules.install_programs(tx, programs, now, keep={one.key for one in refused if one.key != program.key})
    contributions.recompute_dirty(tx)
    calculator = Calculator(tx, programs, now)
    cells = chains.all_cells(tx, rules.installed(tx)[program.key])
    out: Standings = {}
    for at in range(0, len(cells), CELLS_AT_ONCE):
        for found in calculator.compute(cells[at : at + CELLS_AT_ONCE]):
            out[found.one.member_id, found.one.period] = found.standing
    return out
