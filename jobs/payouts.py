"""Payouts: every settled amount and every correction becomes one record of the org, made once; finance decides there.

Made once means: created under a unique key, never updated. What finance says (status, who approved, paid when) is read
back and never written. A payout that may have been sent before is looked for first, one that a person deleted too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection

from connector import errors
from jobs import losers_of_pulls, org_time, own_currency, payouts_begun
from jobs.payouts_asked import require_known
from jobs.payouts_gone import too_many
from jobs.payouts_seen import query_of, seen_in
from jobs.planning_run import Planning
from jobs.rereading import shown_live
from mappings.keys import sync_key
from mappings.model import PushTarget
from mappings.outbound import record
from rebates.money import to_micro
from state import (
    acknowledged,
    meta,
    outbox,
    payouts,
    payouts_decided,
    payouts_gone,
    payouts_listed,
    payouts_moved,
    people,
    purged_merges,
    rebasing,
)
from state.outbox import Row, Wanted
from state.payouts import Due
from state.payouts_listed import PayoutView

if TYPE_CHECKING:
    from jobs.app import App

log = structlog.get_logger()

READ_UNTIL = "payouts.read_until"
NAMED = 3


@dataclass
class ReadBack:
    """What finance did since the last look."""

    read: int = 0
    changed: int = 0
    unreadable: list[tuple[str, str]] = field(
        default_factory=list
    )  # key, and what of it: those of earlier looks, too
    moved: list[payouts_moved.Moved] = field(default_factory=list)  # of those just read
    stopped: dict[str, errors.SyncError] = field(default_factory=dict)

    @property
    def aside(self) -> int:
        """Payouts that a person has to look at, and can still do something about."""
        return len(self.unreadable) + sum(not one.is_final for one in self.moved)

    @property
    def said(self) -> list[str]:
        """A sentence for those of which something could not be read, one for those that were moved."""
        out = list[str]()
        if some := [f"{key} ({name})" for key, name in self.unreadable]:
            out.append(f"what finance wrote of a payout could not be read: {_first(some)}")
        if some := [f"{one.key} of {one.settled_for} stands under {one.stands_under}" for one in self.moved]:
            out.append(
                f"payouts were moved to another account in the org, which would be paid for what it did not earn: {_first(some)}; "
                "where it was not paid yet, delete it there, then `rebates payouts make-again KEY`"
            )
        return out


def plan_payouts(planning: Planning, gone: Collection[str]) -> None:
    """A record for every posting that has none; `gone`: accounts that were deleted or merged away."""
    target = planning.targets.get("payout")
    if target is None:
        if planning.app.written("payout") is None:  # else they wait until the org can take them
            payouts_begun.note_not_written(planning)
        return
    _readdress(planning, target, gone)
    since = planning.app.settings.payouts.send_from
    due = payouts.unplanned(planning.tx, since)
    payees = payouts.payees(planning.tx, {one.member_pk for one in due})
    payouts_begun.begin(planning, due, payees.keys())
    members = people.members(planning.tx, {one.member_pk for one in due})
    amount = str(target.written_from("payout.amount"))
    wanted, not_exact = list[tuple[Due, Wanted]](), list[tuple[str, str, str]]()
    for one in due:
        payee = payees.get(one.member_pk)
        if payee is None:  # deleted for good, and its payouts with it: there is nobody to pay
            continue
        view = _view(planning.org_id, one, members[one.member_pk].id, payee)
        payload = record(target, view)
        if payload.get(amount) != one.amount:  # rather not sent than sent with another amount
            log.error("payout.not_exact", program=one.program, period=one.period, field=amount)
            not_exact.append((view["payout"]["key"], one.program, one.period))
            continue
        key = str(payload.pop(str(target.match)))
        payload = {name: value for name, value in payload.items() if name not in target.volatile}
        wanted.append((one, Wanted("event", target.object, key, payload, payee)))
    payouts.cannot_be_written(planning.tx, not_exact)
    taken = _taken(planning.tx, target.object, wanted)
    sent = [(one, wish) for one, wish in wanted if wish.ext_key not in taken]
    keys = [(one.posting_pk, wish.ext_key) for one, wish in sent]
    left = {one.posting_pk for one in due} - {pk for pk, _ in keys}
    payouts.plan(planning.tx, keys, since=since, left=left)
    planning.enqueue("payout", [wish for _, wish in sent])
    there = acknowledged.record_ids(planning.tx, target.object, [key for _, key in keys])
    for key, sf_id in there.items():
        payouts.found(planning.tx, key, sf_id=sf_id)


def _taken(tx: Connection, object: str, wanted: Sequence[tuple[Due, Wanted]]) -> set[str]:
    """Keys under which the org has another amount than what was posted. It would not take a second record under one, and
    under a further key money could be paid twice: such a payout is not sent, and `verify` says so (L8)."""
    known = acknowledged.hashes(tx, [(object, wish.ext_key) for _, wish in wanted])
    taken = set[str]()
    for one, wish in wanted:
        same = (rebasing.adopted(to_micro(one.amount)), outbox.payload_hash(wish.payload))
        if known.get((object, wish.ext_key), same[0]) not in same:
            log.error("payout.key_is_taken", program=one.program, period=one.period, key=wish.ext_key)
            taken.add(wish.ext_key)
    payouts.refuse(tx, taken)
    return taken


def key_of(org_id: str, program: str, member_id: str, period: str, number: int) -> str:
    """Under which the org has the n-th posting of a member and period."""
    return sync_key(org_id, program, member_id, period, "payout", str(number))


def complete(
    app: App, targets: Mapping[str, PushTarget], rows: Sequence[Row], records: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Records to create, with the key of the standing replaced by its id, which only the org knows: standings are sent
    first. Left empty where the org was never told of the standing."""
    records = own_currency.named(targets["payout"], records)
    name, standing = targets["payout"].written_from("payout.standing_id"), targets.get("standing")
    if name is None:
        return records
    keys = sorted({str(row.payload[name]) for row in rows if name in row.payload})
    with app.store.read() as tx:
        ids = acknowledged.record_ids(tx, standing.object, keys) if standing is not None else {}
    return [
        {**one, name: ids.get(str(row.payload.get(name)))} for one, row in zip(records, rows, strict=True)
    ]


