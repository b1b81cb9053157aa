"""Programs beside each other: which of a group cannot be held against each other, and programs one after the other:
which lines an earlier one is paid on, as counters of the later one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rebates.program import Program

APART = (
    "give them one currency and the same periods, with no [settlement] window over several of them, or put them in "
    "different groups"
)


def comes_after(program: Program, other: Program) -> bool:
    """Whether `program` is paid on what `other` left: by their declared order, never by who ran first."""
    mine, theirs = program.stacking, other.stacking
    return (
        mine.mode == theirs.mode == "sequential"
        and mine.group == theirs.group
        and mine.base == "reduced"
        and theirs.reduces
        and (theirs.order, other.key) < (mine.order, program.key)
    )


def exclude_each_other(program: Program, other: Program) -> bool:
    """Whether only the better deal of the two pays."""
    mine, theirs = program.stacking, other.stacking
    return mine.mode == theirs.mode == "exclusive" and mine.group == theirs.group


def clash(program: Program, other: Program) -> str | None:
    """Why two programs that know of each other cannot be held against each other; None: they can, or need not."""
    exclusive = exclude_each_other(program, other)
    if program.key == other.key or not (exclusive or comes_after(program, other)):
        return None
    if program.currency != other.currency:
        ours, foreign = program.currency, other.currency
        return (
            f"it and {other.key} exclude each other, but pay in {ours} and {foreign}: which is better depends on the rate"
            if exclusive
            else f"it is paid on what {other.key} leaves, which pays in another currency"
        )
    if exclusive and not _same_periods(program, other):
        return f"it and {other.key} exclude each other, but their periods differ: both would pay"
    if exclusive and (longer := [one for one in (program, other) if one.counts_over_several_periods]):
        window, key = longer[0].settlement.window, longer[0].key
        return (
            f'it and {other.key} exclude each other, but {key} has [settlement] window = "{window}": what it earned to '
            "date is paid in part before the other one is better, and both would pay"
        )
    return None


def _same_periods(program: Program, other: Program) -> bool:
    """Whether no period of one overlaps with another one of the other."""
    theirs = [(period.start, period.end) for period in other.periods()]
    return all(
        (start, end) == (period.start, period.end) or end <= period.start or period.end <= start
        for period in program.periods()
        for start, end in theirs
    )


def clashes(programs: Sequence[Program]) -> dict[str, str]:
    """The programs that cannot be held against another one, by key, with the reason."""
    found = ((one.key, clash(one, other)) for one in programs for other in programs)
    return {key: reason for key, reason in reversed(list(found)) if reason is not None}


def lined_up(given: Iterable[Program]) -> list[Program]:
    """The same programs in the same order; each knows what those before it in its sequence are paid on."""
    programs = [program if not program.ahead else replace(program, ahead=()) for program in given]
    return [_behind(program, programs) for program in programs]


def _behind(program: Program, others: Sequence[Program]) -> Program:
    before = sorted(
        (other for other in others if comes_after(program, other)),
        key=lambda other: (other.stacking.order, other.key),
    )
    if not before:
        return program
    return replace(program, ahead=tuple((other.key, other.paid_lines) for other in before))
