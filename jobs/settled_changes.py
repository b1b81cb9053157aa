"""What moves settled money besides late orders: other terms, and accounts whose orders count for others now.

A late order explains itself. A field that somebody changed on an account, or a file that holds for the past, takes back
what was settled and paid without one: whoever reads what a sync did is told, with what it was before and the money.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from rebates.money import money_text
from rebates.program import Program
from state import audit, changed_accounts, rules
from state.changed_accounts import Changes, Known
from state.totals import Cell, from_e6

MOVED = "settled money moved"  # in the audit trail
TOLD = 20  # accounts and programs: a sync's warnings are read by people
DAYS = ("active_from", "active_to")
WENT_ALONG = "orders and payouts are the winner's now"
PUT_BACK = "if it is not meant, put it back: the next sync books the opposite"


class Cause(NamedTuple):
    """Why a settled amount is another one now; neither: late orders, or what others leave."""

    terms: bool = False
    accounts: frozenset[int] = frozenset()
    merged: frozenset[int] = (
        frozenset()
    )  # those of the accounts that are another's since a merge, or whose parent is

    def __bool__(self) -> bool:
        return self.terms or bool(self.accounts)

    @property
    def is_merge(self) -> bool:
        """Payouts go along with the orders to the winner: nobody is paid what somebody else is not any more."""
        return not self.terms and self.accounts == self.merged and bool(self.merged)


class Correction(NamedTuple):
    """By how much a settled amount changes, in millionths, and why."""

    amount_e6: int
    cause: Cause


Corrections = Mapping[str, Mapping[Cell, Correction]]  # by program


class Causes:
    """What was noted since standings were computed last, asked by program and member."""

    def __init__(self, tx: Connection, programs: Sequence[Program]) -> None:
        self._noted = changed_accounts.read(tx)
        pks = rules.installed(tx) if self._noted.members else {}
        self._members: dict[str, Mapping[int, Iterable[int]]] = {
            program.key: self._noted.members.get(pks.get(program.key, 0), {}) for program in programs
        }
        self._rivals = {
            program.key: [other.key for other in programs if _compete(program, other)] for program in programs
        }
        self._fields_of_markets = {program.key: frozenset(_of_markets(program)) for program in programs}
        self._fields = {program.key: self._noted.of(program.key) for program in programs}
        behind = {pk for mine in self._noted.members.values() for some in mine.values() for pk in some}
        self._merged = changed_accounts.merged(tx, behind) | _came_along(tx, self._noted, behind)

    def of(self, program: Program, member: int) -> Cause:
        """Why what this member was settled at may be another amount."""
        found = set[int]()
        for key in (program.key, *self._rivals.get(program.key, ())):
            found |= set(self._members.get(key, {}).get(member, ()))
        if self._fields.get(program.key, {}).get(member, {}).keys() & self._fields_of_markets.get(
            program.key, frozenset()
        ):
            found.add(member)
        return Cause(program.key in self._noted.terms, frozenset(found), self._merged & found)


def _came_along(tx: Connection, noted: Changes, behind: Iterable[int]) -> frozenset[int]:
    """Children whose parent was merged: they have its winner for a parent, and nothing else of them changed."""
    fields = noted.of(*noted.waiting)
    moved = {pk: fields[pk]["parent_id"] for pk in behind if fields.get(pk, {}).keys() == {"parent_id"}}
    winners = changed_accounts.winners(tx, {str(was) for was, _ in moved.values() if was is not None})
    return frozenset(
        pk for pk, (was, now) in moved.items() if now is not None and winners.get(str(was)) == now
    )


def _compete(one: Program, other: Program) -> bool:
    """What one of them pays depends on the other's."""
    mine, theirs = one.stacking, other.stacking
    if one.key == other.key or mine.mode == "parallel" or mine.mode != theirs.mode:
        return False
    return mine.mode != "exclusive" or mine.group == theirs.group


def _of_markets(program: Program) -> Iterator[str]:
    for version in (*program.earlier, program):
        for market in version.markets:
            yield from (condition.field for condition in market.when.conditions)


