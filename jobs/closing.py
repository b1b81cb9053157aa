"""Closing periods: after the days of grace what a period pays is posted, and whatever changes later is an adjustment.

A correction is told apart as in `rebates.settle`: what the late lines earn at the tier that was settled, and what
another tier or other terms change about everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection

from jobs.inputs import Computed, is_chained
from jobs.settling import Facts, look, withdraw
from rebates.money import exact, round_money, to_micro
from rebates.program import Program
from rebates.standing import Standing, held_at, outcome
from state import postings, rollover
from state.postings import Balance, Booking


class Ledger:
    """The postings of one compute."""

    def __init__(self, tx: Connection, programs: Sequence[Program], now: datetime, run_pk: int) -> None:
        self.tx, self.programs, self.now, self.run_pk = tx, programs, now, run_pk
        self._closed = postings.closed(tx)
        self._left_out: dict[int, set[int]] = {}
        self._versions = postings.versions(tx)
        self._rows = {program.key: rollover.periods_of(tx, program.key) for program in programs}

    def correct(self, computed: Iterable[Computed]) -> list[Computed]:
        """Standings of closed periods that are worth something else now: the difference is booked in the open period.
        Returns them."""
        if not self._closed:
            return []
        late = [
            found
            for found in computed
            if found.one.cell.period_pk in self._closed
            and (found.one.program.settlement.late_lines == "adjust" or self._was_left_out(found))
            and not found.standing.incomplete
        ]
        known = postings.balances(self.tx, [found.one.cell for found in late])
        booked = [
            self._booking(found, known.get(found.one.cell))
            for found in late
            # Once it is settled, a program that ignores late lines ignores them here, too.
            if found.one.program.settlement.late_lines == "adjust" or found.one.cell not in known
        ]
        made = [one for one in booked if one.prior_period_e6 or one.rate_e6]
        postings.correct(self.tx, made, now=self.now, run_pk=self.run_pk)
        booked_for = {one.cell for one in made}
        return [found for found in late if found.one.cell in booked_for]

    def _was_left_out(self, found: Computed) -> bool:
        """The period was closed by hand while this standing was incomplete."""
        period = found.one.cell.period_pk
        if period not in self._left_out:
            self._left_out[period] = postings.left_out(self.tx, period)
        return found.one.cell.member_pk in self._left_out[period]

    def close(self, known: Facts) -> int:
        """Settle the periods whose grace has passed and which wait for nothing; returns how many standings."""
        settled = 0
        chained = {program.key: is_chained(program) for program in self.programs}
        for one in list(look(self.tx, self.programs, known, self.now)):
            if one.ready:
                settled += postings.close(
                    self.tx, one.pk, by_payout=chained[one.program], now=self.now, run_pk=self.run_pk
                )
                withdraw(self.tx, one.program, one.period)
        return settled

    def _booking(self, found: Computed, before: Balance | None) -> Booking:
        cell, at = found.one.cell, found.standing
        settled = before.amount_e6 if before else 0
        worth = at.rebate if found.payout is None else found.payout.paid
        total = to_micro(worth) - settled
        qualifier = to_micro(at.qualifier)
        version = self._versions[found.one.program.key]
        if before is not None and before.qualifier_e6 == qualifier and before.program_version != version:
            prior = 0  # the lines are the same: it is the terms that changed
        elif found.payout is not None or before is None or _has_no_single_ladder(at) or _taken_over(before):
            prior = total
        else:
            prior = to_micro(_at_tier(found, before.tier)) - settled
        return Booking(
            cell,
            self._open(found.one.program),
            prior,
            total - prior,
            qualifier,
            at.tier,
            version,
        )

    def _open(self, program: Program) -> int:
        """The period that is running; after the program its last."""
        today = program.day_of(self.now)
        rows = self._rows[program.key]
        return next((row.pk for row in rows if row.start <= today < row.end), rows[-1].pk)


def _taken_over(before: Balance) -> bool:
    """From the org, after a restore: it tells what was settled, not at which tier."""
    return before.tier is None and before.amount_e6 != 0


def _has_no_single_ladder(at: Standing) -> bool:
    """A part of what a group earned, lines on the terms of several versions, or what others leave of a budget: no tier alone
    says what the lines earn."""
    if at.working.inputs.shares or at.working.inputs.across is not None:
        return True
    with exact():
        _, _, alone = outcome(at)
    return round_money(alone.rebate, at.working.program.currency) != at.rebate


def _at_tier(found: Computed, tier: str | None) -> Decimal:
    """What the lines would earn at the tier that was settled."""
    names = [one.name for one in found.standing.working.program.tiers]
    return held_at(found.standing, names.index(tier) if tier in names else -1)
