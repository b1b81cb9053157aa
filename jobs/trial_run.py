"""One program over the files of a trial, member by member and period by period."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from jobs.missing_inputs import Earlier, and_elsewhere, carries_over, lacking
from jobs.trial_counting import Counted, Counts, Excluded, volume
from jobs.trial_files import TrialFiles
from rebates.beside import Budget, overruled, promising, shared_out
from rebates.caps import Claim, Earned, guarantee_surplus
from rebates.currency import Policy, conversion_note
from rebates.hierarchy import shares
from rebates.money import Exact, fraction, text
from rebates.periods import Period
from rebates.program import Program
from rebates.settle import Adjustment, Payout, adjustment
from rebates.standing import Standing, earned_in, held_at
from rebates.totals import NOTHING, Inputs, Overruling
from rebates.versions import in_force, segments, standing_across

ZERO = Decimal(0)


@dataclass(frozen=True)
class TrialStanding:
    """A standing with what only a run over whole files knows: payouts, shares, adjustments."""

    standing: Standing
    paid: Decimal
    carried: Decimal = ZERO
    invoiced: Decimal = ZERO
    shares: tuple[tuple[str, Decimal], ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    made: Payout | None = None  # the payout with its reason; None beside a rival

    @property
    def remarks(self) -> tuple[str, ...]:
        """Why others leave less of the rebate; these are among the standing's steps, too."""
        return tuple(by.text for by in self.standing.working.inputs.overruled)

    @property
    def sort_key(self) -> tuple[str, str, date]:
        return (self.standing.program, self.standing.member or "", self.standing.period.start)


class _Late(NamedTuple):
    """What late lines of a closed period come to, and the open period that they are booked in."""

    adjustment: Adjustment
    origin: Period
    booked_in: Period
    earned: Earned | None  # what the closed period came to with them, beside its guarantee


@dataclass
class _Past:
    """What one member's periods so far came to. `before` is what it has and is still owed from before the window."""

    earlier: Earlier
    carried: Decimal = ZERO
    waived: Decimal = ZERO
    kept: Decimal = ZERO
    before: Decimal = ZERO
    earned: dict[Period, Earned] = field(default_factory=dict)
    last: Standing | None = None
    pending: list[_Late] = field(default_factory=list)
    booked: list[_Late] = field(default_factory=list)

    @property
    def surplus(self) -> Exact:
        """What the periods earned above their guarantees, late lines that are there included."""
        return guarantee_surplus(self.earned[period] for period in sorted(self.earned))


