"""After a restore, or with a new store: the payouts that the org has already are known before anything is settled.

No payout is made a second time, and what the org shows as settled is settled here, too. A payout of an account that was
merged since is the winner's in the org, and under the loser's key: whose it was is known once the merge has been read.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import NamedTuple

import structlog
from sqlalchemy import Connection

from jobs import unplaced
from jobs.app import App
from jobs.payouts import READ_UNTIL, key_of
from jobs.running import Running
from jobs.unplaced import Named
from mappings.model import PushTarget
from mappings.record_currency import said_in
from rebates.money import to_micro
from state import meta, payouts, payouts_gone, rebasing, takeover
from state.takeover import Found

log = structlog.get_logger()

SPARE = 50  # numbers beyond those that we know of: how often a period was corrected since the backup

Row = dict[str, str]


def payouts_in_org(app: App) -> list[Row]:
    """Every payout of ours, deleted ones too, as the org has it."""
    target = app.written("payout")
    if target is None:
        return []
    columns = ["Id", str(target.match), "IsDeleted", *_columns(target).values()]
    query = f"SELECT {', '.join(dict.fromkeys(columns))} FROM {target.object} WHERE {target.match} != null"
    rows = [row for page in app.org.query(query, include_deleted=True) for row in page.table.to_pylist()]
    with app.store.read() as tx:
        replaced = payouts_gone.replaced(tx)
    made_again = {row[str(target.match)] for row in rows if row["IsDeleted"] != "true"}
    return [
        row
        for row in rows
        if row["IsDeleted"] != "true" or not (row["Id"] in replaced or row[str(target.match)] in made_again)
    ]


class Adopted(NamedTuple):
    """Payouts that were posted, and those that could not be placed: whose they are, or their period, is not known here."""

    posted: int
    strange: int


def adopt(app: App, tx: Connection, rows: Sequence[Row], *, run_pk: int) -> Adopted:
    """Nothing that the org has is made again; what it shows as settled and the store forgot is posted."""
    posted, strange = _adopt(app, tx, rows, run_pk)
    return Adopted(posted, len(strange))


def adopt_the_rest(run: Running) -> list[Row]:
    """The same once more, when a pull has told which accounts there are and which were merged, or when a program is in
    force now that was not. Returns all payouts of the org where some are still to be placed: see `place`."""
    app = run.app
    with app.store.read() as tx:
        left, elsewhere = unplaced.some_wait(tx), unplaced.elsewhere(tx)
        if not left and not elsewhere:
            return []
        in_force = {(one.key, each.key) for one in app.programs_in_force_read(tx) for each in one.periods()}
    if not left and not in_force & elsewhere:
        return []
    rows = payouts_in_org(app)
    with app.store.transaction() as tx:
        place(app, tx, rows, run_pk=run.pk, coming=in_force)
        return rows if unplaced.some_wait(tx) else []


def place(
    app: App, tx: Connection, rows: Sequence[Row], *, run_pk: int, coming: Collection[Named] = ()
) -> int:
    """Adopt what can be placed now. A compute does it again once its programs are installed, before it settles anything.

    What is left is looked at again, and nothing is settled until then, if an account that we pay was paid it for a period that
    we compute (or that is `coming`). What belongs to programs that are not in force waits for them to come back.
    Returns how many were posted.
    """
    target = app.written("payout")
    if target is None:
        unplaced.none_wait(tx)
        return 0
    posted, strange = _adopt(app, tx, rows, run_pk)
    foreign = _in_another_currency(tx, target, rows)
    left, elsewhere = dict[tuple[str, ...], Decimal](), set[Named]()
    for row in strange:
        told = _told(target, row)
        if told is None:
            continue  # it says too little of itself, for ever
        account, program, period, amount = told
        if (program, period) in foreign:
            continue  # told by name
        if takeover.is_known(tx, program, period):
            if takeover.is_payable(tx, account):
                left[told[:3]] = left.get(told[:3], Decimal(0)) + Decimal(amount)
        elif (program, period) in coming:
            left[told] = Decimal(1)
        else:
            elsewhere.add((program, period))
    count = sum(amount != 0 for amount in left.values())  # what was taken back again is nobody's
    unplaced.note_left(tx, count)
    unplaced.note_in_another_currency(tx, foreign)
    unplaced.note_elsewhere(tx, elsewhere)
    if posted:
        meta.drop(tx, READ_UNTIL)  # what finance made of them was never read here
    return posted


def _in_another_currency(tx: Connection, target: PushTarget, rows: Sequence[Row]) -> dict[Named, list[str]]:
    """Periods of which the org has payouts that are new to us and not in the program's currency: that, and theirs."""
    column, match = _columns(target).get("payout.currency"), str(target.match)
    if column is None:
        return {}
    ours = takeover.currencies(tx)
    found: dict[Named, set[str]] = {}
    for row in rows:
        told, theirs = _told(target, row), row.get(column)
        if told is None or not theirs or ours.get(told[1], theirs) == theirs:
            continue
        if not takeover.is_ours(tx, row[match]):
            found.setdefault((told[1], told[2]), set()).add(theirs)
    return {named: [ours[named[0]], *sorted(some)] for named, some in found.items()}


