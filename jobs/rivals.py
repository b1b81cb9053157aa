"""Which programs are paid once together, and for which days: the rivals of an exclusive group, over time.

Open days are judged by the groups of today. Settled money competes with those that were rivals when it was settled
(docs/decisions/0306): of two programs the one that was settled first decides. Were they rivals then, the better deal of
both pays for ever, also once one of them has left the group. Were they not, what was settled stays, and the other one,
if it has come to be a rival since, is not paid for those days. A program that is not computed any more cannot give back
what it was settled with, and is in the way of its rivals as well; nor does one that ignores late lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Literal, NamedTuple

from sqlalchemy import Connection

from jobs.calculated import Calculated, Frame
from state import chains, rivalries
from state.rivalries import Closing, History, Kept
from state.totals import Cell

Days = tuple[date, date]
Place = tuple[int, date, date]  # a member, and the days of a period
OPEN = datetime.max.replace(tzinfo=UTC)  # after every closing: judged by the terms of today


class Bond(NamedTuple):
    """What another program of a group is to one, for the days of one period.

    `better`: the better deal of both pays. `settled`: what the other one was settled with goes first, if anything.
    """

    kind: Literal["better", "settled"]
    group: str


class Past(NamedTuple):
    """The closings of programs that are or were exclusive, and their groups over time; empty where nothing is closed."""

    histories: Mapping[int, History]
    closings: Mapping[int, Mapping[Days, Closing]]
    kept: Kept

    def bond(self, mine: int, other: int, days: Days) -> Bond | None:
        """What `other` is to `mine` for some days; None: they have nothing to do with each other."""
        here, there = self._decided(mine, days), self._decided(other, days)
        first = min(here, there)
        together = self._group(mine, other, first)
        if together is not None and not (self._away(mine, first) or self._away(other, first)):
            return Bond("better", together)
        later = self._group(mine, other, here) if there < here else None
        return None if later is None else Bond("settled", later)

    def ever_bound(self, mine: int, other: int) -> bool:
        """Whether there are any days for which one is something to the other."""
        closed = {*self.closings.get(mine, ()), *self.closings.get(other, ())}
        moments = {OPEN, *(self._decided(one, days) for one in (mine, other) for days in closed)}
        return any(self._group(mine, other, when) is not None for when in moments)

    def _decided(self, pk: int, days: Days) -> datetime:
        """When these days were closed; a new store, which takes closings over, knows the program only since it came."""
        closing = self.closings.get(pk, {}).get(days)
        return OPEN if closing is None else max(closing.at, self.histories[pk].since)

    def _away(self, pk: int, when: datetime) -> bool:
        """Whether a program had been removed when days were closed. Open days are nobody's yet."""
        return when != OPEN and self.kept.was_away(self.histories[pk].key, when)

    def _group(self, mine: int, other: int, when: datetime) -> str | None:
        """The exclusive group that both were in at a moment."""
        if mine not in self.histories or other not in self.histories:
            return None
        group = self.histories[mine].group_at(when)
        return group if group == self.histories[other].group_at(when) else None


NOTHING_KEPT = Kept({}, {})
NOTHING_CLOSED = Past({}, {}, NOTHING_KEPT)