class ProgramRun:
    """One program over the files, member by member and period by period."""

    def __init__(
        self,
        versions: Sequence[Program],
        files: TrialFiles,
        counts: Counts,
        as_of: date,
        earlier: Sequence[ProgramRun],
    ) -> None:
        self.versions, self.program = versions, versions[-1]
        self.files, self.counts, self.as_of, self.earlier = files, counts, as_of, earlier
        self.rows: dict[tuple[str, Period], TrialStanding] = {}
        self.cells: dict[str, dict[Period, list[Counted]]] = {}
        self.late: dict[str, dict[Period, list[Counted]]] = {}
        self.history: dict[str, list[Counted]] = {}
        self.days = sorted({counted.day for counted in counts.counted})
        self._given = replace(self.program, given=tuple(files.targets))  # beats what lies beside the program
        for counted in counts.counted:
            self.history.setdefault(counted.member, []).append(counted)
            period = self.program.period_of(counted.day)
            if period is not None:
                self._place(counted, period)

    def _place(self, counted: Counted, period: Period) -> None:
        received = counted.line.received
        if received is None or received < self.program.settlement.closes_on(period):
            self.cells.setdefault(counted.member, {}).setdefault(period, []).append(counted)
        elif self.program.settlement.late_lines == "ignore":
            self.counts.excluded.append(
                Excluded(counted.line, f"received on {received}, after {period.key} was closed")
            )
        else:
            mine = self.cells.setdefault(counted.member, {})
            mine.setdefault(period, [])
            mine.setdefault(max(period, self._running(received)), [])  # where it is booked
            self.late.setdefault(counted.member, {}).setdefault(period, []).append(counted)

    def _running(self, day: date) -> Period:
        """The period that runs on a day; after the program its last."""
        return self.program.period_of(day) or self.program.periods()[-1]

    def work(self) -> None:
        past = {member: _Past(Earlier(self.program)) for member in self.cells}
        for period in sorted({period for mine in self.cells.values() for period in mine}):
            standings = {
                member: self._stand(member, period, past[member])
                for member in sorted(self.cells)
                if period in self.cells[member]
            }
            budget, everybody = self._granted(period, standings), _missing_of(standings.values())
            for member, now in standings.items():
                if budget is not None:
                    now = _within(budget, member, lacking(now, "others of the budget", everybody))
                self._pay(member, period, past[member], now)

    def _stand(self, member: str, period: Period, past: _Past) -> Standing:
        """Where a member stands, knowing what the periods before came to."""
        terms = self.program.for_market(self.program.market_of({"id": member, **self._account(member)}))
        window, last = self.program.window(period), past.last
        goes_on = last is not None and last.period in window
        if not goes_on:
            past.before = past.kept + past.carried
        past.booked = [one for one in past.pending if one.booked_in == period]
        for one in past.booked:  # from here on a surplus is counted with them
            if one.earned is not None:
                past.earned[one.origin] = one.earned
        netted = sum((one.adjustment.total for one in past.booked if one.origin in window), ZERO)
        inputs = self._inputs(member, period, terms)
        inputs = replace(
            inputs, settled=last.rebate + past.waived + netted if last is not None and goes_on else ZERO,
            waived=past.waived if goes_on else ZERO,
            carried=past.carried, member_paid=past.before, last_tier=last.tier if last is not None else None,
            guarantee_surplus=past.surplus if terms.limits.guarantee_cumulative and terms.limits.guarantee else ZERO,
        )  # fmt: skip
        now = self._standing(member, period, inputs, late=False)
        late = self._late_adjustment(member, period, inputs, now)
        if late is not None:
            past.pending.append(late)
            past.booked += [late] if late.booked_in == period else []
        hangs_together = self.program.settlement.window != "period" or carries_over(self.program)
        return past.earlier.lacking(now) if hangs_together else now

    def _granted(self, period: Period, standings: Mapping[str, Standing]) -> Budget | None:
        """What the budget leaves each member of what it earns beside what was settled in a longer window."""
        limits = self.program.limits
        if limits.budget is None:
            return None
        claims = [
            Claim(member, at.rebate - at.working.inputs.settled, self._first_day(member, period))
            for member, at in standings.items()
        ]
        return shared_out(limits, claims, self.program.currency)

    def _pay(self, member: str, period: Period, past: _Past, now: Standing) -> None:
        booked = tuple(one.adjustment for one in past.booked)
        due = now.payout_with(sum((entry.total for entry in booked), ZERO))
        shared = self._shares(member, period, now)
        self.rows[member, period] = TrialStanding(
            now, due.paid, due.carried, due.invoiced, shared, booked, due
        )
        past.carried, past.waived, past.last = due.carried, due.waived, now
        past.kept += due.settles
        bought = self.cells[member][period]  # else it has no guarantee either
        if bought and (one := earned_in(now)) is not None:
            past.earned[period] = one

    def _account(self, member: str) -> dict[str, str]:
        """The member's own fields; where there is no accounts file, those that its lines carry."""
        known = self.files.accounts.get(member)
        if known is not None:
            return known
        out: dict[str, str] = {}
        for counted in self.history.get(member, ()):
            if "region" in counted.line.fields:
                out["region"] = counted.line.fields["region"]
        return out

    def _lines(self, member: str, period: Period, *, late: bool) -> list[Counted]:
        """Lines of a period's window that were there when the period closed; with `late` all of them."""
        lines: list[Counted] = []
        closing = self.program.settlement.closes_on(period)
        for part in self.program.window(period):
            lines += self.cells.get(member, {}).get(part, [])
            came = self.late.get(member, {}).get(part, [])
            lines += came if late else [one for one in came if _arrival(one) < closing]
        return lines

    def _standing(self, member: str, period: Period, inputs: Inputs, *, late: bool) -> Standing:
        lines = self._lines(member, period, late=late)
        pieces = segments(self.versions, period) if len(self.versions) > 1 else ()
        account = {"id": member, **self._account(member)}
        if len(pieces) < 2:
            terms = pieces[0].terms if pieces else self.program
            parts = [
                (
                    terms.for_market(terms.market_of(account)),
                    self.counts.totals(lines),
                )
            ]
        else:
            parts = [
                (
                    piece.terms.for_market(piece.terms.market_of(account)),
                    self.counts.totals(_between(lines, piece.start, piece.end, piece is pieces[0])),
                )
                for piece in pieces
            ]
        return standing_across(parts, period, as_of=self.as_of, member=member, inputs=inputs)

    def _late_adjustment(
        self, member: str, period: Period, inputs: Inputs, settled: Standing
    ) -> _Late | None:
        """What came after the period was closed, and where it is booked.

        With a window over several periods the next one pays what is owed to date, so that only what comes after the
        window's last period is owed beside it; the others are told apart, and not paid twice.
        """
        came = self._came_after(member, period)
        if not came:
            return None
        now = self._standing(member, period, inputs, late=True)
        held = held_at(now, settled.tier_number - 1)
        found = adjustment(period.key, settled=settled.rebate, at_settled_tier=held, now=now.rebate)
        booked_in = max(period, self._running(max(map(_arrival, came))))
        return _Late(found, period, booked_in, earned_in(now))

    def _came_after(self, member: str, period: Period) -> list[Counted]:
        """The late lines that are told of at a period: its own, at the end of a window those that no period of it saw."""
        mine = self.late.get(member, {})
        own = mine.get(period, [])
        window = self.program.window(period)
        if len(window) == 1 and self.program.settlement.window == "period":
            return own
        closing = self.program.settlement.closes_on
        last = max(one for one in self.cells[member] if self.program.window(one)[0] == window[0])
        if period == last:
            return [one for part in window for one in mine.get(part, []) if _arrival(one) >= closing(period)]
        booked = self._running(max(map(_arrival, own))) if own else period
        seen = booked > period and booked <= last and max(map(_arrival, own)) < closing(booked)
        return own if seen else []

    def _inputs(self, member: str, period: Period, terms: Program) -> Inputs:
        account = self.files.accounts.get(member, {})
        first, last = account.get("active_from"), account.get("active_to")
        missing = self.counts.missing_in(member, [(self.program.window(period)[0].start, period.end)])
        if terms.growth is not None and terms.growth.baseline != "fixed":
            missing += self.counts.missing_in(member, terms.growth.windows(period))
        inputs = Inputs(
            missing=tuple(dict.fromkeys(missing)),
            active_from=date.fromisoformat(first) if first else None,
            active_to=date.fromisoformat(last) if last else None,
        )
        inputs = self._given.with_given(self.program.with_given(inputs, member, period), member, period)
        inputs = self._baseline(member, period, terms, inputs)
        inputs = replace(inputs, notes=self._notes(member, period))
        reduction, there = self._reduction(member, period)
        if there:
            inputs = replace(inputs, missing=and_elsewhere(inputs.missing, "a program paid before", there))
        return replace(inputs, reduction=reduction) if reduction else inputs

    def _notes(self, member: str, period: Period) -> tuple[str, ...]:
        """The version whose terms hold, and what lines in other currencies came to."""
        notes = (
            []
            if self.program.effective_from is None
            else [f"terms of the version from {self.program.effective_from}"]
        )
        foreign: dict[tuple[str, Policy], tuple[Decimal, Fraction]] = {}
        for counted in self._lines(member, period, late=False):
            code = counted.line.currency
            if code and code != self.program.currency and counted.rated:
                key = code, in_force(self.versions, counted.day).conversion.policy
                own, ours = foreign.get(key, (ZERO, Fraction(0)))
                foreign[key] = (own + counted.line.amount, ours + fraction(counted.tally.amount))
        for (code, policy), (own, ours) in sorted(foreign.items()):
            notes.append(conversion_note(code, own, ours, self.program.currency, policy))
        return tuple(notes)

    def _baseline(self, member: str, period: Period, terms: Program, inputs: Inputs) -> Inputs:
        growth = terms.growth
        if growth is None or growth.baseline == "fixed" or inputs.baseline is not None:
            return inputs
        if growth.joined_within(period, self.program.starts, inputs.active_from) is not None:
            return inputs
        qualifier = next(q for q in (*terms.qualifiers, *terms.gates) if q.of == "growth")
        windows, elapsed = growth.windows(period), growth.elapsed_windows(period, self.as_of)
        if not any(self._anything_in(start, end) for start, end in windows):
            return inputs  # the files do not reach back that far: the baseline is missing, not zero
        mine = self.history.get(member, [])

        def bought(spans: Iterable[tuple[date, date]]) -> Fraction:
            lines = [counted for counted in mine if any(start <= counted.day < end for start, end in spans)]
            return fraction(self.counts.totals(lines).get(qualifier.bucket, NOTHING).of(growth.on))

        return replace(inputs, baseline=bought(windows), baseline_elapsed=bought(elapsed))

    def _anything_in(self, start: date, end: date) -> bool:
        """Whether any member has a line in these days."""
        at = bisect_left(self.days, start)
        return at < len(self.days) and self.days[at] < end

    def _reduction(self, member: str, period: Period) -> tuple[Fraction, list[str]]:
        """What earlier programs of a sequence already paid on the lines that this one is paid on, and what they lack."""
        own = self.program.stacking
        if own.mode != "sequential" or own.base == "full":
            return Fraction(0), []
        mine = {
            counted.line.number
            for counted in self._lines(member, period, late=False)
            if self.program.measure_bucket in counted.buckets
        }
        taken, missing = Fraction(0), list[str]()
        for run in self.earlier:
            other = run.program.stacking
            if other.mode != "sequential" or other.group != own.group or not other.reduces:
                continue
            for their_period in run.cells.get(member, ()):
                at = run.rows[member, their_period].standing
                taken += _part_on(run, member, their_period, at.rebate, mine)
                if any(one.line.number in mine for one in _paid_lines(run, member, their_period)):
                    missing += at.working.inputs.missing
        return taken, missing

    def _shares(self, member: str, period: Period, at: Standing) -> tuple[tuple[str, Decimal], ...]:
        if not self.program.hierarchy.is_shared:
            return ()
        known = self.program.hierarchy.payees.values()
        payee = member if self.program.hierarchy.roll_up == "parent" or member in known else None
        volumes = volume(self.program, self._lines(member, period, late=False))
        return tuple(shares(at.rebate, volumes, self.program.currency, otherwise=payee).items())

    def _first_day(self, member: str, period: Period) -> str:
        days = [counted.day for counted in self.cells.get(member, {}).get(period, [])]
        return min(days, default=period.end).isoformat()


