"""What a standing lacks because something that it is worked out from lacks it: other periods, members or programs.

A record that could not be read makes the standings incomplete in which it would count. Whatever is built on those
numbers is as much of a guess, so it says so too, and nothing of it is settled. What a person leaves out on purpose (a
target, a baseline further back than the store) does not spread: without one a member earns nothing, and that is known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from itertools import groupby, islice

from jobs.calculated import Calculated
from rebates.program import Program
from rebates.standing import Standing
from state.gaps import NAMED


def carries_over(program: Program) -> bool:
    """Whether what a period pays depends on all the member's periods before it, whatever its window."""
    limits = program.limits
    return limits.max_payout_program is not None or limits.guarantee_cumulative or has_minimum(program)


def has_minimum(program: Program) -> bool:
    """Whether small amounts are carried into the next period, in any market."""
    return program.limits.min_payout is not None or any(
        "min_payout" in (market.limits or {}) for market in program.markets
    )


def and_elsewhere(own: Sequence[str], where: str, there: Iterable[str]) -> tuple[str, ...]:
    """What is missing, and what is missing elsewhere besides: a few sentences, each record once."""
    known, named = set(own), list(own)
    for said in islice(_told(known, where, there), NAMED + 1):
        named.append(said if len(named) < len(own) + NAMED else f"{where}: and more")
    return tuple(dict.fromkeys(named))


def _told(known: set[str], where: str, there: Iterable[str]) -> Iterator[str]:
    for said in there:
        told = said if said.startswith(f"{where}: ") else f"{where}: {said}"
        if said not in known and told not in known:
            known.add(told)
            yield told


def lacking(at: Standing, where: str, there: Collection[str]) -> Standing:
    """The same standing, which also lacks what is missing elsewhere."""
    if not there:
        return at
    inputs = at.working.inputs
    missing = and_elsewhere(inputs.missing, where, there)
    if missing == inputs.missing:
        return at
    working = at.working._replace(inputs=replace(inputs, missing=missing))
    return replace(at, incomplete=tuple(dict.fromkeys((*missing, *at.incomplete))), working=working)


def missing_of(found: Iterable[Calculated]) -> tuple[str, ...]:
    """What could not be had for these standings, each sentence once."""
    return tuple(dict.fromkeys(said for one in found for said in one.standing.working.inputs.missing))


class Earlier:
    """What the periods before lacked, for one member's periods in the order of time.

    A new window begins with what it counts itself, unless limits go on over all windows or something is carried into it.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._lacked: dict[str, None] = {}
        self._began: date | None = None

    def lacking(self, at: Standing) -> Standing:
        """The next standing, which also lacks what those lacked that it is built on."""
        inputs, begins = at.working.inputs, self._program.window(at.period)[0].start
        if begins != self._began and not inputs.carried and not carries_over(self._program):
            self._lacked = {}
        self._began = begins
        now = lacking(at, "an earlier period", self._lacked)
        self._lacked |= dict.fromkeys(inputs.missing)
        return now


def over_time(program: Program, found: Iterable[Calculated]) -> Iterator[Calculated]:
    """Standings of chained periods in order, member by member: each lacks what those lacked that it is built on."""
    for _, whole in groupby(found, key=lambda one: one.one.cell.member_pk):
        earlier = Earlier(program)
        for one in whole:
            at = earlier.lacking(one.standing)
            yield one if at is one.standing else one._replace(standing=at)
