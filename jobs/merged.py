"""Records that a merge gave to the winner: they are ours, under the loser's key, and count nothing any more.

Salesforce moves children along without a word, so the account shows the same program twice and reports add it up twice.
Each such record is written once more: closed, with what the loser's standing is worth now, which is nothing. It is not
deleted: our user may not delete standings, and payouts point at them.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from jobs import losers_of_pulls
from jobs.nobodys_records import keyed
from jobs.planning_run import CELLS_AT_ONCE, Planning, batched_rows, of_its_own
from jobs.views import Shown, view_of
from mappings.model import PushTarget
from rebates.periods import Period
from state import addressees, people, postings, standings
from state.outbox import Wanted

CLOSED = "closed"


def close_left_records(planning: Planning, gone: Collection[str]) -> list[tuple[str, str]]:
    """Of those accounts that are `gone`, the ones that were merged: their records that the org has, or may have. Returns
    (object, key) of each: what is enqueued for them is not pointless although their account is gone."""
    losers_of_pulls.forget(planning.tx)
    target, closing = planning.targets.get("standing"), list[tuple[str, str]]()
    if target is None or target.match is None:
        return closing
    losers = people.merged(planning.tx, gone)
    for some in batched_rows(sorted(losers), CELLS_AT_ONCE):
        rows = standings.find(planning.tx, members=set(some))
        wanted = [one for row in rows if (one := _closing(planning, target, row, losers)) is not None]
        sent = addressees.maybe_sent(planning.tx, target.object, [one.ext_key for one in wanted])
        wanted = [one for one in wanted if one.ext_key in sent]
        planning.enqueue("standing", wanted)
        closing += [(one.object, one.ext_key) for one in wanted]
    return closing


def _closing(
    planning: Planning, target: PushTarget, row: standings.StandingView, losers: dict[int, people.Member]
) -> Wanted | None:
    program, member = planning.programs.get(row.program), losers[row.cell.member_pk]
    document = json.loads(row.document)
    if program is None or row.rebate or row.qualifier:
        return None  # it is still worth something here: a compute that was refused must come first
    paid = postings.settled(planning.tx, {row.cell}).get(row.cell)
    period = of_its_own(program, Period(row.start, row.end, row.period))
    shown = Shown(row.cell, document, program, period, member, paid)
    view = view_of(shown, org_id=planning.org_id, today=program.day_of(planning.now))
    key, payload = keyed(target, view, with_member=False)
    for name, value in target.fields.items():
        if value.from_ == "standing.status":
            payload[name] = (value.values or {}).get(CLOSED, CLOSED)
    return Wanted("state", target.object, key, payload, member.id)
