"""What a group earns together, divided among those who bought: `[hierarchy] pay = "share"`.

The group is computed as one member (its tier, limits, budget and rivals are the group's); then each buyer gets its
part of the rebate by what it brought, in whole minor units that add up to the total.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import chain
from typing import NamedTuple

from sqlalchemy import Connection

from jobs.calculated import Calculated, Frame
from jobs.missing_inputs import lacking
from rebates.hierarchy import shares
from rebates.money import fraction, shown
from rebates.program import Program
from rebates.standing import standing
from rebates.totals import NOTHING, Inputs, Share
from state import chains
from state import shares as members
from state.gaps import Gaps
from state.shares import Pair
from state.totals import Cell, CellTotals, load_totals

ZERO = Decimal(0)
OfGroups = Callable[[list[CellTotals]], "list[Calculated]"]


class Groups:
    """Who shares with whom in one program."""

    def __init__(self, tx: Connection, program_pk: int) -> None:
        self.pairs = members.pairs(tx, program_pk)
        self.heads = {pair.head_pk for pair in self.pairs}
        self._of_buyer: dict[int, list[Pair]] = {}
        self._of_head: dict[int, list[Pair]] = {}
        for pair in self.pairs:
            self._of_buyer.setdefault(pair.buyer_pk, []).append(pair)
            self._of_head.setdefault(pair.head_pk, []).append(pair)

    def of(self, member_pk: int) -> list[int]:
        """The groups of a member by the account that stands for each, the latest last; its own comes last of all."""
        found = [pair.head_pk for pair in self._of_buyer.get(member_pk, ())]
        return list(dict.fromkeys([*found, member_pk] if member_pk in self.heads else found))

    def together(self, some: Sequence[CellTotals], program: Program) -> list[CellTotals]:
        """Those that are a group's: of an account that stands for one, where the group bought anything at all."""
        own = set(program.hierarchy.share_buckets)
        return [one for one in some if one.cell.member_pk in self.heads and one.totals.keys() - own]

    def began(self, member_pk: int, head_pk: int) -> int:
        """The day from which a member belongs to a group."""
        since = [pair.since for pair in self._of_buyer.get(member_pk, ()) if pair.head_pk == head_pk]
        return max(since, default=0)

    def name(self, head_pk: int, head_id: str) -> str:
        """What people call a group: by its own name, or by the parent's id."""
        names = {pair.bucket.partition(":")[2] for pair in self._of_head.get(head_pk, ())}
        return " and ".join(sorted(names)) if all(names) and names else head_id

    def buyers(self, head_pk: int) -> dict[int, set[str]]:
        """The buyers of a group with the buckets that hold what they brought."""
        out: dict[int, set[str]] = {}
        for pair in self._of_head.get(head_pk, ()):
            out.setdefault(pair.buyer_pk, set()).add(pair.bucket)
        return out


class _Divided(NamedTuple):
    """A group in one period: what it earned, what each brought, and how that divides the rebate."""

    found: Calculated
    volumes: Mapping[str, Fraction]
    parts: Mapping[str, Decimal]
    otherwise: str | None


def divided(
    tx: Connection, frame: Frame, asked: Sequence[CellTotals], of_groups: OfGroups, gaps: Gaps
) -> Iterator[Calculated]:
    """The standings of accounts that share: each shows its group's numbers and its own part of the rebate."""
    groups = frame.groups
    assert groups is not None
    wanted_periods = {one.cell.period_pk for one in asked}
    wanted_heads = {head for one in asked for head in groups.of(one.cell.member_pk)}
    there = [cell for cell in chains.cells_of(tx, frame.pk, wanted_heads) if cell.period_pk in wanted_periods]
    earned = of_groups(load_totals(tx, there, [frame.program]))
    brought = _brought(tx, frame, [found.one.cell for found in earned])
    known = {found.one.cell: _divide(frame, found, brought) for found in earned}
    for one in asked:
        places = [Cell(head, one.cell.period_pk) for head in groups.of(one.cell.member_pk)]
        # Of a group of which nothing could be read there is no standing that says so.
        unread = [said for place in (*places, one.cell) if place not in known for said in gaps.get(place, ())]
        yield _member(frame, one, [known[place] for place in places if place in known], unread)