def _within(budget: Budget, member: str, at: Standing) -> Standing:
    """A standing at what the budget leaves of it, beside what was settled in a longer window."""
    settled, at_next = at.working.inputs.settled, at.rebate_at_next_tier
    allowed = settled + budget.allowed[member]
    if at_next is not None:
        at_next = settled + budget.at_most(member, at_next - settled)
    if allowed == at.rebate:
        return promising(at, at_next)
    by = Overruling("budget", f"the budget leaves {text(allowed)} of {text(at.rebate)}", allowed)
    return overruled(at, by, at_next=at_next, capped=True)


def _paid_lines(run: ProgramRun, member: str, period: Period) -> list[Counted]:
    return [c for c in run._lines(member, period, late=False) if run.program.measure_bucket in c.buckets]


def _missing_of(standings: Iterable[Standing]) -> list[str]:
    return list(dict.fromkeys(said for one in standings for said in one.working.inputs.missing))


def _part_on(run: ProgramRun, member: str, period: Period, rebate: Decimal, lines: set[int]) -> Fraction:
    """The part of another program's rebate that fell on these lines, by their measure."""
    theirs = _paid_lines(run, member, period)
    whole = sum((fraction(c.tally.amount) for c in theirs), Fraction(0))
    shared = sum((fraction(c.tally.amount) for c in theirs if c.line.number in lines), Fraction(0))
    return fraction(rebate) * shared / whole if whole > 0 else Fraction(0)


def _arrival(counted: Counted) -> date:
    return counted.line.received or counted.day


def _between(lines: Iterable[Counted], start: date, end: date, first: bool) -> list[Counted]:
    return [counted for counted in lines if (first or start <= counted.day) and counted.day < end]
