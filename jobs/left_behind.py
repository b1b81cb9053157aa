"""Standings that are left behind: their program was removed, its periods were corrected and theirs is none any more, or
their member never bought anything there.

What the org shows of such a standing is written once more: closed, and worth nothing, because its orders count in another
period now, or nowhere. Two stay as they are: what was settled, for ever; and what was over when its program was removed,
which is how a program ends. The standing itself stays in the store, out of sight: the file may be put back. A program whose
file is broken, or that is refused, was not removed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, cast

from sqlalchemy import Connection

from jobs.documents import document_from
from jobs.nobodys_records import keyed
from jobs.planning_run import CELLS_AT_ONCE, Planning, batched_rows
from jobs.schema import targets_held
from jobs.views import Shown, view_of
from mappings.keys import sync_key
from mappings.model import PushTarget
from rebates.periods import Period, local_day
from rebates.program import Program
from rebates.qualifiers import Qualifier
from state import addressees, meta, never_bought, people, postings, rules, standings
from state.in_force import Terms, last_terms, out_of_force
from state.outbox import Wanted
from state.people import Member
from state.standings import StandingView
from state.totals import Cell

LOOKED = "left.looked"  # in `meta`: the periods out of force whose standings were let go
REMOVED = "The program is no longer there: nothing counts for it."
CORRECTED = "The periods of the program were corrected: its orders count in other periods."
NEVER = "Nothing that was bought up to this period counts for this account."
EMPTY: dict[str, Any] = {
    "status": "closed",
    "lines": 0,
    "tier_number": 0,
    "capped": False,
    "incomplete": [],
    **dict.fromkeys(("qualifying_amount", "qualifying_quantity", "qualifier", "measure", "rebate"), "0"),
    **dict.fromkeys(("tier", "benefit", "next_tier", "next_threshold", "next_benefit")),
    **dict.fromkeys(("to_next_tier", "rebate_at_next_tier", "uplift")),
}


@dataclass(frozen=True)
class FormerProgram:
    """What a record says of a program that is not there any more."""

    key: str
    name: str
    currency: str
    method: str
    qualifiers: tuple[Qualifier, ...]
    paid_on: str

    def tier_until(self, period: Period) -> date:
        """Nothing counts any more."""
        return period.last_day


def let_go_of_left(planning: Planning, *, again: bool) -> set[int]:
    """Close the records of standings that are not in force any more. Returns the accounts that may show one of them: of those
    that are new, and with `again` of all. One look at the periods where no rules have changed."""
    never = _let_go_of_vanished(planning)
    out = out_of_force(planning.tx)
    seen = ",".join(map(str, sorted(out)))
    if not again and (meta.get(planning.tx, LOOKED) or "") == seen:
        return never
    rows = standings.orphans(planning.tx, out)
    going = _unsettled(planning.tx, [row for row in rows if row.program_version])
    there = rules.installed(planning.tx)
    was_over = {row.cell for row in going if row.program not in there and _is_over(row)}
    if "standing" not in targets_held(planning.tx):  # else they wait until it may be written again
        for some in batched_rows(going, CELLS_AT_ONCE):
            planning.app.pace.look()
            standings.let_go(planning.tx, _close_records(planning, some, out, was_over))
        meta.put(planning.tx, LOOKED, seen)
    return never | {row.cell.member_pk for row in (rows if again else going) if row.cell not in was_over}


def _let_go_of_vanished(planning: Planning) -> set[int]:
    """The same for standings of members that never bought anything there."""
    if not never_bought.untold(planning.tx):
        return set()
    rows = standings.vanished(planning.tx)
    if "standing" not in targets_held(planning.tx):
        for some in batched_rows(rows, CELLS_AT_ONCE):
            planning.app.pace.look()
            standings.let_go(planning.tx, _close_records(planning, some, {}, ()))
        never_bought.told(planning.tx)
    return {row.cell.member_pk for row in rows}


def left_keys(tx: Connection) -> set[str]:
    """Keys of the records that the org may have of such standings: closed once, they are nobody's."""
    out, org_id = out_of_force(tx), meta.org_id(tx)
    if org_id is None:
        return set()
    rows = [*standings.orphans(tx, out), *standings.vanished_and_told(tx)]
    named_again = _named_again(tx, rows, out)
    return {_key(str(org_id), row) for row in rows if row.cell not in named_again}