def _brought(tx: Connection, frame: Frame, there: Iterable[Cell]) -> Mapping[Cell, CellTotals]:
    """The totals of every buyer of these groups, in their periods."""
    assert frame.groups is not None
    cells = {Cell(buyer, cell.period_pk) for cell in there for buyer in frame.groups.buyers(cell.member_pk)}
    return {one.cell: one for one in load_totals(tx, sorted(cells), [frame.program])}


def _divide(frame: Frame, found: Calculated, brought: Mapping[Cell, CellTotals]) -> _Divided:
    assert frame.groups is not None
    cell, program = found.one.cell, frame.program
    volumes: dict[str, Fraction] = {}
    for buyer, names in frame.groups.buyers(cell.member_pk).items():
        one = brought[Cell(buyer, cell.period_pk)]
        tallies = [one.totals[name] for name in sorted(names) if name in one.totals]
        if tallies:
            own = sum((fraction(tally.of(program.paid_on)) for tally in tallies), Fraction(0))
            volumes[one.member_id] = volumes.get(one.member_id, Fraction(0)) + own
    otherwise = _payee(program, found.one.member_id, volumes)
    parts = shares(found.standing.rebate, volumes, program.currency, otherwise=otherwise)
    return _Divided(found, volumes, parts, otherwise)


def _payee(program: Program, head_id: str, volumes: Mapping[str, Fraction]) -> str:
    """Who gets what no volume can divide: the parent or payee, else the first who bought."""
    if program.hierarchy.roll_up == "parent" or head_id in program.hierarchy.payees.values():
        return head_id
    return min(volumes, default=head_id)


def _member(frame: Frame, one: CellTotals, divisions: list[_Divided], unread: Sequence[str]) -> Calculated:
    """One account's standing: the numbers of the group that it is in now, and its parts of all that it was in."""
    if not divisions:
        return _nothing_bought(frame, one, unread)
    assert frame.groups is not None
    end = one.period.end.toordinal()
    mine = [
        each
        for each in divisions
        if frame.groups.began(one.cell.member_pk, each.found.one.cell.member_pk) < end
    ]
    base = (mine or divisions)[-1]
    parts = [each.parts.get(one.member_id, ZERO) for each in divisions]
    rebate = sum(parts, ZERO)
    others = [each.found.standing.working.inputs.missing for each in divisions if each is not base]
    at = lacking(base.found.standing, "another group of it", [*chain.from_iterable(others), *unread])
    at_next = None
    if at.rebate_at_next_tier is not None:
        then = shares(at.rebate_at_next_tier, base.volumes, frame.program.currency, otherwise=base.otherwise)
        at_next = rebate - base.parts.get(one.member_id, ZERO) + then.get(one.member_id, ZERO)
    told = tuple(
        Share(
            frame.groups.name(each.found.one.cell.member_pk, each.found.one.member_id),
            each.found.standing.rebate,
            shown(each.volumes.get(one.member_id, ZERO)),
            shown(sum((v for v in each.volumes.values() if v > 0), Fraction(0))),
            part,
        )
        for each, part in zip(divisions, parts, strict=True)
        if part or each is base
    )
    working = at.working._replace(inputs=replace(at.working.inputs, shares=told))
    standing_of_one = replace(
        at, member=one.member_id, rebate=rebate, rebate_at_next_tier=at_next, working=working
    )
    return base.found._replace(one=one, standing=standing_of_one)


def _nothing_bought(frame: Frame, one: CellTotals, unread: Sequence[str]) -> Calculated:
    """An account whose group bought nothing, or which is in none any more."""
    at = standing(
        frame.program,
        one.period,
        dict.fromkeys(one.totals, NOTHING),
        as_of=frame.today,
        member=one.member_id,
        inputs=Inputs(
            missing=tuple(dict.fromkeys(unread)), notes=("no group that it belongs to bought anything",)
        ),
    )
    return Calculated(one, replace(at, rebate=ZERO), None)
