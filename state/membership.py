"""Whose orders count for whom: programs × accounts, rolled up where a program says so."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, delete, select

from rebates.hierarchy import DEPTH_MAX, SHARE, Hierarchy, paying_member, share_bucket
from rebates.periods import midnight
from rebates.program import Program
from rebates.versions import Reign, reigns
from state import bulk, chains, changed_accounts, dirty
from state.instants import micros
from state.slices import slices
from state.tables.base import FIRST_AT, FIRST_DAY, LAST_AT, LAST_DAY
from state.tables.facts import accounts, orders
from state.tables.programs import program_members

ROWS_AT_ONCE = 20_000
COLUMNS = (
    "account_pk", "bucket_pk", "member_pk", "start_day", "end_day", "start_at", "end_at", "program_pk",
)  # fmt: skip
Member = tuple[int, int, int, int, int, int, int, int]


@dataclass(frozen=True)
class Known:
    """An account as the rules see it."""

    pk: int
    sf_id: str
    parent: str | None
    fields: Mapping[str, object]
    gone: bool
    master: str | None  # where it was merged into


class Accounts:
    """All accounts of the store, by Salesforce id."""

    def __init__(self, tx: Connection) -> None:
        ids = {row[0]: row[1] for row in tx.execute(select(accounts.c.pk, accounts.c.sf_id))}
        self.by_id: dict[str, Known] = {}
        a = accounts.c
        query = select(
            a.pk, a.sf_id, a.name, a.parent_pk, a.owner_id, a.type, a.region, a.currency, a.deleted, a.master_pk, a.attributes
        ).where(a.known)  # fmt: skip
        for pk, sf_id, name, parent_pk, owner, kind, region, currency, deleted, master_pk, more in tx.execute(
            query
        ):
            parent = ids.get(parent_pk)
            fields: dict[str, object] = json.loads(more) if more else {}
            fields |= {
                "id": sf_id,
                "name": name,
                "parent_id": parent,
                "owner_id": owner,
                "type": kind,
                "region": region,
                "currency": currency,
            }
            self.by_id[sf_id] = Known(pk, sf_id, parent, fields, bool(deleted), ids.get(master_pk))
        self.parents = {account.sf_id: account.parent for account in self.by_id.values()}

    def present(self, sf_id: str) -> Known | None:
        """An account that is there and not deleted."""
        account = self.by_id.get(sf_id)
        return None if account is None or account.gone else account

    def standing_in(self, account: Known) -> Known | None:
        """The account itself, the winner it was merged into, or None when it is gone for good."""
        here: Known | None = account
        for _ in range(DEPTH_MAX):
            if here is None or not here.gone:
                return here
            here = self.by_id.get(here.master) if here.master else None
        return None


def judge(
    tx: Connection,
    programs: Mapping[int, Program],
    fresh: Collection[int],
    dirty_pks: Sequence[int],
    buckets: Mapping[tuple[int, str], int],
    back: Collection[int] = (),
) -> list[str]:
    """Bring `program_members` up to date; orders of accounts that now count otherwise become dirty. What moves in a program
    that is `back` with the terms of before, records did that changed meanwhile."""
    if not programs or not (fresh or dirty_pks):
        return []
    everyone = Accounts(tx)
    problems: list[str] = []
    for program_pk, program in programs.items():
        whole = program_pk in fresh
        affected = list(everyone.by_id.values()) if whole else _affected(everyone, program, set(dirty_pks))
        wanted: set[Member] = set()
        for reign in reigns(program):
            enrolled = _Enrolled(reign, everyone)
            for account in affected:
                problems += [one for one in _without_days(account) if one not in problems]
                wanted |= set(_rows(program_pk, account, everyone, enrolled, buckets, problems))
        pks = None if whole else sorted({account.pk for account in affected} | set(dirty_pks))
        rows = _replace(tx, program_pk, wanted, pks)
        changed = {row[0] for row in rows}
        if changed and (not whole or program_pk in back):
            by_pk = {account.pk: account for account in affected}
            suspects = {*dirty_pks, *(changed_accounts.read(tx).of(program.key) if whole else ())}
            moved = ((row[2], _behind(row[0], by_pk, everyone, suspects)) for row in rows)
            changed_accounts.note_members(tx, program_pk, moved)
        if changed and not whole:
            marks = dirty.Orders(tx, facts_changed=False)
            for some in slices(sorted(changed), ROWS_AT_ONCE):
                marks.mark(select(orders.c.pk).where(orders.c.account_pk.in_(some)))
            if program.hierarchy.is_shared:
                # Who brought nothing moves no total, and shows its group's numbers all the same: it waits, and whoever
                # stands for the group that it left or came to (`shares.widen` has the rest of that group wait, too).
                chains.widen_members(tx, program_pk, sorted(changed | {row[2] for row in rows}))
    return problems


def _behind(pk: int, by_pk: Mapping[int, Known], everyone: Accounts, dirty_pks: Collection[int]) -> int:
    """The account whose record made this one's orders count for others: itself, or one above it."""
    account = by_pk.get(pk)
    for _ in range(DEPTH_MAX):
        if account is None or account.pk in dirty_pks:
            break
        account = everyone.by_id.get(account.parent) if account.parent else None
    return pk if account is None else account.pk