def asked_of_accounts(program: Program) -> frozenset[str]:
    """Account fields that decide what a program counts for whom, in any version whose terms still hold."""
    found = {*DAYS, "deleted", *_of_markets(program)}
    for version in (*program.earlier, program):
        filters = (version.members, *(bucket.filter for bucket in version.buckets))
        found |= {one.field for each in filters for one in each.conditions if one.side == "account"}
        if version.hierarchy.roll_up == "parent":
            found.add("parent_id")
    return frozenset(found)


def tell(tx: Connection, programs: Iterable[Program], corrections: Corrections, now: datetime) -> list[str]:
    """A sentence for each program whose terms, and each account whose record, moved what was settled. The same stands in the
    audit trail: nobody reads what a scheduled sync warns of.
    """
    noted, by_key = changed_accounts.read(tx), {program.key: program for program in programs}
    sums: dict[tuple[str, Cause], list[int]] = {}
    for key, cells in corrections.items():
        for one in cells.values():
            if one.cause and one.amount_e6:
                cause = Cause(terms=True) if one.cause.terms else one.cause
                sums.setdefault((key, cause), []).append(one.amount_e6)
    names = changed_accounts.known(tx, {pk for _, cause in sums for pk in cause.accounts})
    said: list[str] = []
    for (key, cause), amounts in sorted(sums.items(), key=lambda each: -sum(map(abs, each[1]))):
        program = by_key[key]
        changed, asked = noted.of(key), asked_of_accounts(program)
        if not any(changed.get(pk, {}).keys() & asked for pk in cause.accounts):
            asked = frozenset[str]().union(*map(asked_of_accounts, by_key.values()))  # a rival's, then
        what, ids = in_all(program, amounts), ", ".join(names[pk].sf_id for pk in sorted(cause.accounts))
        if len(said) < TOLD:
            total = money_text(from_e6(sum(amounts)), program.currency)
            values = {
                names[pk].sf_id: moved
                for pk in sorted(cause.accounts)
                if (moved := {name: both for name, both in changed.get(pk, {}).items() if name in asked})
            }
            fields = sorted({name for moved in values.values() for name in moved})
            detail: dict[str, object] = {
                "program": key, "amounts": len(amounts), "by": f"{total} {program.currency}",
                "changed": "terms" if cause.terms else "merge" if cause.is_merge else fields,
            }  # fmt: skip
            if values and not cause.terms and not cause.is_merge:
                detail["values"] = values  # account → field → before and now
            audit.append(tx, actor="sync", action=MOVED, object=ids or key, detail=detail, now=now)
        if cause.terms:
            said.append(f"the terms of {key} changed, and with them {what} (`rebates payouts list`)")
            continue
        records = [_record(names[pk], changed.get(pk, {}), asked) for pk in sorted(cause.accounts)]
        few = "; ".join(records[:3]) + (f"; and {len(records) - 3} more" if len(records) > 3 else "")
        advice = WENT_ALONG if cause.is_merge else PUT_BACK
        said.append(f"{few}: that changes {what}; {advice}")
    more = len(said) - TOLD
    return said[:TOLD] + (
        [f"and {more} more changes of what was settled: `rebates payouts list`"] if more > 0 else []
    )


def in_all(program: Program, amounts_e6: Sequence[int]) -> str:
    """How many settled amounts of a program move, and by how much."""
    many = "1 amount" if len(amounts_e6) == 1 else f"{len(amounts_e6)} amounts"
    total = money_text(from_e6(sum(amounts_e6)), program.currency)
    of = "" if len(amounts_e6) == 1 else ", together"
    return f"{many} that {program.key} had settled{of} by {total} {program.currency}"


def _record(account: Known, fields: Mapping[str, tuple[object, object]], asked: frozenset[str]) -> str:
    name = f"{account.name} ({account.sf_id})" if account.name else account.sf_id
    if account.merged_into is not None:
        return f"the account {name} was merged into {account.merged_into}"
    moved = [
        f"{field} {value_text(both[0])} -> {value_text(both[1])}"
        for field, both in fields.items()
        if field in asked
    ]
    return f"the account {name}: {', '.join(moved)}" if moved else f"the record of the account {name} changed"


def value_text(value: object) -> str:
    """What stands in a field, for people."""
    return "not set" if value in (None, "") else str(value)
