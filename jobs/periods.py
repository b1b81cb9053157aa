"""Periods for people: how far each is on its way to being settled, and settling one that nobody settles by itself."""

from __future__ import annotations

from sqlalchemy import Connection

from jobs import settling
from jobs.app import App
from jobs.compute import compute
from jobs.configuration import suggest
from jobs.merges_and_gaps import why_nothing_counts
from jobs.person import person
from jobs.refusals import Unusable
from jobs.refused_programs import sort_out_in
from jobs.running import running
from jobs.settling import PeriodState
from state import audit, postings, rollover


def states(app: App, tx: Connection) -> list[PeriodState]:
    """Every period of the programs in force, in order."""
    everything = app.programs_in_force_read(tx)
    _, refused = sort_out_in(tx, everything)
    return list(settling.look(tx, everything, settling.facts(app, tx, refused), app.clock.now()))


def listed(app: App, *, program: str | None = None) -> list[PeriodState]:
    """The same, of one program or all; those of programs whose files were removed come last."""
    with app.store.read() as tx:
        found = states(app, tx)
        there = {program.key for program in app.programs_in_force_read(tx)}
        found += settling.left(tx, rollover.ever_installed(tx) - there)
    known = {one.program for one in found}
    if program is not None and program not in known:
        raise Unusable(
            f'there is no program "{program}" in the store', suggest(program, known) or "rebates status"
        )
    return [one for one in found if program in (None, one.program)]


def close(app: App, program: str, period: str, *, despite_incomplete: bool = False) -> int:
    """Settle one period because a person says so; returns how many standings were settled.

    Raises Unusable when it is not over, was settled before, or waits for something. `despite_incomplete`: standings that
    lack something are left out, and booked as adjustments once they are whole.
    """
    _find(listed(app, program=program), program, period)
    with running(app, "close-period") as run:
        for error in why_nothing_counts(app).values():
            raise error
        with app.store.transaction() as tx:
            before = postings.last(tx)
            settling.ask(tx, program, period, despite=despite_incomplete)
            detail = {"despite_incomplete": despite_incomplete}
            audit.append(
                tx, actor=person(), action="period closing asked for", object=f"{program} {period}",
                detail=detail, now=app.clock.now(),
            )  # fmt: skip
        compute(app, run.pk)
        with app.store.transaction() as tx:
            (found,) = (one for one in states(app, tx) if (one.program, one.period) == (program, period))
            settling.withdraw(tx, program, period)
            settled = postings.count_of(tx, found.pk, after=before)
        if found.state != "settled":
            raise Unusable(
                f"{program} {period} is not settled: it waits for {'; '.join(found.waits_for)}",
                "run `rebates sync`; standings that lack something are left out with --despite-incomplete",
            )
        run.counts["settled"] = settled
    return settled


def _find(found: list[PeriodState], program: str, period: str) -> PeriodState:
    one = next((one for one in found if one.period == period), None)
    if one is None:
        names = [each.period for each in found]
        raise Unusable(
            f'{program} has no period "{period}"',
            suggest(period, names) or f"it has {names[0]} to {names[-1]}",
        )
    if one.state == "settled":
        raise Unusable(
            f"{program} {period} was settled on {one.settled_at:%Y-%m-%d}", "a period is settled once"
        )
    if one.state == "removed":
        raise Unusable(
            f"{program} {period} cannot be settled: the file of its program was removed",
            "put the file back into the folder of programs and run `rebates sync`",
        )
    if one.state in ("coming", "open", "grace"):
        raise Unusable(
            f"{program} {period} still takes lines: it closes on {one.closes_on}",
            "what has not closed has no final worth",
        )
    return one