class _Enrolled:
    """Whether an account takes part in a version of a program, asked once; and where it belongs among its groups."""

    def __init__(self, reign: Reign, everyone: Accounts) -> None:
        self.reign, self.program, self.everyone = reign, reign.terms, everyone
        program = reign.terms
        self.memberships = _memberships(program.hierarchy)
        self.stand_ins = _stand_ins(program.hierarchy, everyone)
        self._answers: dict[str, bool] = {}

    def __call__(self, sf_id: str) -> bool:
        if sf_id not in self._answers:
            account = self.everyone.by_id.get(sf_id)
            self._answers[sf_id] = (
                account is not None and not account.gone and self.program.takes(account.fields)
            )
        return self._answers[sf_id]


def _rows(
    program_pk: int,
    account: Known,
    everyone: Accounts,
    enrolled: _Enrolled,
    buckets: Mapping[tuple[int, str], int],
    problems: list[str],
) -> Iterable[Member]:
    buyer = everyone.standing_in(account)
    if buyer is None:
        return
    program, reign = enrolled.program, enrolled.reign
    spans = list(_members(program, buyer, everyone, enrolled, problems))
    if not spans:
        return
    own = set(program.hierarchy.share_buckets)
    for bucket in program.own_buckets:
        # What the buyer is decides whether a line counts; who is paid is another question.
        if not bucket.counts_account(buyer.fields):
            continue
        for one in spans:
            if bucket.name in own and bucket.name != one.share_bucket:
                continue
            for first, after in _taking_part(program, one.member, one.first, one.after):
                start = first if reign.start is None else max(first, reign.start.toordinal())
                end = after if reign.end is None else min(after, reign.end.toordinal())
                if start >= end:
                    continue
                rest = rest_of_span(start, end, program.time_zone)
                # In a share bucket an account's orders count for itself: its part in what its group is paid.
                member = buyer if bucket.name in own else one.member
                bucket_pk = buckets[program_pk, reign.bucket(bucket.name)]
                yield (account.pk, bucket_pk, member.pk, start, *rest, program_pk)


@dataclass(frozen=True)
class _Span:
    """For whom a buyer's orders of some days count (half-open), and in which share bucket besides."""

    member: Known
    first: int
    after: int
    share_bucket: str = SHARE


def _members(
    program: Program, buyer: Known, everyone: Accounts, enrolled: _Enrolled, problems: list[str]
) -> Iterable[_Span]:
    """The paying members of a buyer's orders, each with its half-open span of days."""
    hierarchy = program.hierarchy
    if hierarchy.roll_up == "none":
        if enrolled(buyer.sf_id):
            yield _Span(buyer, FIRST_DAY, LAST_DAY)
    elif hierarchy.roll_up == "parent":
        path = paying_member(
            buyer.sf_id, everyone.parents, enrolled, to_the_top=not program.members.conditions
        )
        if path.problem:
            problems.append(f"{program.key}: {path.problem}")
        if path.member is not None:
            yield _Span(everyone.by_id[path.member], FIRST_DAY, LAST_DAY)
    else:
        yield from _group_members(program, buyer, everyone, enrolled, problems)


def _group_members(
    program: Program, buyer: Known, everyone: Accounts, enrolled: _Enrolled, problems: list[str]
) -> Iterable[_Span]:
    if not enrolled(buyer.sf_id):
        return
    for group, first, after in enrolled.memberships.get(buyer.sf_id, ()):
        member = enrolled.stand_ins.get(group)
        if member is None:
            told = f"{program.key}: nobody can be paid for the group {group}: name its payee in [hierarchy.payees]"
            problems += [told] if told not in problems else []
        else:
            yield _Span(member, first, after, share_bucket(group))


def _stand_ins(hierarchy: Hierarchy, everyone: Accounts) -> dict[str, Known]:
    """The account that each group's orders are counted under: its payee, else one of its own that no other group has."""
    found: dict[str, Known] = {}
    for group, payee in sorted(hierarchy.payees.items()):
        if (account := everyone.present(payee)) is not None:
            found[group] = account
    for group in sorted({entry.group for entry in hierarchy.groups} - hierarchy.payees.keys()):
        for name in sorted({entry.account for entry in hierarchy.groups if entry.group == group}):
            account = everyone.present(name)
            if account is not None and all(account.pk != other.pk for other in found.values()):
                found[group] = account
                break
    return found