def _unsettled(tx: Connection, rows: Sequence[StandingView]) -> list[StandingView]:
    settled = postings.settled(tx, {row.cell for row in rows})
    return [row for row in rows if row.cell not in settled]


def _is_over(row: StandingView) -> bool:
    return bool(document_from(row.document)["status"] == "closed")


def _named_again(tx: Connection, rows: Collection[StandingView], out: Mapping[int, int | None]) -> set[Cell]:
    """Those whose record is that of a standing in force: its period has the same name and other days."""
    now = {
        row.cell: Cell(row.cell.member_pk, pk)
        for row in rows
        if (pk := out.get(row.cell.period_pk)) is not None
    }
    there = {row.cell for row in standings.find(tx, cells=set(now.values()))} if now else set[Cell]()
    return {cell for cell, other in now.items() if other in there}


def _close_records(
    planning: Planning,
    rows: Sequence[StandingView],
    out: Mapping[int, int | None],
    was_over: Collection[Cell],
) -> list[Cell]:
    """Returns those that the org knows as nobody's now, or never knew; those that were over and that it has stay its own."""
    target = planning.targets.get("standing")
    if target is None or target.match is None:
        return [row.cell for row in rows]
    tx, named_again = planning.tx, _named_again(planning.tx, rows, out)
    by_key = {_key(planning.org_id, row): row for row in rows if row.cell not in named_again}
    addressees.give_up_unsent(tx, target.object, by_key.keys(), now=planning.now)
    sent = addressees.maybe_sent(tx, target.object, by_key.keys())
    members = planning.members({row.cell.member_pk for row in by_key.values()})
    losers = people.merged(tx, [one.id for one in members.values() if one.gone])
    there, terms = rules.installed(tx), last_terms(tx, {row.program for row in rows})
    wanted, stay = [], set[Cell]()
    for key, row in sorted(by_key.items()):
        member = members[row.cell.member_pk]
        if key in sent and row.cell in was_over:
            stay.add(row.cell)
        elif key in sent and (not member.gone or member.pk in losers):
            left = CORRECTED if row.cell.period_pk in out else NEVER
            why = left if row.program in there else REMOVED
            wanted.append(_closed(planning, target, row, member, terms[row.program], why))
    planning.enqueue("standing", wanted)
    return [row.cell for row in rows if row.cell not in stay]


def _closed(
    planning: Planning, target: PushTarget, row: StandingView, member: Member, terms: Terms, why: str
) -> Wanted:
    period = Period(row.start, row.end, row.period, terms.time_zone)
    document = nothing_of(document_from(row.document), why)
    shown = Shown(row.cell, document, cast(Program, _former(row, terms)), period, member)
    view = view_of(shown, org_id=planning.org_id, today=local_day(planning.now, terms.time_zone))
    view["standing"]["progress"] = Decimal(0)
    key, payload = keyed(target, view, with_member=not member.gone)  # gone: merged
    return Wanted("state", target.object, key, payload, None if member.gone else member.id)


def nothing_of(document: Mapping[str, Any], why: str) -> dict[str, Any]:
    """A standing's document where nothing counts for it any more. Pure."""
    ladder = document["ladder"]
    tiers = [{**tier, "reached": False} for tier in ladder["tiers"]]
    return {**document, **EMPTY, "steps": [{"text": why}], "ladder": {**ladder, "value": "0", "tiers": tiers}}


def _former(row: StandingView, terms: Terms) -> FormerProgram:
    given = terms.definition  # of any version of ours: what it does not name has its first value
    per_unit = bool(given["tiers"]) and all(
        tier.get("per_unit") is not None and tier.get("rate") is None for tier in given["tiers"]
    )
    return FormerProgram(
        row.program,
        row.program_name,
        row.currency,
        given["method"],
        tuple(Qualifier(of=one["of"], on=one.get("on", "amount")) for one in given["qualifiers"]),
        given.get("measure") or ("quantity" if per_unit else "amount"),
    )


def _key(org_id: str, row: StandingView) -> str:
    return sync_key(org_id, row.program, row.member, row.period, "standing")