def _adopt(app: App, tx: Connection, rows: Sequence[Row], run_pk: int) -> tuple[int, list[Row]]:
    """How many were posted, and what could not be placed."""
    target, org_id = app.written("payout"), meta.org_id(tx)
    if target is None or org_id is None:
        return 0, []
    found, strange, amount = list[Found](), list[Row](), _columns(target).get("payout.amount", "")
    foreign = _in_another_currency(tx, target, rows)
    for row in rows:
        key, said = row[str(target.match)], row.get(amount)
        rebasing.adopt_event(
            tx,
            target.object,
            key,
            row["Id"],
            now=app.clock.now(),
            amount_e6=to_micro(Decimal(said)) if said else None,
        )
        payouts.found(tx, key, sf_id=row["Id"])
        told = _told(target, row)
        held = told is not None and (told[1], told[2]) in foreign
        one = None if held else _found(tx, target, org_id, key, row)
        if one is None:
            strange.append(row)
        else:
            found.append(one)
    if strange:
        log.warning("payouts.of_nobody_here", payouts=len(strange))
    return len(takeover.take_over(tx, found, now=app.clock.now(), run_pk=run_pk)), strange


def _columns(target: PushTarget) -> dict[str, str]:
    paths = ("member.id", "program.key", "period.key", "payout.type", "payout.amount")
    found = {path: target.written_from(path) for path in paths} | {"payout.currency": said_in(target)}
    return {path: field for path, field in found.items() if field is not None}


def _found(tx: Connection, target: PushTarget, org_id: str, key: str, row: Row) -> Found | None:
    """Whose posting it is: the key tells, because nothing else has it."""
    told = _told(target, row)
    if told is None:
        return None
    account, program, period, amount = told
    for member in takeover.may_have_had(tx, account, program, period):
        cell = takeover.cell_of(tx, member, program, period)
        if cell is None:
            continue
        numbers = range(1, takeover.counts(tx, [cell])[cell] + SPARE)
        number = next((n for n in numbers if key_of(org_id, program, member, period, n) == key), None)
        if number is not None:
            first = number == 1 and _is_settlement(target, row.get(_columns(target).get("payout.type", "")))
            kind = "settled" if first else "adjustment"
            return Found(cell, number, kind, to_micro(Decimal(amount)), key, row["Id"])
    return None


def _told(target: PushTarget, row: Row) -> tuple[str, str, str, str] | None:
    """Account, program, period and amount of a payout; None: it does not say all of them."""
    columns = _columns(target)
    named = [
        row.get(columns.get(path, "")) for path in ("member.id", "program.key", "period.key", "payout.amount")
    ]
    account, program, period, amount = named
    return (account, program, period, amount) if account and program and period and amount else None


def _is_settlement(target: PushTarget, said: str | None) -> bool:
    name = target.written_from("payout.type")
    words = (target.fields[name].values or {}) if name is not None else {}
    return said in (None, *(words.get(word, word) for word in ("settled", "invoice")))
