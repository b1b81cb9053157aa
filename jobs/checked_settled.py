"""What checked program files would change about money that is settled already, worked out as a sync would and then undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from jobs.app import App
from jobs.calculator import Calculator
from jobs.closing import Ledger
from jobs.program_check import Checked
from jobs.refused_programs import sort_out_in, why_refused
from jobs.rehearsal import rehearse
from jobs.settled_changes import in_all
from rebates import InvalidProgram, Program
from rebates.lint import Finding
from rebates.sequence import comes_after, exclude_each_other, lined_up
from rebates.versions import folded
from state import chains, contributions, frames, postings, rules

CELLS_AT_ONCE = 2_000
HINT = (
    '`rebates program diff OLD NEW --store` shows each; for terms from a day on: effective_from with amendment = "as_of", beside '
    "the earlier file"
)


def with_settled(app: App, checked: Sequence[Checked]) -> list[Checked]:
    """The same with a warning at the newest file of each program that would correct what closed periods were settled at."""
    out = list(checked)
    with app.store.read() as tx:
        settled, in_force = frames.settled(tx).keys(), app.programs_in_force_read(tx)
        keys = sorted({one.program.key for one in out if one.program is not None})
        families = {
            key: found
            for key in keys
            if (found := _with_those_in_force(app, tx, key, out))
            and any(other.key in settled for other in (found, *_moved_with(found, in_force)))
        }
    if not families:
        return out
    with rehearse(app):
        for program in families.values():
            with app.store.transaction() as tx:
                said = _corrected(app, tx, program)
            for words in reversed(said):
                mine = [n for n, one in enumerate(out) if one.program and one.program.key == program.key]
                newest = max(mine, key=lambda n: _effective(out[n]))
                warning = Finding("warning", "settled", words, HINT)
                out[newest] = replace(out[newest], findings=((warning, None), *out[newest].findings))
    return out


def _effective(one: Checked) -> str:
    assert one.program is not None
    return one.program.effective.isoformat()


def _with_those_in_force(app: App, tx: Connection, key: str, checked: Sequence[Checked]) -> Program | None:
    """The program of the files, with the versions in force that they leave; None: no file is of it, or a sync would not
    compute it, which is said already."""
    given = [one.program for one in checked if one.program is not None and one.program.key == key]
    if not given:
        return None
    days = {program.effective for program in given}
    mine = next((one for one in app.programs_in_force_read(tx) if one.key == key), None)
    known = () if mine is None else (*mine.earlier, replace(mine, earlier=()))
    try:
        program = folded([*(one for one in known if one.effective not in days), *given])[0]
    except InvalidProgram:
        return None
    return program if why_refused(program) is None else None


def _moved_with(program: Program, others: Sequence[Program]) -> list[Program]:
    """Programs that pay otherwise when this one does: its rivals, and those that are paid on what it leaves."""
    return [
        other
        for other in others
        if other.key != program.key and (exclude_each_other(program, other) or comes_after(other, program))
    ]


def _corrected(app: App, tx: Connection, program: Program) -> list[str]:
    """What would be corrected of the program itself, then of those that it moves."""
    accepted, refused = sort_out_in(tx, app.programs_in_force_read(tx))
    programs = lined_up([program, *(one for one in accepted if one.key != program.key)])
    now = app.clock.now()
    kept = {one.key for one in refused if one.key != program.key}
    installed = rules.install_programs(tx, programs, now, keep=kept)
    if program.key not in {*installed.changed, *installed.added}:
        return []
    contributions.recompute_dirty(tx)
    calculator, ledger = Calculator(tx, programs, now), Ledger(tx, programs, now, run_pk=0)
    calculator.widen()  # notes who were rivals when it was settled
    closed = postings.closed(tx)
    pks, moved = rules.installed(tx), [program, *_moved_with(program, programs)]
    cells = [cell for one in moved for cell in chains.all_cells(tx, pks[one.key]) if cell.period_pk in closed]
    for at in range(0, len(cells), CELLS_AT_ONCE):
        ledger.correct(calculator.compute(cells[at : at + CELLS_AT_ONCE]))
    said = []
    for one in moved:
        amounts = [by.amount_e6 for by in ledger.corrected.get(one.key, {}).values() if by.amount_e6]
        if amounts:
            said.append(f"with these terms a sync changes {in_all(one, amounts)}")
    return said
