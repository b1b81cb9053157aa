"""Compute: dirty orders to contributions to totals to standings, and what that means for the org, in ONE transaction.

Only the standings whose totals moved are computed, each from its totals and from zero. When a program's local
day has turned, the standings of its open periods are looked at again, because time alone changes some of them.
Where other processes are there to help, they compute shares of the accounts first (`jobs.compute_shards`); what is
here then is the rest: what hangs together across accounts, and what is settled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobs import fuses, program_look, settled_changes
from jobs.amounts_too_large import naming_the_largest
from jobs.app import App
from jobs.closing import Ledger
from jobs.compute_in_two import compute_beside, second_process
from jobs.compute_shards import compute_together
from jobs.computing import begin, finish, touched_before, work_off
from jobs.engines import engine_of
from jobs.in_time import in_time
from jobs.planning import Planned, plan
from jobs.refused_programs import RefusedProgram
from jobs.running import Running
from jobs.settling import facts
from jobs.takeover import Row, place
from state import never_bought, postings, told_again
from state.totals import Cell


@dataclass(frozen=True)
class Computed:
    """What one compute did."""

    standings: int = 0  # looked at
    changed: int = 0
    incomplete: int = 0
    events: int = 0
    planned: Planned = field(default_factory=Planned)
    programs_changed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    refused: tuple[RefusedProgram, ...] = ()


def compute(app: App, run_pk: int, run: Running | None = None, left: Sequence[Row] = ()) -> Computed:
    """Bring every standing up to date and put what the org should be told into the outbox.

    With `run`, its work is shared with the processes that are there to help. `left`: the payouts in the org, where some of
    them could not be placed before the programs were installed.
    """
    now = app.clock.now()
    engine = engine_of(app)
    with naming_the_largest(app), app.progress.step("compute") as step:

        def advance(cells: int) -> None:
            step.advance(cells)
            app.pace.look()

        shared = compute_together(run, now, engine, step.advance, left) if run is not None else None
        with second_process(app) as second:
            beside = None if second is None else compute_beside(app, second, run_pk, now, engine)
            alone = shared is None and beside is None
            with app.store.transaction() as tx, in_time(app, tx):
                begun = begin(app, tx, now, engine, scratch=app.from_scratch and alone)
                settled = postings.last(tx)
                if beside is not None:
                    shared = beside.work(tx, advance)
                if left and place(app, tx, left, run_pk=run_pk):  # before anything is settled or corrected
                    begun.calculator.widen()
                ledger = Ledger(tx, begun.programs, now, run_pk)
                rest = work_off(tx, begun.calculator, now=now, run_pk=run_pk, ledger=ledger, advance=advance)
                fuses.require_few_corrections(app, tx, ledger.corrected, by_new_rules=begun.by_new_rules)
                told = settled_changes.tell(tx, begun.programs, ledger.corrected, now)
                others = set[Cell]() if shared is None else shared.cells(tx)
                empty = never_bought.emptied(tx, rest.emptied | others)
                never = never_bought.put_away(tx, empty, but_not_of=begun.calculator.shared)
                ledger.close(facts(app, tx, begun.refused))
                touched = rest.touched | postings.cells_after(tx, settled) | touched_before(tx, run_pk)
                touched = (touched | told_again.waiting(tx)) - never
                planned = plan(
                    app, tx, begun.everything, touched, rest.news,
                    turned=begun.turned, run_pk=run_pk, now=now, kept=rest.kept,
                    elsewhere=None if shared is None else shared.cells(tx),
                )  # fmt: skip
                finish(tx, begun.refused)
    installed = begun.installed if shared is None else shared.installed
    with app.store.read() as tx:
        fresh = {*installed.added, *installed.changed}
        told += program_look.told(app, tx, begun.programs, fresh)
    found = Computed(
        rest.looked,
        len(rest.touched),
        rest.incomplete,
        len(rest.news),
        planned,
        (*installed.added, *installed.changed, *installed.retired),
        (*installed.problems, *told),
        tuple(begun.refused),
    )
    return found if shared is None else shared.added_to(found)


__all__ = ["Computed", "compute"]