def _memberships(hierarchy: Hierarchy) -> dict[str, list[tuple[str, int, int]]]:
    """By account its (group, first day, day after); entries that meet are one, so that no order counts twice."""
    spans = sorted(
        (
            entry.account,
            entry.group,
            FIRST_DAY if entry.first is None else entry.first.toordinal(),
            LAST_DAY if entry.last is None else entry.last.toordinal() + 1,
        )
        for entry in hierarchy.groups
    )
    found: dict[str, list[tuple[str, int, int]]] = {}
    for account, group, first, after in spans:
        mine = found.setdefault(account, [])
        if mine and mine[-1][0] == group and first <= mine[-1][2]:
            mine[-1] = (group, mine[-1][1], max(after, mine[-1][2]))
        else:
            mine.append((group, first, after))
    return found


def _taking_part(program: Program, member: Known, start: int, end: int) -> list[tuple[int, int]]:
    """A span cut to the days on which the member takes part (its fields `active_from` and `active_to`).

    What a newcomer bought before the program starts stays countable where growth is measured on sales: it is its baseline.
    """
    first, last = active_days(member.fields)
    end = end if last is None else min(end, last.toordinal() + 1)
    if first is None:
        return [(start, end)]
    growth, joined = program.growth, max(start, first.toordinal())
    if growth is None or not growth.from_sales:
        return [(joined, end)]
    starts = program.starts.toordinal()
    return [(start, end)] if joined <= starts else [(start, min(end, starts)), (joined, end)]


def active_days(fields: Mapping[str, object]) -> tuple[date | None, date | None]:
    """The first and the last day on which an account takes part, where it says so; open ends are None. What is no day says
    nothing: an account with such a one is set aside when it is read, and its standings are incomplete for that.
    """
    return _day(fields.get("active_from")), _day(fields.get("active_to"))


def _without_days(account: Known) -> list[str]:
    """Sentences about its days that say nothing."""
    some = (name for name in ("active_from", "active_to") if account.fields.get(name))
    return [
        f"account {account.sf_id}: {name} is no date (2026-11-30), so it takes part as if it had none"
        for name in some
        if _day(account.fields[name]) is None
    ]


def _day(value: object) -> date | None:
    with suppress(ValueError):
        return date.fromisoformat(str(value)[:10]) if value else None
    return None


def rest_of_span(start: int, end: int, zone: str) -> tuple[int, int, int]:
    """(end_day, start_at, end_at) of a span of days as a program's time zone cuts it."""
    start_at = FIRST_AT if start == FIRST_DAY else micros(midnight(date.fromordinal(start), zone))
    end_at = LAST_AT if end == LAST_DAY else micros(midnight(date.fromordinal(end), zone))
    return end, start_at, end_at


def _affected(everyone: Accounts, program: Program, dirty_pks: set[int]) -> list[Known]:
    """The dirty accounts, those merged into them, and with a hierarchy everybody below."""
    by_pk = {account.pk: account for account in everyone.by_id.values()}
    found = {pk: by_pk[pk] for pk in dirty_pks if pk in by_pk}
    roll_ups = {version.hierarchy.roll_up for version in (*program.earlier, program)}
    above: dict[str, list[Known]] = {}
    for account in everyone.by_id.values():
        if account.master:
            above.setdefault(account.master, []).append(account)
        if account.parent and "parent" in roll_ups:
            above.setdefault(account.parent, []).append(account)
    if "group" in roll_ups and found:
        # The payee of a group stands for all of it.
        found |= {a.pk: a for a in everyone.by_id.values()}
    waiting = list(found.values())
    while waiting:
        for below in above.get(waiting.pop().sf_id, ()):
            if below.pk not in found:
                found[below.pk] = below
                waiting.append(below)
    return list(found.values())


def _replace(tx: Connection, program_pk: int, wanted: set[Member], only: list[int] | None) -> set[Member]:
    """Make a program's rows (of some accounts) be `wanted`; returns those that came or went."""
    mine = program_members.c.program_pk == program_pk
    columns = [program_members.c[name] for name in COLUMNS]
    present: set[Any] = set()
    for some in [None] if only is None else slices(only, ROWS_AT_ONCE):
        which = mine if some is None else mine & program_members.c.account_pk.in_(some)
        present |= {tuple(row) for row in tx.execute(select(*columns).where(which))}
    rows: set[Member] = present ^ wanted
    changed = {row[0] for row in rows}
    if not changed:
        return rows
    if only is None:
        tx.execute(delete(program_members).where(mine))
        bulk.fill_tuples(tx, program_members, COLUMNS, sorted(wanted))
        return rows
    for some in slices(sorted(changed), ROWS_AT_ONCE):
        tx.execute(delete(program_members).where(mine, program_members.c.account_pk.in_(some)))
    bulk.fill_tuples(tx, program_members, COLUMNS, sorted(row for row in wanted if row[0] in changed))
    return rows
