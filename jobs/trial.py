"""The offline calculator: programs and files in, standings out. No configuration, no network, no store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from jobs.missing_inputs import Earlier, lacking
from jobs.trial_counting import Excluded, count
from jobs.trial_files import SetAside, TrialFiles
from jobs.trial_run import ProgramRun, TrialStanding
from rebates.amendments import why_not_added
from rebates.beside import overruled, promising
from rebates.periods import Period
from rebates.problems import InvalidProgram, problem
from rebates.program import Program
from rebates.sequence import APART, clashes
from rebates.settle import Due, payouts_beside_rivals
from rebates.stacking import Stacking, beaten
from rebates.totals import Overruling
from rebates.versions import in_order

ZERO = Decimal(0)


@dataclass
class Trial:
    """Everything a trial found out."""

    programs: tuple[Program, ...]
    as_of: date
    standings: list[TrialStanding] = field(default_factory=list)
    excluded: list[tuple[str, Excluded]] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)


def run_trial(programs: Sequence[Program], files: TrialFiles, *, as_of: date | None = None) -> Trial:
    """Standings of all programs (several of one key are its versions) over the files.

    Without `as_of` the day of the last line is taken, so that the same files always give the same answer.
    """
    families: dict[str, list[Program]] = {}
    for program in programs:
        families.setdefault(program.key, []).append(program)
    versions = [in_order(family) for family in families.values()]
    versions.sort(key=lambda family: (family[-1].stacking.order, family[-1].key))
    for key, reason in clashes([family[-1] for family in versions]).items():
        raise InvalidProgram(key, [problem(("stacking",), reason, APART)])
    for family in versions:
        if (apart := why_not_added(family)) is not None:
            raise InvalidProgram(family[-1].key, [problem(("effective_from",), apart)])
    day = as_of or max(
        (versions[0][-1].day_of(line.when) for line in files.lines), default=versions[0][-1].starts
    )
    trial = Trial(tuple(family[-1] for family in versions), day, set_aside=list(files.set_aside))
    done: list[ProgramRun] = []
    for family in versions:
        run = ProgramRun(family, files, count(family, files, as_of=as_of), day, done)
        run.work()
        done.append(run)
        trial.excluded += [(run.program.key, entry) for entry in run.counts.excluded]
    _best_deals(done)
    trial.standings = sorted((row for run in done for row in run.rows.values()), key=lambda row: row.sort_key)
    return trial


def _best_deals(runs: Sequence[ProgramRun]) -> None:
    """Of exclusive programs in one group only the best pays, per member and period."""
    cells: dict[tuple[str, date, date], list[tuple[ProgramRun, tuple[str, Period]]]] = {}
    for run in runs:
        if run.program.stacking.mode == "exclusive":
            for member, period in run.rows:
                cells.setdefault((member, period.start, period.end), []).append((run, (member, period)))
    lost: dict[tuple[str, str], dict[Period, Decimal]] = {}
    unsure: list[tuple[ProgramRun, tuple[str, Period], list[str]]] = []
    for claims in cells.values():
        lack = [(run.program, run.rows[key].standing.working.inputs.missing) for run, key in claims]
        for run, key in claims:
            group = run.program.stacking.group
            rivals = ((one, there) for one, there in lack if one.stacking.group == group)
            theirs = [said for one, there in rivals if one is not run.program for said in there]
            if theirs:
                unsure.append((run, key, theirs))
        deals = [
            (run.program.key, run.program.stacking, run.rows[key].standing.rebate) for run, key in claims
        ]
        losers = beaten(deals)
        for run, key in claims:
            if run.program.key in losers:
                winner, group = losers[run.program.key], run.program.stacking.group
                row = run.rows[key]
                lost.setdefault((run.program.key, key[0]), {})[key[1]] = row.standing.rebate
                remark = f"not paid: {winner} is the better deal of the group {group}"
                by = Overruling("beaten", remark, ZERO)
                run.rows[key] = replace(row, standing=overruled(row.standing, by, at_next=None), shares=())
            else:
                run.rows[key] = _promising(run.program.key, run.rows[key], deals)
    for run in runs:
        for member in {member for member, _ in run.rows}:
            if mine := lost.get((run.program.key, member)):
                _pay_again(run, member, mine)
    _spread(unsure)


def _spread(unsure: Sequence[tuple[ProgramRun, tuple[str, Period], list[str]]]) -> None:
    """While a rival lacks something, who wins is not known, and so what is built on it is not either."""
    for run, key, theirs in unsure:
        row = run.rows[key]
        at = lacking(row.standing, f"a rival in {run.program.stacking.group}", theirs)
        run.rows[key] = replace(row, standing=at)
    for run, member in {(run.program.key, key[0]): (run, key[0]) for run, key, _ in unsure}.values():
        earlier = Earlier(run.program)
        for key in sorted((one for one in run.rows if one[0] == member), key=lambda one: one[1].start):
            run.rows[key] = replace(run.rows[key], standing=earlier.lacking(run.rows[key].standing))


def _promising(key: str, row: TrialStanding, deals: Sequence[tuple[str, Stacking, Decimal]]) -> TrialStanding:
    """A winner's next tier is told only where it still wins with what that pays."""
    at_next = row.standing.rebate_at_next_tier
    if at_next is None:
        return row
    then = ((name, stacking, at_next if name == key else rebate) for name, stacking, rebate in deals)
    return replace(row, standing=promising(row.standing, None)) if key in beaten(then) else row


def _pay_again(run: ProgramRun, member: str, lost: Mapping[Period, Decimal]) -> None:
    """A member's payouts once it is known in which periods (with what rebate) another program was the better deal."""
    rows = {period: row for (whose, period), row in sorted(run.rows.items()) if whose == member}
    dues = [
        Due(
            lost.get(period, row.standing.rebate),
            row.standing.working.inputs.settled,
            sum((entry.total for entry in row.adjustments), ZERO),
            period in lost,
            row.standing.is_last,
        )
        for period, row in rows.items()
    ]
    terms = next(iter(rows.values())).standing.working.program
    paid = payouts_beside_rivals(
        dues, min_payout=terms.limits.min_payout, claw_back=terms.settlement.claw_back
    )
    for (period, row), (_, made) in zip(rows.items(), paid, strict=True):
        run.rows[member, period] = replace(
            row, paid=made.paid, carried=made.carried, invoiced=made.invoiced, made=None
        )


__all__ = ["Trial", "TrialStanding", "run_trial"]
