"""After a restore, or with a new store: the payouts that the org has already are known before anything is settled.

No payout is made a second time, and what the org shows as settled is settled here, too. A payout of an account that was
merged since is the winner's in the org, and under the loser's key: whose it was is known once the merge has been read.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import structlog
from sqlalchemy import Connection

from jobs.app import App
from jobs.payouts import key_of
from jobs.running import Running
from mappings.model import PushTarget
from rebates.money import to_micro
from state import meta, payouts, rebasing, takeover
from state.takeover import Found

log = structlog.get_logger()

LEFT = "takeover.left"  # in `meta`: some payouts could not be placed; they are looked at again after the next pull
SPARE = 50  # numbers beyond those that we know of: how often a period was corrected since the backup

Row = dict[str, str]


def payouts_in_org(app: App) -> list[Row]:
    """Every payout of ours, deleted ones too, as the org has it."""
    target = _target(app)
    if target is None:
        return []
    columns = ["Id", str(target.match), *_columns(target).values()]
    query = f"SELECT {', '.join(dict.fromkeys(columns))} FROM {target.object} WHERE {target.match} != null"
    return [row for page in app.org.query(query, include_deleted=True) for row in page.table.to_pylist()]


class Adopted(NamedTuple):
    """Payouts that were posted, and those that are of nobody whom the store knows."""

    posted: int
    strange: int


def adopt(app: App, tx: Connection, rows: list[Row], *, run_pk: int) -> Adopted:
    """Nothing that the org has is made again; what it shows as settled and the store forgot is posted."""
    target, org_id = _target(app), meta.org_id(tx)
    if target is None or org_id is None:
        return Adopted(0, 0)
    found, strange = list[Found](), 0
    for row in rows:
        key = row[str(target.match)]
        rebasing.adopt_event(tx, target.object, key, row["Id"], now=app.clock.now())
        payouts.found(tx, key, sf_id=row["Id"])
        one = _found(tx, target, org_id, key, row)
        if one is None:
            strange += 1
        else:
            found.append(one)
    if strange:
        log.warning("payouts.of_nobody_here", payouts=strange)
    return Adopted(len(takeover.take_over(tx, found, now=app.clock.now(), run_pk=run_pk)), strange)


def adopt_the_rest(run: Running) -> int:
    """The same once more, when a pull has told which accounts were merged; what is nobody's even then belongs to programs
    that are gone. Returns how many were posted."""
    app = run.app
    with app.store.read() as tx:
        if meta.get(tx, LEFT) is None:
            return 0
    rows = payouts_in_org(app)
    with app.store.transaction() as tx:
        meta.drop(tx, LEFT)
        return adopt(app, tx, rows, run_pk=run.pk).posted


def _target(app: App) -> PushTarget | None:
    target = app.mapping.push.get("payout")
    return target if "payout" in app.settings.push.targets and target and target.when != "never" else None


def _columns(target: PushTarget) -> dict[str, str]:
    paths = ("member.id", "program.key", "period.key", "payout.type", "payout.amount")
    return {path: field for path in paths if (field := target.written_from(path)) is not None}


def _found(tx: Connection, target: PushTarget, org_id: str, key: str, row: Row) -> Found | None:
    """Whose posting it is: the key tells, because nothing else has it."""
    told = {path: row.get(field) for path, field in _columns(target).items()}
    account, program, period = told.get("member.id"), told.get("program.key"), told.get("period.key")
    amount = told.get("payout.amount")
    if not (account and program and period and amount):
        return None
    for member in takeover.may_have_had(tx, account, program, period):
        cell = takeover.cell_of(tx, member, program, period)
        if cell is None:
            continue
        numbers = range(1, takeover.counts(tx, [cell])[cell] + SPARE)
        number = next((n for n in numbers if key_of(org_id, program, member, period, n) == key), None)
        if number is not None:
            first = number == 1 and _is_settlement(target, told.get("payout.type"))
            kind = "settled" if first else "adjustment"
            return Found(cell, number, kind, to_micro(Decimal(amount)), key, row["Id"])
    return None


def _is_settlement(target: PushTarget, said: str | None) -> bool:
    name = target.written_from("payout.type")
    words = (target.fields[name].values or {}) if name is not None else {}
    return said in (None, words.get("settled", "settled"))
