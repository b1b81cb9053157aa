"""Programs one after the other: which lines an earlier one is paid on, as counters of the later one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rebates.program import Program


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