def read_back(app: App, *, everything: bool = False, accept_missing: bool = False) -> ReadBack:
    """What finance made of our payouts. One call, and none while no payout is undecided (`everything`: always).

    With everything asked for, what does not come is gone. `accept_missing`: a person says so, however many they are."""
    result = ReadBack()
    target = app.written("payout")
    if target is None:
        return result
    with app.store.read() as tx:
        result.unreadable = payouts.unreadable(tx)
        if not everything and not payouts.undecided(tx):
            return result
        since = None if everything else meta.get(tx, READ_UNTIL)
        replaced = payouts_gone.replaced(tx)
    clock = org_time.heard(app)
    until = clock.sure - app.settings.sync.lag - app.settings.sync.lookback
    if since is not None and not clock.excess and since > _instant(until + org_time.TOLERANCE):
        since = None  # a wrong clock put it into the future: what finance decided meanwhile was not read
    with app.store.read() as tx:  # only where all are asked for can one be missing
        there = payouts_gone.thought_there(tx) if since is None else set()
    seen, bad = list[payouts.Seen](), dict[str, str]()
    try:
        for page in app.org.query(query_of(target, since), include_deleted=True):
            rows = [
                row
                for row in page.table.to_pylist()
                if row["IsDeleted"] != "true" or row["Id"] not in replaced
            ]
            some, unread = seen_in(target, rows, ZoneInfo(app.mapping.time_zone))
            seen += some
            bad |= unread
    except errors.Misconfigured as error:
        log.error("payouts.not_read", code=error.code)
        result.stopped[target.object] = error
        return result
    if bad:
        log.warning("payouts.unreadable", payouts=len(bad), first=min(bad))
    gone = _not_in_org(app, seen)
    with app.store.transaction() as tx:
        result.read = len(seen)
        payouts.note_unreadable(tx, {one.key for one in seen}, bad)
        result.unreadable = payouts.unreadable(tx)
        payouts_decided.note(tx, seen, now=app.clock.now())
        result.changed = payouts.saw(tx, seen, now=app.clock.now())
        result.moved = payouts_moved.note(tx, seen, gone=gone)
        if since is None:
            missing = there - {one.key for one in seen}
            if hidden := too_many(app, tx, target, missing, len(there)) if not accept_missing else None:
                result.stopped[target.object] = hidden
            else:
                result.changed += payouts_gone.note(tx, missing, now=app.clock.now())
        if everything and (losers := purged_merges.learn(tx, seen)):
            log.warning("payouts.tell_of_merges", accounts=losers)
            losers_of_pulls.note(tx, losers)
        meta.put(tx, READ_UNTIL, _instant(until))
    return result