class Rivals:
    """The rivals among the programs in force, and the settled money that stands against them.

    Where no program is or was exclusive, this costs one look into `meta`; where nothing is closed, one small query more.
    """

    def __init__(self, tx: Connection, frames: Mapping[str, Frame], now: datetime) -> None:
        self.tx, self.frames, self.now = tx, frames, now
        self._kept: Kept | None = None
        self._known: Past | None = None
        self._of: dict[str, list[Frame]] = {}

    def look(self) -> None:
        """Read anew what is closed; a program whose rivals are others than at the last compute waits as a whole."""
        self._kept, self._known, self._of = rivalries.kept(self.tx) or NOTHING_KEPT, None, {}
        rivals = {
            frame.program.key: sorted(other.program.key for other in self.today(frame))
            for frame in self.frames.values()
            if frame.program.stacking.mode == "exclusive"
        }
        if rivals == self._kept.rivals:
            return
        for key, names in rivals.items():
            # One that was not kept is new, or has new terms: all that it has waits already.
            if self._kept.rivals.get(key, names) != names:
                chains.mark_all(self.tx, self.frames[key].pk)
        self._kept = self._kept.now(rivals, self.now)
        rivalries.keep(self.tx, self._kept)

    def today(self, frame: Frame) -> list[Frame]:
        """The other programs of its exclusive group."""
        own = frame.program.stacking
        if own.mode != "exclusive":
            return []
        return [
            other
            for other in self.frames.values()
            if other is not frame
            and other.program.stacking.mode == "exclusive"
            and other.program.stacking.group == own.group
        ]

    def of(self, frame: Frame) -> list[Frame]:
        """Programs whose standings may change with those of this one: rivals today, or for days that were settled."""
        key = frame.program.key
        if key not in self._of:
            mine = self.today(frame)
            if frame.pk in self._past.histories:
                others = (one for one in self.frames.values() if one is not frame and one not in mine)
                mine += [one for one in others if self._past.ever_bound(frame.pk, one.pk)]
            self._of[key] = mine
        return self._of[key]

    def concern(self, frame: Frame) -> bool:
        """Whether anything of other programs may stand against this one."""
        return bool(self.of(frame)) or frame.pk in self._past.histories

    def competes(self, frame: Frame, other: Frame, days: Days) -> str | None:
        """The group in which the better deal of these two pays for some days; None: they do not compete for them."""
        if not self._past.closings:
            return frame.program.stacking.group
        bond = self._past.bond(frame.pk, other.pk, days)
        return bond.group if bond is not None and bond.kind == "better" else None

    def settled(self, frame: Frame, found: Sequence[Calculated]) -> dict[Place, tuple[str, str]]:
        """Standings that are not paid because of settled money: place → the program that has it, and the group."""
        before = dict[Days, list[tuple[Closing, Bond]]]()
        for one in found:
            days = one.one.period.start, one.one.period.end
            if days not in before:
                before[days] = list(self._settled_before(frame, days))
        closings = [closing for some in before.values() for closing, _ in some]
        if not closings:
            return {}
        members = {one.one.cell.member_pk for one in found}
        payees = {pk: self._payees(frame, pk, members) for pk in {one.program_pk for one in closings}}
        everybody = {payee for some in payees.values() for paid_to in some.values() for payee in paid_to}
        paid = rivalries.settled(self.tx, {one.period_pk for one in closings}, everybody)
        out: dict[Place, tuple[str, str]] = {}
        for one in found:
            member, start, end = one.one.cell.member_pk, one.one.period.start, one.one.period.end
            for closing, bond in before[start, end]:
                paid_to = payees[closing.program_pk][member]
                if any(Cell(payee, closing.period_pk) in paid for payee in paid_to):
                    key = self._past.histories[closing.program_pk].key
                    out.setdefault((member, start, end), (key, bond.group))
        return out

    def mark_later(self, corrected: Iterable[Calculated]) -> bool:
        """What is settled now of some closed standings is another amount: those wait in whose way it is. False: none."""
        members: dict[int, set[int]] = {}
        for found in corrected:
            frame = self.frames[found.one.program.key]
            days, member = (found.one.period.start, found.one.period.end), found.one.cell.member_pk
            heads = () if frame.groups is None else frame.groups.of(member)
            for other in self.of(frame):
                bond = self._past.bond(other.pk, frame.pk, days)
                if bond is not None and bond.kind == "settled":
                    members.setdefault(other.pk, set()).update((member, *heads))
        for pk, some in members.items():
            chains.widen_members(self.tx, pk, sorted(some))
        return bool(members)

    def _settled_before(self, frame: Frame, days: Days) -> Iterator[tuple[Closing, Bond]]:
        """Closings of other programs whose money goes first: of rivals that came later, and of those that give nothing back."""
        computed = {one.pk: one.program for one in self.frames.values()}
        for pk, closed in sorted(self._past.closings.items()):
            bond = self._past.bond(frame.pk, pk, days) if pk != frame.pk and days in closed else None
            if bond is None:
                continue
            # One that ignores late lines does not give back either.
            stays = pk not in computed or computed[pk].settlement.late_lines == "ignore"
            if bond.kind == "settled" or stays:
                yield closed[days], bond

    def _payees(self, frame: Frame, other_pk: int, members: Iterable[int]) -> dict[int, set[int]]:
        """Who is paid in either program for what a member earns: itself, and where it shares, those it shares with."""
        sharing = [
            one.groups for one in self.frames.values() if one.pk in (frame.pk, other_pk) and one.groups
        ]
        return {one: {one}.union(*(groups.buyers(one) for groups in sharing)) for one in members}

    @property
    def _past(self) -> Past:
        if self._known is None:
            self._known = self._read()
        return self._known

    def _read(self) -> Past:
        if self._kept is None:
            self._kept = rivalries.kept(self.tx) or NOTHING_KEPT
        exclusive = any(one.program.stacking.mode == "exclusive" for one in self.frames.values())
        if not exclusive and self._kept == NOTHING_KEPT:
            return NOTHING_CLOSED
        closings: dict[int, dict[Days, Closing]] = {}
        for one in rivalries.closings(self.tx):
            closings.setdefault(one.program_pk, {})[one.start, one.end] = one
        if not closings:
            return NOTHING_CLOSED
        return Past(rivalries.histories(self.tx), closings, self._kept)