def _not_in_org(app: App, seen: Sequence[payouts.Seen]) -> set[str]:
    """Whose payouts stand under another account because the org merged or deleted their own, which was not read yet: since
    the pull, or because accounts cannot be read. One call for some hundred, and none where all stand where they belong."""
    with app.store.read() as tx:
        asked = payouts_moved.elsewhere(tx, seen)
    entity = app.mapping.pull.get("account")
    if not asked or entity is None:
        return asked
    try:
        return asked - shown_live(app, entity, asked)
    except errors.WrongOrg:
        raise
    except errors.Misconfigured as error:
        log.warning("payouts.accounts_not_looked_at", code=error.code, accounts=len(asked))
        return asked


def _first(some: Sequence[str]) -> str:
    return ", ".join(some[:NAMED]) + (f" and {len(some) - NAMED} more" if len(some) > NAMED else "")


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def what_stays(app: App) -> PushTarget | None:
    """The payout table without what people decide and what only the org knows: the rest must stay as it was sent."""
    target = app.written("payout")
    if target is None:
        return None
    moving = {*target.reads.values(), target.written_from("payout.standing_id")}
    return replace(
        target, fields={name: value for name, value in target.fields.items() if name not in moving}
    )


def listed(
    app: App, *, program: str | None = None, period: str | None = None, status: str | None = None
) -> list[PayoutView]:
    """Settled amounts as the store knows them. Raises Unusable for a program, period or status that there is not."""
    with app.store.read() as tx:
        require_known(app, tx, program=program, period=period, status=status)
        return payouts_listed.listed(tx, program=program, period=period, status=status)


def sums(found: Sequence[PayoutView]) -> list[tuple[str, str, Decimal, int]]:
    """(status, currency, amount, how many), sorted."""
    totals: dict[tuple[str, str], list[Decimal]] = {}
    for one in found:
        totals.setdefault((one.state, one.due.currency), []).append(one.due.amount)
    return [(*key, sum(some, Decimal(0)), len(some)) for key, some in sorted(totals.items())]


def _view(org_id: str, one: Due, member_id: str, payee: str) -> dict[str, dict[str, Any]]:
    told = one.kind == "adjustment" and one.told_apart
    return {
        "member": {"id": payee},
        "account": {"id": payee},
        "standing": {"seq": None, "synced_at": None, "currency": one.currency},
        "program": {"key": one.program, "name": one.program_name, "currency": one.currency},
        "period": {
            "key": one.period,
            "name": one.period,
            "start": one.start,
            "end": one.end,
            "last_day": one.end - timedelta(days=1),
        },
        "payout": {
            "key": key_of(org_id, one.program, member_id, one.period, one.number),
            "type": one.type,
            "amount": one.amount,
            "late_lines": one.prior_period if told else None,
            "tier_and_terms": one.rate if told else None,
            "currency": one.currency,
            "booked_in": one.booked_in,
            "calculated_on": one.posted_at.astimezone(ZoneInfo(one.time_zone)).date(),
            "standing_id": sync_key(org_id, one.program, member_id, one.period, "standing"),
        },
    }


def _readdress(planning: Planning, target: PushTarget, gone: Collection[str]) -> None:
    """Payouts that wait for an account that was merged away go to the winner; those of a deleted one stay for `close_of`.
    Those that were given up for a deleted account are sent after all once it is back, or known to be merged."""
    name = target.written_from("member.id") or target.written_from("account.id")
    if name is None:
        return
    tx = planning.tx
    for row in payouts.unsent_of(tx, target.object, gone):
        found = people.find_members(tx, row.account_id, limit=1)
        payee = payouts.payees(tx, {one.pk for one in found}).get(found[0].pk) if found else None
        if payee is not None:
            _give(tx, row, name, payee)
    given_up = payouts.given_up(tx, target.object)
    payees = payouts.payees(tx, {row.member_pk for row in given_up})
    for row in given_up:
        payee = payees.get(row.member_pk)
        if payee is not None and payee not in gone:
            log.info("payout.taken_up_again", account=payee)
            _give(tx, row, name, payee)


def _give(tx: Connection, row: Any, name: str, payee: str) -> None:
    payload = {**outbox.load(row.payload), name: payee}
    text, digest = outbox.dump(payload), outbox.payload_hash(payload)
    payouts.readdress(tx, row.pk, account_id=payee, payload=text, digest=digest)
